//! Clock sync: what time and which tick it is on the server, as a client believes.
//!
//! In: the client's clock and the server's pongs. Out: pings, the offset of the two clocks, round trip
//! and jitter. The decision to question: the server reads its sockets only at its ticks, so a ping
//! may have waited up to a tick before its first time stamp. Pings are therefore sent at dithered
//! moments, and the two directions are filtered by their own minima over a window: somewhere in it a
//! ping came just before a tick, and a pong met an empty link. (The minimum filter is Cristian's, 1989;
//! four time stamps as in NTP, RFC 5905.) What is left is half the asymmetry of the link and a small
//! part of a tick.

use crate::{
    limits::PING_PERIOD_MICROS,
    session::control::{Ping, Pong, Welcome},
    time::{Micros, Tick},
};

/// Pongs the filter looks back on: 16 s at the settled rate, in which a quartz drifts below 1 ms.
const WINDOW: usize = 32;

/// Pings right after the handshake, and the span between two of them: settled within a second.
const BURST_PINGS: u32 = 10;
const BURST_PERIOD_MICROS: Micros = Micros::from_millis(80);

/// A correction smaller than this is blended in; a larger one is taken at once, because the room is
/// another one or the machine slept.
const STEP_MICROS_MIN: i64 = 100_000;

/// The correction blended in is at most this part of the time that passes: the estimate never goes
/// back, and nothing seen on screen jumps.
const SLEW_DIVISOR: i64 = 20;

/// A moment on the server's row of ticks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TickMoment {
    /// The last tick that is due at this moment.
    pub tick: Tick,
    /// How much of the way to the next tick has passed, 0 to 1.
    pub fraction: f32,
}

/// One direction's delays of the last pongs, each the true delay plus or minus the clocks' offset.
#[derive(Debug)]
struct Delays {
    micros: [i64; WINDOW],
    count: usize,
}

impl Delays {
    const fn new() -> Self {
        Self {
            micros: [0; WINDOW],
            count: 0,
        }
    }

    fn push(&mut self, micros: i64) {
        self.micros[self.count % WINDOW] = micros;
        self.count += 1;
    }

    fn min(&self) -> i64 {
        let known = &self.micros[..self.count.min(WINDOW)];
        known.iter().copied().min().unwrap_or(0)
    }
}

/// The offset as it is blended from one estimate to the next.
#[derive(Clone, Copy, Debug)]
struct Offset {
    from: i64,
    to: i64,
    since: Micros,
}

impl Offset {
    fn at(self, now: Micros) -> i64 {
        let passed = now.since(self.since).0.min(i64::MAX as u64).cast_signed();
        let most = passed / SLEW_DIVISOR;
        self.from + (self.to - self.from).clamp(-most, most)
    }
}

/// A client's view of the server's clock.
#[derive(Debug)]
pub struct ClockSync {
    random: u64,
    next_ping: Micros,
    pings_sent: u32,
    up: Delays,
    down: Delays,
    offset: Option<Offset>,
    rtt_smoothed: Option<i64>,
    jitter_micros: f32,
    tick: Tick,
    tick_due: Micros,
    tick_period_micros: f64,
}

impl ClockSync {
    /// Starts without a clue. `seed` dithers the pings; any number does.
    #[must_use]
    pub const fn new(seed: u64, now: Micros) -> Self {
        Self {
            // Xorshift would stay at zero.
            random: seed | 1,
            next_ping: now,
            pings_sent: 0,
            up: Delays::new(),
            down: Delays::new(),
            offset: None,
            rtt_smoothed: None,
            jitter_micros: 0.0,
            tick: Tick(0),
            tick_due: Micros(0),
            tick_period_micros: 50_000.0,
        }
    }

    /// Takes the server's first word: good to a round trip, until pongs come.
    pub fn on_welcome(&mut self, welcome: &Welcome, now: Micros) {
        self.tick_period_micros = 1e9 / f64::from(welcome.tick_rate_millihertz);
        self.tick = welcome.next_tick;
        self.tick_due = welcome.next_tick_due;
        let offset = difference(welcome.server_time, now);
        self.offset = Some(Offset {
            from: offset,
            to: offset,
            since: now,
        });
        self.next_ping = now;
        self.pings_sent = 0;
    }

