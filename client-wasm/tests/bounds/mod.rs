//! What a client does at its bounds: the game that is left, and what may follow; events that nobody takes,
//! frames that nobody draws, a server that stands still, and one that comes back as another.

use tickwire_client::{ClientEvent, Connection, Prediction, limits::EVENTS_WAITING_MAX};
use tickwire_protocol::{
    mux::{StreamEvent, Write},
    replicate::Replicate,
    schema::Schema,
    session::ServerSession,
    stream::{StreamKind, StreamOptions},
    time::Micros,
};

use crate::{
    SECOND, config, not_compiled_in,
    room::{Chat, OTHER, OWN, Pipe, Play, Position, Rules, Steer, TICK},
};

#[test]
fn who_has_left_does_not_come_back_when_the_farewell_times_out() {
    let mut play = Play::new(config(), |_| 20_000);
    play.run(SECOND, |_, _, _| {});
    play.client.leave();
    // The room hears the goodbye and says no more; the socket's end is not told either.
    play.run(120 * SECOND, |_, _, _| {});
    assert!(
        matches!(play.client.connection(), Connection::Ended { .. }),
        "{:?}",
        play.client.connection()
    );
    assert_eq!(play.room.hellos.len(), 1);
    let is_lost = |event: &ClientEvent| matches!(event, ClientEvent::Disconnected { .. });
    assert!(!play.events.iter().any(is_lost), "{:?}", play.events);
    let is_ended = |event: &&ClientEvent| matches!(event, ClientEvent::Ended { .. });
    assert_eq!(play.events.iter().filter(is_ended).count(), 1);
    assert!(play.client.poll_timeout(Micros(play.now)) > Micros(play.now));
}

#[test]
fn what_comes_after_leaving_does_not_swallow_the_goodbye() {
    let mut play = Play::new(config(), |_| 20_000);
    play.run(SECOND, |_, _, _| {});
    play.client.leave();
    // Something is on its way, and is here before anything goes out.
    let late = play.room.tick(play.now + 50_000);
    assert_eq!(late.len(), 1);
    let now = Micros(play.now);
    play.client
        .handle_message(&late[0], now)
        .expect("it is well-formed");
    let mut goodbye = vec![];
    assert!(play.client.poll_message(0, now, &mut goodbye));
    play.room.handle_message(&goodbye, play.now);
    let is_open = play.room.session.as_ref().map(ServerSession::is_open);
    assert_eq!(is_open, Some(false), "the room was not told");
}

#[test]
fn who_leaves_during_an_upload_has_nothing_left_to_wait_for() {
    let mut play = Play::new(config(), |_| 20_000);
    play.run(SECOND, |_, _, _| {});
    let now = Micros(play.now);
    let streams = play.client.streams().expect("it is open");
    let options = StreamOptions::new(StreamKind::Bytes);
    let id = streams.open(options, now).expect("the first");
    play.run(SECOND, |_, room, now| room.accept_streams(now));
    let now = Micros(play.now);
    let streams = play.client.streams().expect("it is open");
    while streams.write(id, vec![0; 16_384].into(), now) == Ok(Write::Taken) {}
    let mut message = vec![];
    while play.client.poll_message(64 * 1024, now, &mut message) {}
    assert!(play.client.holds_bulk(), "the link takes no more");

    play.client.leave();
    message.clear();
    assert!(play.client.poll_message(0, now, &mut message), "a goodbye");
    assert!(!play.client.holds_bulk());
    play.client.handle_close(1000, "", now);
    // No next input is due either.
    let due = play.client.poll_timeout(now);
    assert!(due.since(now) > Micros(SECOND), "{due:?}");
}

#[test]
fn who_has_left_may_come_again_at_once() {
    let mut play = Play::new(config(), |_| 20_000);
    play.run(SECOND, |_, _, _| {});
    play.client.leave();
    (play.up, play.down) = (Pipe::default(), Pipe::default());
    play.client.retry(Micros(play.now));
    play.run(60 * SECOND, |_, _, _| {});
    assert!(play.client.is_playing());
    assert_eq!(play.room.hellos.len(), 2);
    assert_eq!(play.room.hellos[1].resume, None, "the seat was given up");
}

#[test]
fn what_is_pressed_after_a_server_stood_still_counts_at_once() {
    let stands_still = 2 * SECOND..12 * SECOND;
    let still = stands_still.clone();
    // What is sent to a server that stands still is read when it goes on.
    let mut play = Play::new(config(), move |now| {
        let waits = if still.contains(&now) {
            still.end - now
        } else {
            0
        };
        waits + 20_000
    });
    let mut prediction = Prediction::new(Rules);
    play.client.set_input(&Steer::default()).expect("it fits");
    let mut run = |play: &mut Play, micros| {
        play.run(micros, |client, _, now| {
            prediction.handle_frame(client, Micros(now));
        });
        *prediction.shown().expect("it is in the room")
    };
    run(&mut play, stands_still.start);
    play.room.stand_still(10 * SECOND);
    run(&mut play, 10 * SECOND + 4 * TICK);

    let right = Steer {
        right: 1.0,
        fires: false,
    };
    play.client.set_input(&right).expect("it fits");
    run(&mut play, 4 * TICK);
    assert_eq!(play.room.steer, right, "what was stamped before is played");
    play.client.set_input(&Steer::default()).expect("it fits");
    let shown = run(&mut play, SECOND);
    assert_eq!(play.room.steer, Steer::default());
    assert!((shown - play.room.own_x).abs() < 0.07, "{shown}");
}

