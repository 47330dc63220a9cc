//! The player behind a connection: what it sees and hears in, what it presses and says out.
//!
//! A game's own bot is a type of some twenty lines:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use tickwire_bots::{Bot, Eyes};
//! use tickwire_protocol::replicate::{Replicate, encode_value};
//!
//! #[derive(Replicate)]
//! struct Position {
//!     #[wire(range(0.0, 1000.0), step = 0.1)]
//!     x: f32,
//! }
//!
//! #[derive(Replicate)]
//! struct Steer {
//!     #[wire(range(-1.0, 1.0), bits = 8)]
//!     right: f32,
//! }
//!
//! /// Runs to the middle of the world and stays there.
//! struct Homing;
//!
//! impl Bot for Homing {
//!     fn press(&mut self, eyes: &Eyes<'_>, input: &mut Vec<u8>) {
//!         let me: Option<Position> = eyes.own().and_then(|own| eyes.see(own));
//!         let right = me.map_or(0.0, |me| (500.0 - me.x).clamp(-1.0, 1.0));
//!         encode_value(&Steer { right }, input);
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     tickwire_bots::main(|_number, _schema| Ok(Box::new(Homing)))
//! }
//! ```
//!
//! One whose game begins when its players have said so also sends events and hears them; what it says at the door
//! is up to [`Cast::join`](crate::Cast::join):
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tickwire_bots::{Bot, Eyes, ReceivedEvent, Voice};
//! use tickwire_protocol::event::GameEvent;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Ready;
//!
//! impl GameEvent for Ready {
//!     const NAME: &'static str = "ready";
//! }
//!
//! struct Patient {
//!     has_begun: bool,
//! }
//!
//! impl Bot for Patient {
//!     fn press(&mut self, _eyes: &Eyes<'_>, input: &mut Vec<u8>) {
//!         if self.has_begun {
//!             input.push(1);
//!         }
//!     }
//!
//!     fn enter(&mut self, _is_resumed: bool, _eyes: &Eyes<'_>, voice: &mut Voice<'_>) {
//!         voice.send_event(&Ready);
//!     }
//!
//!     fn hear(&mut self, event: &ReceivedEvent<'_>, _eyes: &Eyes<'_>, _voice: &mut Voice<'_>) {
//!         self.has_begun |= event.name() == "begun";
//!     }
//! }
//! ```

use tickwire_protocol::{
    id::NetworkId,
    replicate::{Replicate, SameIds},
    schema::Schema,
    snapshot::Replica,
    time::Tick,
};

use crate::voice::{ReceivedEvent, Voice};

/// Decides what one player presses and says.
///
/// One bot lives as long as its player, over reconnects too. It runs on a thread with thousands of
/// others: what it decides must not wait for anything.
pub trait Bot: Send {
    /// Appends the input of one tick, as [`encode_value`](tickwire_protocol::replicate::encode_value)
    /// writes it. Appending nothing sends no input for this tick.
    fn press(&mut self, eyes: &Eyes<'_>, input: &mut Vec<u8>);

    /// Its player was let in: for the first time, or again after a break. `is_resumed` says whether it has the seat
    /// that it had before. It sees nothing yet. Says nothing unless the bot does.
    fn enter(&mut self, is_resumed: bool, eyes: &Eyes<'_>, voice: &mut Voice<'_>) {
        let _ = (is_resumed, eyes, voice);
    }

    /// An event of the game came. Nothing happens unless the bot does something.
    fn hear(&mut self, event: &ReceivedEvent<'_>, eyes: &Eyes<'_>, voice: &mut Voice<'_>) {
        let _ = (event, eyes, voice);
    }

    /// It may say something: before each [`press`](Self::press). Says nothing unless the bot does.
    fn speak(&mut self, eyes: &Eyes<'_>, voice: &mut Voice<'_>) {
        let _ = (eyes, voice);
    }
}

/// What a bot sees: the newest state that its player was sent.
#[derive(Clone, Copy)]
pub struct Eyes<'a> {
    pub(crate) tick: Tick,
    pub(crate) schema: &'a Schema,
    /// Absent for a bot in light mode: it plays blind.
    pub(crate) replica: Option<&'a Replica>,
}

impl<'a> Eyes<'a> {
    /// The tick that an input made now is for.
    #[must_use]
    pub const fn tick(&self) -> Tick {
        self.tick
    }

    /// What the game replicates and what its inputs look like.
    #[must_use]
    pub const fn schema(&self) -> &'a Schema {
        self.schema
    }

    /// The player's own entity, if it has one and the bot decodes snapshots.
    #[must_use]
    pub fn own(&self) -> Option<NetworkId> {
        self.replica?.applied().header.own_entity
    }

    /// Every entity in view, in no particular order.
    pub fn entities(&self) -> impl Iterator<Item = NetworkId> + use<'a> {
        self.replica.into_iter().flat_map(Replica::entities)
    }

    /// The component of an entity; `None` when it has none or the player may not see it, or when the game's does not
    /// begin with the fields of `T` ([`Schema::component_of`] says which differs).
    #[must_use]
    pub fn see<T: Replicate>(&self, id: NetworkId) -> Option<T> {
        let component = self.schema.component_of::<T>().ok()?;
        self.replica?
            .row(id, component)?
            .restore(component, &SameIds)
    }
}
