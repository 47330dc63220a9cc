//! Which moment of the game to draw now.
//!
//! In come the ticks of snapshots with the times they arrived; out comes the tick, with a fraction, that
//! is to be drawn at a given time. A snapshot shows the world at its tick; to draw smoothly one must
//! stand so far behind the newest that the next one is there when it is needed. That distance is one
//! tick plus the lateness that snapshots really show, and it follows the connection: it is the jitter
//! buffer of voice over IP (RFC 3550 measures the same "transit"), with the quantile of a window for
//! estimator, because a mean-and-deviation estimate takes no notice of a link whose rare delays are long.

use tickwire_protocol::time::{Micros, Tick};

use crate::limits::ARRIVALS_MAX;

/// Of a hundred snapshots this many may come too late to be drawn in time. A distance that no snapshot
/// ever overshoots would show every player a past that only the worst moment needs.
const LATE_PER_HUNDRED: usize = 3;

/// Added to the measured lateness: frames are drawn on the browser's beat, not on ours.
const MARGIN_MICROS: i64 = 2_000;

/// The drawing runs faster or slower by at most this part of real time to reach its place. Beyond 10 %
/// a change of pace can be seen.
const PACE_CHANGE_MAX: f64 = 0.1;

/// How fast an error is worked off: by this part of it per second, within [`PACE_CHANGE_MAX`].
const PACE_PER_SECOND: f64 = 1.0;

/// Further behind its place than this the drawing jumps, further ahead it stands still: after a
/// sleeping tab or a stall of seconds.
const JUMP_MICROS: f64 = 400_000.0;

/// A moment of the game: a tick and how much of the way to the next one has passed, in `0.0..1.0`.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct GameTime {
    /// The last tick that is over.
    pub tick: Tick,
    /// How far it is to the next one.
    pub fraction: f32,
}

/// The clock that drawing goes by.
#[derive(Debug)]
pub(crate) struct Playout {
    period_micros: f64,
    /// The tick that counts as zero: places on the time line are micros since this tick.
    origin: Option<Tick>,
    /// For each of the last snapshots, arrival time less the time its tick stands for.
    transits: Vec<i64>,
    oldest: usize,
    /// The transit of the fastest snapshot of the window.
    fastest: i64,
    /// The same when it was last drawn. What waited while this end stood still comes at once, each snapshot a
    /// tick faster than the one before.
    fastest_drawn: Option<i64>,
    /// By how much a snapshot that is just not too late came after the fastest.
    lateness: i64,
    /// What is being drawn: place on the time line, and when it was.
    drawn: Option<(f64, Micros)>,
}

impl Playout {
    pub(crate) fn new(tick_rate_hz: f64) -> Self {
        Self {
            period_micros: Micros::PER_SECOND as f64 / tick_rate_hz,
            origin: None,
            transits: Vec::with_capacity(ARRIVALS_MAX),
            oldest: 0,
            fastest: 0,
            fastest_drawn: None,
            lateness: 0,
            drawn: None,
        }
    }

    /// A snapshot of `tick` arrived.
    pub(crate) fn on_snapshot(&mut self, tick: Tick, now: Micros) {
        let origin = *self.origin.get_or_insert(tick);
        let transit = now.0 as i64 - self.place_of(origin, tick) as i64;
        if ((self.fastest_drawn.unwrap_or(transit) - transit) as f64) > JUMP_MICROS {
            // No link becomes as much faster: this end stood still. What came before would count as late.
            self.transits.clear();
            self.oldest = 0;
            self.fastest_drawn = Some(transit);
        }
        if self.transits.len() < ARRIVALS_MAX {
            self.transits.push(transit);
        } else {
            self.transits[self.oldest] = transit;
            self.oldest = (self.oldest + 1) % ARRIVALS_MAX;
        }
        let mut sorted = [0; ARRIVALS_MAX];
        let sorted = &mut sorted[..self.transits.len()];
        sorted.copy_from_slice(&self.transits);
        let in_time = sorted.len() - 1 - sorted.len() * LATE_PER_HUNDRED / 100;
        let (_, &mut just_in_time, _) = sorted.select_nth_unstable(in_time);
        self.fastest = self.transits.iter().copied().min().unwrap_or(transit);
        self.lateness = just_in_time - self.fastest;
    }

    /// Moves on to `now` and says what to draw, never before what was drawn last. `None` until the first
    /// snapshot came.
    pub(crate) fn advance(&mut self, now: Micros) -> Option<GameTime> {
        let origin = self.origin?;
        self.fastest_drawn = Some(self.fastest);
        let target = now.0 as f64 - self.fastest as f64 - self.delay_target_micros();
        let place = match self.drawn {
            None => target,
            Some((before, at)) => {
                let passed = now.since(at).0 as f64;
                let error = target - (before + passed);
                if error > JUMP_MICROS {
                    target
                } else if error < -JUMP_MICROS {
                    // Time never runs backwards on the canvas: it stands until the game is there.
                    before
                } else {
                    let wish =
                        error * (PACE_PER_SECOND * passed / Micros::PER_SECOND as f64).min(1.0);
                    before
                        + passed
                        + wish.clamp(-PACE_CHANGE_MAX * passed, PACE_CHANGE_MAX * passed)
                }
            }
        };
        self.drawn = Some((place, now));
        Some(self.game_time(origin, place))
    }

