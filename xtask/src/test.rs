//! `cargo xtask test`: every check and every test, in one run, with one sum at the end.
//!
//! A failing step does not stop the others: one run tells everything. The steps stand so that each
//! reuses what the one before compiled: clippy and rustdoc share one compilation of the dependencies,
//! the tests and the browser tests' server the other. That is why all of them name the whole workspace;
//! a single package would choose other features for what they share, and compile that again.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::{
    command::{self, cargo, say, shown},
    demo, install, npm, python,
    summary::{Count, Kind, Summary, failed_test},
    wasm,
};

/// With the browser's half of client and demo, which is off in an ordinary build.
const BROWSER_FEATURES: [&str; 2] = [
    "--features",
    "tickwire-client/browser,tickwire-demo/browser",
];

/// What `cargo xtask test` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only tests whose name contains this, and no checks.
    filter: Option<String>,
    /// Leave out the checks (format, clippy, docs) and the browser.
    #[arg(long)]
    quick: bool,
}

/// Runs everything, prints the sum, and says by the exit code whether all of it is good.
pub(crate) fn run(options: &Options) -> ExitCode {
    let mut summary = Summary::default();
    let filter = options.filter.as_slice();
    if !options.quick && options.filter.is_none() {
        checks(&mut summary);
    }
    tests(
        &mut summary,
        "tests and doctests",
        cargo()
            .args(["test", "--workspace", "--no-fail-fast"])
            .args(filter),
    );
    if !options.quick {
        conformance(&mut summary, filter);
        browser(&mut summary, filter);
    }
    println!("{}", summary.shown());
    if !summary.has_tests() {
        eprintln!("error: no test has passed; does a name contain the filter?");
    }
    if summary.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What is checked without running the code.
fn checks(summary: &mut Summary) {
    if step(summary, "rustfmt and clippy", install::rustfmt_and_clippy) {
        step(summary, "format", || {
            command::run(cargo().args(["fmt", "--all", "--check"]))
        });
        step(summary, "clippy", || {
            let mut clippy = cargo();
            clippy
                .args(["clippy", "--workspace", "--all-targets"])
                .args(BROWSER_FEATURES);
            command::run(clippy.args(["--", "-D", "warnings"]))
        });
    }
    step(summary, "docs", || {
        let mut doc = cargo();
        doc.args(["doc", "--workspace", "--no-deps"])
            .args(BROWSER_FEATURES);
        command::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
    });
    step(summary, "the room core without its shell", || {
        command::run(cargo().args([
            "check",
            "--package",
            "tickwire-server",
            "--no-default-features",
        ]))
    });
}

/// The tests that need other people's WebSocket clients, with what they need.
fn conformance(summary: &mut Summary, filter: &[String]) {
    let is_ready = step(summary, "npm ws and Python's websockets", || {
        npm::conformance()?;
        python::websockets().map(|_| ())
    });
    if is_ready {
        let mut command = cargo();
        command
            .args(["test", "--workspace", "--test", "conformance"])
            .args(filter)
            .args(["--", "--ignored"]);
        tests(
            summary,
            "tests with npm ws and Python's websockets",
            &mut command,
        );
    }
}

/// The tests that need a browser, with what they need.
fn browser(summary: &mut Summary, filter: &[String]) {
    if !step(summary, "Chromium and ChromeDriver", install::chromium) {
        return;
    }
    if step(summary, "Node and npm binaryjs", || {
        npm::binaryjs().map(|_| ())
    }) {
        let mut command = cargo();
        command
            .args(["test", "--workspace", "--test", "binaryjs"])
            .args(filter)
            .args(["--", "--ignored"]);
        tests(summary, "tests with npm binaryjs", &mut command);
    }
    let built = step(summary, "the page and its server", || {
        wasm::build(&wasm::Options {
            dev: false,
            only: None,
        })?;
        demo::build_server(false).map(|_| ())
    });
    if built {
        // `--ignored`: a plain `cargo test` leaves them out, because it cannot build the page.
        let mut command = cargo();
        command
            .args(["test", "--workspace", "--test", "browser"])
            .args(filter)
            .args(["--", "--ignored"]);
        tests(summary, "browser tests", &mut command);
    }
}

/// One check: it counts as one passed or failed test.
fn step(summary: &mut Summary, name: &'static str, body: impl FnOnce() -> Result<()>) -> bool {
    say(name);
    let started = Instant::now();
    let outcome = body();
    if let Err(error) = &outcome {
        eprintln!("error: {error:#}");
        summary.keep_failure(name, format!("{error:#}"));
    }
    let count = Count {
        passed: u64::from(outcome.is_ok()),
        ..Count::default()
    };
    summary.add(name, Kind::Step, count, outcome.is_ok(), started.elapsed());
    outcome.is_ok()
}

/// One run of cargo's tests: its own results are counted.
fn tests(summary: &mut Summary, name: &'static str, command: &mut Command) {
    say(name);
    let started = Instant::now();
    let mut count = Count::default();
    let mut failed = Vec::new();
    let outcome = counted(command, &mut count, &mut failed);
    if let Err(error) = &outcome {
        eprintln!("error: {error:#}");
        // It did not compile, or crashed.
        if failed.is_empty() {
            failed.push(format!("{error:#}"));
        }
    }
    for what in failed {
        summary.keep_failure(name, what);
    }
    summary.add(name, Kind::Tests, count, outcome.is_ok(), started.elapsed());
}

/// Runs a test program, lets everything it prints through, and on the way counts its results and notes the names of
/// failed tests.
fn counted(command: &mut Command, count: &mut Count, failed: &mut Vec<String>) -> Result<()> {
    let line = shown(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{line}` could not be started"))?;
    let stdout = child.stdout.take().context("its output was piped")?;
    // By bytes, not by `lines`: a test may print anything.
    let mut reader = BufReader::new(stdout);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes)? > 0 {
        std::io::stdout().write_all(&bytes)?;
        let line = String::from_utf8_lossy(&bytes);
        count.read_line(&line);
        failed.extend(failed_test(&line).map(str::to_owned));
        bytes.clear();
    }
    let status = child.wait()?;
    ensure!(
        status.success(),
        "`{line}` failed ({status}); what failed is above"
    );
    Ok(())
}