    /// When [`poll_ping`](Self::poll_ping) will have one.
    #[must_use]
    pub const fn next_ping(&self) -> Micros {
        self.next_ping
    }

    /// A ping, when it is time for one.
    pub fn poll_ping(&mut self, now: Micros) -> Option<Ping> {
        if now < self.next_ping {
            return None;
        }
        let period = if self.pings_sent < BURST_PINGS {
            BURST_PERIOD_MICROS
        } else {
            PING_PERIOD_MICROS
        };
        self.pings_sent = self.pings_sent.saturating_add(1);
        // Half to one and a half periods: no phase of the server's tick is met more often.
        self.next_ping = now + Micros(period.0 / 2 + self.random_below(period.0));
        Some(Ping {
            client_time: now,
            rtt: self.rtt().unwrap_or_default(),
        })
    }

    /// Takes an answer that came in at `now`.
    pub fn on_pong(&mut self, pong: &Pong, now: Micros) {
        if pong.client_time > now {
            // Not an answer to us: no ping of ours lies in the future.
            return;
        }
        let up = difference(pong.received, pong.client_time);
        let down = difference(now, pong.sent);
        let first = self.up.count == 0;
        self.up.push(up);
        self.down.push(down);
        self.tick = pong.next_tick;
        self.tick_due = pong.next_tick_due;

        let round_trip = up + down;
        self.rtt_smoothed = Some(match self.rtt_smoothed {
            None => round_trip,
            Some(smoothed) => smoothed + (round_trip - smoothed) / 8,
        });
        #[expect(clippy::cast_precision_loss, reason = "a spread of micros")]
        let spread = (down - self.down.min()) as f32;
        self.jitter_micros += (spread - self.jitter_micros) / 8.0;

        let target = (self.up.min() - self.down.min()) / 2;
        let at_now = self.offset.map_or(target, |offset| offset.at(now));
        let step = first || (target - at_now).abs() > STEP_MICROS_MIN;
        self.offset = Some(Offset {
            from: if step { target } else { at_now },
            to: target,
            since: now,
        });
    }

    /// The server's clock at `now`. Before the handshake it is `now` itself.
    #[must_use]
    pub fn server_time(&self, now: Micros) -> Micros {
        let offset = self.offset.map_or(0, |offset| offset.at(now));
        Micros(now.0.saturating_add_signed(offset))
    }

    /// Where the room stands on its row of ticks at `now`.
    #[must_use]
    pub fn server_tick(&self, now: Micros) -> TickMoment {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the span since the last pong is short"
        )]
        let since_due = difference(self.server_time(now), self.tick_due) as f64;
        let ticks = since_due / self.tick_period_micros;
        let whole = ticks.floor();
        TickMoment {
            tick: Tick(self.tick.0.wrapping_add_signed(whole as i32)),
            fraction: (ticks - whole) as f32,
        }
    }

    /// Micros from one tick to the next.
    #[must_use]
    pub const fn tick_period_micros(&self) -> f64 {
        self.tick_period_micros
    }

    /// The link's own round trip: the shortest of each direction in the window. The wait for a tick is
    /// mostly not in it. `None` before the first pong.
    #[must_use]
    pub fn rtt(&self) -> Option<Micros> {
        let rtt = self.up.min() + self.down.min();
        (self.up.count > 0).then(|| Micros(rtt.max(0).unsigned_abs()))
    }

    /// The round trip as it is felt: smoothed, with queues and the wait for a tick.
    #[must_use]
    pub fn rtt_smoothed(&self) -> Option<Micros> {
        self.rtt_smoothed
            .map(|rtt| Micros(rtt.max(0).unsigned_abs()))
    }

    /// How far the way down lies above its minimum, on average.
    #[must_use]
    pub const fn jitter(&self) -> Micros {
        Micros(self.jitter_micros as u64)
    }

    /// Whether enough pongs came to trust the offset: about a second after the handshake.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.up.count >= BURST_PINGS as usize - 2
    }

    /// Xorshift64 (Marsaglia 2003).
    fn random_below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }
}

fn difference(a: Micros, b: Micros) -> i64 {
    a.0.wrapping_sub(b.0).cast_signed()
}
