//! Processes that are killed at any moment, and what is left of it in the one that lives on: nothing.
//!
//! Server and bots run as processes of their own, this same program started again. Threads, descriptors and
//! sockets are counted from outside, in `/proc`; rooms and players by the server's own metrics.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _},
    process::{ChildStderr, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tests::{
    process::{OwnedChild, anonymous_bytes},
    seeds::Replay,
    sim::game::{Health, Setting, Steer, game},
};
use tickwire_bots::{Options, SchemaBot, options::Play};
use tickwire_protocol::time::Micros;
use tickwire_server::{
    limits::Limits,
    net::Server,
    prelude::{Game, Replicated},
};
use tokio::net::TcpListener;

/// No step of these tests takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the bots' process is told to play, and for how many milliseconds.
const URL: &str = "TICKWIRE_TEST_URL";
const MILLIS: &str = "TICKWIRE_TEST_MILLIS";
/// Set for players that stay and press nothing: how many, for the bots' process.
const IDLE: &str = "TICKWIRE_TEST_IDLE";

const BOTS: usize = 48;
const ROOMS: u32 = 6;

/// Idle players whose memory is measured.
const IDLE_PLAYERS: usize = 400;

/// What a player who does nothing may cost the server, everything included.
const IDLE_PLAYER_BYTES_MAX: u64 = 8 * 1024;

/// Kills in each direction, each at a moment from its own seed.
const KILLS: u64 = 6;

/// This program once more, in another part. Killed with the test.
struct Process(OwnedChild);

impl Process {
    fn start(part: &str, variables: &[(&str, String)]) -> Self {
        let child = Command::new(env::current_exe().expect("a test is a program"))
            .args(["--exact", part, "--ignored", "--nocapture"])
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(OwnedChild(child.expect("it starts")))
    }

    /// A server, and where it listens.
    fn server() -> (Self, String) {
        Self::server_with(&[])
    }

    fn server_with(variables: &[(&str, String)]) -> (Self, String) {
        let mut process = Self::start("kill::server", variables);
        // By reference, so that the pipe stays open: the test's frame says something more after a minute.
        let stdout = process.0.stdout.as_mut().expect("it was piped");
        let address = BufReader::new(stdout)
            .lines()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("listening on ")?.1.to_owned()));
        (process, address.expect("it says where it listens"))
    }

    fn bots(address: &str, play: Duration) -> Self {
        let variables = [
            (URL, format!("ws://{address}/play")),
            (MILLIS, play.as_millis().to_string()),
        ];
        Self::start("kill::bots", &variables)
    }

    fn idle_bots(address: &str, count: usize) -> Self {
        let variables = [
            (URL, format!("ws://{address}/play")),
            (MILLIS, PATIENCE.as_millis().to_string()),
            (IDLE, count.to_string()),
        ];
        Self::start("kill::bots", &variables)
    }

    /// Memory that is the process's own: no file, no shared page.
    fn own_bytes(&self) -> u64 {
        anonymous_bytes(self.0.id()).expect("the process is there")
    }

    /// As the kernel does it for want of memory, or an operator in haste: without a word.
    fn kill(&mut self) {
        self.0.kill().expect("it was ours to kill");
        self.0.wait().expect("it ends");
    }

    fn held(&self) -> Held {
        let folder = |name| {
            fs::read_dir(format!("/proc/{}/{name}", self.0.id())).expect("the process is there")
        };
        let targets = folder("fd").filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        let is_socket =
            |target: &std::path::PathBuf| target.to_string_lossy().starts_with("socket:");
        Held {
            threads: folder("task").count(),
            descriptors: folder("fd").count(),
            sockets: targets.filter(is_socket).count(),
        }
    }
}

/// What a process holds of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    threads: usize,
    descriptors: usize,
    sockets: usize,
}

