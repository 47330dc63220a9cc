//! Counts and times in, sums out. Each thread fills a [`Slice`] a second and hands it over, so the
//! threads share no counter; the sum of all slices is the whole run.
//!
//! Only bots that behave as players are timed. What stalling, flapping and hostile bots see is their
//! own doing; of those only the closes are counted.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use tickwire_protocol::time::Micros;

use crate::limits::{COMPLAINTS_MAX, SPAN_MICROS_MAX};

/// Times in micros, each to three digits.
#[derive(Clone, Debug)]
pub struct Spans(Histogram<u32>);

impl Spans {
    /// No times yet. About 70 KiB.
    #[must_use]
    pub fn new() -> Self {
        Self(
            Histogram::new_with_bounds(1, SPAN_MICROS_MAX.0, 3)
                .expect("the bounds are constants and valid"),
        )
    }

    /// Counts one time; one longer than two minutes counts as two minutes.
    pub fn record(&mut self, span: Micros) {
        self.0.saturating_record(span.0);
    }

    /// Counts all the times of `other` here too.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    /// How many times were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time that `quantile` (0 to 1) of all times do not exceed, in milliseconds. Zero when none
    /// was counted.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "two minutes in micros are far below 2^53"
    )]
    pub fn millis_at(&self, quantile: f64) -> f64 {
        if self.0.is_empty() {
            0.0
        } else {
            self.0.value_at_quantile(quantile) as f64 / 1000.0
        }
    }
}

impl Default for Spans {
    fn default() -> Self {
        Self::new()
    }
}

/// What was counted in one second, or in a whole run.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    /// Time between one snapshot and the next of the same bot.
    pub interval: Spans,
    /// Time from handing an input to the client to the first snapshot that holds its effect.
    pub input_to_effect: Spans,
    /// Bots that were welcomed for the first time.
    pub connected: u64,
    /// Attempts of well-behaved bots that ended before they were in: nobody listened, or they were refused.
    pub attempts_failed: u64,
    /// Connections that were opened, of all bots.
    pub opened: u64,
    /// Attempts that ended before a connection was open, of all bots.
    pub unopened: u64,
    /// Connections of well-behaved bots that ended without their doing.
    pub disconnects: u64,
    /// Messages that did not decode, or came in an order they must not come in.
    pub decode_errors: u64,
    /// Replicas whose checksum was not the server's.
    pub diverged: u64,
    /// Replicas whose checksum was the server's, at the end of the run.
    pub verified: u64,
    /// Snapshots received.
    pub snapshots: u64,
    /// Ticks of which a player got no snapshot, between two of which it got one.
    pub missed_ticks: u64,
    /// Players that had been without a snapshot for seconds when they left.
    pub unserved: u64,
    /// Players for whom no bot could be made.
    pub unmade: u64,
    /// Bytes received, WebSocket framing included.
    pub bytes: u64,
    /// Inputs sent by well-behaved bots.
    pub inputs: u64,
    /// Events of the game that well-behaved bots sent.
    pub events_sent: u64,
    /// Events of the game that well-behaved bots received.
    pub events_heard: u64,
    /// The sum over all bots of the time they played.
    pub playing: Duration,
    /// Bots playing when the slice was handed over.
    pub players: u64,
    /// How connections were closed by the server, of all bots.
    pub closes: BTreeMap<u16, u64>,
    /// What went wrong in words, the first few.
    pub complaints: Vec<String>,
}

impl Slice {
    /// Takes in what another thread, or a later second, counted.
    pub fn add(&mut self, other: &Self) {
        self.interval.add(&other.interval);
        self.input_to_effect.add(&other.input_to_effect);
        self.connected += other.connected;
        self.attempts_failed += other.attempts_failed;
        self.opened += other.opened;
        self.unopened += other.unopened;
        self.disconnects += other.disconnects;
        self.decode_errors += other.decode_errors;
        self.diverged += other.diverged;
        self.verified += other.verified;
        self.snapshots += other.snapshots;
        self.missed_ticks += other.missed_ticks;
        self.unserved += other.unserved;
        self.unmade += other.unmade;
        self.bytes += other.bytes;
        self.inputs += other.inputs;
        self.events_sent += other.events_sent;
        self.events_heard += other.events_heard;
        self.playing += other.playing;
        self.players += other.players;
        for (&code, &count) in &other.closes {
            *self.closes.entry(code).or_default() += count;
        }
        for complaint in &other.complaints {
            self.complain(complaint);
        }
    }

    /// Keeps a sentence about what went wrong, unless it or enough others are kept. Says whether it did.
    pub fn complain(&mut self, complaint: &str) -> bool {
        let is_new = self.complaints.len() < COMPLAINTS_MAX
            && !self.complaints.iter().any(|kept| kept == complaint);
        if is_new {
            self.complaints.push(complaint.to_owned());
        }
        is_new
    }

    /// Everything that must not happen to a well-behaved bot. Attempts that failed are among it: they fail a
    /// run only if the bot never got in, but whoever watches must see them.
    #[must_use]
    pub const fn errors(&self) -> u64 {
        self.attempts_failed
            + self.disconnects
            + self.decode_errors
            + self.diverged
            + self.unserved
            + self.unmade
    }

    /// Whether bots have tried to connect and none could.
    #[must_use]
    pub const fn is_unopened(&self) -> bool {
        self.opened == 0 && self.unopened > 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Slice, Spans};
    use crate::limits::COMPLAINTS_MAX;
    use tickwire_protocol::time::Micros;

    #[test]
    fn quantiles_are_in_milliseconds_and_survive_adding() {
        let (mut low, mut high) = (Spans::new(), Spans::new());
        (1..=50).for_each(|millis| low.record(Micros::from_millis(millis)));
        (51..=100).for_each(|millis| high.record(Micros::from_millis(millis)));
        low.add(&high);
        assert_eq!(low.count(), 100);
        assert!((low.millis_at(0.5) - 50.0).abs() < 0.1);
        assert!((low.millis_at(1.0) - 100.0).abs() < 0.1);
        assert_eq!(Spans::new().millis_at(0.5), 0.0);
    }

    #[test]
    fn attempts_that_fail_are_errors_and_nobody_is_there_when_all_of_them_did() {
        let mut whole = Slice::default();
        assert!(!whole.is_unopened(), "nobody has tried yet");
        whole.add(&Slice {
            attempts_failed: 2,
            unopened: 3,
            ..Slice::default()
        });
        assert_eq!(whole.errors(), 2);
        assert!(whole.is_unopened());
        whole.add(&Slice {
            opened: 1,
            ..Slice::default()
        });
        assert!(!whole.is_unopened());
    }

    #[test]
    fn slices_add_up_and_keep_few_complaints() {
        let mut whole = Slice::default();
        for number in 0..20u16 {
            let mut slice = Slice {
                snapshots: 2,
                disconnects: 1,
                ..Slice::default()
            };
            slice.closes.insert(4000 + number % 2, 1);
            slice.complain(&format!("complaint {number}"));
            slice.complain(&format!("complaint {number}"));
            whole.add(&slice);
        }
        assert_eq!((whole.snapshots, whole.errors()), (40, 20));
        assert_eq!(whole.closes.values().copied().collect::<Vec<_>>(), [10, 10]);
        assert_eq!(whole.complaints.len(), COMPLAINTS_MAX);
    }
}
