//! What a player gets who does not behave: its own close code, and nothing for the others to notice.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    time::Instant,
};

use tickwire_protocol::{
    error::CloseCode,
    limits::CLIENT_MESSAGE_BYTES_MAX,
    session::{ClientSession, Hello},
    time::Micros,
    websocket::{Opcode, Writer},
};
use tickwire_server::{limits::Limits, net::Server};

use crate::{
    client::{PATIENCE, Player, Wire},
    game::{Chat, Order, pucks},
    server::TestServer,
};

pub(crate) fn limits() -> Limits {
    Limits {
        handshake_max: Micros::from_millis(500),
        stall_max: Micros::from_millis(1000),
        messages_per_second_max: 200,
        ..Limits::default()
    }
}

/// Plays beside something bad, and sees every tick.
fn beside_a_witness(bad: impl FnOnce(&TestServer) -> (Option<u16>, u16)) {
    beside_a_witness_with(limits(), bad);
}

pub(crate) fn beside_a_witness_with(
    limits: Limits,
    bad: impl FnOnce(&TestServer) -> (Option<u16>, u16),
) {
    let server = TestServer::start(Server::new(pucks).workers(1).limits(limits));
    let mut witness = Player::named(server.address, "Witness");
    let (code, expected) = bad(&server);
    assert_eq!(code, Some(expected));
    witness.until("ticks after it", |witness| {
        let seen = witness.ticks.len();
        seen > 5
    });
    server.assert_saw_every_tick(&witness);
    assert!(
        (server.closes(expected) - 1.0).abs() < f64::EPSILON,
        "{}",
        server.get("/metrics")
    );
    server.until_metric("tickwire_connections", 1.0);
    server.until_metric("tickwire_players", 1.0);
}

pub(crate) fn hello_bytes(hello: Hello) -> Vec<u8> {
    let mut bytes = Vec::new();
    ClientSession::new(hello, 1, Micros(0)).poll_transmit(usize::MAX, Micros(0), &mut bytes);
    bytes
}

#[test]
fn random_bytes_end_with_1002() {
    beside_a_witness(|server| {
        let mut wire = Wire::open(server.address);
        wire.send_raw(&[0xff, 0x13, 0x37, 0xfe, 0x80, 0x01, 0x02, 0x03]);
        (wire.close_code(), 1002)
    });
}

#[test]
fn a_frame_without_a_mask_ends_with_1002() {
    beside_a_witness(|server| {
        let mut wire = Wire::open(server.address);
        wire.send_raw(&[0x82, 3, 1, 2, 3]);
        (wire.close_code(), 1002)
    });
}

#[test]
fn who_is_closed_while_it_uploads_is_told_why() {
    beside_a_witness(|server| {
        let mut wire = Wire::open(server.address);
        wire.send(Opcode::Text, b"hello");
        // What was under way already. A server that does not take it resets the line: there, the last word may be
        // lost.
        let mut uploaded = Vec::new();
        for _ in 0..64 {
            wire.writer
                .message(Opcode::Binary, &[0; 60_000], &mut uploaded);
        }
        wire.writer.close(1003, "", &mut uploaded);
        let taken = wire.stream.write_all(&uploaded);
        taken.expect("the server takes what was under way");
        let code = wire.close_code();
        let start = Instant::now();
        let end = loop {
            match wire.stream.read(&mut [0; 16]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(start.elapsed() < PATIENCE, "the line does not end");
                }
                end => break end,
            }
        };
        assert!(matches!(end, Ok(0)), "{end:?}");
        (code, 1003)
    });
}

#[test]
fn text_ends_with_1003_and_text_that_is_none_with_1007() {
    beside_a_witness(|server| {
        let mut wire = Wire::open(server.address);
        wire.send(Opcode::Text, b"hello");
        (wire.close_code(), 1003)
    });
    beside_a_witness(|server| {
        let mut wire = Wire::open(server.address);
        wire.send(Opcode::Text, b"\xff\xfe");
        (wire.close_code(), 1007)
    });
}

#[test]
fn a_message_over_the_limit_ends_with_1009() {
    beside_a_witness(|server| {
        let mut wire = Wire::open(server.address);
        wire.send(Opcode::Binary, &vec![0; CLIENT_MESSAGE_BYTES_MAX + 1]);
        (wire.close_code(), 1009)
    });
}

