//! The address of a WebSocket: `ws://host:port/path` in, its parts out. What finds the host is the shell's.

use core::{fmt, str::FromStr};

/// Where a WebSocket endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether it was written with `wss://`: the bytes are to go through TLS.
    pub is_secure: bool,
    /// Host and port as they stand in the `Host` header.
    pub authority: String,
    /// Path and query, with the leading slash.
    pub path: String,
}

/// Why a text is no address of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It begins with something else.
    #[error("{0}: an address begins with ws:// or wss://, as ws://127.0.0.1:8080/play")]
    Scheme(String),
    /// There is no host in it, or something that cannot stand in a host or a path.
    #[error(
        "{0}: no host, a port that is none, or a character that does not belong into an address"
    )]
    Malformed(String),
}

impl Address {
    /// The host as a resolver takes it: without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = match self.port_at() {
            Some(at) => &self.authority[..at],
            None => &self.authority,
        };
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port; 80, or 443 with TLS, if none is written.
    #[must_use]
    pub fn port(&self) -> u16 {
        let written = self.port_at().map(|at| &self.authority[at + 1..]);
        let default = if self.is_secure { 443 } else { 80 };
        written
            .and_then(|port| port.parse().ok())
            .unwrap_or(default)
    }

    /// A colon behind the last bracket: IPv6 addresses have colons of their own.
    fn port_at(&self) -> Option<usize> {
        let bracket = self.authority.rfind(']').unwrap_or(0);
        Some(bracket + self.authority[bracket..].find(':')?)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(url: &str) -> Result<Self, AddressError> {
        let (is_secure, rest) = match (url.strip_prefix("ws://"), url.strip_prefix("wss://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(AddressError::Scheme(url.to_owned())),
        };
        let rest = rest.split('#').next().unwrap_or(rest);
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        let address = Self {
            is_secure,
            authority: authority.into(),
            path: format!("{slash}{path}"),
        };
        // Both stand in the request's head, where a space or a line's end would begin something else.
        let is_plain = rest.bytes().all(|byte| byte.is_ascii_graphic());
        let port = address.port_at().map(|at| &address.authority[at + 1..]);
        let has_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
        if address.host().is_empty() || !is_plain || !has_port {
            return Err(AddressError::Malformed(url.to_owned()));
        }
        Ok(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> Result<(String, u16, String), AddressError> {
        let address: Address = url.parse()?;
        Ok((address.host().to_owned(), address.port(), address.path))
    }

    #[test]
    fn an_address_comes_apart_into_host_port_and_path() {
        let parts = |url| parts(url).unwrap();
        let whole = parts("ws://127.0.0.1:8080/play?room=a#top");
        assert_eq!(whole, ("127.0.0.1".into(), 8080, "/play?room=a".into()));
        assert_eq!(parts("ws://[::1]:9"), ("::1".into(), 9, "/".into()));
        assert_eq!(parts("ws://[::1]/p"), ("::1".into(), 80, "/p".into()));
        assert_eq!(
            parts("wss://host?a=b"),
            ("host".into(), 443, "/?a=b".into())
        );
    }

    #[test]
    fn what_is_no_address_of_a_websocket_is_refused_with_a_reason() {
        assert!(matches!(
            parts("http://host/play"),
            Err(AddressError::Scheme(_))
        ));
        for url in [
            "ws:///play",
            "ws://:80/play",
            "ws://host/a b",
            "ws://host/a\r\nCookie: b",
            "ws://host:port/",
            "ws://host:70000/",
        ] {
            assert!(
                matches!(parts(url), Err(AddressError::Malformed(_))),
                "{url}"
            );
        }
    }
}
