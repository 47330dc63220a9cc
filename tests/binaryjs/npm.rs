//! npm `binaryjs` 0.2.1, unmodified, against our endpoint: its browser bundle in Chromium and in Node, and
//! its Node client. The cases themselves are `npm/cases.js`; here is the server that they talk to.
//!
//! A plain `cargo test` leaves these tests out: they need Node, the packages and Chromium, and `cargo
//! xtask test` makes them ready.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io,
    path::{Path, PathBuf},
    pin::Pin,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use axum::{Router, http::header::CONTENT_TYPE, response::Html, routing::get};
use futures_sink::Sink;
use serde::Deserialize;
use tickwire_server::net::binaryjs::{BinaryJs, BinaryStream, Client, Value};
use tokio::{
    io::AsyncReadExt,
    net::TcpListener,
    runtime::Runtime,
    sync::{Mutex, Notify, mpsc},
};

use crate::driver::{Driver, Screen};

/// Long enough for a machine with two cores that compiles something else meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);

const CASES: &str = include_str!("npm/cases.js");
const PAGE: &str = include_str!("npm/page.html");

/// Numbers that the stream `count` carries, each with a few KiB beside it: more than sockets hold.
const COUNTED: u64 = 8000;
const COUNTED_BYTES: usize = 4096;

/// Where `cargo xtask test` has put the packages.
fn packages() -> Result<PathBuf> {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = scratch.with_file_name("npm").join("binaryjs/node_modules");
    ensure!(
        folder.join("binaryjs").is_dir(),
        "{} is missing: `cargo xtask test` fetches it",
        folder.display()
    );
    Ok(folder)
}

/// What a case wants of a stream it opens.
#[derive(Deserialize)]
struct Request {
    #[serde(rename = "do")]
    what: String,
    #[serde(default)]
    size: u64,
}

/// What streams of one client tell each other.
struct Desk {
    release: Notify,
    count: AtomicU64,
    is_paused: Notify,
    hear: mpsc::UnboundedSender<Value>,
    heard: Mutex<mpsc::UnboundedReceiver<Value>>,
}

async fn serve(client: Client) {
    let (hear, heard) = mpsc::unbounded_channel();
    let desk = Arc::new(Desk {
        release: Notify::new(),
        count: AtomicU64::new(0),
        is_paused: Notify::new(),
        hear,
        heard: Mutex::new(heard),
    });
    while let Some(stream) = client.accept().await {
        let (client, desk) = (client.clone(), Arc::clone(&desk));
        tokio::spawn(async move {
            let id = stream.id().to_string();
            if let Err(error) = answer(stream, &client, &desk).await {
                eprintln!("stream {id} of {client:?}: {error}");
            }
        });
    }
}

async fn answer(mut stream: BinaryStream, client: &Client, desk: &Desk) -> io::Result<()> {
    let request: Request = stream.metadata_as().map_err(io::Error::other)?;
    match request.what.as_str() {
        "echo" => {
            while let Some(value) = stream.next_value().await? {
                stream.write_value(value).await?;
            }
        }
        "upload" => upload(&mut stream, request.size).await?,
        "push" => {
            let bytes = stream.next_value().await?;
            let bytes = bytes.and_then(|bytes| bytes.as_u64()).unwrap_or_default();
            let file = pattern(bytes);
            let metadata = object(&[("name", "pushed".into()), ("bytes", bytes.into())]);
            client.send(&file[..], metadata).await?;
        }
        "hold" => {
            desk.release.notified().await;
            let (bytes, hash) = hashed(&mut stream).await?;
            stream
                .write_value(object(&[("bytes", bytes.into()), ("hash", hash.into())]))
                .await?;
        }
        "release" => {
            stream.next_value().await?;
            desk.release.notify_one();
        }
        "count" => count(stream, desk).await?,
        "paused" => {
            desk.is_paused.notified().await;
            stream
                .write_value(desk.count.load(Ordering::SeqCst))
                .await?;
            stream.next_value().await?;
            stream
                .write_value(desk.count.load(Ordering::SeqCst))
                .await?;
        }
        "after end" => {
            let before = stream.next_value().await?;
            if stream.next_value().await?.is_none() {
                stream.write_value(before.unwrap_or(Value::Nil)).await?;
                stream.write_value("after").await?;
            }
        }
        "end" => {
            stream.end();
            let heard = stream.next_value().await?.unwrap_or(Value::Nil);
            desk.hear.send(heard).map_err(io::Error::other)?;
        }
        "close" => stream.close(),
        "closed by us" => {
            let closed = stream.next_value().await.is_err();
            let heard = if closed { "closed" } else { "not closed" };
            desk.hear.send(heard.into()).map_err(io::Error::other)?;
        }
        "heard" => {
            let heard = desk.heard.lock().await.recv().await;
            stream.write_value(heard.unwrap_or(Value::Nil)).await?;
        }
        other => return Err(io::Error::other(format!("what is {other}?"))),
    }
    Ok(())
}

