//! What is left of players and servers that end at any moment: nothing.
//!
//! Threads and file descriptors are counted for the whole process, so the test runs in one of its own.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use tickwire_server::net::Server;

use crate::{
    client::{PATIENCE, Player, Wire},
    game::pucks,
    server::TestServer,
};

/// Lives and deaths of a server, each from another seed.
const LIVES: u64 = 8;

/// What one server sees before its end.
const STEPS: usize = 24;

const ROOMS: [&str; 5] = ["red", "green", "blue", "grey", ""];

#[derive(Debug, PartialEq, Eq)]
struct Counts {
    threads: usize,
    descriptors: usize,
}

impl Counts {
    fn now() -> Self {
        let count = |path| std::fs::read_dir(path).unwrap().count();
        Self {
            threads: count("/proc/self/task"),
            descriptors: count("/proc/self/fd"),
        }
    }

    /// As they are for a while: a thread that was joined may still stand in the list for a moment.
    fn settled() -> Self {
        loop {
            let counts = Self::now();
            std::thread::sleep(Duration::from_millis(100));
            if counts == Self::now() {
                return counts;
            }
        }
    }
}

#[test]
fn players_and_servers_that_end_at_any_moment_leave_nothing_behind() {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "leaks::alone", "--ignored", "--nocapture"])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
#[ignore = "counts what its process has, and is started in one of its own by the test above"]
fn alone() {
    // What is made once for all, such as the resolver's, counts as there from the start.
    live_and_die(0);
    let before = Counts::settled();
    for seed in 1..=LIVES {
        live_and_die(seed);
        let begun = Instant::now();
        while Counts::now() != before {
            let now = Counts::now();
            assert!(
                begun.elapsed() < PATIENCE,
                "seed {seed}: {before:?} before, {now:?} after"
            );
            std::thread::yield_now();
        }
    }
}

/// What else holds a connection than a player.
enum Stranger {
    /// Has been upgraded and has not said hello.
    Silent(#[expect(dead_code, reason = "held open")] Box<Wire>),
    /// Is in the middle of its request.
    HalfARequest(#[expect(dead_code, reason = "held open")] TcpStream),
}

fn live_and_die(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let game = || pucks().reconnect_grace(Duration::ZERO);
    let mut server = TestServer::start(Server::new(game).workers(3));
    let mut players: Vec<Player> = Vec::new();
    let mut strangers = Vec::new();
    for _ in 0..STEPS {
        match random.u32(..8) {
            0..=2 => {
                let room = ROOMS[random.usize(..ROOMS.len())];
                players.push(Player::in_room(server.address, room));
            }
            3 if !players.is_empty() => drop(players.swap_remove(random.usize(..players.len()))),
            4 if !players.is_empty() => {
                let player = players.swap_remove(random.usize(..players.len()));
                reset(&player.wire.stream);
            }
            5 if !players.is_empty() => {
                // In the middle of a frame.
                let mut player = players.swap_remove(random.usize(..players.len()));
                player.wire.send_raw(&[0x82, 0xfe, 0x01]);
            }
            6 => strangers.push(stranger(&mut random, server.address)),
            _ => players.iter_mut().for_each(Player::step),
        }
    }
    if random.bool() {
        // All go before the server does: it has to notice by itself.
        strangers.clear();
        for player in players.drain(..) {
            if random.bool() {
                reset(&player.wire.stream);
            }
        }
        server.until_metric("tickwire_connections", 0.0);
        server.until_metric("tickwire_players", 0.0);
    }
    server.shut_down();
}

fn stranger(random: &mut fastrand::Rng, address: SocketAddr) -> Stranger {
    if random.bool() {
        return Stranger::Silent(Box::new(Wire::open(address)));
    }
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /play HTTP/1.1\r\nHost: te").unwrap();
    Stranger::HalfARequest(stream)
}

/// Has the socket end with a reset instead of a farewell when it is dropped.
fn reset(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
}
