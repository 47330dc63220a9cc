//! Starting other programs: which environment they get, where they run, and what is said when they fail.
//!
//! `cargo run` leaves its own variables behind (`CARGO_MANIFEST_DIR`, `CARGO_PKG_*` and more). A build
//! script that tracks one of them would see it change between `cargo test` and `cargo xtask test` and
//! compile again, so a nested cargo starts without them.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

/// Variables that `cargo run` sets for the program it runs. Settings of the person who called, such as
/// `CARGO_TARGET_DIR` or `CARGO_NET_OFFLINE`, are not among them.
const LEFT_BY_CARGO: [&str; 6] = [
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_BIN_",
    "CARGO_CRATE_",
    "CARGO_PRIMARY_",
    "RUST_RECURSION_COUNT",
];

/// How often a program with a time limit is looked at.
const POLL: Duration = Duration::from_millis(50);

/// The workspace's root, whichever folder the command was called in.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// The folder cargo builds into: the one this program lies in, however it was chosen.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let this = env::current_exe().context("this program's own path is not known")?;
    // cargo marks its target folder with this file, for backup tools.
    this.ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists())
        .map(Path::to_path_buf)
        .with_context(|| format!("{} does not lie in a target folder", this.display()))
}

/// A program that runs in the workspace's root, without what `cargo run` left in the environment.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    for (variable, _) in env::vars_os() {
        let left = variable
            .to_str()
            .is_some_and(|it| LEFT_BY_CARGO.iter().any(|left| it.starts_with(left)));
        if left {
            command.env_remove(variable);
        }
    }
    command
}

/// The cargo that started this program.
pub(crate) fn cargo() -> Command {
    program(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs to the end; what it prints goes straight to the terminal.
///
/// # Errors
/// When it cannot be started, or fails; the message then holds the whole command line.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = shown(command);
    let status = command
        .status()
        .with_context(|| format!("`{line}` could not be started"))?;
    ensure!(
        status.success(),
        "`{line}` failed ({status}); what it said is above"
    );
    Ok(())
}

/// What a program prints on its standard output, trimmed; `None` when it is missing or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs to the end, or ends it when it has not finished within `limit`: a download without a network
/// may hang for ever.
pub(crate) fn run_within(command: &mut Command, limit: Duration) -> Result<()> {
    let line = shown(command);
    let mut child = command
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("`{line}` could not be started"))?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "`{line}` failed ({status})");
            return Ok(());
        }
        if started.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("`{line}` did not finish within {} s", limit.as_secs());
        }
        thread::sleep(POLL);
    }
}

/// Where a program lies on the `PATH`.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(file).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|it| it.is_file())
}

/// One line about what happens now.
pub(crate) fn say(text: impl AsRef<str>) {
    eprintln!("==> {}", text.as_ref());
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
