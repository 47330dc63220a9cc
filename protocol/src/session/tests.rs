//! Both ends of a session, against each other and against bad peers.

use bytes::Bytes;

use super::{control::Control, *};
use crate::{
    error::{Awaited, CloseCode, DecodeError, PeerError, PeerMisbehaved, Queue, SendError},
    frame::{FrameKind, put_frame},
    id::{PlayerId, SessionId, StreamId},
    limits::{
        CLIENT_MESSAGE_BYTES_MAX, CONTROL_UNSENT_BYTES_MAX, EVENT_BYTES_MAX,
        EVENTS_UNSENT_BYTES_MAX, HANDSHAKE_MICROS_MAX, INPUT_BYTES_MAX, METADATA_BYTES_MAX,
        SILENCE_MICROS_MAX,
    },
    mux::{StreamEvent, Write},
    pace::Sample,
    stream::{Class, StreamKind, StreamOptions},
    time::{Micros, RoomTime, Tick},
};

const T0: Micros = Micros(1_000_000);

fn at(now: Micros) -> RoomTime {
    RoomTime {
        now,
        next_tick: Tick(100),
        next_tick_due: now,
    }
}

fn welcome() -> Welcome {
    Welcome {
        session: SessionId(7),
        player: PlayerId(3),
        resume: ResumeToken([9; 16]),
        resumed: false,
        tick_rate_millihertz: 20_000,
        next_tick: Tick(100),
        next_tick_due: T0,
        server_time: T0,
        message_bytes_max: CLIENT_MESSAGE_BYTES_MAX as u32,
        silence_micros_max: SILENCE_MICROS_MAX,
        schema: Some(Bytes::from_static(b"schema")),
    }
}

struct Pair {
    client: ClientSession,
    server: ServerSession,
}

impl Pair {
    fn new() -> Self {
        let hello = Hello {
            name: "Ada".into(),
            ..Hello::default()
        };
        Self {
            client: ClientSession::new(hello, 1, T0),
            server: ServerSession::new(T0),
        }
    }

    fn open() -> Self {
        let mut pair = Self::new();
        pair.up(T0);
        pair.server.poll_event().unwrap();
        pair.server.accept(welcome(), T0).unwrap();
        pair.down(T0);
        pair.client.poll_event().unwrap();
        pair
    }

    /// Everything the client has to say; the number of messages.
    fn up(&mut self, now: Micros) -> usize {
        let mut message = Vec::new();
        let mut count = 0;
        while self.client.poll_transmit(60_000, now, &mut message) {
            assert!(message.len() <= CLIENT_MESSAGE_BYTES_MAX);
            self.server.handle_message(&message, at(now)).unwrap();
            message.clear();
            count += 1;
        }
        count
    }

    fn down(&mut self, now: Micros) {
        let mut message = Vec::new();
        while self
            .server
            .poll_transmit(Class::Bulk, 60_000, at(now), &mut message)
        {
            assert_eq!(self.client.handle_message(&message, now), Ok(None));
            message.clear();
        }
    }
}

fn control(message: &Control) -> Vec<u8> {
    let (mut payload, mut out) = (Vec::new(), Vec::new());
    message.encode(&mut payload);
    put_frame(&mut out, FrameKind::Data, StreamId::CONTROL, &payload);
    out
}

fn frame(stream: StreamId, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_frame(&mut out, FrameKind::Data, stream, payload);
    out
}

#[test]
fn a_handshake_opens_both_ends() {
    let mut pair = Pair::new();
    assert!(!pair.client.is_open());
    assert_eq!(pair.up(T0), 1);
    let Some(ServerEvent::Hello(hello)) = pair.server.poll_event() else {
        panic!("no hello");
    };
    assert_eq!(hello.name, "Ada");
    pair.server.accept(welcome(), T0).unwrap();
    assert!(pair.server.accept(welcome(), T0).is_err(), "once");
    pair.down(T0);
    let Some(ClientEvent::Welcomed(came)) = pair.client.poll_event() else {
        panic!("no welcome");
    };
    assert_eq!(*came, welcome());
    assert!(pair.client.is_open() && pair.server.is_open());
}

