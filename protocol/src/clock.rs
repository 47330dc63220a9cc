//! Clock sync: what time and which tick it is on the server, as a client believes.
//!
//! In: the client's clock and the server's pongs. Out: pings, the offset of the two clocks, round trip
//! and jitter. The decision to question: the server reads its sockets only at its ticks, so a ping
//! may have waited up to a tick before its first time stamp. So every other ping is aimed to arrive
//! just before a tick, the rest come at any phase in case the aim is wrong, and the two directions are
//! filtered by their own minima over a window: somewhere in it a ping hardly waited, and a pong met an
//! empty link. (The minimum filter is Cristian's, 1989; four time stamps as in NTP, RFC 5905.) What is
//! left is half the asymmetry of the link and a small part of a tick.

use crate::{
    limits::PING_PERIOD_MICROS,
    session::control::{Ping, Pong, Welcome},
    time::{Micros, Tick},
};

/// Pongs the filter looks back on: 16 s at the settled rate, in which a quartz drifts below 1 ms.
const WINDOW: usize = 32;

/// Pings right after the handshake.
const BURST_PINGS: u32 = 12;

/// Ticks between two of them: by the golden ratio their phases spread over a tick as evenly as can be,
/// whatever their number.
const BURST_TICKS: f64 = 1.618_034;

/// An aimed ping arrives at most this part of a tick too early. Less would miss more ticks for the
/// link's jitter, more would wait longer.
const AIM_DIVISOR: f64 = 6.0;

/// Once settled, a correction smaller than this is blended in; a larger one is taken at once, because
/// the room is another one or the machine slept.
const STEP_MICROS_MIN: i64 = 100_000;

