//! One entry point for people and for CI: `cargo xtask demo`, `test`, `wasm`, `bench`, `fuzz`.
//!
//! Everything that a fresh machine lacks is installed from here, each step said aloud, so that neither
//! the README nor CI holds a list of preparations that could part from what is really needed.

mod bench;
mod command;
mod demo;
mod fuzz;
mod install;
mod npm;
mod python;
mod summary;
mod test;
mod toolchain;
mod wasm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tickwire's tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Builds the demo game, serves it, and prints the address to open.
    Demo(demo::Options),
    /// Installs what the tests need, builds, and runs every check and every test.
    #[command(visible_alias = "ci")]
    Test(test::Options),
    /// Builds what the browser loads into target/dist.
    Wasm(wasm::Options),
    /// Builds and runs a bench.
    Bench(bench::Options),
    /// Throws made-up bytes at everything that reads a peer's, for minutes.
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Demo(options) => demo::run(&options),
        Task::Test(options) => return test::run(&options),
        Task::Wasm(options) => wasm::build(&options).map(|dist| println!("{}", dist.display())),
        Task::Bench(options) => bench::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
