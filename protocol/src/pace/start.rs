//! The start of bulk on a link whose rate is not known.
//!
//! In: what is known, each turn. Out: how much may be under way, and the link's rate as soon as it shows.
//! Each byte that arrives lets two go, so that what is under way doubles each round trip, in a train of packets
//! that is sent faster than the link carries it. They arrive as fast as the link can carry them, each later than
//! the one before (packet dispersion; Dovrolis, Ramanathan and Moore, 2001), and do so long before the train is
//! as long as the round trip. Then the rate is known, and what is missing is let go at it.
//!
//! The choice to question: trains, and not packets spread over the round trip. Those would queue less, but they
//! are at twice the link's rate, a round trip later, before anything tells them; and Linux' cubic takes their
//! acknowledgements for a train as long as the round trip, and ends its own start too early (HyStart; Ha and
//! Rhee, 2011). Where a kernel spreads them all the same, as BBR does, the growth slows down.

use std::collections::VecDeque;

use super::{INITIAL_BYTES, PACED, ROUNDS_BELIEVED, SEGMENT_BYTES, Sample, in_span, under_way};
use crate::{limits::TRAIN_TURNS_MAX, time::Micros};

/// What has to be seen of a train: its time, its packets, and how much later its end arrives than it was sent: where a
/// mark's answer and no kernel tells, by more than what an answer waits for its turn.
const TRAIN_SPAN: Micros = Micros(3500);
const TRAIN_BYTES: u64 = 6 * SEGMENT_BYTES;
const TRAIN_RISE: Micros = Micros::from_millis(1);
const TRAIN_RISE_BY_MARKS: Micros = Micros(1800);

/// Turns that a train is looked back over, and those of a round trip if they are more.
const TRAIN_TURNS: usize = 6;

/// A train has ended when nothing has arrived for so long, or a quarter of the round trip if that is more.
const TRAIN_GAP: Micros = Micros::from_millis(3);

/// A start under way.
#[derive(Debug, Default)]
pub(super) struct Start {
    /// What may be under way.
    bytes: u64,
    /// The least round trip since it began.
    rtt_least: Option<Micros>,
    train: Train,
    /// The rate when the last round ended, and rounds in a row in which it has hardly grown.
    rate_before: u64,
    flat_rounds: u32,
}

impl Start {
    /// What may be under way.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Lets more go, `most` at most. Says the link's rate, bytes per second, if it is seen.
    pub(super) fn go_on(
        &mut self,
        before: Sample,
        sample: Sample,
        most: u64,
        now: Micros,
    ) -> Option<u64> {
        self.rtt_least = Some(self.rtt_least.map_or(sample.rtt, |it| it.min(sample.rtt)));
        let arrived = sample.delivered.saturating_sub(before.delivered);
        let rate = self.train.note(arrived, sample, now);
        let used = under_way(before).saturating_add(2 * SEGMENT_BYTES);
        // A kernel that paces has not let go yet what it gets for a turn.
        let paced = in_span(sample.pacing_bytes_per_second, PACED);
        let is_paced = sample.pacing_bytes_per_second < u64::MAX;
        let used = used.saturating_add(if is_paced { paced } else { 0 });
        let more = if self.train.is_long(sample) {
            arrived / 4 * 3
        } else {
            arrived
        };
        self.bytes = self
            .bytes
            .min(used)
            .saturating_add(more)
            .min(most.max(4 * INITIAL_BYTES))
            .max(INITIAL_BYTES);
        rate
    }

    /// How much of this round trip's time has come since it began. What stood before was not let go by it, and a round
    /// trip that was long then is smoothed into the next ones.
    pub(super) fn risen(&self, rtt: Micros) -> Micros {
        rtt.since(self.rtt_least.unwrap_or(rtt))
    }

    /// Takes the rate of a round trip. Says whether it has ceased to grow.
    pub(super) fn is_flat(&mut self, rate: u64) -> bool {
        let is_flat = rate < self.rate_before + self.rate_before / 4;
        self.flat_rounds = if is_flat { self.flat_rounds + 1 } else { 0 };
        self.rate_before = rate;
        self.flat_rounds >= ROUNDS_BELIEVED
    }
}

/// Packets that arrive one right behind the other.
#[derive(Debug, Default)]
struct Train {
    /// What was known in each turn in which something arrived.
    turns: VecDeque<(Micros, Sample)>,
}

impl Train {
    /// Takes a turn. Says the link's rate, bytes per second, if it shows.
    fn note(&mut self, arrived: u64, sample: Sample, now: Micros) -> Option<u64> {
        let &(newest, _) = self.turns.back().unwrap_or(&(now, sample));
        let gap = TRAIN_GAP.max(Micros(sample.rtt_min.0 / 4));
        if now.since(newest) > gap {
            self.turns.clear();
        }
        if arrived == 0 {
            return None;
        }
        // Up to the turn before this one, which may have seen the end of the train.
        let rate = self.rate(sample);
        self.turns.push_back((now, sample));
        while self.turns.len() > TRAIN_TURNS
            && (self.turns.len() > TRAIN_TURNS_MAX || now.since(self.turns[1].0) > sample.rtt_min)
        {
            self.turns.pop_front();
        }
        rate
    }

