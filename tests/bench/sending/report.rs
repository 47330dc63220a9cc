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
    // The quickest of some: whatever else the machine does can only add.
    let ticks = 1_000_000 / players as u64;
    let spans = (0..8).map(|_| count_ticks(players, ticks));
    let tick = spans.min().unwrap_or_default() / ticks as u32;
    tick.as_secs_f64() * 1e6 * TICK_RATE_HZ / players as f64
}
