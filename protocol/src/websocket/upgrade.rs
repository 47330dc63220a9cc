//! The upgrade from HTTP (RFC 6455, section 4): what proves that the other end speaks WebSocket, and
//! the client's half for programs that are no browser.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

/// What the server appends to the client's key before hashing it (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The largest answer to an upgrade that a client reads.
const ANSWER_BYTES_MAX: usize = 8 * 1024;

/// The value of `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key`.
#[must_use]
pub fn accept_key(key: &[u8]) -> String {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    STANDARD.encode(digest)
}

/// Whether `key` is what a client must send: 16 bytes in base64.
#[must_use]
pub fn is_key(key: &[u8]) -> bool {
    STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16)
}

/// A client's upgrade, from the request to the first byte behind the answer.
#[derive(Debug)]
pub struct Upgrade {
    accept: String,
    subprotocol: Option<String>,
}

/// Why an upgrade failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// The server answered with something else, for example 503 when it is full.
    #[error("the server answered: {0}")]
    Refused(String),
    /// The answer breaks a rule.
    #[error("the server's answer to the upgrade is wrong: {0}")]
    Wrong(&'static str),
}

impl Upgrade {
    /// Writes the request for `path` at `host` and remembers what the answer must say. `nonce` is 16
    /// random bytes.
    #[must_use]
    pub fn request(
        host: &str,
        path: &str,
        subprotocol: Option<&str>,
        nonce: [u8; 16],
    ) -> (Self, String) {
        let key = STANDARD.encode(nonce);
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        );
        if let Some(subprotocol) = subprotocol {
            request.push_str(&format!("Sec-WebSocket-Protocol: {subprotocol}\r\n"));
        }
        request.push_str("\r\n");
        let upgrade = Self {
            accept: accept_key(key.as_bytes()),
            subprotocol: subprotocol.map(str::to_owned),
        };
        (upgrade, request)
    }

    /// Looks at all the bytes that have come so far. `Some(n)`: the upgrade is done and frames begin at
    /// byte `n`. `None`: bytes are missing.
    ///
    /// # Errors
    ///
    /// The answer is no, or breaks a rule.
    pub fn answer(&self, bytes: &[u8]) -> Result<Option<usize>, UpgradeError> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return if bytes.len() > ANSWER_BYTES_MAX {
                Err(UpgradeError::Wrong("it is too long"))
            } else {
                Ok(None)
            };
        };
        let head = core::str::from_utf8(&bytes[..end]);
        let head = head.map_err(|_| UpgradeError::Wrong("it is not text"))?;
        let (status, fields) = head.split_once("\r\n").unwrap_or((head, ""));
        if status.split(' ').nth(1) != Some("101") {
            return Err(UpgradeError::Refused(status.to_owned()));
        }
        let field = |name: &str| {
            fields.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        if field("Sec-WebSocket-Accept") != Some(self.accept.as_str()) {
            return Err(UpgradeError::Wrong(
                "Sec-WebSocket-Accept does not fit the key",
            ));
        }
        if field("Sec-WebSocket-Protocol") != self.subprotocol.as_deref() {
            return Err(UpgradeError::Wrong("the subprotocol was not agreed to"));
        }
        Ok(Some(end + 4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_rfc_gives_the_answer_of_the_rfc() {
        assert_eq!(
            accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert!(is_key(b"dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(!is_key(b"dGhlIHNhbXBsZQ=="));
        assert!(!is_key(b"not base64!"));
    }

    #[test]
    fn an_answer_is_taken_only_whole_and_only_with_the_right_key() {
        let (upgrade, request) =
            Upgrade::request("localhost", "/play", Some("tickwire.1"), [7; 16]);
        let key = request
            .lines()
            .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
            .unwrap();
        let answer = |accept: &str| {
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: {accept}\r\n\
                 sec-websocket-protocol: tickwire.1\r\n\r\nframes"
            )
        };
        let right = answer(&accept_key(key.as_bytes()));
        let end = right.len() - "frames".len();
        assert_eq!(upgrade.answer(right.as_bytes()), Ok(Some(end)));
        assert_eq!(upgrade.answer(&right.as_bytes()[..end - 1]), Ok(None));
        assert!(upgrade.answer(answer("other").as_bytes()).is_err());
        assert_eq!(
            upgrade.answer(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"),
            Err(UpgradeError::Refused(
                "HTTP/1.1 503 Service Unavailable".into()
            ))
        );
    }
}