#[test]
fn bytes_that_are_no_message_end_with_4000() {
    beside_a_witness(|server| {
        let mut wire = Wire::open(server.address);
        wire.send(Opcode::Binary, &[0xee; 40]);
        (wire.close_code(), 4000)
    });
}

#[test]
fn a_truncated_hello_ends_with_4000() {
    beside_a_witness(|server| {
        let mut wire = Wire::open(server.address);
        let hello = hello_bytes(Hello {
            name: "Mallory".into(),
            ..Hello::default()
        });
        wire.send(Opcode::Binary, &hello[..hello.len() - 3]);
        (wire.close_code(), 4000)
    });
}

#[test]
fn another_version_ends_with_4001() {
    beside_a_witness(|server| {
        let mut wire = Wire::open(server.address);
        let mut hello = hello_bytes(Hello::default());
        // The version stands right behind the frame's header and the message's number, for ever.
        let version = tickwire_protocol::limits::PROTOCOL_VERSION.to_le_bytes();
        let at = hello.windows(2).position(|two| two == version).unwrap();
        hello[at] = 0x77;
        wire.send(Opcode::Binary, &hello);
        (wire.close_code(), 4001)
    });
}

#[test]
fn a_frame_before_the_hello_ends_with_4003() {
    beside_a_witness(|server| {
        let mut player = Player::named(server.address, "Donor");
        player.push(1.0);
        // A data frame for the input stream, to the end of the message.
        let mut input = Vec::new();
        let mut session = ClientSession::new(Hello::default(), 1, Micros(0));
        session.poll_transmit(usize::MAX, Micros(0), &mut input);
        input[1] = 1;
        // Opened last: a handshake may not take long here.
        let mut wire = Wire::open(server.address);
        wire.send(Opcode::Binary, &input);
        player
            .session
            .close(tickwire_protocol::error::CloseCode::Normal, "");
        player.transmit();
        player.until_closed();
        (wire.close_code(), 4003)
    });
}

#[test]
fn a_silent_socket_ends_with_4004() {
    beside_a_witness(|server| (Wire::open(server.address).close_code(), 4004));
}

#[test]
fn who_sends_far_too_much_is_closed_with_4006() {
    beside_a_witness(|server| {
        let mut player = Player::named(server.address, "Flood");
        for _ in 0..2000 {
            player.wire.send(Opcode::Pong, b"");
            player.wire.send(Opcode::Ping, b"x");
        }
        (player.until_closed(), 4006)
    });
}

#[test]
fn who_is_refused_by_the_game_reads_why_and_gets_4009() {
    beside_a_witness(|server| {
        let mut player = Player::connect(
            server.address,
            Hello {
                name: "nobody".into(),
                ..Hello::default()
            },
        );
        let code = player.until_closed();
        assert_eq!(player.said, ["nobody may not play"]);
        (code, 4009)
    });
}

#[test]
fn a_room_whose_only_guest_was_refused_does_not_tick() {
    let server = TestServer::start(Server::new(pucks).workers(1).limits(limits()));
    let mut player = Player::connect(
        server.address,
        Hello {
            name: "nobody".into(),
            ..Hello::default()
        },
    );
    assert_eq!(player.until_closed(), Some(4009));
    server.until_metric("tickwire_connections", 0.0);
    let ticks = server.metric("tickwire_ticks_total");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!((server.metric("tickwire_ticks_total") - ticks).abs() < f64::EPSILON);
}

#[test]
fn the_ninth_of_eight_gets_another_room_and_in_a_room_by_name_4007() {
    let server = TestServer::start(Server::new(pucks).workers(1).limits(limits()));
    let den = || Hello {
        room: "den".into(),
        ..Hello::default()
    };
    let _eight: Vec<Player> = (0..8)
        .map(|_| Player::join(server.address, den()))
        .collect();
    let mut ninth = Player::connect(server.address, den());
    assert_eq!(ninth.until_closed(), Some(4007));
    assert!((server.closes(4007) - 1.0).abs() < f64::EPSILON);
    let mut elsewhere = Player::named(server.address, "Ann");
    elsewhere.until("ticks", |player| player.ticks.len() > 2);
}

