//! Packages of the system, installed by apt-get where there is one, and parts of the toolchain in use.
//!
//! Other systems are told what is missing: guessing at their package names would fail in ways nobody
//! reads.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    command::{cargo, find, output, program, run, run_within, say, shown},
    toolchain::RUSTUP_LIMIT,
};

/// Installs Debian packages, after an `apt-get update` if the lists turn out to be missing or old.
///
/// # Errors
/// When there is no apt-get, when the caller may not use it, or when it fails. The message says which
/// command to run.
pub(crate) fn debian(packages: &[&str], what_for: &str) -> Result<()> {
    let names = packages.join(" ");
    if find("apt-get").is_none() {
        bail!(
            "{what_for} is missing and there is no apt-get here: install it with your system's packages ({names} in Debian)"
        );
    }
    let Some(as_root) = as_root() else {
        bail!("{what_for} is missing: run `sudo apt-get install {names}`, then this command again");
    };
    say(format!("installing {what_for}: apt-get install {names}"));
    if run(&mut install(&as_root, packages)).is_ok() {
        return Ok(());
    }
    say("apt-get's lists may be old: apt-get update");
    run(apt(&as_root).arg("update"))
        .and_then(|()| run(&mut install(&as_root, packages)))
        .with_context(|| {
            format!(
                "{what_for} could not be installed: is there a network? `{}` tells more",
                shown(&install(&[], packages))
            )
        })
}

/// Makes sure that there is a browser and its driver.
///
/// # Errors
/// As [`debian`].
pub(crate) fn chromium() -> Result<()> {
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    if find("chromedriver").is_none() || browsers.iter().all(|name| find(name).is_none()) {
        debian(&["chromium", "chromium-driver"], "a browser for the tests")?;
    }
    find("chromedriver")
        .map(|_| ())
        .context("the packages are installed, and there is no chromedriver on the PATH")
}

/// Makes sure that there is Node, and npm with it.
///
/// # Errors
/// As [`debian`].
pub(crate) fn node() -> Result<()> {
    if find("node").is_none() || find("npm").is_none() {
        debian(&["nodejs", "npm"], "Node, for tests and benches")?;
    }
    Ok(())
}

/// Makes sure that cargo can format and lint: rustup's minimal profile and Debian's cargo come without either.
///
/// # Errors
/// rustup cannot add them; where there is no rustup, as [`debian`].
pub(crate) fn rustfmt_and_clippy() -> Result<()> {
    let has = |subcommand| output(cargo().args([subcommand, "--version"])).is_some();
    let is_ready = || has("fmt") && has("clippy");
    if is_ready() {
        return Ok(());
    }
    if find("rustup").is_some() {
        let mut add = program("rustup");
        add.args(["component", "add", "rustfmt", "clippy"]);
        say(format!("installing rustfmt and clippy: {}", shown(&add)));
        run_within(&mut add, RUSTUP_LIMIT)?;
    } else {
        debian(&["rustfmt", "rust-clippy"], "rustfmt or clippy")?;
    }
    ensure!(
        is_ready(),
        "rustfmt and clippy are installed, and the cargo in use does not find them"
    );
    Ok(())
}

/// What stands in front of a command that needs root: nothing, or `sudo` if it asks no password.
fn as_root() -> Option<Vec<&'static str>> {
    if output(program("id").arg("-u"))? == "0" {
        return Some(Vec::new());
    }
    output(program("sudo").args(["-n", "true"])).map(|_| vec!["sudo", "-n"])
}

fn install(as_root: &[&str], packages: &[&str]) -> Command {
    let mut command = apt(as_root);
    command
        .args(["install", "--yes", "--no-install-recommends", "--quiet=2"])
        // A machine that has just started may be updating itself.
        .args(["-o", "DPkg::Lock::Timeout=300"])
        .args(packages);
    command
}

fn apt(as_root: &[&str]) -> Command {
    // Through `env`, because sudo drops the variables of whoever calls it.
    let line: Vec<&str> = as_root
        .iter()
        .copied()
        .chain(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
        .collect();
    let mut command = program(line[0]);
    command.args(&line[1..]).stdin(Stdio::null());
    command
}
