//! Promises, each judged in one run of the real server and the real bots, as two processes on loopback.
//!
//! In: nothing but the promise's name. Out: figures for people, and whether the promise was kept. The
//! choice to question: the bots share the machine with the server, so what they see contains their own
//! delays. On a machine with two cores the figures are an upper bound of the server's.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use tickwire_protocol::error::CloseCode;

use crate::{
    crowd::{self, SETTLING_SECONDS, Seen},
    measure::Running,
    plan::{CROWD_INPUT_HZ, Plan, System},
    process::Usage,
    scrape::{Rates, Scrape},
};

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trial {
    /// 1000 players in one room see 1000 entities for a minute: every tick, every snapshot.
    Thousand,
    /// More and more players with interest, until the tick is not held.
    Most,
    /// 1000 rooms of 8 players for a minute, the same rooms empty, and fewer until they are on time.
    Rooms,
    /// One room of 5000 players with interest: the tick's duration with one thread and with two.
    Heavy,
    /// What a tick costs without sockets: of rooms of 8, many and one.
    Bare,
    /// A minute among peers of which four tenths do harm, beside a minute among players.
    Hostile,
}

/// A server and what is asked of it.
#[derive(Clone, Copy, Debug)]
struct Stage {
    players: usize,
    rooms: usize,
    entities: usize,
    interest: bool,
    seconds: u32,
    /// Inputs of a player per second.
    input_hz: u32,
    /// How often a bot of those that do not decode reads.
    light_read: &'static str,
    /// Tenths of the bots that stop reading, drop in and out, send garbage and send too much, each.
    hostile_tenths: u32,
}

/// What one run gave.
struct Outcome {
    players: usize,
    seen: Seen,
    rates: Rates,
    cpu_us_per_player_second: f64,
    user_share: f64,
    /// Cores in use by the server and by everything.
    server_cores: f64,
    machine_cores: f64,
    memory: Memory,
    server: Running,
    address: String,
}

/// Bytes of the server's own memory.
#[derive(Clone, Copy, Debug)]
struct Memory {
    idle: u64,
    most_in_first_half: u64,
    most: u64,
}

impl Trial {
    /// Runs it, and says whether the promise was kept.
    pub(crate) fn run(self) -> io::Result<bool> {
        match self {
            Self::Thousand => thousand(),
            Self::Most => most(),
            Self::Rooms => rooms(),
            Self::Heavy => heavy(),
            Self::Bare => bare(),
            Self::Hostile => hostile(),
        }
    }
}

/// Bots that come in a second.
const RAMP_PER_SECOND: u32 = 500;

/// Thousands that read each snapshot as it comes would take a core for themselves, and the server's time in
/// `send` to be woken. The twenty that decode do, and are timed.
const CROWD_LIGHT_READ: &str = "200ms";

const THOUSAND: Stage = Stage {
    players: 1000,
    rooms: 1,
    entities: 1000,
    interest: false,
    seconds: 60,
    input_hz: 30,
    light_read: "1ms",
    hostile_tenths: 0,
};

fn thousand() -> io::Result<bool> {
    let outcome = play(THOUSAND)?;
    outcome.print("1000 players see 1000 entities");
    Ok(judge(&[
        ("every bot was served", outcome.seen.failures.is_empty()),
        ("20.00 ticks a second", outcome.rates.holds_rate()),
        ("no snapshot was skipped", outcome.rates.skipped == 0.0),
        ("no player missed a tick", outcome.seen.missed_ticks == 0),
        (
            "snapshot interval p99 <= 55 ms",
            outcome.seen.interval_p99_ms <= 55.0,
        ),
    ]))
}

fn most() -> io::Result<bool> {
    const STEP: usize = 1000;
    const LEAST: usize = 5000;
    let mut held = 0;
    for players in (LEAST - STEP..).step_by(STEP) {
        let outcome = play(Stage {
            players,
            rooms: players / STEP,
            entities: 1000,
            interest: true,
            seconds: 15,
            input_hz: CROWD_INPUT_HZ,
            light_read: CROWD_LIGHT_READ,
            hostile_tenths: 0,
        })?;
        outcome.print(&format!(
            "{players} players with interest, {} rooms",
            players / STEP
        ));
        let is_held = outcome.rates.holds_rate()
            && outcome.seen.failures.is_empty()
            && outcome.rates.skipped_share() < 0.001;
        if !is_held {
            println!(
                "{players} are too many; of {} cores, {:.2} were in use, {:.2} by the server",
                thread::available_parallelism()?,
                outcome.machine_cores,
                outcome.server_cores
            );
            break;
        }
        held = players;
    }
    println!("the most players held: {held}");
    Ok(judge(&[("at least 5000", held >= LEAST)]))
}

