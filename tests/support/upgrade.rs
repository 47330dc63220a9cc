//! The answer to an upgrade, for peers that write their frames themselves.

use std::io;

use tickwire_protocol::websocket::upgrade::Upgrade;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Waits until the server has said yes, and gives what came of its frames already.
///
/// # Errors
/// When it says no, and [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) when it closes without a word.
pub async fn answered(
    socket: &mut (impl AsyncRead + Unpin),
    upgrade: &Upgrade,
) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    loop {
        if socket.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = upgrade.answer(&answer).map_err(io::Error::other)? {
            return Ok(answer.split_off(end));
        }
    }
}
