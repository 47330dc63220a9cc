//! BinaryPack, the value codec of BinaryJS: MessagePack with strings and binary kept apart.
//!
//! Values come in as [`Value`] or as any serde type and go out as bytes, and back. Everything is
//! big-endian as in MessagePack; what differs is the tags:
//!
//! | tag | here | in MessagePack |
//! |---|---|---|
//! | `a0`–`af` | binary of at most 15 bytes | part of fixstr |
//! | `b0`–`bf` | UTF-8 string of at most 15 bytes | part of fixstr |
//! | `d8`, `d9` | string, 16- and 32-bit length | fixext 16, str 8 |
//! | `da`, `db` | binary, 16- and 32-bit length | str 16, str 32 |
//! | `c1` | undefined, read only | never used |
//! | `c4`–`c9`, `d4`–`d7` | read as undefined | bin, ext, fixext |
//!
//! The decision a reader would question: there are two [`Dialect`]s. The codecs of BinaryJS's browser
//! bundle and of its Node package disagree, and each has values that it writes and cannot read. We
//! write for the reader at hand, and read what either of them writes, the broken strings included.

mod decode;
mod encode;
pub mod limits;
#[cfg(test)]
mod tests;
mod typed;

pub use decode::{from_slice, from_value, read_value};
pub(crate) use decode::{memory_bytes, property_name, read_values, values_held};
pub(crate) use encode::write_binary;
pub use encode::{to_value, to_vec, write_value};
/// Any value that BinaryPack can carry. JavaScript's `undefined` is [`Value::Nil`].
pub use rmpv::Value;

/// Who reads what we write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// The bytes that npm `binarypack` itself writes on Node.
    ///
    /// It cannot read them all: a 64-bit integer overflows its decoder's stack.
    Reference,
    /// For npm `binarypack` on Node as the reader: the same, but integers beyond 32 bits go as doubles,
    /// which it reads exactly up to 2^53.
    Node,
    /// The browser bundle, and the safe choice for any reader.
    ///
    /// Integers beyond 32 bits go as doubles (its signed ones lose precision), characters beyond the
    /// basic plane as surrogate pairs of three bytes each (its decoder knows no longer sequence), and
    /// what its doubles cannot hold (zero, NaN, infinities, subnormals) as an integer zero or null.
    #[default]
    Browser,
}

/// Why a value could not be turned into bytes or back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are no BinaryPack value.
    #[error(transparent)]
    Decode(#[from] crate::error::DecodeError),
    /// The value is not of the type that was asked for, or a type that BinaryPack does not know.
    #[error("BinaryPack: {0}")]
    Type(String),
}