/// The share of ticks that may begin more than 5 ms late.
const LATE_SHARE_MAX: f64 = 0.01;

fn rooms() -> io::Result<bool> {
    const ROOMS: usize = 1000;
    const STEP: usize = 200;
    let stage = |rooms, seconds| Stage {
        players: rooms * 8,
        rooms,
        entities: 16,
        interest: false,
        seconds,
        input_hz: CROWD_INPUT_HZ,
        light_read: CROWD_LIGHT_READ,
        hostile_tenths: 0,
    };
    let outcome = play(stage(ROOMS, 60))?;
    outcome.print("1000 rooms of 8 players");
    // Their players have left; the rooms stay for half a minute.
    outcome.until_empty()?;
    let before = Usage::of(outcome.server.id())?;
    let empty = Scrape::of(&outcome.address)?.value("tickwire_rooms");
    thread::sleep(Duration::from_secs(10));
    let cpu = Usage::of(outcome.server.id())?.cpu_seconds_since(&before);
    println!("{empty} empty rooms: {:.2} % of a core", cpu * 10.0);
    drop(outcome.server);
    let is_on_time = |rates: &Rates| rates.late_share_over_5_ms <= LATE_SHARE_MAX;
    let mut held = ROOMS;
    let mut was_held = is_on_time(&outcome.rates);
    while !was_held && held > STEP {
        held -= STEP;
        let fewer = play(stage(held, 20))?;
        fewer.print(&format!("{held} rooms of 8 players"));
        was_held = is_on_time(&fewer.rates);
    }
    let not_even = if was_held { "" } else { "not even " };
    println!("as many rooms were on time: {not_even}{held}");
    Ok(judge(&[
        ("every bot was served", outcome.seen.failures.is_empty()),
        ("20.00 ticks a second", outcome.rates.holds_rate()),
        (
            "99 % of the ticks at most 5 ms late",
            is_on_time(&outcome.rates),
        ),
        ("empty rooms take at most 1 % of a core", cpu <= 0.1),
    ]))
}

/// The share of one thread's time that two may take: making the messages, a quarter of it, is not divided.
const HEAVY_SHARE_MAX: f64 = 0.75;

fn heavy() -> io::Result<bool> {
    let plan = Plan {
        players: 5000,
        interest: true,
        ..plan_of(5000, 1)
    };
    let alone = crate::heavy::tick_millis(&plan, 1)?;
    let helped = crate::heavy::tick_millis(&plan, 2)?;
    println!(
        "5000 players with interest in one room: {alone:.1} ms a tick alone, {helped:.1} ms with a helper"
    );
    Ok(judge(&[(
        "two threads take at most 75 % of the time of one",
        helped <= alone * HEAVY_SHARE_MAX,
    )]))
}

/// A tick of a room of 8 that is in no cache any more. The kernel takes 50 µs for its messages.
const BARE_TICK_MICROS_MAX: f64 = 30.0;

fn bare() -> io::Result<bool> {
    const PLAYERS: usize = 8;
    let plan = Plan {
        entities: 2 * PLAYERS,
        ..plan_of(PLAYERS, 1)
    };
    let mut micros = [0.0; 2];
    for (micros, rooms) in micros.iter_mut().zip([1000, 1]) {
        let game = || crate::tickwire::bare_game(&plan);
        let (tick, bytes) = crate::bare::tick_micros(game, rooms, PLAYERS)?;
        println!("{rooms} rooms of {PLAYERS}: {tick:.1} µs a tick, {bytes:.1} bytes a message");
        *micros = tick;
    }
    Ok(judge(&[(
        "a tick of one of 1000 rooms takes at most 30 µs",
        micros[0] <= BARE_TICK_MICROS_MAX,
    )]))
}

