//! Every limit that a peer can reach: its close code, its own counter, and nothing for the others to notice.
//! Those whose misbehaviour is told by the code alone stand in `hostile`; silence, which takes half a minute, in
//! the room's own tests.

use core::ops::Range;
use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use axum::{Extension, extract::ConnectInfo};
use tickwire_protocol::{
    coding::Reader,
    frame::{Frame, FrameKind, put_frame},
    id::StreamId,
    limits::{
        CLIENT_MESSAGE_BYTES_MAX, EVENTS_UNSENT_BYTES_MAX, STREAM_EVENTS_MAX, STREAMS_OPEN_MAX,
        SUBPROTOCOL,
    },
    mux::{REFUSE_CODE_TOO_MANY, StreamEvent},
    session::Hello,
    stream::{StreamKind, StreamOptions},
    time::Micros,
    websocket::{Opcode, upgrade::Upgrade},
};
use tickwire_server::{
    limits::{
        EVENTS_BURST_MAX, Limit, Limits, MESSAGES_BURST_SECONDS, REFUSALS_TOLD_MAX,
        STREAM_OFFERS_WAITING_MAX,
    },
    net::Server,
    prelude::Game,
};

use crate::{
    client::{Heard, PATIENCE, Player, Wire},
    game::{Chat, Order, pucks},
    hostile::{beside_a_witness_with, limits},
    server::TestServer,
};

fn reached(server: &TestServer, limit: Limit) -> f64 {
    let name = limit.name();
    server.metric(&format!(
        "tickwire_limits_reached_total{{limit=\"{name}\"}}"
    ))
}

fn refused(server: &TestServer, reason: &str) -> f64 {
    server.metric(&format!("tickwire_refused_total{{reason=\"{reason}\"}}"))
}

/// Reaches a limit beside a witness; the connection ends with the code, and the limit's counter has it.
fn reaches(limit: Limit, expected: u16, bad: impl FnOnce(&TestServer) -> Option<u16>) {
    reaches_with(limits(), limit, expected, bad);
}

fn reaches_with(
    limits: Limits,
    limit: Limit,
    expected: u16,
    bad: impl FnOnce(&TestServer) -> Option<u16>,
) {
    beside_a_witness_with(limits, |server| {
        let code = bad(server);
        let counted = reached(server, limit);
        assert!((counted - 1.0).abs() < f64::EPSILON, "{limit:?}: {counted}");
        (code, expected)
    });
}

/// The stream that a client opens after so many others.
fn stream(number: usize) -> StreamId {
    StreamId(StreamId::FIRST_OPENED.0 + 2 * number as u32)
}

/// One message with frames for each of these streams.
fn frames(numbers: Range<usize>, kinds: &[FrameKind]) -> Vec<u8> {
    let mut message = Vec::new();
    for stream in numbers.map(stream) {
        for &kind in kinds {
            let payload: &[u8] = match kind {
                // A byte stream one way, class 3, weight 16.
                FrameKind::Open => &[0x83, 3, 16, 0],
                // Code 300, no reason.
                FrameKind::Reset => &[0xac, 2],
                _ => &[],
            };
            put_frame(&mut message, kind, stream, payload);
        }
    }
    assert!(
        message.len() <= CLIENT_MESSAGE_BYTES_MAX,
        "{}",
        message.len()
    );
    message
}

#[test]
fn who_does_not_say_hello_is_closed_with_4004() {
    reaches(Limit::Handshake, 4004, |server| {
        Wire::open(server.address).close_code()
    });
}

#[test]
fn more_messages_than_allowed_are_closed_with_4006() {
    reaches(Limit::Messages, 4006, |server| {
        let mut player = Player::named(server.address, "Chatty");
        let at_once = u64::from(limits().messages_per_second_max) * MESSAGES_BURST_SECONDS;
        for _ in 0..2 * at_once {
            player.wire.send(Opcode::Pong, b"");
        }
        player.until_closed()
    });
}

#[test]
fn more_bytes_than_allowed_are_closed_with_4006() {
    let limits = Limits {
        bytes_per_second_max: 100_000,
        ..limits()
    };
    reaches_with(limits, Limit::Bytes, 4006, |server| {
        let mut player = Player::named(server.address, "Fat");
        // Large messages count by their bytes alone, and the data of streams does not count: this is metadata.
        let mut open = vec![0x83, 3, 16, 0];
        open.resize(4000, 0);
        for first in [0, 15, 30, 45] {
            let mut message = Vec::new();
            for number in first..first + 15 {
                put_frame(&mut message, FrameKind::Open, stream(number), &open);
            }
            player.wire.send(Opcode::Binary, &message);
        }
        player.wire.close_code()
    });
}

