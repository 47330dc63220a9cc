//! The moments at which a game's own code decides about a player.

use bevy_ecs::{entity::Entity, world::World};
use serde::de::DeserializeOwned;
use tickwire_protocol::{
    error::DecodeError,
    id::{PlayerId, SessionId},
    messagepack,
};

/// A player at the door: what its handshake said.
#[derive(Debug)]
pub struct Joining<'a> {
    /// The number it has, or will have, in this room.
    pub player: PlayerId,
    /// Its seat. Stays the same when it reconnects.
    pub session: SessionId,
    /// The name it asks to be called by, trimmed and without control characters; may be empty.
    pub name: &'a str,
    /// The game's own part of the handshake, MessagePack as the client wrote it; may be empty.
    pub payload: &'a [u8],
}

impl Joining<'_> {
    /// Reads the game's own part of the handshake.
    ///
    /// # Errors
    ///
    /// The payload is no `T`. Answer it from [`Game::on_knock`](super::Game::on_knock) with a refusal.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        messagepack::from_slice(self.payload)
    }
}

/// A player whose seat is given up.
#[derive(Debug)]
pub struct Leaving<'a> {
    /// The player's number in this room. It is not given again.
    pub player: PlayerId,
    /// The player's entity, still alive; `None` when the game has despawned it.
    pub entity: Option<Entity>,
    /// The player's name.
    pub name: &'a str,
    /// Why the seat is given up.
    pub reason: LeaveReason,
}

/// Why a seat is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// The player said goodbye.
    Left,
    /// The connection broke and the player did not come back within the grace period.
    Lost,
    /// The game or the server sent the player away.
    SentAway,
}

/// A refusal that the player reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

impl<T: Into<String>> From<T> for Refusal {
    fn from(reason: T) -> Self {
        Self(reason.into())
    }
}

type Start = dyn FnMut(&mut World) + Send + Sync;
type Knock = dyn FnMut(&mut World, &Joining<'_>) -> Result<(), Refusal> + Send + Sync;
type Join = dyn FnMut(&mut World, &Joining<'_>) -> Entity + Send + Sync;
type Leave = dyn FnMut(&mut World, &Leaving<'_>) + Send + Sync;

/// The hooks a game has set.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) start: Option<Box<Start>>,
    pub(crate) knock: Option<Box<Knock>>,
    pub(crate) join: Option<Box<Join>>,
    pub(crate) leave: Option<Box<Leave>>,
}
