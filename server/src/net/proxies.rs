//! Reverse proxies in front of the server: whose word is taken for who a visitor is.
//!
//! In: the address that a connection comes from, and its request's headers. Out: the player's own address, and whether a
//! proxy stands between. The choice to question: a list of addresses and not a switch. Whoever reaches the server past
//! its proxy could otherwise name any address, and be limited as somebody else.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

/// Where each proxy on the way appends the address that it was reached from.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The proxies that are trusted.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies(Vec<IpAddr>);

/// Who is behind a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Visitor {
    /// The nearest address that no trusted proxy has; `None` when nobody said one.
    pub(super) address: Option<IpAddr>,
    /// Whether the connection ends at a proxy, and another one begins there.
    pub(super) is_relayed: bool,
}

impl Proxies {
    pub(super) fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Self(addresses.into_iter().map(|it| it.to_canonical()).collect())
    }

    pub(super) fn contain(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Who a request comes from. Of the addresses in the header only the last are proxies' words: those before the
    /// first that is none of ours may be invented.
    pub(super) fn visitor(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Visitor {
        let is_relayed = peer.is_some_and(|peer| self.contain(peer));
        if !is_relayed {
            return Visitor {
                address: peer,
                is_relayed,
            };
        }
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let address = lines
            .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
            .map(|word| address_in(str::from_utf8(word).ok()?.trim()))
            .find(|address| address.is_none_or(|address| !self.contain(address)))
            .flatten();
        Visitor {
            address,
            is_relayed,
        }
    }
}

/// An address as proxies write it, some with a port.
fn address_in(word: &str) -> Option<IpAddr> {
    let with_port = || word.parse().map(|it: SocketAddr| it.ip());
    word.parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// Whom a request comes from, with these lines in its header.
    fn visitor(peer: &str, lines: &[&str]) -> (Option<IpAddr>, bool) {
        let proxies = Proxies::new(["10.0.0.1", "10.0.0.2"].map(|it| it.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                FORWARDED_FOR,
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        let visitor = proxies.visitor(address(peer), &headers);
        (visitor.address, visitor.is_relayed)
    }

    #[test]
    fn a_trusted_proxy_says_who_comes() {
        let player = (address("192.0.2.7"), true);
        assert_eq!(visitor("10.0.0.1", &["192.0.2.7"]), player);
        assert_eq!(visitor("::ffff:10.0.0.1", &["192.0.2.7"]), player);
        assert_eq!(visitor("10.0.0.1", &["192.0.2.7, 10.0.0.2"]), player);
        assert_eq!(visitor("10.0.0.1", &["192.0.2.7", "10.0.0.2"]), player);
        assert_eq!(visitor("10.0.0.1", &["192.0.2.7:50000"]), player);
        let player = (address("2001:db8::7"), true);
        assert_eq!(visitor("10.0.0.2", &["2001:db8::7"]), player);
        assert_eq!(visitor("10.0.0.2", &["[2001:db8::7]:50000"]), player);
    }

    #[test]
    fn what_a_player_has_written_itself_is_not_believed() {
        let player = (address("192.0.2.7"), true);
        assert_eq!(visitor("10.0.0.1", &["203.0.113.1, 192.0.2.7"]), player);
        assert_eq!(visitor("10.0.0.1", &["203.0.113.1", "192.0.2.7"]), player);
        assert_eq!(visitor("10.0.0.1", &["\u{ff}, 192.0.2.7"]), player);
        let stranger = (address("192.0.2.9"), false);
        assert_eq!(visitor("192.0.2.9", &["203.0.113.1"]), stranger);
    }

    #[test]
    fn a_proxy_that_names_nobody_leaves_the_address_open() {
        assert_eq!(visitor("10.0.0.1", &[]), (None, true));
        assert_eq!(visitor("10.0.0.1", &["203.0.113.1, unknown"]), (None, true));
    }
}
