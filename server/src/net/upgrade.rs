//! The upgrade of an HTTP request to a WebSocket, and the way of its bytes to a worker.
//!
//! In: a request. Out: the answer, and later a [`Socket`] outside tokio's reactor with the bytes that
//! were read ahead. A connection that is no plain TCP stream (TLS, a test's pipe) stays in tokio and is
//! copied to and from a local socket pair.

use core::time::Duration;
use std::io;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tickwire_protocol::websocket::{
    Writer,
    upgrade::{accept_key, is_key},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::TcpStream,
    sync::oneshot,
};

use super::{accept::bound_unread, gate::Refusal, worker::Socket};
use crate::limits::{CLOSE_WAIT, REFUSED_BYTES_MAX};

/// Answers a request for an upgrade. `subprotocol` must be among those the client offers; `None` asks
/// for none.
///
/// # Errors
///
/// The response that says what is wrong with the request.
#[expect(
    clippy::result_large_err,
    reason = "both arms are responses, made once per connection"
)]
pub fn answer(
    request: &mut Request,
    subprotocol: Option<&'static str>,
) -> Result<(Response, OnUpgrade), Response> {
    let headers = request.headers();
    if request.method() != Method::GET || !has_token(headers, &header::UPGRADE, "websocket") {
        return Err((StatusCode::BAD_REQUEST, "this address speaks WebSocket\n").into_response());
    }
    if !has_token(headers, &header::CONNECTION, "upgrade") {
        return Err((
            StatusCode::BAD_REQUEST,
            "the header `Connection: Upgrade` is missing\n",
        )
            .into_response());
    }
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        let ours = [(header::SEC_WEBSOCKET_VERSION, "13")];
        return Err((
            StatusCode::UPGRADE_REQUIRED,
            ours,
            "WebSocket version 13 is spoken here\n",
        )
            .into_response());
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .map(HeaderValue::as_bytes);
    let Some(key) = key.filter(|key| is_key(key)) else {
        return Err((
            StatusCode::BAD_REQUEST,
            "the header `Sec-WebSocket-Key` is missing or wrong\n",
        )
            .into_response());
    };
    if let Some(subprotocol) = subprotocol
        && !has_token(headers, &header::SEC_WEBSOCKET_PROTOCOL, subprotocol)
    {
        let reason = format!("the WebSocket subprotocol {subprotocol} is spoken here\n");
        return Err((StatusCode::BAD_REQUEST, reason).into_response());
    }

    let mut response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::UPGRADE, "websocket")
        .header(header::CONNECTION, "Upgrade")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept_key(key));
    if let Some(subprotocol) = subprotocol {
        response = response.header(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    match response.body(Body::empty()) {
        Ok(response) => Ok((response, hyper::upgrade::on(request))),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
    }
}

/// Whether a comma-separated header has that token, in any case.
fn has_token(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// Takes an upgraded connection out of tokio. The bytes are those that came right behind the request.
pub(super) fn take_socket(upgraded: Upgraded) -> io::Result<(Socket, Bytes)> {
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => {
            let stream = parts.io.into_inner();
            bound_unread(&stream, None);
            let stream = stream.into_std()?;
            Ok((Socket::from_tcp(stream)?, parts.read_buf))
        }
        Err(wrapped) => Ok((bridge(wrapped)?, Bytes::new())),
    }
}

/// Copies between a connection that must stay in tokio and one end of a socket pair; the other end is
/// the worker's.
#[cfg(unix)]
fn bridge(upgraded: Upgraded) -> io::Result<Socket> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    theirs.set_nonblocking(true)?;
    let inside = tokio::net::UnixStream::from_std(theirs)?;
    let (held, let_go) = oneshot::channel();
    tokio::spawn(carry(
        TokioIo::new(upgraded),
        inside,
        let_go,
        CLOSE_WAIT.into(),
    ));
    Socket::from_pair(ours, Some(held))
}

/// Carries bytes until both ends are over. Once the worker has let its end go, nobody bounds how long the peer keeps
/// its own: it gets what was written for it within `patience`, or not at all.
#[cfg(unix)]
async fn carry(
    mut outside: impl AsyncRead + AsyncWrite + Unpin,
    mut inside: tokio::net::UnixStream,
    let_go: oneshot::Receiver<()>,
    patience: Duration,
) {
    // A broken connection ends both halves; what it broke with concerns nobody.
    let mut carried = core::pin::pin!(copy_bidirectional(&mut outside, &mut inside));
    tokio::select! {
        _ = &mut carried => return,
        _ = let_go => {}
    }
    let _ = tokio::time::timeout(patience, carried).await;
}

#[cfg(not(unix))]
fn bridge(_: Upgraded) -> io::Result<Socket> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "only plain TCP connections can be served here",
    ))
}

/// Tells a connection that there is no place for it, in the only way a browser's script can read: by a
/// close code. Waits a moment for the peer to close first.
pub(super) async fn refuse(upgrade: OnUpgrade, refusal: Refusal) {
    let Ok(upgraded) = upgrade.await else { return };
    let mut frames = Vec::new();
    let code = refusal.code().number();
    Writer::server().close(code, refusal.reason(), &mut frames);
    let mut stream = TokioIo::new(upgraded);
    let farewell = async {
        stream.write_all(&frames).await?;
        stream.shutdown().await?;
        // Closing with unread bytes would reset the connection and lose the close frame.
        tokio::io::copy(
            &mut (&mut stream).take(REFUSED_BYTES_MAX),
            &mut tokio::io::sink(),
        )
        .await
    };
    let _ = tokio::time::timeout(CLOSE_WAIT.into(), farewell).await;
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    /// Carries between a peer, who may be sent so few bytes at a time, and a worker that has written and let go.
    async fn carry_to_silent_peer(buffer_bytes: usize) -> tokio::io::DuplexStream {
        let (outside, peer) = duplex(buffer_bytes);
        let (mut ours, theirs) = tokio::net::UnixStream::pair().unwrap();
        let (held, let_go) = oneshot::channel();
        ours.write_all(&[7; 1000]).await.unwrap();
        drop((ours, held));
        carry(outside, theirs, let_go, Duration::from_millis(50)).await;
        peer
    }

    #[tokio::test]
    async fn a_peer_that_says_and_takes_nothing_keeps_no_task_after_its_worker_has_let_go() {
        let mut peer = carry_to_silent_peer(64).await;
        let mut taken = Vec::new();
        peer.read_to_end(&mut taken).await.unwrap();
        assert_eq!(taken.len(), 64);
    }

    #[tokio::test]
    async fn a_silent_peer_gets_what_was_written_before_its_worker_let_go() {
        let mut peer = carry_to_silent_peer(2000).await;
        let mut taken = Vec::new();
        peer.read_to_end(&mut taken).await.unwrap();
        assert_eq!(taken.len(), 1000);
    }
}
