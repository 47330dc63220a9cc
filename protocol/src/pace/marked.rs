//! A pace that knows its link by marks: what a sender does that has no kernel to ask.
//!
//! In: bulk that waits and that was written, answers of the peer. Out: how much may be written now, and
//! the marks to write behind it. A browser's uploads go by this, and a server's downloads over
//! connections that something wraps.
//!
//! The choice to question: a pace that is followed well hides the link's own round trip, for there is
//! always a little of a queue. So now and then the sender stands still for as long as the queue takes to
//! empty, and sets a mark behind nothing (BBR's probing, made short: the queue is known).

use super::{
    HEADER_BYTES, INITIAL_BYTES, MASK_BYTES, Pace, UNSENT,
    marks::{Marks, UnknownMark},
    whole_packets,
};
use crate::time::Micros;

/// The least that is written at once: what a packet holds on nearly every path. Less would be more messages than a
/// player may send.
pub(crate) const MESSAGE_BYTES_LEAST: usize = 1400;

/// What stands around bulk in a message; of the mark at its end most are shorter.
const FRAMING_BYTES: usize = HEADER_BYTES + MASK_BYTES + 8;

/// A mark stands behind what was written last, and no longer than this behind anything.
const MARK_PERIOD: Micros = Micros::from_millis(2);

/// Less at the end of all bulk, as the frame that ends a stream, goes without.
const WORTH_A_MARK: u64 = 256;

/// The pace is told of the link with each answer, and this often between them while bulk waits.
const SAMPLE_PERIOD: Micros = Micros::from_millis(1);

/// How much faster than the link bulk is written, so that what an answer makes room for at once does not
/// go at once: a router's queue may be shorter than that.
const HASTE: u64 = 2;

/// How often the sender stands still, and for how much longer than the queue seems to be.
const PROBE_PERIOD: Micros = Micros::from_millis(10_000);
const PROBE_BEYOND: Micros = Micros::from_millis(2);

/// One direction's pace.
#[derive(Debug, Default)]
pub(crate) struct MarkedPace {
    pace: Pace,
    marks: Marks,
    mark_set: Option<Micros>,
    sampled: Micros,
    /// Since when there was always something under way.
    probed: Micros,
    /// Until when nothing is written.
    stands_still: Option<Micros>,
    burst: Burst,
    answered: u64,
}

/// Bytes that may be written at once: time and what arrives fill them, up to what may wait unsent.
#[derive(Debug, Default)]
struct Burst {
    bytes: u64,
    filled: Option<Micros>,
}

impl Burst {
    /// `unsent` is what the link carries in [`UNSENT`].
    fn fill(&mut self, unsent: u64, now: Micros) {
        let span = self.filled.map_or(UNSENT, |at| now.since(at));
        let more = unsent.saturating_mul(HASTE * span.0) / UNSENT.0;
        // Not at all for less than a byte: else it would never become one.
        if more > 0 {
            self.add(more, unsent);
            self.filled = Some(now);
        }
    }

    fn add(&mut self, bytes: u64, unsent: u64) {
        self.bytes = self.bytes.saturating_add(bytes).min(unsent);
    }
}

impl MarkedPace {
    /// Takes an answer.
    pub(crate) fn handle_reached(&mut self, mark: u64, now: Micros) -> Result<(), UnknownMark> {
        let before = self.marks.in_flight();
        self.marks.handle_reached(mark, now)?;
        self.answered += 1;
        self.sample(now);
        let arrived = before - self.marks.in_flight();
        self.burst.add(arrived, self.pace.burst_bytes_max());
        Ok(())
    }

    /// Bytes of bulk that may be written now, in one message: none, or as many packets as there is room for.
    pub(crate) fn room_bytes(&mut self, now: Micros) -> usize {
        if now.since(self.sampled) >= SAMPLE_PERIOD {
            self.sample(now);
        }
        self.probe(now);
        let room = if self.stands_still.is_some() {
            0
        } else if self.marks.sample().is_some() {
            self.burst.fill(self.pace.burst_bytes_max(), now);
            let burst = usize::try_from(self.burst.bytes).unwrap_or(usize::MAX);
            let room = self.pace.room_bytes().min(self.message_bytes());
            room.min(burst)
        } else {
            let room = INITIAL_BYTES.saturating_sub(self.marks.in_flight());
            MESSAGE_BYTES_LEAST.min(room as usize)
        };
        if room < MESSAGE_BYTES_LEAST {
            0
        } else {
            whole_packets(room, MESSAGE_BYTES_LEAST, FRAMING_BYTES)
        }
    }

    /// Counts bulk that was written.
    pub(crate) fn on_written(&mut self, bytes: usize) {
        self.marks.on_written(bytes);
        self.pace.on_written(bytes);
        self.burst.bytes = self.burst.bytes.saturating_sub(bytes as u64);
    }

