//! What a transfer costs the game beside it: a 16 MiB asset down and snapshots at 20 Hz, or a file as long
//! up and inputs at 30 Hz, on one link.
//!
//! The link has a rate, a delay, a queue and loss of its own, under real kernel TCP: see `link`. The
//! bench starts itself as a server at one end and as a player at the other; both read the same clock, so
//! a delay is one way. What the asset would get alone is a plain TCP transfer over the same link. Beside
//! Tickwire stands what a careful program does without pacing: snapshots first, then chunks of 16 KiB,
//! and the kernel's own buffers.
//!
//! Run it by `cargo xtask bench streams [--json FILE]`, as root; it needs Debian's `iproute2` and
//! `procps`. Ctrl-C or SIGTERM ends it and takes its namespaces away. Several may run at once.

mod arrivals;
mod link;
mod plain;
mod player;
mod server;
mod up;

use std::{
    fs::{self, File},
    io::{self, Seek, Write},
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;
use tests::process::OwnedChild;
use tokio::signal::unix::{SignalKind, signal};

use crate::link::{Link, Shape};

/// MiB of the asset, as the bench tells both ends.
static ASSET_MIB: OnceLock<usize> = OnceLock::new();

/// Bytes of the asset.
fn asset_bytes() -> usize {
    ASSET_MIB.get().map_or(0, |mib| mib * 1024 * 1024)
}

/// Snapshots per second.
const SNAPSHOT_HZ: u32 = 20;

/// Inputs per second.
const INPUT_HZ: u32 = 30;

const PORT: u16 = 7700;

#[derive(Parser)]
#[command(about = "Snapshots beside a download, on links with a rate, a delay and a queue")]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// Writes the rows to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// How often each case is run.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Only cases whose name contains this, as in "20 Mbit/s, 40 ms, 500 KB, bbr".
    #[arg(long)]
    only: Option<String>,
    /// Only downloads, or only uploads.
    #[arg(long)]
    direction: Option<Direction>,
    /// What `cargo bench` passes.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Role {
    /// The server's end; started by the bench itself.
    #[command(hide = true)]
    Serve {
        system: System,
        direction: Direction,
        asset_mib: usize,
        address: SocketAddr,
    },
    /// The player's end; started by the bench itself.
    #[command(hide = true)]
    Play {
        system: System,
        direction: Direction,
        asset_mib: usize,
        address: SocketAddr,
    },
}

/// Which way the file goes, and what is urgent beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Direction {
    Down,
    Up,
}

impl Direction {
    const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
        }
    }

    const fn hz(self) -> u32 {
        match self {
            Self::Down => SNAPSHOT_HZ,
            Self::Up => INPUT_HZ,
        }
    }
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum System {
    Tickwire,
    /// The same upward, as a browser uploads, which has no kernel to ask.
    Marks,
    /// Snapshots first, 16 KiB chunks, nothing else.
    Priority,
    /// Snapshots and nothing beside them.
    NoAsset,
    /// The asset as one message.
    OneMessage,
    /// One queue for snapshots and chunks of 64 KiB.
    Fifo,
    /// Snapshots between chunks of 64 KiB.
    Interleave,
    /// [`Priority`](Self::Priority), and a send buffer of 64 KiB.
    SendBuffer,
    /// [`Priority`](Self::Priority), and 16 KiB unsent in the kernel at most.
    Unsent,
    /// The asset on a connection of its own.
    SecondConnection,
    /// The asset and nothing beside it.
    Alone,
}

impl System {
    /// How programs do it, from the worst on.
    const PEERS: [Self; 8] = [
        Self::NoAsset,
        Self::OneMessage,
        Self::Fifo,
        Self::Interleave,
        Self::Priority,
        Self::SendBuffer,
        Self::Unsent,
        Self::SecondConnection,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Tickwire => "tickwire",
            Self::Marks => "by marks",
            Self::Priority => "priority",
            Self::NoAsset => "no asset",
            Self::OneMessage => "one message",
            Self::Fifo => "FIFO, 64 KiB",
            Self::Interleave => "interleaved",
            Self::SendBuffer => "+ SO_SNDBUF",
            Self::Unsent => "+ LOWAT",
            Self::SecondConnection => "a second TCP",
            Self::Alone => "alone",
        }
    }
}

/// What a player saw.
#[derive(Clone, Debug, Default, Serialize, serde::Deserialize)]
struct Seen {
    /// One-way delay of each snapshot or input while the asset came, in micros, with its time since the asset began.
    delays: Vec<(u64, u64)>,
    /// Inputs instead, whose delays the link tells.
    inputs: Vec<Input>,
    bulk_mbit_s: f64,
    /// How late the link itself was at most.
    link_late_micros: u64,
}

/// An input made while a file went up.
#[derive(Clone, Copy, Debug, Serialize, serde::Deserialize)]
struct Input {
    /// Since the file began.
    at_micros: u64,
    made_micros: u64,
    /// Where it ends among the bytes of the connection.
    end: u64,
}

#[derive(Clone, Copy)]
struct Case {
    direction: Direction,
    mbit: u64,
    rtt_ms: u64,
    queue_kb: usize,
    loss_per_mille: u32,
    congestion: &'static str,
}

