//! The link's rate, by how much arrives in how long.
//!
//! In: bytes delivered, at moments. Out: the best rate that still holds. The choice to question: the
//! best and not the newest. A program that had nothing to send makes the newest one low, and so does a
//! pump that came late; bursts that would make the best one too high are kept out by the span.

use std::collections::VecDeque;

use crate::{limits::RATE_MOMENTS_MAX, time::Micros};

/// Time that the estimate takes to forget a rate the link no longer has.
const FORGET: Micros = Micros::from_millis(16_000);
/// The same while the link or the kernel, and not the program, holds the rate down.
const FORGET_HELD: Micros = Micros::from_millis(500);

/// The estimate of one connection.
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// Delivered bytes at recent moments, the oldest just before the span of one measurement.
    history: VecDeque<(Micros, u64)>,
    bytes_per_second: u64,
    newest: u64,
}

/// What a measurement says besides the rate, when it is below what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lower {
    /// The program had less to send than was allowed: nothing about the link.
    ForWantOfBytes,
    /// All that was allowed was under way.
    Allowed,
    /// Packets queue, or the kernel does not send what it has.
    Held,
}

impl Rate {
    pub(super) const fn bytes_per_second(&self) -> u64 {
        self.bytes_per_second
    }

    /// What was measured last, lower or not.
    pub(super) const fn newest(&self) -> u64 {
        self.newest
    }

    /// Takes a rate that was seen in another way.
    pub(super) fn raise(&mut self, bytes_per_second: u64) {
        self.bytes_per_second = self.bytes_per_second.max(bytes_per_second);
    }

    /// Starts measuring anew; what is known stays.
    pub(super) fn interrupt(&mut self) {
        self.history.clear();
    }

    /// Takes what has been delivered by now, and measures over a span of `over`.
    pub(super) fn measure(&mut self, delivered: u64, now: Micros, over: Micros, lower: Lower) {
        let since_last = self
            .history
            .back()
            .map_or(Micros(0), |(at, _)| now.since(*at));
        self.note(now, delivered, over);
        while self.history.len() > 2 && now.since(self.history[1].0) >= over {
            self.history.pop_front();
        }
        let (since, before) = self.history[0];
        let span = now.since(since);
        if span < over || span == Micros(0) {
            return;
        }
        let bytes = delivered.saturating_sub(before);
        let rate = bytes.saturating_mul(Micros::PER_SECOND) / span.0;
        self.newest = rate;
        let forget = match lower {
            _ if rate >= self.bytes_per_second => {
                self.bytes_per_second = rate;
                return;
            }
            Lower::ForWantOfBytes => return,
            Lower::Allowed => FORGET,
            Lower::Held => FORGET_HELD,
        };
        let since_last = since_last.0.min(forget.0);
        let forgotten = self.bytes_per_second.saturating_mul(since_last) / forget.0;
        self.bytes_per_second = rate.max(self.bytes_per_second - forgotten);
    }

    /// Keeps a moment. Those that lie closer together than a span is divided into give way to the newest.
    fn note(&mut self, now: Micros, delivered: u64, over: Micros) {
        let before_last = self.history.iter().nth_back(1);
        let step = Micros(over.0 / RATE_MOMENTS_MAX);
        if before_last.is_some_and(|(at, _)| now.since(*at) < step) {
            self.history.pop_back();
        }
        self.history.push_back((now, delivered));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So does a peer that answers its first mark after an hour, if all else it does is ping.
    #[test]
    fn a_long_span_keeps_no_more_moments_than_a_short_one() {
        const TURN_MICROS: u64 = 2000;
        let mut rate = Rate::default();
        let mut most = 0;
        for turn in 1..=1_000_000 {
            let now = Micros(turn * TURN_MICROS);
            rate.measure(
                turn * 20,
                now,
                Micros::from_millis(1_000_000),
                Lower::Allowed,
            );
            most = most.max(rate.history.len());
        }
        assert!(most as u64 <= 2 * RATE_MOMENTS_MAX + 2, "{most}");
        assert_eq!(rate.newest(), 10_000);
    }
}
