//! `cargo xtask demo`: from a fresh clone to an address that a browser can open.
//!
//! At the end this program becomes the demo's server (on Unix; elsewhere it waits for it), as cargo
//! became this program before: one process is left, and Ctrl-C reaches it directly.

use std::{
    env, io,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    command::{self, cargo, program, root, say, target_dir},
    wasm,
};

/// What `cargo xtask demo` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// The port to serve on.
    #[arg(long, default_value_t = 4000)]
    port: u16,
    /// The server at full optimisation: the first build takes minutes longer.
    #[arg(long, conflicts_with = "dev")]
    release: bool,
    /// The page built in seconds rather than small and fast: for working on the client.
    #[arg(long)]
    dev: bool,
    /// Passed on to the demo's server, as in `cargo xtask demo -- --help`.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Builds and serves; returns when the server has ended.
///
/// # Errors
/// When the port is taken, something cannot be built, or the server fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    check_port(options.port)?;
    say("building the page");
    let dist = wasm::build(&wasm::Options {
        dev: options.dev,
        only: None,
    })?;
    say("building the server");
    let mut server = program(build_server(options.release)?);
    server.arg("--port").arg(options.port.to_string());
    server.arg("--dist").arg(dist);
    server.arg("--assets").arg(root().join("assets"));
    server.arg("--media").arg(root().join("demo-game/media"));
    server.args(&options.rest);
    become_program(server)
}

/// Builds the demo's server and gives the program.
///
/// # Errors
/// When it does not compile.
pub(crate) fn build_server(release: bool) -> Result<PathBuf> {
    let mut build = cargo();
    // The whole workspace is named for the features it asks of shared dependencies: what the tests
    // compiled serves here too.
    build.args(["build", "--workspace", "--bin", "tickwire-demo"]);
    if release {
        build.arg("--release");
    }
    command::run(&mut build).context("the demo's server could not be built")?;
    let profile = if release { "release" } else { "debug" };
    let file = format!("tickwire-demo{}", env::consts::EXE_SUFFIX);
    Ok(target_dir()?.join(profile).join(file))
}

/// Fails early: to hear of a taken port after minutes of building would be a pity.
fn check_port(port: u16) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let other = if port == u16::MAX { port - 1 } else { port + 1 };
            bail!(
                "port {port} is in use: stop what uses it, or run `cargo xtask demo --port {other}`"
            )
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            bail!(
                "port {port} may not be used by you: choose one above 1023, as in `cargo xtask demo --port 4000`"
            )
        }
        Err(error) => Err(error).with_context(|| format!("port {port} cannot be used")),
    }
}

#[cfg(unix)]
fn become_program(mut command: Command) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    let error = command.exec();
    Err(error).with_context(|| format!("{} could not be started", command.get_program().display()))
}

#[cfg(not(unix))]
fn become_program(mut command: Command) -> Result<()> {
    command::run(&mut command)
}
