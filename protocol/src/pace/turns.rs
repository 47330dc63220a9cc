//! How regularly the pump turns.
//!
//! In: the time between two turns. Out: how much longer than the link itself a writer has to look ahead.
//! Between turns acknowledgements leave room that nobody fills; on a machine with other work some turns
//! come late.

use crate::time::Micros;

/// What is looked ahead besides a turn, within bounds: a part of the shortest round trip, for what the rate is wrong by
/// is wrong for all of it. With less a busy machine leaves the link idle, with more every snapshot waits.
const ROUND_TRIP_PARTS: u64 = 32;
const AHEAD_LEAST: Micros = Micros(900);
const AHEAD_MOST: Micros = Micros(1500);

/// The longest turn that is made up for, within bounds, as a part of the shortest round trip. Making up for more would cost
/// every snapshot that time, and gains the busiest simulated machine half a percent of the link. On 100 Mbit/s and 20 ms,
/// 2 ms instead of 3 cost that machine a percent and a half of the link, and every upload by marks is half a millisecond
/// faster at p99; 1.5 ms cost some of those a tenth of the link.
const TURN_PARTS: u64 = 10;
const TURN_LEAST: Micros = Micros::from_millis(2);
const TURN_MOST: Micros = Micros::from_millis(3);

/// Turns in which a late one is forgotten to a third: a quarter of a second of a pump of 2 ms.
const TURNS_REMEMBERED: u64 = 128;

/// The rhythm of one pump.
#[derive(Debug, Default)]
pub(super) struct Turns {
    longest: u64,
}

impl Turns {
    /// Notes a turn, and says how much of it counts.
    pub(super) fn note(&mut self, span: Micros, rtt_min: Micros) -> Micros {
        let turn = span.min(Micros(rtt_min.0 / TURN_PARTS).clamp(TURN_LEAST, TURN_MOST));
        self.longest = turn.0.max(self.longest - self.longest / TURNS_REMEMBERED);
        turn
    }

    /// The time that what is under way has to last beyond the link's own: the latest turn, and a little.
    pub(super) fn ahead(&self, rtt_min: Micros) -> Micros {
        let little = Micros(rtt_min.0 / ROUND_TRIP_PARTS).clamp(AHEAD_LEAST, AHEAD_MOST);
        little + Micros(self.longest)
    }
}
