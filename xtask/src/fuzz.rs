//! `cargo xtask fuzz [BODY] [--seconds N]`: the fuzz bodies for minutes, where the tests run them for seconds.
//!
//! Built as the tests are, not as a release: overflow checks and assertions are half of what a body promises.

use anyhow::Result;
use clap::Args;

use crate::command::{self, cargo};

/// What `cargo xtask fuzz` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Only bodies whose name contains this, such as `delta` or `hostile`; all of them without it.
    body: Option<String>,
    /// Seconds for each body.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Passed on, as in `cargo xtask fuzz -- --list` or `-- --from 7 --cases 1000`.
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Builds the bodies and runs them.
///
/// # Errors
/// When they do not build, there is none of that name, a promise is broken, or memory grows.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut command = cargo();
    command.args(["bench", "--workspace", "--profile", "dev"]);
    command.args(["--bench", "fuzz", "--"]).args(&options.body);
    command.arg("--seconds").arg(options.seconds.to_string());
    command.args(&options.rest);
    command::run(&mut command)
}
