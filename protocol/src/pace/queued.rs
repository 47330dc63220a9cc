//! A queue that stands although we let less go: it is not ours.
//!
//! In: the round trip that stands while there is more of a queue than is meant, and what arrives. Out:
//! whether that round trip is to be taken for the shortest. A queue of our own is gone after some round trips
//! of holding back, and what arrives stays what the link carries. If what arrives falls with what is let go
//! and the round trip does not, others fill the queue, or the way has become longer; holding back further
//! would only starve us (the mode switch of Copa, Arun and Balakrishnan, 2018, has the same reason).

use crate::time::Micros;

/// Round trips in which a queue of ours is gone for certain.
const ROUND_TRIPS: u64 = 8;

/// The first of them, in which what arrives was let go before.
const ROUND_TRIPS_BEFORE: u64 = 3;

/// A queue that stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queued {
    since: Micros,
    /// The round trip with it, and what arrived, at first.
    rtt: Micros,
    rate: u64,
}

impl Queued {
    pub(super) const fn begin(rtt: Micros, rate: u64, now: Micros) -> Self {
        Self {
            since: now,
            rtt,
            rate,
        }
    }

    /// Looks at it again. Says whether it is not ours.
    pub(super) fn is_foreign(&mut self, rtt: Micros, rate: u64, now: Micros) -> bool {
        let lasts = now.since(self.since).0;
        if rtt.0 < self.rtt.0 / 4 * 3 {
            // It drains.
            *self = Self::begin(rtt, rate, now);
        } else if lasts < ROUND_TRIPS_BEFORE.saturating_mul(rtt.0) {
            self.rate = rate;
        }
        lasts >= ROUND_TRIPS.saturating_mul(rtt.0) && rate <= self.rate / 2
    }
}
