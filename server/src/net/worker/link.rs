//! What a worker knows of the link beneath a connection that sends bulk.
//!
//! In: what the kernel says of it, each turn of the pump. Out: how large the next message of bulk may be.
//! The choice to question: messages end where packets end. A message of three packets and a half costs
//! four packets' headers, and with turns of 2 ms nearly every message would be one.

use tickwire_protocol::{pace::Pace, time::Micros};

use super::tcp_state::TcpState;

/// Segments larger than this (loopback, jumbo frames) may be larger than what may be written at once, and
/// their headers are nothing beside them.
const FILLED_SEGMENT_BYTES: usize = 1500;

/// The header that the WebSocket puts in front of a message of some packets.
const FRAMING_BYTES: usize = 4;

/// One connection's link.
#[derive(Debug, Default)]
pub(super) struct Link {
    pace: Pace,
    segment_bytes: usize,
}

impl Link {
    /// Takes what the kernel says now.
    pub(super) fn handle_state(&mut self, state: TcpState, now: Micros) {
        self.pace.handle_sample(state.sample, now);
        self.segment_bytes = state.segment_bytes;
    }

    /// Bytes that may wait in the kernel without being sent.
    pub(super) fn unsent_bytes_max(&self) -> u64 {
        self.pace.unsent_bytes_max()
    }

    /// Bytes of bulk that may go out in the next message.
    pub(super) fn message_bytes(&self) -> usize {
        let piece = self.pace.chunk_bytes();
        whole_segments(self.pace.room_bytes().min(piece), piece, self.segment_bytes)
    }

    /// Counts what was written, framing included.
    pub(super) fn on_written(&mut self, bytes: usize) {
        self.pace.on_written(bytes);
    }
}

/// What of the room fills packets. Pieces on a slow link are smaller than a packet, and are left so.
const fn whole_segments(room: usize, piece: usize, segment: usize) -> usize {
    if segment == 0 || segment > FILLED_SEGMENT_BYTES || piece < segment {
        return room;
    }
    (room - room % segment).saturating_sub(FRAMING_BYTES)
}

#[cfg(test)]
mod tests {
    use super::whole_segments;

    #[test]
    fn a_message_ends_where_a_packet_ends() {
        assert_eq!(whole_segments(5000, 15_000, 1448), 3 * 1448 - 4);
        assert_eq!(whole_segments(1447, 15_000, 1448), 0);
    }

    #[test]
    fn pieces_smaller_or_packets_larger_than_usual_are_left_as_they_are() {
        assert_eq!(whole_segments(1200, 1200, 1448), 1200);
        assert_eq!(whole_segments(5000, 15_000, 65_483), 5000);
    }
}
