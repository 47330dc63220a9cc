//! Every bound of a BinaryJS session.

/// Bytes in one piece of a chunked transfer, as BinaryJS itself cuts them.
pub const CHUNK_BYTES: usize = 40_960;

/// Memory that the id of a stream may take, by the same count as values: a number takes 32 bytes, a
/// name as many more as it is long. An id is kept as long as its stream and repeated in answers; a frame
/// with a larger one is a fault and gets none.
pub const STREAM_ID_BYTES_MAX: usize = 256;

/// Answers that may wait for the socket: pauses and resumes, and the ends and closes of streams that the
/// peer has opened. Beyond them its socket is not read until it has taken some, or who asks and never
/// listens would fill the memory. Each takes 80 bytes and its id: at most 1.5 MiB in all.
pub const ANSWERS_MAX: usize = 4096;

/// What one end holds the other to. A connection holds at most [`unread_bytes_max`] and one message of
/// what came, and [`unsent_bytes_max`] and one message of what goes.
///
/// [`unread_bytes_max`]: Self::unread_bytes_max
/// [`unsent_bytes_max`]: Self::unsent_bytes_max
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Streams open at a time; 1,024 by default. Beyond them a new one is closed at once, and the
    /// connection stays. Where streams have handles, a closed one counts until its handle is dropped.
    pub streams_max: usize,
    /// The largest message that is taken; 16 MiB by default. `stream.write(big)` is never cut by
    /// BinaryJS, `send` cuts into pieces of 40,960 bytes. A larger one closes the connection.
    pub message_bytes_max: usize,
    /// Unread bytes of one stream at which its sender is asked to pause; at a quarter of them it is
    /// asked to go on. 256 KiB by default: six chunks keep a sender that pipes busy over a round trip. When
    /// the streams of a connection leave much unread it is less, down to a sixteenth, so that together
    /// they hardly come to an eighth of [`unread_bytes_max`](Self::unread_bytes_max).
    pub pause_bytes: usize,
    /// Unread bytes of one connection at which reading from its socket stops; 16 MiB by default.
    /// BinaryJS's pause is a request: some writers ignore it, and Node's send whole buffers before they
    /// hear of it. TCP then holds them back, and every other stream of the connection with them.
    pub unread_bytes_max: usize,
    /// Bytes waiting for the socket at which writers are made to wait; 1 MiB by default.
    pub unsent_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            streams_max: 1024,
            message_bytes_max: 16 * 1024 * 1024,
            pause_bytes: 256 * 1024,
            unread_bytes_max: 16 * 1024 * 1024,
            unsent_bytes_max: 1024 * 1024,
        }
    }
}
