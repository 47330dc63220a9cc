//! Pipes: streams as the tasks of a program use them, beside a thread that owns the connection.
//!
//! ```text
//!   a task, or the tick                    the connection's owner
//!   ByteStream ──write──▶ ┌──────┐ ──────▶ Exchange::service ──▶ Mux ──▶ socket
//!   MessageStream ◀─read─ └──────┘ ◀────── Exchange::handle_event ◀── Mux
//! ```
//!
//! In: what a task writes, and events of a [`Mux`](crate::mux::Mux). Out: bytes in order, errors, wake-ups. Nothing here
//! waits or knows a runtime: a pipe is a lock held for a copy at most, two queues, and two wakers. So the
//! same object serves a task that awaits it and a tick that only tries.
//!
//! The choice to question: bytes that came wait in the pipe, not in the mux, but they are *lent*: the
//! peer's credit comes back when the task takes them, and the peer learns that its stream was consumed when
//! the task has taken the last of them. So a task that does not read is the peer's backpressure, and
//! a pipe holds no more than the windows of the mux allow.
//!
//! A task rings the owner's bell at most once until the owner has looked: the pipes that want something
//! stand in one list per connection.

mod error;
mod exchange;
mod halves;
mod hub;
mod incoming;
mod messages;
mod question;
mod queues;
mod state;

#[cfg(feature = "tokio")]
mod tokio_io;

pub use error::StreamError;
pub use exchange::Exchange;
pub use halves::{ByteStream, ReadHalf, WriteHalf};
pub use hub::{Bell, Hub};
pub use incoming::Incoming;
pub use messages::MessageStream;
pub use question::Reply;

#[cfg(test)]
mod tests;
