//! The sums of a run in, the figures a person or a script reads out: one table, one JSON object.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use tickwire_protocol::error::CloseCode;

use crate::{
    settings::Settings,
    statistics::{Slice, Spans},
};

/// How a time is spread, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Half of all times are no longer.
    pub p50: f64,
    /// Of a hundred times, 99 are no longer.
    pub p99: f64,
    /// Of a thousand times, 999 are no longer.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl From<&Spans> for Spread {
    fn from(spans: &Spans) -> Self {
        Self {
            p50: spans.millis_at(0.5),
            p99: spans.millis_at(0.99),
            p999: spans.millis_at(0.999),
            max: spans.millis_at(1.0),
        }
    }
}

/// What a plot shows of one second of a run. A slice, with every time in it, takes 150 KiB.
#[derive(Clone, Copy, Debug)]
pub struct Second {
    /// Bots playing at its end.
    pub players: u64,
    /// Snapshots received.
    pub snapshots: u64,
    /// Ticks of which a player got no snapshot.
    pub missed_ticks: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Everything that must not happen to a well-behaved bot.
    pub errors: u64,
    /// Time between one snapshot and the next.
    pub interval_ms: Spread,
    /// Time from an input to the first snapshot that holds its effect.
    pub input_to_effect_ms: Spread,
}

impl From<&Slice> for Second {
    fn from(slice: &Slice) -> Self {
        Self {
            players: slice.players,
            snapshots: slice.snapshots,
            missed_ticks: slice.missed_ticks,
            bytes: slice.bytes,
            errors: slice.errors(),
            interval_ms: Spread::from(&slice.interval),
            input_to_effect_ms: Spread::from(&slice.input_to_effect),
        }
    }
}

/// How many bots were asked to do what. Misbehaving ones are not held to the promises for players.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Crew {
    /// Play and decode everything.
    pub full: usize,
    /// Play, and check frames, order and ticks only.
    pub light: usize,
    /// Stop reading again and again.
    pub stalling: usize,
    /// Drop their connection every second.
    pub flapping: usize,
    /// Send bytes that are no protocol.
    pub garbage: usize,
    /// Send far more than a player may.
    pub flooding: usize,
}

impl Crew {
    /// The bots that behave as players.
    #[must_use]
    pub const fn players(&self) -> usize {
        self.full + self.light
    }

    /// All of them.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.players() + self.stalling + self.flapping + self.garbage + self.flooding
    }
}

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was run.
    pub settings: Settings,
    /// Connections asked for.
    pub bots: usize,
    /// What they were asked to do.
    pub crew: Crew,
    /// Well-behaved bots that were welcomed.
    pub connected: u64,
    /// Attempts of well-behaved bots that ended before they were in. A bot that got in later fails no run.
    pub attempts_failed: u64,
    /// Connections of well-behaved bots that ended without their doing.
    pub disconnects: u64,
    /// Messages that did not decode.
    pub decode_errors: u64,
    /// Replicas unlike the server's.
    pub diverged: u64,
    /// Bots whose replica was compared with the server's at the end and was equal.
    pub verified: u64,
    /// Ticks of which a well-behaved bot got no snapshot, between two of which it got one. A server that is
    /// late, or a link that is full, skips them: that alone fails no run.
    pub missed_ticks: u64,
    /// Well-behaved bots that had been without a snapshot for
    /// [`SILENCE_MICROS_MAX`](crate::limits::SILENCE_MICROS_MAX) when they left.
    pub unserved: u64,
    /// Players for whom no bot could be made.
    pub unmade: u64,
    /// Snapshots per second, mean per well-behaved bot.
    pub snapshots_per_second: f64,
    /// Inputs sent per second, mean per well-behaved bot.
    pub inputs_per_second: f64,
    /// Events of the game that well-behaved bots sent.
    pub events_sent: u64,
    /// Events of the game that well-behaved bots received.
    pub events_heard: u64,
    /// Time between one snapshot and the next, and what was open at the end if the next was overdue.
    pub interval_ms: Spread,
    /// Time from an input to the first snapshot that holds its effect.
    pub input_to_effect_ms: Spread,
    /// Bytes received per second, mean per well-behaved bot.
    pub bytes_per_second: f64,
    /// Seconds that the run took.
    pub seconds: f64,
    /// Closes by the server, by code, of all bots.
    pub closes: BTreeMap<u16, u64>,
    /// The first things that went wrong, in words.
    pub complaints: Vec<String>,
    /// Why the run ended before its time, if it did, and what to do.
    pub called_off: Option<String>,
}