#[test]
fn more_events_at_once_than_allowed_are_closed_with_4006() {
    reaches(Limit::Events, 4006, |server| {
        let mut player = Player::named(server.address, "Eager");
        let (chat, _) = player.schema.as_ref().unwrap().event("chat").unwrap();
        let mut event = Vec::new();
        let nothing = Chat {
            text: String::new(),
        };
        tickwire_protocol::event::encode(chat.into(), &nothing, &mut event);
        // What a link held back comes at once, in one message here, so that no tick comes between.
        let mut message = Vec::new();
        for _ in 0..EVENTS_BURST_MAX {
            put_frame(&mut message, FrameKind::Data, StreamId::EVENT, &event);
        }
        player.wire.send(Opcode::Binary, &message);
        let ticks = player.ticks.len();
        player.until("a later tick", |player| player.ticks.len() > ticks + 2);
        player.wire.send(Opcode::Binary, &message);
        player.until_closed()
    });
}

#[test]
fn a_storm_of_opened_and_reset_streams_is_closed_with_4006() {
    reaches(Limit::StreamFrames, 4006, |server| {
        let mut player = Player::named(server.address, "Storm");
        let kinds = [FrameKind::Open, FrameKind::Reset];
        let message = frames(0..STREAM_EVENTS_MAX / 2 + 1, &kinds);
        player.wire.send(Opcode::Binary, &message);
        player.wire.close_code()
    });
}

#[test]
fn who_causes_answers_and_does_not_read_them_is_closed_with_4005() {
    reaches(Limit::ControlUnsent, 4005, |server| {
        let mut player = Player::named(server.address, "Deaf");
        // Each open beyond those that may be is answered with a refusal and its reason: two such messages
        // between two ticks are more than may wait.
        for number in 0..20 {
            let message = frames(7000 * number..7000 * (number + 1), &[FrameKind::Open]);
            player.wire.send(Opcode::Binary, &message);
        }
        // Who goes on sending may be cut before it reads the code.
        server.until_metric("tickwire_closes_total{code=\"4005\"}", 1.0);
        Some(4005)
    });
}

#[test]
fn a_message_over_the_limit_is_counted_as_that() {
    reaches(Limit::MessageBytes, 1009, |server| {
        let mut wire = Wire::open(server.address);
        wire.send(Opcode::Binary, &vec![0; CLIENT_MESSAGE_BYTES_MAX + 1]);
        wire.close_code()
    });
}

/// Has everybody flooded with so many bytes a tick, and one player read none of them. Says which of the
/// two limits ended it.
fn sleeps_through(bytes_per_tick: usize, stall_max: Micros) -> (f64, f64) {
    let limits = Limits {
        stall_max,
        ..limits()
    };
    let server = TestServer::start(Server::new(pucks).workers(1).limits(limits));
    let mut witness = Player::named(server.address, "Witness");
    let sleeper = Player::named(server.address, "Sleeper");
    // So that the kernel does not take megabytes before the server notices.
    let socket = socket2::SockRef::from(&sleeper.wire.stream);
    socket.set_recv_buffer_size(4096).unwrap();
    witness.send_event(&Order::Flood(bytes_per_tick));
    let start = Instant::now();
    while server.closes(4005) < 1.0 {
        assert!(start.elapsed() < PATIENCE, "{}", server.get("/metrics"));
        (0..20).for_each(|_| witness.step());
        witness.events.clear();
    }
    assert!(witness.closed.is_none());
    drop(sleeper);
    (
        reached(&server, Limit::EventsUnsent),
        reached(&server, Limit::Stall),
    )
}

#[test]
fn events_that_nobody_reads_end_with_4005_and_so_does_a_socket_that_takes_nothing() {
    // Nine ticks fill what may wait, and nobody looks for stalls.
    let flood = sleeps_through(EVENTS_UNSENT_BYTES_MAX / 9, Micros::from_millis(20_000));
    assert_eq!(flood, (1.0, 0.0));
    // The kernel's buffers fill, and long before the queue does the socket has taken nothing for a while.
    let stall = sleeps_through(4 * 1024, Micros::from_millis(100));
    assert_eq!(stall, (0.0, 1.0));
}

#[test]
fn a_full_room_and_one_room_too_many_are_counted_apart() {
    let limits = Limits {
        rooms_max: 1,
        ..limits()
    };
    let server = TestServer::start(Server::new(pucks).workers(1).limits(limits));
    let _eight: Vec<Player> = (0..8)
        .map(|_| Player::in_room(server.address, "den"))
        .collect();
    let join = |room: &str| {
        let hello = Hello {
            room: room.into(),
            ..Hello::default()
        };
        Player::connect(server.address, hello).until_closed()
    };
    assert_eq!(join("den"), Some(4007));
    assert_eq!(join("elsewhere"), Some(4007));
    let counts = [Limit::Players, Limit::Rooms].map(|limit| reached(&server, limit));
    assert_eq!(counts, [1.0, 1.0]);
}