#[test]
fn a_refusal_reaches_the_client_as_words() {
    let mut pair = Pair::new();
    pair.up(T0);
    pair.server.poll_event().unwrap();
    pair.server
        .refuse(CloseCode::Full, "the room is full")
        .unwrap();
    pair.down(T0);
    let farewell = Farewell::new(CloseCode::Full, "the room is full");
    assert_eq!(
        pair.client.poll_event(),
        Some(ClientEvent::Refused(farewell))
    );
    assert!(pair.client.push_input(Tick(1), b"x").is_err());
}

#[test]
fn an_input_goes_up_and_a_snapshot_comes_down_uncopied() {
    let mut pair = Pair::open();
    pair.up(T0);
    pair.client.push_input(Tick(101), b"left").unwrap();
    pair.up(T0);
    let mut input = Vec::new();
    assert_eq!(pair.server.poll_input(Tick(100), &mut input), None);
    assert_eq!(
        pair.server.poll_input(Tick(101), &mut input),
        Some(Tick(101))
    );
    assert_eq!(input, b"left");
    assert_eq!(pair.server.take_input_margin_ticks(), Some(1));

    pair.server.send_event(b"before").unwrap();
    let mut message = Vec::new();
    pair.server
        .poll_transmit(Class::Event, 1000, at(T0), &mut message);
    pair.server.begin_snapshot(&mut message);
    message.extend_from_slice(b"state");
    pair.server.end_snapshot(5);
    let snapshot = pair.client.handle_message(&message, T0).unwrap().unwrap();
    assert_eq!(snapshot, b"state");
    assert_eq!(snapshot.as_ptr_range().end, message.as_ptr_range().end);
    assert_eq!(
        pair.client.poll_event(),
        Some(ClientEvent::Event(Bytes::from_static(b"before")))
    );
    let (received, sent) = (pair.client.traffic(), pair.server.traffic());
    assert_eq!(received.snapshot.in_bytes, sent.snapshot.out_bytes);
    assert_eq!(received.snapshot.in_messages, 1);
    assert_eq!(received.total().in_messages, sent.total().out_messages);
}

#[test]
fn the_usual_message_up_is_five_bytes_and_the_input() {
    let mut pair = Pair::open();
    pair.up(T0);
    pair.client.push_input(Tick(101), b"left").unwrap();
    let mut message = Vec::new();
    pair.client.poll_transmit(1000, T0, &mut message);
    assert_eq!(message, [&[0, 1, 6, 101, 0][..], b"left"].concat());
}

#[test]
fn what_follows_an_input_in_a_message_is_no_part_of_it() {
    let mut pair = Pair::open();
    pair.up(T0);
    pair.client.push_input(Tick(101), b"left").unwrap();
    pair.client.send_event(b"shot").unwrap();
    let mut message = Vec::new();
    while pair.client.poll_transmit(1000, T0, &mut message) {}
    pair.server.handle_message(&message, at(T0)).unwrap();
    let mut input = Vec::new();
    assert_eq!(
        pair.server.poll_input(Tick(101), &mut input),
        Some(Tick(101))
    );
    assert_eq!(input, b"left");
    assert_eq!(
        pair.server.poll_event(),
        Some(ServerEvent::Event(b"shot".to_vec().into()))
    );
}

#[test]
fn pings_are_answered_once_however_many_wait() {
    let mut pair = Pair::open();
    let mut storm = Vec::new();
    for i in 0..1000 {
        let (client_time, rtt) = (Micros(i), Micros(40_000));
        storm.extend(control(&Control::Ping(control::Ping { client_time, rtt })));
    }
    pair.server.handle_message(&storm, at(T0)).unwrap();
    let mut message = Vec::new();
    assert!(
        pair.server
            .poll_transmit(Class::Control, 1000, at(T0), &mut message)
    );
    assert!(message.len() < 40);
    assert!(
        !pair
            .server
            .poll_transmit(Class::Bulk, 1000, at(T0), &mut message)
    );
}

