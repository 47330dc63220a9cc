//! What a stream is, apart from its state: kind, class, weight, direction, metadata, and its type.
//!
//! In: what an end asks for when it opens a stream. Out: the `OPEN` payload, and back. A class is part
//! of the offer and not only of the kind, so that a game can move one upload before another; but what
//! a peer opens never gets into the classes of control and state.

use core::{fmt, marker::PhantomData, num::NonZeroU8};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    coding::{Reader, put_varint},
    error::{ApiMisuse, DecodeError},
    id::StreamId,
    limits::METADATA_BYTES_MAX,
    messagepack,
};

/// Which bytes go first: a lower class always before a higher one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// Handshake, clock, credit: tiny, and everything else depends on it.
    Control = 0,
    /// Input up, snapshots down.
    State = 1,
    /// Events, requests, voice.
    Event = 2,
    /// Files, assets, uploads.
    Bulk = 3,
}

impl Class {
    /// Every class, at the index of its number.
    pub const ALL: [Self; 4] = [Self::Control, Self::State, Self::Event, Self::Bulk];
}

/// How a stream treats its bytes when the socket is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum StreamKind {
    /// Records (typed values, requests and answers): in order, none lost.
    Messages = 1,
    /// Voice and video: a record that waited too long is dropped whole.
    Live = 2,
    /// A byte stream; how it was cut into writes means nothing.
    Bytes = 3,
    /// A byte stream that can be opened again from an offset. Who asks opens it and ends its half.
    Asset = 4,
}

impl StreamKind {
    /// Every kind, in the order of their numbers, which start at 1.
    pub const ALL: [Self; 4] = [Self::Messages, Self::Live, Self::Bytes, Self::Asset];

    /// Its place in [`ALL`](Self::ALL).
    pub(crate) const fn place(self) -> usize {
        self as usize - 1
    }

    /// The class that streams of this kind have unless asked otherwise.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::Messages | Self::Live => Class::Event,
            Self::Bytes | Self::Asset => Class::Bulk,
        }
    }
}

/// Set in the first byte of an `OPEN` payload when only the opener sends.
pub const OPEN_ONE_WAY: u8 = 0x80;

/// The weight of a stream that asks for none: how much of its class it gets against the others.
pub const WEIGHT_DEFAULT: NonZeroU8 = NonZeroU8::new(16).expect("not zero");

/// What an end asks for when it opens a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// How it treats its bytes.
    pub kind: StreamKind,
    /// Which bytes go first. [`Class::Event`] or [`Class::Bulk`].
    pub class: Class,
    /// Its share of the class: a stream of weight 32 gets twice the bytes of one of 16.
    pub weight: NonZeroU8,
    /// Whether only the opener sends.
    pub one_way: bool,
    /// What the stream is about: MessagePack of the game's own type, or empty. At most
    /// [`METADATA_BYTES_MAX`].
    pub metadata: Bytes,
}

impl StreamOptions {
    /// A stream of this kind: both ways, with the kind's class, the default weight and no metadata.
    #[must_use]
    pub const fn new(kind: StreamKind) -> Self {
        Self {
            kind,
            class: kind.class(),
            weight: WEIGHT_DEFAULT,
            one_way: false,
            metadata: Bytes::new(),
        }
    }

    /// The same with metadata.
    ///
    /// # Errors
    /// [`ApiMisuse`] when it cannot be encoded, or is larger than [`METADATA_BYTES_MAX`].
    pub fn with_metadata<M: Serialize + ?Sized>(mut self, metadata: &M) -> Result<Self, ApiMisuse> {
        self.metadata = messagepack::to_vec(metadata)?.into();
        self.check()?;
        Ok(self)
    }

    /// Whether a peer would take this.
    pub(crate) fn check(&self) -> Result<(), ApiMisuse> {
        let bytes = self.metadata.len();
        if bytes > METADATA_BYTES_MAX {
            let max = METADATA_BYTES_MAX;
            return Err(ApiMisuse::TooLarge { bytes, max });
        }
        if self.class < Class::Event {
            return Err(ApiMisuse::ClassReserved);
        }
        Ok(())
    }
}

