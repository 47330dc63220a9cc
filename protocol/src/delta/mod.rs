//! The state of a group of players at one tick, and the difference of two such states as bytes.
//!
//! In: a [`GroupState`] and the one a receiver holds already. Out: a section of bytes, and the state again.
//! `rows` codes who left and entered, `column` the integers, `blob` what has no fixed size; `codec`
//! puts them together.

mod blob;
mod codec;
mod column;
mod motion;
mod rows;
mod state;

pub use codec::{Baseline, Decoder, Encoder};
pub use motion::Motion;
pub use state::{BlobColumn, Column, GroupState, Table};
