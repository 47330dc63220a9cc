//! How many bytes each fixed stream, and all opened ones together, have carried.
//!
//! In: every frame. Out: plain counters for the overlay and the metrics. Frame headers count; the
//! WebSocket's do not.

use crate::id::StreamId;

/// Bytes of one stream in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamTraffic {
    /// Bytes that came in.
    pub in_bytes: u64,
    /// Bytes that went out.
    pub out_bytes: u64,
}

/// Bytes of a session by stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Handshake, clock, farewell, and the frames that open, credit and close streams.
    pub control: StreamTraffic,
    /// Inputs.
    pub input: StreamTraffic,
    /// Snapshots.
    pub snapshot: StreamTraffic,
    /// Events.
    pub event: StreamTraffic,
    /// Data of all opened streams.
    pub opened: StreamTraffic,
}

impl Traffic {
    pub(crate) const fn of(&mut self, stream: StreamId) -> &mut StreamTraffic {
        match stream {
            StreamId::CONTROL => &mut self.control,
            StreamId::INPUT => &mut self.input,
            StreamId::SNAPSHOT => &mut self.snapshot,
            StreamId::EVENT => &mut self.event,
            _ => &mut self.opened,
        }
    }

    /// All streams together.
    #[must_use]
    pub const fn total(&self) -> StreamTraffic {
        StreamTraffic {
            in_bytes: self.control.in_bytes
                + self.input.in_bytes
                + self.snapshot.in_bytes
                + self.event.in_bytes
                + self.opened.in_bytes,
            out_bytes: self.control.out_bytes
                + self.input.out_bytes
                + self.snapshot.out_bytes
                + self.event.out_bytes
                + self.opened.out_bytes,
        }
    }
}
