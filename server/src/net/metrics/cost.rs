//! What counting costs, for the bench: every call that a worker makes to count a tick, without the tick.

use core::hint::black_box;
use std::time::{Duration, Instant};

use tickwire_protocol::{session::Traffic, time::Micros};

use super::Metrics;

/// Counts so many ticks of a room of so many players, at 20 Hz, of whom each sends three messages in two
/// ticks. Gives what that took.
#[must_use]
pub fn count_ticks(players: usize, ticks: u64) -> Duration {
    const TICK_RATE_HZ: u64 = 20;
    let metrics = Metrics::new(1);
    let worker = metrics.worker(0);
    let mut carried = vec![Traffic::default(); players];
    let mut counted = carried.clone();
    let started = Instant::now();
    for tick in 0..ticks {
        // As `take_item` and the session do for each message.
        for (player, traffic) in carried.iter_mut().enumerate() {
            let messages = 1 + (tick + player as u64) % 2;
            for _ in 0..messages {
                worker.messages_in.add(1);
                traffic.input.in_bytes += 12;
                traffic.input.in_messages += 1;
            }
            traffic.snapshot.out_bytes += 434;
            traffic.snapshot.out_messages += 1;
        }
        // As `step_room` and `count_ticks` do for the room.
        worker.ticks.add(1);
        worker.tick_lateness.observe(Micros(tick % 300));
        worker.ticks_slipped.add(0);
        worker.messages_out.add(players as u64);
        worker.snapshots_written.add(players as u64);
        worker.snapshots_skipped_socket.add(0);
        worker.would_block.add(0);
        let age = Micros(tick % 9000);
        worker.snapshot_age.observe_many(age, players as u64);
        worker.tick_duration.observe(age);
        // As `sweep_connections` does once a second.
        if tick % TICK_RATE_HZ == 0 {
            for (now, before) in carried.iter().zip(&mut counted) {
                worker.count_traffic(now, before);
                *before = *now;
            }
        }
    }
    let took = started.elapsed();
    black_box(metrics.to_text());
    took
}