fn hostile() -> io::Result<bool> {
    // The same number of players that behave, so that what differs is the others.
    let clean = play(Stage {
        players: 600,
        ..THOUSAND
    })?;
    clean.print("600 players");
    let clean_p99 = clean.seen.interval_p99_ms;
    drop(clean);
    let mixed = play(Stage {
        hostile_tenths: 1,
        ..THOUSAND
    })?;
    mixed.print("600 players among 100 each that stall, flap, send garbage, send too much");
    mixed.until_empty()?;
    let after = Usage::of(mixed.server.id())?.anonymous_bytes;
    println!(
        "{:.1} MB at most in the first half, {:.1} MB when all had left",
        mixed.memory.most_in_first_half as f64 / 1e6,
        after as f64 / 1e6
    );
    let at_end = Scrape::of(&mixed.address)?;
    let is_counted = mixed.seen.closes.iter().all(|(code, count)| {
        let counted = at_end.value(&format!("tickwire_closes_total{{code=\"{code}\"}}"));
        println!("closed with {code}: {count} seen by the bots, {counted} counted");
        counted >= *count as f64
    });
    let stalling = THOUSAND.players as u32 / 10;
    let code = CloseCode::TooSlow.number();
    let too_slow = at_end.value(&format!("tickwire_closes_total{{code=\"{code}\"}}"));
    println!("{too_slow} closed as too slow, {stalling} stopped reading");
    let has_code = |code| mixed.seen.closes.contains_key(&code);
    Ok(judge(&[
        (
            "every player was served all the same",
            mixed.seen.failures.is_empty(),
        ),
        ("20.00 ticks a second", mixed.rates.holds_rate()),
        (
            "the players' p99 within 10 % of the clean run",
            mixed.seen.interval_p99_ms <= clean_p99 * 1.1,
        ),
        (
            "memory bounded: at most 64 KiB for each connection",
            mixed.memory.most - mixed.memory.idle <= 1000 * 64 * 1024,
        ),
        // What is freed stays with the allocator, so what a leak would show is growth: some ten thousand
        // connections come and go.
        (
            "memory returns: the second half of the minute needed no more than the first",
            mixed.memory.most <= mixed.memory.most_in_first_half * 21 / 20
                && after <= mixed.memory.most_in_first_half * 21 / 20,
        ),
        ("every close seen was counted under its code", is_counted),
        (
            "garbage and too much were closed as such",
            has_code(1002) && has_code(4000) && has_code(4006),
        ),
        // They do not read, so only the server knows.
        (
            "whoever stopped reading was closed as too slow",
            too_slow >= f64::from(stalling),
        ),
    ]))
}

impl Outcome {
    fn print(&self, title: &str) {
        let Self { seen, rates, .. } = self;
        println!("\n{title}");
        println!(
            "  {:.2} ticks/s, {:.2} snapshots/s and player of {:.0} bytes, {} of {} skipped, {} missed, {} writes cut short",
            rates.ticks_per_second,
            seen.snapshots_per_second,
            seen.bytes_per_snapshot,
            rates.skipped,
            rates.skipped + rates.written,
            seen.missed_ticks,
            rates.would_block,
        );
        println!(
            "  snapshot interval p50 {:.1}, p99 {:.1}, p99.9 {:.1} ms; input to effect p99 {:.1} ms",
            seen.interval_p50_ms,
            seen.interval_p99_ms,
            seen.interval_p999_ms,
            seen.input_to_effect_p99_ms,
        );
        println!(
            "  {:.2} % of the ticks began more than 5 ms late",
            rates.late_share_over_5_ms * 100.0
        );
        println!(
            "  CPU {:.1} µs per player and second, {:.0} % of it in user space; {:.2} cores, {:.2} with the bots",
            self.cpu_us_per_player_second,
            self.user_share * 100.0,
            self.server_cores,
            self.machine_cores,
        );
        println!(
            "  memory {:.1} MB idle, {:.1} MB at most: {} bytes per player",
            self.memory.idle as f64 / 1e6,
            self.memory.most as f64 / 1e6,
            self.memory.most.saturating_sub(self.memory.idle) / self.players as u64,
        );
        for complaint in seen.failures.iter().chain(&seen.complaints) {
            println!("  {complaint}");
        }
    }