#[test]
fn a_full_process_closes_with_4007_and_counts_it() {
    let limits = Limits {
        connections_max: 1,
        ..limits()
    };
    let server = TestServer::start(Server::new(pucks).workers(1).limits(limits));
    let mut ann = Player::named(server.address, "Ann");
    assert_eq!(Wire::open(server.address).close_code(), Some(4007));
    assert!(
        (server.metric("tickwire_refused_total{reason=\"process\"}") - 1.0).abs() < f64::EPSILON
    );
    ann.until("ticks", |ann| ann.ticks.len() > 4);
    server.assert_saw_every_tick(&ann);
}

#[test]
fn who_stops_reading_is_closed_with_4005_and_delays_nobody() {
    let server = TestServer::start(Server::new(pucks).workers(1).limits(limits()));
    let mut witness = Player::named(server.address, "Witness");
    let mut sleeper = Player::named(server.address, "Sleeper");
    witness.send_event(&Order::Flood(8 * 1024));
    let start = Instant::now();
    // The kernel's buffers take a few megabytes before the server notices.
    while server.closes(4005) < 1.0 {
        assert!(start.elapsed() < PATIENCE, "{}", server.get("/metrics"));
        for _ in 0..20 {
            witness.step();
        }
        witness.events.clear();
    }
    server.assert_saw_every_tick(&witness);
    assert!(witness.closed.is_none());
    // Its seat waits for it: reading again, it sees that it was closed, or cut.
    let code = sleeper.until_closed();
    assert!(matches!(code, Some(4005) | None), "{code:?}");
}

#[test]
fn a_game_that_panics_ends_its_room_with_1011_and_no_other() {
    let server = TestServer::start(Server::new(pucks).workers(1).limits(limits()));
    let mut ann = Player::in_room(server.address, "red");
    let mut bob = Player::in_room(server.address, "blue");
    ann.send_event(&Order::Panic);
    assert_eq!(ann.until_closed(), Some(1011));
    let seen = bob.ticks.len();
    bob.until("more ticks", |bob| bob.ticks.len() > seen + 5);
    assert!((server.metric("tickwire_rooms_panicked_total") - 1.0).abs() < f64::EPSILON);
    assert!((server.metric("tickwire_rooms") - 1.0).abs() < f64::EPSILON);
    let again = Player::in_room(server.address, "red");
    assert_eq!(again.events_of::<Chat>(), []);
}

#[test]
fn a_game_that_panics_as_a_bad_player_leaves_ends_its_room_only() {
    let fragile = || pucks().on_leave(|_, _| panic!("on purpose"));
    let server = TestServer::start(Server::new(fragile).workers(1).limits(limits()));
    let mut witness = Player::in_room(server.address, "blue");
    let mut bad = Player::in_room(server.address, "red");
    bad.wire.send(Opcode::Binary, &[0xff; 20]);
    bad.until_closed();
    server.until_metric("tickwire_rooms_panicked_total", 1.0);
    let seen = witness.ticks.len();
    witness.until("more ticks", |witness| witness.ticks.len() > seen + 5);
    assert!(Player::in_room(server.address, "green").closed.is_none());
}

#[test]
fn who_says_goodbye_right_behind_its_hello_and_then_nothing_is_let_go() {
    let server = TestServer::start(Server::new(pucks).workers(1).limits(limits()));
    let mut session = ClientSession::new(Hello::default(), 1, Micros(0));
    let (mut hello, mut goodbye) = (Vec::new(), Vec::new());
    session.poll_transmit(usize::MAX, Micros(0), &mut hello);
    session.close(CloseCode::Normal, "");
    session.poll_transmit(usize::MAX, Micros(0), &mut goodbye);
    let mut frames = Vec::new();
    let mut writer = Writer::client(1);
    writer.message(Opcode::Binary, &hello, &mut frames);
    writer.message(Opcode::Binary, &goodbye, &mut frames);
    let mut wire = Wire::open(server.address);
    wire.send_raw(&frames);
    assert_eq!(wire.close_code(), Some(1000));
    server.until_metric("tickwire_connections", 0.0);
}
