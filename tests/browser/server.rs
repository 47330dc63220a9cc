//! The demo's server as a process of its own, as a player would start it, so that it can be killed.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU16, Ordering::Relaxed},
    thread,
};

use anyhow::{Context as _, Result, ensure};
use tests::process::{OwnedChild, profile_dir};

use crate::driver::scratch;

/// A running demo server. Dropping it kills it, without a farewell to anyone.
pub(crate) struct Server {
    _process: OwnedChild,
    address: String,
}

impl Server {
    /// Starts a server on `port`, or on a free one when it is 0, and waits until it serves.
    pub(crate) fn start(port: u16) -> Result<Self> {
        Self::start_with_assets(port, &repository().join("assets"))
    }

    /// The same on a port that the system gives nobody by chance, so that it is still free when the server is gone.
    pub(crate) fn start_apart() -> Result<Self> {
        static TRIED: AtomicU16 = AtomicU16::new(0);
        let first = 20_000 + (std::process::id() % 10_000) as u16;
        let ports = std::iter::repeat_with(|| first + TRIED.fetch_add(1, Relaxed));
        let started = ports.take(100).find_map(|port| Self::start(port).ok());
        started.context("no port below those that the system gives is free")
    }

    /// The same on a free port, with so many computer opponents in sight.
    pub(crate) fn start_with_opponents(opponents: u32) -> Result<Self> {
        Self::run(0, &repository().join("assets"), opponents)
    }

    /// The same, with other assets than the demo's.
    pub(crate) fn start_with_assets(port: u16, assets: &Path) -> Result<Self> {
        // Nobody shoots at the players.
        Self::run(port, assets, 0)
    }

    fn run(port: u16, assets: &Path, opponents: u32) -> Result<Self> {
        let target = profile_dir()?;
        let program = target.join(format!("tickwire-demo{}", std::env::consts::EXE_SUFFIX));
        let dist = dist()?;
        ensure!(
            program.exists() && dist.exists(),
            "the demo is not built: `cargo xtask test` builds it"
        );
        let log = File::create(scratch().join(format!("server-{}.txt", std::process::id())))?;
        let process = Command::new(&program)
            .arg("--port")
            .arg(port.to_string())
            .arg("--dist")
            .arg(dist)
            .arg("--assets")
            .arg(assets)
            .arg("--media")
            .arg(repository().join("demo-game/media"))
            .arg("--opponents")
            .arg(opponents.to_string())
            // Players see each other.
            .arg("--gather")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let mut process = OwnedChild(process);
        let stdout = process.stdout.take().context("its output was piped")?;
        let mut server = Self {
            _process: process,
            address: String::new(),
        };
        let mut lines = BufReader::new(stdout).lines();
        server.address = loop {
            let line = lines
                .next()
                .context("the server ended before it said its address")??;
            if let Some((_, rest)) = line.split_once("http://") {
                let address = rest
                    .split(|it: char| it == '/' || it.is_whitespace())
                    .next()
                    .unwrap_or_default();
                break address.to_owned();
            }
        };
        thread::spawn(move || lines.for_each(drop));
        Ok(server)
    }

    /// Where one of its pages is: `/gallery/hello`.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where the game is.
    pub(crate) fn url(&self, query: &str) -> String {
        format!("http://{}/?{query}", self.address)
    }

    /// The port it serves on.
    pub(crate) fn port(&self) -> Result<u16> {
        let (_, port) = self
            .address
            .rsplit_once(':')
            .context("an address with a port")?;
        Ok(port.parse()?)
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What the WASM build has written.
pub(crate) fn dist() -> Result<PathBuf> {
    let target = profile_dir()?;
    Ok(target.parent().context("the target folder")?.join("dist"))
}
