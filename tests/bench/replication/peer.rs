//! bevy_replicon on the same world, built and run from its own workspace.

use std::{io, path::Path, process::Command};

use crate::report::Row;

/// Builds the peer (minutes, the first time) and takes the rows it prints.
pub(crate) fn rows() -> io::Result<Vec<Row>> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/replicon/Cargo.toml");
    eprintln!("building and running bevy_replicon; leave it out by --no-peer");
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--release", "--manifest-path"])
        .arg(&manifest)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!(
            "{} failed; what it said is above",
            manifest.display()
        )));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
