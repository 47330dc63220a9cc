//! What both ends of a stream hold while its reader is slow: 512 MiB through one stream to a reader that takes
//! 1 MiB/s, down and up, with the native client and with Chromium.
//!
//! Every end is a process of its own, and what counts is its anonymous resident memory: at rest, and at most
//! during the transfer. Content is made and checked as it goes. The four transfers run beside each other; each
//! takes as long as its reader does. The exit status says whether every end stayed within 8 MiB of its rest and
//! got what was sent.
//!
//! Run it by `cargo xtask bench slow_readers`; `-- --mib 24` makes it short.

#[path = "../../browser/driver.rs"]
#[expect(dead_code, reason = "the browser's own tests use the rest")]
mod driver;
mod page;
#[path = "../../flow/process.rs"]
mod process;

use std::{
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::Parser;
use serde_json::json;

use crate::process::{End, Held};

const MIB: u64 = 1024 * 1024;

/// How much more than at rest an end may hold.
const HELD_BYTES_MAX: u64 = 8 * MIB;

/// How often an end is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What an end is given to come to rest.
const REST: Duration = Duration::from_secs(2);

#[derive(Parser)]
#[command(about = "Memory of both ends while a stream's reader is slow")]
struct Arguments {
    /// Mebibytes through each stream.
    #[arg(long, default_value_t = 512)]
    mib: u64,
    /// What a reader takes in a second, in mebibytes.
    #[arg(long, default_value_t = 1)]
    rate: u64,
    /// Writes the rows to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// The folder with Tickwire's client for pages, in a folder `client`.
    #[arg(long, default_value = "../target/dist")]
    dist: PathBuf,
    /// Leaves Chromium out.
    #[arg(long)]
    no_chromium: bool,
    /// What `cargo bench` passes.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What goes through a stream.
#[derive(Clone, Copy)]
struct Load {
    direction: &'static str,
    bytes: u64,
    rate: u64,
}

impl Load {
    const fn down(self) -> u64 {
        if self.is_down() { self.bytes } else { 0 }
    }

    const fn up(self) -> u64 {
        if self.is_down() { 0 } else { self.bytes }
    }

    const fn is_down(self) -> bool {
        matches!(self.direction.as_bytes(), b"down")
    }
}

/// What one end of one transfer held.
struct Row {
    client: &'static str,
    direction: &'static str,
    end: &'static str,
    held: Held,
    seconds: f64,
    is_whole: bool,
    notes: String,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let loads = ["down", "up"].map(|direction| Load {
        direction,
        bytes: arguments.mib * MIB,
        rate: arguments.rate * MIB,
    });
    let rows = thread::scope(|scope| {
        let mut transfers = vec![];
        for load in loads {
            transfers.push(scope.spawn(move || native(load)));
            if !arguments.no_chromium {
                let dist = &arguments.dist;
                transfers.push(scope.spawn(move || page::transfer(dist, load)));
            }
        }
        let mut rows = vec![];
        for transfer in transfers {
            rows.extend(transfer.join().expect("a transfer ends without a panic")?);
        }
        Ok::<_, anyhow::Error>(rows)
    })?;
    print(&rows);
    if let Some(file) = &arguments.json {
        let rows: Vec<_> = rows.iter().map(row_as_json).collect();
        std::fs::write(file, serde_json::to_vec_pretty(&rows)?)?;
    }
    let is_kept = rows
        .iter()
        .all(|row| row.is_whole && row.held.grown_bytes() <= HELD_BYTES_MAX);
    Ok(ExitCode::from(u8::from(!is_kept)))
}

fn native(load: Load) -> Result<Vec<Row>> {
    let mut server = End::start(&["serve"])?;
    let url = server.line()?.replace("http://", "ws://") + "/play";
    let (down, up, rate) = (load.down(), load.up(), load.rate);
    let [down, up, rate] = [down, up, rate].map(|number| number.to_string());
    let mut client = End::start(&[
        "flow",
        &url,
        &down,
        &up,
        "7",
        &rate,
        &load.bytes.to_string(),
    ])?;
    client.line()?;
    thread::sleep(REST);
    let mut held = [Held::of(server.id())?, Held::of(client.id())?];
    let begun = Instant::now();
    client.go()?;
    let verdict = thread::scope(|scope| {
        let verdict = scope.spawn(|| client.line());
        while !verdict.is_finished() {
            held.iter_mut().for_each(Held::look);
            thread::sleep(LOOK);
        }
        verdict.join().expect("it is only read")
    });
    let is_whole = verdict.context("the client's verdict")? == "whole";
    let seconds = begun.elapsed().as_secs_f64();
    let row = |end, held| Row {
        client: "native",
        direction: load.direction,
        end,
        held,
        seconds,
        is_whole,
        notes: String::new(),
    };
    Ok(vec![row("server", held[0]), row("client", held[1])])
}

fn print(rows: &[Row]) {
    println!("| client | direction | end | at rest | at most | more | seconds | whole | |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        let mib = |bytes: u64| bytes as f64 / MIB as f64;
        println!(
            "| {} | {} | {} | {:.2} MiB | {:.2} MiB | {:.2} MiB | {:.0} | {} | {} |",
            row.client,
            row.direction,
            row.end,
            mib(row.held.idle_bytes),
            mib(row.held.most_bytes),
            mib(row.held.grown_bytes()),
            row.seconds,
            if row.is_whole { "yes" } else { "NO" },
            row.notes,
        );
    }
}

fn row_as_json(row: &Row) -> serde_json::Value {
    json!({
        "client": row.client,
        "direction": row.direction,
        "end": row.end,
        "idle_bytes": row.held.idle_bytes,
        "most_bytes": row.held.most_bytes,
        "seconds": row.seconds,
        "is_whole": row.is_whole,
    })
}
