//! What both ends of a stream hold while its reader is slow: 512 MiB through one stream to a reader that takes
//! 1 MiB/s, down and up, with the native client and with Chromium.
//!
//! Every end is a process of its own, and what counts is its anonymous resident memory: at rest, and at most
//! during the transfer. Content is made and checked as it goes. The four transfers run beside each other; each
//! takes as long as its reader does. A page grows without any, until its browser collects what it has dropped: so a
//! fifth page only listens for as long, and what it comes to is what pages are compared with. The exit status says
//! whether every end stayed within 8 MiB of its rest and got what was sent.
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
    direction: Direction,
    bytes: u64,
    rate: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Down,
    Up,
    /// Nothing, for as long as it takes.
    None,
}

impl Direction {
    const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
            Self::None => "none",
        }
    }
}

impl Load {
    fn down(self) -> u64 {
        self.bytes_if(Direction::Down)
    }

    fn up(self) -> u64 {
        self.bytes_if(Direction::Up)
    }

    fn bytes_if(self, direction: Direction) -> u64 {
        if self.direction == direction {
            self.bytes
        } else {
            0
        }
    }
}

/// What one end of one transfer held.
struct Row {
    client: &'static str,
    direction: Direction,
    end: &'static str,
    held: Held,
    seconds: f64,
    is_whole: bool,
    notes: String,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let load = |direction| Load {
        direction,
        bytes: arguments.mib * MIB,
        rate: arguments.rate * MIB,
    };
    let rows = thread::scope(|scope| {
        let mut transfers = vec![];
        for load in [Direction::Down, Direction::Up].map(load) {
            transfers.push(scope.spawn(move || native(load)));
        }
        if !arguments.no_chromium {
            let dist = &arguments.dist;
            for load in [Direction::Down, Direction::Up, Direction::None].map(load) {
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
    let is_kept = rows.iter().all(|row| row.is_whole && is_kept(row, &rows));
    Ok(ExitCode::from(u8::from(!is_kept)))
}

/// Whether an end held no more than it may. A page may hold that beside what one comes to that only listens.
fn is_kept(row: &Row, rows: &[Row]) -> bool {
    let resting = rows
        .iter()
        .find(|other| other.end == row.end && other.direction == Direction::None);
    let by_itself = match resting {
        Some(page) if row.end == page::END => page.held.grown_bytes(),
        _ => 0,
    };
    row.held.grown_bytes() <= by_itself + HELD_BYTES_MAX
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
            row.direction.name(),
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
        "direction": row.direction.name(),
        "end": row.end,
        "idle_bytes": row.held.idle_bytes,
        "most_bytes": row.held.most_bytes,
        "seconds": row.seconds,
        "is_whole": row.is_whole,
    })
}
