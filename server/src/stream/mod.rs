//! Players' streams as a server's program uses them: who is at the other end, what is offered, and the
//! same streams inside the tick.
//!
//! In: connections that took a seat, streams that players open. Out: [`Peer`]s to open streams to, and
//! [`Incoming`] streams to answer. The choice to question: a peer is a *connection* of a player, not the
//! player. Streams die with their connection; a player who comes back is the same
//! [`PlayerId`] and another peer.
//!
//! ```no_run
//! use tickwire_server::prelude::*;
//! # fn pucks() -> Game { Game::new("pucks") }
//! # async fn run(listener: tokio::net::TcpListener) -> Result<(), Box<dyn std::error::Error>> {
//! Server::new(pucks)
//!     // Whatever a player sends comes back.
//!     .on_stream(async |incoming: Incoming| {
//!         let (mut reader, mut writer) = incoming.accept().into_split();
//!         if let Err(error) = tokio::io::copy(&mut reader, &mut writer).await {
//!             eprintln!("the echo ended: {error}");
//!         }
//!     })
//!     // Everyone who comes in is told who is there.
//!     .on_player(async |peer: Peer| {
//!         let mut names = peer.open_messages::<String>(StreamOptions::new(StreamKind::Messages));
//!         for other in peer.others() {
//!             if names.send(&other.name().to_owned()).await.is_err() {
//!                 return;
//!             }
//!         }
//!         peer.closed().await;
//!     })
//!     .serve(listener, std::future::pending())
//!     .await?;
//! # Ok(())
//! # }
//! ```

mod in_tick;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tickwire_protocol::{error::DecodeError, id::PlayerId};

pub use self::in_tick::Streams;
use tickwire_protocol::pipe::{self, Hub};
pub use tickwire_protocol::{
    pipe::{ByteStream, MessageStream, ReadHalf, Reply, StreamError, WriteHalf},
    stream::{Class, StreamKind, StreamOptions},
};

/// A player's connection, as long as it lasts. Cheap to clone.
#[derive(Clone)]
pub struct Peer(Arc<Seated>);

struct Seated {
    player: PlayerId,
    name: Box<str>,
    room: Arc<str>,
    hub: Arc<Hub>,
    roster: Arc<Roster>,
}

impl Peer {
    pub(crate) fn new(
        player: PlayerId,
        name: &str,
        room: Arc<str>,
        hub: Arc<Hub>,
        roster: Arc<Roster>,
    ) -> Self {
        Self(Arc::new(Seated {
            player,
            name: name.into(),
            room,
            hub,
            roster,
        }))
    }

    /// The player's number in its room.
    #[must_use]
    pub fn player(&self) -> PlayerId {
        self.0.player
    }

    /// The player's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The name of the room it plays in.
    #[must_use]
    pub fn room(&self) -> &str {
        &self.0.room
    }

    /// The other connected players of the room.
    #[must_use]
    pub fn others(&self) -> Vec<Self> {
        let peers = self.0.roster.peers();
        peers.iter().filter(|peer| *peer != self).cloned().collect()
    }

    /// Opens a stream of bytes to the player. It can be written at once; if it cannot be opened, or is
    /// refused, its methods say so.
    #[must_use]
    pub fn open(&self, options: StreamOptions) -> ByteStream {
        self.0.hub.open(options)
    }

    /// Opens a stream of values to the player: of kind [`Messages`](StreamKind::Messages) or
    /// [`Live`](StreamKind::Live).
    #[must_use]
    pub fn open_messages<T>(&self, options: StreamOptions) -> MessageStream<T> {
        self.0.hub.open_messages(options)
    }

    /// What opens streams to it.
    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.0.hub
    }

    /// Waits until the connection is over.
    pub async fn closed(&self) {
        self.0.hub.closed().await;
    }

    /// Whether the connection is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.hub.is_closed()
    }
}

impl PartialEq for Peer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Peer {}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("player", &self.0.player)
            .field("name", &self.0.name)
            .field("room", &self.0.room)
            .finish_non_exhaustive()
    }
}

/// A stream that a player offers. Dropped without an answer, it is refused.
#[derive(Debug)]
pub struct Incoming {
    peer: Peer,
    offered: pipe::Incoming,
}

impl Incoming {
    pub(crate) const fn new(peer: Peer, offered: pipe::Incoming) -> Self {
        Self { peer, offered }
    }

    /// Whose stream it is.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// How the stream treats its bytes.
    #[must_use]
    pub const fn kind(&self) -> StreamKind {
        self.offered.kind()
    }

    /// All that the player asks for.
    #[must_use]
    pub const fn options(&self) -> &StreamOptions {
        self.offered.options()
    }

    /// What the stream is about, as the game's own type.
    ///
    /// # Errors
    /// [`DecodeError`] when it is no `M`.
    pub fn metadata<M: serde::de::DeserializeOwned>(&self) -> Result<M, DecodeError> {
        self.offered.metadata()
    }

    /// Takes the stream, as bytes.
    #[must_use]
    pub fn accept(self) -> ByteStream {
        self.offered.accept()
    }

    /// Takes the stream, as values of `T`.
    #[must_use]
    pub fn accept_messages<T>(self) -> MessageStream<T> {
        self.offered.accept_messages()
    }

    /// Takes the stream as a question: what it asks, and where the answer goes. The topic is the stream's
    /// [`metadata`](Self::metadata).
    ///
    /// # Errors
    /// As [`pipe::Incoming::question`].
    pub async fn question<Q: serde::de::DeserializeOwned>(self) -> std::io::Result<(Q, Reply)> {
        self.offered.question().await
    }

    /// Declines the stream. Codes from 256 are the game's to give meaning to.
    pub fn refuse(self, code: u32, reason: &str) {
        self.offered.refuse(code, reason);
    }
}

/// The peers of one room.
#[derive(Debug, Default)]
pub(crate) struct Roster(Mutex<Vec<Peer>>);

impl Roster {
    pub(crate) fn join(&self, peer: Peer) {
        self.peers().push(peer);
    }

    pub(crate) fn leave(&self, peer: &Peer) {
        self.peers().retain(|other| other != peer);
    }

    fn peers(&self) -> MutexGuard<'_, Vec<Peer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
