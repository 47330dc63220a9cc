//! How late ticks began.

use std::time::{Duration, Instant};

/// The lateness of every tick after the first second, in which caches are cold.
pub(crate) struct Lateness {
    start: Instant,
    period: Duration,
    ticks: u32,
    warm_up_ticks: u32,
    late_micros: Vec<u64>,
}

impl Lateness {
    /// Ticks that begin now.
    pub(crate) fn new(rate_hz: u32) -> Self {
        Self {
            start: Instant::now(),
            period: Duration::from_secs(1) / rate_hz,
            ticks: 0,
            warm_up_ticks: rate_hz,
            late_micros: Vec::new(),
        }
    }

    /// A tick begins now.
    pub(crate) fn record(&mut self) {
        let due = self.start + self.period * self.ticks;
        self.ticks += 1;
        if self.ticks > self.warm_up_ticks {
            self.late_micros.push(due.elapsed().as_micros() as u64);
        }
    }

    /// When the next tick is due.
    pub(crate) fn next_due(&self) -> Instant {
        self.start + self.period * self.ticks
    }

    /// The 99th percentile in ms, of the ticks of all rooms.
    pub(crate) fn p99_ms(rooms: &[Self]) -> f64 {
        let mut late: Vec<u64> = rooms
            .iter()
            .flat_map(|room| &room.late_micros)
            .copied()
            .collect();
        late.sort_unstable();
        late.get(late.len() * 99 / 100)
            .map_or(0.0, |micros| *micros as f64 / 1000.0)
    }
}