impl Report {
    /// The figures of a run of `seconds` whose slices add up to `whole`.
    #[must_use]
    pub fn new(settings: Settings, crew: Crew, whole: &Slice, seconds: f64) -> Self {
        let per_second = |count: u64| {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a mean needs no more than 52 bits"
            )]
            let count = count as f64;
            let playing = whole.playing.as_secs_f64();
            if playing > 0.0 { count / playing } else { 0.0 }
        };
        Self {
            settings,
            bots: crew.total(),
            crew,
            connected: whole.connected,
            attempts_failed: whole.attempts_failed,
            disconnects: whole.disconnects,
            decode_errors: whole.decode_errors,
            diverged: whole.diverged,
            verified: whole.verified,
            missed_ticks: whole.missed_ticks,
            unserved: whole.unserved,
            unmade: whole.unmade,
            snapshots_per_second: per_second(whole.snapshots),
            inputs_per_second: per_second(whole.inputs),
            events_sent: whole.events_sent,
            events_heard: whole.events_heard,
            interval_ms: Spread::from(&whole.interval),
            input_to_effect_ms: Spread::from(&whole.input_to_effect),
            bytes_per_second: per_second(whole.bytes),
            seconds,
            closes: whole.closes.clone(),
            complaints: whole.complaints.clone(),
            called_off: None,
        }
    }

    /// Why the run failed, in words; empty when every player was served.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let players = self.crew.players() as u64;
        let missing = players.saturating_sub(self.connected);
        let unverified = (self.crew.full as u64).saturating_sub(self.verified + self.diverged);
        let counts = [
            (missing, "bots never got in"),
            (self.disconnects, "disconnects"),
            (self.decode_errors, "decode errors"),
            (self.diverged, "replicas unlike the server's"),
            (self.unserved, "bots without a snapshot at the end"),
            (self.unmade, "bots that could not be made"),
            (
                unverified,
                "bots ended without a comparison with the server's state",
            ),
        ];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        let counts = counts.map(|(count, what)| format!("{count} {what}"));
        self.called_off.clone().into_iter().chain(counts).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spread = |spread: &Spread| {
            format!(
                "{:>8.1} {:>8.1} {:>8.1} {:>8.1}",
                spread.p50, spread.p99, spread.p999, spread.max
            )
        };
        writeln!(
            f,
            "{:<24} {:>8} of {} in {:.1} s",
            "connected",
            self.connected,
            self.crew.players(),
            self.seconds
        )?;
        writeln!(f, "{:<24} {:>8}", "failed attempts", self.attempts_failed)?;
        writeln!(f, "{:<24} {:>8}", "disconnects", self.disconnects)?;
        writeln!(f, "{:<24} {:>8}", "decode errors", self.decode_errors)?;
        writeln!(f, "{:<24} {:>8}", "diverged", self.diverged)?;
        writeln!(f, "{:<24} {:>8}", "missed ticks", self.missed_ticks)?;
        writeln!(f, "{:<24} {:>8}", "unserved at the end", self.unserved)?;
        writeln!(
            f,
            "{:<24} {:>8} of {}",
            "verified at the end", self.verified, self.crew.full
        )?;
        writeln!(
            f,
            "{:<24} {:>8.2} a bot",
            "snapshots/s", self.snapshots_per_second
        )?;
        writeln!(
            f,
            "{:<24} {:>8.2} a bot",
            "inputs/s", self.inputs_per_second
        )?;
        if self.events_sent + self.events_heard > 0 {
            writeln!(f, "{:<24} {:>8}", "events sent", self.events_sent)?;
            writeln!(f, "{:<24} {:>8}", "events heard", self.events_heard)?;
        }
        writeln!(f, "{:<24} {:>8.0} a bot", "bytes/s", self.bytes_per_second)?;
        writeln!(
            f,
            "{:<24} {:>8} {:>8} {:>8} {:>8}",
            "ms", "p50", "p99", "p99.9", "max"
        )?;
        writeln!(
            f,
            "{:<24} {}",
            "snapshot interval",
            spread(&self.interval_ms)
        )?;
        writeln!(
            f,
            "{:<24} {}",
            "input to effect",
            spread(&self.input_to_effect_ms)
        )?;
        for (&code, count) in &self.closes {
            writeln!(
                f,
                "{:<24} {count:>8}",
                format!("closed: {code} {}", close_name(code))
            )?;
        }
        for complaint in &self.complaints {
            writeln!(f, "  {complaint}")?;
        }
        Ok(())
    }
}

