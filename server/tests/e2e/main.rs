//! The server over real sockets: players who behave, players who do not, and the end of it all.
//!
//! Tests wait for conditions, with time-outs that only a broken server reaches.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

mod assets;
mod bulk;
mod client;
mod ends;
mod game;
mod hostile;
#[cfg(target_os = "linux")]
mod leaks;
mod limits;
mod moves;
mod play;
mod server;
mod spans;
mod streams;
mod wrapped;
