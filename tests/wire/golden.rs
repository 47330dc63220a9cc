//! A whole session, byte for byte: handshake, inputs, events, a stream both ways, farewell.
//!
//! Where a change to the wire is meant, read the difference, raise `PROTOCOL_VERSION`, and write the new
//! file with `TICKWIRE_WRITE_GOLDEN=1 cargo test -p tests --test wire`.

use std::{fmt::Write as _, path::Path};

use tickwire_protocol::{
    error::CloseCode,
    mux::Write,
    session::{ClientSession, ServerEvent, ServerSession},
    stream::{Class, StreamKind, StreamOptions},
    time::{Micros, RoomTime, Tick},
};

use crate::{examples, page::hex};

/// Both ends on one virtual clock, and what went over the wire between them.
struct Recording {
    client: ClientSession,
    server: ServerSession,
    now: Micros,
    tick: Tick,
    lines: String,
}

impl Recording {
    fn new() -> Self {
        let now = Micros(1_000_000);
        Self {
            client: ClientSession::new(examples::hello(), 7, now),
            server: ServerSession::new(now),
            now,
            tick: Tick(40),
            lines: String::new(),
        }
    }

    fn step(&mut self) {
        self.now = self.now + Micros(50_000);
        self.tick = self.tick.next();
        let at = RoomTime {
            now: self.now,
            next_tick: self.tick,
            next_tick_due: self.now,
        };
        let mut message = Vec::new();
        while self.client.poll_transmit(4_000, self.now, &mut message) {
            self.server
                .handle_message(&message, at)
                .expect("a sound message");
            writeln!(self.lines, "{} up   {}", self.tick, hex(&message)).expect("a string");
            message.clear();
        }
        while self
            .server
            .poll_transmit(Class::Bulk, 4_000, at, &mut message)
        {
            self.client
                .handle_message(&message, self.now)
                .expect("a sound message");
            writeln!(self.lines, "{} down {}", self.tick, hex(&message)).expect("a string");
            message.clear();
        }
    }
}

fn recorded() -> String {
    let mut it = Recording::new();
    it.step();
    assert!(matches!(
        it.server.poll_event(),
        Some(ServerEvent::Hello(_))
    ));
    it.server
        .accept(examples::welcome(), it.now)
        .expect("a hello waits");
    it.step();
    let options = StreamOptions::new(StreamKind::Messages)
        .with_metadata("echo")
        .expect("small");
    let id = it
        .client
        .streams()
        .expect("open")
        .open(options, it.now)
        .expect("a free place");
    for step in 0..6u8 {
        it.client
            .push_input(it.tick + 2, &[step, 0x80])
            .expect("open");
        it.step();
        it.server.send_event(&[0, 0xa1, b'a' + step]).expect("open");
        it.client.send_event(&[1, step]).expect("open");
        let (now, streams) = (it.now, it.server.streams().expect("open"));
        if step == 0 {
            streams.accept(id, now).expect("offered");
        }
        while let Ok(Some(chunk)) = streams.read(id, now) {
            assert_eq!(streams.write(id, chunk.bytes, now), Ok(Write::Taken));
        }
        let streams = it.client.streams().expect("open");
        if step < 3 {
            assert_eq!(
                streams.write(id, vec![step; 40].into(), now),
                Ok(Write::Taken)
            );
        }
        while let Ok(Some(_)) = streams.read(id, now) {}
        if step == 3 {
            streams.end(id).expect("open");
            it.server.streams().expect("open").end(id).expect("open");
        }
    }
    assert!(
        it.client.streams().expect("open").is_empty(),
        "the stream is over"
    );
    it.server.close(CloseCode::Normal, "the round is over");
    it.step();
    it.lines
}

#[test]
fn a_session_is_the_same_bytes_as_ever() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("wire/session.golden");
    let now = recorded();
    if std::env::var_os("TICKWIRE_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &now).expect("the tests' folder can be written");
    }
    let golden = std::fs::read_to_string(&path).expect("the golden file is there");
    for (line, (old, new)) in golden.lines().zip(now.lines()).enumerate() {
        assert_eq!(old, new, "line {} of {path:?}", line + 1);
    }
    assert_eq!(golden.lines().count(), now.lines().count());
}