    /// The mark to write now, behind what was written. `waits` says whether more bulk does.
    pub(crate) fn poll_mark(&mut self, waits: bool, now: Micros) -> Option<u64> {
        let is_probe = self.stands_still.is_some_and(|until| until <= now);
        let unmarked = self.marks.unmarked();
        let is_due = if self.marks.in_flight() < self.pace.unconfirmed_bytes_max() {
            false
        } else if waits {
            let is_period_over = self.mark_set.is_none_or(|at| now.since(at) >= MARK_PERIOD);
            unmarked > 0 && (is_period_over || self.room_bytes(now) == 0)
        } else {
            unmarked >= WORTH_A_MARK
        };
        if !is_probe && !is_due {
            return None;
        }
        let mark = self.marks.set(now)?;
        self.mark_set = Some(now);
        if is_probe {
            self.stands_still = None;
        }
        Some(mark)
    }

    /// Bytes that may wait unsent.
    pub(crate) fn unsent_bytes_max(&self) -> u64 {
        self.pace.unsent_bytes_max()
    }

    /// Answers that have come.
    pub(crate) const fn answered(&self) -> u64 {
        self.answered
    }

    fn sample(&mut self, now: Micros) {
        if let Some(sample) = self.marks.sample() {
            self.pace.handle_sample(sample, now);
            self.sampled = now;
        }
    }

    /// Begins to stand still when it is time, if anything is in the way of seeing the link's own delay.
    fn probe(&mut self, now: Micros) {
        let Some(sample) = self.marks.sample() else {
            return;
        };
        if self.marks.is_idle() {
            self.probed = now;
        } else if now.since(self.probed) >= PROBE_PERIOD {
            self.probed = now;
            let queue = sample.rtt.since(sample.rtt_min);
            self.stands_still = Some(now + queue + PROBE_BEYOND);
        }
    }

    /// The largest message worth writing.
    fn message_bytes(&self) -> usize {
        let bytes = usize::try_from(self.pace.message_bytes()).unwrap_or(usize::MAX);
        bytes.max(MESSAGE_BYTES_LEAST)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const LINK: u64 = 10_000_000;
    const ROUND_TRIP: Micros = Micros::from_millis(20);

    /// A link of [`LINK`] bytes a second, and a program with bulk for it.
    #[derive(Default)]
    struct Upload {
        pace: MarkedPace,
        now: Micros,
        /// When the link has carried all that it was given.
        free_at: Micros,
        answers: VecDeque<(Micros, u64)>,
        waits: u64,
        sent: u64,
        marks: u64,
    }

    impl Upload {
        /// Lets a while pass; the program has `bytes` more at once, every so often.
        fn run(&mut self, lasts: Micros, bytes: u64, every: Micros) {
            let end = self.now + lasts;
            let mut next = self.now;
            while self.now < end {
                if self.now >= next {
                    self.waits += bytes;
                    next = next + every;
                }
                while let Some(&(at, mark)) = self.answers.front()
                    && at <= self.now
                {
                    self.answers.pop_front();
                    self.pace.handle_reached(mark, self.now).unwrap();
                }
                self.write();
                self.now = self.now + Micros(1000);
            }
        }

        fn write(&mut self) {
            while self.waits > 0 {
                let room = self.pace.room_bytes(self.now);
                assert!(room == 0 || (room + FRAMING_BYTES).is_multiple_of(MESSAGE_BYTES_LEAST));
                let bytes = self.waits.min(room as u64);
                self.pace.on_written(bytes as usize);
                self.waits -= bytes;
                self.sent += bytes;
                let takes = Micros(bytes * Micros::PER_SECOND / LINK);
                self.free_at = self.free_at.max(self.now) + takes;
                if let Some(mark) = self.pace.poll_mark(self.waits > 0, self.now) {
                    self.marks += 1;
                    self.answers.push_back((self.free_at + ROUND_TRIP, mark));
                }
                if bytes == 0 {
                    return;
                }
            }
        }
    }

    #[test]
    fn who_does_not_fill_the_link_marks_seldom_and_fills_it_at_once_when_there_is_more() {
        let second = Micros::from_millis(1000);
        let mut upload = Upload::default();
        upload.run(second, LINK, second);
        let full = (upload.sent, upload.marks);
        assert!(full.0 > LINK * 7 / 10 && full.1 > 100, "{full:?}");
        upload.run(second, 0, second);

        (upload.sent, upload.marks) = (0, 0);
        upload.run(second, LINK / 200, Micros::from_millis(50));
        assert_eq!((upload.sent, upload.waits), (LINK / 10, 0));
        assert!((1..=20).contains(&upload.marks), "{}", upload.marks);

        upload.sent = 0;
        let tenth = Micros::from_millis(100);
        upload.run(tenth, LINK, second);
        assert!(upload.sent > LINK / 10 * 9 / 10, "{}", upload.sent);
    }
}
