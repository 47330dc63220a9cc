//! npm packages that tests and benches run against: never part of what we build.
//!
//! A folder with `package.json` and `package-lock.json` names them by version and by the hash of their
//! content; npm refuses anything else. They are kept below the target folder, and fetched once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    command::{program, root, run_within, say, target_dir},
    install,
};

/// The packages are a few hundred kilobytes; a network that needs longer for them is none.
const LIMIT: Duration = Duration::from_secs(180);

/// Makes the packages ready that the folder `from` asks for, under `name`; gives their `node_modules`.
///
/// # Errors
/// When there is no Node and none can be installed, or no network the first time.
pub(crate) fn packages(name: &str, from: &Path) -> Result<PathBuf> {
    install::node()?;
    let folder = target_dir()?.join("npm").join(name);
    let packages = folder.join("node_modules");
    let lock = from.join("package-lock.json");
    let wanted = fs::read(&lock).with_context(|| format!("{} cannot be read", lock.display()))?;
    // Written last, so that a fetch that was interrupted is begun again.
    let mark = folder.join("fetched.json");
    if fs::read(&mark).is_ok_and(|fetched| fetched == wanted) && packages.is_dir() {
        return Ok(packages);
    }
    fs::create_dir_all(&folder)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(from.join(file), folder.join(file))?;
    }
    say(format!("fetching npm packages for {name}: npm ci"));
    let mut npm = program("npm");
    // Without install scripts: some of the packages would compile native code that they work without.
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .args(["--loglevel", "error"])
        // A connection that falls silent is given up and made anew long before the limit.
        .args(["--fetch-timeout=20000", "--fetch-retries=4"])
        .args([
            "--fetch-retry-mintimeout=1000",
            "--fetch-retry-maxtimeout=10000",
        ])
        .stdout(Stdio::null())
        .current_dir(&folder);
    run_within(&mut npm, LIMIT).context(
        "npm packages could not be fetched: a network is needed for it once (or NPM_CONFIG_REGISTRY set to a mirror)",
    )?;
    fs::write(&mark, wanted)?;
    Ok(packages)
}

/// What the BinaryJS endpoint is tested against.
///
/// # Errors
/// As [`packages`].
pub(crate) fn binaryjs() -> Result<PathBuf> {
    packages("binaryjs", &root().join("tests/binaryjs/npm"))
}

/// The client that the WebSocket echo is tested with.
///
/// # Errors
/// As [`packages`].
pub(crate) fn conformance() -> Result<PathBuf> {
    packages("conformance", &root().join("tests/conformance/npm"))
}