    /// How far the drawing stands behind the fastest snapshot's moment: what a player calls
    /// interpolation delay.
    pub(crate) fn delay(&self) -> Micros {
        let behind = self
            .drawn
            .map_or(self.delay_target_micros(), |(place, at)| {
                at.0 as f64 - self.fastest as f64 - place
            });
        Micros(behind.max(0.0) as u64)
    }

    /// By how much all but the latest few snapshots stray: the connection's jitter as drawing feels it.
    pub(crate) fn jitter(&self) -> Micros {
        Micros(self.lateness.max(0) as u64)
    }

    fn delay_target_micros(&self) -> f64 {
        self.period_micros + (self.lateness + MARGIN_MICROS) as f64
    }

    fn place_of(&self, origin: Tick, tick: Tick) -> f64 {
        f64::from(tick.since(origin)) * self.period_micros
    }

    fn game_time(&self, origin: Tick, place: f64) -> GameTime {
        let ticks = place / self.period_micros;
        let whole = ticks.floor();
        let tick = Tick(origin.0.wrapping_add(whole as i64 as u32));
        GameTime {
            tick,
            fraction: (ticks - whole) as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: u64 = 50_000;

    /// Plays `seconds` of a 20 Hz game over a link whose delay is `delay(tick)`, drawn at 60 Hz.
    /// Gives back how many frames wanted a snapshot that was not there, of the second half of the time.
    fn starved_frames(seconds: u64, delay: impl Fn(u64) -> u64) -> (usize, Playout) {
        let mut playout = Playout::new(20.0);
        let mut arrivals: Vec<(u64, u64)> = (0..seconds * 20)
            .map(|tick| (tick * PERIOD + delay(tick), tick))
            .collect();
        // TCP keeps order: nothing overtakes.
        for i in 1..arrivals.len() {
            arrivals[i].0 = arrivals[i].0.max(arrivals[i - 1].0);
        }
        let (mut next, mut newest, mut starved, mut last) = (0, 0, 0, None);
        for frame in 0..seconds * 60 {
            let now = Micros(frame * 16_667);
            while next < arrivals.len() && arrivals[next].0 <= now.0 {
                newest = arrivals[next].1;
                playout.on_snapshot(Tick(newest as u32), Micros(arrivals[next].0));
                next += 1;
            }
            if let Some(time) = playout.advance(now) {
                let back = last.is_some_and(|last: Tick| last.is_after(time.tick));
                assert!(!back, "the drawing went back");
                last = Some(time.tick);
                if frame > seconds * 30 && !Tick(newest as u32).is_after(time.tick) {
                    starved += 1;
                }
            }
        }
        (starved, playout)
    }

    #[test]
    fn on_a_steady_link_one_tick_of_delay_is_enough() {
        let (starved, playout) = starved_frames(20, |_| 40_000);
        assert_eq!(starved, 0);
        assert!(playout.delay().0 <= PERIOD + 3_000, "{:?}", playout.delay());
    }

    #[test]
    fn the_delay_follows_the_jitter_up_and_down() {
        let jitter = |tick: u64| (tick.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % 30_000;
        let (starved, playout) = starved_frames(30, |tick| 40_000 + jitter(tick));
        let rough = playout.delay();
        assert!(starved < 30 * 30 / 20, "{starved} frames starved");
        assert!(
            (PERIOD + 15_000..PERIOD + 35_000).contains(&rough.0),
            "{rough:?}"
        );
        let (starved, playout) = starved_frames(60, |tick| {
            if tick < 600 {
                40_000 + jitter(tick)
            } else {
                40_000
            }
        });
        assert_eq!(starved, 0);
        assert!(playout.delay().0 <= PERIOD + 3_000, "{:?}", playout.delay());
    }

    #[test]
    fn a_single_stall_does_not_slow_the_whole_game() {
        let (_, playout) = starved_frames(20, |tick| if tick == 300 { 340_000 } else { 40_000 });
        // The stalled snapshot and the five held up behind it are 6 of 128, and worked off in time.
        assert!(
            playout.delay().0 <= PERIOD + 260_000,
            "{:?}",
            playout.delay()
        );
        let (starved, playout) =
            starved_frames(30, |tick| if tick == 200 { 120_000 } else { 40_000 });
        assert_eq!(starved, 0);
        assert!(playout.delay().0 <= PERIOD + 3_000, "{:?}", playout.delay());
    }

    #[test]
    fn after_its_own_clock_stood_still_it_draws_the_newest_at_once() {
        let mut playout = Playout::new(20.0);
        for tick in 0..200 {
            playout.on_snapshot(Tick(tick), Micros(u64::from(tick) * PERIOD));
            playout.advance(Micros(u64::from(tick) * PERIOD + 1_000));
        }
        // Five seconds that this end knows nothing of, and what waited for it meanwhile.
        for tick in 200..300 {
            playout.on_snapshot(Tick(tick), Micros(200 * PERIOD));
        }
        let time = playout
            .advance(Micros(200 * PERIOD + 1_000))
            .expect("snapshots came");
        assert!((290..300).contains(&time.tick.0), "{time:?}");
        assert!(playout.jitter().0 as f64 <= JUMP_MICROS);
    }

    #[test]
    fn ticks_may_wrap_while_drawing() {
        let mut playout = Playout::new(20.0);
        let first = Tick(u32::MAX - 1);
        for step in 0..6u32 {
            playout.on_snapshot(first + step, Micros(u64::from(step) * PERIOD));
        }
        let time = playout
            .advance(Micros(5 * PERIOD + 2_000))
            .expect("snapshots came");
        assert_eq!(time.tick, Tick(2));
    }
}