#[derive(Serialize)]
struct Row {
    case: String,
    system: &'static str,
    run: u32,
    direction: &'static str,
    congestion: &'static str,
    queue_kb: usize,
    delay_ms_p50: f64,
    delay_ms_p99: f64,
    delay_ms_p99_after_2s: f64,
    link_delay_ms: f64,
    bulk_mbit_s: f64,
    link_mbit_s: f64,
    link_late_ms: f64,
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(Role::Serve {
            system,
            direction,
            asset_mib,
            address,
        }) => {
            ASSET_MIB.get_or_init(|| asset_mib);
            match (system, direction) {
                (System::Tickwire | System::Marks, Direction::Down) => server::serve(address),
                (System::Tickwire | System::Marks, Direction::Up) => up::serve(address),
                _ => plain::serve(address, direction, system),
            }
        }
        Some(Role::Play {
            system,
            direction,
            asset_mib,
            address,
        }) => {
            ASSET_MIB.get_or_init(|| asset_mib);
            let seen = match (system, direction) {
                (System::Tickwire | System::Marks, Direction::Down) => player::play(address)?,
                (System::Tickwire, Direction::Up) => up::play(address, true)?,
                (System::Marks, Direction::Up) => up::play(address, false)?,
                _ => plain::play(address, direction, system)?,
            };
            println!("{}", serde_json::to_string(&seen)?);
            Ok(())
        }
        None => measure_all(&arguments),
    }
}

/// Notes that the bench shall end instead of ending at once, which would leave namespaces behind.
fn watch_for_interrupts() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut terminate = {
        let _entered = runtime.enter();
        signal(SignalKind::terminate())?
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        });
        INTERRUPTED.store(true, Relaxed);
    });
    Ok(())
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (direction, congestion) in [
        (Direction::Down, "cubic"),
        (Direction::Down, "bbr"),
        (Direction::Up, "cubic"),
        (Direction::Up, "bbr"),
    ] {
        for (mbit, rtt_ms, queue_kb, loss_per_mille) in [
            (20, 40, 100, 0),
            (20, 40, 500, 0),
            (5, 80, 100, 0),
            (100, 20, 500, 0),
            (20, 40, 100, 5),
        ] {
            cases.push(Case {
                direction,
                mbit,
                rtt_ms,
                queue_kb,
                loss_per_mille,
                congestion,
            });
        }
    }
    cases
}

impl Case {
    fn name(&self) -> String {
        let Self { mbit, rtt_ms, .. } = self;
        let loss = match self.loss_per_mille {
            0 => String::new(),
            loss => format!(", {} % loss", f64::from(loss) / 10.0),
        };
        format!("{mbit} Mbit/s, {rtt_ms} ms{loss}")
    }

    /// What takes seven seconds at 20 Mbit/s and faster: of 28 snapshots in one and a half the slowest would be
    /// the 99th percentile.
    const fn asset_mib(&self) -> usize {
        if self.mbit > 20 { 80 } else { 16 }
    }

    /// Whether all that programs do is measured beside it.
    const fn is_the_peers(&self) -> bool {
        matches!(self.direction, Direction::Down) && self.mbit == 20 && self.loss_per_mille == 0
    }

    fn shape(&self) -> Shape {
        Shape {
            rate_bits: self.mbit * 1_000_000,
            one_way: Duration::from_millis(self.rtt_ms) / 2,
            queue_bytes: self.queue_kb * 1000,
            loss_per_mille: self.loss_per_mille,
        }
    }
}

fn measure_all(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    // A run takes half a minute at most, and looks at this between its steps.
    watch_for_interrupts()?;
    let known = fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control")?;
    let _allowed = Allowed::every(&known)?;
    let mut rows = Vec::new();
    println!(
        "{:<28}{:<5}{:<8}{:>9}  {:<13}{:>9}{:>9}{:>9}{:>9}{:>11}{:>8}{:>9}",
        "link",
        "",
        "",
        "queue",
        "system",
        "p50 ms",
        "p99 ms",
        "> 2 s",
        "link ms",
        "Mbit/s",
        "share",
        "late ms"
    );
    for case in cases() {
        let name = case.name();
        let whole_name = format!("{name}, {} KB, {}", case.queue_kb, case.congestion);
        let is_other = |only: &String| !whole_name.contains(only);
        if arguments.only.as_ref().is_some_and(is_other)
            || arguments
                .direction
                .is_some_and(|only| only != case.direction)
        {
            continue;
        }
        if !known.split_whitespace().any(|one| one == case.congestion) {
            println!("{name}: this kernel has no {}", case.congestion);
            continue;
        }
        let alone = run(&case, System::Alone)?.bulk_mbit_s;
        for number in 0..arguments.runs {
            rows.push(measure(&case, System::Tickwire, number, alone)?);
            if case.direction == Direction::Up {
                rows.push(measure(&case, System::Marks, number, alone)?);
            }
        }
        let peers = if case.is_the_peers() {
            &System::PEERS[..]
        } else {
            &[System::Priority]
        };
        for peer in peers {
            rows.push(measure(&case, *peer, 0, alone)?);
        }
        if let Some(file) = &arguments.json {
            fs::write(file, serde_json::to_string_pretty(&rows)?)?;
        }
    }
    Ok(())
}