    /// Waits until every seat has been given up.
    fn until_empty(&self) -> io::Result<()> {
        let begun = Instant::now();
        while Scrape::of(&self.address)?.value("tickwire_players") > 0.0 {
            if begun.elapsed() > Duration::from_secs(25) {
                return Err(io::Error::other("seats are kept for ever"));
            }
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }
}

fn judge(promises: &[(&str, bool)]) -> bool {
    for (promise, is_kept) in promises {
        println!("{}  {promise}", if *is_kept { "kept  " } else { "BROKEN" });
    }
    promises.iter().all(|(_, is_kept)| *is_kept)
}

/// A server that stays, of so many rooms of so many players.
fn plan_of(players: usize, rooms: usize) -> Plan {
    Plan {
        system: System::Tickwire,
        players: players + 8,
        rooms,
        entities: 1000,
        interest: false,
        snapshot_bytes: 0,
        rate_hz: 20,
        input_hz: CROWD_INPUT_HZ,
        seconds: 60,
        workers: 0,
        hold: true,
    }
}

/// Starts a server, sends the bots, and watches both.
fn play(stage: Stage) -> io::Result<Outcome> {
    let plan = Plan {
        entities: stage.entities,
        interest: stage.interest,
        input_hz: stage.input_hz,
        seconds: stage.seconds,
        ..plan_of(stage.players.div_ceil(stage.rooms), stage.rooms)
    };
    let mut server = Running::start(&[vec!["serve".to_owned()], plan.arguments()].concat())?;
    let address = server.line()?;
    let idle = Usage::of(server.id())?.anonymous_bytes;
    let mut memory = Memory {
        idle,
        most_in_first_half: idle,
        most: idle,
    };
    let ramp = crowd::ramp_seconds(stage.players, RAMP_PER_SECOND);
    let mut crowd = Running::start(&crowd_arguments(&stage, &address, ramp))?;
    let begun = Instant::now();
    thread::sleep(Duration::from_secs(u64::from(ramp + SETTLING_SECONDS)));
    let (usage, machine) = (Usage::of(server.id())?, crate::process::machine_seconds()?);
    let (scrape, from) = (Scrape::of(&address)?, Instant::now());
    let until = begun + Duration::from_secs(u64::from(ramp + SETTLING_SECONDS + stage.seconds));
    while Instant::now() < until {
        thread::sleep(Duration::from_secs(1).min(until - Instant::now()));
        memory.most = memory.most.max(Usage::of(server.id())?.anonymous_bytes);
        if from.elapsed().as_secs() < u64::from(stage.seconds) / 2 {
            memory.most_in_first_half = memory.most;
        }
    }
    let used = Usage::of(server.id())?;
    let machine = crate::process::machine_seconds()? - machine;
    let span = from.elapsed().as_secs_f64();
    let rates = Scrape::of(&address)?.since(&scrape, span, stage.rooms);
    let seen = serde_json::from_str(&crowd.line()?)?;
    let cpu = used.cpu_seconds_since(&usage);
    Ok(Outcome {
        players: stage.players,
        seen,
        rates,
        cpu_us_per_player_second: cpu * 1e6 / span / stage.players as f64,
        user_share: (used.user_seconds - usage.user_seconds) / cpu,
        server_cores: cpu / span,
        machine_cores: machine / span,
        memory,
        server,
        address,
    })
}

fn crowd_arguments(stage: &Stage, address: &str, ramp: u32) -> Vec<String> {
    let share = f64::from(stage.hostile_tenths) / 10.0;
    let mut arguments = vec!["crowd".to_owned(), "--quiet".to_owned()];
    let pairs = [
        ("url", format!("ws://{address}/play")),
        ("bots", stage.players.to_string()),
        ("ramp", RAMP_PER_SECOND.to_string()),
        (
            "duration",
            format!("{}s", ramp + SETTLING_SECONDS + stage.seconds + 1),
        ),
        ("room", "room-".to_owned()),
        ("rooms", stage.rooms.to_string()),
        ("threads", "1".to_owned()),
        ("input-hz", stage.input_hz.to_string()),
        // All are checked for frames, order and ticks, and a sample to the last bit.
        ("decode", format!("{}", 20.0 / stage.players as f64)),
        ("light-read", stage.light_read.to_owned()),
        ("stall", share.to_string()),
        ("stall-for", "60s".to_owned()),
        ("flap", share.to_string()),
        ("garbage", share.to_string()),
        ("flood", share.to_string()),
    ];
    for (name, value) in pairs {
        arguments.extend([format!("--{name}"), value]);
    }
    arguments
}
