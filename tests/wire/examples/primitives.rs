//! Varints, signed numbers, texts, and the frame around them.

use tickwire_protocol::{
    coding::{Reader, put_length_prefixed, put_signed, put_varint},
    frame::{Frame, FrameKind, put_final_header, put_frame},
    id::StreamId,
};

use super::Example;

fn written(write: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out
}

pub(crate) fn all() -> Vec<Example> {
    vec![
        ("varint-300", varint(300)),
        ("signed-minus-3", signed(-3)),
        ("text", text("Ada")),
        ("frame-with-length", frame_with_length()),
        ("frame-to-the-end", frame_to_the_end()),
    ]
}

fn varint(value: u64) -> Vec<u8> {
    let bytes = written(|out| put_varint(out, value));
    assert_eq!(Reader::new(&bytes).varint("example"), Ok(value));
    bytes
}

fn signed(value: i64) -> Vec<u8> {
    let bytes = written(|out| put_signed(out, value));
    assert_eq!(Reader::new(&bytes).signed("example"), Ok(value));
    bytes
}

fn text(text: &str) -> Vec<u8> {
    let bytes = written(|out| put_length_prefixed(out, text.as_bytes()));
    assert_eq!(Reader::new(&bytes).text(10, "example"), Ok(text));
    bytes
}

fn frame_with_length() -> Vec<u8> {
    let bytes = written(|out| put_frame(out, FrameKind::Data, StreamId::EVENT, b"hi"));
    check(&bytes, StreamId::EVENT, b"hi");
    bytes
}

fn frame_to_the_end() -> Vec<u8> {
    let bytes = written(|out| {
        put_final_header(out, StreamId::SNAPSHOT);
        out.extend_from_slice(b"hi");
    });
    check(&bytes, StreamId::SNAPSHOT, b"hi");
    bytes
}

fn check(bytes: &[u8], stream: StreamId, payload: &[u8]) {
    let mut reader = Reader::new(bytes);
    let frame = Frame::decode(&mut reader).expect("a frame");
    assert_eq!((frame.stream, frame.payload), (stream, payload));
    assert!(reader.is_empty());
}
