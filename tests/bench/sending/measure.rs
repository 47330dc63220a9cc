//! The cases, and how one of them is measured.

use std::{
    io::{self, BufRead, BufReader},
    process::{ChildStdout, Command, Stdio},
    time::Duration,
};

use serde::Serialize;
use tests::process::OwnedChild;

use crate::{
    plan::{CROWD_INPUT_HZ, Plan, System},
    process::Usage,
};

/// One line of the table. What is skipped is for people.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) players: usize,
    pub(crate) snapshot_bytes: usize,
    pub(crate) system: &'static str,
    pub(crate) cpu_us_per_player_second: f64,
    #[serde(skip)]
    pub(crate) user_share: f64,
    pub(crate) ratio_to_floor: f64,
    #[serde(skip)]
    pub(crate) messages_per_player_second: f64,
    #[serde(skip)]
    pub(crate) interval_ms_p99: f64,
    pub(crate) tick_late_ms_p99: f64,
    pub(crate) memory_bytes_per_player: u64,
}

struct Case {
    name: &'static str,
    players: usize,
    rooms: usize,
    entities: usize,
    interest: bool,
    /// Inputs of a player per second.
    input_hz: u32,
}

/// One room in which everyone sees everything.
const fn one_room(name: &'static str, players: usize, entities: usize) -> Case {
    Case {
        name,
        players,
        rooms: 1,
        entities,
        interest: false,
        input_hz: if players > 1000 { CROWD_INPUT_HZ } else { 30 },
    }
}

const CASES: [Case; 5] = [
    one_room("100 players", 100, 1000),
    one_room("1000 players", 1000, 1000),
    one_room("5000 players", 5000, 1000),
    Case {
        interest: true,
        ..one_room("5000 with interest", 5000, 1000)
    },
    Case {
        rooms: 1000,
        ..one_room("1000 rooms of 8", 8000, 16)
    },
];

/// Measures every case whose name contains `only`, all systems in turn, and gives the median round.
pub(crate) fn all(seconds: u32, rounds: u32, only: Option<&str>) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for case in CASES
        .iter()
        .filter(|case| only.is_none_or(|only| case.name.contains(only)))
    {
        let mut by_system: [Vec<Row>; 3] = Default::default();
        for round in 0..rounds.max(1) {
            eprintln!("{}: round {} of {rounds}", case.name, round + 1);
            let mut plan = Plan {
                system: System::Tickwire,
                players: case.players,
                rooms: case.rooms,
                entities: case.entities,
                interest: case.interest,
                snapshot_bytes: 0,
                rate_hz: 20,
                input_hz: case.input_hz,
                seconds,
                workers: 0,
                hold: false,
            };
            // Tickwire goes first: the others send messages of the size that its snapshots had.
            let mut tickwire = one(case, &plan)?;
            plan.snapshot_bytes = tickwire.snapshot_bytes;
            plan.system = System::Floor;
            let mut floor = one(case, &plan)?;
            plan.system = System::Axum;
            let mut axum = one(case, &plan)?;
            for row in [&mut tickwire, &mut axum] {
                row.ratio_to_floor = row.cpu_us_per_player_second / floor.cpu_us_per_player_second;
            }
            floor.ratio_to_floor = 1.0;
            for (rows, row) in by_system.iter_mut().zip([floor, tickwire, axum]) {
                rows.push(row);
            }
        }
        rows.extend(by_system.into_iter().filter_map(median));
    }
    Ok(rows)
}

/// The round whose ratio lies in the middle.
fn median(mut rows: Vec<Row>) -> Option<Row> {
    rows.sort_by(|a, b| a.ratio_to_floor.total_cmp(&b.ratio_to_floor));
    let middle = rows.len() / 2;
    rows.into_iter().nth(middle)
}

/// A child that is ended when it goes out of scope.
pub(crate) struct Running {
    child: OwnedChild,
    lines: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(arguments: &[String]) -> io::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut child = OwnedChild(child);
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("no pipe"))?;
        Ok(Self {
            child,
            lines: BufReader::new(stdout),
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that the child prints.
    pub(crate) fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Err(io::Error::other(
                "a child of the bench ended early; its error is above",
            ));
        }
        Ok(line.trim().to_owned())
    }
}

fn one(case: &Case, plan: &Plan) -> io::Result<Row> {
    let mut server = Running::start(&[vec!["serve".to_owned()], plan.arguments()].concat())?;
    let address = server.line()?;
    let idle = Usage::of(server.id())?;
    let role = ["load", "--address", &address].map(str::to_owned).to_vec();
    let mut load = Running::start(&[role, plan.arguments()].concat())?;
    load.line()?;
    std::thread::sleep(Duration::from_secs(1));
    let before = Usage::of(server.id())?;
    std::thread::sleep(Duration::from_secs(u64::from(plan.seconds)));
    let after = Usage::of(server.id())?;
    let seen = numbers(&load.line()?)?;
    drop(load);
    let late = numbers(&server.line()?)?;
    let [messages, bytes, interval_p99] = seen[..] else {
        return Err(io::Error::other(
            "the load reported something else than three numbers",
        ));
    };
    let player_seconds = plan.players as f64 * f64::from(plan.seconds);
    let cpu = after.cpu_seconds_since(&before);
    Ok(Row {
        case: case.name.to_owned(),
        players: plan.players,
        snapshot_bytes: (bytes / messages.max(1.0)).round() as usize,
        system: plan.system.name(),
        cpu_us_per_player_second: cpu * 1e6 / player_seconds,
        user_share: (after.user_seconds - before.user_seconds) / cpu,
        ratio_to_floor: f64::NAN,
        messages_per_player_second: messages / player_seconds,
        interval_ms_p99: interval_p99,
        tick_late_ms_p99: late.first().copied().unwrap_or(f64::NAN),
        memory_bytes_per_player: after.anonymous_bytes.saturating_sub(idle.anonymous_bytes)
            / plan.players as u64,
    })
}

fn numbers(line: &str) -> io::Result<Vec<f64>> {
    line.split(' ')
        .map(|word| word.parse().map_err(io::Error::other))
        .collect()
}
