//! An asset over a line that breaks again and again: nothing is fetched twice but what was torn.

use std::{fs, io, net::SocketAddr, sync::Arc, time::Duration};

use tests::{
    folder::Folder,
    sim::game::{Setting, game},
};
use tickwire_client::{
    AssetPolicy, Client, ClientEvent, Config, assets::AssetEvent, native::Connection,
};
use tickwire_protocol::{
    coding::Reader as FrameReader,
    frame::{Frame, FrameKind},
    id::StreamId,
    limits::{CHUNK_BYTES_MAX, SERVER_MESSAGE_BYTES_MAX},
    mux::StreamEvent,
    time::Micros,
    websocket::{Item, Reader, Role},
};
use tickwire_server::net::{Server, assets::Library};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::TcpStream,
    sync::{Notify, Semaphore},
};

use crate::{
    Running,
    relay::{Line, Relay},
};

/// No step of these tests takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connects through a relay, as a player that fetches what it is told to.
async fn player(relay: &Relay, assets: AssetPolicy) -> Connection {
    let config = Config {
        assets,
        seed: 1,
        ..Config::default()
    };
    let url = format!("ws://{}/play", relay.address);
    let connection = Connection::connect(&url, config).await;
    connection.expect("the relay listens, and breaks later")
}

/// Plays until everything is there, through every break of the line; gives what became of the assets, and
/// how often the line broke.
pub(crate) async fn fetch(player: &Connection) -> (Vec<AssetEvent>, usize) {
    let (mut events, mut breaks) = (vec![], 0);
    while events.last() != Some(&AssetEvent::Complete) {
        let event = tokio::time::timeout(PATIENCE, player.next_event()).await;
        match event.expect("something happens").expect("it goes on") {
            ClientEvent::Asset(event) => events.push(event),
            ClientEvent::Disconnected { .. } => {
                breaks += 1;
                player.with(Client::retry);
            }
            _ => {}
        }
    }
    (events, breaks)
}

/// Bytes of opened streams in whole messages, and the bytes of those messages with all that stood before.
fn whole(line: &Line) -> (usize, usize) {
    let head = b"\r\n\r\n";
    let head = line.crossed.windows(4).position(|bytes| bytes == head);
    let mut bytes = line.crossed[head.expect("an upgrade") + 4..].to_vec();
    let all = bytes.len();
    let mut input = &mut bytes[..];
    let (mut data, mut taken) = (0, 0);
    let mut reader = Reader::new(Role::Client, SERVER_MESSAGE_BYTES_MAX);
    loop {
        let Some(item) = reader.read(&mut input).expect("a WebSocket") else {
            return (data, taken);
        };
        if let Item::Binary(message) = item {
            let mut frames = FrameReader::new(message);
            while !frames.is_empty() {
                let frame = Frame::decode(&mut frames).expect("a frame");
                if frame.kind == FrameKind::Data && frame.stream >= StreamId::FIRST_OPENED {
                    data += frame.payload.len();
                }
            }
        }
        taken = all - input.len();
    }
}

#[tokio::test]
async fn a_line_that_breaks_ten_times_in_one_asset_carries_every_byte_once_but_the_torn_chunks() {
    const CUTS: usize = 10;
    let folder = Folder::new("cuts").expect("a folder");
    let mut random = fastrand::Rng::with_seed(11);
    let content: Vec<u8> = (0..3_000_000).map(|_| random.u8(..)).collect();
    fs::write(folder.join("world.bin"), &content).expect("a file");
    let library = Library::open(&folder).expect("a library");
    let mut server = Running::start_with(|server| server.assets(library));
    // Anywhere: in the middle of a chunk, of a header, between two.
    let mut breaks: Vec<usize> = (0..CUTS).map(|_| random.usize(30_000..280_000)).collect();
    breaks.push(usize::MAX);
    let relay = Relay::start(server.address, breaks);
    let player = player(&relay, AssetPolicy::Fetch).await;
    let (events, broken) = fetch(&player).await;
    assert_eq!(broken, CUTS, "{:?}", events.last());
    let fetched = player.with(|client, _| client.asset_progress().bytes_fetched);
    assert_eq!(fetched, content.len() as u64);
    player.leave().await;
    let manifest = content_of(&events, &content);
    server.stop();
    let lines: Vec<Line> = relay.lines.iter().take(CUTS + 1).collect();
    let mut data = 0;
    for (number, line) in lines.iter().enumerate() {
        let (whole, taken) = whole(line);
        data += whole;
        let head = line.crossed.windows(4).position(|it| it == b"\r\n\r\n");
        let torn = line.crossed.len() - taken - head.map_or(0, |at| at + 4);
        println!(
            "connection {number}: {} bytes crossed, {whole} of assets; {torn} torn, {} swallowed",
            line.crossed.len(),
            line.swallowed
        );
        assert!(torn <= CHUNK_BYTES_MAX + 64, "{torn} bytes were torn");
    }
    assert_eq!(data, content.len() + manifest, "a byte crossed twice");
}

