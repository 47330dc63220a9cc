//! Streams between players and the server's tasks, and inside the tick.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
};

use bytes::Bytes;
use tickwire_protocol::{
    error::CloseCode,
    id::StreamId,
    mux::{REFUSE_CODE_LET_GO, StreamEvent, Write},
    stream::{StreamKind, StreamOptions},
    websocket::Opcode,
};
use tickwire_server::{net::Server, prelude::*, stream::StreamError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    client::Player,
    game::{Chat, pucks},
    server::TestServer,
};

/// What a test's player keeps of its streams.
#[derive(Default)]
pub(crate) struct Ends {
    pub(crate) received: BTreeMap<StreamId, Vec<u8>>,
    /// How each was over: at its end, or by a code.
    pub(crate) over: BTreeMap<StreamId, Option<u32>>,
    pub(crate) consumed: Vec<StreamId>,
    /// Streams that the server refused or gave up.
    resets: usize,
    pub(crate) offered: Vec<StreamId>,
}

impl Ends {
    /// Reads what there is, and accepts what is offered.
    pub(crate) fn step(&mut self, player: &mut Player) {
        let now = player.now();
        for event in player.streams.drain(..) {
            let Ok(mux) = player.session.streams() else {
                return;
            };
            match event {
                StreamEvent::Opened(offer) => {
                    mux.accept(offer.id, now).unwrap();
                    self.offered.push(offer.id);
                }
                StreamEvent::Readable(id) => {
                    while let Ok(Some(chunk)) = mux.read(id, now) {
                        let bytes = self.received.entry(id).or_default();
                        bytes.extend_from_slice(&chunk.bytes);
                    }
                }
                StreamEvent::Ended(id) => {
                    self.over.insert(id, None);
                }
                StreamEvent::Refused { id, code, .. } | StreamEvent::Reset { id, code, .. } => {
                    self.over.entry(id).or_insert(Some(code));
                    self.resets += 1;
                }
                StreamEvent::Consumed(id) => self.consumed.push(id),
                StreamEvent::Accepted(_) | StreamEvent::Writable(_) => {}
            }
        }
        player.transmit();
    }

    pub(crate) fn until(&mut self, player: &mut Player, what: &str, holds: impl Fn(&Self) -> bool) {
        player.until(what, |player| {
            self.step(player);
            holds(self)
        });
    }
}

pub(crate) fn open(player: &mut Player, options: StreamOptions) -> StreamId {
    let now = player.now();
    player
        .session
        .streams()
        .unwrap()
        .open(options, now)
        .unwrap()
}

/// Writes everything, however often the stream is full.
pub(crate) fn write(player: &mut Player, ends: &mut Ends, id: StreamId, bytes: &[u8]) {
    for piece in bytes.chunks(20_000) {
        player.until("room to write", |player| {
            ends.step(player);
            let now = player.now();
            let piece = Bytes::copy_from_slice(piece);
            let written = player.session.streams().unwrap().write(id, piece, now);
            player.transmit();
            written == Ok(Write::Taken)
        });
    }
}

pub(crate) fn end(player: &mut Player, id: StreamId) {
    player.session.streams().unwrap().end(id).unwrap();
    player.transmit();
}

pub(crate) fn bytes_stream() -> StreamOptions {
    StreamOptions::new(StreamKind::Bytes)
}

pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| ((i * 31) ^ (i >> 9)) as u8).collect()
}

async fn echo(incoming: Incoming) {
    let (mut reader, mut writer) = incoming.accept().into_split();
    tokio::io::copy(&mut reader, &mut writer).await.unwrap();
    writer.shutdown().await.unwrap();
}

/// Many messages are allowed, and few bytes: what streams carry does not count.
fn generous() -> Limits {
    Limits {
        bytes_per_second_max: 64 * 1024,
        messages_per_second_max: 1 << 20,
        ..Limits::default()
    }
}

