//! What the server counts, and `/metrics` in Prometheus' text format.
//!
//! In: the events that workers and the accept loop count. Out: text. The choice to question: own atomics
//! instead of a metrics crate. Each worker adds to its own counters, so the hot path never shares a
//! cache line with another thread; they are summed when somebody asks.

pub(super) mod cost;
mod histogram;
mod text;

use core::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::Arc;

use tickwire_protocol::{
    error::CloseCode,
    session::{StreamTraffic, Traffic, TrafficByKind},
    stream::StreamKind,
};

pub(crate) use self::histogram::Histogram;
use super::gate::Refusal;
use crate::limits::Limit;

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

    /// Rises by one unless it stands at `max` or above.
    pub(crate) fn try_rise(&self, max: usize) -> bool {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let has_risen = self.0.fetch_add(1, Relaxed) < max;
        if !has_risen {
            self.0.fetch_sub(1, Relaxed);
        }
        has_risen
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
    pub(crate) ticks_helped: Counter,
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
    pub(crate) busy_micros: Counter,
    inputs_late: Counter,
    inputs_early: Counter,
    inputs_duplicate: Counter,
    closes: [Counter; CloseCode::ALL.len() + 1],
    limits: [Counter; Limit::ALL.len()],
    streams: [StreamCounters; STREAM_NAMES.len()],
}

#[derive(Debug, Default)]
struct StreamCounters {
    bytes_in: Counter,
    bytes_out: Counter,
    messages_in: Counter,
    messages_out: Counter,
}

/// The fixed streams, and then the kinds of the opened ones.
const STREAM_NAMES: [&str; FIXED_STREAMS + StreamKind::ALL.len()] = [
    "control", "input", "snapshot", "event", "messages", "live", "bytes", "asset",
];

const FIXED_STREAMS: usize = 4;

impl WorkerMetrics {
    /// Counts the end of a connection; `None` when it broke without a word (code 1006).
    pub(crate) fn count_close(&self, code: Option<CloseCode>) {
        let place = code.and_then(|code| CloseCode::ALL.iter().position(|other| *other == code));
        self.closes[place.unwrap_or(CloseCode::ALL.len())].add(1);
    }

    /// Adds what a session has carried since it was last counted.
    pub(crate) fn count_traffic(&self, now: &Traffic, before: &Traffic) {
        for ((counters, now), before) in self.streams.iter().zip(parts(now)).zip(parts(before)) {
            counters.add(&StreamTraffic {
                in_bytes: now.in_bytes - before.in_bytes,
                out_bytes: now.out_bytes - before.out_bytes,
                in_messages: now.in_messages - before.in_messages,
                out_messages: now.out_messages - before.out_messages,
            });
        }
        self.limits[Limit::Streams as usize].add(now.streams_refused - before.streams_refused);
        let (now, before) = (&now.inputs_dropped, &before.inputs_dropped);
        self.inputs_late.add(now.late - before.late);
        self.inputs_early.add(now.early - before.early);
        self.inputs_duplicate.add(now.duplicate - before.duplicate);
    }

    /// Adds what opened streams have carried, by kind.
    pub(crate) fn count_opened(&self, carried: &TrafficByKind) {
        for (counters, carried) in self.streams[FIXED_STREAMS..].iter().zip(carried) {
            counters.add(carried);
        }
    }

    /// Counts that a peer has reached a limit.
    pub(crate) fn count_limit(&self, limit: Limit) {
        self.limits[limit as usize].add(1);
    }
}

impl StreamCounters {
    fn add(&self, more: &StreamTraffic) {
        self.bytes_in.add(more.in_bytes);
        self.bytes_out.add(more.out_bytes);
        self.messages_in.add(more.in_messages);
        self.messages_out.add(more.out_messages);
    }
}

const fn parts(traffic: &Traffic) -> [StreamTraffic; FIXED_STREAMS] {
    [
        traffic.control,
        traffic.input,
        traffic.snapshot,
        traffic.event,
    ]
}

/// What the whole server counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    workers: Vec<Arc<WorkerMetrics>>,
    pub(crate) http_connections: Gauge,
    pub(crate) handshakes: Gauge,
    refused: [Counter; REFUSALS.len()],
}

/// The refusals at the door, in the order of their counters.
const REFUSALS: [(Refusal, &str); 4] = [
    (Refusal::Process, "process"),
    (Refusal::Address, "address"),
    (Refusal::HttpAddress, "http_address"),
    (Refusal::Handshakes, "handshakes"),
];

type Select<T> = fn(&WorkerMetrics) -> &T;

impl Metrics {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| Arc::default()).collect(),
            http_connections: Gauge::default(),
            handshakes: Gauge::default(),
            refused: Default::default(),
        }
    }

    pub(super) fn count_refusal(&self, refusal: Refusal) {
        for ((counted, _), counter) in REFUSALS.iter().zip(&self.refused) {
            counter.add(u64::from(*counted == refusal));
        }
    }

    pub(crate) fn worker(&self, index: usize) -> &Arc<WorkerMetrics> {
        &self.workers[index]
    }

    fn sum(&self, counter: impl Fn(&WorkerMetrics) -> &Counter) -> u64 {
        let workers = self.workers.iter();
        workers.map(|worker| counter(worker).read()).sum()
    }

    fn level(&self, gauge: Select<Gauge>) -> i64 {
        self.workers.iter().map(|worker| gauge(worker).read()).sum()
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
    fn every_limit_and_every_refusal_has_a_counter_of_its_own() {
        let metrics = Metrics::new(2);
        for (index, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, index, "{limit:?}");
            metrics.worker(index % 2).count_limit(limit);
        }
        for (refusal, _) in REFUSALS {
            metrics.count_refusal(refusal);
        }
        let text = metrics.to_text();
        for limit in Limit::ALL {
            let line = format!(
                "tickwire_limits_reached_total{{limit=\"{}\"}} 1\n",
                limit.name()
            );
            assert!(text.contains(&line), "{line} in {text}");
        }
        for (_, reason) in REFUSALS {
            let line = format!("tickwire_refused_total{{reason=\"{reason}\"}} 1\n");
            assert!(text.contains(&line), "{line} in {text}");
        }
    }

    #[test]
    fn how_busy_is_said_of_each_worker_and_how_many_there_are() {
        let metrics = Metrics::new(2);
        metrics.worker(1).busy_micros.add(1_250_000);
        let text = metrics.to_text();
        for line in [
            "tickwire_workers 2",
            "tickwire_worker_busy_seconds_total{worker=\"0\"} 0",
            "tickwire_worker_busy_seconds_total{worker=\"1\"} 1.25",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
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
