//! One direction of a link on virtual time: messages go in with the time, and come out at the time
//! at which they would have arrived.
//!
//! It behaves as TCP does under a WebSocket: ordered and reliable. So a lost packet is not a hole but
//! a delay of everything behind it, and a reader that stops reading fills the sender's buffer until
//! the sender may write no more.

use std::collections::VecDeque;

use tickwire_protocol::time::Micros;

/// What a link does to the messages of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkProfile {
    /// Time from one end to the other for the smallest message on an idle link.
    pub latency: Micros,
    /// Each message takes up to this much longer, evenly spread.
    pub jitter: Micros,
    /// The rate of the link. A message occupies it for its length divided by this.
    pub bytes_per_second: u64,
    /// Messages of a thousand that lose a packet: they arrive one retransmission later.
    pub lost_per_mille: u64,
    /// Bytes on their way (both socket buffers and the router's queue) at which the sender's socket
    /// would block.
    pub buffer_bytes: usize,
}

impl LinkProfile {
    /// One room of one house: what a developer sees. 0.2 ms, 1 Gbit/s.
    pub const LAN: Self = Self {
        latency: Micros(200),
        jitter: Micros(50),
        bytes_per_second: 125_000_000,
        lost_per_mille: 0,
        buffer_bytes: 256 * 1024,
    };
    /// A wired home in the same country: 20 ms round trip, 50 Mbit/s.
    pub const FIBRE: Self = Self {
        latency: Micros::from_millis(10),
        jitter: Micros::from_millis(2),
        bytes_per_second: 6_250_000,
        lost_per_mille: 0,
        buffer_bytes: 256 * 1024,
    };
    /// A phone with good reception: 60 ms round trip, 10 ms of jitter, 10 Mbit/s, 0.5 % loss.
    pub const MOBILE: Self = Self {
        latency: Micros::from_millis(30),
        jitter: Micros::from_millis(10),
        bytes_per_second: 1_250_000,
        lost_per_mille: 5,
        buffer_bytes: 128 * 1024,
    };
    /// A crowded café: 80 ms round trip, 60 ms of jitter, 2 Mbit/s, 2 % loss.
    pub const CAFE: Self = Self {
        latency: Micros::from_millis(40),
        jitter: Micros::from_millis(60),
        bytes_per_second: 250_000,
        lost_per_mille: 20,
        buffer_bytes: 64 * 1024,
    };
    /// A link too thin for what is sent on it: 150 ms round trip, 64 kbit/s.
    pub const THIN: Self = Self {
        latency: Micros::from_millis(75),
        jitter: Micros::from_millis(20),
        bytes_per_second: 8_000,
        lost_per_mille: 0,
        buffer_bytes: 16 * 1024,
    };
    /// Every preset, from best to worst.
    pub const ALL: [Self; 5] = [Self::LAN, Self::FIBRE, Self::MOBILE, Self::CAFE, Self::THIN];

    /// How much later a message arrives that lost a packet: the round trip in which the receiver
    /// asks again, and the sender's least time-out (200 ms on Linux) when nothing followed it.
    fn retransmission(&self, random: &mut fastrand::Rng) -> Micros {
        let round_trip = Micros(self.latency.0 * 2);
        if random.bool() {
            round_trip
        } else {
            round_trip + Micros::from_millis(200)
        }
    }
}

/// One direction of one connection.
///
/// [`send`](Self::send) puts a message on its way, [`poll_arrival`](Self::poll_arrival) takes out what
/// has arrived by then, [`next_arrival`](Self::next_arrival) says when to ask again.
#[derive(Debug)]
pub struct Link {
    profile: LinkProfile,
    random: fastrand::Rng,
    under_way: VecDeque<(Micros, Vec<u8>)>,
    bytes_under_way: usize,
    /// When the sender's end of the line is free again.
    free_at: Micros,
    /// The newest arrival: a later message never overtakes it.
    last_arrival: Micros,
    stalled_until: Micros,
}

impl Link {
    /// A link that does as `profile` says; `seed` decides its jitter and its losses.
    #[must_use]
    pub fn new(profile: LinkProfile, seed: u64) -> Self {
        Self {
            profile,
            random: fastrand::Rng::with_seed(seed),
            under_way: VecDeque::new(),
            bytes_under_way: 0,
            free_at: Micros(0),
            last_arrival: Micros(0),
            stalled_until: Micros(0),
        }
    }

