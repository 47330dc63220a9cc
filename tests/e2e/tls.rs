//! A player over TLS: what a server behind tokio-rustls and the Rust client make of it together.
//!
//! The server is served as the example `tls` of tickwire-server serves it. What the server does with slow and
//! hostile peers behind a wrapper, its own tests show without TLS, where a line can be made to hold little.

#[path = "../../server/examples/tls/serve.rs"]
mod serve;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tests::{
    folder::Folder,
    sim::game::{Position, Setting, Steer, game},
};
use tickwire_client::{
    AssetPolicy, ClientEvent, Config,
    assets::AssetEvent,
    native::{ConnectError, Connection, StreamKind, StreamOptions},
};
use tickwire_server::net::{Running, Server, assets::Library};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    task::JoinHandle,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use crate::{
    assets::fetch,
    content::Content,
    pump::{self, Speed, Taker},
    relay::Relay,
};

/// No step of these tests takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of the one asset, and of what goes through a stream both ways.
const BULK_BYTES: usize = 1_000_000;

/// A certificate that this machine's clock, whatever it says, finds valid; its key; and how both were made.
fn localhost() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/localhost.pem")
}

/// A server behind TLS, with an asset and with streams that echo. It lives on the test's own runtime, so that
/// what it leaves there is seen.
struct Behind {
    running: Running,
    accepting: JoinHandle<()>,
    relay: Relay,
    _folder: Folder,
    asset: Vec<u8>,
    tasks: usize,
}

