//! What a client reports to the game.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use tickwire_protocol::{
    event::{self, GameEvent},
    id::PlayerId,
    mux::StreamEvent,
    schema::Schema,
    time::{Micros, Tick},
};

use crate::{assets::AssetEvent, limits::EVENTS_WAITING_MAX};

/// Something that happened, for the game to react to.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientEvent {
    /// The player is in the room.
    Joined {
        /// The number the player has there.
        player: PlayerId,
        /// Whether it is the seat held before a cut: the entity and the score are still there.
        resumed: bool,
    },
    /// The connection was lost and will be tried again.
    Disconnected {
        /// What to tell the player.
        message: String,
        /// How long until the next attempt.
        retry_in: Micros,
    },
    /// The connection ended for good, by the server's word or by [`Client::leave`](crate::Client::leave).
    Ended {
        /// What to tell the player.
        message: String,
    },
    /// An event of the game.
    Event(ReceivedEvent),
    /// An asset arrived, or cannot be had, or all are settled.
    Asset(AssetEvent),
    /// Something happened to a stream that either side opened.
    Stream(StreamEvent),
    /// The server's checksum of what this player may see came.
    Verified {
        /// The tick it is of.
        tick: Tick,
        /// Whether what this client holds is the same.
        is_equal: bool,
    },
}

/// Makes room for one more event of the game, when as many wait as may: the oldest of them goes. What else
/// happened is never dropped for one: a stream whose `Readable` is lost would not be read again. Says whether
/// one went.
pub(crate) fn make_room(events: &mut VecDeque<ClientEvent>) -> bool {
    if events.len() < EVENTS_WAITING_MAX {
        return false;
    }
    let is_of_game = |event: &ClientEvent| matches!(event, ClientEvent::Event(_));
    let oldest = events.iter().position(is_of_game);
    oldest.and_then(|place| events.remove(place)).is_some()
}

/// One of the game's events as it came: read it as the type it is.
#[derive(Clone)]
pub struct ReceivedEvent {
    pub(super) schema: Arc<Schema>,
    pub(super) index: usize,
    pub(super) bytes: Bytes,
}

impl ReceivedEvent {
    /// Its name in the schema.
    #[must_use]
    pub fn name(&self) -> &str {
        self.schema
            .events()
            .get(self.index)
            .map_or("", |event| &event.name)
    }

    /// Its value, if it is an `E` and well-formed.
    #[must_use]
    pub fn read<E: GameEvent>(&self) -> Option<E> {
        (self.name() == E::NAME)
            .then(|| event::decode(self.payload()).ok())
            .flatten()
    }

    /// Its value as MessagePack.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(1..).unwrap_or_default()
    }
}

impl PartialEq for ReceivedEvent {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl core::fmt::Debug for ReceivedEvent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}({} bytes)", self.name(), self.payload().len())
    }
}
