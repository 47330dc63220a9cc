//! A pace that knows its link by what a kernel says of it.
//!
//! In: what the kernel says, each turn of whoever owns the socket. Out: how large the next message of bulk may be.
//! The choice to question: messages end where packets end. A message of three packets and a half costs four
//! packets' headers, and with turns of 2 ms nearly every message would be one.

use super::{HEADER_BYTES, MASK_BYTES, Pace, Sample, whole_packets};
use crate::time::Micros;

/// Segments larger than this (loopback, jumbo frames) may be larger than what may be written at once, and
/// their headers are nothing beside them.
const FILLED_SEGMENT_BYTES: usize = 1500;

/// One connection's pace.
#[derive(Debug)]
pub struct KernelPace {
    pace: Pace,
    segment_bytes: usize,
    framing_bytes: usize,
    message_bytes_least: usize,
}

impl KernelPace {
    /// For a server's messages: on a slow link they are smaller than a packet.
    #[must_use]
    pub fn of_server() -> Self {
        Self {
            pace: Pace::default(),
            segment_bytes: 0,
            framing_bytes: HEADER_BYTES,
            message_bytes_least: 0,
        }
    }

    /// For a client's, of `least` bytes or none: a server counts its messages.
    pub(crate) fn of_client(least: usize) -> Self {
        Self {
            framing_bytes: HEADER_BYTES + MASK_BYTES,
            message_bytes_least: least,
            ..Self::of_server()
        }
    }

    /// Takes what the kernel says now, and how much of a packet is payload. Call it every few milliseconds while
    /// bulk waits.
    pub fn handle_sample(&mut self, sample: Sample, segment_bytes: usize, now: Micros) {
        self.pace.handle_sample(sample, now);
        self.segment_bytes = segment_bytes;
    }

    /// Bytes that may wait in the kernel without being sent.
    #[must_use]
    pub fn unsent_bytes_max(&self) -> u64 {
        self.pace.unsent_bytes_max()
    }

    /// Bytes of bulk that may go out in the next message.
    #[must_use]
    pub fn message_bytes(&self) -> usize {
        let piece = self.pace.chunk_bytes().max(self.message_bytes_least);
        let room = self.pace.room_bytes().min(piece);
        let bytes = self.whole_segments(room, piece);
        // Tunnels' packets hold less than the least; one of them is enough.
        let packet = match self.segment_bytes {
            0 => usize::MAX,
            segment => segment.saturating_sub(self.framing_bytes),
        };
        if bytes < self.message_bytes_least.min(packet) {
            0
        } else {
            bytes
        }
    }

    /// Counts what was written, framing included.
    pub fn on_written(&mut self, bytes: usize) {
        self.pace.on_written(bytes);
    }

    /// What of the room fills packets. Pieces on a slow link are smaller than a packet, and are left so.
    const fn whole_segments(&self, room: usize, piece: usize) -> usize {
        let segment = self.segment_bytes;
        if segment == 0 || segment > FILLED_SEGMENT_BYTES || piece < segment {
            return room;
        }
        whole_packets(room, segment, self.framing_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_segments_of(segment_bytes: usize) -> KernelPace {
        KernelPace {
            segment_bytes,
            ..KernelPace::of_server()
        }
    }

    #[test]
    fn a_message_ends_where_a_packet_ends() {
        let pace = with_segments_of(1448);
        assert_eq!(pace.whole_segments(5000, 15_000), 3 * 1448 - 4);
        assert_eq!(pace.whole_segments(1447, 15_000), 0);
    }

    #[test]
    fn pieces_smaller_or_packets_larger_than_usual_are_left_as_they_are() {
        assert_eq!(with_segments_of(1448).whole_segments(1200, 1200), 1200);
        assert_eq!(with_segments_of(65_483).whole_segments(5000, 15_000), 5000);
    }

    #[test]
    fn a_client_sends_a_packet_or_nothing_however_slow_its_link_is() {
        const LEAST: usize = 1400;
        let sizes = sizes_on_a_slow_link(LEAST, 1448);
        assert!(sizes.iter().all(|bytes| *bytes >= LEAST), "{sizes:?}");
        assert!(sizes.iter().sum::<usize>() >= 70_000, "{sizes:?}");
    }

    #[test]
    fn a_client_sends_through_a_tunnel_too() {
        // Payload of a packet with time stamps in IPv6 at least, in WireGuard, in VXLAN, and about the least itself.
        for segment in [1208, 1368, 1398, 1400, 1404, 1408] {
            let sizes = sizes_on_a_slow_link(1400, segment);
            let packet = segment - HEADER_BYTES - MASK_BYTES;
            assert!(sizes.iter().all(|bytes| *bytes >= packet), "{sizes:?}");
            assert!(sizes.iter().sum::<usize>() >= 70_000, "{segment}");
        }
    }

    /// What a client writes in four seconds, over 20 KB/s and a round trip of 100 ms.
    fn sizes_on_a_slow_link(least: usize, segment_bytes: usize) -> Vec<usize> {
        let mut pace = KernelPace::of_client(least);
        let mut sizes = vec![];
        let mut written = 0;
        for turn in 0..2000 {
            let arrived = (turn * 40_u64).saturating_sub(2000).min(written);
            let sample = Sample {
                delivered: arrived,
                in_flight: written - arrived,
                unsent: 0,
                rtt: Micros::from_millis(100),
                rtt_min: Micros::from_millis(100),
                window_packets: u64::MAX,
                window_bytes: u64::MAX,
                pacing_bytes_per_second: u64::MAX,
            };
            pace.handle_sample(sample, segment_bytes, Micros::from_millis(2 * turn));
            let bytes = pace.message_bytes();
            if bytes > 0 {
                pace.on_written(bytes);
                written += bytes as u64;
                sizes.push(bytes);
            }
        }
        sizes
    }
}
