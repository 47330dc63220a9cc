//! A `ws://` address in, its parts out. TLS is refused with a reason: a load test measures the server
//! behind its proxy.

use std::{fmt, net::SocketAddr, net::ToSocketAddrs, str::FromStr};

/// Where the bots play: host, port and path of a WebSocket endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host and port as they stand in the `Host` header.
    pub authority: String,
    /// Path and query, with the leading slash.
    pub path: String,
}

impl Target {
    /// The first address that the host's name stands for.
    ///
    /// # Errors
    /// When the name is not known.
    pub fn resolve(&self) -> Result<SocketAddr, String> {
        let with_port = if self.has_port() {
            self.authority.clone()
        } else {
            format!("{}:80", self.authority)
        };
        with_port
            .to_socket_addrs()
            .map_err(|error| format!("{}: {error}", self.authority))?
            .next()
            .ok_or_else(|| format!("{}: the name stands for no address", self.authority))
    }

    /// A colon behind the last bracket: IPv6 addresses have colons of their own.
    fn has_port(&self) -> bool {
        let after_bracket = self.authority.rsplit(']').next().unwrap_or(&self.authority);
        after_bracket.contains(':')
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        if url.starts_with("wss://") {
            return Err(
                "bots speak plain ws:// only: aim them at the server behind its TLS proxy".into(),
            );
        }
        let rest = url.strip_prefix("ws://").ok_or_else(|| {
            format!("{url}: an address begins with ws://, as ws://127.0.0.1:8080/play")
        })?;
        let rest = rest.split('#').next().unwrap_or(rest);
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        if authority.is_empty()
            || authority.contains(char::is_whitespace)
            || path.contains(char::is_whitespace)
        {
            return Err(format!("{url}: no host"));
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            authority: authority.into(),
            path: format!("{slash}{path}"),
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ws://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    fn parts(url: &str) -> Result<(String, String), String> {
        url.parse()
            .map(|target: Target| (target.authority, target.path))
    }

    #[test]
    fn an_address_comes_apart_into_authority_and_path() {
        let whole = parts("ws://127.0.0.1:8080/play?room=a#top");
        assert_eq!(whole, Ok(("127.0.0.1:8080".into(), "/play?room=a".into())));
        assert_eq!(parts("ws://[::1]:9"), Ok(("[::1]:9".into(), "/".into())));
        assert_eq!(parts("ws://host?a=b"), Ok(("host".into(), "/?a=b".into())));
    }

    #[test]
    fn what_is_no_plain_websocket_address_is_refused_with_a_reason() {
        assert!(parts("wss://host/play").is_err_and(|reason| reason.contains("TLS")));
        assert!(parts("http://host/play").is_err_and(|reason| reason.contains("ws://")));
        assert!(parts("ws:///play").is_err());
        assert!(parts("ws://host/a b").is_err());
    }

    #[test]
    fn a_port_left_out_is_80() {
        let target: Target = "ws://[::1]/play".parse().unwrap();
        assert_eq!(target.resolve().unwrap().port(), 80);
    }
}
