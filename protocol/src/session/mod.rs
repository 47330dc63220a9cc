//! Sessions: the state machine of each end of one connection, from the handshake to the farewell.
//!
//! In: whole binary messages, the time, and what the program wants sent. Out: events, inputs,
//! snapshots, and the bytes of the next message. Both ends have the same doors: `handle_*` takes what
//! came, `poll_*` gives what is to be done about it; after every `handle_*` the caller drains
//! [`poll_event`](ServerSession::poll_event) and then
//! [`poll_transmit`](ServerSession::poll_transmit). An error from a `handle_*` is the end: the caller
//! closes the socket with the error's [`CloseCode`](crate::error::CloseCode).
//!
//! ```text
//!   client                                server
//!   Hello ─────────────────────────────▶  AwaitingHello
//!   AwaitingWelcome                       AwaitingAnswer  (the room accepts or refuses)
//!   Open  ◀───────────────────── Welcome  Open
//!   Closing ◀──────── Refused or Goodbye  Closing
//! ```
//!
//! A client's whole shell, with a message that came and a socket that takes one:
//!
//! ```
//! use tickwire_protocol::{
//!     error::PeerError,
//!     session::{ClientEvent, ClientSession},
//!     time::Micros,
//! };
//!
//! fn on_message(
//!     session: &mut ClientSession,
//!     message: &[u8],
//!     now: Micros,
//!     mut send: impl FnMut(&[u8]),
//! ) -> Result<(), PeerError> {
//!     let snapshot = session.handle_message(message, now)?;
//!     while let Some(event) = session.poll_event() {
//!         if let ClientEvent::Goodbye(farewell) = event {
//!             println!("the server left: {}", farewell.reason);
//!         }
//!     }
//!     if let Some(snapshot) = snapshot {
//!         println!("a snapshot of {} bytes for the replica", snapshot.len());
//!     }
//!     let mut out = Vec::new();
//!     while session.poll_transmit(16 * 1024, now, &mut out) {
//!         send(&out);
//!         out.clear();
//!     }
//!     Ok(())
//! }
//! ```

pub mod control;

mod client;
mod link;
mod pacing;
mod server;
mod traffic;

pub use client::{ClientEvent, ClientSession};
pub use control::{Farewell, Hello, ResumeToken, Welcome};
pub use server::{ServerEvent, ServerSession};
pub use traffic::{StreamTraffic, Traffic, TrafficByKind};

#[cfg(test)]
mod tests;
