//! `cargo xtask bench`: every bench of the workspace, or those whose name is given.
//!
//! Benches print their rows themselves; nothing is judged here, because a shared machine's times say
//! little about the code.

use anyhow::Result;
use clap::Args;

use crate::command::{self, cargo};

/// What `cargo xtask bench` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Benches to run, by their target's name; all without it.
    names: Vec<String>,
}

/// Builds and runs the benches.
///
/// # Errors
/// When one does not build, fails, or does not exist.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut command = cargo();
    command.args(["bench", "--workspace"]);
    if options.names.is_empty() {
        // Without it cargo would also start every library's unit tests, to measure nothing.
        command.args(["--bench", "*"]);
    }
    for name in &options.names {
        command.arg("--bench").arg(name);
    }
    command::run(&mut command)
}