#[test]
fn the_own_entity_is_drawn_where_it_was_while_the_line_is_gone() {
    let mut play = Play::new(config(), |_| 20_000);
    let mut prediction = Prediction::new(Rules);
    let right = Steer {
        right: 1.0,
        fires: false,
    };
    play.client.set_input(&right).expect("it fits");
    let mut seen = vec![];
    let mut run = |play: &mut Play, micros| {
        play.run(micros, |client, _, now| {
            prediction.handle_frame(client, Micros(now));
            seen.push(prediction.shown().copied());
        });
        core::mem::take(&mut seen)
    };
    let last = run(&mut play, 2 * SECOND).pop().flatten();
    assert!(last.is_some(), "it is in the room");
    play.cut(1006, "");
    play.client.set_input(&Steer::default()).expect("it fits");
    play.room.own_x = 3000.0;
    let mut seen = run(&mut play, 2 * SECOND);
    assert!(play.client.is_playing());
    seen.dedup();
    assert_eq!(seen, [last, Some(play.room.own_x)]);

    play.client.leave();
    assert_eq!(run(&mut play, TICK).last(), Some(&None));
}

#[test]
fn events_that_nobody_takes_push_out_each_other_and_nothing_else() {
    let mut play = Play::new(config(), |_| 20_000);
    play.run(SECOND, |_, _, _| {});
    let mut at = play.now;
    let options = StreamOptions::new(StreamKind::Bytes);
    let session = play.room.session.as_mut().expect("it is open");
    let streams = session.streams().expect("it is open");
    streams.open(options, Micros(at)).expect("the first");
    let rounds = 40;
    for _ in 0..rounds {
        for _ in 0..50 {
            play.room.send_event(&Chat { text: "x".into() });
        }
        at += 50_000;
        for message in play.room.tick(at) {
            let taken = play.client.handle_message(&message, Micros(at));
            taken.expect("it is well-formed");
        }
    }
    let events: Vec<_> = core::iter::from_fn(|| play.client.poll_event()).collect();
    assert_eq!(events.len(), EVENTS_WAITING_MAX);
    let is_opened =
        |event: &ClientEvent| matches!(event, ClientEvent::Stream(StreamEvent::Opened(_)));
    assert!(is_opened(&events[0]), "{:?}", events[0]);
    let dropped = play.client.stats(Micros(at)).events_dropped;
    assert_eq!(dropped + EVENTS_WAITING_MAX as u64 - 1, 50 * rounds);
}

#[test]
fn what_came_and_went_is_told_to_who_draws_however_rarely() {
    let mut play = Play::new(config(), |_| 20_000);
    play.run(SECOND, |_, _, _| {});
    play.room.other_is_there = false;
    // Nothing is drawn for five seconds, as in a hidden tab, and more states come than are kept.
    let mut at = play.now;
    for _ in 0..100 {
        at += 50_000;
        for message in play.room.tick(at) {
            let taken = play.client.handle_message(&message, Micros(at));
            taken.expect("it is well-formed");
        }
        let passed = play.client.handle_timeout(Micros(at));
        passed.expect("the server is not silent");
    }
    let passed = play.client.handle_frame(Micros(at));
    passed.expect("the server is not silent");
    let view = play.client.view().expect("snapshots came");
    assert_eq!((view.entities(), view.left()), (&[OWN][..], &[OTHER][..]));
    let before = view.before().expect("it was drawn from another state");
    assert!(before.get::<Position>(OTHER).is_some());
}

/// An input with other names in as many bytes.
#[derive(Replicate)]
struct Turn {
    #[wire(range(-1.0, 1.0), step = 0.125)]
    left: f32,
    boosts: bool,
}

#[test]
fn an_input_is_not_sent_to_a_server_that_came_back_with_another() {
    let mut play = Play::new(not_compiled_in(), |_| 20_000);
    play.client
        .set_input(&Steer {
            right: 1.0,
            fires: true,
        })
        .unwrap();
    play.run(2 * SECOND, |_, _, _| {});
    assert!(play.room.steer.fires, "what was set before is sent");
    play.cut(1001, "");
    let mut other = Schema::new();
    for component in play.room.schema.components() {
        other.add_component(component.clone()).expect("as before");
    }
    other.set_input(Turn::schema()).expect("the first");
    play.room.schema = other.into();
    play.room.applied.clear();
    play.run(2 * SECOND, |_, _, _| {});
    assert!(play.client.is_playing());
    assert_eq!(play.room.applied, [], "what it was sent is no input of its");
    // What is set anew is sent.
    play.client.set_input(&Steer::default()).unwrap_err();
    let turn = Turn {
        left: 0.5,
        boosts: true,
    };
    play.client.set_input(&turn).unwrap();
    play.run(SECOND, |_, _, _| {});
    assert!(!play.room.applied.is_empty());
}
