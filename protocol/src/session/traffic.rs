//! How many bytes and messages each fixed stream, and all opened ones together, have carried.
//!
//! In: every frame. Out: plain counters for the overlay and the metrics. Frame headers count; the
//! WebSocket's do not.

use crate::{frame::frames_in, id::StreamId, input::InputsDropped, stream::StreamKind};

/// What one stream has carried in both directions. A message is a frame: a WebSocket message may hold
/// several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamTraffic {
    /// Bytes that came in.
    pub in_bytes: u64,
    /// Bytes that went out.
    pub out_bytes: u64,
    /// Messages that came in.
    pub in_messages: u64,
    /// Messages that went out.
    pub out_messages: u64,
}

/// What a session has carried by stream. In the order of memory, for the session's sake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Traffic {
    /// Inputs.
    pub input: StreamTraffic,
    /// Snapshots.
    pub snapshot: StreamTraffic,
    /// Handshake, clock, farewell, and the frames that open, credit and close streams.
    pub control: StreamTraffic,
    /// Events.
    pub event: StreamTraffic,
    /// Data of all opened streams.
    pub opened: StreamTraffic,
    /// Streams of the peer that were refused because it had as many open as there may be.
    pub streams_refused: u64,
    /// Inputs of the peer that were dropped; a client gets none.
    pub inputs_dropped: InputsDropped,
}

/// What the opened streams of each kind have carried, in the order of [`StreamKind::ALL`].
pub type TrafficByKind = [StreamTraffic; StreamKind::ALL.len()];

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
    pub fn total(&self) -> StreamTraffic {
        let parts = [
            self.control,
            self.input,
            self.snapshot,
            self.event,
            self.opened,
        ];
        let sum = |part: fn(&StreamTraffic) -> u64| parts.iter().map(part).sum();
        StreamTraffic {
            in_bytes: sum(|part| part.in_bytes),
            out_bytes: sum(|part| part.out_bytes),
            in_messages: sum(|part| part.in_messages),
            out_messages: sum(|part| part.out_messages),
        }
    }
}

impl StreamTraffic {
    pub(crate) const ZERO: Self = Self {
        in_bytes: 0,
        out_bytes: 0,
        in_messages: 0,
        out_messages: 0,
    };

    /// Counts a message that came in.
    #[inline]
    pub(crate) const fn count_in(&mut self, bytes: usize) {
        self.in_bytes += bytes as u64;
        self.in_messages += 1;
    }

    /// Counts a message that went out.
    #[inline]
    pub(crate) const fn count_out(&mut self, bytes: usize) {
        self.out_bytes += bytes as u64;
        self.out_messages += 1;
    }

    /// Counts whole frames with lengths that went out.
    pub(crate) fn count_frames_out(&mut self, frames: &[u8]) {
        self.out_bytes += frames.len() as u64;
        self.out_messages += frames_in(frames);
    }
}
