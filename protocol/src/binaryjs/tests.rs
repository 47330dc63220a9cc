//! Two sessions talk to each other, and to frames as BinaryJS was seen to send them.

use super::{
    Event, Frame, Kind, Role, Session, StreamKey,
    limits::{ANSWERS_MAX, CHUNK_BYTES, Limits, STREAM_ID_BYTES_MAX},
};
use crate::binarypack::{
    Dialect, Value,
    limits::{DEPTH_MAX, VALUES_MAX},
};

const STREAMS_MAX: usize = 1024;

struct Pair {
    client: Session,
    server: Session,
}

impl Pair {
    fn new() -> Self {
        Self {
            client: Session::new(Role::Dialler, Dialect::Browser, Limits::default()),
            server: Session::new(Role::Acceptor, Dialect::Browser, Limits::default()),
        }
    }

    fn deliver(&mut self) {
        loop {
            let (up, down) = (self.client.poll_message(), self.server.poll_message());
            if up.is_none() && down.is_none() {
                return;
            }
            up.iter()
                .for_each(|message| self.server.handle_message(message));
            down.iter()
                .for_each(|message| self.client.handle_message(message));
        }
    }
}

fn events(session: &mut Session) -> Vec<Event> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

fn opened(session: &mut Session) -> StreamKey {
    match session.poll_event() {
        Some(Event::Opened { stream, .. }) => stream,
        other => panic!("expected a stream, got {other:?}"),
    }
}

/// A server session that has seen one stream opened by a client, and the stream.
fn served() -> (Session, StreamKey) {
    let mut server = Session::new(Role::Acceptor, Dialect::Node, Limits::default());
    server.handle_message(&[0x93, 0x01, 0xc0, 0x00]);
    let stream = opened(&mut server);
    (server, stream)
}

#[test]
fn calls_write_the_bytes_that_binaryjs_writes() {
    let mut server = Session::new(Role::Acceptor, Dialect::Node, Limits::default());
    let stream = server.open(&Value::Nil).unwrap();
    server.write(&stream, &"x".into()).unwrap();
    server.pause(&stream);
    server.resume(&stream);
    server.end(&stream);
    server.close(&stream);
    let written: Vec<Vec<u8>> = std::iter::from_fn(|| server.poll_message()).collect();
    assert_eq!(
        written,
        [
            &[0x93, 1, 0xc0, 1][..],
            &[0x93, 2, 0xb1, b'x', 1],
            &[0x93, 3, 0xc0, 1],
            &[0x93, 4, 0xc0, 1],
            &[0x93, 5, 0xc0, 1],
            &[0x93, 6, 0xc0, 1],
        ]
    );
}

#[test]
fn a_stream_carries_values_both_ways_and_is_freed_when_both_have_ended() {
    let mut pair = Pair::new();
    let ours = pair.client.open(&"meta".into()).unwrap();
    pair.client.write(&ours, &1.into()).unwrap();
    pair.client.end(&ours);
    pair.deliver();
    let seen = events(&mut pair.server);
    assert!(matches!(&seen[0], Event::Opened { metadata, .. } if *metadata == Value::from("meta")));
    assert!(matches!(&seen[1], Event::Data { value, .. } if *value == Value::from(1)));
    assert!(matches!(&seen[2], Event::Ended(_)));
    // The upload example of BinaryJS answers on a stream whose writer has ended.
    pair.server.write(&ours, &"done".into()).unwrap();
    pair.server.end(&ours);
    pair.deliver();
    assert!(matches!(
        &events(&mut pair.client)[..],
        [Event::Data { .. }, Event::Ended(_)]
    ));
    assert_eq!(
        (pair.client.streams_open(), pair.server.streams_open()),
        (0, 0)
    );
}

#[test]
fn ids_are_even_for_the_dialler_and_odd_for_the_acceptor_and_any_value_is_tolerated() {
    let mut pair = Pair::new();
    let keys = [
        pair.client.open(&Value::Nil).unwrap(),
        pair.client.open(&Value::Nil).unwrap(),
        pair.server.open(&Value::Nil).unwrap(),
    ];
    assert_eq!(keys.each_ref().map(ToString::to_string), ["0", "2", "1"]);
    pair.server
        .handle_message(&[0x93, 1, 0xc0, 0xb3, b'a', b'b', b'c']);
    pair.server
        .handle_message(&[0x93, 2, 7, 0xb3, b'a', b'b', b'c']);
    let abc = opened(&mut pair.server);
    assert_eq!(abc.to_string(), "abc");
    assert!(matches!(pair.server.poll_event(), Some(Event::Data { stream, .. }) if stream == abc));
}