#[test]
fn streams_run_between_sessions() {
    let mut pair = Pair::open();
    let id = pair
        .client
        .streams()
        .unwrap()
        .open(StreamOptions::new(StreamKind::Bytes), T0)
        .unwrap();
    let written = vec![5; 50_000];
    let bytes = Bytes::from(written.clone());
    assert_eq!(
        pair.client.streams().unwrap().write(id, bytes, T0),
        Ok(Write::Taken)
    );
    pair.up(T0);
    assert!(matches!(
        pair.server.poll_event(),
        Some(ServerEvent::Stream(StreamEvent::Opened(_)))
    ));
    pair.server.streams().unwrap().accept(id, T0).unwrap();
    pair.down(T0);
    pair.up(T0);
    let mut read = Vec::new();
    while let Some(chunk) = pair.server.streams().unwrap().read(id, T0).unwrap() {
        read.extend_from_slice(&chunk.bytes);
        pair.down(T0);
        pair.up(T0);
    }
    assert_eq!(read, written);
    assert!(pair.client.traffic().opened.out_bytes > 50_000);
}

#[test]
fn a_goodbye_is_the_last_word_of_either_end() {
    let mut pair = Pair::open();
    pair.server
        .close(CloseCode::GoingAway, "the server restarts");
    pair.server.close(CloseCode::Normal, "again");
    pair.down(T0);
    let farewell = Farewell::new(CloseCode::GoingAway, "the server restarts");
    assert_eq!(
        pair.client.poll_event(),
        Some(ClientEvent::Goodbye(farewell))
    );
    assert_eq!(pair.client.poll_event(), None);
    assert!(pair.client.streams().is_err() && pair.server.send_event(b"x").is_err());
    // What was under way when it closed is not an error.
    pair.server
        .handle_message(&frame(StreamId::INPUT, &[1, 0, 9]), at(T0))
        .unwrap();
}

#[test]
fn a_peer_that_does_not_read_fills_the_event_queue_and_no_more() {
    let mut pair = Pair::open();
    let event = [0; EVENT_BYTES_MAX];
    let sent = (0..)
        .take_while(|_| pair.server.send_event(&event).is_ok())
        .count();
    assert_eq!(sent, EVENTS_UNSENT_BYTES_MAX / EVENT_BYTES_MAX - 1);
    let slow = PeerError::from(PeerMisbehaved::TooSlow(Queue::Events));
    assert_eq!(
        pair.server.send_event(&event),
        Err(SendError::Peer(slow.clone()))
    );
    assert_eq!(CloseCode::from(&slow), CloseCode::TooSlow);
    let too_large = [0; EVENT_BYTES_MAX + 1];
    assert!(matches!(
        pair.server.send_event(&too_large),
        Err(SendError::Misuse(_))
    ));
}

#[test]
fn a_message_of_many_events_keeps_to_the_budget_and_the_order() {
    let mut pair = Pair::open();
    for i in 0..100u8 {
        pair.client.send_event(&[i; 500]).unwrap();
    }
    let mut message = Vec::new();
    let mut seen = Vec::new();
    while pair.client.poll_transmit(2000, T0, &mut message) {
        assert!(message.len() <= 2000);
        pair.server.handle_message(&message, at(T0)).unwrap();
        message.clear();
    }
    while let Some(event) = pair.server.poll_event() {
        let ServerEvent::Event(bytes) = event else {
            panic!("{event:?}");
        };
        seen.push(bytes[0]);
    }
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}

fn refused_by_server(before: fn(&mut Pair), message: &[u8]) -> PeerError {
    let mut pair = Pair::open();
    before(&mut pair);
    pair.server.handle_message(message, at(T0)).unwrap_err()
}

