//! A client that writes any bytes at all, cut anywhere, and reads frames by RFC 6455 alone: it shares no code with
//! what it tests.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// Set in the first byte of a message's last frame.
pub(crate) const FIN: u8 = 0x80;

/// No echo takes this long, on no machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// One frame as it stands on the wire: the first byte as given, masked with a key that is not zero.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x9e, 0x37, 0x79, 0xb9];
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | short as u8),
        medium @ 126..65536 => {
            bytes.push(0x80 | 126);
            bytes.extend((medium as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(KEY);
    bytes.extend(payload.iter().zip(KEY.iter().cycle()).map(|(a, b)| a ^ b));
    bytes
}

/// A close frame with a code and a reason.
pub(crate) fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// What the server said on one connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Whole messages and pongs: opcode and payload.
    pub(crate) messages: Vec<(u8, Vec<u8>)>,
    /// The payload of its close frame; `None` when the socket ended without one.
    pub(crate) close: Option<Vec<u8>>,
}

impl Said {
    /// The code in its close frame.
    pub(crate) fn code(&self) -> Option<u16> {
        let code = self.close.as_ref()?.first_chunk()?;
        Some(u16::from_be_bytes(*code))
    }
}

/// Opens a connection, writes `bytes` in pieces of `chop`, and reads until the server ends the connection. The
/// bytes have to make it do so.
pub(crate) fn converse(address: &str, bytes: &[u8], chop: usize) -> Result<Said> {
    let host = address
        .strip_prefix("ws://")
        .and_then(|rest| rest.strip_suffix("/echo"))
        .context("the echo's address")?;
    let mut stream = TcpStream::connect(host)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /echo HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )?;
    let mut reader = stream.try_clone()?;
    let reading = std::thread::spawn(move || -> Result<Vec<u8>> {
        let mut answer = Vec::new();
        // A server that has closed may reset what it did not read; what it said before is what counts.
        match reader.read_to_end(&mut answer) {
            Err(error) if answer.is_empty() => Err(error.into()),
            _ => Ok(answer),
        }
    });
    for piece in bytes.chunks(chop) {
        // It may have closed in the middle, as it should.
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let answer = reading
        .join()
        .map_err(|_| anyhow::anyhow!("the reader"))??;
    let _ = stream.shutdown(Shutdown::Both);
    let head = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .context("the head of the answer")?;
    // The key and its answer are the example of RFC 6455, section 1.3.
    let head_text = String::from_utf8_lossy(&answer[..head]).to_lowercase();
    ensure!(head_text.starts_with("http/1.1 101"), "{head_text}");
    ensure!(
        head_text.contains("s3pplmbitxaq9kygzzhzrbk+xoo="),
        "{head_text}"
    );
    read_frames(&answer[head + 4..])
}

/// Reads a server's frames, and holds it to the rules for them.
fn read_frames(mut bytes: &[u8]) -> Result<Said> {
    let mut said = Said::default();
    let mut take = |count: usize| -> Result<&[u8]> {
        let (taken, rest) = bytes.split_at_checked(count).context("a torn frame")?;
        bytes = rest;
        Ok(taken)
    };
    while let Ok(&[first, second]) = take(2).map(|head| head.first_chunk().unwrap_or(&[0; 2])) {
        ensure!(said.close.is_none(), "a frame after the close frame");
        ensure!(first & 0x70 == 0, "a reserved bit: {first:#x}");
        ensure!(second & 0x80 == 0, "a server's frame has a mask");
        ensure!(first & FIN != 0, "the echo sends no fragments");
        let length = match second {
            126 => usize::from(u16::from_be_bytes(take(2)?.try_into()?)),
            127 => usize::try_from(u64::from_be_bytes(take(8)?.try_into()?))?,
            short => usize::from(short),
        };
        let payload = take(length)?.to_vec();
        match first & 0x0f {
            CLOSE => said.close = Some(payload),
            opcode @ (TEXT | BINARY | PONG) => said.messages.push((opcode, payload)),
            opcode => anyhow::bail!("opcode {opcode}"),
        }
    }
    Ok(said)
}