/// What the server refuses of a stream, from the frames that it sends.
fn refusal_of(player: &mut Player, wanted: StreamId) -> Vec<u8> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        for heard in player.wire.hear() {
            let Heard::Binary(message) = heard else {
                continue;
            };
            let mut reader = Reader::new(&message);
            while let Ok(frame) = Frame::decode(&mut reader) {
                if (frame.kind, frame.stream) == (FrameKind::Refuse, wanted) {
                    return frame.payload.to_vec();
                }
            }
        }
    }
    panic!("it was not refused");
}

#[test]
fn one_stream_more_than_may_be_open_is_refused_and_the_player_plays_on() {
    let server = TestServer::start(Server::new(pucks).workers(1).limits(limits()));
    let mut ann = Player::named(server.address, "Ann");
    // In one message, so that none is answered before the last is read.
    let message = frames(0..STREAMS_OPEN_MAX + 1, &[FrameKind::Open]);
    ann.wire.send(Opcode::Binary, &message);
    let refusal = refusal_of(&mut ann, stream(STREAMS_OPEN_MAX));
    assert_eq!(u32::from(refusal[0]), REFUSE_CODE_TOO_MANY);
    assert_eq!(&refusal[1..], b"too many streams are open");
    server.until_metric(
        &format!(
            "tickwire_limits_reached_total{{limit=\"{}\"}}",
            Limit::Streams.name()
        ),
        1.0,
    );
    assert!((server.metric("tickwire_connections") - 1.0).abs() < f64::EPSILON);
}

/// A game that keeps what it is offered and never answers.
fn deaf() -> Game {
    pucks().players_max(16).streams()
}

#[test]
fn offers_that_a_game_leaves_unanswered_are_refused_beyond_their_limit() {
    let server = TestServer::start(Server::new(deaf).workers(1).limits(limits()));
    let each = STREAMS_OPEN_MAX;
    let mut players: Vec<Player> = (0..=STREAM_OFFERS_WAITING_MAX / each)
        .map(|_| Player::in_room(server.address, "den"))
        .collect();
    for player in &mut players {
        let now = player.now();
        let streams = player.session.streams().unwrap();
        for _ in 0..each {
            streams
                .open(StreamOptions::new(StreamKind::Bytes), now)
                .unwrap();
        }
        player.transmit();
    }
    let mut refusals = 0;
    players.last_mut().unwrap().until("refusals", |player| {
        let streams = player.streams.drain(..);
        let is_refusal =
            |event: &StreamEvent| matches!(event, StreamEvent::Refused { code: 3, .. });
        refusals += streams.filter(is_refusal).count();
        refusals == each
    });
    let counted = reached(&server, Limit::StreamOffers);
    assert!((counted - each as f64).abs() < f64::EPSILON, "{counted}");
}

#[test]
fn handshakes_in_flight_have_a_limit_and_each_that_ends_makes_room() {
    let limits = Limits {
        handshakes_max: 2,
        handshake_max: Micros::from_millis(60_000),
        ..limits()
    };
    let server = TestServer::start(Server::new(pucks).workers(1).limits(limits));
    // Those who have a seat do not count.
    let mut ann = Player::named(server.address, "Ann");
    let silent = [Wire::open(server.address), Wire::open(server.address)];
    server.until_metric("tickwire_handshakes", 2.0);
    assert_eq!(Wire::open(server.address).close_code(), Some(4007));
    assert!((refused(&server, "handshakes") - 1.0).abs() < f64::EPSILON);
    // One is broken off, one is turned away, one becomes a player.
    let [first, mut second] = silent;
    drop(first);
    server.until_metric("tickwire_handshakes", 1.0);
    second.send(Opcode::Binary, &[0xee; 40]);
    assert_eq!(second.close_code(), Some(4000));
    server.until_metric("tickwire_handshakes", 0.0);
    let _bob = Player::named(server.address, "Bob");
    server.until_metric("tickwire_handshakes", 0.0);
    ann.until("more ticks", |ann| ann.ticks.len() > 4);
    server.assert_saw_every_tick(&ann);
}

/// Serves like a program that accepts connections itself, and says that all of them come from one address.
fn behind_one_address(limits: Limits) -> (SocketAddr, mpsc::Receiver<String>) {
    let (told, tell) = mpsc::channel();
    let (metrics_out, metrics) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let running = Server::new(pucks)
                .workers(1)
                .limits(limits)
                .start()
                .unwrap();
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 1);
            let router = running.router().layer(Extension(ConnectInfo(address)));
            let serving = tokio::spawn(async move { axum::serve(listener, router).await });
            while metrics_out.send(running.metrics()).is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            serving.abort();
            running.shut_down().await;
        });
    });
    (tell.recv().unwrap(), metrics)
}