#[test]
fn a_task_echoes_a_stream_and_both_ends_learn_that_all_was_taken() {
    let server = TestServer::start(
        Server::new(pucks)
            .workers(1)
            .limits(generous())
            .on_stream(echo),
    );
    let mut ann = Player::named(server.address, "Ann");
    let mut ends = Ends::default();
    let id = open(&mut ann, bytes_stream());
    let sent = pattern(3_000_000);
    write(&mut ann, &mut ends, id, &sent);
    end(&mut ann, id);
    ends.until(&mut ann, "the echo", |ends| ends.over.contains_key(&id));
    assert!(ends.received[&id] == sent);
    assert_eq!(ends.over[&id], None);
    ends.until(&mut ann, "the confirmation", |ends| {
        ends.consumed.contains(&id)
    });
    server.assert_saw_every_tick(&ann);
}

#[test]
fn a_task_opens_streams_to_every_player_from_one_source_and_waits_until_they_have_it() {
    let (told, done) = mpsc::channel();
    let source = Bytes::from(pattern(700_000));
    let expected = source.clone();
    let server = TestServer::start(Server::new(pucks).workers(2).limits(generous()).on_player(
        move |peer: Peer| {
            let (source, told) = (source.clone(), told.clone());
            async move {
                let mut stream = peer.open(bytes_stream().with_metadata("source").unwrap());
                stream.accepted().await.unwrap();
                stream.send(source).await.unwrap();
                stream.finished().await.unwrap();
                told.send((peer.name().to_owned(), peer.room().to_owned()))
                    .unwrap();
                peer.closed().await;
                told.send((peer.name().to_owned(), "gone".to_owned()))
                    .unwrap();
            }
        },
    ));
    for name in ["Ann", "Ben"] {
        let mut player = Player::named(server.address, name);
        let mut ends = Ends::default();
        ends.until(&mut player, "the source", |ends| ends.over.len() == 1);
        let id = ends.offered[0];
        assert!(ends.received[&id] == expected);
        end(&mut player, id);
        assert_eq!(done.recv().unwrap(), (name.to_owned(), "main".to_owned()));
        drop(player);
        assert_eq!(done.recv().unwrap(), (name.to_owned(), "gone".to_owned()));
    }
}

#[test]
fn typed_streams_and_peers_pass_values_from_player_to_player() {
    // Each value that a player sends goes to everyone else in the room.
    let server = TestServer::start(Server::new(pucks).workers(1).on_stream(
        async |incoming: Incoming| {
            assert_eq!(incoming.kind(), StreamKind::Messages);
            let topic: String = incoming.metadata().unwrap();
            let options = StreamOptions::new(StreamKind::Messages)
                .with_metadata(&topic)
                .unwrap();
            let others = incoming.peer().others();
            let mut outgoing: Vec<MessageStream<Chat>> = others
                .iter()
                .map(|peer| peer.open_messages(options.clone()))
                .collect();
            let mut stream = incoming.accept_messages::<Chat>();
            while let Some(chat) = stream.receive().await.unwrap() {
                for other in &mut outgoing {
                    other.send(&chat).await.unwrap();
                }
            }
        },
    ));
    let mut ann = Player::named(server.address, "Ann");
    let mut ben = Player::named(server.address, "Ben");
    let (mut anns, mut bens) = (Ends::default(), Ends::default());
    let options = StreamOptions::new(StreamKind::Messages)
        .with_metadata("talk")
        .unwrap();
    let id = open(&mut ann, options);
    let said: Vec<Chat> = (0..20)
        .map(|i| Chat {
            text: format!("{i}"),
        })
        .collect();
    let mut expected = Vec::new();
    for chat in &said {
        let record = tickwire_protocol::messagepack::to_vec(chat).unwrap();
        write(&mut ann, &mut anns, id, &record);
        expected.extend_from_slice(&record);
    }
    end(&mut ann, id);
    ben.until("the talk", |ben| {
        ann.step();
        anns.step(&mut ann);
        bens.step(ben);
        bens.over.len() == 1
    });
    assert_eq!(bens.received[&bens.offered[0]], expected);
}

