//! The table that people read.

use tickwire_server::net::count_ticks;

use crate::{measure::Row, plan::System};

/// The rate of every case.
const TICK_RATE_HZ: f64 = 20.0;

/// Prints one line per row, grouped by case.
pub(crate) fn print(rows: &[Row]) {
    let mut case = "";
    for row in rows {
        if row.case != case {
            case = &row.case;
            println!("\n{case}, {} bytes a snapshot", row.snapshot_bytes);
            println!(
                "{:<10}{:>14}{:>8}{:>10}{:>9}{:>14}{:>12}{:>12}",
                "system",
                "CPU µs/pl/s",
                "user %",
                "to floor",
                "msg/s",
                "interval p99",
                "late p99",
                "bytes/player"
            );
        }
        println!(
            "{:<10}{:>14.1}{:>8.0}{:>10.2}{:>9.2}{:>11.1} ms{:>9.2} ms{:>12}",
            row.system,
            row.cpu_us_per_player_second,
            row.user_share * 100.0,
            row.ratio_to_floor,
            row.messages_per_player_second,
            row.interval_ms_p99,
            row.tick_late_ms_p99,
            row.memory_bytes_per_player,
        );
        if row.system == System::Tickwire.name() {
            let counting = counting_us_per_player_second(row.players);
            println!(
                "{:<10}{counting:>14.2}{:>8}{:>9.2} %  of it: what the metrics cost, counted alone",
                "",
                "",
                counting / row.cpu_us_per_player_second * 100.0,
            );
        }
    }
}

/// The CPU that the server's counters take for one player.
fn counting_us_per_player_second(players: usize) -> f64 {
    // A tenth of a second or so, after the caches and the branch predictor know it.
    let ticks = 4_000_000 / players as u64;
    let _ = count_ticks(players, ticks / 4);
    let tick = count_ticks(players, ticks) / ticks as u32;
    tick.as_secs_f64() * 1e6 * TICK_RATE_HZ / players as f64
}
