//! The dialling end, for Rust programs that talk to a BinaryJS server.
//!
//! In: an address. Out: a [`Client`], whose connection runs in a tokio task. The choice to question: a
//! client in the server's crate. Session, task and streams are the same at both ends, and this is the
//! crate that may know sockets.

use std::{io, sync::Arc};

use axum::http::Uri;
use bytes::Bytes;
use tickwire_protocol::{
    binaryjs::Role,
    binarypack::Dialect,
    websocket::{self, Address, Writer, upgrade::Upgrade},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    client::{Client, Facts},
    connection::Connection,
    limits::{CHUNK_BYTES, Limits},
    task::Task,
};

/// Connects to a BinaryJS server: `ws://127.0.0.1:4000/binaryjs`. Must be called within a tokio runtime.
/// Who takes no streams of the server calls [`Client::stop_accepting`].
///
/// # Errors
///
/// The address is no `ws://` address, nobody answers there within [`Limits::idle_max`] (npm's server never
/// answers at a path it does not serve), or the answer is no.
pub async fn connect(url: &str) -> io::Result<Client> {
    connect_with(url, Limits::default()).await
}

/// As [`connect`], with limits of your own.
///
/// # Errors
///
/// As there.
pub async fn connect_with(url: &str, limits: Limits) -> io::Result<Client> {
    let uri: Uri = url.parse().map_err(invalid)?;
    let address: Address = url.parse().map_err(invalid)?;
    if address.is_secure {
        return Err(invalid("the address is not ws://host:port/path"));
    }
    let (socket, read_ahead) = tokio::time::timeout(limits.idle_max, upgraded(&address)).await??;

    let chunk_bytes = CHUNK_BYTES;
    let connection = Connection::new(Role::Dialler, Dialect::Node, chunk_bytes, &limits.session);
    let connection = Arc::new(connection);
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let task = Task::new(
        socket,
        websocket::Role::Client,
        Arc::clone(&connection),
        Arc::new(limits),
        Writer::client(u64::from_ne_bytes(seed)),
        Box::new(|fault| tracing::debug!(fault, "the BinaryJS server did something wrong")),
    );
    tokio::spawn(task.run(read_ahead));
    let facts = Facts {
        uri,
        ..Facts::default()
    };
    Ok(Client {
        connection,
        facts: Arc::new(facts),
    })
}

/// A socket that has been upgraded, and what came right behind the answer.
async fn upgraded(address: &Address) -> io::Result<(TcpStream, Bytes)> {
    let mut socket = TcpStream::connect((address.host(), address.port())).await?;
    socket.set_nodelay(true)?;
    let read_ahead = upgrade(&mut socket, &address.authority, &address.path).await?;
    Ok((socket, read_ahead))
}

/// Asks for the upgrade; gives what came right behind the answer.
async fn upgrade(socket: &mut TcpStream, host: &str, path: &str) -> io::Result<Bytes> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    let (upgrade, request) = Upgrade::request(host, path, None, nonce);
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    loop {
        if socket.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = upgrade.answer(&answer).map_err(io::Error::other)? {
            return Ok(Bytes::from(answer.split_off(end)));
        }
    }
}

fn invalid(error: impl Into<Box<dyn core::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
