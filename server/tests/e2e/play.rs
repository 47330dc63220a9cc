//! What a player gets who behaves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use tickwire_protocol::{
    limits::INPUT_TICKS_AHEAD_MAX, replicate::encode_value, session::Hello, websocket::Opcode,
};
use tickwire_server::net::Server;

use crate::{
    client::{Heard, Player},
    game::{Chat, Order, Push, pucks},
    server::{TestServer, WrappingServer},
};

#[test]
fn a_held_input_moves_the_own_entity_in_the_players_own_snapshots() {
    let server = TestServer::start(Server::new(pucks).workers(2));
    let mut ann = Player::named(server.address, "Ann");
    ann.until("an own entity", |ann| ann.own().is_some());
    let own = ann.own().unwrap();
    let before = ann.position(own).unwrap().x;
    ann.until("movement", |ann| {
        ann.push(1.0);
        ann.position(own)
            .is_some_and(|position| position.x > before + 50.0)
    });
    server.assert_saw_every_tick(&ann);
}

#[test]
fn a_game_starts_once_for_every_room() {
    let starts = Arc::new(AtomicU64::new(0));
    let count = starts.clone();
    let make_game = move || {
        let count = count.clone();
        pucks().on_start(move |_| _ = count.fetch_add(1, Relaxed))
    };
    let server = TestServer::start(Server::new(make_game).workers(1));
    assert_eq!(starts.load(Relaxed), 0, "no room is open");
    let mut ann = Player::named(server.address, "Ann");
    ann.until("an own entity", |ann| ann.own().is_some());
    assert_eq!(starts.load(Relaxed), 1);
}

#[test]
fn inputs_that_are_dropped_are_counted_by_why() {
    let server = TestServer::start(Server::new(pucks).workers(1));
    let mut ann = Player::named(server.address, "Ann");
    ann.until("an own entity", |ann| ann.own().is_some());
    let own = ann.own().unwrap();
    let before = ann.position(own).unwrap().x;
    ann.push(1.0);
    ann.until("an input that was taken", |ann| {
        ann.position(own)
            .is_some_and(|position| position.x > before)
    });
    let dropped = |reason: &str| format!("tickwire_inputs_dropped_total{{reason=\"{reason}\"}}");
    let reasons = ["late", "early", "duplicate"];
    for reason in reasons {
        server.until_metric(&dropped(reason), 0.0);
    }
    let newest = *ann.ticks.last().unwrap();
    let (ahead, far) = (INPUT_TICKS_AHEAD_MAX - 4, INPUT_TICKS_AHEAD_MAX * 4);
    // The one ahead waits, until its second takes its place, and so on.
    let [gone, waiting, early] = [newest - 20, newest + ahead, newest + far];
    let mut still = Vec::new();
    encode_value(&Push::default(), &mut still);
    for tick in [gone, early, early, waiting, waiting, waiting, waiting] {
        ann.session.push_input(tick, &still).unwrap();
    }
    ann.transmit();
    for (reason, count) in reasons.into_iter().zip([1.0, 2.0, 3.0]) {
        server.until_metric(&dropped(reason), count);
    }
}

#[test]
fn two_players_see_each_other_and_read_what_the_other_says() {
    let server = TestServer::start(Server::new(pucks).workers(2));
    let mut ann = Player::named(server.address, "Ann");
    let mut bob = Player::named(server.address, "Bob");
    ann.until("Bob's entity", |ann| {
        ann.replica.as_ref().unwrap().len() == 2
    });
    bob.until("Ann's entity", |bob| {
        bob.replica.as_ref().unwrap().len() == 2
    });
    bob.send_event(&Chat {
        text: "hello".into(),
    });
    ann.until("the chat", |ann| {
        ann.events_of::<Chat>()
            == [Chat {
                text: "hello".into(),
            }]
    });
    drop(bob);
    server.until_metric("tickwire_connections", 1.0);
}

#[test]
fn rooms_are_apart_and_spread_over_the_workers() {
    let server = TestServer::start(Server::new(pucks).workers(2));
    let mut players = Player::one_in_each(server.address, &["red", "green", "blue", "grey"]);
    for player in &mut players {
        player.until("five ticks more", |player| player.ticks.len() > 5);
        assert_eq!(
            player.replica.as_ref().unwrap().len(),
            1,
            "each sees only itself"
        );
    }
    assert!((server.metric("tickwire_rooms") - 4.0).abs() < f64::EPSILON);
}