#[test]
fn what_a_task_lets_go_is_ended_refused_or_reset_and_a_panic_harms_nobody() {
    let server = TestServer::start(Server::new(pucks).workers(1).on_stream(
        async |incoming: Incoming| match incoming.metadata::<String>().unwrap().as_str() {
            "ignore" => drop(incoming),
            "refuse" => incoming.refuse(300, "not today"),
            "panic" => panic!("on purpose, before the answer"),
            "panic later" => {
                let mut stream = incoming.accept();
                stream.write_all(b"half").await.unwrap();
                panic!("on purpose, after the answer");
            }
            "write and drop" => {
                let mut stream = incoming.accept();
                stream.write_all(b"whole").await.unwrap();
            }
            other => panic!("{other}"),
        },
    ));
    let mut ann = Player::named(server.address, "Ann");
    let mut ends = Ends::default();
    let mut over = |what: &str| {
        let id = open(&mut ann, bytes_stream().with_metadata(what).unwrap());
        ends.until(&mut ann, what, |ends| ends.over.contains_key(&id));
        (
            ends.over[&id],
            ends.received.remove(&id).unwrap_or_default(),
        )
    };
    assert_eq!(over("ignore").0, Some(REFUSE_CODE_LET_GO));
    assert_eq!(over("refuse").0, Some(300));
    assert_eq!(over("panic").0, Some(REFUSE_CODE_LET_GO));
    assert_eq!(over("panic later").0, Some(REFUSE_CODE_LET_GO));
    assert_eq!(over("write and drop"), (None, b"whole".to_vec()));
    // Its writer has gone, its reader too: the player is told to stop.
    ends.until(&mut ann, "the reset", |ends| ends.resets == 5);
    server.assert_saw_every_tick(&ann);
    assert!(server.metric("tickwire_rooms_panicked_total").abs() < 0.5);
}

#[test]
fn a_player_who_goes_ends_its_streams_tasks_with_what_came_and_an_error() {
    let (told, heard) = mpsc::channel();
    let server = TestServer::start(Server::new(pucks).workers(1).on_stream(
        move |incoming: Incoming| {
            let told = told.clone();
            async move {
                let mut stream = incoming.accept();
                let mut received = Vec::new();
                let error = stream.read_to_end(&mut received).await.unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
                assert_eq!(StreamError::of(&error), Some(&StreamError::Lost));
                let error = stream.write_all(b"anybody?").await.unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
                assert!(incoming_is_gone(&mut stream).await);
                told.send(received).unwrap();
            }
        },
    ));
    let mut ann = Player::named(server.address, "Ann");
    let mut ends = Ends::default();
    let id = open(&mut ann, bytes_stream());
    write(&mut ann, &mut ends, id, b"last words");
    // Until the server has it, or the words would be lost with the socket.
    let ticks = ann.ticks.len();
    ann.until("more ticks", |ann| ann.ticks.len() > ticks + 3);
    drop(ann);
    assert_eq!(heard.recv().unwrap(), b"last words");
}

#[test]
fn a_goodbye_in_the_same_read_takes_nothing_of_what_came_before_it() {
    let (told, heard) = mpsc::channel();
    let server = TestServer::start(Server::new(pucks).workers(1).on_stream(
        move |incoming: Incoming| {
            let told = told.clone();
            async move {
                let mut stream = incoming.accept();
                stream.write_all(b"go on").await.unwrap();
                let mut received = Vec::new();
                let _ = stream.read_to_end(&mut received).await;
                told.send(received).unwrap();
            }
        },
    ));
    for is_one_message in [false, true] {
        let mut ann = Player::named(server.address, "Ann");
        let mut ends = Ends::default();
        let id = open(&mut ann, bytes_stream());
        ends.until(&mut ann, "its turn", |ends| ends.received.contains_key(&id));
        let now = ann.now();
        let (mut message, mut frames) = (Vec::new(), Vec::new());
        let streams = ann.session.streams().unwrap();
        let words = Bytes::from_static(b"last words");
        assert_eq!(streams.write(id, words, now), Ok(Write::Taken));
        assert!(ann.session.poll_transmit(60_000, now, &mut message));
        if !is_one_message {
            ann.wire
                .writer
                .message(Opcode::Binary, &message, &mut frames);
            message.clear();
        }
        ann.session.close(CloseCode::Normal, "bye");
        assert!(ann.session.poll_transmit(60_000, now, &mut message));
        ann.wire
            .writer
            .message(Opcode::Binary, &message, &mut frames);
        ann.wire.send_raw(&frames);
        assert_eq!(heard.recv().unwrap(), b"last words");
        assert_eq!(ann.until_closed(), Some(CloseCode::Normal.number()));
    }
}

