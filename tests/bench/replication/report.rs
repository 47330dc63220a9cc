//! The rows, and the table that people read.

use serde::{Deserialize, Serialize};

/// One line of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) world: String,
    pub(crate) entities: usize,
    pub(crate) system: String,
    pub(crate) bytes_per_entity: f64,
    /// Of the first player who gets it; bevy_replicon's whole server update.
    pub(crate) encode_ns_per_entity: f64,
    #[serde(default)]
    pub(crate) capture_ns_per_entity: Option<f64>,
    pub(crate) decode_ns_per_entity: f64,
    /// The same snapshots, read in WebAssembly.
    #[serde(default)]
    pub(crate) decode_wasm_ns_per_entity: Option<f64>,
    pub(crate) us_per_extra_player: Option<f64>,
    pub(crate) entropy_bytes_per_entity: Option<f64>,
    #[serde(default)]
    pub(crate) allocations_per_tick: Option<f64>,
}

/// Prints one line per row.
pub(crate) fn print(rows: &[Row]) {
    println!(
        "{:<10}{:>9} {:<27}{:>8}{:>9}{:>11}{:>11}{:>11}{:>11}{:>14}{:>9}",
        "world",
        "entities",
        "system",
        "bytes/e",
        "bound",
        "capture ns",
        "encode ns",
        "decode ns",
        "in WASM ns",
        "µs/ex. player",
        "allocs"
    );
    for row in rows {
        println!(
            "{:<10}{:>9} {:<27}{:>8.3}{}{}{:>11.1}{:>11.1}{}{}{}",
            row.world,
            row.entities,
            row.system,
            row.bytes_per_entity,
            figure(row.entropy_bytes_per_entity, 9, 3),
            figure(row.capture_ns_per_entity, 11, 1),
            row.encode_ns_per_entity,
            row.decode_ns_per_entity,
            figure(row.decode_wasm_ns_per_entity, 11, 1),
            figure(row.us_per_extra_player, 14, 3),
            figure(row.allocations_per_tick, 9, 2),
        );
    }
}

fn figure(value: Option<f64>, width: usize, digits: usize) -> String {
    value.map_or_else(
        || format!("{:>width$}", "–"),
        |value| format!("{value:>width$.digits$}"),
    )
}