impl Behind {
    /// Starts it behind a relay that breaks the n-th connection after `breaks[n]` bytes.
    async fn start(name: &str, breaks: Vec<usize>) -> Self {
        let folder = Folder::new(name).expect("a folder");
        let mut asset = vec![0; BULK_BYTES];
        Content::new(3).fill(&mut asset);
        fs::write(folder.join("world.bin"), &asset).expect("a file");
        let server = Server::new(|| game(Setting::default()))
            .workers(1)
            .assets(Library::open(&folder).expect("a library"))
            .on_stream(async |incoming: tickwire_server::stream::Incoming| {
                let (mut reader, mut writer) = incoming.accept().into_split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        let running = server.start().expect("it starts");
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let tls = serve::acceptor(&localhost(), &localhost()).expect("a certificate and its key");
        let accepting = tokio::spawn(serve::serve(listener, tls, running.router()));
        Self {
            running,
            accepting,
            relay: Relay::start(address, breaks),
            _folder: folder,
            asset,
            tasks: Handle::current().metrics().num_alive_tasks(),
        }
    }

    /// Connects with TLS, and trusts that one certificate and no other.
    async fn player(&self) -> Connection {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(localhost()).expect("a certificate");
        roots.add(certificate).expect("it can be trusted");
        let tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(tls));
        let address = self.relay.address;
        let url = format!("wss://localhost:{}/play", address.port());
        let config = Config {
            assets: AssetPolicy::Fetch,
            ..Config::default()
        };
        let connection = Connection::connect_by(&url, config, move || {
            let tls = tls.clone();
            async move {
                let socket = TcpStream::connect(address).await?;
                socket.set_nodelay(true)?;
                let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
                tls.connect(name, socket).await
            }
        });
        connection.await.expect("the server takes a player")
    }

    /// Waits until the metrics have these lines, and the runtime that both ends share no task of a player.
    async fn until(&self, lines: &[&str]) {
        let waiting = async {
            loop {
                let metrics = self.running.metrics();
                let is_there = |line: &&str| metrics.lines().any(|other| other == *line);
                let tasks = Handle::current().metrics().num_alive_tasks();
                if lines.iter().all(is_there) && tasks == self.tasks {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("no {lines:?} in {}", self.running.metrics()));
    }

    async fn stop(self) {
        self.accepting.abort();
        self.running.shut_down().await;
    }
}

fn came_whole(events: &[AssetEvent], asset: &[u8]) -> bool {
    let expected = blake3::hash(asset);
    events.iter().any(|event| {
        let AssetEvent::Ready { bytes, hash, .. } = event else {
            return false;
        };
        bytes == asset && hash.0 == *expected.as_bytes()
    })
}

/// Steers to the middle of the world, and waits until the newest snapshot shows it.
async fn walk(player: &Connection) {
    let x = || {
        player.with(|client, _| {
            let view = client.newest()?;
            Some(view.get::<Position>(view.own()?)?.x)
        })
    };
    let walking = async {
        let mut from = None;
        loop {
            match (from, x()) {
                (None, Some(x)) => {
                    from = Some(x);
                    let right = if x < 500.0 { 1.0 } else { -1.0 };
                    player
                        .set_input(&Steer {
                            x: right,
                            ..Steer::default()
                        })
                        .expect("it is the game's input");
                }
                (Some(from), Some(x)) if (x - from).abs() > 50.0 => return,
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let walked = tokio::time::timeout(PATIENCE, walking).await;
    walked.expect("inputs have an effect");
}

/// Sends bytes up a stream, and takes the same ones back.
async fn echo(player: &Connection) {
    let bytes = BULK_BYTES as u64;
    let stream = player.open(StreamOptions::new(StreamKind::Bytes));
    let (mut reader, mut writer) = stream.into_split();
    let mut taker = Taker::new(&mut reader);
    let sending = async {
        pump::send(&mut writer, 5, bytes).await?;
        writer.finished().await
    };
    let both = async { tokio::join!(sending, taker.take(bytes, Speed::default(), |_| ())) };
    let both = tokio::time::timeout(PATIENCE, both).await;
    let (sent, came) = both.expect("it does not stand still");
    sent.expect("it is taken");
    assert_eq!(came.expect("it comes back"), Content::taken(5, bytes));
}

/// Compares what the player holds with the server's checksum.
async fn verify(player: &Connection) {
    player
        .with(|client, _| client.verify())
        .expect("it is in the room");
    let answer = async {
        loop {
            match player.next_event().await {
                Some(ClientEvent::Verified { is_equal, .. }) => return is_equal,
                Some(_) => {}
                None => panic!("the connection is over"),
            }
        }
    };
    let is_equal = tokio::time::timeout(PATIENCE, answer).await;
    assert!(is_equal.expect("an answer comes"), "the replica differs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_over_tls_plays_as_any_other_and_leaves_nothing_behind() {
    let server = Behind::start("tls", vec![usize::MAX]).await;
    let player = server.player().await;
    let (events, breaks) = fetch(&player).await;
    assert!(came_whole(&events, &server.asset) && breaks == 0);
    walk(&player).await;
    echo(&player).await;
    verify(&player).await;
    player.leave().await;
    let closed = "tickwire_closes_total{code=\"1000\"} 1";
    server
        .until(&["tickwire_connections 0", "tickwire_players 0", closed])
        .await;
    // Were it not TLS, the answer to the upgrade would stand at the head.
    let line = server.relay.lines.recv_timeout(PATIENCE);
    let crossed = line.expect("the line is over").crossed;
    let is_readable = crossed.windows(4).any(|bytes| bytes == b"HTTP");
    assert!(crossed.len() > 2 * BULK_BYTES && !is_readable);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_of_tls_that_is_cut_comes_back_to_its_seat_and_its_download_goes_on() {
    let server = Behind::start("tls-cut", vec![BULK_BYTES / 2, usize::MAX]).await;
    let player = server.player().await;
    let (events, breaks) = fetch(&player).await;
    assert!(came_whole(&events, &server.asset) && breaks == 1);
    let fetched = player.with(|client, _| client.asset_progress().bytes_fetched);
    assert_eq!(fetched, BULK_BYTES as u64);
    walk(&player).await;
    // Cut by its own end now, and for good: the seat waits once more, and everything else is gone.
    drop(player);
    let closed = "tickwire_closes_total{code=\"1006\"} 2";
    server
        .until(&["tickwire_connections 0", "tickwire_players 1", closed])
        .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_speaks_no_tls_to_a_server_behind_it_is_not_let_in() {
    let server = Behind::start("tls-plain", vec![usize::MAX]).await;
    let url = format!("ws://{}/play", server.relay.address);
    let error = Connection::connect(&url, Config::default()).await;
    let error = error.expect_err("it is not let in");
    assert!(
        matches!(
            error,
            ConnectError::Unreachable(_) | ConnectError::Upgrade(_)
        ),
        "{error:?}"
    );
    server.until(&["tickwire_handshakes 0"]).await;
    server.stop().await;
}
