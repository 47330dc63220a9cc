//! What a server logs of itself: the lives of connections, rooms, assets and of the server, and nothing of a
//! tick or a message.
//!
//! A subscriber is one for the whole process, so the test runs in one of its own.

use core::fmt::{self, Write as _};
use std::{
    fs,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tickwire_protocol::{session::Hello, time::Micros, websocket::Opcode};
use tickwire_server::{
    limits::Limits,
    net::{Server, assets::Library},
};
use tracing::{
    Event, Id, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Record},
};

use crate::{
    client::{Player, Wire},
    game::{Order, pucks},
    server::{Scratch, TestServer},
};

#[test]
fn lives_are_logged_with_their_spans_and_ticks_and_messages_are_not() {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "spans::alone", "--ignored", "--nocapture"])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Keeps every event as a line, with the span it belongs to.
#[derive(Clone, Default)]
struct Log(Arc<Kept>);

#[derive(Default)]
struct Kept {
    lines: Mutex<Vec<String>>,
    /// Of each span, its name and fields.
    spans: Mutex<Vec<String>>,
    /// The span that each thread is in: our code enters one at a time.
    current: Mutex<Vec<(std::thread::ThreadId, u64)>>,
    numbers: AtomicU64,
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            // Another one in every run.
            "address" | "directory" | "took" => Ok(()),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tickwire_server")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut fields = Fields(attributes.metadata().name().to_owned());
        attributes.record(&mut fields);
        let mut spans = self.0.spans.lock().unwrap();
        spans.push(fields.0);
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.0.numbers.fetch_add(1, Relaxed);
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let thread = std::thread::current().id();
        let current = self.0.current.lock().unwrap();
        let span = current.iter().rev().find(|(owner, _)| *owner == thread);
        let span = span.map_or_else(String::new, |(_, id)| {
            self.0.spans.lock().unwrap()[*id as usize - 1].clone()
        });
        let level = event.metadata().level();
        let line = format!("{level} [{span}]{}", fields.0);
        self.0.lines.lock().unwrap().push(line);
    }

    fn enter(&self, id: &Id) {
        let thread = std::thread::current().id();
        let mut current = self.0.current.lock().unwrap();
        current.push((thread, id.into_u64()));
    }

    fn exit(&self, _: &Id) {
        let thread = std::thread::current().id();
        let mut current = self.0.current.lock().unwrap();
        let place = current.iter().rposition(|(owner, _)| *owner == thread);
        current.remove(place.unwrap());
    }
}

impl Log {
    /// Waits for a line and takes everything up to it.
    fn until(&self, expected: &str) -> Vec<String> {
        let start = std::time::Instant::now();
        loop {
            let mut lines = self.0.lines.lock().unwrap();
            if let Some(place) = lines.iter().position(|line| line == expected) {
                return lines.drain(..=place).collect();
            }
            assert!(
                start.elapsed() < crate::client::PATIENCE,
                "no {expected:?} in {lines:#?}"
            );
            drop(lines);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
#[ignore = "its subscriber is the process's, and it is started in one of its own by the test above"]
fn alone() {
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let scratch = Scratch::new("spans");
    fs::write(scratch.0.join("note.txt"), "one").unwrap();
    let library = Library::watch(&scratch.0).unwrap();
    assert_eq!(log.until("INFO [assets] read files=1 bytes=3").len(), 1);

    let limits = Limits {
        connections_max: 100,
        empty_room_kept: Micros::from_millis(100),
        handshake_max: Micros::from_millis(500),
        ..Limits::default()
    };
    let game = || pucks().reconnect_grace(Duration::ZERO);
    let server = Server::new(game).workers(1).limits(limits);
    let mut server = TestServer::start(server.assets(library));
    log.until("INFO [] the server has begun workers=1 connections_max=100");
    a_life_of_a_connection_and_its_room(&log, &server);
    ends_of_other_kinds(&log, &server);

    fs::write(scratch.0.join("note.txt"), "three").unwrap();
    log.until("INFO [assets] changed files=1 bytes=5");

    let _last = Player::in_room(server.address, "last");
    server.shut_down();
    log.until("INFO [shutdown rooms=1 seats=1] begun");
    log.until("INFO [] saying goodbye worker=0 rooms=1 connections=1");
    log.until("INFO [room name=\"last\"] dropped");
    log.until("INFO [shutdown rooms=1 seats=1] ended rooms=0 seats=0 connections=0");
}

fn a_life_of_a_connection_and_its_room(log: &Log, server: &TestServer) {
    let hello = Hello {
        name: "Ann".into(),
        room: "den".into(),
        ..Hello::default()
    };
    let mut ann = Player::join(server.address, hello);
    log.until("DEBUG [connection number=0] seated room=\"den\" player=0");
    // Ticks, inputs, events and snapshots: not a line.
    let before = log.0.numbers.load(Relaxed);
    for _ in 0..20 {
        ann.push(1.0);
        ann.step();
    }
    ann.until("ticks", |ann| ann.ticks.len() > 20);
    assert_eq!(log.0.numbers.load(Relaxed), before);
    ann.session
        .close(tickwire_protocol::error::CloseCode::Normal, "enough");
    ann.transmit();
    ann.until_closed();
    log.until("DEBUG [connection number=0] closing code=1000 reason=\"goodbye\"");
    log.until("INFO [room name=\"den\"] dropped");
}

fn ends_of_other_kinds(log: &Log, server: &TestServer) {
    // Broken off without a word.
    drop(Wire::open(server.address));
    let lines = log.until("DEBUG [connection number=1] broke code=1006");
    assert!(
        lines.contains(&"DEBUG [connection number=1] accepted worker=0".to_owned()),
        "{lines:#?}"
    );
    // Closed for what it did.
    let mut wire = Wire::open(server.address);
    wire.send(Opcode::Text, b"hello");
    assert_eq!(wire.close_code(), Some(1003));
    log.until(
        "DEBUG [connection number=2] closing code=1003 \
         reason=\"a text message, where only binary ones are spoken\"",
    );
    // A room that fails.
    let mut bob = Player::in_room(server.address, "doomed");
    let lines = log.until("DEBUG [connection number=3] seated room=\"doomed\" player=0");
    let hello = "DEBUG [connection number=3] hello name=\"\" room=\"doomed\" resumes=false";
    let made = "INFO [room name=\"doomed\"] made worker=0 game=\"pucks\"";
    for line in [hello, made] {
        assert!(lines.contains(&line.to_owned()), "{lines:#?}");
    }
    bob.send_event(&Order::Panic);
    assert_eq!(bob.until_closed(), Some(1011));
    log.until("ERROR [room name=\"doomed\"] failed: the game panicked");
}
