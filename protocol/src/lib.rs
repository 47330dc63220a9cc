//! Tickwire's wire, without IO: what travels between a room and its players, and the state machines
//! of both ends.
//!
//! Bytes and the time come in as arguments; bytes and events come out. Nothing here opens a socket,
//! reads a clock, spawns, or knows an ECS or a game. `WIRE.md` beside this crate describes every byte.
//!
//! The modules stand in reading order.

pub mod limits;

pub mod error;
pub mod id;
pub mod time;

pub mod coding;
pub mod messagepack;

pub mod websocket;

pub mod frame;
pub mod mux;
pub mod stream;

pub mod clock;
pub mod input;
pub mod session;

pub mod asset;
pub mod event;

#[cfg(feature = "binaryjs")]
pub mod binarypack;