    /// The rate at which the newest packets have arrived that were each later than the one before.
    fn rate(&self, sample: Sample) -> Option<u64> {
        let &(at, last) = self.turns.back()?;
        let least = TRAIN_SPAN.max(Micros(sample.rtt_min.0 / 12));
        let rise = if sample.is_of_kernel() {
            TRAIN_RISE
        } else {
            TRAIN_RISE_BY_MARKS
        };
        self.turns.iter().rev().find_map(|&(began, first)| {
            let span = at.since(began);
            let bytes = last.delivered.saturating_sub(first.delivered);
            // One acknowledgement that was held back makes the round trip jump, and then fall.
            let is_rising = sample.rtt >= last.rtt
                && last.rtt.since(first.rtt).0 >= rise.0 / 4
                && sample.rtt.since(first.rtt) >= rise;
            (span >= least && bytes >= TRAIN_BYTES && is_rising)
                .then(|| bytes.saturating_mul(Micros::PER_SECOND) / span.0)
        })
    }

    /// Whether it is nearly as long as the round trip.
    fn is_long(&self, sample: Sample) -> bool {
        self.turns
            .front()
            .zip(self.turns.back())
            .is_some_and(|((began, _), (at, _))| at.since(*began).0 >= sample.rtt_min.0 / 8 * 7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: u64 = 20_000;

    const NOTHING_YET: Sample = Sample {
        delivered: 0,
        in_flight: 0,
        unsent: 0,
        rtt: Micros(RTT),
        rtt_min: Micros(RTT),
        window_packets: 1000,
        window_bytes: u64::MAX,
        pacing_bytes_per_second: u64::MAX,
    };

    /// What a start says of turns of 2 ms: bytes that arrive in each, and the round trip beyond the shortest.
    fn rate(turns: impl IntoIterator<Item = (u64, u64)>) -> Option<u64> {
        rate_after(NOTHING_YET, turns)
    }

    fn rate_after(known: Sample, turns: impl IntoIterator<Item = (u64, u64)>) -> Option<u64> {
        let mut start = Start::default();
        let mut before = Sample {
            in_flight: 1 << 20,
            ..known
        };
        let mut rate = None;
        for (turn, (bytes, queue)) in (1..).zip(turns) {
            let sample = Sample {
                delivered: before.delivered + bytes,
                rtt: Micros(RTT + queue),
                ..before
            };
            let now = Micros::from_millis(2 * turn);
            rate = rate.or(start.go_on(before, sample, u64::MAX, now));
            before = sample;
        }
        rate
    }

    #[test]
    fn a_train_shows_the_rate_it_arrives_at() {
        // 100 Mbit/s are 25,000 bytes in 2 ms; the first and the last turn see a part of the train.
        let train = [
            (9_000, 100),
            (25_000, 400),
            (25_000, 900),
            (25_000, 1_500),
            (3_000, 1_600),
        ];
        assert_eq!(rate(train), Some(12_500_000));
        // Much less of one, as in the first round trip, does not show it yet.
        assert_eq!(
            rate([(9_000, 100), (5_000, 2_000), (0, 2_000), (0, 2_000)]),
            None
        );
    }

    #[test]
    fn what_answers_to_marks_wait_for_their_turn_is_no_train_of_the_links() {
        let by_marks = Sample {
            window_packets: u64::MAX,
            ..NOTHING_YET
        };
        let rising = |most: u64| (1..=6).map(move |turn| (25_000, most * turn / 6));
        assert_eq!(rate_after(by_marks, rising(1_500)), None);
        assert_eq!(rate(rising(1_500)), Some(12_500_000));
        assert_eq!(rate_after(by_marks, rising(5_000)), Some(12_500_000));
    }

    #[test]
    fn packets_no_faster_than_the_link_show_nothing() {
        assert_eq!(rate((0..100).map(|turn| (25_000, turn % 4 * 200))), None);
    }

    #[test]
    fn two_trains_are_not_taken_for_one() {
        let train = [(20_000, 0), (20_000, 500)];
        let gap = [(0, 500); 4];
        let both = train
            .into_iter()
            .chain(gap)
            .chain([(20_000, 1_500), (20_000, 1_600)]);
        assert_eq!(rate(both), None);
    }

    #[test]
    fn what_is_under_way_doubles_in_a_round_trip_and_only_if_it_is_used() {
        let mut start = Start::default();
        let sample = |delivered, in_flight| Sample {
            delivered,
            in_flight,
            ..NOTHING_YET
        };
        let mut go_on = |before, after, millis| {
            start.go_on(before, after, u64::MAX, Micros::from_millis(millis));
            start.bytes()
        };
        let began = go_on(sample(0, 0), sample(0, 0), 0);
        assert_eq!(began, INITIAL_BYTES);
        let doubled = go_on(sample(0, began), sample(began, 0), 20);
        assert_eq!(doubled, 2 * began);
        assert!(go_on(sample(began, 1000), sample(began + 1000, 0), 40) < doubled);
    }

    #[test]
    fn what_a_kernel_that_paces_has_not_sent_yet_does_not_end_the_growth() {
        // Four fifths of what may be under way are, whenever a packet of it arrives.
        let after = |pacing_bytes_per_second| {
            let mut start = Start::default();
            let mut delivered = 0;
            for turn in 1..=30 {
                let before = Sample {
                    delivered,
                    in_flight: start.bytes() / 5 * 4,
                    pacing_bytes_per_second,
                    ..NOTHING_YET
                };
                delivered += SEGMENT_BYTES;
                let sample = Sample {
                    delivered,
                    ..before
                };
                start.go_on(before, sample, u64::MAX, Micros::from_millis(2 * turn));
            }
            start.bytes()
        };
        assert!(after(2_000_000) > 3 * INITIAL_BYTES);
        assert!(after(u64::MAX) < 2 * INITIAL_BYTES);
    }
}