#[test]
fn a_player_whose_connection_broke_gets_its_entity_back() {
    let server = TestServer::start(Server::new(pucks).workers(2));
    let mut ann = Player::named(server.address, "Ann");
    ann.until("an own entity", |ann| ann.own().is_some());
    let (own, welcome) = (ann.own(), ann.welcome.clone().unwrap());
    drop(ann);
    server.until_metric("tickwire_connections", 0.0);

    let hello = Hello {
        resume: Some(welcome.resume),
        ..Hello::default()
    };
    let mut again = Player::join(server.address, hello);
    again.until("the own entity", |ann| ann.own().is_some());
    let second = again.welcome.clone().unwrap();
    assert!(second.resumed);
    assert_eq!(
        (second.player, second.session),
        (welcome.player, welcome.session)
    );
    assert_eq!(again.own(), own);
}

#[test]
fn a_newer_connection_of_the_same_player_replaces_the_older_one() {
    let server = TestServer::start(Server::new(pucks).workers(2));
    let mut ann = Player::named(server.address, "Ann");
    let resume = Some(ann.welcome.as_ref().unwrap().resume);
    let mut again = Player::join(
        server.address,
        Hello {
            resume,
            ..Hello::default()
        },
    );
    assert_eq!(ann.until_closed(), Some(4008));
    again.until("more ticks", |again| again.ticks.len() > 3);
    assert!((server.metric("tickwire_players") - 1.0).abs() < f64::EPSILON);
}

#[test]
fn a_goodbye_frees_the_seat_at_once_and_others_see_the_entity_go() {
    let server = TestServer::start(Server::new(pucks).workers(2));
    let mut ann = Player::named(server.address, "Ann");
    let mut bob = Player::named(server.address, "Bob");
    ann.until("Bob's entity", |ann| {
        ann.replica.as_ref().unwrap().len() == 2
    });
    bob.session
        .close(tickwire_protocol::error::CloseCode::Normal, "enough");
    bob.transmit();
    assert_eq!(bob.until_closed(), Some(1000));
    ann.until("Bob's entity to go", |ann| {
        ann.replica.as_ref().unwrap().len() == 1
    });
}

#[test]
fn whom_the_game_sends_away_reads_why_and_is_closed_with_4009() {
    let server = TestServer::start(Server::new(pucks).workers(1));
    let mut ann = Player::named(server.address, "Ann");
    let mut bob = Player::named(server.address, "Bob");
    ann.send_event(&Order::Leave);
    assert_eq!(ann.until_closed(), Some(4009));
    assert_eq!(ann.said, ["as you wish"]);
    bob.until("Ann's entity to go", |bob| {
        bob.replica.as_ref().unwrap().len() == 1
    });
    server.until_metric("tickwire_players", 1.0);
    // As if it had not read that: its token leads it to the room that knows why, whatever room it names.
    let hello = Hello {
        resume: Some(ann.welcome.as_ref().unwrap().resume),
        room: "elsewhere".into(),
        ..Hello::default()
    };
    let mut again = Player::connect(server.address, hello);
    assert_eq!(again.until_closed(), Some(4009));
    assert_eq!(again.said, ["as you wish"]);
}

#[test]
fn a_ping_is_answered_with_its_payload() {
    let server = TestServer::start(Server::new(pucks).workers(1));
    let mut ann = Player::named(server.address, "Ann");
    ann.wire.send(Opcode::Ping, b"are you there?");
    let mut heard = Vec::new();
    let start = std::time::Instant::now();
    while !heard.contains(&Heard::Pong(b"are you there?".to_vec())) {
        assert!(start.elapsed() < Duration::from_secs(30));
        heard.extend(ann.wire.hear());
    }
}

