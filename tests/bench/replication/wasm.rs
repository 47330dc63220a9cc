//! The same snapshots decoded by the client compiled to WebAssembly, in Node.

use std::{fs, io, path::Path, process::Command};

use serde::Deserialize;
use tests::folder::Folder;

use crate::room::{ROUND_TICKS, Room, WARM_UP_TICKS};

/// What the script prints.
#[derive(Deserialize)]
struct Decoded {
    /// Of the quickest round.
    ns_per_tick: f64,
    /// Of everything the replica held at the end, in decimal.
    checksum: String,
}

/// Decodes a room's recording in Node, and gives the ns per tick.
///
/// # Errors
///
/// Node is not there, or its replica is not the one we hold.
pub(crate) fn decode_ns_per_tick(room: &Room, module: &Path) -> io::Result<f64> {
    let folder = Folder::new("recording")?;
    let recording = folder.join("snapshots.bin");
    let mut bytes = Vec::new();
    for part in core::iter::once(&room.schema_bytes()).chain(room.recording()) {
        let length = u32::try_from(part.len()).map_err(io::Error::other)?;
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(part);
    }
    fs::write(&recording, bytes)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/replication/decode.mjs");
    let output = Command::new("node")
        .arg(script)
        .arg(module)
        .arg(&recording)
        .args([WARM_UP_TICKS.to_string(), ROUND_TICKS.to_string()])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other("node failed; what it said is above"));
    }
    let decoded: Decoded = serde_json::from_slice(&output.stdout)?;
    if decoded.checksum != room.replica().checksum().to_string() {
        return Err(io::Error::other(
            "the replica in WebAssembly differs from the native one",
        ));
    }
    Ok(decoded.ns_per_tick)
}
