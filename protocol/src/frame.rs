//! Frames: what one binary WebSocket message is made of.
//!
//! In: a message. Out: its frames, payloads borrowed from it. One message holds one frame or more, up
//! to its end; nothing spans two messages. The header of the commonest frames (an input up, a snapshot
//! down) is two bytes: a frame that ends its message needs no length, because WebSocket has said it.

use crate::{
    coding::{Reader, put_varint, varint_len},
    error::DecodeError,
    id::StreamId,
};

/// Set in a frame's first byte when the payload runs to the end of the message and no length follows.
pub const FLAG_TO_END: u8 = 0x80;

/// Set in the first byte of an opened stream's data frame when its record goes on in the stream's next one.
pub const FLAG_MORE: u8 = 0x40;

/// What a frame does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameKind {
    /// Bytes of the stream.
    Data = 0,
    /// Opens the stream.
    Open = 1,
    /// Takes an offered stream, and gives it credit.
    Accept = 2,
    /// Declines an offered stream. It is gone.
    Refuse = 3,
    /// No data follows in this direction.
    End = 4,
    /// Gives the stream up at once, both directions.
    Reset = 5,
    /// Raises how many bytes the receiver takes; on stream 0, of all opened streams together.
    Credit = 6,
    /// The receiver's program has taken the last byte before the end.
    Consumed = 7,
}

impl FrameKind {
    /// Every kind, at the index of its number.
    pub const ALL: [Self; 8] = [
        Self::Data,
        Self::Open,
        Self::Accept,
        Self::Refuse,
        Self::End,
        Self::Reset,
        Self::Credit,
        Self::Consumed,
    ];
}

/// One frame of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it does.
    pub kind: FrameKind,
    /// Whether the record goes on in the next data frame of the stream. Data frames of opened streams only.
    pub more: bool,
    /// The stream it belongs to.
    pub stream: StreamId,
    /// What the kind says.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Takes the next frame of a message.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are no frame: an unknown kind or flag, or a length beyond the end.
    #[inline]
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let first = reader.u8("frame kind")?;
        let Some(&kind) = FrameKind::ALL.get((first & !(FLAG_TO_END | FLAG_MORE)) as usize) else {
            return Err(DecodeError::Invalid("frame kind"));
        };
        let more = first & FLAG_MORE != 0;
        let stream = StreamId(reader.varint_u32("stream id")?);
        if more && (kind != FrameKind::Data || stream < StreamId::FIRST_OPENED) {
            return Err(DecodeError::Invalid("frame flag"));
        }
        let payload = if first & FLAG_TO_END != 0 {
            reader.rest()
        } else {
            let len = reader.count(reader.remaining(), "frame length")?;
            reader.bytes(len, "frame payload")?
        };
        Ok(Self {
            kind,
            more,
            stream,
            payload,
        })
    }
}

/// Appends the header of a frame whose payload of `payload_bytes` the caller appends next.
#[inline]
pub fn put_header(
    out: &mut Vec<u8>,
    kind: FrameKind,
    more: bool,
    stream: StreamId,
    payload_bytes: usize,
) {
    out.push(kind as u8 | if more { FLAG_MORE } else { 0 });
    put_varint(out, u64::from(stream.0));
    put_varint(out, payload_bytes as u64);
}

/// Bytes that [`put_header`] appends.
#[must_use]
pub const fn header_len(stream: StreamId, payload_bytes: usize) -> usize {
    1 + varint_len(stream.0 as u64) + varint_len(payload_bytes as u64)
}

/// Appends the header of a data frame that ends its message: whatever the caller appends after it,
/// until the message is sent, is its payload.
#[inline]
pub fn put_final_header(out: &mut Vec<u8>, stream: StreamId) {
    out.push(FrameKind::Data as u8 | FLAG_TO_END);
    put_varint(out, u64::from(stream.0));
}

/// Appends a whole frame with its length.
pub fn put_frame(out: &mut Vec<u8>, kind: FrameKind, stream: StreamId, payload: &[u8]) {
    put_header(out, kind, false, stream, payload.len());
    out.extend_from_slice(payload);
}

