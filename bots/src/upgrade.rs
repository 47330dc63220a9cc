//! The HTTP upgrade from a client's side (RFC 6455, section 4.1): a request out, the answer's bytes in
//! piece by piece, and whatever followed the answer back out.
//!
//! The key is the RFC's own sample for every connection. It exists so that a cache cannot answer by
//! accident; a load test has no cache, and a known key has a known answer, which is checked.

use tickwire_protocol::limits::SUBPROTOCOL;

use crate::target::Target;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// SHA-1 of the key and the RFC's fixed text, in Base64: section 1.3 works this example.
const KEY_ACCEPTED: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Longer answers than this are no upgrade.
const ANSWER_BYTES_MAX: usize = 8 * 1024;

/// The request that asks `target` for a WebSocket.
#[must_use]
pub fn request(target: &Target) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n",
        path = target.path,
        host = target.authority,
    )
    .into_bytes()
}

/// Collects the answer until it is whole.
#[derive(Debug, Default)]
pub struct Answer {
    bytes: Vec<u8>,
}

impl Answer {
    /// Takes bytes as they come; gives back those behind the answer once it is whole and right.
    ///
    /// # Errors
    /// With a sentence when the server said no, or something that is no answer.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, String> {
        self.bytes.extend_from_slice(bytes);
        let Some(end) = self
            .bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
        else {
            if self.bytes.len() > ANSWER_BYTES_MAX {
                return Err("the upgrade was answered with something that never ends".into());
            }
            return Ok(None);
        };
        let behind = self.bytes.split_off(end + 4);
        let text = String::from_utf8_lossy(&self.bytes[..end]);
        check(&text)?;
        self.bytes = Vec::new();
        Ok(Some(behind))
    }
}

fn check(answer: &str) -> Result<(), String> {
    let mut lines = answer.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        return Err(format!("the upgrade was answered with: {status}"));
    }
    let headers: Vec<(&str, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
        .collect();
    let has = |wanted: &str, value: &str| {
        headers.iter().any(|(name, found)| {
            name.eq_ignore_ascii_case(wanted) && found.eq_ignore_ascii_case(value)
        })
    };
    let is_accepted = headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("sec-websocket-accept") && *value == KEY_ACCEPTED
    });
    if !is_accepted {
        return Err("the upgrade's Sec-WebSocket-Accept is not that of the key".into());
    }
    if !has("upgrade", "websocket") || !has("sec-websocket-protocol", SUBPROTOCOL) {
        return Err(format!(
            "the server did not agree to {SUBPROTOCOL} over WebSocket"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Answer;

    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nconnection: Upgrade\r\n\
        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: tickwire.1\r\n\r\n";

    #[test]
    fn an_answer_in_single_bytes_gives_back_what_followed_it() {
        let mut answer = Answer::default();
        let (last, first) = GOOD.as_bytes().split_last().unwrap();
        for byte in first {
            assert_eq!(answer.handle_bytes(&[*byte]), Ok(None));
        }
        assert_eq!(
            answer.handle_bytes(&[*last, 0x82, 0x00]),
            Ok(Some(vec![0x82, 0x00]))
        );
    }

    #[test]
    fn a_no_is_told_in_the_servers_words() {
        let mut answer = Answer::default();
        let told = answer
            .handle_bytes(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
            .unwrap_err();
        assert!(told.contains("503 Service Unavailable"));
    }

    #[test]
    fn an_answer_to_another_key_or_protocol_or_without_end_is_refused() {
        let wrong_key = GOOD.replace("s3pP", "s3pQ");
        assert!(
            Answer::default()
                .handle_bytes(wrong_key.as_bytes())
                .is_err()
        );
        let no_protocol = GOOD.replace("tickwire.1", "chat");
        assert!(
            Answer::default()
                .handle_bytes(no_protocol.as_bytes())
                .is_err()
        );
        assert!(Answer::default().handle_bytes(&vec![b'a'; 9000]).is_err());
    }
}
