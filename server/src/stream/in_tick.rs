//! Streams inside the tick: the same objects as outside, reached through a resource and used with their
//! `try_` methods.
//!
//! In: peers as they come and go, streams that they open. Out: both, for systems. Nothing is awaited and
//! no lock is held for longer than a copy: what has not come by this tick is there in a later one.

use std::collections::{BTreeMap, VecDeque};

use bevy_ecs::resource::Resource;
use tickwire_protocol::id::PlayerId;

use super::{Incoming, Peer};
use crate::limits::STREAM_OFFERS_WAITING_MAX;

/// The streams of a room's players, for systems. [`Game::streams`](crate::game::Game::streams) puts it
/// into the world.
///
/// ```
/// use tickwire_server::prelude::*;
///
/// /// A stream that is being echoed, and what was read of it and has found no room yet.
/// struct Echo(ByteStream, Vec<u8>);
///
/// #[derive(Resource, Default)]
/// struct Echoes(Vec<Echo>);
///
/// impl Echo {
///     /// Passes on what has come. Ends at the stream's end, or with `WouldBlock` until a later tick.
///     fn pass_on(&mut self) -> std::io::Result<()> {
///         let Self(stream, unwritten) = self;
///         loop {
///             if unwritten.is_empty() {
///                 let mut buffer = [0; 4096];
///                 match stream.try_read(&mut buffer)? {
///                     0 => return Ok(()),
///                     bytes => unwritten.extend_from_slice(&buffer[..bytes]),
///                 }
///             }
///             let written = stream.try_write(unwritten)?;
///             unwritten.drain(..written);
///         }
///     }
/// }
///
/// fn echo(mut streams: ResMut<Streams>, mut echoes: ResMut<Echoes>) {
///     while let Some(incoming) = streams.try_accept() {
///         echoes.0.push(Echo(incoming.accept(), Vec::new()));
///     }
///     echoes.0.retain_mut(|echo| match echo.pass_on() {
///         Ok(()) => false,
///         Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
///     });
/// }
///
/// let game = Game::new("echo").streams().insert_resource(Echoes::default()).add_systems(echo);
/// # let _ = game;
/// ```
#[derive(Debug, Default, Resource)]
pub struct Streams {
    peers: BTreeMap<PlayerId, Peer>,
    /// At so many peers those that are gone are looked for.
    prune_at: usize,
    offers: VecDeque<Incoming>,
}

impl Streams {
    /// The next stream that a player has opened and nobody has answered. A server with an `on_stream`
    /// handler gives its streams to that, and none comes here.
    pub fn try_accept(&mut self) -> Option<Incoming> {
        self.offers.pop_front()
    }

    /// The connection of a player; `None` while it is away.
    #[must_use]
    pub fn peer(&self, player: PlayerId) -> Option<&Peer> {
        self.peers.get(&player).filter(|peer| !peer.is_closed())
    }

    /// The connected players.
    pub fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values().filter(|peer| !peer.is_closed())
    }

    pub(crate) fn join(&mut self, peer: Peer) {
        if self.peers.len() >= self.prune_at {
            self.peers.retain(|_, peer| !peer.is_closed());
            self.prune_at = 2 * self.peers.len() + 16;
        }
        self.peers.insert(peer.player(), peer);
    }

    /// Keeps an offer for the tick. Too many are refused by being dropped; says whether this one was kept.
    pub(crate) fn offer(&mut self, incoming: Incoming) -> bool {
        let has_place = self.offers.len() < STREAM_OFFERS_WAITING_MAX;
        if has_place {
            self.offers.push_back(incoming);
        }
        has_place
    }
}