/// The name of a close code, empty for one that is none of ours.
fn close_name(code: u16) -> String {
    CloseCode::from_number(code).map_or_else(String::new, |known| format!("{known:?}"))
}

#[cfg(test)]
mod tests {
    use super::{Crew, Report};
    use crate::{options::Options, settings::Settings, statistics::Slice};
    use std::time::{Duration, UNIX_EPOCH};
    use tickwire_protocol::time::Micros;

    fn settings() -> Settings {
        Settings::new(&Options::for_target("ws://h/play"), UNIX_EPOCH)
    }

    fn served(players: u64) -> Slice {
        let mut whole = Slice {
            connected: players,
            verified: players,
            snapshots: 20 * 10 * players,
            bytes: 1000 * 10 * players,
            inputs: 30 * 10 * players,
            playing: Duration::from_secs(10 * players),
            ..Slice::default()
        };
        whole.interval.record(Micros::from_millis(50));
        whole
    }

    #[test]
    fn means_are_per_bot_and_second() {
        let crew = Crew {
            full: 4,
            ..Crew::default()
        };
        let report = Report::new(settings(), crew, &served(4), 10.0);
        assert!((report.snapshots_per_second - 20.0).abs() < 1e-9);
        assert!((report.bytes_per_second - 1000.0).abs() < 1e-9);
        assert!((report.inputs_per_second - 30.0).abs() < 1e-9);
        assert!(report.failures().is_empty());
    }

    #[test]
    fn whatever_a_player_must_not_meet_fails_the_run() {
        let crew = Crew {
            full: 4,
            ..Crew::default()
        };
        let broken: [fn(&mut Slice); 7] = [
            |whole| whole.connected = 3,
            |whole| whole.disconnects = 1,
            |whole| whole.decode_errors = 1,
            |whole| (whole.diverged, whole.verified) = (1, 3),
            |whole| whole.verified = 3,
            |whole| whole.unserved = 1,
            |whole| whole.unmade = 1,
        ];
        for break_one in broken {
            let mut whole = served(4);
            break_one(&mut whole);
            assert_eq!(
                Report::new(settings(), crew, &whole, 10.0).failures().len(),
                1
            );
        }
    }

    #[test]
    fn the_json_has_the_promised_fields() {
        let crew = Crew {
            full: 1,
            ..Crew::default()
        };
        let json = serde_json::to_value(Report::new(settings(), crew, &served(1), 10.0)).unwrap();
        for field in [
            "bots",
            "connected",
            "attempts_failed",
            "disconnects",
            "decode_errors",
            "diverged",
            "missed_ticks",
            "unserved",
        ] {
            assert!(json[field].is_u64(), "{field}");
        }
        for field in [
            "snapshots_per_second",
            "inputs_per_second",
            "bytes_per_second",
        ] {
            assert!(json[field].is_f64(), "{field}");
        }
        for field in ["interval_ms", "input_to_effect_ms"] {
            for part in ["p50", "p99", "max"] {
                assert!(json[field][part].is_f64(), "{field}.{part}");
            }
        }
    }
}
