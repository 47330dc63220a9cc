//! How much one player may send: two buckets that time fills and messages empty.
//!
//! The choice to question: large messages count by their bytes alone. An upload is a few hundred
//! messages a second and harmless; a few hundred tiny ones are a player who wastes the tick. And of large
//! ones, what streams carry does not count: credit holds it back already. Small ones count whole, but for answers to
//! marks of ours, which do not count as messages.

use tickwire_protocol::{
    error::{PeerMisbehaved, Rate},
    limits::SMALL_MESSAGE_BYTES,
    time::Micros,
};

use crate::limits::{BYTES_BURST_SECONDS, Limits, MESSAGES_BURST_SECONDS};

/// What one player may still send, in millionths of a message and of a byte.
#[derive(Debug)]
pub(super) struct Rates {
    messages: u64,
    bytes: u64,
    filled_at: Micros,
}

impl Rates {
    pub(super) fn new(limits: &Limits, now: Micros) -> Self {
        Self {
            messages: full_of_messages(limits),
            bytes: full_of_bytes(limits),
            filled_at: now,
        }
    }

    /// Takes a message of so many bytes out of the buckets.
    pub(super) fn spend(
        &mut self,
        bytes: usize,
        limits: &Limits,
        now: Micros,
    ) -> Result<(), PeerMisbehaved> {
        self.fill(limits, now);
        if bytes < SMALL_MESSAGE_BYTES {
            let left = self.messages.checked_sub(Micros::PER_SECOND);
            self.messages = left.ok_or(PeerMisbehaved::RateExceeded(Rate::Messages))?;
        }
        let left = self.bytes.checked_sub(bytes as u64 * Micros::PER_SECOND);
        self.bytes = left.ok_or(PeerMisbehaved::RateExceeded(Rate::Bytes))?;
        Ok(())
    }

    /// Gives back what turned out to be data of streams: those bytes came because we gave credit for them,
    /// so a fast upload is held back by its reader and not cut.
    pub(super) fn refund(&mut self, stream_bytes: u64, limits: &Limits) {
        let level = self.bytes + stream_bytes * Micros::PER_SECOND;
        self.bytes = level.min(full_of_bytes(limits));
    }

    /// Gives back a message that we have asked for.
    pub(super) fn refund_message(&mut self, limits: &Limits) {
        let level = self.messages + Micros::PER_SECOND;
        self.messages = level.min(full_of_messages(limits));
    }

    fn fill(&mut self, limits: &Limits, now: Micros) {
        let span = now.since(self.filled_at).0;
        if span == 0 {
            return;
        }
        self.filled_at = now;
        let fill = |level: u64, per_second: u32, full: u64| {
            let more = span.saturating_mul(per_second.into());
            level.saturating_add(more).min(full)
        };
        let (messages, bytes) = (limits.messages_per_second_max, limits.bytes_per_second_max);
        self.messages = fill(self.messages, messages, full_of_messages(limits));
        self.bytes = fill(self.bytes, bytes, full_of_bytes(limits));
    }
}

fn full_of_messages(limits: &Limits) -> u64 {
    u64::from(limits.messages_per_second_max) * MESSAGES_BURST_SECONDS * Micros::PER_SECOND
}

fn full_of_bytes(limits: &Limits) -> u64 {
    u64::from(limits.bytes_per_second_max) * BYTES_BURST_SECONDS * Micros::PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            messages_per_second_max: 10,
            bytes_per_second_max: 10_000,
            ..Limits::default()
        }
    }

    #[test]
    fn the_allowed_rate_can_be_kept_up_for_ever() {
        let limits = limits();
        let mut rates = Rates::new(&limits, Micros(0));
        for i in 0..10_000 {
            assert_eq!(rates.spend(1000, &limits, Micros(i * 100_000)), Ok(()));
        }
    }

    #[test]
    fn what_a_link_held_back_for_ten_seconds_passes_and_a_message_too_many_does_not() {
        let limits = limits();
        let mut rates = Rates::new(&limits, Micros(0));
        for _ in 0..120 {
            assert_eq!(rates.spend(10, &limits, Micros(5)), Ok(()));
        }
        let more = rates.spend(10, &limits, Micros(5));
        assert_eq!(more, Err(PeerMisbehaved::RateExceeded(Rate::Messages)));
    }

    #[test]
    fn large_messages_count_by_their_bytes_alone() {
        let limits = limits();
        let mut rates = Rates::new(&limits, Micros(0));
        assert_eq!(rates.spend(20_000, &limits, Micros(0)), Ok(()));
        let more = rates.spend(2000, &limits, Micros(0));
        assert_eq!(more, Err(PeerMisbehaved::RateExceeded(Rate::Bytes)));
    }

    #[test]
    fn messages_that_we_asked_for_do_not_count() {
        let limits = limits();
        let mut rates = Rates::new(&limits, Micros(0));
        for _ in 0..100 {
            assert_eq!(rates.spend(10, &limits, Micros(0)), Ok(()));
            rates.refund_message(&limits);
        }
        for _ in 0..120 {
            assert_eq!(rates.spend(10, &limits, Micros(0)), Ok(()));
        }
        let more = rates.spend(10, &limits, Micros(0));
        assert_eq!(more, Err(PeerMisbehaved::RateExceeded(Rate::Messages)));
    }

    #[test]
    fn what_streams_carry_does_not_count() {
        let limits = limits();
        let mut rates = Rates::new(&limits, Micros(0));
        for _ in 0..100 {
            assert_eq!(rates.spend(16_000, &limits, Micros(0)), Ok(()));
            rates.refund(15_980, &limits);
        }
        rates.refund(1 << 40, &limits);
        assert_eq!(rates.spend(20_000, &limits, Micros(0)), Ok(()));
        let more = rates.spend(2000, &limits, Micros(0));
        assert_eq!(more, Err(PeerMisbehaved::RateExceeded(Rate::Bytes)));
    }
}
