//! A Rust toolchain that can compile for WASM, made ready in the first of four ways that works.
//!
//! 1. The target of the toolchain in use is installed.
//! 2. Debian's own Rust for the web is installed: it ships the sources of std, which are then built.
//! 3. `rustup target add` installs the target.
//! 4. apt-get installs what way 2 needs.
//!
//! Way 2 stands before way 3 so that a machine which rustup cannot reach asks only once. A release of Debian whose
//! Rust is older than the workspace's has no way 2.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    command::{cargo, find, output, program, run_within, say},
    install,
};

/// What is compiled for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's packages of way 2, and where they put their programs.
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// The oldest compiler that the workspace takes.
const RUST_LEAST: &str = env!("CARGO_PKG_RUST_VERSION");

/// What links WASM there, if no [`linker`] is found: rustc-web brings none of its own.
const DEBIAN_LINKER: &str = "lld";

/// The target is about 30 MB; a network that needs longer for it is none.
pub(crate) const RUSTUP_LIMIT: Duration = Duration::from_secs(180);

/// Set to `debian`, it goes straight to Debian's toolchain: how the tests of this file's ways are run
/// on a machine that has rustup.
const CHOICE: &str = "TICKWIRE_WASM_TOOLCHAIN";

/// A toolchain that can compile for WASM.
pub(crate) enum Toolchain {
    /// The one that runs this program, with the target's precompiled std.
    Installed,
    /// Debian's, which builds std (about half a minute, once).
    Debian {
        /// What links its WASM.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// The first of the four ways that works.
    ///
    /// # Errors
    /// When none does; the message says what each one lacked.
    pub(crate) fn make_ready() -> Result<Self> {
        let debian_only = env::var_os(CHOICE).is_some_and(|it| it == "debian");
        if !debian_only && has_target() {
            return Ok(Self::Installed);
        }
        if let Some(debian) = debian() {
            say("WASM toolchain: Debian's rustc-web");
            return Ok(debian);
        }
        if !debian_only && find("rustup").is_some() {
            say(format!("WASM toolchain: rustup target add {TARGET}"));
            match run_within(
                program("rustup").args(["target", "add", TARGET]),
                RUSTUP_LIMIT,
            ) {
                Ok(()) if has_target() => return Ok(Self::Installed),
                Ok(()) => say("rustup added the target to another toolchain than the one in use"),
                Err(error) => say(format!("{error:#}")),
            }
        }
        let mut packages = DEBIAN_PACKAGES.to_vec();
        if linker().is_none() {
            packages.push(DEBIAN_LINKER);
        }
        install::debian(&packages, "a WASM toolchain").with_context(|| {
            format!("no WASM toolchain: `rustup target add {TARGET}` would give one where rustup is in use")
        })?;
        debian().with_context(|| {
            format!(
                "Debian's rustc-web is installed, and it is older than Rust {RUST_LEAST}, or its cargo, the sources of std or a linker are not there"
            )
        })
    }

    /// A cargo that compiles for [`TARGET`] into a folder of its own under `target_dir`: builds of the
    /// host and of two toolchains would otherwise throw each other's results away.
    pub(crate) fn cargo(&self, subcommand: &str, target_dir: &Path) -> Command {
        let mut command = match self {
            Self::Installed => cargo(),
            Self::Debian { .. } => program(DEBIAN_CARGO),
        };
        command
            .arg(subcommand)
            .args(["--target", TARGET, "--target-dir"])
            .arg(self.build_dir(target_dir));
        if let Self::Debian { linker } = self {
            // Left by rustup and `cargo run`, they would send this cargo to the other toolchain's
            // programs and libraries.
            for variable in [
                "CARGO",
                "RUSTUP_TOOLCHAIN",
                "RUSTDOC",
                "RUSTFLAGS",
                "LD_LIBRARY_PATH",
            ] {
                command.env_remove(variable);
            }
            command
                .env("RUSTC", DEBIAN_RUSTC)
                // -Zbuild-std is not stable; Debian's compiler is a stable one.
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
                .arg("-Zbuild-std=std,panic_abort");
        }
        command
    }

    /// The folder this toolchain builds into.
    pub(crate) fn build_dir(&self, target_dir: &Path) -> PathBuf {
        target_dir.join(match self {
            Self::Installed => "wasm",
            Self::Debian { .. } => "wasm-debian",
        })
    }
}

/// Whether the toolchain in use has std for the target.
fn has_target() -> bool {
    sysroot("rustc").is_some_and(|sysroot| {
        sysroot
            .join("lib/rustlib")
            .join(TARGET)
            .join("lib")
            .is_dir()
    })
}

/// Debian's toolchain, when it is new enough and its cargo, the sources of std and a linker are installed.
fn debian() -> Option<Toolchain> {
    let version = said_by(DEBIAN_RUSTC, &["--version"])?;
    let sources = sysroot(DEBIAN_RUSTC)?.join("lib/rustlib/src/rust/library/std/src/lib.rs");
    let complete = is_new_enough(&version) && Path::new(DEBIAN_CARGO).exists() && sources.exists();
    complete
        .then(linker)?
        .map(|linker| Toolchain::Debian { linker })
}

/// Whether a compiler that calls itself `rustc 1.96.0 (…)` is one that the workspace takes.
fn is_new_enough(rustc_version: &str) -> bool {
    let version = rustc_version.split(' ').nth(1).and_then(release);
    version.is_some() && version >= release(RUST_LEAST)
}

/// The first two numbers of a version.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    numbers.next()?.zip(numbers.next()?)
}

/// LLVM's linker: the one rustup's toolchains bring, or the system's.
fn linker() -> Option<PathBuf> {
    let of_rustup = sysroot("rustc").and_then(|sysroot| {
        let hosts = sysroot.join("lib/rustlib").read_dir().ok()?;
        hosts
            .flatten()
            .map(|host| host.path().join("bin/rust-lld"))
            .find(|linker| linker.exists())
    });
    of_rustup
        .or_else(|| find("rust-lld"))
        .or_else(|| find("wasm-ld"))
}

/// Where a compiler keeps its libraries.
fn sysroot(rustc: &str) -> Option<PathBuf> {
    said_by(rustc, &["--print", "sysroot"]).map(PathBuf::from)
}

/// What a compiler prints.
fn said_by(rustc: &str, arguments: &[&str]) -> Option<String> {
    let mut command = program(rustc);
    // The path that `cargo run` sets leads to the libraries of the toolchain in use.
    command.env_remove("LD_LIBRARY_PATH").args(arguments);
    output(&mut command)
}

#[cfg(test)]
mod tests {
    use super::is_new_enough;

    #[test]
    fn a_compiler_older_than_the_workspaces_is_not_taken() {
        assert!(is_new_enough("rustc 1.96.0 (ac68faa20 2026-09-01)"));
        assert!(is_new_enough("rustc 2.0.0"));
        assert!(!is_new_enough(
            "rustc 1.63.0 (4b91a6ea7 2022-08-08) (built from a source tarball)"
        ));
        assert!(!is_new_enough(""));
    }
}
