//! The table that people read.

use crate::measure::Row;

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
    }
}
