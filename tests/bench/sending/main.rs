//! What sending costs: Tickwire beside the physical floor and beside axum with a task per player.
//!
//! Each measurement is two child processes on loopback, the server under test and the load; the parent
//! reads the server's CPU from the kernel's accounting. The three servers take turns, so that a machine
//! whose speed drifts drifts for all of them, and what counts is the ratio within one round.
//!
//! Run it by `cargo xtask bench sending [--json FILE]`. The trials (`--trial NAME`) judge one promise each
//! with the real bots instead: see [`trial`].

mod bare;
mod crowd;
mod floor;
mod handshake;
mod heavy;
mod lateness;
mod load;
mod measure;
mod plan;
mod process;
mod report;
mod scrape;
mod task_per_player;
mod tickwire;
mod trial;

use std::{
    io::Read,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    time::Instant,
};

use clap::{Parser, Subcommand};

use crate::{
    lateness::Lateness,
    plan::{Plan, System},
    trial::Trial,
};

#[derive(Parser)]
#[command(about = "CPU per player of Tickwire, the floor and axum, side by side")]
struct Arguments {
    #[command(subcommand)]
    role: Option<ChildRole>,
    /// Writes the rows to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Seconds that each measurement counts.
    #[arg(long, default_value_t = 8)]
    seconds: u32,
    /// How often the three take turns; the median counts, of an even number the worse of the two in the middle.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Only cases whose name contains this.
    #[arg(long)]
    case: Option<String>,
    /// Judges a promise with the real bots, instead of comparing.
    #[arg(long)]
    trial: Option<Trial>,
    /// What `cargo bench` passes.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum ChildRole {
    /// The server under test; started by the bench itself.
    #[command(hide = true)]
    Serve(Plan),
    /// The players; started by the bench itself.
    #[command(hide = true)]
    Load {
        #[arg(long)]
        address: SocketAddr,
        #[command(flatten)]
        plan: Plan,
    },
    /// The real bots; started by the bench itself.
    #[command(hide = true)]
    Crowd(Box<tickwire_bots::Options>),
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(ChildRole::Serve(plan)) => serve(&plan),
        Some(ChildRole::Load { address, plan }) => {
            let mut seen = load::run(&plan, address, Instant::now())?;
            let interval_p99_ms = seen.interval_p99_ms();
            println!("{} {} {interval_p99_ms}", seen.messages, seen.bytes);
            Ok(())
        }
        Some(ChildRole::Crowd(options)) => crowd::run(*options),
        None if arguments.trial.is_some() => match arguments.trial.map(Trial::run).transpose()? {
            Some(true) => Ok(()),
            _ => Err("a promise was not kept".into()),
        },
        None => {
            let rows = measure::all(
                arguments.seconds,
                arguments.rounds,
                arguments.case.as_deref(),
            )?;
            report::print(&rows);
            if let Some(path) = arguments.json {
                std::fs::write(path, serde_json::to_string_pretty(&rows)?)?;
            }
            Ok(())
        }
    }
}

/// Prints the port, serves until the players have left or the parent is gone, prints the lateness.
fn serve(plan: &Plan) -> Result<(), Box<dyn std::error::Error>> {
    end_with_parent();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let lateness = match plan.system {
        System::Floor => vec![floor::serve(plan, &listener)?],
        System::Axum => vec![task_per_player::serve(plan, listener)?],
        System::Tickwire => tickwire::serve(plan, listener)?,
    };
    println!("{}", Lateness::p99_ms(&lateness));
    Ok(())
}

/// The parent holds our standard input open; when it ends, however it ends, so do we.
fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(1);
    });
}
