//! Errors by whose fault they are, and the one function that maps a peer's to a close code.
//!
//! - [`DecodeError`]: the bytes are no message.
//! - [`PeerMisbehaved`]: the message is well-formed and not allowed now.
//! - [`ApiMisuse`]: our caller's mistake; a peer cannot cause it.
//! - Errors of the world outside (bind, disk, full room) live with the shell that meets them.

/// The bytes are not what they should be. Nothing was changed by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end in the middle of a value.
    #[error("the bytes end inside {0}")]
    Truncated(&'static str),
    /// Bytes are left after the last value.
    #[error("bytes are left over after {0}")]
    Trailing(&'static str),
    /// A value is outside what the wire allows.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
    /// A value has no meaning: an unknown kind, a duplicate, a reference to nothing.
    #[error("{0} makes no sense here")]
    Invalid(&'static str),
}

/// A well-formed message that the peer was not allowed to send now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerMisbehaved {
    /// The peer speaks another version of the wire.
    #[error("the peer speaks version {theirs} of the protocol, this end {ours}: reload or update")]
    VersionDiffers {
        /// Our version.
        ours: u16,
        /// The peer's.
        theirs: u16,
    },
    /// The peer's game differs from ours.
    #[error("the schemas differ: {0}")]
    SchemaDiffers(String),
    /// A frame of the game came before the handshake was complete.
    #[error("a frame for stream {stream} came before the handshake")]
    BeforeHandshake {
        /// The stream it was for.
        stream: u32,
    },
    /// A second handshake on one connection.
    #[error("a second handshake")]
    SecondHandshake,
    /// A message larger than the limit.
    #[error("a message of {bytes} bytes, {max} are allowed")]
    MessageTooBig {
        /// Its size, as far as it is known.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// More data than the credit allows.
    #[error("stream {stream} sent more than its credit")]
    CreditExceeded {
        /// The stream.
        stream: u32,
    },
    /// A frame for a stream that was never opened, or not by that end.
    #[error("a frame for stream {stream}, which is not open")]
    UnknownStream {
        /// The stream.
        stream: u32,
    },
    /// Data after the end of a stream.
    #[error("data on stream {stream} after its end")]
    DataAfterEnd {
        /// The stream.
        stream: u32,
    },
    /// An `OPEN` with an id that is in use, of the wrong parity, or going back.
    #[error("stream {stream} cannot be opened")]
    StreamIdRefused {
        /// The stream.
        stream: u32,
    },
    /// A frame that only the other end may send.
    #[error("{0} goes the other way")]
    WrongDirection(&'static str),
    /// An answer to a mark that was not set, or was answered.
    #[error("an answer to mark {mark}, which waits for none")]
    UnknownMark {
        /// The mark.
        mark: u64,
    },
    /// An event of the game that its type does not read.
    #[error("the event {event} cannot be read: {why}")]
    EventUnreadable {
        /// Its name in the schema.
        event: &'static str,
        /// What the type says.
        why: String,
    },
    /// More messages or bytes in a second than a player may send.
    #[error("more {0} than allowed")]
    RateExceeded(Rate),
    /// A WebSocket rule broken (RFC 6455): masking, reserved bits, fragmentation, control frames.
    #[error("WebSocket: {0}")]
    WebSocket(&'static str),
    /// Text that is not UTF-8.
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
    /// A text message; only binary ones are spoken.
    #[error("a text message, where only binary ones are spoken")]
    TextMessage,
    /// Nothing was heard for too long, or the handshake never came.
    #[error("{0} timed out")]
    TimedOut(Awaited),
    /// The peer does not read, and what waits for it reached its limit.
    #[error("the peer does not read: {0} is full")]
    TooSlow(Queue),
}

/// What a peer may send only so much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rate {
    /// WebSocket messages.
    #[error("messages")]
    Messages,
    /// Bytes besides the data of streams.
    #[error("bytes")]
    Bytes,
    /// Events of the game, in a tick.
    #[error("events")]
    Events,
    /// Frames that open, answer and close streams.
    #[error("stream frames")]
    StreamFrames,
}

/// What is waited for, and not for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Awaited {
    /// A connection.
    #[error("the connection")]
    Connection,
    /// Hello and welcome.
    #[error("the handshake")]
    Handshake,
    /// Any message of a server.
    #[error("the server")]
    Server,
    /// Any message of a client.
    #[error("the client")]
    Client,
    /// The end of a session that one end has closed.
    #[error("the farewell")]
    Farewell,
}

/// Where bytes wait for a peer that does not read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Queue {
    /// Events of the game.
    #[error("the event queue")]
    Events,
    /// Control messages, and frames that answer the peer's.
    #[error("the control queue")]
    Control,
    /// The kernel's, which takes nothing.
    #[error("its socket")]
    Socket,
}

/// What a peer did wrong, from either family.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// Not a message.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Not allowed now.
    #[error(transparent)]
    Misbehaved(#[from] PeerMisbehaved),
}

/// Why something could not be queued for the peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The caller's mistake; the session goes on.
    #[error(transparent)]
    Misuse(#[from] ApiMisuse),
    /// The peer's fault; close the connection.
    #[error(transparent)]
    Peer(#[from] PeerError),
}

impl From<PeerMisbehaved> for SendError {
    fn from(misbehaved: PeerMisbehaved) -> Self {
        Self::Peer(misbehaved.into())
    }
}

/// Why a value could not be read from a stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiveError {
    /// The caller's mistake, or the stream is gone.
    #[error(transparent)]
    Misuse(#[from] ApiMisuse),
    /// What the peer sent is no such value. Reset the stream, or close the connection.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// A mistake of the program that calls this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiMisuse {
    /// The stream does not exist, or has ended.
    #[error("stream {0} is not open")]
    StreamNotOpen(u32),
    /// A write that is larger than the stream will ever take at once.
    #[error("{bytes} bytes at once, {max} are possible")]
    TooLarge {
        /// What was asked.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// As many streams are open as one end may have.
    #[error("{0} streams are open, the most there can be")]
    StreamsExhausted(usize),
    /// The session is not in a state for this call: not yet answered, or already closed.
    #[error("the session is not {0}")]
    SessionNot(&'static str),
    /// A stream opened in the class of control or state, which are the session's own.
    #[error("streams are opened in class event or bulk")]
    ClassReserved,
    /// A value that MessagePack cannot hold, or whose own `Serialize` failed.
    #[error("the value cannot be encoded: {0}")]
    Unencodable(String),
    /// A registration that the schema cannot hold.
    #[error("schema: {0}")]
    Schema(String),
}

/// Why a connection ended, as its WebSocket close code.
///
/// Below 4000 the codes are RFC 6455's; from 4000 on they are Tickwire's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum CloseCode {
    /// The player left, or the room is over.
    Normal = 1000,
    /// The server shuts down; come back in a moment.
    GoingAway = 1001,
    /// A WebSocket rule was broken.
    WebSocket = 1002,
    /// Text where only binary messages are spoken.
    Unsupported = 1003,
    /// Text that is not UTF-8.
    NotUtf8 = 1007,
    /// A message larger than the limit.
    TooBig = 1009,
    /// The server failed.
    Internal = 1011,
    /// Bytes that are no Tickwire message.
    Malformed = 4000,
    /// Another version of the protocol.
    Version = 4001,
    /// Another schema.
    Schema = 4002,
    /// A message that is not allowed now.
    Protocol = 4003,
    /// The handshake did not come in time, or nothing came for too long.
    Timeout = 4004,
    /// The peer does not read.
    TooSlow = 4005,
    /// More messages or bytes than a player may send.
    RateLimited = 4006,
    /// No place is left, in the room or on the server.
    Full = 4007,
    /// The seat was taken over by a newer connection.
    Replaced = 4008,
    /// The game's own hook said no, or sent the player away.
    Refused = 4009,
}

impl CloseCode {
    /// Every code, for metrics and documents.
    pub const ALL: [Self; 17] = [
        Self::Normal,
        Self::GoingAway,
        Self::WebSocket,
        Self::Unsupported,
        Self::NotUtf8,
        Self::TooBig,
        Self::Internal,
        Self::Malformed,
        Self::Version,
        Self::Schema,
        Self::Protocol,
        Self::Timeout,
        Self::TooSlow,
        Self::RateLimited,
        Self::Full,
        Self::Replaced,
        Self::Refused,
    ];

    /// The code as it stands in a close frame.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The code with that number, if it is one of ours.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }

    /// Whether a client does right to try again by itself.
    #[must_use]
    pub const fn is_worth_retrying(self) -> bool {
        matches!(
            self,
            Self::GoingAway | Self::Internal | Self::Timeout | Self::TooSlow | Self::Full
        )
    }
}

/// The close code for what a peer did wrong. Total: a new error does not compile without one.
impl From<&PeerError> for CloseCode {
    fn from(error: &PeerError) -> Self {
        use PeerMisbehaved as P;
        match error {
            PeerError::Decode(_) => Self::Malformed,
            PeerError::Misbehaved(misbehaved) => match misbehaved {
                P::EventUnreadable { .. } => Self::Malformed,
                P::VersionDiffers { .. } => Self::Version,
                P::SchemaDiffers(_) => Self::Schema,
                P::MessageTooBig { .. } => Self::TooBig,
                P::RateExceeded(_) => Self::RateLimited,
                P::WebSocket(_) => Self::WebSocket,
                P::NotUtf8(_) => Self::NotUtf8,
                P::TextMessage => Self::Unsupported,
                P::TimedOut(_) => Self::Timeout,
                P::TooSlow(_) => Self::TooSlow,
                P::BeforeHandshake { .. }
                | P::SecondHandshake
                | P::CreditExceeded { .. }
                | P::UnknownStream { .. }
                | P::DataAfterEnd { .. }
                | P::StreamIdRefused { .. }
                | P::UnknownMark { .. }
                | P::WrongDirection(_) => Self::Protocol,
            },
        }
    }
}
