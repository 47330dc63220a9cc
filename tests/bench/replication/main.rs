//! What replication costs: bytes and CPU on the reference world and on a match of the demo game, beside
//! bevy_replicon's.
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
mod scene;
mod views;
mod wasm;

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Parser;

use tests::reference_world::Motion;

use crate::{report::Row, room::Room, scene::Scene};

/// Numbers of entities in the table.
const ENTITIES: [usize; 3] = [200, 1000, 10_000];

#[derive(Parser)]
#[command(about = "Bytes and CPU of replication on the reference world")]
struct Arguments {
    /// Writes the rows to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// The folder of the decoder for Node; decoding in WebAssembly is left out without it.
    #[arg(long)]
    wasm: Option<PathBuf>,
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
            for steady in [false, true] {
                let scene = Scene::Reference {
                    entities,
                    motion,
                    steady,
                };
                rows.push(measure(scene, arguments.wasm.as_deref())?);
            }
        }
    }
    rows.push(measure(Scene::Demo, arguments.wasm.as_deref())?);
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

fn measure(scene: Scene, wasm: Option<&Path>) -> io::Result<Row> {
    let mut room = Room::new(scene, 1);
    if wasm.is_some() {
        room.record();
    }
    let alone = room.measure();
    let decode_wasm_ns = wasm
        .map(|module| wasm::decode_ns_per_tick(&room, module))
        .transpose()?;
    let players = 100;
    let shared = Room::new(scene, players).measure();
    let per_entity = |ns: f64| ns / alone.entities;
    let extra_ns = shared.choose_and_snapshots_ns - alone.choose_and_snapshots_ns;
    Ok(Row {
        world: scene.name().to_owned(),
        entities: alone.entities.round() as usize,
        system: scene.system().to_owned(),
        bytes_per_entity: per_entity(alone.snapshot_bytes),
        encode_ns_per_entity: per_entity(alone.snapshot_ns),
        capture_ns_per_entity: Some(per_entity(alone.capture_ns)),
        decode_ns_per_entity: per_entity(alone.apply_ns),
        decode_wasm_ns_per_entity: decode_wasm_ns.map(per_entity),
        us_per_extra_player: Some(extra_ns / (players - 1) as f64 / 1000.0),
        entropy_bytes_per_entity: Some(room.entropy_bytes_per_entity()),
        allocations_per_tick: Some(alone.allocations),
    })
}
