//! One BinaryJS message: a BinaryPack array of a type, a payload and a stream id.

use crate::{
    binarypack::{
        Dialect, Value,
        limits::{DEPTH_MAX, VALUES_MAX},
        read_value, read_values, values_held, write_binary, write_value,
    },
    error::{ApiMisuse, DecodeError},
};

/// What a frame does to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Reserved; ignored.
    Reserved = 0,
    /// Opens a stream.
    New = 1,
    /// Carries a value.
    Data = 2,
    /// Asks the other end to stop writing for now.
    Pause = 3,
    /// Asks it to go on.
    Resume = 4,
    /// The sender writes no more.
    End = 5,
    /// The stream is gone.
    Close = 6,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Reserved,
        Self::New,
        Self::Data,
        Self::Pause,
        Self::Resume,
        Self::End,
        Self::Close,
    ];

    /// The name BinaryJS uses in its error texts.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::New => "new stream",
            Self::Data => "data",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::End => "end",
            Self::Close => "close",
        }
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// What it does.
    pub kind: Kind,
    /// Metadata or data; null for the rest.
    pub payload: Value,
    /// The stream; a number as a rule, any value by the letter.
    pub stream: Value,
}

/// Why a message is no frame, in the words of BinaryJS.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FrameError {
    /// Not BinaryPack.
    #[error("Received unparsable message: {0}")]
    Unparsable(#[from] DecodeError),
    /// Not an array.
    #[error("Received non-array message")]
    NotAnArray,
    /// Not three parts.
    #[error("Received message with wrong part count: {0}")]
    PartCount(usize),
    /// The type is no number. The value itself may take megabytes and is not repeated.
    #[error("Received message with non-number type: {0}")]
    TypeNotANumber(&'static str),
    /// The type is none of 0 to 6.
    #[error("Unrecognized message type received: {0}")]
    UnknownType(String),
}

impl Frame {
    /// The frame as bytes.
    #[must_use]
    pub fn encode(&self, dialect: Dialect) -> Vec<u8> {
        encode(self.kind, &self.payload, &self.stream, dialect)
    }

    /// Reads one message; bytes after it are ignored.
    ///
    /// # Errors
    ///
    /// Says in BinaryJS's own words what is wrong.
    pub fn decode(message: &[u8]) -> Result<Self, FrameError> {
        // What any BinaryJS sends: no list is built to be taken apart again.
        if let [0x93, kind @ 0..=6, rest @ ..] = message
            && let Some([payload, stream]) = read_values(rest)
        {
            return Ok(Self {
                kind: Kind::ALL[usize::from(*kind)],
                payload,
                stream,
            });
        }
        let Value::Array(parts) = read_value(message)? else {
            return Err(FrameError::NotAnArray);
        };
        let [kind, payload, stream] =
            <[Value; 3]>::try_from(parts).map_err(|parts| FrameError::PartCount(parts.len()))?;
        let number = kind
            .as_f64()
            .ok_or_else(|| FrameError::TypeNotANumber(noun(&kind)))?;
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| f64::from(*kind as u8).to_bits() == number.to_bits())
            .ok_or_else(|| FrameError::UnknownType(number.to_string()))?;
        Ok(Self {
            kind,
            payload,
            stream,
        })
    }
}

/// What sort of value it is, in words.
const fn noun(value: &Value) -> &'static str {
    match value {
        Value::Nil | Value::Ext(..) => "null",
        Value::Boolean(_) => "a boolean",
        Value::Integer(_) | Value::F32(_) | Value::F64(_) => "a number",
        Value::String(_) => "a string",
        Value::Binary(_) => "binary",
        Value::Array(_) => "an array",
        Value::Map(_) => "a map",
    }
}

/// What a message holds besides its payload's content and a string as its id.
const FRAMING_BYTES: usize = 2 + 5 + 9;

pub(super) fn encode(kind: Kind, payload: &Value, stream: &Value, dialect: Dialect) -> Vec<u8> {
    // Lists and maps grow as they are written, to twice their length at most: what waits for the socket counts by
    // its length, and in memory a small number takes thirty times as much as here.
    let content_bytes = match payload {
        Value::String(text) => text.as_bytes().len(),
        Value::Binary(bytes) => bytes.len(),
        _ => 0,
    };
    let mut out = Vec::with_capacity(FRAMING_BYTES + content_bytes);
    out.extend_from_slice(&[0x93, kind as u8]);
    write_value(payload, dialect, &mut out);
    write_value(stream, dialect, &mut out);
    out
}

/// A frame with a value of the caller's, if it can be read: of a fault at the other end only that one hears.
pub(super) fn try_encode(
    kind: Kind,
    payload: &Value,
    stream: &Value,
    dialect: Dialect,
) -> Result<Vec<u8>, ApiMisuse> {
    let Some(values) = values_held(payload, DEPTH_MAX) else {
        let reason = format!("it nests deeper than {DEPTH_MAX} levels");
        return Err(ApiMisuse::Unencodable(reason));
    };
    // Whoever reads the frame counts its id, too.
    if values + values_held(stream, DEPTH_MAX).unwrap_or(1) > VALUES_MAX {
        let reason = format!("it holds {values} values, {VALUES_MAX} are read in a message");
        return Err(ApiMisuse::Unencodable(reason));
    }
    Ok(encode(kind, payload, stream, dialect))
}

/// A data frame whose payload is binary.
pub(super) fn encode_binary(payload: &[u8], stream: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(FRAMING_BYTES + payload.len());
    out.extend_from_slice(&[0x93, Kind::Data as u8]);
    write_binary(payload, &mut out);
    // An id is a number or what the peer chose; no dialect has a say in it.
    write_value(stream, Dialect::Node, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_waits_takes_no_more_memory_than_its_bytes_and_as_many_again() {
        let numbers = Value::Array(vec![1.into(); 1000]);
        let id = Value::from(0);
        for payload in [Value::Nil, numbers, "x".repeat(1000).into()] {
            let message = encode(Kind::Data, &payload, &id, Dialect::Node);
            let spare = message.capacity() - message.len();
            assert!(spare <= message.len().max(FRAMING_BYTES), "{spare}");
        }
    }
}
