//! How regularly the pump turns.
//!
//! In: the time between two turns. Out: how much longer than the link itself a writer has to look ahead.
//! Between turns acknowledgements leave room that nobody fills; on a machine with other work some turns
//! come late.

use crate::time::Micros;

/// What is looked ahead besides a turn. With less a busy machine leaves the link idle, with more every snapshot waits.
const AHEAD: Micros = Micros(1250);

/// The longest turn that is made up for. Making up for more would cost every snapshot that time, and gains
/// the busiest simulated machine half a percent of the link.
const TURN_LATE: Micros = Micros::from_millis(3);

/// Turns in which a late one is forgotten to a third: a quarter of a second of a pump of 2 ms.
const TURNS_REMEMBERED: u64 = 128;

/// The rhythm of one pump.
#[derive(Debug, Default)]
pub(super) struct Turns {
    longest: u64,
}

impl Turns {
    /// Notes a turn, and says how much of it counts.
    pub(super) fn note(&mut self, span: Micros) -> Micros {
        let turn = span.min(TURN_LATE);
        self.longest = turn.0.max(self.longest - self.longest / TURNS_REMEMBERED);
        turn
    }

    /// The time that what is under way has to last beyond the link's own: the latest turn, and a little.
    pub(super) const fn ahead(&self) -> Micros {
        Micros(AHEAD.0 + self.longest)
    }
}
