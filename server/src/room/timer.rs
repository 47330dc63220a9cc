//! When a room ticks: a fixed rate without drift, and what gives way when the room is late.
//!
//! In: the time at which a tick really begins. Out: when the next one is due, and how this one is to be
//! done. Due times are counted from the start, never from the last tick, so lateness does not add up. A
//! late room first leaves out snapshots, which are most of its work and which the next one makes good;
//! when that is not enough it slows its own clock, instead of owing more and more ticks.

use tickwire_protocol::time::{Micros, RoomTime, Tick};

use crate::limits::CATCH_UP_TICKS_MAX;

/// What tells a room when to tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct TickTimer {
    rate_hz: u32,
    origin: Micros,
    /// Ticks since `origin`.
    count: u64,
    next: Tick,
    /// Ticks without snapshots since the last with them.
    skipped: u32,
}

/// How one tick is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickTiming {
    /// The tick.
    pub tick: Tick,
    /// How long after it was due it began.
    pub lateness: Micros,
    /// Whether snapshots are left out, because the next tick is due already.
    pub skips_snapshots: bool,
    /// Ticks by which the room has set its clock back. They will never be simulated.
    pub slipped_ticks: u32,
}

impl TickTimer {
    pub(super) const fn new(rate_hz: u32, first_due: Micros) -> Self {
        Self {
            rate_hz,
            origin: first_due,
            count: 0,
            next: Tick(1),
            skipped: 0,
        }
    }

    /// When the next tick is due.
    pub(super) const fn next_due(&self) -> Micros {
        Micros(self.origin.0 + self.count * Micros::PER_SECOND / self.rate_hz as u64)
    }

    pub(super) const fn time(&self, now: Micros) -> RoomTime {
        RoomTime {
            now,
            next_tick: self.next,
            next_tick_due: self.next_due(),
        }
    }

    /// Sets the clock so that the next tick is due at `due`: after a pause in which nothing was owed.
    pub(super) const fn restart(&mut self, due: Micros) {
        self.origin = due;
        self.count = 0;
    }

    /// Begins the next tick.
    pub(super) fn begin(&mut self, now: Micros) -> TickTiming {
        let period = Micros::PER_SECOND / u64::from(self.rate_hz);
        let lateness = now.since(self.next_due());
        let behind = u32::try_from(lateness.0 / period).unwrap_or(u32::MAX);
        // A room that is a little too slow is a little late for ever: it must not leave out snapshots for as long.
        let is_out_of_patience = self.skipped == CATCH_UP_TICKS_MAX;
        let slipped_ticks = if behind > CATCH_UP_TICKS_MAX || is_out_of_patience {
            behind
        } else {
            0
        };
        if slipped_ticks > 0 {
            self.restart(now);
        }
        let tick = self.next;
        self.next = tick.next();
        self.count += 1;
        let skips_snapshots = self.next_due() <= now;
        self.skipped = if skips_snapshots { self.skipped + 1 } else { 0 };
        TickTiming {
            tick,
            lateness,
            skips_snapshots,
            slipped_ticks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_hertz_over_an_hour_is_exact_although_the_period_is_no_whole_number() {
        let mut timer = TickTimer::new(60, Micros(7));
        for _ in 0..60 * 3600 {
            let due = timer.next_due();
            // Each tick begins a little late, each by another amount.
            assert!(!timer.begin(due + Micros(due.0 % 900)).skips_snapshots);
        }
        assert_eq!(timer.next_due(), Micros(7 + 3600 * Micros::PER_SECOND));
    }

    #[test]
    fn a_room_two_ticks_late_catches_up_without_snapshots() {
        let mut timer = TickTimer::new(20, Micros(0));
        let now = Micros::from_millis(120);
        let timings: Vec<TickTiming> = (0..3).map(|_| timer.begin(now)).collect();
        let skips: Vec<bool> = timings
            .iter()
            .map(|timing| timing.skips_snapshots)
            .collect();
        assert_eq!(skips, [true, true, false]);
        assert!(timings.iter().all(|timing| timing.slipped_ticks == 0));
        assert_eq!(timer.next_due(), Micros::from_millis(150));
    }

    #[test]
    fn a_room_a_little_too_slow_leaves_out_few_snapshots_in_a_row() {
        let mut timer = TickTimer::new(20, Micros(0));
        let mut now = Micros(0);
        let (mut skipped, mut slipped) = (0, 0);
        for _ in 0..1000 {
            let began = now.max(timer.next_due());
            let timing = timer.begin(began);
            now = began + Micros(51_000);
            skipped = if timing.skips_snapshots {
                skipped + 1
            } else {
                0
            };
            slipped += timing.slipped_ticks;
            assert!(skipped <= CATCH_UP_TICKS_MAX, "{timing:?}");
        }
        // A thousand ticks of 51 ms are 20 more of 50.
        assert!((10..=20).contains(&slipped), "{slipped}");
    }

    #[test]
    fn a_room_far_behind_slows_its_clock_and_says_by_how_much() {
        let mut timer = TickTimer::new(20, Micros(0));
        let timing = timer.begin(Micros::from_millis(1020));
        assert_eq!(timing.slipped_ticks, 20);
        assert!(!timing.skips_snapshots);
        assert_eq!(timer.next_due(), Micros::from_millis(1070));
        let next = timer.begin(Micros::from_millis(1070));
        assert_eq!(next.tick, timing.tick.next());
        assert_eq!(next.lateness, Micros(0));
    }
}
