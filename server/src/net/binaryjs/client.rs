//! A connection as its user holds it, and the map of all of them.

use core::{net::SocketAddr, pin::pin};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::{HeaderMap, Uri};
use tickwire_protocol::{
    binarypack::{Dialect, Value},
    error::CloseCode,
};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{connection::Connection, stream::BinaryStream};

/// One end of a BinaryJS connection. Cloning it is cheap; every clone is the same connection.
///
/// Dropping it closes nothing: a connection lives until its peer leaves or [`close`](Self::close).
#[derive(Clone)]
pub struct Client {
    pub(super) connection: Arc<Connection>,
    pub(super) facts: Arc<Facts>,
}

/// What does not change while a client is connected.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) id: u64,
    pub(super) address: Option<SocketAddr>,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) clients: Clients,
}

impl core::fmt::Debug for Client {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "BinaryJS client {}", self.facts.id)
    }
}

impl Client {
    /// Its number, unique to its endpoint: 0, 1, 2 … in the order they came.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.facts.id
    }

    /// Where it connects from, where the server knows (`ConnectInfo`).
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.facts.address
    }

    /// The address it asked for, with its query.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.facts.uri
    }

    /// The headers of its request: cookies, origin, user agent.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.facts.headers
    }

    /// In which dialect it is written to.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.connection.dialect
    }

    /// Everyone who is connected to the same endpoint.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.facts.clients
    }

    /// Streams that are open on this connection, of both ends.
    #[must_use]
    pub fn streams_open(&self) -> usize {
        self.connection.lock().streams_open()
    }

    /// Waits for the next stream that the peer opens; `None` when none will come any more. What the
    /// peer writes meanwhile is kept.
    pub async fn accept(&self) -> Option<BinaryStream> {
        loop {
            let mut arrival = pin!(self.connection.arrival.notified());
            // Before looking, so that an arrival after the look wakes us.
            arrival.as_mut().enable();
            if let Some(accepted) = self.connection.try_accept() {
                // For another who waits too: one notice may stand for many arrivals.
                self.connection.arrival.notify_one();
                let (index, key, metadata) = accepted?;
                let connection = Arc::clone(&self.connection);
                return Some(BinaryStream::new(connection, index, key, metadata));
            }
            arrival.await;
        }
    }

    /// Takes no streams of the peer any more: those that wait, and those it opens from now on, are closed
    /// at once, and [`accept`](Self::accept) gives `None`. For an end that only opens streams itself: what
    /// nobody accepts counts as unread and in the end stops the connection. A server's handler that
    /// returns does the same.
    pub fn stop_accepting(&self) {
        self.connection.stop_accepting();
    }

    /// Opens a stream. It may be written at once. [`Value::Nil`] passes nothing along.
    ///
    /// # Errors
    ///
    /// `NotConnected` when the connection is closed, `QuotaExceeded` when too many streams are open, `Other` for
    /// metadata that [`write_value`](BinaryStream::write_value) would not write either.
    pub fn create_stream(&self, metadata: impl Into<Value>) -> io::Result<BinaryStream> {
        let (index, key) = self.connection.open(&metadata.into())?;
        let connection = Arc::clone(&self.connection);
        Ok(BinaryStream::new(connection, index, key, Value::Nil))
    }

    /// Sends all of a reader (a file, `&bytes[..]`, anything) through a new stream, in chunks of the
    /// endpoint's size, and ends our half. The stream is returned for the peer's answer; dropping it
    /// closes it, and what was sent still arrives.
    ///
    /// For a single value, [`create_stream`](Self::create_stream) and write it.
    ///
    /// # Errors
    ///
    /// As [`create_stream`](Self::create_stream), or the reader fails (the stream is then closed), or
    /// the peer closes the stream.
    pub async fn send(
        &self,
        data: impl AsyncRead,
        metadata: impl Into<Value>,
    ) -> io::Result<BinaryStream> {
        let mut stream = self.create_stream(metadata)?;
        let mut data = pin!(data);
        let mut chunk = vec![0; self.connection.chunk_bytes];
        loop {
            let bytes = data.read(&mut chunk).await?;
            if bytes == 0 {
                stream.end();
                return Ok(stream);
            }
            tokio::io::AsyncWriteExt::write_all(&mut stream, &chunk[..bytes]).await?;
        }
    }

    /// Writes what waits, then closes the connection. A peer that takes nothing is waited for as long as ever:
    /// [`stall_max`](super::limits::Limits::stall_max).
    pub fn close(&self) {
        self.connection.close(CloseCode::Normal.number());
    }

    /// Waits until the connection is over, whoever ended it.
    pub async fn closed(&self) {
        self.connection.over().await;
    }
}

/// The clients of one endpoint, by their ids. Cloning it is cheap; every clone is the same map.
#[derive(Clone, Default)]
pub struct Clients(Arc<Mutex<BTreeMap<u64, Client>>>);

impl Clients {
    /// How many are connected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nobody is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// The client of that id, while it is connected.
    #[must_use]
    pub fn by_id(&self, id: u64) -> Option<Client> {
        self.lock().get(&id).cloned()
    }

    /// Everyone who is connected now, in the order they came.
    #[must_use]
    pub fn all(&self) -> Vec<Client> {
        self.lock().values().cloned().collect()
    }

    /// Everyone but one: to whom a picture of that one is passed on.
    #[must_use]
    pub fn others(&self, id: u64) -> Vec<Client> {
        let clients = self.lock();
        let others = clients.values().filter(|client| client.id() != id);
        others.cloned().collect()
    }

    pub(super) fn add(&self, client: Client) {
        self.lock().insert(client.id(), client);
    }

    pub(super) fn remove(&self, id: u64) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Client>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
