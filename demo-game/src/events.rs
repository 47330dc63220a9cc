//! What is said rather than shown: chat, kills, hits, rounds. Each travels once, in order, as MessagePack.
//!
//! Anything that a late-comer must know is a component; an event is only for those who are there.

use serde::{Deserialize, Serialize};
use tickwire_protocol::event::GameEvent;

use crate::components::{PickupKind, ShotKind};
use crate::rules::tuning::VIEW;

/// A line a player typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Say {
    /// At most [`CHAT_CHARS_MAX`](crate::rules::tuning::CHAT_CHARS_MAX) characters; the rest is cut.
    pub text: String,
}

/// A line of chat, for everyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Number of the pilot who said it.
    pub pilot: u16,
    /// Its name, for lines that outlive the pilot.
    pub name: String,
    /// What was said.
    pub text: String,
}

/// A ship was destroyed, for everyone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Destroyed {
    /// Who did it; nothing when the ship flew into something.
    pub killer: Option<u16>,
    /// Whose ship it was.
    pub victim: u16,
    /// With what, when somebody did it.
    pub weapon: Option<ShotKind>,
    /// Kills in a row of the killer, this one counted.
    pub streak: u8,
    /// Points the killer got.
    pub points: u32,
    /// Where.
    pub x: f32,
    /// Where.
    pub y: f32,
}

/// A shot hit a ship, for the two concerned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Who fired.
    pub by: u16,
    /// Who was hit.
    pub victim: u16,
    /// Damage done.
    pub damage: u8,
    /// Where the shot burst.
    pub x: f32,
    /// Where the shot burst.
    pub y: f32,
}

/// Somebody took a pickup, for the one who did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// What it was.
    pub kind: PickupKind,
    /// Where it lay.
    pub x: f32,
    /// Where it lay.
    pub y: f32,
}

/// A round ended, for everyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundOver {
    /// Name of the winner; empty when nobody scored.
    pub winner: String,
    /// Its score.
    pub score: u32,
}

/// What a player's screen shows, whenever that changes: no more of the arena is sent than can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// Units across. Brought into what the game allows; see [`Look::allowed`].
    pub width: f32,
    /// Units from top to bottom.
    pub height: f32,
}

impl Look {
    /// The look that the game grants: no side longer than the widest view, and no more area than it has.
    ///
    /// A client that asks for the whole arena gets what everyone gets.
    pub fn allowed(self) -> Self {
        let (width_max, area_max) = (VIEW.0, VIEW.0 * VIEW.1);
        let side = |value: f32| {
            if value.is_finite() {
                value.clamp(200.0, width_max)
            } else {
                200.0
            }
        };
        let (width, height) = (side(self.width), side(self.height));
        Self {
            width,
            height: height.min(area_max / width),
        }
    }
}

macro_rules! named {
    ($($event:ident: $name:literal,)*) => {
        $(impl GameEvent for $event {
            const NAME: &'static str = $name;
        })*
    };
}

named! {
    Say: "say",
    Said: "said",
    Destroyed: "destroyed",
    Hit: "hit",
    Taken: "taken",
    RoundOver: "round over",
    Look: "look",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_granted_more_than_the_widest_view() {
        for (width, height) in [
            (9e9, 9e9),
            (f32::NAN, -1.0),
            (1600.0, 1600.0),
            (700.0, 1500.0),
        ] {
            let look = Look { width, height }.allowed();
            assert!(look.width <= VIEW.0 && look.height <= VIEW.0, "{look:?}");
            assert!(
                look.width * look.height <= VIEW.0 * VIEW.1 + 1.0,
                "{look:?}"
            );
        }
        let phone = Look {
            width: 700.0,
            height: 1500.0,
        };
        assert_eq!(phone.allowed(), phone);
    }
}
