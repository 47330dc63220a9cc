//! How far a TCP stream has arrived, and when, as its packets tell.
//!
//! A server takes an input with its next tick, so what the game sees of a delay has the wait for the tick in it. The
//! link knows when the input's last byte reached the other end, in order, and no clock of the program is asked.

use std::collections::BTreeMap;

/// One direction of the first connection to a port.
#[derive(Debug)]
pub(crate) struct Arrivals {
    port: u16,
    /// The sequence number of the first byte, once the connection has begun.
    first: Option<u32>,
    /// Bytes that arrived with none missing before them.
    whole: u64,
    /// What arrived behind a gap: begin and end.
    beyond: BTreeMap<u64, u64>,
    /// How many bytes were whole at which time, growing.
    log: Vec<(u64, u64)>,
}

impl Arrivals {
    pub(crate) const fn new(port: u16) -> Self {
        Self {
            port,
            first: None,
            whole: 0,
            beyond: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    /// Takes an IP packet that arrives at `micros`.
    pub(crate) fn note(&mut self, packet: &[u8], micros: u64) {
        let Some(segment) = Segment::parse(packet).filter(|it| it.port == self.port) else {
            return;
        };
        if segment.begins {
            // A lost answer has it sent again, with the same number.
            self.first.get_or_insert(segment.number.wrapping_add(1));
            return;
        }
        let Some(first) = self.first else { return };
        // A keep-alive is a byte before the next one, at first before all.
        let begin = u64::from(segment.number.wrapping_sub(first));
        let end = begin + segment.bytes as u64;
        if segment.bytes == 0 || end <= self.whole || begin > u64::from(u32::MAX / 2) {
            return;
        }
        let known = self.beyond.entry(begin).or_default();
        *known = end.max(*known);
        let before = self.whole;
        while let Some(next) = self.beyond.first_entry()
            && *next.key() <= self.whole
        {
            self.whole = self.whole.max(next.remove());
        }
        if self.whole > before {
            self.log.push((self.whole, micros));
        }
    }

    /// When the first `bytes` of the stream had all arrived.
    pub(crate) fn when(&self, bytes: u64) -> Option<u64> {
        let place = self.log.partition_point(|(whole, _)| *whole < bytes);
        self.log.get(place).map(|(_, micros)| *micros)
    }
}

/// What counts of an IPv4 packet with TCP in it.
struct Segment {
    /// Where it goes.
    port: u16,
    number: u32,
    /// Whether it is the first of its connection (SYN).
    begins: bool,
    bytes: usize,
}

impl Segment {
    fn parse(packet: &[u8]) -> Option<Self> {
        const TCP: u8 = 6;
        const SYN: u8 = 2;
        let words = |byte: u8| usize::from(byte) * 4;
        if packet.first()? >> 4 != 4 || *packet.get(9)? != TCP {
            return None;
        }
        let tcp = packet.get(words(packet[0] & 15)..)?;
        let header = words(*tcp.get(12)? >> 4);
        Some(Self {
            port: u16::from_be_bytes(*tcp.get(2..)?.first_chunk()?),
            number: u32::from_be_bytes(*tcp.get(4..)?.first_chunk()?),
            begins: tcp.get(13)? & SYN != 0,
            bytes: tcp.len().checked_sub(header)?,
        })
    }
}
