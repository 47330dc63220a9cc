//! What a run was asked for, in the words of the command line: options in, the part of the report out that lets
//! a saved file be repeated and compared.
//!
//! The choice to question: the date is written here by hand. It is one line of a report, and no crate at hand
//! writes one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

use crate::options::{Options, Play};

/// What was run, against what, and when. Each field is the option of its name.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// The version of the bots.
    pub version: &'static str,
    /// When the run began, as RFC 3339 in UTC, to the second.
    pub started: String,
    /// Where the bots played.
    pub url: String,
    /// How long they were to play.
    pub duration_seconds: f64,
    /// Connections opened per second.
    pub ramp: u32,
    /// Threads that shared the connections.
    pub threads: usize,
    /// What decided every bot's behaviour.
    pub seed: u64,
    /// The room, or what the names of all rooms began with; empty for the server's choice.
    pub room: String,
    /// Rooms that the bots were spread over.
    pub rooms: u32,
    /// What every bot said at the door, if the command line had it.
    pub join: Option<Value>,
    /// What the bots of the command pressed.
    pub play: Play,
    /// Inputs a second and bot; 0 for one each tick.
    pub input_hz: u32,
    /// Share of the playing bots that decoded everything.
    pub decode: f64,
    /// How often the others read their sockets.
    pub light_read_seconds: f64,
    /// Share of bots that stopped reading.
    pub stall: f64,
    /// For how long they did.
    pub stall_for_seconds: f64,
    /// How long they read before it.
    pub stall_after_seconds: f64,
    /// Share of bots that dropped their connection.
    pub flap: f64,
    /// Share of bots that sent garbage.
    pub garbage: f64,
    /// Share of bots that sent too much.
    pub flood: f64,
}

impl Settings {
    /// The settings of a run with these options that began at `started`.
    #[must_use]
    pub fn new(options: &Options, started: SystemTime) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started: date(started),
            url: options.url.to_string(),
            duration_seconds: options.duration.as_secs_f64(),
            ramp: options.ramp,
            threads: options.thread_count(),
            seed: options.seed,
            room: options.room.clone(),
            rooms: options.rooms,
            join: options.join.as_ref().map(|join| join.value().clone()),
            play: options.play,
            input_hz: options.input_hz,
            decode: options.decode,
            light_read_seconds: options.light_read.as_secs_f64(),
            stall: options.stall,
            stall_for_seconds: options.stall_for.as_secs_f64(),
            stall_after_seconds: options.stall_after.as_secs_f64(),
            flap: options.flap,
            garbage: options.garbage,
            flood: options.flood,
        }
    }
}

/// A moment as RFC 3339 in UTC. One before 1970 is taken for its beginning.
fn date(at: SystemTime) -> String {
    let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, second) = (
        since_epoch.as_secs() / 86_400,
        since_epoch.as_secs() % 86_400,
    );
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month and day of a number of days since 1970. Years are counted from March here, so that the leap day is
/// a year's last, and months have lengths that a straight line gives.
const fn civil(days: u64) -> (u64, u64, u64) {
    /// Days from the first of March of the year 0 to the first of January 1970.
    const DAYS_BEFORE_1970: u64 = 719_468;
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let days = days + DAYS_BEFORE_1970;
    let of_era = days % DAYS_OF_400_YEARS;
    // Takes out the leap day of every 4 years, puts back that of every 100, and the one at the end of the era.
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = days / DAYS_OF_400_YEARS * 400 + year_of_era + (month <= 2) as u64;
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{Settings, date};
    use crate::options::Options;

    #[test]
    fn a_moment_is_a_date_of_the_calendar() {
        let dates = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_210_096, "2024-02-29T12:34:56Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, expected) in dates {
            assert_eq!(date(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn what_a_run_was_asked_for_is_in_the_json() {
        let options = Options {
            seed: 7,
            rooms: 3,
            input_hz: 30,
            join: Some("[1, 2]".parse().expect("it is JSON")),
            ..Options::for_target("ws://h:1/play")
        };
        let json = serde_json::to_value(Settings::new(&options, UNIX_EPOCH)).expect("plain fields");
        assert_eq!(json["url"], "ws://h:1/play");
        assert_eq!(json["play"], "random");
        assert_eq!(json["join"][1], 2);
        assert_eq!(json["duration_seconds"], 30.0);
        for (field, value) in [("seed", 7), ("rooms", 3), ("input_hz", 30), ("ramp", 500)] {
            assert_eq!(json[field], value, "{field}");
        }
    }
}
