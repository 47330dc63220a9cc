//! BinaryJS sessions, for both ends, without IO.
//!
//! One WebSocket message is one BinaryPack array `[type, payload, stream id]`:
//!
//! | type | meaning | payload |
//! |---|---|---|
//! | 0 | reserved, ignored | any |
//! | 1 | a stream is opened | its metadata, any value |
//! | 2 | data | any value |
//! | 3, 4 | pause, resume | null |
//! | 5 | end: the sender is done, the other way stays open | null |
//! | 6 | close: the stream is gone, both ways | null |
//!
//! The peer that dialled counts its streams 0, 2, 4 …, the other 1, 3, 5 …; ids may be any value.
//!
//! What the original reports as an `error` event on the connection is [`Event::Fault`] here, and the
//! connection lives on. Where it crashed or leaked we do not: a frame that is late for a closed stream
//! is an ordinary race and is ignored, a stream that both ends have ended is freed, data that nobody
//! reads yet is kept, and pause is sent once, when that data passes
//! [`Limits::pause_bytes`](limits::Limits::pause_bytes), or less while a connection's streams leave much unread, and
//! again only to a peer that resumes by itself.

mod frame;
mod key;
pub mod limits;
mod session;
#[cfg(test)]
mod tests;

pub use frame::{Frame, FrameError, Kind};
pub use key::StreamKey;
pub use session::{Event, Role, Session};
