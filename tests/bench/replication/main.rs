//! What replication costs: bytes and CPU on the reference world, beside bevy_replicon's.
//!
//! Everything is included that a player is sent: headers, ids, spawns at rest, new probability tables. The
//! server side is a bevy_ecs world with the usual calls, the client side a replica; there is no socket. CPU
//! is that of the thread, best of a few rounds, because other programs only ever add to it.
//!
//! Run it by `cargo xtask bench replication [--json FILE]`.

mod entropy;
mod peer;
mod report;
mod room;
mod views;

use std::path::PathBuf;

use clap::Parser;

use tests::reference_world::Motion;

use crate::{report::Row, room::Room};

/// Numbers of entities in the table.
const ENTITIES: [usize; 3] = [200, 1000, 10_000];

#[derive(Parser)]
#[command(about = "Bytes and CPU of replication on the reference world")]
struct Arguments {
    /// Writes the rows to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Leaves bevy_replicon out; its first build takes minutes.
    #[arg(long)]
    no_peer: bool,
    /// What `cargo bench` passes.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let mut rows = Vec::new();
    for motion in Motion::ALL {
        for entities in ENTITIES {
            rows.push(measure(entities, motion));
        }
    }
    if !arguments.no_peer {
        rows.extend(peer::rows()?);
    }
    report::print(&rows);
    views::print(&views::measure());
    if let Some(path) = arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&rows)?)?;
    }
    Ok(())
}

fn measure(entities: usize, motion: Motion) -> Row {
    let alone = Room::new(entities, motion, 1).measure();
    let players = 100;
    let shared = Room::new(entities, motion, players).measure();
    let per_entity = |ns: f64| ns / entities as f64;
    Row {
        world: motion.name().to_owned(),
        entities,
        system: "tickwire".to_owned(),
        bytes_per_entity: alone.snapshot_bytes / entities as f64,
        encode_ns_per_entity: per_entity(alone.snapshot_ns),
        capture_ns_per_entity: Some(per_entity(alone.capture_ns)),
        decode_ns_per_entity: per_entity(alone.apply_ns),
        us_per_extra_player: Some(
            (shared.choose_and_snapshots_ns - alone.choose_and_snapshots_ns)
                / (players - 1) as f64
                / 1000.0,
        ),
        entropy_bytes_per_entity: Some(entropy::bytes_per_entity(entities, motion)),
        allocations_per_tick: Some(alone.allocations),
    }
}
