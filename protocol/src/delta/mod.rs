//! The state of a group of players at one tick, and the difference of two such states as bytes.

mod codec;
mod motion;
mod state;

pub use codec::{Baseline, Decoder, Encoder};
pub use motion::Motion;
pub use state::{BlobColumn, Column, GroupState, Table};
