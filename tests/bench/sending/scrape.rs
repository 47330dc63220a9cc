//! `/metrics` of the server under test: text in, what happened between two looks out.

use std::{collections::HashMap, io};

/// All metrics at one moment, by name and labels.
pub(crate) struct Scrape(HashMap<String, f64>);

/// What happened between two looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    /// Ticks of one room per second, and by how many it was off what was due.
    pub(crate) ticks_per_second: f64,
    ticks_off: f64,
    ticks_slipped: f64,
    /// Snapshots that were not built, whatever the reason, and those that were written.
    pub(crate) skipped: f64,
    pub(crate) written: f64,
    pub(crate) would_block: f64,
    /// Of all ticks, those that began more than 5 ms late.
    pub(crate) late_share_over_5_ms: f64,
}

impl Scrape {
    /// Asks the server at `address`.
    pub(crate) fn of(address: &str) -> io::Result<Self> {
        let answer = minreq::get(format!("http://{address}/metrics"))
            .send()
            .map_err(io::Error::other)?;
        let text = answer.as_str().map_err(io::Error::other)?;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let values = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Ok(Self(values.collect()))
    }

    /// A metric by its name and labels; zero when the server has none.
    pub(crate) fn value(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// What happened in the `seconds` since an earlier look, in so many rooms.
    pub(crate) fn since(&self, earlier: &Self, seconds: f64, rooms: usize) -> Rates {
        let grown = |name: &str| self.value(name) - earlier.value(name);
        let ticks = grown("tickwire_ticks_total");
        let in_time = grown("tickwire_tick_lateness_seconds_bucket{le=\"0.005\"}");
        let of_one_room = ticks / rooms as f64;
        Rates {
            ticks_per_second: of_one_room / seconds,
            ticks_off: of_one_room - seconds * 20.0,
            ticks_slipped: grown("tickwire_ticks_slipped_total"),
            skipped: grown("tickwire_snapshots_skipped_total{reason=\"socket\"}")
                + grown("tickwire_snapshots_skipped_total{reason=\"overrun\"}"),
            written: grown("tickwire_snapshots_written_total"),
            would_block: grown("tickwire_would_block_total"),
            late_share_over_5_ms: 1.0 - in_time / ticks.max(1.0),
        }
    }
}

impl Rates {
    /// Whether every tick that was due was simulated: the looks themselves may cut one off at each end.
    pub(crate) fn holds_rate(&self) -> bool {
        self.ticks_off.abs() <= 1.5 && self.ticks_slipped == 0.0
    }

    /// Of all snapshots that were due, those that were not built.
    pub(crate) fn skipped_share(&self) -> f64 {
        self.skipped / (self.skipped + self.written).max(1.0)
    }
}