/// Bytes of the whole frames at the front of `framed` that fit `budget_bytes`.
///
/// `framed` is our own queue of frames with lengths.
#[must_use]
pub fn whole_frames_within(framed: &[u8], budget_bytes: usize) -> usize {
    if framed.len() <= budget_bytes {
        return framed.len();
    }
    let mut fitting = 0;
    loop {
        let end = fitting + first_frame_bytes(&framed[fitting..]);
        if end > budget_bytes || end == fitting {
            return fitting;
        }
        fitting = end;
    }
}

/// Bytes of the first frame of our own queue of frames with lengths; 0 when it is empty.
#[must_use]
pub fn first_frame_bytes(framed: &[u8]) -> usize {
    let mut reader = Reader::new(framed);
    match Frame::decode(&mut reader) {
        Ok(_) => framed.len() - reader.remaining(),
        Err(_) => 0,
    }
}

/// How many frames stand in our own queue of frames with lengths.
#[must_use]
pub(crate) fn frames_in(framed: &[u8]) -> u64 {
    let mut reader = Reader::new(framed);
    let mut frames = 0;
    while !reader.is_empty() && Frame::decode(&mut reader).is_ok() {
        frames += 1;
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_frame_comes_back(kind in 0usize..8, more: bool, stream: u32, payload: Vec<u8>) {
            let kind = FrameKind::ALL[kind];
            let stream = StreamId(stream);
            let more = more && kind == FrameKind::Data && stream >= StreamId::FIRST_OPENED;
            let mut out = Vec::new();
            put_header(&mut out, kind, more, stream, payload.len());
            prop_assert_eq!(out.len(), header_len(stream, payload.len()));
            out.extend_from_slice(&payload);
            let mut reader = Reader::new(&out);
            let frame = Frame::decode(&mut reader).unwrap();
            prop_assert_eq!(frame, Frame { kind, more, stream, payload: &payload });
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_bytes_end_in_frames_or_an_error(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while !reader.is_empty() && Frame::decode(&mut reader).is_ok() {}
        }

        #[test]
        fn a_cut_queue_is_cut_between_frames(sizes in prop::collection::vec(0usize..300, 1..8), budget in 0usize..1000) {
            let mut framed = Vec::new();
            let mut ends = vec![];
            for size in sizes {
                put_frame(&mut framed, FrameKind::Data, StreamId(3), &vec![7; size]);
                ends.push(framed.len());
            }
            let cut = whole_frames_within(&framed, budget);
            prop_assert!(cut == 0 || ends.contains(&cut));
            prop_assert!(cut <= budget);
            prop_assert_eq!(frames_in(&framed), ends.len() as u64);
            prop_assert_eq!(frames_in(&framed[..cut]), ends.iter().filter(|end| **end <= cut).count() as u64);
            let next = ends.iter().copied().find(|end| *end > cut);
            prop_assert!(next.is_none_or(|end| end > budget));
        }
    }

    #[test]
    fn a_final_frame_takes_the_rest_of_the_message() {
        let mut out = Vec::new();
        put_frame(&mut out, FrameKind::End, StreamId(8), &[]);
        put_final_header(&mut out, StreamId::SNAPSHOT);
        out.extend_from_slice(b"state");
        let mut reader = Reader::new(&out);
        assert_eq!(Frame::decode(&mut reader).unwrap().kind, FrameKind::End);
        let last = Frame::decode(&mut reader).unwrap();
        assert_eq!(
            (last.stream, last.payload),
            (StreamId::SNAPSHOT, &b"state"[..])
        );
        assert!(reader.is_empty());
    }

    #[test]
    fn reserved_bits_are_refused() {
        for first in [0x10u8, 0x20, 0x08, 0x41] {
            let bytes = [first, 0, 0];
            assert!(
                Frame::decode(&mut Reader::new(&bytes)).is_err(),
                "{first:#x}"
            );
        }
    }

    #[test]
    fn only_records_of_opened_streams_go_on() {
        for stream in 0..=StreamId::FIRST_OPENED.0 {
            let mut bytes = Vec::new();
            put_header(&mut bytes, FrameKind::Data, true, StreamId(stream), 0);
            let frame = Frame::decode(&mut Reader::new(&bytes));
            assert_eq!(
                frame.is_ok(),
                stream >= StreamId::FIRST_OPENED.0,
                "{stream}"
            );
        }
    }
}
