//! The state of a group of players at one tick, and the difference of two such states as bytes.
//!
//! In: a [`GroupState`] and the one a receiver holds already. Out: a section of bytes, and the state again.
//! `rows` codes who left and entered, `column` the integers with the loops of `lanes`, `blob` what has no
//! fixed size; `codec` puts them together.

mod blob;
mod codec;
mod column;
mod lanes;
mod motion;
mod motions;
mod rows;
mod state;

pub use codec::{Baseline, Decoder, Encoder, table_values};
pub use motion::Motion;
pub use state::{BlobColumn, Column, GroupState, Table};

/// The version of everything inside a snapshot: raised when the same state takes other bytes. It is the first
/// byte of a schema, so the handshake refuses a peer of another one.
pub const CODEC_VERSION: u8 = 2;