/// A stream that the peer offers: accept or refuse it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its id.
    pub id: StreamId,
    /// What the peer asks for.
    pub options: StreamOptions,
}

impl Offer {
    /// The metadata as the game's own type.
    ///
    /// # Errors
    /// [`DecodeError`] when it is no `M`.
    pub fn metadata<M: DeserializeOwned>(&self) -> Result<M, DecodeError> {
        messagepack::from_slice(&self.options.metadata)
    }
}

/// Appends an `OPEN` payload: what is asked for, and the credit the acceptor starts with.
pub(crate) fn encode_open(out: &mut Vec<u8>, options: &StreamOptions, credit: u64) {
    let one_way = if options.one_way { OPEN_ONE_WAY } else { 0 };
    out.push(options.kind as u8 | one_way);
    out.push(options.class as u8);
    out.push(options.weight.get());
    put_varint(out, credit);
    out.extend_from_slice(&options.metadata);
}

/// Reads an `OPEN` payload.
pub(crate) fn decode_open(payload: &[u8]) -> Result<(StreamOptions, u64), DecodeError> {
    let mut reader = Reader::new(payload);
    let first = reader.u8("stream kind")?;
    let kind = StreamKind::ALL
        .into_iter()
        .find(|kind| *kind as u8 == first & !OPEN_ONE_WAY)
        .ok_or(DecodeError::Invalid("stream kind"))?;
    let class = match reader.u8("stream class")? {
        2 => Class::Event,
        3 => Class::Bulk,
        _ => return Err(DecodeError::OutOfRange("stream class")),
    };
    let weight = NonZeroU8::new(reader.u8("stream weight")?)
        .ok_or(DecodeError::OutOfRange("stream weight"))?;
    let credit = reader.varint("stream credit")?;
    let metadata = reader.rest();
    if metadata.len() > METADATA_BYTES_MAX {
        return Err(DecodeError::OutOfRange("stream metadata"));
    }
    let options = StreamOptions {
        kind,
        class,
        weight,
        one_way: first & OPEN_ONE_WAY != 0,
        metadata: Bytes::copy_from_slice(metadata),
    };
    Ok((options, credit))
}

/// A stream whose records are values of one type, known at compile time.
///
/// It is only a name: cheap to copy, and it holds nothing open. Values travel as MessagePack, one
/// record each. The methods that use it take the [`Mux`](crate::mux::Mux) of a session.
pub struct Stream<T> {
    id: StreamId,
    of: PhantomData<fn(T) -> T>,
}

impl<T> Stream<T> {
    /// Says that the records of the stream `id` are values of `T`.
    #[must_use]
    pub const fn new(id: StreamId) -> Self {
        let of = PhantomData;
        Self { id, of }
    }

    /// The stream's id.
    #[must_use]
    pub const fn id(self) -> StreamId {
        self.id
    }
}

// By hand: a derive would ask the same of `T`.
impl<T> Clone for Stream<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Stream<T> {}
impl<T> PartialEq for Stream<T> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}
impl<T> Eq for Stream<T> {}
impl<T> fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_comes_back() {
        let options = StreamOptions::new(StreamKind::Asset)
            .with_metadata("hull.png")
            .unwrap();
        let mut payload = Vec::new();
        encode_open(&mut payload, &options, 70_000);
        assert_eq!(decode_open(&payload), Ok((options.clone(), 70_000)));
        let id = StreamId(9);
        assert_eq!(Offer { id, options }.metadata(), Ok("hull.png".to_owned()));
    }

    #[test]
    fn a_peer_cannot_open_into_the_classes_of_control_and_state() {
        for class in [0, 1, 4] {
            let payload = [StreamKind::Bytes as u8, class, 16, 0];
            assert_eq!(
                decode_open(&payload),
                Err(DecodeError::OutOfRange("stream class"))
            );
        }
    }
}
