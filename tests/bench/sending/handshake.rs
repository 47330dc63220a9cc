//! The upgrade over blocking sockets, before anything is measured.

use std::io::{Error, ErrorKind, Read, Result, Write};

use tickwire_protocol::{
    limits::SUBPROTOCOL,
    websocket::{
        Opcode, Writer,
        upgrade::{Upgrade, accept_key},
    },
};

/// Reads up to the empty line that ends an HTTP head, and not a byte more.
fn read_head(stream: &mut impl Read) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > 8192 || stream.read(&mut byte)? == 0 {
            return Err(Error::new(ErrorKind::InvalidData, "no HTTP head"));
        }
        head.push(byte[0]);
    }
    Ok(head)
}

/// Answers one upgrade request.
pub(crate) fn accept(stream: &mut (impl Read + Write)) -> Result<()> {
    let head = String::from_utf8_lossy(&read_head(stream)?).into_owned();
    let key = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        .map(|(_, value)| value.trim())
        .ok_or_else(|| Error::new(ErrorKind::InvalidData, "no Sec-WebSocket-Key"))?;
    write!(
        stream,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n",
        accept_key(key.as_bytes())
    )
}

/// Asks for an upgrade of `path` and checks the answer.
pub(crate) fn connect(stream: &mut (impl Read + Write), path: &str) -> Result<()> {
    let (upgrade, request) = Upgrade::request("localhost", path, Some(SUBPROTOCOL), [7; 16]);
    stream.write_all(request.as_bytes())?;
    upgrade
        .answer(&read_head(stream)?)
        .map_err(|e| Error::new(ErrorKind::InvalidData, e))?;
    Ok(())
}

/// A whole binary message as a server sends it.
pub(crate) fn server_message(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::server().message(Opcode::Binary, payload, &mut out);
    out
}