    /// Whether the sender's socket would take a message now.
    #[must_use]
    pub const fn is_writable(&self) -> bool {
        self.bytes_under_way < self.profile.buffer_bytes
    }

    /// Bytes sent and not yet received.
    #[must_use]
    pub const fn bytes_under_way(&self) -> usize {
        self.bytes_under_way
    }

    /// Sends a message.
    ///
    /// # Panics
    /// When the socket would block: the shell of a core must ask [`is_writable`](Self::is_writable).
    pub fn send(&mut self, now: Micros, message: Vec<u8>) {
        assert!(
            self.is_writable(),
            "a message was sent although the socket would block"
        );
        let occupied =
            Micros(message.len() as u64 * Micros::PER_SECOND / self.profile.bytes_per_second);
        self.free_at = self.free_at.max(now) + occupied;
        let mut delay = self.profile.latency + Micros(self.random.u64(0..=self.profile.jitter.0));
        if self.random.u64(0..1000) < self.profile.lost_per_mille {
            delay = delay + self.profile.retransmission(&mut self.random);
        }
        self.last_arrival = self.last_arrival.max(self.free_at + delay);
        self.bytes_under_way += message.len();
        self.under_way.push_back((self.last_arrival, message));
    }

    /// The next message that the receiver reads at `now`.
    pub fn poll_arrival(&mut self, now: Micros) -> Option<Vec<u8>> {
        if self.next_arrival()? > now {
            return None;
        }
        let (_, message) = self.under_way.pop_front()?;
        self.bytes_under_way -= message.len();
        Some(message)
    }

    /// When the receiver reads the next message, if one is under way.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Micros> {
        let (arrival, _) = self.under_way.front()?;
        Some((*arrival).max(self.stalled_until))
    }

    /// The receiver reads nothing until then.
    pub fn stall(&mut self, until: Micros) {
        self.stalled_until = self.stalled_until.max(until);
    }

    /// Changes the link under what is already on its way, as a phone that walks away from its mast.
    pub fn change(&mut self, profile: LinkProfile) {
        self.profile = profile;
    }

    /// Loses everything under way: the connection is gone.
    pub fn cut(&mut self) {
        self.under_way.clear();
        self.bytes_under_way = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Link, LinkProfile};
    use tickwire_protocol::time::Micros;

    fn arrivals(link: &mut Link) -> Vec<(u64, Vec<u8>)> {
        let mut arrivals = Vec::new();
        while let Some(at) = link.next_arrival() {
            let message = link.poll_arrival(at).expect("it said when");
            arrivals.push((at.0, message));
        }
        arrivals
    }

    #[test]
    fn messages_arrive_in_order_on_every_preset() {
        for profile in LinkProfile::ALL {
            let mut link = Link::new(profile, 7);
            for number in 0..100u8 {
                link.send(Micros(u64::from(number) * 1000), vec![number; 20]);
            }
            let arrived = arrivals(&mut link);
            assert!(arrived.is_sorted_by_key(|(at, _)| *at));
            let numbers: Vec<u8> = arrived.iter().map(|(_, message)| message[0]).collect();
            assert_eq!(numbers, (0..100).collect::<Vec<u8>>());
        }
    }

    #[test]
    fn a_thin_link_takes_as_long_as_its_rate_says() {
        let profile = LinkProfile {
            jitter: Micros(0),
            ..LinkProfile::THIN
        };
        let mut link = Link::new(profile, 1);
        for _ in 0..4 {
            link.send(Micros(0), vec![0; 2000]);
        }
        let last = arrivals(&mut link).pop().expect("four were sent").0;
        assert_eq!(last, 1_000_000 + profile.latency.0);
    }

    #[test]
    fn a_reader_that_stops_fills_the_buffer_and_loses_nothing() {
        let mut link = Link::new(LinkProfile::THIN, 1);
        link.stall(Micros::from_millis(60_000));
        let mut sent = 0;
        while link.is_writable() {
            link.send(Micros(0), vec![0; 1024]);
            sent += 1;
        }
        assert_eq!(sent, 16);
        assert!(link.poll_arrival(Micros::from_millis(59_999)).is_none());
        assert_eq!(arrivals(&mut link).len(), sent);
        assert!(link.is_writable());
    }
}