#[test]
fn one_address_has_its_limit_and_is_told_4006() {
    let (address, metrics) = behind_one_address(Limits {
        connections_per_address_max: 2,
        ..Limits::default()
    });
    let mut two = [Player::named(address, "Ann"), Player::named(address, "Bob")];
    assert_eq!(Wire::open(address).close_code(), Some(4006));
    let line = "tickwire_refused_total{reason=\"address\"} 1\n";
    let mut texts = metrics.iter().take(1000);
    assert!(texts.any(|text| text.contains(line)));
    for player in &mut two {
        let seen = player.ticks.len();
        player.until("more ticks", |player| player.ticks.len() > seen);
    }
    drop(metrics);
}

#[test]
fn behind_a_proxy_each_address_has_its_own_limit() {
    let limits = Limits {
        connections_per_address_max: 1,
        ..Limits::default()
    };
    let server = Server::new(pucks).workers(1).limits(limits);
    let server = TestServer::start(server.proxies([Ipv4Addr::LOCALHOST.into()]));
    let _one = Wire::open_for(server.address, "192.0.2.7");
    let _other = Wire::open_for(server.address, "192.0.2.8");
    let mut again = Wire::open_for(server.address, "203.0.113.1, 192.0.2.7");
    assert_eq!(again.close_code(), Some(4006));
    server.until_metric("tickwire_connections", 2.0);
}

#[test]
fn of_many_who_are_refused_some_are_not_even_upgraded_and_hold_nothing() {
    let limits = Limits {
        connections_max: 1,
        ..limits()
    };
    let server = TestServer::start(Server::new(pucks).workers(1).limits(limits));
    let mut ann = Player::named(server.address, "Ann");
    let (_, request) = Upgrade::request("test", "/play", Some(SUBPROTOCOL), [7; 16]);
    // None of them answers the close frame, so each holds its place for two seconds.
    let mut told = Vec::new();
    loop {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        if &answer == b"HTTP/1.1 503" {
            break;
        }
        assert_eq!(&answer, b"HTTP/1.1 101");
        told.push(stream);
        assert!(told.len() < 10 * REFUSALS_TOLD_MAX, "all are upgraded");
    }
    assert!(told.len() >= REFUSALS_TOLD_MAX);
    ann.until("more ticks", |ann| ann.ticks.len() > 4);
    server.assert_saw_every_tick(&ann);
}

#[test]
fn http_connections_beyond_their_limit_wait_for_a_place() {
    let limits = Limits {
        http_connections_max: 2,
        ..limits()
    };
    let server = TestServer::start(Server::new(pucks).workers(1).limits(limits));
    let open = || {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: t")
            .unwrap();
        stream
    };
    let held = [open(), open()];
    let mut third = open();
    third
        .write_all(b"est\r\nConnection: close\r\n\r\n")
        .unwrap();
    third
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut byte = [0];
    assert!(third.read(&mut byte).is_err(), "it waits");
    drop(held);
    third.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    third.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_nobody_reads_gives_its_place_back() {
    let large = "x".repeat(32 << 20);
    let router =
        axum::Router::new().route("/large", axum::routing::get(move || async move { large }));
    let limits = Limits {
        stall_max: Micros::from_millis(500),
        ..limits()
    };
    let server = Server::new(pucks).workers(1).limits(limits).router(router);
    let server = TestServer::start(server);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream
        .write_all(b"GET /large HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    // The metrics' own connection is the other one.
    server.until_metric("tickwire_http_connections", 2.0);
    server.until_metric("tickwire_http_connections", 1.0);
}

#[test]
fn a_request_whose_head_never_ends_is_dropped() {
    let server = TestServer::start(Server::new(pucks).workers(1).limits(limits()));
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(b"GET /play HTTP/1.1\r\nHost: te").unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    server.until_metric("tickwire_http_connections", 1.0);
}

#[test]
fn a_request_with_too_long_a_head_is_answered_with_431() {
    let server = TestServer::start(Server::new(pucks).workers(1).limits(limits()));
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = format!(
        "GET / HTTP/1.1\r\nHost: test\r\nX: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    // The server may close before it has read all of it.
    let _ = stream.write_all(head.as_bytes());
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 431");
}

#[test]
fn the_page_names_every_counter_of_a_limit() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/sending.md");
    let page = std::fs::read_to_string(page).unwrap();
    let limits = Limit::ALL.map(|limit| format!("{{limit=\"{}\"}}", limit.name()));
    let doors = ["process", "address", "http_address", "handshakes"]
        .map(|reason| format!("{{reason=\"{reason}\"}}"));
    for counter in limits.into_iter().chain(doors) {
        assert!(
            page.contains(&counter),
            "{counter} is not in docs/sending.md"
        );
    }
}