#[test]
fn every_wrong_message_ends_the_session_with_its_own_error() {
    let fresh = |pair: &mut Pair| pair.server = ServerSession::new(T0);
    let open = |_: &mut Pair| ();
    let hello = control(&Control::Hello(Box::default()));
    let before = |stream| PeerError::from(PeerMisbehaved::BeforeHandshake { stream });

    assert_eq!(
        refused_by_server(fresh, &frame(StreamId::INPUT, b"abc")),
        before(1)
    );
    assert_eq!(
        refused_by_server(fresh, &control(&Control::Verify)),
        before(0)
    );
    assert_eq!(
        refused_by_server(open, &hello),
        PeerMisbehaved::SecondHandshake.into()
    );
    assert_eq!(
        refused_by_server(open, b""),
        DecodeError::Truncated("message").into()
    );
    assert_eq!(
        refused_by_server(open, &[0x0f, 0, 0]),
        DecodeError::Invalid("frame kind").into()
    );
    assert_eq!(
        refused_by_server(open, &frame(StreamId::SNAPSHOT, b"x")),
        PeerMisbehaved::WrongDirection("a snapshot").into()
    );
    let unknown = PeerMisbehaved::UnknownStream { stream: 5 };
    assert_eq!(
        refused_by_server(open, &frame(StreamId(5), b"x")),
        unknown.into()
    );
    let large = frame(StreamId::INPUT, &[0; INPUT_BYTES_MAX + 3]);
    assert_eq!(
        refused_by_server(open, &large),
        DecodeError::OutOfRange("input").into()
    );
    let large = frame(StreamId::EVENT, &[0; EVENT_BYTES_MAX + 1]);
    assert_eq!(
        refused_by_server(open, &large),
        DecodeError::OutOfRange("event").into()
    );
    let welcome = control(&Control::Welcome(Box::new(welcome())));
    assert!(matches!(
        refused_by_server(open, &welcome),
        PeerError::Misbehaved(PeerMisbehaved::WrongDirection(_))
    ));
}

#[test]
fn only_the_newest_mark_is_answered_and_once() {
    let mut pair = Pair::open();
    pair.up(T0);
    pair.down(T0);
    let mut storm = Vec::new();
    for mark in 1..=1000 {
        storm.extend(control(&Control::Mark(mark)));
    }
    pair.server.handle_message(&storm, at(T0)).unwrap();
    assert!(pair.server.wants_transmit(Class::Control));
    let mut message = Vec::new();
    assert!(
        pair.server
            .poll_transmit(Class::Event, 1000, at(T0), &mut message)
    );
    assert_eq!(message, control(&Control::Reached(1000)));
    assert!(!pair.server.wants_transmit(Class::Control));
    pair.client.handle_message(&storm, T0).unwrap();
    message.clear();
    assert!(pair.client.poll_transmit(1000, T0, &mut message));
    assert_eq!(message, control(&Control::Reached(1000)));
    message.clear();
    assert!(!pair.client.poll_transmit(1000, T0, &mut message));
}

#[test]
fn an_answer_to_no_mark_ends_the_session() {
    let unknown = PeerError::from(PeerMisbehaved::UnknownMark { mark: 1 });
    let answer = control(&Control::Reached(1));
    let unpaced = |_: &mut Pair| ();
    assert_eq!(refused_by_server(unpaced, &answer), unknown);
    let paced = |pair: &mut Pair| pair.server.pace_by_marks();
    assert_eq!(refused_by_server(paced, &answer), unknown);
    let mut pair = Pair::open();
    assert_eq!(pair.client.handle_message(&answer, T0), Err(unknown));
}

/// Opens a stream of bytes to the server, which accepts it.
fn begin_upload(pair: &mut Pair) -> StreamId {
    let streams = pair.client.streams().unwrap();
    let id = streams
        .open(StreamOptions::new(StreamKind::Bytes), T0)
        .unwrap();
    pair.up(T0);
    pair.server.poll_event().unwrap();
    pair.server.streams().unwrap().accept(id, T0).unwrap();
    pair.down(T0);
    id
}

