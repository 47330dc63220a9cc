//! `cargo xtask bench NAME`: builds a bench as a release is built, and runs it.
//!
//! A bench prints its own table and compares itself with others in the same run. Nothing is judged here:
//! on a shared machine the ratios between rows of one run say much, the times of one row little.

use std::path::{self, PathBuf};

use anyhow::Result;
use clap::Args;

use crate::{
    command::{self, cargo},
    install, npm, wasm,
};

/// What `cargo xtask bench` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Which bench: `replication`, `sending`, `streams` (as root), `delta`, `slow_readers`,
    /// `throughput`.
    name: String,
    /// Also write the rows into this file, as one JSON array.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Passed on to the bench, as in `cargo xtask bench replication -- --help`.
    #[arg(last = true)]
    rest: Vec<String>,
}

impl Options {
    /// The option by which a bench that opens a page in Chromium is told where the page's modules lie.
    fn page_option(&self) -> Option<&'static str> {
        if self.rest.iter().any(|option| option == "--no-chromium") {
            return None;
        }
        match &*self.name {
            "throughput" => Some("--client"),
            "slow_readers" => Some("--dist"),
            _ => None,
        }
    }
}

/// Builds and runs a bench.
///
/// # Errors
/// When there is none of that name, or it does not build, or fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut command = cargo();
    command.args(["bench", "--workspace", "--bench", &options.name, "--"]);
    if let Some(file) = &options.json {
        // cargo starts a bench in its package's folder, not in the caller's.
        command.arg("--json").arg(path::absolute(file)?);
    }
    if options.name == "replication" {
        install::node()?;
        command.arg("--wasm").arg(wasm::build_decoder()?);
    }
    if options.name == "throughput" {
        command.arg("--packages").arg(npm::binaryjs()?);
    }
    if let Some(option) = options.page_option() {
        install::chromium()?;
        let page = wasm::build(&wasm::Options {
            dev: false,
            only: Some(wasm::Module::Client),
        })?;
        let folder = match option {
            "--client" => page.join("client"),
            _ => page,
        };
        command.arg(option).arg(folder);
    }
    command.args(&options.rest);
    command::run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn a_bench_that_leaves_chromium_out_gets_no_page() {
        let option = |name: &str, rest: &[&str]| {
            let options = Options {
                name: name.to_owned(),
                json: None,
                rest: rest.iter().map(ToString::to_string).collect(),
            };
            options.page_option()
        };
        assert_eq!(option("throughput", &[]), Some("--client"));
        assert_eq!(option("throughput", &["--no-chromium"]), None);
        assert_eq!(option("slow_readers", &["--no-chromium"]), None);
        assert_eq!(option("delta", &[]), None);
    }
}
