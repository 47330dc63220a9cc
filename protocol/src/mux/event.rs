//! What the mux tells its program: events of streams, and what became of a write.
//!
//! Codes of refusals and resets below [`REFUSE_CODE_GAME_MIN`] are the mux's own, so that a game can
//! tell its own no from the mux's.

use crate::{id::StreamId, stream::Offer};

/// The code of a refusal that the other end's mux gave by itself. A game's own codes start at
/// [`REFUSE_CODE_GAME_MIN`].
pub const REFUSE_CODE_TOO_MANY: u32 = 1;

/// The code of a reset of a question whose answer did not come in time.
pub const REFUSE_CODE_TIMED_OUT: u32 = 2;

/// The code of a refusal or a reset of a stream that the other end's program has let go: its task ended
/// without an answer, did not read to the end, or panicked.
pub const REFUSE_CODE_LET_GO: u32 = 3;

/// The first code of refusals and resets that is a game's own to give meaning to.
pub const REFUSE_CODE_GAME_MIN: u32 = 256;

/// Something that happened to an opened stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// The peer opened a stream: accept or refuse it. Data may have come with it; it is kept.
    Opened(Box<Offer>),
    /// The peer took a stream of ours.
    Accepted(StreamId),
    /// The peer declined a stream of ours. It is gone.
    Refused {
        /// The stream.
        id: StreamId,
        /// One of the codes above, or the program's own.
        code: u32,
        /// For a person.
        reason: Box<str>,
    },
    /// There is something to read, or to those who [borrow](super::Mux::lend) the end. Comes once; read
    /// until there is no more.
    Readable(StreamId),
    /// The peer's data was read to its end.
    Ended(StreamId),
    /// A write that was put off may be tried again.
    Writable(StreamId),
    /// The peer's program has taken all we wrote, up to the end.
    Consumed(StreamId),
    /// The peer gave the stream up. It is gone.
    Reset {
        /// The stream.
        id: StreamId,
        /// One of the codes above, or the program's own.
        code: u32,
        /// For a person.
        reason: Box<str>,
    },
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Write {
    /// It will be sent.
    Taken,
    /// Too much waits already. Try again at [`StreamEvent::Writable`].
    Full,
}