#[test]
fn what_crashed_binaryjs_is_a_fault_and_the_connection_goes_on() {
    let (mut server, stream) = served();
    for (message, says) in [
        (&b"\xdd\xff\xff\xff\xff"[..], "unparsable"),
        (&b""[..], "unparsable"),
        (&b"\x07"[..], "non-array"),
        (&b"\x92\x02\x00"[..], "wrong part count: 2"),
        (&b"\x93\xb1x\x00\x00"[..], "non-number type: a string"),
        (
            &b"\x93\x09\x00\x00"[..],
            "Unrecognized message type received: 9",
        ),
        (
            &b"\x93\xcb\x3f\xf8\0\0\0\0\0\0\x00\x00"[..],
            "Unrecognized message type received: 1.5",
        ),
        (
            &b"\x93\x02\x00\x08"[..],
            "`data` message for unknown stream: 8",
        ),
    ] {
        server.handle_message(message);
        assert!(
            matches!(server.poll_event(), Some(Event::Fault(text)) if text.contains(says)),
            "{says}"
        );
    }
    server.handle_message(&[0x93, 0x02, 0xd3, 0, 0, 0, 1, 0, 0, 0, 0, 0x00]);
    assert!(
        matches!(server.poll_event(), Some(Event::Data { value, .. }) if value == Value::from(1u64 << 32))
    );
    assert!(server.write(&stream, &Value::Nil).is_ok());
}

#[test]
fn data_that_is_late_for_a_closed_stream_is_no_fault() {
    let (mut server, stream) = served();
    server.close(&stream);
    server.handle_message(&[0x93, 2, 1, 0]);
    server.handle_message(&[0x93, 6, 0xc0, 0]);
    assert_eq!(events(&mut server), []);
    assert!(server.write(&stream, &Value::Nil).is_err());
}

#[test]
fn unread_data_pauses_its_sender_once_and_reading_it_resumes_once() {
    let mut pair = Pair::new();
    let stream = pair.client.open(&Value::Nil).unwrap();
    let chunk = Value::Binary(vec![0; CHUNK_BYTES]);
    while pair.client.is_writable(&stream) {
        pair.client.write(&stream, &chunk).unwrap();
        pair.deliver();
    }
    let unread: Vec<Event> = events(&mut pair.server);
    assert!(unread.len() < 16, "pause comes after a few chunks");
    for event in unread {
        if let Event::Data { stream, bytes, .. } = event {
            pair.server.consume(&stream, bytes);
        }
    }
    pair.deliver();
    assert!(pair.client.is_writable(&stream));
    let seen = events(&mut pair.client);
    assert!(
        matches!(&seen[..], [Event::Paused(_), Event::Resumed(_)]),
        "{seen:?}"
    );
}

#[test]
fn streams_that_wait_for_their_readers_leave_room_for_one_that_is_read() {
    let mut pair = Pair::new();
    let waiting: Vec<StreamKey> = (0..100)
        .map(|_| pair.client.open(&Value::Nil).unwrap())
        .collect();
    let chunk = Value::Binary(vec![0; CHUNK_BYTES]);
    let mut is_written = true;
    while is_written {
        is_written = false;
        for stream in waiting.iter() {
            if !pair.client.is_paused(stream) {
                pair.client.write(stream, &chunk).unwrap();
                is_written = true;
            }
        }
        pair.deliver();
        assert!(pair.server.wants_read());
    }
    let read = pair.client.open(&Value::Nil).unwrap();
    for _ in 0..100 {
        pair.client.write(&read, &chunk).unwrap();
        pair.deliver();
        let seen = events(&mut pair.server);
        let bytes = seen.iter().find_map(|event| match event {
            Event::Data { stream, bytes, .. } if *stream == read => Some(*bytes),
            _ => None,
        });
        pair.server.consume(&read, bytes.expect("it is read"));
        pair.deliver();
        assert!(!pair.client.is_paused(&read));
    }
}

