//! A message of two bytes as a WebSocket frame, from either end, and a close.

use tickwire_protocol::{
    error::CloseCode,
    websocket::{Item, Opcode, Reader, Role, Writer},
};

use super::Example;

pub(crate) fn all() -> Vec<Example> {
    let mut down = Vec::new();
    Writer::server().message(Opcode::Binary, &[0xaa, 0xbb], &mut down);
    check(Role::Client, &down, &[0xaa, 0xbb]);
    let mut close = Vec::new();
    Writer::server().close(CloseCode::Full.number(), "full", &mut close);
    vec![
        ("websocket-down", down),
        ("websocket-up", up()),
        ("websocket-close", close),
    ]
}

/// With the key that the page shows: a client's is random, and any will do.
fn up() -> Vec<u8> {
    let key = [0x11, 0x22, 0x33, 0x44];
    let payload = [0xaa ^ key[0], 0xbb ^ key[1]];
    let frame = [&[0x82, 0x82][..], &key, &payload].concat();
    check(Role::Server, &frame, &[0xaa, 0xbb]);
    let mut ours = Vec::new();
    Writer::client(1).message(Opcode::Binary, &[0xaa, 0xbb], &mut ours);
    assert_eq!(ours[..2], frame[..2], "the header is as ours");
    frame
}

fn check(role: Role, frame: &[u8], message: &[u8]) {
    let mut bytes = frame.to_vec();
    let mut input = &mut bytes[..];
    let mut reader = Reader::new(role, 1024);
    let read = reader.read(&mut input);
    assert!(matches!(read, Ok(Some(Item::Binary(bytes))) if bytes == message));
}