/// Waits until something holds; says what was seen last when it never does.
fn until<T: std::fmt::Debug>(mut look: impl FnMut() -> T, holds: impl Fn(&T) -> bool) {
    let start = Instant::now();
    loop {
        let seen = look();
        if holds(&seen) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "it stayed at {seen:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Connections, players and rooms of a server, by its metrics.
fn inside(address: &str) -> [String; 4] {
    let answer = minreq::get(format!("http://{address}/metrics"))
        .send()
        .expect("the server answers");
    let text = answer.as_str().expect("it is text");
    let value = |name: &str| {
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        format!("{name} {}", value.unwrap_or_default())
    };
    [
        value("tickwire_connections"),
        value("tickwire_handshakes"),
        value("tickwire_players"),
        value("tickwire_rooms"),
    ]
}

fn players(address: &str) -> usize {
    let [_, _, players, _] = inside(address);
    let number = players.rsplit(' ').next().and_then(|it| it.parse().ok());
    number.expect("a number")
}

fn is_empty(inside: &[String; 4]) -> bool {
    inside.iter().all(|line| line.ends_with(" 0"))
}

#[test]
fn bots_that_are_killed_at_any_moment_leave_nothing_in_the_server() {
    let (server, address) = Process::server();
    let mut idle = None;
    for seed in 0..=KILLS {
        let _replay = Replay {
            what: format!("the kill of seed {seed}"),
        };
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bots = Process::bots(&address, PATIENCE);
        // From the first connection on: in the upgrades, the handshakes, the first snapshots, the play.
        until(|| inside(&address), |inside| !is_empty(inside));
        thread::sleep(Duration::from_millis(random.u64(..600)));
        bots.kill();
        until(|| inside(&address), is_empty);
        match idle {
            // What is made once for all was made for the first ones. The connection that asked last is gone by then.
            None => {
                thread::sleep(Duration::from_secs(1));
                idle = Some(server.held());
                println!("at rest: {idle:?}");
            }
            Some(idle) => until(|| server.held(), |held| *held == idle),
        }
    }
}

#[test]
fn a_player_who_does_nothing_costs_the_server_less_than_eight_kib() {
    let (server, address) = Process::server_with(&[(IDLE, String::new())]);
    // What is made once for all, and for a room, was made for these.
    let mut few = Process::idle_bots(&address, 20);
    until(|| players(&address), |players| *players == 20);
    thread::sleep(Duration::from_millis(500));
    let before = server.own_bytes();
    let mut many = Process::idle_bots(&address, IDLE_PLAYERS);
    until(
        || players(&address),
        |players| *players == 20 + IDLE_PLAYERS,
    );
    thread::sleep(Duration::from_millis(500));
    let each = server.own_bytes().saturating_sub(before) / IDLE_PLAYERS as u64;
    assert!(each <= IDLE_PLAYER_BYTES_MAX, "{each} bytes each");
    assert!(each > 0, "nothing was measured");
    few.kill();
    many.kill();
}

#[test]
fn a_server_that_is_killed_at_any_moment_leaves_nothing_in_its_bots_and_they_say_what_happened() {
    for seed in 0..KILLS {
        let _replay = Replay {
            what: format!("the kill of seed {seed}"),
        };
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut server, address) = Process::server();
        let mut bots = Process::bots(&address, Duration::from_millis(4000));
        until(|| inside(&address), |inside| !is_empty(inside));
        thread::sleep(Duration::from_millis(random.u64(..600)));
        let playing = bots.held();
        server.kill();
        // They try again once a second: between two attempts they hold no socket, and never more threads.
        until(|| bots.held(), |held| held.sockets == 0);
        assert_eq!(bots.held().threads, playing.threads);
        let mut stderr = bots.0.stderr.take().expect("it was piped");
        let said = read_all(&mut stderr);
        let status = bots.0.wait().expect("it ends");
        assert!(!status.success(), "a run without a server is no success");
        assert!(
            said.contains("lost: ") || said.contains("Connection refused"),
            "{said}"
        );
    }
}

fn read_all(stderr: &mut ChildStderr) -> String {
    let mut said = Vec::new();
    stderr.read_to_end(&mut said).expect("a pipe");
    String::from_utf8_lossy(&said).into_owned()
}

/// A game in which nothing happens: what a player costs in it is the connection and the seat.
fn still() -> Game {
    Game::new("still")
        .replicate::<Health>()
        .input::<Steer>()
        .on_join(|world, _| world.spawn((Replicated, Health(9))).id())
}

#[test]
#[ignore = "the part of the server, started by the tests above"]
fn server() {
    let limits = Limits {
        empty_room_kept: Micros::from_millis(300),
        ..Limits::default()
    };
    let is_still = env::var(IDLE).is_ok();
    let make_game = move || {
        let game = if is_still {
            still()
        } else {
            game(Setting::default())
        };
        game.reconnect_grace(Duration::from_millis(300))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("the system has threads");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        println!("listening on {address}");
        let server = Server::new(make_game).workers(2).limits(limits);
        let served = server.serve(listener, std::future::pending()).await;
        served.expect("it serves until it is killed");
    });
}

#[test]
#[ignore = "the part of the bots, started by the tests above"]
fn bots() {
    let url = env::var(URL).expect("where to play");
    let millis = env::var(MILLIS).expect("for how long");
    let idle: Option<usize> = env::var(IDLE).ok().and_then(|text| text.parse().ok());
    let options = Options {
        bots: idle.unwrap_or(BOTS),
        rooms: if idle.is_some() { 1 } else { ROOMS },
        ramp: 400,
        threads: 2,
        flap: if idle.is_some() { 0.0 } else { 0.25 },
        decode: if idle.is_some() { 0.0 } else { 1.0 },
        play: if idle.is_some() {
            Play::Idle
        } else {
            Play::Random
        },
        quiet: true,
        duration: Duration::from_millis(millis.parse().expect("a number")),
        ..Options::for_target(&url)
    };
    let play = options.play;
    let outcome = tickwire_bots::run(options, move |number, schema| {
        Ok(Box::new(SchemaBot::new(schema, play, number as u64)?) as Box<_>)
    });
    let report = outcome.expect("the run can begin").report;
    assert!(report.failures().is_empty(), "{report}");
}