#[test]
fn a_writer_that_ignores_pause_stops_the_reading_of_its_socket() {
    let (mut server, stream) = served();
    let mut message = vec![0x93, 2, 0xdb];
    message.extend_from_slice(&(1u32 << 20).to_be_bytes());
    message.resize(message.len() + (1 << 20), 0);
    message.push(0);
    let mut sent = 0;
    while server.wants_read() {
        server.handle_message(&message);
        sent += 1;
    }
    assert_eq!(sent, Limits::default().unread_bytes_max >> 20);
    server.close(&stream);
    assert!(
        !server.wants_read(),
        "what a closed stream has left unread is still held"
    );
    for event in events(&mut server) {
        if let Event::Data { bytes, .. } = event {
            server.consume(&stream, bytes);
        }
    }
    assert!(server.wants_read());
}

#[test]
fn streams_beyond_the_limit_are_closed_and_the_rest_go_on() {
    let mut pair = Pair::new();
    let keys: Vec<StreamKey> = (0..=STREAMS_MAX)
        .map(|_| pair.client.open(&Value::Nil).unwrap())
        .collect();
    pair.deliver();
    assert_eq!(pair.server.streams_open(), STREAMS_MAX);
    assert_eq!(
        events(&mut pair.client),
        [Event::Closed(keys[STREAMS_MAX].clone())]
    );
    let refused = events(&mut pair.server).pop();
    assert!(matches!(refused, Some(Event::Refused(_))), "{refused:?}");
}

#[test]
fn what_is_late_for_a_stream_beyond_the_limit_is_no_fault() {
    let limits = Limits {
        streams_max: 0,
        ..Limits::default()
    };
    let mut server = Session::new(Role::Acceptor, Dialect::Node, limits);
    for kind in [1, 2, 2, 5, 6] {
        server.handle_message(&[0x93, kind, 0xc0, 0]);
    }
    assert!(matches!(&events(&mut server)[..], [Event::Refused(_)]));
}

#[test]
fn pausing_by_hand_and_by_unread_bytes_do_not_undo_each_other() {
    let (mut server, stream) = served();
    server.pause(&stream);
    server.pause(&stream);
    server.consume(&stream, 1 << 20);
    assert_eq!(server.poll_message(), Some(vec![0x93, 3, 0xc0, 0]));
    assert_eq!(server.poll_message(), None);
    server.resume(&stream);
    assert_eq!(server.poll_message(), Some(vec![0x93, 4, 0xc0, 0]));
}

#[test]
fn lists_of_nothing_count_by_the_memory_they_take() {
    let (mut server, _) = served();
    let mut message = vec![0x93, 2, 0xdd];
    message.extend_from_slice(&(1u32 << 18).to_be_bytes());
    message.resize(message.len() + (1 << 18), 0xc0);
    message.push(0);
    server.handle_message(&message);
    server.handle_message(&message);
    assert!(!server.wants_read(), "512 KiB on the wire are 16 MiB here");
    assert_eq!(server.poll_message(), Some(vec![0x93, 3, 0xc0, 0]));
}

#[test]
fn what_would_not_be_read_for_its_depth_is_not_written() {
    let mut pair = Pair::new();
    let stream = pair.client.open(&Value::Nil).unwrap();
    let mut nested = Value::from(1);
    for _ in 0..DEPTH_MAX {
        nested = Value::Array(vec![nested]);
    }
    pair.client.write(&stream, &nested).unwrap();
    pair.deliver();
    let read = events(&mut pair.server).pop();
    assert!(matches!(read, Some(Event::Data { value, .. }) if value == nested));
    for deeper in [
        Value::Array(vec![nested.clone()]),
        Value::Map(vec![("a".into(), nested)]),
    ] {
        assert!(pair.client.write(&stream, &deeper).is_err());
        assert!(pair.client.open(&deeper).is_err());
    }
}

#[test]
fn what_would_not_be_read_for_its_size_is_not_written() {
    let mut pair = Pair::new();
    // The list itself and the stream's id count as well.
    let mut items = vec![Value::Nil; VALUES_MAX - 2];
    let stream = pair.client.open(&Value::Array(items.clone())).unwrap();
    pair.deliver();
    assert!(matches!(
        events(&mut pair.server)[..],
        [Event::Opened { .. }]
    ));
    items.push(Value::Nil);
    let list = Value::Array(items);
    assert!(pair.client.write(&stream, &list).is_err());
    assert!(pair.client.open(&list).is_err());
    assert_eq!(pair.client.poll_message(), None);
}