async fn incoming_is_gone(stream: &mut ByteStream) -> bool {
    stream.finished().await.is_err() && stream.receive().await.is_err()
}

#[test]
fn a_task_that_does_not_read_stops_its_player_and_no_other_stream() {
    let taken = Arc::new(AtomicU64::new(0));
    let counter = taken.clone();
    let server = TestServer::start(Server::new(pucks).workers(1).limits(generous()).on_stream(
        move |incoming: Incoming| {
            let taken = counter.clone();
            async move {
                if incoming.metadata::<bool>().unwrap() {
                    return echo(incoming).await;
                }
                let stream = incoming.accept();
                taken.store(1, Relaxed);
                // Holds the stream and never reads it.
                std::future::pending::<()>().await;
                drop(stream);
            }
        },
    ));
    let mut ann = Player::named(server.address, "Ann");
    let mut ends = Ends::default();
    let stuck = open(&mut ann, bytes_stream().with_metadata(&false).unwrap());
    let mut written = 0;
    let mut refusals = 0;
    // A window is at most 1 MiB, the queue in front of it 64 KiB.
    ann.until("backpressure", |ann| {
        ends.step(ann);
        let now = ann.now();
        let piece = Bytes::from(vec![7; 16_000]);
        match ann
            .session
            .streams()
            .unwrap()
            .write(stuck, piece, now)
            .unwrap()
        {
            Write::Taken => (written, refusals) = (written + 16_000, 0),
            Write::Full => refusals += 1,
        }
        refusals > 40
    });
    assert!(
        written < 1_300_000,
        "{written} bytes went where nobody reads"
    );
    let lively = open(&mut ann, bytes_stream().with_metadata(&true).unwrap());
    let sent = pattern(2_000_000);
    write(&mut ann, &mut ends, lively, &sent);
    end(&mut ann, lively);
    ends.until(&mut ann, "the echo", |ends| ends.over.contains_key(&lively));
    assert!(ends.received[&lively] == sent);
    assert_eq!(taken.load(Relaxed), 1);
}

#[derive(Resource, Default)]
struct Echoes(Vec<(ByteStream, Vec<u8>)>);

/// Sends back what comes, in capitals, and says hello to each new peer.
fn echo_in_tick(mut streams: ResMut<Streams>, mut echoes: ResMut<Echoes>) {
    while let Some(incoming) = streams.try_accept() {
        let peer = streams.peer(incoming.peer().player()).unwrap();
        assert_eq!(peer.name(), "Ann");
        echoes.0.push((incoming.accept(), Vec::new()));
    }
    echoes.0.retain_mut(|(stream, waiting)| {
        let mut buffer = [0; 1000];
        match stream.try_read(&mut buffer) {
            Ok(0) if waiting.is_empty() => return false,
            Ok(bytes) => waiting.extend(buffer[..bytes].to_ascii_uppercase()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
        if let Ok(bytes) = stream.try_write(waiting) {
            waiting.drain(..bytes);
        }
        true
    });
}

#[test]
fn a_system_reads_and_writes_streams_without_waiting() {
    let server = TestServer::start(Server::new(|| {
        pucks()
            .streams()
            .insert_resource(Echoes::default())
            .add_systems(echo_in_tick)
    }));
    let mut ann = Player::named(server.address, "Ann");
    let mut ends = Ends::default();
    let id = open(&mut ann, bytes_stream());
    let sent = [b'a'; 3000];
    write(&mut ann, &mut ends, id, &sent);
    end(&mut ann, id);
    ends.until(&mut ann, "the echo", |ends| ends.over.contains_key(&id));
    assert_eq!(ends.received[&id], [b'A'; 3000]);
}

#[test]
fn a_server_without_handlers_refuses_streams() {
    let server = TestServer::start(Server::new(pucks));
    let mut ann = Player::named(server.address, "Ann");
    let mut ends = Ends::default();
    let id = open(&mut ann, bytes_stream());
    ends.until(&mut ann, "the refusal", |ends| ends.over.contains_key(&id));
    assert_eq!(ends.over[&id], Some(405));
}