#[tokio::test]
async fn what_the_server_pushes_comes_with_what_it_depends_on_and_nothing_else() {
    let folder = Folder::new("push").expect("a folder");
    for name in ["a.txt", "scene.txt", "font.txt"] {
        fs::write(folder.join(name), name.repeat(1000)).expect("a file");
    }
    let description = r#"{"scene.txt": {"depends": ["font.txt"]}}"#;
    fs::write(folder.join("assets.json"), description).expect("a file");
    let library = Library::open(&folder).expect("a library");
    let (tell, mut told) = tokio::sync::mpsc::channel(1);
    let mut server = Running::start_with(move |server| {
        let pushed = library.clone();
        server.assets(library).on_player(move |peer| {
            let (library, tell) = (pushed.clone(), tell.clone());
            async move {
                let unknown = library.push(&peer, &["nothing.txt"]).await;
                let pushed = library.push(&peer, &["scene.txt"]).await;
                // The test may be over by then.
                let _ = tell
                    .send((unknown.map_err(|it| it.to_string()), pushed.is_ok()))
                    .await;
            }
        })
    });
    let relay = Relay::start(server.address, vec![usize::MAX]);
    let player = player(&relay, AssetPolicy::LookUpWhenAsked).await;
    let (events, _) = fetch(&player).await;
    // The server hears too: its push is done when the player has taken it.
    let heard = tokio::time::timeout(PATIENCE, told.recv()).await;
    let mut came: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            AssetEvent::Ready { name, bytes, .. } => Some(format!("{name} {}", bytes.len())),
            AssetEvent::Unlisted { reason } => Some(reason.clone()),
            AssetEvent::Failed { name, reason } => Some(format!("{name}: {reason}")),
            AssetEvent::Listed
            | AssetEvent::Replaced { .. }
            | AssetEvent::Removed { .. }
            | AssetEvent::Complete => None,
        })
        .collect();
    came.sort();
    assert_eq!(came, ["font.txt 8000", "scene.txt 9000"]);
    let unknown = Err("no asset is called nothing.txt".to_owned());
    assert_eq!(heard, Ok(Some((unknown, true))));
    player.leave().await;
    server.stop();
}

/// Lines to a server that the test cuts, and lets through when it likes.
#[derive(Clone)]
struct Lines {
    server: SocketAddr,
    allowed: Arc<Semaphore>,
    cut: Arc<Notify>,
}

impl Lines {
    async fn open(self) -> io::Result<DuplexStream> {
        let allowed = self.allowed.acquire().await;
        allowed.map_err(io::Error::other)?.forget();
        let mut socket = TcpStream::connect(self.server).await?;
        let (ours, mut theirs) = tokio::io::duplex(16 * 1024);
        tokio::spawn(async move {
            tokio::select! {
                () = self.cut.notified() => {}
                _ = tokio::io::copy_bidirectional(&mut theirs, &mut socket) => {}
            }
        });
        Ok(ours)
    }
}

/// Plays until an asset is ready that holds this; gives what happened on the way.
async fn until_ready(player: &Connection, content: &[u8]) -> Vec<ClientEvent> {
    let mut events = vec![];
    loop {
        let event = tokio::time::timeout(PATIENCE, player.next_event()).await;
        let event = event.expect("something happens").expect("it goes on");
        let is_it = matches!(
            &event,
            ClientEvent::Asset(AssetEvent::Ready { bytes, .. }) if &bytes[..] == content
        );
        events.push(event);
        if is_it {
            return events;
        }
    }
}