#[test]
fn an_id_that_takes_much_memory_is_a_fault_and_is_not_repeated() {
    let (mut server, _) = served();
    let frame = |kind, stream| {
        let payload = Value::Nil;
        Frame {
            kind,
            payload,
            stream,
        }
        .encode(Dialect::Node)
    };
    let long = STREAM_ID_BYTES_MAX + 1;
    for id in [
        Value::from("x".repeat(long)),
        Value::Binary(vec![0; long]),
        Value::Array(vec![Value::Nil; long]),
    ] {
        for kind in [Kind::New, Kind::Data] {
            server.handle_message(&frame(kind, id.clone()));
            let Some(Event::Fault(text)) = server.poll_event() else {
                panic!("{kind:?} is taken");
            };
            assert!(text.len() < STREAM_ID_BYTES_MAX, "{text}");
        }
    }
    assert_eq!((server.streams_open(), server.poll_message()), (1, None));
    server.handle_message(&frame(Kind::New, "x".repeat(200).into()));
    assert_eq!(opened(&mut server).to_string(), "x".repeat(200));
}

#[test]
fn a_peer_that_takes_no_answers_is_not_read() {
    let (mut server, stream) = served();
    let chunk = Value::Binary(vec![0; CHUNK_BYTES]);
    while server.write(&stream, &chunk).unwrap() {}
    assert!(server.wants_read(), "two writers would wait for each other");
    let mut opened = 0;
    while server.wants_read() {
        server.handle_message(&[0x93, 1, 0xc0, 2]);
        let next = std::iter::from_fn(|| server.poll_event()).last();
        let Some(Event::Opened { stream, bytes, .. }) = next else {
            panic!("expected a stream, got {next:?}");
        };
        server.discard(bytes);
        server.close(&stream);
        opened += 1;
    }
    assert_eq!(opened, ANSWERS_MAX);
    while server.poll_message() != Some(vec![0x93, 6, 0xc0, 2]) {}
    assert!(server.wants_read());
}

#[test]
fn a_stream_that_we_open_replaces_none_that_the_peer_has_opened() {
    let mut server = Session::new(Role::Acceptor, Dialect::Node, Limits::default());
    server.handle_message(&[0x93, 1, 0xc0, 1]);
    server.handle_message(&[0x93, 1, 0xc0, 0xb1, b'3']);
    let theirs = [opened(&mut server), opened(&mut server)];
    assert_eq!(server.open(&Value::Nil).unwrap().to_string(), "5");
    for stream in theirs {
        assert!(server.write(&stream, &Value::Nil).is_ok());
    }
    assert_eq!(server.streams_open(), 3);
}

#[test]
fn a_peer_that_resumes_its_own_reading_is_paused_again() {
    let (mut server, stream) = served();
    server.pause(&stream);
    assert_eq!(server.poll_message(), Some(vec![0x93, 3, 0xc0, 0]));
    server.handle_message(&[0x93, 4, 0xc0, 0]);
    assert_eq!(server.poll_message(), Some(vec![0x93, 3, 0xc0, 0]));
    server.resume(&stream);
    assert_eq!(server.poll_message(), Some(vec![0x93, 4, 0xc0, 0]));
    server.handle_message(&[0x93, 4, 0xc0, 0]);
    assert_eq!(server.poll_message(), None);
}

#[test]
fn a_number_and_its_name_are_the_same_stream() {
    let (mut server, stream) = served();
    for id in [
        &[0xb1, b'0'][..],
        &[0xcb, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0xd0, 0],
    ] {
        server.handle_message(&[&[0x93, 2, 7], id].concat());
        assert!(
            matches!(server.poll_event(), Some(Event::Data { stream: of, .. }) if of == stream),
            "{id:?}"
        );
    }
    assert_ne!(StreamKey::of(&"00".into()), StreamKey::of(&0.into()));
}

#[test]
fn a_peer_that_was_paused_and_ended_is_resumed_all_the_same() {
    let (mut server, stream) = served();
    server.pause(&stream);
    server.handle_message(&[0x93, 5, 0xc0, 0]);
    server.resume(&stream);
    assert_eq!(server.poll_message(), Some(vec![0x93, 3, 0xc0, 0]));
    assert_eq!(server.poll_message(), Some(vec![0x93, 4, 0xc0, 0]));
}
