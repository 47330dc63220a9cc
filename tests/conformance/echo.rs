//! The server's echo as a process of its own: started, its address read, ended with the test.

use anyhow::{Result, ensure};
use tests::process::{self, OwnedChild};

/// A running `ws_echo`, the example of the server's package.
pub(crate) struct Echo {
    _process: OwnedChild,
    pub(crate) address: String,
}

impl Echo {
    pub(crate) fn start() -> Result<Self> {
        let (process, address) = process::start_example("ws_echo", &[])?;
        ensure!(address.starts_with("ws://"), "the echo said {address:?}");
        Ok(Self {
            _process: process,
            address,
        })
    }
}
