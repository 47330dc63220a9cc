//! Tickwire's wire, without IO: what travels between a room and its players, and the state machines
//! of both ends.
//!
//! Bytes and the time come in as arguments; bytes and events come out. Nothing here opens a socket,
//! reads a clock, spawns, or knows an ECS or a game. `WIRE.md` beside this crate describes every byte.
//!
//! The modules stand in reading order.

// So that what the derive writes for a game's types also compiles for this crate's own.
#[expect(
    unused_extern_crates,
    reason = "only the derive's output in this crate names it"
)]
extern crate self as tickwire_protocol;

pub mod limits;

pub mod error;
pub mod id;
pub mod time;

pub mod coding;
pub mod messagepack;

pub mod websocket;

pub mod frame;
pub mod mux;
pub mod pace;
pub mod stream;

pub mod pipe;

pub mod clock;
pub mod input;
pub mod session;

pub mod schema;

pub mod replicate;

pub mod entropy;

pub mod delta;
pub mod snapshot;

#[cfg(feature = "tcp")]
pub mod tcp;

pub mod asset;
pub mod event;
pub mod packing;

#[cfg(feature = "binaryjs")]
pub mod binaryjs;
#[cfg(feature = "binaryjs")]
pub mod binarypack;
