//! Every bound of a BinaryJS session.

/// Bytes in one piece of a chunked transfer, as BinaryJS itself cuts them.
pub const CHUNK_BYTES: usize = 40_960;

/// Unread bytes of one stream at which its sender is asked to pause.
///
/// Six chunks: a sender that pipes stays busy over a round trip, and a hundred streams stay below 32 MiB.
pub const PAUSE_BYTES: usize = 256 * 1024;

/// Unread bytes of one stream at which a paused sender is asked to go on.
pub const RESUME_BYTES: usize = PAUSE_BYTES / 4;

/// Unread bytes of one connection at which reading from its socket stops.
///
/// BinaryJS's pause is a request, and some writers ignore it. TCP then holds them back.
pub const UNREAD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes that wait to be written at which a writer should wait.
pub const UNSENT_BYTES_MAX: usize = 1024 * 1024;

/// The largest message that is taken; `stream.write(big)` is never cut by BinaryJS.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Streams open at a time. Beyond them a new one is closed at once, and the connection stays.
pub const STREAMS_MAX: usize = 1024;
