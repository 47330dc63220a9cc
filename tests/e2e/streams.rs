//! Streams between the native client and the server: many at once, slow readers, questions, and the end of a
//! connection.

use std::{io, sync::Arc, thread, time::Duration};

use tickwire_client::{
    ClientEvent, Config,
    native::{ConnectError, Connection, Incoming, StreamError, StreamKind, StreamOptions},
};
use tickwire_protocol::error::CloseCode;

use crate::{
    Running,
    content::{Content, Flow},
    process::{End, Held},
    pump::{self, Speed, Taker},
    relay::Relay,
};

const MIB: u64 = 1024 * 1024;

/// How much more than at rest an end may hold while a reader is slow.
const HELD_BYTES_MAX: u64 = 8 * MIB;

/// No step of these tests takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

async fn connect(server: &Running) -> Connection {
    let url = format!("ws://{}/play", server.address);
    let connection = Connection::connect(&url, Config::default()).await;
    connection.expect("the server takes a player")
}

/// Waits for the next event that is a `wanted` one.
async fn wait_for(connection: &Connection, wanted: impl Fn(&ClientEvent) -> bool) {
    let waiting = async {
        while let Some(event) = connection.next_event().await {
            if wanted(&event) {
                return;
            }
        }
        panic!("the connection is over");
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.expect("it happens in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_streams_of_random_sizes_arrive_whole_both_ways() {
    const STREAMS: u32 = 500;
    let mut server = Running::start_with(|_| crate::flow_server::server(None));
    let connection = connect(&server).await;
    let mut random = fastrand::Rng::with_seed(5);
    // Most are small, some are larger than a window.
    let mut size = move || {
        let bits = random.u32(0..18);
        random.u64(0..=1 << bits)
    };
    let mut streams = vec![];
    for number in 0..STREAMS {
        let flow = Flow {
            down: size(),
            up: size(),
            seed: number * 2 + 1,
            rate: 0,
            paced: 0,
        };
        let options = StreamOptions::new(StreamKind::Bytes).with_metadata(&flow);
        let mut stream = connection.open(options.expect("small metadata"));
        stream.accepted().await.expect("it is taken");
        streams.push((flow, stream));
    }
    let mut running = tokio::task::JoinSet::new();
    for (flow, stream) in streams {
        running.spawn(async move {
            let (mut reader, mut writer) = stream.into_split();
            let mut taker = Taker::new(&mut reader);
            let sending = async {
                pump::send(&mut writer, flow.seed + 1, flow.up).await?;
                writer.finished().await
            };
            let (sent, came) =
                tokio::join!(sending, taker.take(flow.down, Speed::default(), |_| ()));
            sent.expect("it is taken");
            let went = taker.verdict().await.expect("the server says what it took");
            assert_eq!(
                came.expect("it comes"),
                Content::taken(flow.seed, flow.down)
            );
            assert_eq!(went, Content::taken(flow.seed + 1, flow.up));
        });
    }
    let all = tokio::time::timeout(PATIENCE, running.join_all()).await;
    assert_eq!(all.expect("they end").len(), STREAMS as usize);
    connection.leave().await;
    server.stop();
}

/// Bytes of control messages that a server gets beside an upload.
#[cfg(target_os = "linux")]
async fn control_bytes_beside_an_upload(connects: impl AsyncFnOnce(&str) -> Connection) -> u64 {
    let mut server = Running::start_with(|_| crate::flow_server::server(None));
    let connection = connects(&server.address.to_string()).await;
    let flow = Flow {
        down: 0,
        up: 8 * MIB,
        seed: 3,
        rate: 0,
        paced: 0,
    };
    let options = StreamOptions::new(StreamKind::Bytes).with_metadata(&flow);
    let (mut reader, mut writer) = connection
        .open(options.expect("small metadata"))
        .into_split();
    let sent = pump::send(&mut writer, flow.seed + 1, flow.up).await;
    sent.expect("it is taken");
    writer.finished().await.expect("all of it");
    let went = Taker::new(&mut reader).verdict().await;
    let went = went.expect("the server says what it took");
    assert_eq!(went, Content::taken(flow.seed + 1, flow.up));
    connection.leave().await;
    let url = format!("http://{}/metrics", server.address);
    let bytes = |stream: &str| {
        let metrics = minreq::get(&url).send().expect("the server answers");
        let metrics = metrics.as_str().expect("it is text");
        let labels = format!("{{stream=\"{stream}\",direction=\"in\"}}");
        let name = format!("tickwire_stream_bytes_total{labels}");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        let bytes: Result<u64, _> = line.expect("it is counted").trim().parse();
        bytes.expect("a number")
    };
    // The server may hear of the end after us.
    let counted = async {
        while bytes("bytes") < flow.up {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let counted = tokio::time::timeout(PATIENCE, counted).await;
    counted.expect("it is counted in time");
    let control = bytes("control");
    server.stop();
    control
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(target_os = "linux")]
async fn an_upload_over_tcp_is_paced_by_its_kernel_and_over_any_other_line_by_marks() {
    let by_kernel = control_bytes_beside_an_upload(async |address| {
        let url = format!("ws://{address}/play");
        let connection = Connection::connect(&url, Config::default()).await;
        connection.expect("the server takes a player")
    })
    .await;
    let by_marks = control_bytes_beside_an_upload(async |address| {
        let url = format!("ws://{address}/play");
        let line = tokio::net::TcpStream::connect(address).await;
        let line = line.expect("it listens");
        let connection = Connection::over(line, &url, Config::default()).await;
        connection.expect("the server takes a player")
    })
    .await;
    println!("{by_kernel} and {by_marks} bytes");
    assert!(by_kernel * 2 < by_marks, "{by_kernel} and {by_marks} bytes");
}

/// A reader takes 1 MiB/s for a while and then what is left: neither end holds what it does not take.
fn slow_reader(down: u64, up: u64) {
    let (total, paced) = (24 * MIB, 3 * MIB);
    let mut server = End::start(&["serve"]).expect("it starts");
    let url = server
        .line()
        .expect("its address")
        .replace("http://", "ws://")
        + "/play";
    let [down, up] = [down * total, up * total].map(|it| it.to_string());
    let (rate, paced) = (MIB.to_string(), paced.to_string());
    let mut client = End::start(&["flow", &url, &down, &up, "7", &rate, &paced]);
    let client = client.as_mut().expect("it starts");
    assert_eq!(client.line().expect("it connects"), "connected");
    let mut held = [&server, client].map(|end| Held::of(end.id()).expect("its memory"));
    client.go().expect("it waits");
    let verdict = thread::scope(|scope| {
        let verdict = scope.spawn(|| client.line());
        while !verdict.is_finished() {
            held.iter_mut().for_each(Held::look);
            thread::sleep(Duration::from_millis(20));
        }
        verdict.join().expect("it is only read")
    });
    assert_eq!(verdict.expect("it ends well"), "whole");
    for (held, whose) in held.iter().zip(["the server", "the client"]) {
        let grown = held.grown_bytes();
        println!("{whose}: {held:?}");
        assert!(
            grown <= HELD_BYTES_MAX,
            "{whose} held {grown} bytes more than at rest"
        );
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_player_that_reads_a_mebibyte_a_second_costs_neither_end_memory() {
    slow_reader(1, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_that_reads_a_mebibyte_a_second_costs_neither_end_memory() {
    slow_reader(0, 1);
}

#[tokio::test]
async fn both_ends_ask_open_and_refuse_alike() {
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    let mut server = Running::start_with(move |server| {
        server
            .on_stream(async |incoming: tickwire_server::stream::Incoming| {
                match incoming.metadata::<String>().as_deref() {
                    Ok("shout") => {
                        let (text, reply) = incoming.question::<String>().await.expect("a text");
                        reply.send(&text.to_uppercase()).expect("it is waited for");
                    }
                    Ok("never") => {
                        let asked = incoming.question::<String>().await;
                        std::future::pending::<()>().await;
                        drop(asked);
                    }
                    _ => incoming.refuse(404, "nobody is called so"),
                }
            })
            .on_player(move |peer| {
                let tell = tell.clone();
                async move {
                    let sum = peer.ask::<_, u32>("sum", &[1_u32, 2, 3], PATIENCE).await;
                    let mut numbers =
                        peer.open_messages::<u32>(StreamOptions::new(StreamKind::Messages));
                    for number in 0..3 {
                        numbers.send(&number).await.expect("it is taken");
                    }
                    let taken = numbers.finished().await.is_ok();
                    // The test may be over by then.
                    let _ = tell.send((sum.ok(), taken)).await;
                    let patience = Duration::from_millis(50);
                    let late = peer.ask::<_, u32>("a riddle", &0, patience).await;
                    let is_late = late.is_err_and(|it| it.kind() == io::ErrorKind::TimedOut);
                    let _ = tell.send((None, is_late)).await;
                }
            })
    });
    let connection = connect(&server).await;
    let incoming = connection.accept().await.expect("the server's question");
    assert_eq!(incoming.metadata::<String>().as_deref(), Ok("sum"));
    let (numbers, reply) = incoming.question::<Vec<u32>>().await.expect("numbers");
    reply
        .send(&numbers.iter().sum::<u32>())
        .expect("it is waited for");
    let incoming: Incoming = connection.accept().await.expect("the server's stream");
    let mut numbers = incoming.accept_messages::<u32>();
    for expected in 0..3 {
        assert_eq!(numbers.receive().await.ok(), Some(Some(expected)));
    }
    assert_eq!(numbers.receive().await.ok(), Some(None));
    assert_eq!(told.recv().await, Some((Some(6), true)));
    assert_eq!(
        told.recv().await,
        Some((None, true)),
        "nobody took it in time"
    );

    let shouted = connection
        .ask::<_, String>("shout", "hello", PATIENCE)
        .await;
    assert_eq!(shouted.expect("an answer"), "HELLO");
    let late = connection.ask::<_, String>("never", "hello", Duration::from_millis(50));
    assert_eq!(
        late.await.map_err(|it| it.kind()),
        Err(std::io::ErrorKind::TimedOut)
    );
    let refused = connection
        .ask::<_, String>("whisper", "hello", PATIENCE)
        .await;
    let refused = refused.expect_err("nobody is called so");
    let reason = "nobody is called so".into();
    assert_eq!(
        StreamError::of(&refused),
        Some(&StreamError::Refused { code: 404, reason })
    );
    connection.leave().await;
    server.stop();
}

#[tokio::test]
async fn a_connection_comes_back_to_its_seat_and_its_streams_do_not() {
    let mut server = Running::start_with(|server| {
        server.on_stream(async |incoming: tickwire_server::stream::Incoming| {
            let (mut reader, mut writer) = incoming.accept().into_split();
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        })
    });
    let relay = Relay::start(server.address, vec![60_000, usize::MAX]);
    let url = format!("ws://{}/play", relay.address);
    let connection = Connection::connect(&url, Config::default()).await;
    let connection = Arc::new(connection.expect("it is taken"));
    wait_for(&connection, |it| {
        matches!(it, ClientEvent::Joined { resumed: false, .. })
    })
    .await;
    // What comes back of it breaks the line.
    let (mut reader, mut writer) = connection
        .open(StreamOptions::new(StreamKind::Bytes))
        .into_split();
    let sending = pump::send(&mut writer, 1, 1 << 20);
    let mut taker = Taker::new(&mut reader);
    let (sent, came) = tokio::join!(sending, taker.take(1 << 20, Speed::default(), |_| ()));
    assert!(sent.is_err());
    let error = came.expect_err("the line broke");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    wait_for(&connection, |it| {
        matches!(it, ClientEvent::Joined { resumed: true, .. })
    })
    .await;
    let mut stream = connection.open(StreamOptions::new(StreamKind::Bytes));
    stream
        .send("again".into())
        .await
        .expect("the new line holds");
    assert_eq!(
        stream.receive().await.ok().flatten().as_deref(),
        Some(&b"again"[..])
    );
    // Dropped, it takes everything along, also what waits for it.
    let waits = tokio::spawn({
        let connection = Arc::downgrade(&connection);
        async move {
            let connection = connection.upgrade().expect("it is still there");
            connection.accept().await.is_none()
        }
    });
    tokio::task::yield_now().await;
    connection.with(|client, _| client.leave());
    assert!(
        waits.await.expect("it ends"),
        "nobody opens anything any more"
    );
    let lost = stream.receive().await.map_err(|it| it.kind());
    assert_eq!(lost, Err(std::io::ErrorKind::ConnectionReset));
    drop(connection);
    server.stop();
}

#[tokio::test]
async fn who_cannot_connect_is_told_why() {
    let mut server = Running::start_with(|_| {
        tickwire_server::net::Server::new(|| {
            tickwire_server::prelude::Game::new("closed")
                .on_knock(|_, _| Err("Members only.".into()))
        })
    });
    let to = |url: String| async move {
        let connected = Connection::connect(&url, Config::default()).await;
        connected.expect_err("it is not let in")
    };
    let error = to(format!("ws://{}/play", server.address)).await;
    let ConnectError::Refused { code, message, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*code, CloseCode::Refused.number());
    assert!(message.contains("Members only."), "{message}");
    let error = to(format!("ws://{}/nothing", server.address)).await;
    assert!(matches!(error, ConnectError::Upgrade(_)), "{error:?}");
    let error = to(format!("wss://{}/play", server.address)).await;
    assert!(matches!(error, ConnectError::NeedsTls(_)), "{error:?}");
    let error = to("http://localhost/".to_owned()).await;
    assert!(matches!(error, ConnectError::Address(_)), "{error:?}");
    let address = server.address;
    server.stop();
    let error = to(format!("ws://{address}/play")).await;
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error:?}");
}

/// Over a line that somebody else has opened, here a pipe inside the process.
#[tokio::test]
async fn a_connection_runs_over_any_line_and_ends_with_it() {
    let mut server = Running::start();
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let mut socket = tokio::net::TcpStream::connect(server.address)
        .await
        .expect("it listens");
    let between = tokio::spawn(async move {
        let _ = tokio::io::copy_bidirectional(&mut theirs, &mut socket).await;
    });
    let connection = Connection::over(ours, "wss://example.org/play", Config::default()).await;
    let connection = connection.expect("it is taken");
    let seen = async {
        while connection.with(|client, _| client.newest().is_none()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, seen)
        .await
        .expect("snapshots come");
    between.abort();
    let closed = tokio::time::timeout(PATIENCE, connection.closed()).await;
    closed.expect("there is no other line");
    assert!(
        connection
            .open(StreamOptions::new(StreamKind::Bytes))
            .send("x".into())
            .await
            .is_err()
    );
    server.stop();
}
