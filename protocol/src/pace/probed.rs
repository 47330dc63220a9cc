//! BBR's own look for the shortest round trip, seen from above and foreseen.
//!
//! In: the kernel's window. Out: when bulk has to hold back for it. When ten seconds have brought no shorter
//! round trip, Linux' BBR shuts its window to four packets for 200 ms (`PROBE_RTT`; Cardwell et al., 2016).
//! What is under way then stands in front of what is urgent: until it has drained nothing goes, and then four
//! packets in a round trip. So bulk takes a quarter of such a window, and the next time it has drained beforehand,
//! for BBR counts its ten seconds from when the window opened, or from a shorter round trip just after.
//!
//! The choice to question: it goes by the window alone. No other congestion control shuts it to exactly four
//! packets at once, and one that did would find bulk holding back for a second at most.

use crate::time::Micros;

/// BBR's window while it looks.
const SHUT_PACKETS: u64 = 4;

/// How long after the window has opened BBR looks again; a round trip later if that one was shorter.
const PERIOD: Micros = Micros::from_millis(10_000);

/// BBR's clock ticks in 4 ms, and it waits for an acknowledgement.
const LATE: Micros = Micros::from_millis(10);

/// A window that was shut for less was not BBR's, and one that stays shut for longer is not.
const SHUT_LEAST: Micros = Micros::from_millis(150);
const SHUT_MOST: Micros = Micros::from_millis(1000);

/// What is known of the kernel's looks.
#[derive(Debug, Default)]
pub(super) struct Probed {
    window_packets: u64,
    shut_since: Option<Micros>,
    /// When BBR looks next, if it has been seen to look.
    expected: Option<Micros>,
    holds: bool,
}

impl Probed {
    /// Takes the window. `drain` is how long what is under way takes to arrive. Says whether bulk has just
    /// ceased to hold back.
    pub(super) fn note(&mut self, window_packets: u64, drain: Micros, now: Micros) -> bool {
        let before = std::mem::replace(&mut self.window_packets, window_packets);
        let is_shut = window_packets == SHUT_PACKETS;
        if is_shut && before >= 2 * SHUT_PACKETS {
            self.shut_since = Some(now);
        }
        if let Some(since) = self.shut_since {
            let lasts = now.since(since);
            if !is_shut && lasts >= SHUT_LEAST {
                self.expected = Some(now + PERIOD);
            }
            self.shut_since = Some(since).filter(|_| is_shut && lasts <= SHUT_MOST);
        }
        self.expected = self.expected.filter(|at| now <= *at + drain + LATE);
        let is_near = self.expected.is_some_and(|at| at <= now + drain);
        let held = std::mem::replace(&mut self.holds, is_near || self.shut_since.is_some());
        held && !self.holds
    }

    /// Whether bulk has to leave the kernel's window to what is urgent.
    pub(super) const fn holds(&self) -> bool {
        self.holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: Micros = Micros::from_millis(90);

    /// Whether bulk holds back at each millisecond.
    fn holds(is_shut: impl Fn(u64) -> bool, millis: u64) -> Vec<bool> {
        let mut probed = Probed::default();
        let mut note = |at| {
            let window_packets = if is_shut(at) { 4 } else { 70 };
            probed.note(window_packets, DRAIN, Micros::from_millis(at));
            probed.holds()
        };
        (0..millis).map(&mut note).collect()
    }

    #[test]
    fn bulk_has_drained_when_the_window_shuts_again() {
        let held = holds(
            |at| (1000..1300).contains(&at) || (11_380..11_600).contains(&at),
            12_000,
        );
        let at = |millis: u64| held[millis as usize];
        assert!(!at(999) && at(1000) && at(1299) && !at(1300));
        assert!(!at(11_209) && (11_210..11_600).all(at) && !at(11_600));
    }

    #[test]
    fn a_look_that_is_foreseen_and_does_not_come_costs_little() {
        let held = holds(|at| (1000..1300).contains(&at), 30_000);
        let span = held[2000..].iter().filter(|held| **held).count();
        assert_eq!(span, 90 + 101);
    }

    #[test]
    fn a_window_that_shuts_for_a_loss_is_not_believed_for_long() {
        assert!(
            holds(|at| (1000..1100).contains(&at), 20_000)[1100..]
                .iter()
                .all(|held| !held)
        );
        assert!(!holds(|at| at >= 1000, 9000)[2001..].contains(&true));
        // Growing through four packets is no look either.
        let mut probed = Probed::default();
        for packets in [1, 2, 4, 8] {
            probed.note(packets, DRAIN, Micros(packets));
            assert!(!probed.holds());
        }
    }
}
