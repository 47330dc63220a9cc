//! The server's echo as a process of its own: started, its address read, ended with the test.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use tests::process::OwnedChild;

/// A running `ws_echo`, the example of the server's package.
pub(crate) struct Echo {
    _process: OwnedChild,
    pub(crate) address: String,
}

impl Echo {
    pub(crate) fn start() -> Result<Self> {
        // This test's own program lies in `target/debug/deps`.
        let own = std::env::current_exe()?;
        let folder = own.ancestors().nth(2).map(Path::to_owned);
        let folder = folder.context("the target folder")?.join("examples");
        let program = folder.join(format!("ws_echo{}", std::env::consts::EXE_SUFFIX));
        ensure!(
            program.exists(),
            "{} is missing: `cargo test --workspace` builds it, or `cargo build --workspace --examples`",
            program.display()
        );
        let process = Command::new(program)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut process = OwnedChild(process);
        let stdout = process.stdout.take().context("its output was piped")?;
        let mut address = String::new();
        BufReader::new(stdout).read_line(&mut address)?;
        let address = address.trim().to_owned();
        ensure!(address.starts_with("ws://"), "the echo said {address:?}");
        Ok(Self {
            _process: process,
            address,
        })
    }
}
