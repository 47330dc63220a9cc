//! What the server counts, and `/metrics` in Prometheus' text format.
//!
//! In: the events that workers and the accept loop count. Out: text. The choice to question: own atomics
//! instead of a metrics crate. Each worker adds to its own counters, so the hot path never shares a
//! cache line with another thread; they are summed when somebody asks.

mod histogram;

use core::{
    fmt::{self, Write},
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};
use std::sync::Arc;

use tickwire_protocol::{
    error::CloseCode,
    session::{StreamTraffic, Traffic},
};

pub(crate) use self::histogram::Histogram;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        if n > 0 {
            self.0.fetch_add(n, Relaxed);
        }
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that rises and falls.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicI64);

impl Gauge {
    pub(crate) fn add(&self, n: i64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub(crate) fn read(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// What one worker counts.
#[derive(Debug, Default)]
pub(crate) struct WorkerMetrics {
    pub(crate) connections: Gauge,
    pub(crate) players: Gauge,
    pub(crate) rooms: Gauge,
    pub(crate) ticks: Counter,
    pub(crate) ticks_late: Counter,
    pub(crate) ticks_slipped: Counter,
    pub(crate) tick_duration: Histogram,
    pub(crate) tick_lateness: Histogram,
    pub(crate) snapshots_written: Counter,
    pub(crate) snapshot_age: Histogram,
    pub(crate) snapshots_skipped_socket: Counter,
    pub(crate) snapshots_skipped_overrun: Counter,
    pub(crate) would_block: Counter,
    pub(crate) messages_in: Counter,
    pub(crate) messages_out: Counter,
    pub(crate) encode_hits: Counter,
    pub(crate) encode_misses: Counter,
    pub(crate) rooms_panicked: Counter,
    pub(crate) rooms_moved: Counter,
    closes: [Counter; CloseCode::ALL.len() + 1],
    streams: [StreamCounters; STREAM_NAMES.len()],
}

#[derive(Debug, Default)]
struct StreamCounters {
    received: Counter,
    sent: Counter,
}

const STREAM_NAMES: [&str; 5] = ["control", "input", "snapshot", "event", "opened"];

impl WorkerMetrics {
    /// Counts the end of a connection; `None` when it broke without a word (code 1006).
    pub(crate) fn count_close(&self, code: Option<CloseCode>) {
        let place = code.and_then(|code| CloseCode::ALL.iter().position(|other| *other == code));
        self.closes[place.unwrap_or(CloseCode::ALL.len())].add(1);
    }

    /// Adds what a session has carried since it was last counted.
    pub(crate) fn count_traffic(&self, now: &Traffic, before: &Traffic) {
        for ((counters, now), before) in self.streams.iter().zip(parts(now)).zip(parts(before)) {
            counters.received.add(now.in_bytes - before.in_bytes);
            counters.sent.add(now.out_bytes - before.out_bytes);
        }
    }
}

const fn parts(traffic: &Traffic) -> [StreamTraffic; STREAM_NAMES.len()] {
    [
        traffic.control,
        traffic.input,
        traffic.snapshot,
        traffic.event,
        traffic.opened,
    ]
}

/// What the whole server counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    workers: Vec<Arc<WorkerMetrics>>,
    pub(crate) http_connections: Gauge,
    pub(crate) refused_process_full: Counter,
    pub(crate) refused_address_full: Counter,
}

type Select<T> = fn(&WorkerMetrics) -> &T;

impl Metrics {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| Arc::default()).collect(),
            http_connections: Gauge::default(),
            refused_process_full: Counter::default(),
            refused_address_full: Counter::default(),
        }
    }

    pub(crate) fn worker(&self, index: usize) -> &Arc<WorkerMetrics> {
        &self.workers[index]
    }

    pub(crate) fn sum(&self, counter: Select<Counter>) -> u64 {
        self.workers
            .iter()
            .map(|worker| counter(worker).read())
            .sum()
    }

    pub(crate) fn level(&self, gauge: Select<Gauge>) -> i64 {
        self.workers.iter().map(|worker| gauge(worker).read()).sum()
    }

    /// All of it in Prometheus' text format, version 0.0.4.
    pub(crate) fn to_text(&self) -> String {
        let mut out = String::with_capacity(8 * 1024);
        // Writing to a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        self.write_gauges(out)?;
        self.write_counters(out)?;
        self.write_histograms(out)?;
        self.write_labelled(out)
    }

    fn write_gauges(&self, out: &mut String) -> fmt::Result {
        let gauges: [(&str, &str, Select<Gauge>); 3] = [
            ("tickwire_connections", "WebSocket connections.", |w| {
                &w.connections
            }),
            (
                "tickwire_players",
                "Players with a seat, connected or within their grace.",
                |w| &w.players,
            ),
            ("tickwire_rooms", "Rooms, empty ones included.", |w| {
                &w.rooms
            }),
        ];
        for (name, help, gauge) in gauges {
            writeln!(
                out,
                "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {}",
                self.level(gauge)
            )?;
        }
        let name = "tickwire_http_connections";
        let open = self.http_connections.read();
        writeln!(
            out,
            "# HELP {name} Connections that speak HTTP.\n# TYPE {name} gauge\n{name} {open}"
        )
    }

    fn write_counters(&self, out: &mut String) -> fmt::Result {
        let counters: [(&str, &str, Select<Counter>); 9] = [
            ("tickwire_ticks_total", "Ticks of all rooms.", |w| &w.ticks),
            (
                "tickwire_ticks_late_total",
                "Ticks that began a period or more late.",
                |w| &w.ticks_late,
            ),
            (
                "tickwire_ticks_slipped_total",
                "Ticks given up: rooms slowed their clock.",
                |w| &w.ticks_slipped,
            ),
            (
                "tickwire_snapshots_written_total",
                "Snapshots given to a socket.",
                |w| &w.snapshots_written,
            ),
            (
                "tickwire_would_block_total",
                "Writes that a socket did not take whole.",
                |w| &w.would_block,
            ),
            (
                "tickwire_encode_hits_total",
                "Groups sent with bytes encoded for another player.",
                |w| &w.encode_hits,
            ),
            ("tickwire_encode_misses_total", "Groups encoded.", |w| {
                &w.encode_misses
            }),
            (
                "tickwire_rooms_panicked_total",
                "Rooms ended by a panic in game code.",
                |w| &w.rooms_panicked,
            ),
            (
                "tickwire_rooms_moved_total",
                "Rooms given to a worker with less to do.",
                |w| &w.rooms_moved,
            ),
        ];
        for (name, help, counter) in counters {
            writeln!(
                out,
                "# HELP {name} {help}\n# TYPE {name} counter\n{name} {}",
                self.sum(counter)
            )?;
        }
        Ok(())
    }

    fn write_histograms(&self, out: &mut String) -> fmt::Result {
        let histograms: [(&str, &str, Select<Histogram>); 3] = [
            (
                "tickwire_tick_seconds",
                "Time that a room's tick took, writing included.",
                |w| &w.tick_duration,
            ),
            (
                "tickwire_tick_lateness_seconds",
                "How late a tick began.",
                |w| &w.tick_lateness,
            ),
            (
                "tickwire_snapshot_age_seconds",
                "Age of a snapshot's state as it was written.",
                |w| &w.snapshot_age,
            ),
        ];
        for (name, help, histogram) in histograms {
            Histogram::write_sum(out, name, help, self.workers.iter().map(|w| histogram(w)))?;
        }
        Ok(())
    }

    fn write_labelled(&self, out: &mut String) -> fmt::Result {
        let mut family = |name: &str, help: &str, rows: &[(String, u64)]| -> fmt::Result {
            writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter")?;
            rows.iter()
                .try_for_each(|(labels, value)| writeln!(out, "{name}{{{labels}}} {value}"))
        };
        let closes: Vec<_> = CloseCode::ALL
            .iter()
            .map(|code| code.number())
            .chain([1006])
            .enumerate()
            .map(|(i, number)| {
                let count = self
                    .workers
                    .iter()
                    .map(|worker| worker.closes[i].read())
                    .sum();
                (format!("code=\"{number}\""), count)
            })
            .collect();
        family(
            "tickwire_closes_total",
            "Connections ended, by WebSocket close code.",
            &closes,
        )?;

        let mut streams = Vec::new();
        for (i, name) in STREAM_NAMES.iter().enumerate() {
            let sum = |select: fn(&StreamCounters) -> &Counter| {
                self.workers
                    .iter()
                    .map(|worker| select(&worker.streams[i]).read())
                    .sum()
            };
            streams.push((
                format!("stream=\"{name}\",direction=\"in\""),
                sum(|s| &s.received),
            ));
            streams.push((
                format!("stream=\"{name}\",direction=\"out\""),
                sum(|s| &s.sent),
            ));
        }
        family(
            "tickwire_stream_bytes_total",
            "Bytes by stream, frame headers included.",
            &streams,
        )?;
        family(
            "tickwire_messages_total",
            "WebSocket messages.",
            &[
                ("direction=\"in\"".into(), self.sum(|w| &w.messages_in)),
                ("direction=\"out\"".into(), self.sum(|w| &w.messages_out)),
            ],
        )?;
        family(
            "tickwire_snapshots_skipped_total",
            "Snapshots not built: the socket was full, or the room was catching up.",
            &[
                (
                    "reason=\"socket\"".into(),
                    self.sum(|w| &w.snapshots_skipped_socket),
                ),
                (
                    "reason=\"overrun\"".into(),
                    self.sum(|w| &w.snapshots_skipped_overrun),
                ),
            ],
        )?;
        family(
            "tickwire_refused_total",
            "Connections refused before they reached a worker.",
            &[
                (
                    "reason=\"process\"".into(),
                    self.refused_process_full.read(),
                ),
                (
                    "reason=\"address\"".into(),
                    self.refused_address_full.read(),
                ),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_close_code_has_a_counter_and_a_broken_connection_has_1006() {
        let metrics = Metrics::new(2);
        metrics.worker(0).count_close(Some(CloseCode::TooSlow));
        metrics.worker(1).count_close(Some(CloseCode::TooSlow));
        metrics.worker(1).count_close(None);
        let text = metrics.to_text();
        assert!(
            text.contains("tickwire_closes_total{code=\"4005\"} 2\n"),
            "{text}"
        );
        assert!(
            text.contains("tickwire_closes_total{code=\"1006\"} 1\n"),
            "{text}"
        );
        for code in CloseCode::ALL {
            assert!(text.contains(&format!("{{code=\"{}\"}}", code.number())));
        }
    }

    #[test]
    fn each_family_says_its_type_once_and_every_line_has_a_value() {
        let text = Metrics::new(3).to_text();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (_, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
        let mut types: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("# TYPE"))
            .collect();
        let all = types.len();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), all);
    }
}