/// Writes as much as the stream takes and sends what the client hands out, which the server reads. Says how much.
fn upload(pair: &mut Pair, id: StreamId, now: Micros) -> u64 {
    let streams = pair.client.streams().unwrap();
    while streams.write(id, vec![1; 16_384].into(), now).unwrap() == Write::Taken {}
    let before = pair.client.traffic().opened.out_bytes;
    pair.up(now);
    while let Some(event) = pair.server.poll_event() {
        if event == ServerEvent::Stream(StreamEvent::Readable(id)) {
            while let Ok(Some(_)) = pair.server.streams().unwrap().read(id, now) {}
        }
    }
    pair.client.traffic().opened.out_bytes - before
}

#[test]
fn bulk_waits_for_answers_and_what_is_urgent_does_not() {
    let mut pair = Pair::open();
    let id = begin_upload(&mut pair);
    let first = upload(&mut pair, id, T0);
    assert!((10_000..=14_480).contains(&first), "{first}");
    let later = T0 + Micros::from_millis(40);
    assert_eq!(upload(&mut pair, id, later), 0);
    pair.client.push_input(Tick(9), b"input").unwrap();
    pair.client.send_event(b"\x00event").unwrap();
    assert_eq!(pair.up(later), 2);
    pair.down(later);
    // Not all at once: it would queue by itself.
    let turns = (1..=20).map(|turn| later + Micros::from_millis(2 * turn));
    let more: u64 = turns.map(|now| upload(&mut pair, id, now)).sum();
    // As much again, but for the last packet's rest.
    assert!(more + 1400 > first, "{more} after {first}");
}

#[test]
fn bulk_goes_by_what_a_kernel_says_and_sets_no_more_marks() {
    let mut pair = Pair::open();
    let id = begin_upload(&mut pair);
    let by_marks = upload(&mut pair, id, T0);
    let marks = pair.client.traffic().control.out_messages;
    let later = T0 + Micros::from_millis(2);
    let idle = Sample {
        delivered: by_marks,
        in_flight: 0,
        unsent: 0,
        rtt: Micros::from_millis(40),
        rtt_min: Micros::from_millis(40),
        window_packets: u64::MAX,
        window_bytes: u64::MAX,
        pacing_bytes_per_second: u64::MAX,
    };
    // No answer has come, and none is needed.
    pair.client.handle_link(idle, 1448, later);
    let by_kernel = upload(&mut pair, id, later);
    assert!((8_688..=14_480).contains(&by_kernel), "{by_kernel}");
    assert_eq!(pair.client.traffic().control.out_messages, marks);
    assert!(pair.client.has_bulk() && pair.client.holds_bulk());
    assert_eq!(pair.client.poll_timeout(), later + Micros::from_millis(2));
    let full = Sample {
        in_flight: by_kernel,
        ..idle
    };
    pair.client
        .handle_link(full, 1448, later + Micros::from_millis(2));
    assert_eq!(upload(&mut pair, id, later + Micros::from_millis(2)), 0);
    // The answer to a mark from before is no misbehaviour.
    pair.down(later + Micros::from_millis(40));
}

#[test]
fn a_client_refuses_what_only_clients_send() {
    for message in [frame(StreamId::INPUT, b"abc"), control(&Control::Verify)] {
        let mut pair = Pair::open();
        assert!(pair.client.handle_message(&message, T0).is_err());
    }
    let mut pair = Pair::new();
    assert!(
        pair.client
            .handle_message(&frame(StreamId::SNAPSHOT, b"x"), T0)
            .is_err()
    );
}

