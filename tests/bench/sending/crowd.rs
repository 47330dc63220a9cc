//! The real bots as a child process: what they saw while all of them played, as one line of JSON.
//!
//! The time in which they come and go does not count: an interval that began before a bot was there says
//! nothing about the server's rhythm.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tickwire_bots::{Options, SchemaBot, report::Spread, statistics::Slice};

/// Seconds after the last bot came that do not count yet: keyframes, and the first inputs.
pub(crate) const SETTLING_SECONDS: u32 = 3;

/// What the bots saw.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Snapshots per second and player that behaves.
    pub(crate) snapshots_per_second: f64,
    pub(crate) interval_p50_ms: f64,
    pub(crate) interval_p99_ms: f64,
    pub(crate) interval_p999_ms: f64,
    pub(crate) input_to_effect_p99_ms: f64,
    pub(crate) bytes_per_snapshot: f64,
    /// Ticks between two snapshots of one player.
    pub(crate) missed_ticks: u64,
    /// Of the whole run: what is wrong with it, in words.
    pub(crate) failures: Vec<String>,
    pub(crate) complaints: Vec<String>,
    /// Of the whole run and all bots: closes by the server, by code.
    pub(crate) closes: std::collections::BTreeMap<u16, u64>,
}

/// How long it takes until all bots have come.
pub(crate) const fn ramp_seconds(bots: usize, per_second: u32) -> u32 {
    (bots as u32).div_ceil(per_second)
}

/// Plays, and prints what was seen.
pub(crate) fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let first = (ramp_seconds(options.bots, options.ramp) + SETTLING_SECONDS) as usize;
    let last = options.duration.as_secs() as usize - 1;
    let (play, seed) = (options.play, options.seed);
    let make_bot = move |number: usize, schema: &_| {
        let bot = SchemaBot::new(schema, play, seed.wrapping_add(number as u64))?;
        Ok(Box::new(bot) as Box<_>)
    };
    let mut steady = Slice::default();
    let outcome = tickwire_bots::run_watched(options, make_bot, |second, slice| {
        if (first..last).contains(&second) {
            steady.add(slice);
        }
    })?;
    let interval = Spread::from(&steady.interval);
    let playing = steady.playing.max(Duration::from_millis(1)).as_secs_f64();
    let seen = Seen {
        snapshots_per_second: steady.snapshots as f64 / playing,
        interval_p50_ms: interval.p50,
        interval_p99_ms: interval.p99,
        interval_p999_ms: interval.p999,
        input_to_effect_p99_ms: Spread::from(&steady.input_to_effect).p99,
        bytes_per_snapshot: steady.bytes as f64 / steady.snapshots.max(1) as f64,
        missed_ticks: steady.missed_ticks,
        failures: outcome.report.failures(),
        complaints: outcome.report.complaints,
        closes: outcome.report.closes,
    };
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}
