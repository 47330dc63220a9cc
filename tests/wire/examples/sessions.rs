//! Whole messages of a session: the usual one up, the usual one down, events.

use tickwire_protocol::{
    session::{ClientSession, ServerEvent, ServerSession},
    stream::Class,
    time::{Micros, RoomTime, Tick},
};

use super::{Example, control};

pub(crate) fn all() -> Vec<Example> {
    vec![
        ("message-input", input()),
        ("message-snapshot", snapshot()),
        ("message-event", event()),
    ]
}

/// Both ends with the handshake behind them, and nothing said since.
pub(crate) struct Pair {
    pub(crate) client: ClientSession,
    pub(crate) server: ServerSession,
}

pub(crate) const NOW: Micros = Micros(1_000_000);

impl Pair {
    pub(crate) fn open() -> Self {
        let mut pair = Self {
            client: ClientSession::new(control::hello(None), 1, NOW),
            server: ServerSession::new(NOW),
        };
        pair.up();
        assert!(matches!(
            pair.server.poll_event(),
            Some(ServerEvent::Hello(_))
        ));
        pair.server
            .accept(control::welcome(), NOW)
            .expect("a hello waits");
        pair.down();
        pair.client.poll_event().expect("welcomed");
        // The first ping and its answer.
        pair.up();
        pair.down();
        pair
    }

    /// What the client sends, after the server has taken it.
    pub(crate) fn up(&mut self) -> Vec<u8> {
        let (mut all, mut message) = (Vec::new(), Vec::new());
        while self.client.poll_transmit(60_000, NOW, &mut message) {
            self.server
                .handle_message(&message, AT)
                .expect("a sound message");
            all.append(&mut message);
        }
        all
    }

    /// What the server sends, after the client has taken it.
    pub(crate) fn down(&mut self) -> Vec<u8> {
        let (mut all, mut message) = (Vec::new(), Vec::new());
        while self
            .server
            .poll_transmit(Class::Bulk, 60_000, AT, &mut message)
        {
            self.client
                .handle_message(&message, NOW)
                .expect("a sound message");
            all.append(&mut message);
        }
        all
    }
}

const AT: RoomTime = at(Tick(0x1234));

/// The room's time as it is about to step `next_tick`.
pub(crate) const fn at(next_tick: Tick) -> RoomTime {
    RoomTime {
        now: NOW,
        next_tick,
        next_tick_due: NOW,
    }
}

fn input() -> Vec<u8> {
    let mut pair = Pair::open();
    pair.client
        .push_input(Tick(0x1234), &[0xaa, 0xbb])
        .expect("open");
    let message = pair.up();
    let mut input = Vec::new();
    assert_eq!(
        pair.server.poll_input(Tick(0x1234), &mut input),
        Some(Tick(0x1234))
    );
    assert_eq!(input, [0xaa, 0xbb]);
    message
}

fn snapshot() -> Vec<u8> {
    let mut pair = Pair::open();
    let mut message = Vec::new();
    pair.server.begin_snapshot(&mut message);
    message.extend_from_slice(&[0xaa, 0xbb]);
    let snapshot = pair
        .client
        .handle_message(&message, NOW)
        .expect("a sound message");
    assert_eq!(snapshot, Some(&[0xaa, 0xbb][..]));
    message
}

fn event() -> Vec<u8> {
    let mut pair = Pair::open();
    pair.server
        .send_event(&[0x00, 0xa2, b'h', b'i'])
        .expect("open");
    pair.server.send_event(&[0x01, 0xc3]).expect("open");
    let message = pair.down();
    assert!(pair.client.poll_event().is_some() && pair.client.poll_event().is_some());
    message
}