/// The two directions' shortest delays make up a round trip, which cannot be negative but for drift and what is
/// rounded. Below this one of the clocks has jumped within the window.
const ROUND_TRIP_MICROS_MIN: i64 = -10_000;

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
        self.next_ping = now + self.next_ping_after(now);
        self.pings_sent = self.pings_sent.saturating_add(1);
        Some(Ping {
            client_time: now,
            rtt: self.rtt().unwrap_or_default(),
        })
    }

    fn next_ping_after(&mut self, now: Micros) -> Micros {
        if self.pings_sent < BURST_PINGS {
            return Micros((self.tick_period_micros * BURST_TICKS) as u64);
        }
        // Half to one and a half periods: no phase of the server's tick is met more often.
        let span = PING_PERIOD_MICROS.0 / 2 + self.random_below(PING_PERIOD_MICROS.0);
        if self.pings_sent.is_multiple_of(2) {
            self.aim(now + Micros(span)) - now
        } else {
            Micros(span)
        }
    }

    /// When to send after `soonest` so that it arrives at the server a small part of a tick before
    /// one. A wrong offset makes the aim wrong by as much, and each hit halves the error.
    fn aim(&mut self, soonest: Micros) -> Micros {
        let one_way = Micros(self.rtt().unwrap_or_default().0 / 2);
        let early_max = (self.tick_period_micros / AIM_DIVISOR) as u64;
        let early = Micros(self.random_below(early_max.max(1)));
        let arrival = self.server_tick(soonest + one_way + early);
        let wait = f64::from(1.0 - arrival.fraction) * self.tick_period_micros;
        soonest + Micros(wait as u64)
    }

    /// Takes an answer that came in at `now`.
    pub fn on_pong(&mut self, pong: &Pong, now: Micros) {
        if pong.client_time > now {
            // Not an answer to us: no ping of ours lies in the future.
            return;
        }
        let up = difference(pong.received, pong.client_time);
        let down = difference(now, pong.sent);
        let settled = self.is_settled();
        self.up.push(up);
        self.down.push(down);
        let jumped = self.up.min() + self.down.min() < ROUND_TRIP_MICROS_MIN;
        if jumped {
            // A machine slept, or was stopped. What was measured before says nothing of now.
            (self.up, self.down) = (Delays::new(), Delays::new());
            self.up.push(up);
            self.down.push(down);
            (self.rtt_smoothed, self.jitter_micros) = (None, 0.0);
        }
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
        let step = !settled || jumped || (target - at_now).abs() > STEP_MICROS_MIN;
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

    /// From a fraction of a tick to its end; a millisecond at least.
    #[must_use]
    pub fn until_next_tick(&self, fraction: f32) -> Micros {
        let left = f64::from(1.0 - fraction) * self.tick_period_micros;
        Micros(left.max(1_000.0) as u64)
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

    /// The same in ticks, rounded up: how long a change of an input's lead takes to show.
    #[must_use]
    pub fn rtt_smoothed_ticks(&self) -> u32 {
        let rtt = self.rtt_smoothed().unwrap_or_default().0 as f64;
        (rtt / self.tick_period_micros).ceil() as u32
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{PlayerId, SessionId},
        session::control::ResumeToken,
    };

    const TICK_MICROS: u64 = 50_000;

    /// A server that reads its socket only as it ticks, behind a link with jitter, and a client whose
    /// clock started elsewhere and runs too fast. The wall clock of this world is the server's.
    struct Simulation {
        random: u64,
        clock: ClockSync,
        one_way_micros: u64,
        jitter_micros: u64,
        client_offset: u64,
        client_ppm: u64,
        seen: Micros,
        was_settled: bool,
        errors_micros: Vec<i64>,
    }

    impl Simulation {
        fn new(seed: u64, one_way_micros: u64, jitter_micros: u64) -> Self {
            Self {
                random: seed,
                clock: ClockSync::new(seed, Micros(0)),
                one_way_micros,
                jitter_micros,
                client_offset: 7_777_777,
                client_ppm: 50,
                seen: Micros(0),
                was_settled: false,
                errors_micros: vec![],
            }
        }

        /// Most packets a little late, few of them a lot: the square of a uniform number.
        fn delay(&mut self) -> u64 {
            self.random = self
                .random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let uniform = (self.random >> 33) as f64 / f64::from(1u32 << 31);
            self.one_way_micros + (uniform * uniform * self.jitter_micros as f64) as u64
        }

        /// What the client's clock shows.
        fn client(&self, world: u64) -> Micros {
            Micros(self.client_offset + world + world * self.client_ppm / 1_000_000)
        }

        fn next_tick(world: u64) -> (Tick, Micros) {
            let number = world.div_ceil(TICK_MICROS);
            (Tick(number as u32), Micros(number * TICK_MICROS))
        }

        fn run(&mut self, from: u64, to: u64) {
            if from == 0 {
                let arrival = self.delay();
                self.clock.on_welcome(&welcome_at(0), self.client(arrival));
            }
            let mut pongs: Vec<(u64, Pong)> = vec![];
            let mut world = from.max(1_000_000);
            while world < to {
                world += 1_000;
                let now = self.client(world);
                if let Some(ping) = self.clock.poll_ping(now) {
                    let arrived = world + self.delay();
                    let (_, read) = Self::next_tick(arrived);
                    // The server works 4 ms on its tick before it writes.
                    let sent = read + Micros(4_000);
                    let (next_tick, next_tick_due) = Self::next_tick(sent.0);
                    let client_time = ping.client_time;
                    let pong = Pong {
                        client_time,
                        received: read,
                        sent,
                        next_tick,
                        next_tick_due,
                    };
                    let back = sent.0 + self.delay();
                    let after = pongs.last().map_or(0, |(at, _)| *at);
                    pongs.push((back.max(after), pong));
                }
                while pongs.first().is_some_and(|(at, _)| *at <= world) {
                    let (_, pong) = pongs.remove(0);
                    self.clock.on_pong(&pong, now);
                }
                self.look(world, now);
            }
        }

        fn look(&mut self, world: u64, now: Micros) {
            let estimate = self.clock.server_time(now);
            assert!(estimate >= self.seen || !self.was_settled, "time went back");
            self.was_settled = self.clock.is_settled();
            self.seen = estimate;
            self.errors_micros.push(difference(estimate, Micros(world)));
            let moment = self.clock.server_tick(now);
            let believed = f64::from(moment.tick.0) + f64::from(moment.fraction);
            let from_time = estimate.0 as f64 / TICK_MICROS as f64;
            assert!((believed - from_time).abs() < 0.001, "tick and time part");
        }
    }

    fn welcome_at(server_time: u64) -> Welcome {
        Welcome {
            session: SessionId(1),
            player: PlayerId(1),
            resume: ResumeToken([0; 16]),
            resumed: false,
            tick_rate_millihertz: 20_000,
            next_tick: Tick(1),
            next_tick_due: Micros(TICK_MICROS),
            server_time: Micros(server_time),
            message_bytes_max: 65_536,
            silence_micros_max: Micros(30_000_000),
            schema: None,
        }
    }

    /// Micros of error from the ninth second to the end of the second minute: median and worst.
    fn errors(seed: u64, one_way_micros: u64, jitter_micros: u64) -> (i64, i64) {
        let mut simulation = Simulation::new(seed, one_way_micros, jitter_micros);
        simulation.run(0, 120_000_000);
        let mut errors: Vec<i64> = simulation.errors_micros.iter().map(|e| e.abs()).collect();
        let settled = &mut errors[8_000..];
        settled.sort_unstable();
        let rtt = simulation.clock.rtt().unwrap().0;
        let base = 2 * one_way_micros..2 * one_way_micros + 20_000;
        assert!(base.contains(&rtt), "seed {seed}: round trip {rtt}");
        (settled[settled.len() / 2], settled[settled.len() - 1])
    }

    #[test]
    fn the_clock_is_good_to_a_few_millis_on_a_jittery_link() {
        for seed in 1..=50 {
            let (median, worst) = errors(seed, 20_000, 10_000);
            assert!(
                median < 4_000 && worst < 6_000,
                "home, seed {seed}: {median}, {worst}"
            );
            let (median, worst) = errors(seed, 40_000, 40_000);
            assert!(
                median < 6_000 && worst < 12_000,
                "phone, seed {seed}: {median}, {worst}"
            );
        }
    }

    #[test]
    fn a_second_after_the_handshake_the_clock_is_settled() {
        let mut simulation = Simulation::new(3, 10_000, 5_000);
        simulation.run(0, 2_200_000);
        assert!(simulation.clock.is_settled());
        assert!(simulation.errors_micros.last().unwrap().abs() < 8_000);
    }

    #[test]
    fn a_clock_that_stood_still_is_right_again_with_the_next_pong() {
        const STOOD: u64 = 5_000_000;
        for is_client in [true, false] {
            let mut clock = ClockSync::new(1, Micros(0));
            clock.on_welcome(&welcome_at(0), Micros(0));
            // What the client's clock and the server's show, and a pong of 20 ms either way, whose last way back
            // may take longer.
            let (mut client, mut server) = (60_000_000, 1_000_000);
            let mut pong = |client: u64, server: u64, back: u64| {
                let arrives = Micros(server + 20_000);
                let pong = Pong {
                    client_time: Micros(client),
                    received: arrives,
                    sent: arrives,
                    next_tick: Tick(9),
                    next_tick_due: arrives,
                };
                let now = Micros(client + 20_000 + back);
                clock.on_pong(&pong, now);
                (difference(clock.server_time(now), now), clock.rtt())
            };
            for _ in 0..2 * WINDOW {
                (client, server) = (client + 500_000, server + 500_000);
                pong(client, server, 20_000);
            }
            // One is under way as a clock stops.
            (client, server) = (client + 500_000, server + 500_000);
            let (client_passed, server_passed) = if is_client { (0, STOOD) } else { (STOOD, 0) };
            pong(client, server, client_passed + 20_000);
            client += 500_000 + client_passed;
            server += 500_000 + server_passed;
            let offset = difference(Micros(server), Micros(client));
            assert_eq!(pong(client, server, 20_000), (offset, Some(Micros(40_000))));
        }
    }

    #[test]
    fn a_jump_of_the_servers_clock_is_taken_at_once() {
        let mut clock = ClockSync::new(1, Micros(0));
        clock.on_welcome(&welcome_at(0), Micros(0));
        let pong = |at: u64| Pong {
            client_time: Micros(1_000_000),
            received: Micros(at),
            sent: Micros(at),
            next_tick: Tick(9),
            next_tick_due: Micros(at),
        };
        for _ in 0..BURST_PINGS {
            clock.on_pong(&pong(5_000_000), Micros(1_000_000));
        }
        assert_eq!(clock.server_time(Micros(1_000_000)), Micros(5_000_000));
        assert_eq!(clock.server_tick(Micros(1_000_000)).tick, Tick(9));
        // Small corrections are blended in.
        for _ in 0..WINDOW {
            clock.on_pong(&pong(5_010_000), Micros(1_000_000));
        }
        assert_eq!(clock.server_time(Micros(1_000_000)), Micros(5_000_000));
        assert_eq!(clock.server_time(Micros(1_100_000)), Micros(5_105_000));
        assert_eq!(clock.server_time(Micros(2_000_000)), Micros(6_010_000));
    }
}
