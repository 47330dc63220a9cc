//! How a client's game ends by the player's own will, and what may follow.

use tickwire_client::{ClientEvent, Connection};
use tickwire_protocol::time::Micros;

use crate::{
    SECOND, config,
    room::{Pipe, Play},
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
    let is_open = play.room.session.as_ref().map(|session| session.is_open());
    assert_eq!(is_open, Some(false), "the room was not told");
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
