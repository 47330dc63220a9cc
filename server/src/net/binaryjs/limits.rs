//! Every bound of the BinaryJS endpoint, with what happens when it is reached.

use core::time::Duration;

pub use tickwire_protocol::binaryjs::limits::{CHUNK_BYTES, Limits as SessionLimits};

/// Bytes of messages that are gathered for one write to the socket.
pub const GATHERED_BYTES: usize = 128 * 1024;

/// Things a peer may do wrong between two looks at the clock (a quarter of the shorter time-out below).
/// One more, and its connection is closed with 1008; until then each is only reported. Streams beyond
/// the limit do not count: they are refused, cost their peer an answer each, and are reported once in that time.
pub const FAULTS_MAX: u32 = 1000;

/// Bytes that a peer may still send while its connection closes, for two seconds, before it is cut. They
/// are thrown away and take no memory; but cut before it has read our last messages and the close frame,
/// the peer loses them. An upload that is under way fits, and a message beyond the limit.
pub const CLOSING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What an operator may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of this endpoint; 1,000 by default. The next one is answered 503.
    pub connections_max: usize,
    /// What each connection is held to.
    pub session: SessionLimits,
    /// How long nothing may be read from a peer, and how long a server that is dialled may take to answer;
    /// 60 s by default. After half of it the peer is pinged, which every WebSocket answers, and closed when the
    /// other half brings nothing. Both are looked for every quarter of it. Reading stops while
    /// handlers leave [`unread_bytes_max`](SessionLimits::unread_bytes_max) unread, so this is also how long they
    /// may take nothing from a peer that ignores pause; the reason in the close frame says which it was.
    pub idle_max: Duration,
    /// How long a socket may refuse to take anything; 10 s by default. Then the connection is cut.
    pub stall_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1000,
            session: SessionLimits::default(),
            idle_max: Duration::from_secs(60),
            stall_max: Duration::from_secs(10),
        }
    }
}
