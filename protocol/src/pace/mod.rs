//! How much bulk a connection may have under way, so that neither the kernel's queue nor the router's
//! stands in front of what is urgent.
//!
//! In: what is known of a connection, every few milliseconds while bulk waits. Out: bytes that may be
//! written now. The link holds `rate × shortest round trip` by itself; more than that waits in a
//! queue. So bytes in flight and unsent together are held a little above it (the idea of BBR, Cardwell
//! et al., 2016), less what the round trip says stands in a queue already (as in Vegas, Brakmo et al.,
//! 1994).
//!
//! Who writes asks four doors in a circle, here on a link that delivers at once:
//!
//! ```
//! use tickwire_protocol::{pace::{Pace, Sample}, time::Micros};
//!
//! let mut pace = Pace::default();
//! let mut written = 0;
//! for turn in 0..10 {
//!     let sample = Sample {
//!         delivered: written,
//!         in_flight: 0,
//!         unsent: 0,
//!         rtt: Micros::from_millis(2),
//!         rtt_min: Micros::from_millis(2),
//!     };
//!     pace.handle_sample(sample, Micros::from_millis(2 * turn));
//!     while pace.room_bytes() > 0 {
//!         let chunk = pace.room_bytes().min(pace.chunk_bytes());
//!         // Here a socket is given `chunk` bytes.
//!         pace.on_written(chunk);
//!         written += chunk as u64;
//!     }
//! }
//! ```
//!
//! The choice to question: the kernel's congestion control goes on beneath. It answers to loss; this
//! only keeps it from being needed.

mod marked;
mod marks;

use std::collections::VecDeque;

pub(crate) use marked::MarkedPace;

use crate::{
    limits::{BULK_CHUNK_BYTES_MIN, BULK_MESSAGE_BYTES_MAX},
    time::Micros,
};

/// What is known of a connection at one moment: of a kernel that says so, or estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Bytes that the other end has got since the connection began.
    pub delivered: u64,
    /// Bytes sent and neither got nor lost.
    pub in_flight: u64,
    /// Bytes written that have not been sent yet.
    pub unsent: u64,
    /// The round trip, smoothed over the last acknowledgements.
    pub rtt: Micros,
    /// The shortest round trip there was.
    pub rtt_min: Micros,
}

/// What may be under way before anything is known: the kernel's own initial window.
const INITIAL_BYTES: u64 = 10 * 1448;

/// The shortest span that a rate is measured over: shorter ones see bursts.
const SPAN_MIN: Micros = Micros::from_millis(20);

/// After so long without a sample what was delivered in between says nothing about the link.
const SAMPLE_AGE_KEPT: Micros = Micros::from_millis(200);

/// Time that the estimate takes to forget a rate the link no longer has: short while packets queue, for
/// then the link and not the program is what holds the rate down.
const FORGET: Micros = Micros::from_millis(16_000);
const FORGET_QUEUEING: Micros = Micros::from_millis(500);

/// What is under way beyond the link's own, as time, besides two turns of the pump: between turns
/// acknowledgements leave room that nobody fills, and on a busy machine turns come late.
const SLACK: Micros = Micros::from_millis(1);

/// The longest turn that is made up for: past it the machine is late with snapshots as well.
const TURN_LATE: Micros = Micros::from_millis(6);

/// The same on links whose round trip is shorter than a turn of the pump.
const SLACK_NEAR: Micros = Micros::from_millis(8);
const NEAR: Micros = Micros::from_millis(3);

/// A round trip this far above the shortest, beyond a tenth of it, is the link's and the kernels' own
/// jitter.
const JITTER: Micros = Micros::from_millis(2);

/// Time of the link that may wait in the kernel in front of a snapshot.
const UNSENT: Micros = Micros::from_millis(6);

