//! Seeds in, verdicts out: runs one scenario for several seeds and says how to repeat a failure.
//!
//! A scenario panics when something is wrong. The panic is not caught; a guard prints the seed while
//! the stack unwinds, so the message, the line and the backtrace stay those of the failure.

use std::env;

/// The environment variable that replays one seed.
pub const SEED_VARIABLE: &str = "TICKWIRE_SEED";

/// Runs `scenario` for the seeds 0 to `count`, or only for the one in `TICKWIRE_SEED`.
///
/// # Panics
/// When the scenario does, after printing the seed and the command that replays it.
pub fn for_each_seed(count: u64, scenario: impl Fn(u64)) {
    let only = env::var(SEED_VARIABLE)
        .ok()
        .and_then(|text| text.parse().ok());
    let seeds = only.map_or(0..count, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let test = std::thread::current().name().unwrap_or("").to_owned();
        let _replay = Replay {
            what: format!("{SEED_VARIABLE}={seed} cargo test -p tests {test}"),
        };
        scenario(seed);
    }
}

/// Says what to run again when it is dropped by a panic.
#[derive(Debug)]
pub struct Replay {
    /// The command.
    pub what: String,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to see it again: {}", self.what);
        }
    }
}