#[test]
fn twenty_hertz_are_twenty_hertz() {
    let server = TestServer::start(Server::new(pucks).workers(1));
    let start = std::time::Instant::now();
    let mut ann = Player::named(server.address, "Ann");
    let first = *ann.ticks.last().unwrap();
    ann.until("forty ticks", |ann| {
        ann.ticks.last().unwrap().since(first) >= 40
    });
    // Two seconds, and what a loaded machine adds; the first tick may have been late.
    let seconds = start.elapsed().as_secs_f64();
    assert!((1.7..10.0).contains(&seconds), "{seconds}");
}

#[test]
fn health_and_metrics_answer_over_http() {
    let server = TestServer::start(Server::new(pucks).workers(2));
    assert!(server.get("/healthz").ends_with("ok\n"));
    let _ann = Player::named(server.address, "Ann");
    assert!((server.metric("tickwire_players") - 1.0).abs() < f64::EPSILON);
    assert!(server.metric("tickwire_ticks_total") >= 1.0);
    assert!(server.get("/nothing").starts_with("HTTP/1.1 404"));
    assert!(server.get("/play").starts_with("HTTP/1.1 400"));
}

#[test]
fn a_server_without_a_page_says_at_its_root_where_players_connect() {
    let server = TestServer::start(Server::new(pucks).workers(1));
    let answer = server.get("/");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("text/plain"), "{answer}");
    assert!(answer.ends_with("players connect to /play.\n"), "{answer}");
    assert!(server.get("/nothing").starts_with("HTTP/1.1 404"));
}

#[test]
fn what_a_game_answers_at_its_root_is_left_alone() {
    let page = Router::new().route("/", get(async || "the page"));
    let server = TestServer::start(Server::new(pucks).router(page).workers(1));
    assert!(server.get("/").ends_with("the page"));
    let lost = Router::new().fallback(async || (StatusCode::NOT_FOUND, "lost"));
    let server = TestServer::start(Server::new(pucks).router(lost).workers(1));
    for path in ["/", "/nothing"] {
        let answer = server.get(path);
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        assert!(answer.ends_with("lost"), "{answer}");
    }
}

#[test]
fn a_connection_that_tokio_must_wrap_plays_like_any_other() {
    let server = WrappingServer::start(Server::new(pucks).workers(1));
    let mut ann = Player::named(server.address, "Ann");
    ann.until("ten ticks", |ann| ann.ticks.len() >= 10);
    server.shut_down();
    assert_eq!(ann.until_closed(), Some(1001));
}

#[test]
fn what_players_see_and_what_it_costs_is_counted() {
    let server = TestServer::start(Server::new(pucks).workers(1));
    let mut ann = Player::in_room(server.address, "den");
    let mut bob = Player::in_room(server.address, "den");
    ann.push(1.0);
    for player in [&mut ann, &mut bob] {
        let seen = player.ticks.len();
        player.until("more ticks", |player| player.ticks.len() > seen + 5);
    }
    for name in [
        "tickwire_encode_hits_total",
        "tickwire_encode_misses_total",
        "tickwire_snapshot_age_seconds_count",
        "tickwire_snapshots_written_total",
        "tickwire_tick_seconds_count",
        "tickwire_stream_messages_total{stream=\"snapshot\",direction=\"out\"}",
        "tickwire_stream_messages_total{stream=\"input\",direction=\"in\"}",
        "tickwire_stream_bytes_total{stream=\"control\",direction=\"in\"}",
        "tickwire_messages_total{direction=\"out\"}",
    ] {
        server.until_metric_is(name, |value| value > 0.0);
    }
    for kind in ["messages", "live", "bytes", "asset"] {
        let name = format!("tickwire_stream_bytes_total{{stream=\"{kind}\",direction=\"in\"}}");
        assert!(server.metric(&name).abs() < f64::EPSILON, "{kind}");
    }
}

#[test]
fn what_a_room_leaves_out_that_is_too_slow_is_counted() {
    let slow = || pucks().add_systems(|| std::thread::sleep(Duration::from_millis(70)));
    let server = TestServer::start(Server::new(slow).workers(1));
    let mut ann = Player::in_room(server.address, "den");
    ann.until("some ticks", |ann| ann.ticks.len() > 3);
    for name in [
        "tickwire_snapshots_skipped_total{reason=\"overrun\"}",
        "tickwire_ticks_late_total",
        "tickwire_ticks_slipped_total",
    ] {
        server.until_metric_is(name, |value| value > 0.0);
    }
}