/// One connection's pace.
#[derive(Debug, Default)]
pub struct Pace {
    /// Delivered bytes at recent moments, the oldest just before the span of one rate.
    history: VecDeque<(Micros, u64)>,
    bytes_per_second: u64,
    last: Option<(Micros, Sample)>,
    /// Time between two samples, smoothed, in sixteenths of a micro.
    turn_sixteenths: u64,
    /// The link has been filled once: from then on the rate is only followed.
    is_settled: bool,
    /// The best rate when the start was last judged, and when that was.
    start_judged: (u64, Micros),
    /// Starts judged in a row in which the rate has hardly grown.
    flat_starts: u32,
}

impl Pace {
    /// Takes what the kernel says now.
    pub fn handle_sample(&mut self, sample: Sample, now: Micros) {
        let is_fresh = self
            .last
            .is_some_and(|(at, _)| now.since(at) <= SAMPLE_AGE_KEPT);
        if !is_fresh {
            self.history.clear();
        }
        let span = now.since(self.last.map_or(now, |(at, _)| at));
        if is_fresh {
            let turn = span.0.min(TURN_LATE.0);
            self.turn_sixteenths = self.turn_sixteenths - self.turn_sixteenths / 16 + turn;
        }
        self.history.push_back((now, sample.delivered));
        self.last = Some((now, sample));
        // One round trip while the rate still grows; then two, for acknowledgements come in bursts that
        // look like a faster link.
        let wanted = if self.is_settled {
            (sample.rtt_min + sample.rtt_min).max(SPAN_MIN)
        } else {
            sample.rtt_min.max(SPAN_MIN)
        };
        while self.history.len() > 2 && now.since(self.history[1].0) >= wanted {
            self.history.pop_front();
        }
        let (since, delivered) = self.history[0];
        let measured_over = now.since(since);
        if measured_over < wanted {
            return;
        }
        let bytes = sample.delivered.saturating_sub(delivered);
        let rate = bytes * Micros::PER_SECOND / measured_over.0;
        if rate >= self.bytes_per_second {
            self.bytes_per_second = rate;
        } else if is_fresh {
            let forget = if queueing(sample) > Micros(0) {
                FORGET_QUEUEING
            } else {
                FORGET
            };
            let forgotten = self.bytes_per_second * span.0.min(forget.0) / forget.0;
            self.bytes_per_second = rate.max(self.bytes_per_second - forgotten);
        }
        self.judge_start(sample, now);
    }

    /// Ends the start when the round trip grows, or the rate no longer does.
    fn judge_start(&mut self, sample: Sample, now: Micros) {
        if self.is_settled {
            return;
        }
        if queueing(sample) > Micros(0) {
            self.is_settled = true;
            return;
        }
        let (rate, at) = self.start_judged;
        if now.since(at) < sample.rtt_min.max(SPAN_MIN) {
            return;
        }
        let is_flat = self.bytes_per_second < rate + rate / 4;
        self.flat_starts = if is_flat { self.flat_starts + 1 } else { 0 };
        self.is_settled = self.flat_starts >= 3;
        self.start_judged = (self.bytes_per_second, now);
    }

    /// Bytes of bulk that may be written now.
    pub fn room_bytes(&self) -> usize {
        let Some((_, sample)) = self.last else {
            return BULK_MESSAGE_BYTES_MAX;
        };
        let under_way = sample.in_flight + sample.unsent;
        let room = self.target_bytes(sample).saturating_sub(under_way);
        let unsent = self.unsent_bytes_max().saturating_sub(sample.unsent);
        usize::try_from(room.min(unsent)).unwrap_or(usize::MAX)
    }

    /// Counts what was written since the last sample.
    pub fn on_written(&mut self, bytes: usize) {
        if let Some((_, sample)) = &mut self.last {
            sample.in_flight += bytes as u64;
        }
    }