/// Takes a file and answers how much of it has come, after every piece.
async fn upload(stream: &mut BinaryStream, size: u64) -> io::Result<()> {
    let (mut bytes, mut hash) = (0, 0);
    let mut piece = vec![0; 64 * 1024];
    while bytes < size {
        let read = stream.read(&mut piece).await?;
        bytes += read as u64;
        hash = hash_on(hash, &piece[..read]);
        let rx = bytes as f64 / size as f64;
        stream.write_value(object(&[("rx", rx.into())])).await?;
    }
    stream
        .write_value(object(&[("bytes", bytes.into()), ("hash", hash.into())]))
        .await
}

/// Counts aloud, and says so when it is paused.
async fn count(mut stream: BinaryStream, desk: &Desk) -> io::Result<()> {
    for number in 0..COUNTED {
        let writable = poll_fn(|context| {
            let polled = Pin::new(&mut stream).poll_ready(context);
            if polled.is_pending() && stream.is_paused() {
                desk.is_paused.notify_one();
            }
            polled
        });
        writable.await?;
        let value = vec![number.into(), vec![0; COUNTED_BYTES].into()];
        Pin::new(&mut stream).start_send(Value::Array(value))?;
        desk.count.store(number, Ordering::SeqCst);
    }
    stream.end();
    // Until the client ends or leaves: what it reads late is not to be closed.
    stream.next_value().await.map(drop)
}

async fn hashed(stream: &mut BinaryStream) -> io::Result<(u64, u32)> {
    let (mut bytes, mut hash) = (0, 0);
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            return Ok((bytes, hash));
        }
        bytes += read as u64;
        hash = hash_on(hash, &piece[..read]);
    }
}

fn hash_on(from: u32, bytes: &[u8]) -> u32 {
    let add = |sum: u32, byte: &u8| sum.wrapping_mul(31).wrapping_add(u32::from(*byte));
    bytes.iter().fold(from, add)
}

/// The bytes that `cases.js` expects.
fn pattern(bytes: u64) -> Vec<u8> {
    let mut state = 5_u32;
    let next = move || {
        state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        (state >> 16) as u8
    };
    std::iter::repeat_with(next).take(bytes as usize).collect()
}

fn object(entries: &[(&str, Value)]) -> Value {
    let entry = |(name, value): &(&str, Value)| (Value::from(*name), value.clone());
    Value::Map(entries.iter().map(entry).collect())
}

/// The endpoint, and a page with the unmodified bundle; gives the host.
async fn listen(packages: &Path) -> Result<String> {
    let bundle = packages.join("binaryjs/dist/binary.js");
    let bundle = std::fs::read_to_string(&bundle)
        .with_context(|| format!("{} cannot be read", bundle.display()))?;
    let script =
        |text: String| async move { ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], text) };
    let router = Router::new()
        .route("/binaryjs", BinaryJs::new(serve).route())
        .route("/", get(async || Html(PAGE)))
        .route("/binary.js", get(move || script(bundle.clone())))
        .route("/cases.js", get(move || script(CASES.to_owned())));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let host = listener.local_addr()?.to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(host)
}

/// Fails with every case that did not pass.
fn check(outcomes: &str) -> Result<()> {
    let outcomes: BTreeMap<String, String> =
        serde_json::from_str(outcomes).with_context(|| format!("no outcomes: {outcomes}"))?;
    let cases = CASES.lines().filter(|line| line.starts_with("  cases['"));
    ensure!(
        outcomes.len() == cases.count(),
        "cases are missing: {outcomes:#?}"
    );
    let failed: BTreeMap<_, _> = outcomes.iter().filter(|(_, it)| *it != "passed").collect();
    ensure!(failed.is_empty(), "{failed:#?}");
    Ok(())
}

/// Runs every case in Node with one of the two clients.
fn in_node(client: &str) -> Result<()> {
    let packages = packages()?;
    let runtime = Runtime::new()?;
    let host = runtime.block_on(listen(&packages))?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("binaryjs/npm/run.js");
    let output = Command::new("node")
        .arg(script)
        .args([client, &format!("ws://{host}/binaryjs")])
        .env("NODE_PATH", packages)
        .stdin(Stdio::null())
        .output()
        .context("node cannot be started: `cargo xtask test` installs it")?;
    check(&String::from_utf8_lossy(&output.stdout))
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
#[ignore = "needs Node and npm binaryjs: run `cargo xtask test`"]
fn the_node_client_does_everything() -> Result<()> {
    in_node("node")
}

#[test]
#[ignore = "needs Node and npm binaryjs: run `cargo xtask test`"]
fn the_browser_bundle_does_everything_in_node() -> Result<()> {
    in_node("bundle")
}

#[test]
#[ignore = "needs Chromium and npm binaryjs: run `cargo xtask test`"]
fn the_browser_bundle_does_everything_in_chromium() -> Result<()> {
    let runtime = Runtime::new()?;
    let host = runtime.block_on(listen(&packages()?))?;
    let driver = Driver::start()?;
    let browser = driver.browser(&Screen::Desktop)?;
    browser.open(&format!("http://{host}/"))?;
    let outcomes = browser.wait_until("window.outcomes", PATIENCE)?;
    check(outcomes.as_str().context("outcomes are text")?)
}
