//! The table that people read: the median of each combination's rounds.

use crate::{
    measure::Row,
    plan::{Load, System},
};

/// The row in the middle by the server's CPU, for each case, direction, system and client.
pub(crate) fn medians(rows: &[Row]) -> Vec<Row> {
    let key = |row: &Row| {
        (
            row.case,
            row.direction.clone(),
            row.system.name(),
            row.client.name(),
        )
    };
    let mut medians = Vec::new();
    let mut seen = Vec::new();
    for row in rows {
        if seen.contains(&key(row)) {
            continue;
        }
        seen.push(key(row));
        let mut same: Vec<&Row> = rows.iter().filter(|it| key(it) == key(row)).collect();
        same.sort_by(|a, b| a.server_cpu_seconds.total_cmp(&b.server_cpu_seconds));
        medians.push(same[same.len() / 2].clone());
    }
    medians
}

/// Prints one line per combination, with its ratio to npm `binaryjs` under its own client of the same
/// kind: in Chromium the bundle, otherwise its Node client.
pub(crate) fn print(rows: &[Row]) {
    let medians = medians(rows);
    let mut title = String::new();
    for row in &medians {
        let unit = if row.bytes / row.messages > 1000 {
            "MB"
        } else {
            "k messages"
        };
        let heading = format!("{}, {}", row.case, row.direction);
        if heading != title {
            println!("\n{heading}, {unit} per second");
            println!(
                "{:<14}{:<10}{:>10}{:>16}{:>10}{:>16}{:>14}",
                "server",
                "client",
                "wall",
                "per server CPU",
                "ratio",
                "per client CPU",
                "of the page"
            );
            title = heading;
        }
        let peer_client = if row.client == Load::Chromium {
            Load::Chromium
        } else {
            Load::Node
        };
        // A page has fewer small messages to do; its peer has as few.
        let peer = medians.iter().find(|it| {
            (it.case, &it.direction, it.system, it.client)
                == (row.case, &row.direction, System::BinaryJs, peer_client)
        });
        let amount = if unit == "MB" {
            row.bytes as f64 / 1e6
        } else {
            row.messages as f64 / 1e3
        };
        let ratio = peer.map_or_else(String::new, |peer| {
            format!("{:.2}", peer.server_cpu_seconds / row.server_cpu_seconds)
        });
        let page = row
            .page_cpu_seconds
            .map_or_else(String::new, |cpu| format!("{:.0}", amount / cpu));
        println!(
            "{:<14}{:<10}{:>10.0}{:>16.0}{:>10}{:>16.0}{:>14}",
            row.system.name(),
            row.client.name(),
            amount / row.seconds,
            amount / row.server_cpu_seconds,
            ratio,
            amount / row.client_cpu_seconds,
            page
        );
    }
}