#[test]
fn silence_is_noticed_at_both_ends_and_in_every_state() {
    let mut pair = Pair::new();
    let handshake = T0 + HANDSHAKE_MICROS_MAX;
    assert_eq!(pair.server.poll_timeout(), handshake);
    assert_eq!(pair.server.handle_timeout(Micros(handshake.0 - 1)), Ok(()));
    let timed_out = |what| Err(PeerMisbehaved::TimedOut(what).into());
    assert_eq!(
        pair.server.handle_timeout(handshake),
        timed_out(Awaited::Handshake)
    );
    assert_eq!(
        pair.client.handle_timeout(handshake),
        timed_out(Awaited::Handshake)
    );

    let mut pair = Pair::open();
    let silent = T0 + SILENCE_MICROS_MAX;
    assert_eq!(
        pair.server.handle_timeout(silent),
        timed_out(Awaited::Client)
    );
    assert_eq!(
        pair.client.handle_timeout(silent),
        timed_out(Awaited::Server)
    );
    // Pings alone keep it alive.
    let mut now = T0;
    while now < T0 + SILENCE_MICROS_MAX + SILENCE_MICROS_MAX {
        now = pair.client.poll_timeout();
        pair.client.handle_timeout(now).unwrap();
        pair.up(now);
        pair.down(now);
        pair.server.handle_timeout(now).unwrap();
    }
}

#[test]
fn an_idle_session_takes_less_than_one_kibibyte() {
    let mut pair = Pair::open();
    let mut now = T0;
    let mut input = Vec::new();
    for tick in 100..130 {
        now = now + Micros::from_millis(50);
        pair.client.push_input(Tick(tick), b"left").unwrap();
        pair.client.send_event(b"a word").unwrap();
        pair.server.send_event(&[1; 5000]).unwrap();
        pair.up(now);
        while pair.server.poll_event().is_some() {}
        while pair.server.poll_input(Tick(tick), &mut input).is_some() {}
        pair.down(now);
    }
    let bytes = pair.server.memory_bytes();
    assert!(bytes <= 1024, "{bytes} bytes");
}

#[test]
fn what_was_said_before_the_goodbye_arrives_before_it() {
    let mut pair = Pair::open();
    pair.up(T0);
    pair.server.send_event(b"the final score").unwrap();
    pair.server.close(CloseCode::Normal, "closing");
    let mut farewell = Vec::new();
    pair.server
        .poll_transmit(Class::Control, usize::MAX, at(T0), &mut farewell);
    assert_eq!(pair.client.handle_message(&farewell, T0), Ok(None));
    let heard = [pair.client.poll_event(), pair.client.poll_event()];
    let final_score = ClientEvent::Event(b"the final score"[..].into());
    assert_eq!(heard[0], Some(final_score));
    assert!(
        matches!(heard[1], Some(ClientEvent::Goodbye(_))),
        "{heard:?}"
    );

    let mut pair = Pair::open();
    pair.up(T0);
    pair.client.send_event(b"well played").unwrap();
    pair.client.close(CloseCode::Normal, "bye");
    pair.up(T0);
    let heard = [pair.server.poll_event(), pair.server.poll_event()];
    let well_played = ServerEvent::Event(b"well played"[..].into());
    assert_eq!(heard[0], Some(well_played));
    assert!(
        matches!(heard[1], Some(ServerEvent::Goodbye(_))),
        "{heard:?}"
    );
}

#[test]
fn streams_that_we_open_do_not_count_as_a_slow_peers() {
    let mut pair = Pair::open();
    pair.up(T0);
    let options = StreamOptions {
        metadata: vec![7; METADATA_BYTES_MAX].into(),
        ..StreamOptions::new(StreamKind::Bytes)
    };
    for _ in 0..2 * CONTROL_UNSENT_BYTES_MAX / METADATA_BYTES_MAX {
        let streams = pair.client.streams().unwrap();
        streams.open(options.clone(), T0).unwrap();
    }
    pair.server.streams().unwrap().open(options, T0).unwrap();
    pair.down(T0);
    pair.up(T0);
    assert_eq!(pair.server.streams().unwrap().streams_refused(), 0);
}
