//! Real WebSocket clients against the server's own reader and writer: tokio-tungstenite here, npm `ws` and
//! Python's `websockets` as programs of their own, Chromium in `tests/browser`.
//!
//! A plain `cargo test` leaves npm's and Python's out: `cargo xtask test` makes ready what they need.

mod cases;
mod echo;
mod raw;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{
        Message,
        protocol::{
            CloseFrame,
            frame::{
                Frame,
                coding::{CloseCode, Data, OpCode},
            },
        },
    },
};

use crate::echo::Echo;

/// A folder below the target folder where `cargo xtask test` has put something.
fn fetched(place: &str) -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(place);
    ensure!(
        folder.is_dir(),
        "{} is missing: `cargo xtask test` fetches it",
        folder.display()
    );
    Ok(folder)
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

#[test]
fn tokio_tungstenite_gets_everything_back() -> Result<()> {
    let echo = Echo::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (mut socket, answer) = connect_async(&echo.address).await?;
        assert!(!answer.headers().contains_key("sec-websocket-extensions"));
        let texts = ["", "hello", "h\u{e4}ll\u{f6} \u{2713} \u{1f680}"].map(Message::text);
        let sizes = [0, 1, 125, 126, 65535, 65536, 1 << 20];
        let blobs = sizes.map(|size: usize| Message::binary(vec![(size % 251) as u8; size]));
        for message in texts.into_iter().chain(blobs) {
            socket.send(message.clone()).await?;
            assert_eq!(socket.next().await.transpose()?, Some(message));
        }
        let fragment = |text: &'static str, data, is_final| {
            Message::Frame(Frame::message(text, OpCode::Data(data), is_final))
        };
        socket.send(fragment("one ", Data::Text, false)).await?;
        socket.send(Message::Ping("between".into())).await?;
        socket.send(fragment("two", Data::Continue, true)).await?;
        let pong = socket.next().await.transpose()?;
        assert_eq!(pong, Some(Message::Pong("between".into())));
        let whole = socket.next().await.transpose()?;
        assert_eq!(whole, Some(Message::text("one two")));

        let close = CloseFrame {
            code: CloseCode::Library(4321),
            reason: "enough".into(),
        };
        socket.close(Some(close.clone())).await?;
        let answer = socket.next().await.transpose()?;
        assert_eq!(answer, Some(Message::Close(Some(close))));
        Ok(())
    })
}

#[test]
#[ignore = "needs Node and npm ws: run `cargo xtask test`"]
fn npm_ws_gets_everything_back() -> Result<()> {
    let echo = Echo::start()?;
    let packages = fetched("npm/conformance/node_modules")?;
    let mut node = Command::new("node");
    node.arg(sources().join("npm/echo.mjs"))
        .arg(&echo.address)
        .arg(packages);
    ensure!(node.status()?.success(), "node says what failed, above");
    Ok(())
}

#[test]
#[ignore = "needs Python and websockets: run `cargo xtask test`"]
fn pythons_websockets_gets_everything_back() -> Result<()> {
    let echo = Echo::start()?;
    let mut python = Command::new("python3");
    python
        .arg(sources().join("python/echo.py"))
        .arg(&echo.address)
        .env("PYTHONPATH", fetched("python/websockets")?);
    ensure!(python.status()?.success(), "python says what failed, above");
    Ok(())
}
