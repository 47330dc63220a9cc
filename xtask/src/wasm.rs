//! What the browser loads: two packages compiled for WASM, and the JavaScript and TypeScript beside them.
//!
//! Into `target/dist` go `demo/` (the demo game) and `client/` (the prebuilt client that any game
//! written in JavaScript uses). cargo decides whether something has to be compiled; a stamp beside the
//! output decides whether wasm-bindgen has to run.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Instant, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use wasm_bindgen_cli_support::Bindgen;

use crate::{
    command::{run, say, target_dir},
    toolchain::{TARGET, Toolchain},
};

/// What `cargo xtask wasm` takes.
#[derive(Args, Clone, Copy)]
pub(crate) struct Options {
    /// Compile in seconds, keep names and panic messages; larger and slower in the browser.
    #[arg(long)]
    pub(crate) dev: bool,
    /// Build only this one.
    #[arg(long, value_enum)]
    pub(crate) only: Option<Module>,
}

/// One WASM module that is built.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Module {
    /// The demo game.
    Demo,
    /// The client for games in JavaScript.
    Client,
}

impl Module {
    const ALL: [Self; 2] = [Self::Demo, Self::Client];

    fn package(self) -> &'static str {
        match self {
            Self::Demo => "tickwire-demo",
            Self::Client => "tickwire-client",
        }
    }

    /// The folder in `target/dist`.
    fn folder(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Client => "client",
        }
    }
}

/// Builds what is out of date and returns the folder it lies in, `target/dist`.
///
/// # Errors
/// When no toolchain can be had, or the code does not compile.
pub(crate) fn build(options: &Options) -> Result<PathBuf> {
    let target_dir = target_dir()?;
    let toolchain = Toolchain::make_ready()?;
    let dist = target_dir.join("dist");
    for module in Module::ALL {
        if options.only.is_none_or(|only| only == module) {
            build_module(&toolchain, module, options.dev, &target_dir, &dist).with_context(
                || format!("{} could not be built for the browser", module.package()),
            )?;
        }
    }
    Ok(dist)
}

fn build_module(
    toolchain: &Toolchain,
    module: Module,
    dev: bool,
    target_dir: &Path,
    dist: &Path,
) -> Result<()> {
    let profile = if dev { "wasm-dev" } else { "wasm" };
    let package = module.package();
    let built = compile(toolchain, package, &["--lib"], profile, target_dir)?;
    let wasm = built.join(format!("{}.wasm", package.replace('-', "_")));
    bind(&wasm, &dist.join(module.folder()), Host::Browser, dev)
}

/// Builds a replica without a client around it, for benches to run in Node, and returns its folder.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_decoder() -> Result<PathBuf> {
    let target_dir = target_dir()?;
    let toolchain = Toolchain::make_ready()?;
    let example = ["--example", "decode"];
    let built = compile(&toolchain, "tickwire-client", &example, "wasm", &target_dir)
        .context("the decoder could not be built for WebAssembly")?;
    let wasm = built.join("examples/decode.wasm");
    let folder = target_dir.join("dist/decode");
    bind(&wasm, &folder, Host::Node, false)?;
    Ok(folder)
}

/// Compiles one target of a package as a module, and returns the folder of that profile.
fn compile(
    toolchain: &Toolchain,
    package: &str,
    target: &[&str],
    profile: &str,
    target_dir: &Path,
) -> Result<PathBuf> {
    // The crate type is asked for here, and not in the manifest, so that ordinary builds need not link
    // a shared library nobody loads.
    run(toolchain
        .cargo("rustc", target_dir)
        .args(["--package", package])
        .args(target)
        .args(["--crate-type", "cdylib"])
        .args(["--no-default-features", "--features", "browser"])
        .args(["--profile", profile]))?;
    let build_dir = toolchain.build_dir(target_dir);
    Ok(build_dir.join(TARGET).join(profile))
}

/// What loads a module.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Host {
    Browser,
    Node,
}

/// Writes the JavaScript, the declarations and the final WASM for `wasm` into `folder`.
fn bind(wasm: &Path, folder: &Path, host: Host, dev: bool) -> Result<()> {
    let stamp_file = folder.join(".stamp");
    let stamp = stamp(wasm)?;
    if fs::read_to_string(&stamp_file).is_ok_and(|last| last == stamp) {
        return Ok(());
    }
    let started = Instant::now();
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("{} cannot be replaced", folder.display()));
        }
        _ => {}
    }
    let mut bindgen = Bindgen::new();
    match host {
        Host::Browser => bindgen.web(true)?,
        Host::Node => bindgen.nodejs(true)?,
    };
    bindgen
        .input_path(wasm)
        .typescript(true)
        // `init()` then finds the WASM beside the script without being told where.
        .omit_default_module_path(false)
        .keep_debug(dev)
        .remove_name_section(!dev)
        .remove_producers_section(true)
        .generate(folder)
        .context("wasm-bindgen failed")?;
    fs::write(&stamp_file, stamp)?;
    say(format!(
        "{} written in {:.1} s",
        folder.display(),
        started.elapsed().as_secs_f32()
    ));
    Ok(())
}

/// What the output depends on: the compiled module, and this program (which wasm-bindgen is a part of).
fn stamp(wasm: &Path) -> Result<String> {
    let of = |file: &Path| -> Result<String> {
        let metadata = fs::metadata(file)?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
        Ok(format!("{} {} {modified}", file.display(), metadata.len()))
    };
    let module = of(wasm).with_context(|| format!("{} cannot be read", wasm.display()))?;
    // A long run may outlive its own file, when someone builds a newer one: that one then binds anew.
    let program = std::env::current_exe()
        .map_err(Into::into)
        .and_then(|this| of(&this));
    Ok(format!(
        "{module}\n{}\n",
        program.unwrap_or_else(|_| "a program that is gone".to_owned())
    ))
}