#[tokio::test]
async fn who_was_away_while_a_watched_directory_changed_fetches_the_new_content_when_it_is_back() {
    let folder = Folder::new("away").expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a file");
    write("sign.txt", "old");
    write("stays.txt", "stays");
    let library = Library::watch(&folder).expect("a library");
    let setting = Setting {
        grace: Micros::from_millis(60_000),
        ..Setting::default()
    };
    let mut server =
        Running::start_with(move |_| Server::new(move || game(setting)).assets(library));
    let lines = Lines {
        server: server.address,
        allowed: Arc::new(Semaphore::new(1)),
        cut: Arc::default(),
    };
    let config = Config {
        assets: AssetPolicy::Fetch,
        seed: 1,
        ..Config::default()
    };
    let dial = lines.clone();
    let ann = Connection::connect_by("ws://test/play", config, move || dial.clone().open());
    let ann = ann.await.expect("it is let through");
    fetch(&ann).await;
    let relay = Relay::start(server.address, vec![usize::MAX]);
    let bob = player(&relay, AssetPolicy::Fetch).await;
    fetch(&bob).await;

    lines.cut.notify_waiters();
    while ann.is_playing() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    write("sign.txt", "new text");
    // Once the others have been told, nobody tells her any more.
    until_ready(&bob, b"new text").await;
    lines.allowed.add_permits(1);
    ann.with(Client::retry);
    let events = until_ready(&ann, b"new text").await;
    let is_back = |it: &ClientEvent| matches!(it, ClientEvent::Joined { resumed: true, .. });
    assert!(events.iter().any(is_back), "{events:?}");
    let ready = |it: &&ClientEvent| matches!(it, ClientEvent::Asset(AssetEvent::Ready { .. }));
    assert_eq!(events.iter().filter(ready).count(), 1, "{events:?}");
    bob.leave().await;
    ann.leave().await;
    server.stop();
}

/// A line to a server that carries 800 kB/s to the player at most.
async fn open_slow(server: SocketAddr) -> io::Result<DuplexStream> {
    let (mut from_server, mut to_server) = TcpStream::connect(server).await?.into_split();
    let (ours, theirs) = tokio::io::duplex(4096);
    let (mut from_player, mut to_player) = tokio::io::split(theirs);
    tokio::spawn(async move { tokio::io::copy(&mut from_player, &mut to_server).await });
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok(bytes @ 1..) = from_server.read(&mut buffer).await {
            if to_player.write_all(&buffer[..bytes]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    Ok(ours)
}

#[tokio::test]
async fn a_file_that_is_changed_while_it_is_downloaded_is_given_up_for_the_new_one() {
    let folder = Folder::new("replaced").expect("a folder");
    let assets = folder.join("assets");
    fs::create_dir_all(&assets).expect("a folder");
    let mut random = fastrand::Rng::with_seed(12);
    let old: Vec<u8> = (0..4_000_000).map(|_| random.u8(..)).collect();
    fs::write(assets.join("world.bin"), &old).expect("a file");
    let library = Library::watch(&assets).expect("a library");
    let mut server = Running::start_with(|server| server.assets(library));
    let config = Config {
        assets: AssetPolicy::Fetch,
        seed: 1,
        ..Config::default()
    };
    let address = server.address;
    let player = Connection::connect_by("ws://test/play", config, move || open_slow(address));
    let player = player.await.expect("the server listens");
    let come = |client: &Client| client.asset_partial("world.bin").map_or(0, <[u8]>::len);
    while player.with(|client, _| come(client)) < 100_000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // In one step, so that nobody reads half of it.
    fs::write(folder.join("new"), "new text").expect("a file");
    fs::rename(folder.join("new"), assets.join("world.bin")).expect("it takes its place");
    let events = until_ready(&player, b"new text").await;
    let told: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            ClientEvent::Asset(AssetEvent::Replaced { name }) => Some(format!("replaced {name}")),
            ClientEvent::Asset(AssetEvent::Ready { name, .. }) => Some(format!("ready {name}")),
            ClientEvent::Asset(AssetEvent::Failed { reason, .. }) => Some(reason.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["replaced world.bin", "ready world.bin"]);
    let is_unowned = |it: &ClientEvent| {
        matches!(
            it,
            ClientEvent::Stream(StreamEvent::Readable(_) | StreamEvent::Ended(_))
        )
    };
    assert!(!events.iter().any(is_unowned), "{events:?}");
    let progress = player.with(|client, _| client.asset_progress());
    assert_eq!((progress.bytes, progress.bytes_total), (8, 8));
    assert_eq!((progress.assets, progress.assets_total), (1, 1));
    assert!(progress.bytes_fetched < 4_000_000, "{progress:?}");
    println!("{} bytes came in all", progress.bytes_fetched);
    player.leave().await;
    server.stop();
}

/// Checks that the asset came as it is; gives the bytes of its manifest.
fn content_of(events: &[AssetEvent], content: &[u8]) -> usize {
    let [
        AssetEvent::Listed,
        AssetEvent::Ready {
            bytes, hash, mime, ..
        },
        AssetEvent::Complete,
    ] = events
    else {
        panic!("{events:?}");
    };
    assert!(bytes == content && hash.0 == *blake3::hash(content).as_bytes());
    let asset = tickwire_protocol::asset::Asset {
        name: "world.bin".into(),
        bytes: content.len() as u64,
        mime: mime.clone(),
        hash: *hash,
        priority: 100,
        depends: vec![],
        packed_bytes: 0,
    };
    let assets = vec![asset];
    tickwire_protocol::asset::Manifest::from(assets)
        .encode()
        .len()
}
