//! The demo's BinaryJS endpoint, for pages that still load `binary.js`.
//!
//! A client opens a stream; its metadata says what becomes of it: `{size}` is an upload whose progress is
//! written back on the same stream as `{rx}`, `{push}` asks for so many bytes on a stream that the
//! server opens, and anything else is echoed.

use std::io;

use serde::Deserialize;
use tickwire_server::net::binaryjs::{BinaryJs, BinaryStream, Client, Value};
use tokio::io::{AsyncReadExt, repeat};

/// The most that is pushed for the asking.
const PUSH_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Bytes of an upload that are taken before its progress is told.
const PIECE_BYTES: usize = 64 * 1024;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request {
    size: Option<u64>,
    push: Option<u64>,
}

/// The endpoint; mount its route at `/binaryjs`.
#[must_use]
pub fn endpoint() -> BinaryJs {
    BinaryJs::new(async |client: Client| {
        while let Some(stream) = client.accept().await {
            let client = client.clone();
            // A task each: no stream waits for another. One that fails concerns only its peer.
            tokio::spawn(async move { answer(stream, &client).await });
        }
    })
}

async fn answer(mut stream: BinaryStream, client: &Client) -> io::Result<()> {
    match stream.metadata_as().unwrap_or_default() {
        Request {
            size: Some(size), ..
        } => upload(&mut stream, size).await,
        Request {
            push: Some(bytes), ..
        } => {
            let bytes = bytes.min(PUSH_BYTES_MAX);
            let metadata = Value::Map(vec![("push".into(), bytes.into())]);
            client.send(repeat(7).take(bytes), metadata).await.map(drop)
        }
        _ => {
            while let Some(value) = stream.next_value().await? {
                stream.write_value(value).await?;
            }
            Ok(())
        }
    }
}

/// Counts what comes, keeps none of it, and tells how far it is.
async fn upload(stream: &mut BinaryStream, size: u64) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut received = 0;
    loop {
        let bytes = stream.read(&mut piece).await?;
        if bytes == 0 {
            return Ok(());
        }
        received += bytes as u64;
        let progress = received as f64 / size as f64;
        let told = Value::Map(vec![("rx".into(), progress.into())]);
        stream.write_value(told).await?;
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use tickwire_server::net::binaryjs::connect;
    use tokio::net::TcpListener;

    use super::*;

    async fn client() -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/binaryjs", listener.local_addr().unwrap());
        let router: Router = Router::new().route("/binaryjs", endpoint().route());
        tokio::spawn(async move { axum::serve(listener, router).await });
        connect(&url).await.unwrap()
    }

    #[tokio::test]
    async fn an_upload_hears_of_its_progress_up_to_the_end() {
        let size = Value::Map(vec![("size".into(), 300_000.into())]);
        let mut upload = client().await.send(&[1; 300_000][..], size).await.unwrap();
        let mut last = 0.0;
        while let Some(told) = upload.next_value().await.unwrap() {
            let rx = told["rx"].as_f64().unwrap();
            assert!(rx > last);
            last = rx;
        }
        assert_eq!(last.to_bits(), 1.0_f64.to_bits());
    }

    #[tokio::test]
    async fn anything_else_is_echoed_and_pushes_come_when_asked_for() {
        let client = client().await;
        let mut echo = client.create_stream("hello").unwrap();
        echo.write_value("😀").await.unwrap();
        assert_eq!(echo.next_value().await.unwrap(), Some("😀".into()));
        let push = Value::Map(vec![("push".into(), 100_000.into())]);
        let asked = client.create_stream(push).unwrap();
        let mut pushed = Vec::new();
        let mut stream = client.accept().await.unwrap();
        stream.read_to_end(&mut pushed).await.unwrap();
        assert!(pushed == vec![7; 100_000]);
        drop(asked);
    }
}