const ALLOWED: &str = "/proc/sys/net/ipv4/tcp_allowed_congestion_control";

/// Lets namespaces choose any congestion control that the kernel has. The last of several benches at
/// once puts back what the first has found: that stands in a file that each of them holds a lock on.
struct Allowed(File);

impl Allowed {
    fn every(known: &str) -> io::Result<Self> {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(std::env::temp_dir().join("tickwire-congestion-allowed"))?;
        file.lock_shared()?;
        // Read in this order: whoever has changed it has written down first what there was.
        let before = fs::read_to_string(ALLOWED)?;
        if io::read_to_string(&file)?.is_empty() {
            file.write_all(before.as_bytes())?;
        }
        fs::write(ALLOWED, known)?;
        Ok(Self(file))
    }

    fn restore(&mut self) -> io::Result<()> {
        self.0.rewind()?;
        fs::write(ALLOWED, io::read_to_string(&self.0)?)?;
        self.0.set_len(0)
    }
}

impl Drop for Allowed {
    fn drop(&mut self) {
        // Another bench holds it still: that one will.
        if self.0.try_lock().is_ok() {
            let _ = self.restore();
        }
    }
}

fn measure(case: &Case, system: System, run_number: u32, alone: f64) -> io::Result<Row> {
    let seen = run(case, system)?;
    let all: Vec<u64> = seen.delays.iter().map(|(_, delay)| *delay).collect();
    let late = seen.delays.iter().filter(|(at, _)| *at >= 2_000_000);
    let late: Vec<u64> = late.map(|(_, delay)| *delay).collect();
    let row = Row {
        case: case.name(),
        system: system.name(),
        run: run_number,
        direction: case.direction.name(),
        congestion: case.congestion,
        queue_kb: case.queue_kb,
        delay_ms_p50: quantile(&all, 0.5),
        delay_ms_p99: quantile(&all, 0.99),
        delay_ms_p99_after_2s: quantile(&late, 0.99),
        // A snapshot of these is a packet of some 400 bytes; an input is less.
        link_delay_ms: case.rtt_ms as f64 / 2.0 + 400.0 * 8.0 / (case.mbit as f64 * 1000.0),
        bulk_mbit_s: seen.bulk_mbit_s,
        link_mbit_s: alone,
        link_late_ms: seen.link_late_micros as f64 / 1000.0,
    };
    println!(
        "{:<28}{:<5}{:<8}{:>6} KB  {:<13}{:>9.1}{:>9.1}{:>9.1}{:>9.1}{:>11.1}{:>6.0} %{:>9.1}",
        row.case,
        row.direction,
        row.congestion,
        row.queue_kb,
        row.system,
        row.delay_ms_p50,
        row.delay_ms_p99,
        row.delay_ms_p99_after_2s,
        row.link_delay_ms,
        row.bulk_mbit_s,
        row.bulk_mbit_s / row.link_mbit_s * 100.0,
        row.link_late_ms,
    );
    Ok(row)
}

fn quantile(micros: &[u64], share: f64) -> f64 {
    let mut sorted = micros.to_vec();
    sorted.sort_unstable();
    let place = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted
        .get(place)
        .map_or(f64::NAN, |micros| *micros as f64 / 1000.0)
}

/// Lays the link anew, so that no run learns from the one before, and runs both ends.
fn run(case: &Case, system: System) -> io::Result<Seen> {
    let link = Link::lay(case.shape(), case.congestion)?;
    let program = std::env::current_exe()?;
    let direction = case.direction.name();
    let asset_mib = case.asset_mib().to_string();
    let possible = system.to_possible_value().expect("every system has a name");
    let address = format!("{}:{PORT}", Link::ADDRESSES[0]);
    let _server = OwnedChild(
        link.command(0, &program)
            .args([
                "serve",
                possible.get_name(),
                direction,
                &asset_mib,
                &address,
            ])
            .spawn()?,
    );
    let mut player = OwnedChild(
        link.command(1, &program)
            .args(["play", possible.get_name(), direction, &asset_mib, &address])
            .stdout(Stdio::piped())
            .spawn()?,
    );
    // Far longer than 16 MiB take on the slowest link.
    for _ in 0..1200 {
        if INTERRUPTED.load(Relaxed) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"));
        }
        if player.try_wait()?.is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let said = player.stdout.take().map(io::read_to_string).transpose()?;
    let said = said.unwrap_or_default();
    let mut seen: Seen = serde_json::from_str(&said).map_err(io::Error::other)?;
    seen.link_late_micros = link.late_micros();
    for input in &seen.inputs {
        let arrived = link.arrived_micros(input.end).ok_or_else(|| {
            io::Error::other("an input never arrived: the link saw fewer bytes than were sent")
        })?;
        let delay = arrived.saturating_sub(input.made_micros);
        seen.delays.push((input.at_micros, delay));
    }
    Ok(seen)
}

/// The clock that both ends read.
fn clock_micros() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000
}
