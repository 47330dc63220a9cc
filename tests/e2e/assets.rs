//! An asset over a line that breaks again and again: nothing is fetched twice but what was torn.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use tickwire_client::{AssetPolicy, Client, ClientEvent, Config, assets::AssetEvent};
use tickwire_protocol::{
    coding::Reader as FrameReader,
    frame::{Frame, FrameKind},
    id::StreamId,
    limits::{CHUNK_BYTES_MAX, SERVER_MESSAGE_BYTES_MAX, SUBPROTOCOL},
    time::Micros,
    websocket::{Item, Opcode, Reader, Role, Writer, upgrade::Upgrade},
};
use tickwire_server::net::assets::Library;

use crate::{
    Running,
    relay::{Line, Relay},
};

/// No step of these tests takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A player with a blocking socket, one connection after the other.
struct Player {
    client: Client,
    start: Instant,
    events: Vec<AssetEvent>,
}

impl Player {
    /// One that is about to connect.
    fn new(assets: AssetPolicy) -> Self {
        let config = Config {
            assets,
            seed: 1,
            ..Config::default()
        };
        let mut player = Self {
            client: Client::new(config),
            start: Instant::now(),
            events: vec![],
        };
        assert!(player.client.poll_connect(player.now()), "it begins");
        player
    }

    fn now(&self) -> Micros {
        self.start.elapsed().into()
    }

    /// Connects, and plays until the line breaks or `is_over` with what happened.
    fn play(&mut self, relay: &Relay, is_over: impl Fn(&[AssetEvent]) -> bool) {
        let mut socket = TcpStream::connect(relay.address).expect("the relay listens");
        let (upgrade, request) = Upgrade::request("test", "/play", SUBPROTOCOL, [7; 16]);
        socket.write_all(request.as_bytes()).expect("it is open");
        let timeout = Some(Duration::from_millis(5));
        socket.set_read_timeout(timeout).expect("a socket");
        let mut reader = Reader::new(Role::Client, SERVER_MESSAGE_BYTES_MAX);
        let mut writer = Writer::client(42);
        let (mut head, mut is_upgraded) = (vec![], false);
        let mut buffer = vec![0; 64 * 1024];
        let mut message = vec![];
        while self.start.elapsed() < PATIENCE {
            let mut input = match socket.read(&mut buffer) {
                Ok(0) => break,
                Ok(bytes) => &mut buffer[..bytes],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => &mut [],
                Err(_) => break,
            };
            if !is_upgraded {
                head.extend_from_slice(input);
                let Some(at) = upgrade.answer(&head).expect("it upgrades") else {
                    continue;
                };
                is_upgraded = true;
                self.client.handle_open(self.now());
                let rest = head.len() - at;
                let skip = input.len() - rest;
                input = &mut input[skip..];
            }
            while let Some(item) = reader.read(&mut input).expect("a WebSocket") {
                if let Item::Binary(message) = item {
                    let now = self.now();
                    self.client.handle_message(message, now).expect("Tickwire");
                }
            }
            let now = self.now();
            while self.client.poll_message(60_000, now, &mut message) {
                let mut frames = vec![];
                writer.message(Opcode::Binary, &message, &mut frames);
                message.clear();
                // A line that broke says so when it is read.
                let _ = socket.write_all(&frames);
            }
            // There is no cache.
            while let Some(hash) = self.client.poll_asset_lookup() {
                self.client.handle_asset_cached(hash, None);
            }
            while let Some(event) = self.client.poll_event() {
                if let ClientEvent::Asset(event) = event {
                    self.events.push(event);
                }
            }
            if is_over(&self.events) {
                return;
            }
        }
        let now = self.now();
        self.client.handle_close(1006, "", now);
        self.client.retry(now);
        assert!(self.client.poll_connect(now), "it comes back");
    }
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

#[test]
fn a_line_that_breaks_ten_times_in_one_asset_carries_every_byte_once_but_the_torn_chunks() {
    const CUTS: usize = 10;
    let folder = std::env::temp_dir().join(format!("tickwire-cuts-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let mut random = fastrand::Rng::with_seed(11);
    let content: Vec<u8> = (0..3_000_000).map(|_| random.u8(..)).collect();
    fs::write(folder.join("world.bin"), &content).expect("a file");
    let library = Library::open(&folder).expect("a library");
    let mut server = Running::start_with(|server| server.assets(library));
    // Anywhere: in the middle of a chunk, of a header, between two.
    let mut breaks: Vec<usize> = (0..CUTS).map(|_| random.usize(30_000..280_000)).collect();
    breaks.push(usize::MAX);
    let relay = Relay::start(server.address, breaks);
    let mut player = Player::new(AssetPolicy::Fetch);
    for connection in 0..=CUTS {
        let is_over = |events: &[AssetEvent]| events.contains(&AssetEvent::Complete);
        player.play(&relay, is_over);
        let is_complete = is_over(&player.events);
        assert_eq!(
            is_complete,
            connection == CUTS,
            "{:?}",
            player.events.last()
        );
    }
    player.client.leave();
    let manifest = content_of(&player.events, &content);
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
    let fetched = player.client.asset_progress().bytes_fetched;
    assert_eq!(fetched, content.len() as u64);
    let _ = fs::remove_dir_all(&folder);
}

#[test]
fn what_the_server_pushes_comes_with_what_it_depends_on_and_nothing_else() {
    let folder = std::env::temp_dir().join(format!("tickwire-push-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    for name in ["a.txt", "scene.txt", "font.txt"] {
        fs::write(folder.join(name), name.repeat(1000)).expect("a file");
    }
    let description = r#"{"scene.txt": {"depends": ["font.txt"]}}"#;
    fs::write(folder.join("assets.json"), description).expect("a file");
    let library = Library::open(&folder).expect("a library");
    let (tell, told) = std::sync::mpsc::channel();
    let mut server = Running::start_with(move |server| {
        let pushed = library.clone();
        server.assets(library).on_player(move |peer| {
            let (library, tell) = (pushed.clone(), tell.clone());
            async move {
                let unknown = library.push(&peer, &["nothing.txt"]).await;
                let pushed = library.push(&peer, &["scene.txt"]).await;
                // The test may be over by then.
                let _ = tell.send((unknown.map_err(|it| it.to_string()), pushed.is_ok()));
            }
        })
    });
    let relay = Relay::start(server.address, vec![usize::MAX]);
    let mut player = Player::new(AssetPolicy::LookUpWhenAsked);
    // Until the server has heard, too: its push is done when the player has taken it.
    let heard = std::cell::OnceCell::new();
    player.play(&relay, |events| {
        if let Ok(outcome) = told.try_recv() {
            let _ = heard.set(outcome);
        }
        events.contains(&AssetEvent::Complete) && heard.get().is_some()
    });
    let mut came: Vec<String> = player
        .events
        .iter()
        .filter_map(|event| match event {
            AssetEvent::Ready { name, bytes, .. } => Some(format!("{name} {}", bytes.len())),
            AssetEvent::Failed { name, reason } => Some(format!("{name}: {reason}")),
            AssetEvent::Listed | AssetEvent::Complete => None,
        })
        .collect();
    came.sort();
    assert_eq!(came, ["font.txt 8000", "scene.txt 9000"]);
    let unknown = Err("no asset is called nothing.txt".to_owned());
    assert_eq!(heard.get(), Some(&(unknown, true)));
    player.client.leave();
    server.stop();
    let _ = fs::remove_dir_all(&folder);
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
    tickwire_protocol::asset::Manifest { assets }.encode().len()
}
