//! What makes few messages of many small ones.
//!
//! In: messages of the session, as soon as there are any. Out: messages for the socket. A server counts
//! messages of less than a kibibyte, because each costs it a look however small it is, and closes a client that
//! sends more of them than a player needs. A program with hundreds of streams makes thousands of small frames.
//! So what is small goes along with what follows, and once many have gone in a short time, the next waits a few
//! milliseconds for company. Who sends as a player does never waits.

use tickwire_protocol::{limits::SMALL_MESSAGE_BYTES, session::ClientSession, time::Micros};

use crate::limits::{SMALL_MESSAGES_BURST, SMALL_MESSAGES_PER_SECOND};

/// Time that one small message is worth.
const MESSAGE_MICROS: Micros = Micros(Micros::PER_SECOND / SMALL_MESSAGES_PER_SECOND);

#[derive(Debug, Default)]
pub(super) struct Gather {
    /// The beginning of the next message: whole frames that wait for more.
    held: Vec<u8>,
    /// When all of the burst is there again.
    full_at: Micros,
}

impl Gather {
    /// Appends the next message, if one is to go now.
    pub(super) fn poll(
        &mut self,
        session: &mut ClientSession,
        budget_bytes: usize,
        now: Micros,
        out: &mut Vec<u8>,
    ) -> bool {
        let start = out.len();
        out.append(&mut self.held);
        let max = session.message_bytes_max();
        loop {
            let bytes = out.len() - start;
            let budget = budget_bytes.min(max).saturating_sub(bytes);
            let is_small = bytes < SMALL_MESSAGE_BYTES;
            if !is_small || !session.poll_transmit(budget, now, out) {
                break;
            }
        }
        let bytes = out.len() - start;
        let waits =
            bytes > 0 && bytes < SMALL_MESSAGE_BYTES && session.is_open() && !self.spend(now);
        if waits {
            self.held.extend_from_slice(&out[start..]);
            out.truncate(start);
        }
        out.len() > start
    }

    /// When what waits goes out, whether more comes or not.
    pub(super) fn poll_timeout(&self) -> Option<Micros> {
        (!self.held.is_empty()).then(|| self.next())
    }

    /// Forgets what waits, with its connection.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes one small message out of what is allowed.
    fn spend(&mut self, now: Micros) -> bool {
        if now < self.next() {
            return false;
        }
        self.full_at = self.full_at.max(now) + MESSAGE_MICROS;
        true
    }

    /// When one more is allowed.
    fn next(&self) -> Micros {
        self.full_at - Micros(MESSAGE_MICROS.0 * (SMALL_MESSAGES_BURST - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_then_so_many_a_second() {
        let mut gather = Gather::default();
        let mut now = Micros::from_millis(5_000);
        for number in 0..SMALL_MESSAGES_BURST {
            assert!(gather.spend(now), "{number}");
        }
        assert!(!gather.spend(now));
        let sent = (0..10_000)
            .filter(|_| {
                now = now + Micros(1000);
                gather.spend(now)
            })
            .count() as u64;
        assert!(sent.abs_diff(10 * SMALL_MESSAGES_PER_SECOND) <= 1, "{sent}");
        now = now + Micros::from_millis(60_000);
        let again = (0..1000).filter(|_| gather.spend(now)).count() as u64;
        assert_eq!(again, SMALL_MESSAGES_BURST, "a long rest gives no more");
    }
}
