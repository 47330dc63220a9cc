//! What a game's systems see of the room: who plays, what they want, what time it is, and a way to
//! answer.

use core::ops::{Deref, Range};

use bevy_ecs::{component::Component, entity::Entity, message::Message, resource::Resource};
use tickwire_protocol::{
    event::{self, GameEvent},
    id::PlayerId,
    time::Tick,
};

/// Marks a player's entity. The room adds and keeps it.
#[derive(Component, Clone, Debug, PartialEq, Eq)]
pub struct Player {
    /// The player's number in this room.
    pub id: PlayerId,
    /// The name the player asked for, at most
    /// [`PLAYER_NAME_CHARS_MAX`](crate::limits::PLAYER_NAME_CHARS_MAX) characters.
    pub name: String,
    /// Whether a connection holds the seat now. False during the grace period after a broken one.
    pub connected: bool,
}

/// What a player holds down in this tick, on the player's entity. Set before the systems run.
///
/// When a player's input for a tick has not come in time, the last one is kept.
#[derive(Component, Clone, Debug, Default, PartialEq)]
pub struct CurrentInput<I: Send + Sync + 'static> {
    /// The input.
    pub value: I,
    /// Whether it is this tick's own, and not the last one kept.
    pub is_fresh: bool,
}

impl<I: Send + Sync + 'static> Deref for CurrentInput<I> {
    type Target = I;
    fn deref(&self) -> &I {
        &self.value
    }
}

/// An event that came from a player, as a bevy message: read it with `MessageReader<FromPlayer<E>>`.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct FromPlayer<E: Send + Sync + 'static> {
    /// Who sent it.
    pub player: PlayerId,
    /// The sender's entity; `None` when the game had despawned it before the event came.
    pub entity: Option<Entity>,
    /// What was sent.
    pub event: E,
}

/// The name of the room: what a player asked for, or what the server called it.
#[derive(Resource, Clone, Debug, PartialEq, Eq)]
pub struct RoomName(pub String);

/// The room's time, in ticks.
#[derive(Resource, Clone, Copy, Debug, PartialEq)]
pub struct TickClock {
    /// The tick being computed.
    pub tick: Tick,
    /// Seconds that one tick simulates: always 1 ÷ tick rate, never the time that really passed.
    pub dt_seconds: f32,
}

impl TickClock {
    /// Whole ticks in `seconds`, rounded, at least one: for cooldowns and lifetimes.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float's cast to an integer saturates, and the value is not negative"
    )]
    pub fn ticks_in(&self, seconds: f32) -> u32 {
        (seconds / self.dt_seconds).round().max(1.0) as u32
    }
}

/// Events on their way to players. They leave with this tick's snapshot, before it, in order of sending.
#[derive(Resource, Default)]
pub struct Outbox {
    names: Vec<&'static str>,
    bytes: Vec<u8>,
    outgoing: Vec<Outgoing>,
}

/// Whom an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipient {
    Everyone,
    EveryoneBut(PlayerId),
    One(PlayerId),
}

/// One event on its way: whose it is, and where its bytes lie.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) to: Recipient,
    pub(crate) bytes: Range<usize>,
}

impl Outbox {
    /// Sends an event to one player. Nothing happens when the player is not connected.
    ///
    /// # Panics
    ///
    /// The event was not added to the game, or its own `Serialize` fails.
    pub fn send<E: GameEvent>(&mut self, to: PlayerId, event: &E) {
        self.push(Recipient::One(to), event);
    }

    /// Sends an event to every connected player. It is encoded once.
    ///
    /// # Panics
    ///
    /// The event was not added to the game, or its own `Serialize` fails.
    pub fn broadcast<E: GameEvent>(&mut self, event: &E) {
        self.push(Recipient::Everyone, event);
    }

    /// Sends an event to every connected player except one.
    ///
    /// # Panics
    ///
    /// The event was not added to the game, or its own `Serialize` fails.
    pub fn broadcast_except<E: GameEvent>(&mut self, except: PlayerId, event: &E) {
        self.push(Recipient::EveryoneBut(except), event);
    }

    /// The registered events, in the order of the schema.
    pub(super) fn register(&mut self, name: &'static str) {
        self.names.push(name);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// Hands each event with its recipient to `deliver` and empties the box, keeping its memory.
    pub(crate) fn drain(&mut self, mut deliver: impl FnMut(Recipient, &[u8])) {
        for outgoing in self.outgoing.drain(..) {
            deliver(outgoing.to, &self.bytes[outgoing.bytes]);
        }
        self.bytes.clear();
    }

    fn push<E: GameEvent>(&mut self, to: Recipient, event: &E) {
        let index = self.names.iter().position(|name| *name == E::NAME);
        let index =
            index.unwrap_or_else(|| panic!("add the event {:?} to the game first", E::NAME));
        let start = self.bytes.len();
        event::encode(index, event, &mut self.bytes);
        self.outgoing.push(Outgoing {
            to,
            bytes: start..self.bytes.len(),
        });
    }
}
