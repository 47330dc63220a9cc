//! Python packages that tests run against: never part of what we build.
//!
//! A `requirements.txt` names them by version and by the hash of their content; pip refuses anything else.
//! They are put into a folder of their own below the target folder, and fetched once. The choice to question: no
//! virtual environment. Packages in pure Python need none, and Debian's Python makes one only with a package more.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    command::{find, output, program, root, run_within, say, target_dir},
    install,
};

/// The packages are a few hundred kilobytes; a network that needs longer for them is none.
const LIMIT: Duration = Duration::from_secs(180);

/// Makes the packages ready that `requirements` asks for, under `name`; gives the folder for `PYTHONPATH`.
fn packages(name: &str, requirements: &Path) -> Result<PathBuf> {
    let has_pip = || output(program("python3").args(["-m", "pip", "--version"])).is_some();
    if find("python3").is_none() || !has_pip() {
        install::debian(
            &["python3", "python3-pip"],
            "Python, for what comes from PyPI",
        )?;
    }
    let folder = target_dir()?.join("python").join(name);
    let wanted = fs::read(requirements)
        .with_context(|| format!("{} cannot be read", requirements.display()))?;
    // Written last, so that a fetch that was interrupted is begun again.
    let mark = folder.join("fetched.txt");
    if fs::read(&mark).is_ok_and(|fetched| fetched == wanted) {
        return Ok(folder);
    }
    say(format!("fetching Python packages for {name}: pip install"));
    let mut pip = program("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ])
    // A connection that falls silent is given up and made anew long before the limit.
    .args(["--timeout", "20", "--retries", "5"])
    .args(["--no-deps", "--require-hashes", "--upgrade"])
    // Their pure Python, the same on every system.
    .args(["--only-binary", ":all:", "--platform", "any"])
    .arg("--target")
    .arg(&folder)
    .arg("--requirement")
    .arg(requirements);
    run_within(&mut pip, LIMIT).context(
        "Python packages could not be fetched: a network is needed for it once (or PIP_INDEX_URL set to a mirror)",
    )?;
    fs::write(&mark, wanted)?;
    Ok(folder)
}

/// The client that the WebSocket echo is tested with.
///
/// # Errors
/// When there is no Python and none can be installed, or no network the first time.
pub(crate) fn websockets() -> Result<PathBuf> {
    packages(
        "websockets",
        &root().join("tests/conformance/python/requirements.txt"),
    )
}
