//! Real sockets, the real server, real threads: few tests, each waits for its conditions. What players
//! may expect in detail is simulated; here it is shown that the shell does the same.

mod assets;
#[cfg(target_os = "linux")]
mod kill;
mod lobby;
mod relay;
mod streams;
#[cfg(unix)]
mod tls;

#[path = "../flow/content.rs"]
mod content;
#[path = "../flow/server.rs"]
mod flow_server;
#[path = "../flow/page.rs"]
mod page;
#[path = "../flow/process.rs"]
mod process;
#[path = "../flow/pump.rs"]
mod pump;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tests::sim::game::{Setting, game};
use tickwire_bots::{Options, Outcome, SchemaBot, options::Play};
use tickwire_protocol::error::CloseCode;
use tickwire_server::net::Server;
use tokio::{net::TcpListener, sync::oneshot};

/// A server on a port of its own, on threads of its own.
struct Running {
    address: SocketAddr,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
    joins: Arc<AtomicUsize>,
}

impl Running {
    fn start() -> Self {
        Self::start_with(|server| server)
    }

    /// With something added to the server.
    fn start_with(add: impl FnOnce(Server) -> Server + Send + 'static) -> Self {
        let joins = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&joins);
        let (shutdown, shut_down) = oneshot::channel();
        let (tell_address, address) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build();
            runtime
                .expect("the system has threads")
                .block_on(async move {
                    let listener = TcpListener::bind("127.0.0.1:0")
                        .await
                        .expect("a port is free");
                    tell_address
                        .send(listener.local_addr().expect("it is bound"))
                        .expect("the test waits for it");
                    let make_game = move || {
                        let counted = Arc::clone(&counted);
                        game(Setting::default()).on_knock(move |_, _| {
                            counted.fetch_add(1, Ordering::Relaxed);
                            Ok(())
                        })
                    };
                    let shut_down = async move { shut_down.await.unwrap_or_default() };
                    add(Server::new(make_game))
                        .serve(listener, shut_down)
                        .await
                        .expect("it serves");
                });
        });
        let address = address
            .recv_timeout(Duration::from_secs(30))
            .expect("the server starts");
        Self {
            address,
            shutdown: Some(shutdown),
            thread: Some(thread),
            joins,
        }
    }

    fn options(&self, bots: usize, duration: Duration) -> Options {
        let url = format!("ws://{}/play", self.address);
        Options {
            bots,
            duration,
            quiet: true,
            threads: 1,
            ..Options::for_target(&url)
        }
    }

    /// Snapshots that the server had no time or no room for: a busy machine may make it skip some.
    fn snapshots_skipped(&self) -> u64 {
        let answer = minreq::get(format!("http://{}/metrics", self.address)).send();
        let answer = answer.expect("the server answers");
        let lines = answer.as_str().expect("it is text").lines();
        let counts = lines.filter(|line| line.starts_with("tickwire_snapshots_skipped_total{"));
        let counts = counts.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
        counts.sum()
    }

    /// Tells the server to end, and waits until all its threads have.
    fn stop(&mut self) {
        if let Some(shutdown) = self.shutdown.take() {
            shutdown.send(()).expect("it still runs");
        }
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it ends without a panic");
        }
    }
}

fn play(options: Options) -> Outcome {
    let bot = |number: usize, schema: &_| {
        Ok(Box::new(SchemaBot::new(schema, Play::Random, number as u64)?) as Box<_>)
    };
    tickwire_bots::run(options, bot).expect("the run can begin")
}

#[test]
fn eight_players_play_and_hold_what_the_server_says() {
    let mut server = Running::start();
    let report = play(server.options(8, Duration::from_secs(3))).report;
    assert!(report.failures().is_empty(), "{report}");
    assert_eq!((report.connected, report.verified), (8, 8));
    assert!(report.input_to_effect_ms.p50 > 0.0, "inputs had an effect");
    server.stop();
}

#[test]
fn bots_that_read_by_the_clock_miss_nothing_and_are_not_timed() {
    let mut server = Running::start();
    let options = |bots, decode| Options {
        decode,
        light_read: Duration::from_millis(200),
        ..server.options(bots, Duration::from_secs(3))
    };
    let report = play(options(8, 0.25)).report;
    assert!(report.failures().is_empty(), "{report}");
    let mut missed = report.missed_ticks;
    assert_eq!((report.connected, report.verified), (8, 2));
    assert!(report.snapshots_per_second > 10.0, "{report}");
    assert!(report.interval_ms.p50 < 100.0, "only who decodes is timed");
    let Outcome {
        report, seconds, ..
    } = play(options(8, 0.0));
    assert!(report.failures().is_empty(), "{report}");
    let players: Vec<u64> = seconds.iter().map(|second| second.players).collect();
    assert_eq!((players.len(), players[2]), (3, 8), "none has left yet");
    assert!(report.snapshots_per_second > 10.0, "{report}");
    assert!(report.interval_ms.max == 0.0, "{report}");
    missed += report.missed_ticks;
    assert!(missed <= server.snapshots_skipped(), "{missed}: {report}");
    server.stop();
}

#[test]
fn hostile_peers_are_closed_with_their_codes_and_the_others_play_on() {
    let mut server = Running::start();
    let options = Options {
        garbage: 0.4,
        flood: 0.2,
        ..server.options(10, Duration::from_secs(6))
    };
    let report = play(options).report;
    assert!(report.failures().is_empty(), "{report}");
    assert_eq!(report.verified, 4, "{report}");
    for code in [
        CloseCode::WebSocket,
        CloseCode::Malformed,
        CloseCode::RateLimited,
    ] {
        assert!(
            report.closes.contains_key(&code.number()),
            "nobody was closed with {code:?}: {report}"
        );
    }
    server.stop();
}

#[test]
fn who_drops_its_connection_comes_back_to_its_own_seat() {
    let mut server = Running::start();
    let options = Options {
        flap: 0.5,
        ..server.options(4, Duration::from_secs(7))
    };
    let report = play(options).report;
    assert!(report.failures().is_empty(), "{report}");
    assert_eq!(
        server.joins.load(Ordering::Relaxed),
        4,
        "a seat that was kept was given out anew"
    );
    server.stop();
}

#[test]
fn a_server_that_shuts_down_tells_its_players_and_leaves_no_thread() {
    let mut server = Running::start();
    let options = server.options(5, Duration::from_secs(5));
    let (report, ()) = thread::scope(|scope| {
        let playing = scope.spawn(|| play(options).report);
        while server.joins.load(Ordering::Relaxed) < 5 {
            thread::yield_now();
        }
        server.stop();
        (playing.join().expect("the bots end"), ())
    });
    assert_eq!(
        report.closes.get(&CloseCode::GoingAway.number()),
        Some(&5),
        "{report}"
    );
}