    /// What may be under way.
    fn target_bytes(&self, sample: Sample) -> u64 {
        let slack = if sample.rtt_min < NEAR {
            SLACK_NEAR.0
        } else {
            SLACK.0 + self.turn_sixteenths / 16 * 2
        };
        let base = sample.rtt_min.0 + sample.rtt_min.0 / 10 + slack;
        let span = if self.is_settled {
            base.saturating_sub(queueing(sample).0)
        } else {
            2 * base
        };
        // Never so little that the acknowledgements stop, which the rate is measured by.
        let least = self.in_span(Micros(sample.rtt_min.0 / 2)).max(4 * 1448);
        let known = self.in_span(Micros(span)).max(least);
        if self.is_settled {
            known
        } else {
            known.max(INITIAL_BYTES)
        }
    }

    /// Bytes that may wait in the kernel without being sent.
    pub fn unsent_bytes_max(&self) -> u64 {
        self.in_span(UNSENT).max(if self.is_settled {
            2 * 1448
        } else {
            INITIAL_BYTES
        })
    }

    /// The largest piece worth writing at once: small on a slow link.
    pub fn chunk_bytes(&self) -> usize {
        let bytes = usize::try_from(self.in_span(UNSENT)).unwrap_or(usize::MAX);
        bytes.clamp(BULK_CHUNK_BYTES_MIN, BULK_MESSAGE_BYTES_MAX)
    }

    fn in_span(&self, span: Micros) -> u64 {
        self.bytes_per_second.saturating_mul(span.0) / Micros::PER_SECOND
    }
}

