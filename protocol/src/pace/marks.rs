//! What is known of a link whose kernel says nothing: marks behind bulk, and the peer's word that it has
//! come to them.
//!
//! In: bytes of bulk written, marks set behind them, answers. Out: [`Sample`]s. The connection is
//! ordered, so the answer to a mark says that all that was written before it is there; and the time to
//! it is the round trip with every queue on the way, ours included.
//!
//! The choice to question: the answer is the peer's program's and not its kernel's, so a peer that looks
//! at its socket every few milliseconds answers that much late. Of the shortest round trip that costs
//! nothing, and the others are allowed more jitter than that.

use std::collections::VecDeque;

use super::Sample;
use crate::{limits::MARKS_UNANSWERED_MAX, time::Micros};

/// How long a round trip counts as the shortest: at least this, at most twice. A route that has become
/// longer is taken for a queue until then.
const SHORTEST_KEPT: Micros = Micros::from_millis(20_000);

/// Of a new round trip, what goes into the smoothed one: as in the kernel's (RFC 6298).
const SMOOTHING: u64 = 8;

#[derive(Clone, Copy, Debug)]
struct Mark {
    number: u64,
    /// Bytes written before it.
    written: u64,
    set: Micros,
}

/// The marks of one direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Marks {
    last: u64,
    written: u64,
    /// Bytes written before the newest mark.
    marked: u64,
    delivered: u64,
    unanswered: VecDeque<Mark>,
    rtt: Option<Micros>,
    shortest: Shortest,
}

/// An answer to a mark that does not wait for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownMark;

impl Marks {
    pub(super) const fn on_written(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }

    /// The number of a mark to be written now; `None` while as many as may wait for their answer.
    pub(super) fn set(&mut self, now: Micros) -> Option<u64> {
        if self.unanswered.len() == MARKS_UNANSWERED_MAX {
            return None;
        }
        self.last += 1;
        self.marked = self.written;
        self.unanswered.push_back(Mark {
            number: self.last,
            written: self.written,
            set: now,
        });
        Some(self.last)
    }

    /// Takes an answer. It stands for all marks before it too.
    pub(super) fn handle_reached(&mut self, number: u64, now: Micros) -> Result<(), UnknownMark> {
        while let Some(mark) = self.unanswered.pop_front() {
            if mark.number < number {
                continue;
            }
            if mark.number > number {
                break;
            }
            self.delivered = mark.written;
            let rtt = now.since(mark.set);
            self.shortest.observe(rtt, now);
            self.rtt = Some(self.rtt.map_or(rtt, |smoothed| {
                Micros((smoothed.0 * (SMOOTHING - 1) + rtt.0) / SMOOTHING)
            }));
            return Ok(());
        }
        Err(UnknownMark)
    }

    /// How the link is; `None` before the first answer.
    pub(super) fn sample(&self) -> Option<Sample> {
        let rtt_min = self.shortest.value();
        Some(Sample {
            delivered: self.delivered,
            in_flight: self.in_flight(),
            // Whether the kernel has sent it is not known; what has not arrived counts alike.
            unsent: 0,
            // The smoothed one goes on from times that are forgotten.
            rtt: self.rtt?.max(rtt_min),
            rtt_min,
            window_packets: u64::MAX,
            window_bytes: u64::MAX,
            pacing_bytes_per_second: u64::MAX,
        })
    }

    /// Bytes that no answer has confirmed.
    pub(super) const fn in_flight(&self) -> u64 {
        self.written - self.delivered
    }

    /// Bytes written that no mark stands behind.
    pub(super) const fn unmarked(&self) -> u64 {
        self.written - self.marked
    }

    /// Whether no mark waits for its answer.
    pub(super) fn is_idle(&self) -> bool {
        self.unanswered.is_empty()
    }
}

/// The smallest of a while: of the half under way, and of the one before.
#[derive(Debug)]
struct Shortest {
    now: Micros,
    before: Micros,
    since: Micros,
}

const UNKNOWN: Micros = Micros(u64::MAX);

impl Default for Shortest {
    fn default() -> Self {
        Self {
            now: UNKNOWN,
            before: UNKNOWN,
            since: Micros(0),
        }
    }
}

impl Shortest {
    fn observe(&mut self, rtt: Micros, at: Micros) {
        if at.since(self.since) >= SHORTEST_KEPT {
            self.before = core::mem::replace(&mut self.now, UNKNOWN);
            self.since = at;
        }
        self.now = self.now.min(rtt);
    }

    fn value(&self) -> Micros {
        self.now.min(self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Micros {
        Micros::from_millis(millis)
    }

    #[test]
    fn an_answer_confirms_all_that_was_written_before_its_mark() {
        let mut marks = Marks::default();
        marks.on_written(1000);
        let first = marks.set(ms(0)).unwrap();
        marks.on_written(500);
        let second = marks.set(ms(10)).unwrap();
        marks.on_written(7);
        assert_eq!((marks.sample(), marks.in_flight()), (None, 1507));
        // Only the newest is answered: the peer read both at once.
        marks.handle_reached(second, ms(50)).unwrap();
        let sample = marks.sample().unwrap();
        assert_eq!((sample.delivered, sample.in_flight), (1500, 7));
        assert_eq!((sample.rtt, sample.rtt_min), (ms(40), ms(40)));
        assert_eq!(marks.unmarked(), 7);
        assert_eq!(marks.handle_reached(first, ms(51)), Err(UnknownMark));
    }

    #[test]
    fn an_answer_to_no_mark_is_refused() {
        let mut marks = Marks::default();
        assert_eq!(marks.handle_reached(1, ms(0)), Err(UnknownMark));
        let mark = marks.set(ms(0)).unwrap();
        assert_eq!(marks.handle_reached(mark + 1, ms(0)), Err(UnknownMark));
    }

    #[test]
    fn marks_without_answers_are_bounded_and_an_answer_makes_room() {
        let mut marks = Marks::default();
        let first = marks.set(ms(0)).unwrap();
        while marks.set(ms(0)).is_some() {}
        assert_eq!(marks.unanswered.len(), MARKS_UNANSWERED_MAX);
        marks.handle_reached(first, ms(1)).unwrap();
        assert!(marks.set(ms(1)).is_some());
    }

    #[test]
    fn the_shortest_round_trip_is_forgotten_after_a_while() {
        let mut marks = Marks::default();
        let mut round_trip = |set: Micros, rtt: Micros| {
            let mark = marks.set(set).unwrap();
            marks.handle_reached(mark, set + rtt).unwrap();
            marks.sample().unwrap().rtt_min
        };
        assert_eq!(round_trip(ms(0), ms(10)), ms(10));
        assert_eq!(round_trip(ms(1000), ms(40)), ms(10));
        assert_eq!(round_trip(SHORTEST_KEPT, ms(40)), ms(10));
        let later = SHORTEST_KEPT + SHORTEST_KEPT + ms(100);
        assert_eq!(round_trip(later, ms(40)), ms(40));
    }
}