/// How long a packet seems to wait in queues, jitter excepted.
fn queueing(sample: Sample) -> Micros {
    let above = sample.rtt.since(sample.rtt_min);
    above.since(Micros(sample.rtt_min.0 / 10) + JITTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link with a rate, a delay and a queue, under a kernel that sends all it is given.
    struct Link {
        bytes_per_second: u64,
        rtt: Micros,
        now: Micros,
        /// Bytes written, and what of them the link has carried.
        written: u64,
        carried: u64,
        /// When the acknowledgement of what was carried comes back.
        returning: VecDeque<(Micros, u64)>,
        delivered: u64,
        smoothed: u64,
        queue_max: u64,
    }

    const TURN: Micros = Micros::from_millis(2);

    impl Link {
        fn new(bits_per_second: u64, rtt: Micros) -> Self {
            Self {
                bytes_per_second: bits_per_second / 8,
                rtt,
                now: Micros(0),
                written: 0,
                carried: 0,
                returning: VecDeque::new(),
                delivered: 0,
                smoothed: rtt.0,
                queue_max: 0,
            }
        }

        fn turn(&mut self, pace: &mut Pace) {
            self.now = self.now + TURN;
            let waits = self.written - self.carried;
            let carried = waits.min(self.bytes_per_second * TURN.0 / Micros::PER_SECOND);
            self.carried += carried;
            self.returning.push_back((self.now + self.rtt, carried));
            while let Some(&(at, bytes)) = self.returning.front()
                && at <= self.now
            {
                self.delivered += bytes;
                self.returning.pop_front();
            }
            let queue = self.written - self.carried;
            self.queue_max = self.queue_max.max(queue);
            let queueing = queue * Micros::PER_SECOND / self.bytes_per_second;
            self.smoothed = (self.smoothed * 3 + self.rtt.0 + queueing) / 4;
            let sample = Sample {
                delivered: self.delivered,
                in_flight: self.written - self.delivered,
                unsent: 0,
                rtt: Micros(self.smoothed),
                rtt_min: self.rtt,
            };
            pace.handle_sample(sample, self.now);
            self.written += pace.room_bytes() as u64;
        }

        /// Runs for a while, and says the longest queue in time and what share of the link was used.
        fn run(&mut self, pace: &mut Pace, span: Micros) -> (Micros, f64) {
            let (start, carried) = (self.now, self.carried);
            self.queue_max = 0;
            while self.now.since(start) < span {
                self.turn(pace);
            }
            let longest = self.queue_max * Micros::PER_SECOND / self.bytes_per_second;
            let used = (self.carried - carried) as f64;
            (
                Micros(longest),
                used / (self.bytes_per_second as f64 * span.as_seconds()),
            )
        }
    }

    const LINKS: [(u64, u64); 4] = [(5, 80), (20, 40), (100, 20), (20, 100)];

    #[test]
    fn a_link_is_filled_and_its_queue_stays_short() {
        for (mbit, rtt) in LINKS {
            let mut link = Link::new(mbit * 1_000_000, Micros::from_millis(rtt));
            let mut pace = Pace::default();
            let (start, _) = link.run(&mut pace, Micros::from_millis(2000));
            let (queue, used) = link.run(&mut pace, Micros::from_millis(5000));
            assert!(used >= 0.97, "{mbit} Mbit/s, {rtt} ms: {used} of the link");
            assert!(
                queue <= Micros(8_000 + rtt * 100),
                "{mbit} Mbit/s, {rtt} ms: {queue:?}"
            );
            assert!(
                start <= Micros(10_000 + rtt * 1_000),
                "{mbit} Mbit/s, {rtt} ms: {start:?} at the start"
            );
        }
    }

    #[test]
    fn a_link_that_becomes_slower_or_faster_is_followed() {
        let mut link = Link::new(20_000_000, Micros::from_millis(40));
        let mut pace = Pace::default();
        link.run(&mut pace, Micros::from_millis(2000));
        link.bytes_per_second /= 4;
        link.run(&mut pace, Micros::from_millis(4000));
        let (queue, used) = link.run(&mut pace, Micros::from_millis(2000));
        assert!(used >= 0.97 && queue <= Micros(15_000), "{used} {queue:?}");
        link.bytes_per_second *= 4;
        link.run(&mut pace, Micros::from_millis(4000));
        let (queue, used) = link.run(&mut pace, Micros::from_millis(2000));
        assert!(used >= 0.97 && queue <= Micros(15_000), "{used} {queue:?}");
    }

    #[test]
    fn chunks_and_what_waits_in_the_kernel_follow_the_rate() {
        for (mbit, chunk) in [(5, 3_750), (20, 15_000), (100, BULK_MESSAGE_BYTES_MAX)] {
            let mut pace = Pace::default();
            Link::new(mbit * 1_000_000, Micros::from_millis(40))
                .run(&mut pace, Micros::from_millis(3000));
            let close = |is: usize| is.abs_diff(chunk) < chunk / 10;
            assert!(
                close(pace.chunk_bytes()),
                "{mbit} Mbit/s: {}",
                pace.chunk_bytes()
            );
            assert!(pace.unsent_bytes_max() >= mbit * 700);
        }
    }

    /// What may be under way on a settled link of 20 Mbit/s and 40 ms, its pump turning like this.
    fn target_with_turns(millis: [u64; 2]) -> u64 {
        let mut link = Link::new(20_000_000, Micros::from_millis(40));
        let mut pace = Pace::default();
        link.run(&mut pace, Micros::from_millis(3000));
        let sample = Sample {
            delivered: 0,
            in_flight: 0,
            unsent: 0,
            rtt: link.rtt,
            rtt_min: link.rtt,
        };
        let mut now = link.now;
        for turn in 0..100 {
            now = now + Micros::from_millis(millis[turn % 2]);
            pace.handle_sample(
                Sample {
                    delivered: now.0 * 5 / 2,
                    ..sample
                },
                now,
            );
        }
        pace.target_bytes(sample)
    }

    #[test]
    fn a_pump_that_turns_late_leaves_more_under_way() {
        let (prompt, late) = (target_with_turns([2, 2]), target_with_turns([6, 1]));
        assert!(late > prompt + 2_000, "{prompt} {late}");
    }

    #[test]
    fn before_anything_is_known_one_message_may_go() {
        assert_eq!(Pace::default().room_bytes(), BULK_MESSAGE_BYTES_MAX);
    }
}
