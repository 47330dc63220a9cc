//! What travels: the components of ships, shots, pickups, rocks and standings, and the input of a ship.
//!
//! Declared once for both ends. Only the server's build makes bevy components of them, so the browser
//! carries no ECS. A ship's speed, tank and weapons go to its owner alone: a rival may see a ship turn and
//! glow, but not count its energy.

use std::f32::consts::TAU;

use serde::{Deserialize, Serialize};
use tickwire_protocol::replicate::Replicate;

use crate::rules::ship::ShipMotion;
use crate::rules::tuning::{ENERGY_MAX, HEADING_STEPS, HULL_MAX};
use crate::rules::vector::{Vec2, wrapped};

/// Precision of turn and thrust in an input.
const SHARE_STEP: f32 = 1.0 / 16.0;

/// What a player asks of its ship for one tick. See [`Steer::rounded`] before predicting with one.
#[derive(Replicate, Clone, Copy, Debug, Default, PartialEq)]
pub struct Steer {
    /// Turn, −1 (full left) ..= 1 (full right); ignored when `aim` is given.
    #[wire(range(-1.0, 1.0), step = 0.0625)]
    pub turn: f32,
    /// Heading to turn to, radians: mouse, touch stick and gamepad give one, keys do not.
    #[wire(angle, bits = 10)]
    pub aim: Option<f32>,
    /// Thrust, −1 (brake) ..= 1.
    #[wire(range(-1.0, 1.0), step = 0.0625)]
    pub thrust: f32,
    /// Fire the blaster.
    pub fire: bool,
    /// Let a seeker go.
    pub seek: bool,
    /// Boost.
    pub boost: bool,
}

impl Steer {
    /// The same input at the precision of the wire: what the server will read.
    pub fn rounded(self) -> Self {
        let share = |value: f32| (value.clamp(-1.0, 1.0) / SHARE_STEP).round() * SHARE_STEP;
        let step = TAU / HEADING_STEPS;
        let angle = |value: f32| (wrapped(value) / step).round() % HEADING_STEPS * step;
        Self {
            turn: share(self.turn),
            aim: self.aim.map(angle),
            thrust: share(self.thrust),
            ..self
        }
    }
}

/// Where a thing is.
#[derive(Replicate, Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "server", derive(bevy_ecs::component::Component))]
pub struct Position {
    /// From the left wall.
    #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
    pub x: f32,
    /// From the upper wall.
    #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
    pub y: f32,
}

/// Where a thing points.
#[derive(Replicate, Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "server", derive(bevy_ecs::component::Component))]
pub struct Heading {
    /// 0 looks right, a quarter turn looks down.
    #[wire(angle, bits = 10)]
    pub radians: f32,
}

/// How a ship moves on: with position and heading, all that its owner needs to predict it.
#[derive(Replicate, Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "server", derive(bevy_ecs::component::Component))]
#[replicate(audience = "owner")]
pub struct Drive {
    /// Speed to the right, units per second.
    #[wire(range(-1024.0, 1024.0), step = 0.125)]
    pub x: f32,
    /// Speed downwards.
    #[wire(range(-1024.0, 1024.0), step = 0.125)]
    pub y: f32,
    /// Ticks of boost in the tank.
    #[wire(range(0, 30))]
    pub boost: u8,
    /// Ticks until the tank gains one.
    #[wire(range(0, 15))]
    pub boost_refill_ticks: u8,
}

/// The state of a ship's weapons.
#[derive(Replicate, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(bevy_ecs::component::Component))]
#[replicate(audience = "owner")]
pub struct Weapons {
    /// Energy in the cell.
    #[wire(range(0, 100))]
    pub energy: u8,
    /// Ticks until the blaster may fire again.
    #[wire(range(0, 15))]
    pub cooldown_ticks: u8,
    /// Ticks of rapid fire left.
    #[wire(range(0, 255))]
    pub rapid_ticks: u16,
    /// Ticks of spread left.
    #[wire(range(0, 255))]
    pub spread_ticks: u16,
    /// Seekers aboard.
    #[wire(range(0, 7))]
    pub seekers: u8,
    /// Ticks until another seeker may leave.
    #[wire(range(0, 15))]
    pub seeker_cooldown_ticks: u8,
}

/// What a ship withstands.
#[derive(Replicate, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(bevy_ecs::component::Component))]
pub struct Hull {
    /// Hull left; none left is the end of the ship.
    #[wire(range(0, 100))]
    pub hull: u8,
    /// Shield left; it takes harm first.
    #[wire(range(0, 100))]
    pub shield: u8,
}

/// Whether a ship flies.
#[derive(Replicate, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// It flies.
    #[default]
    Flying,
    /// It flies and cannot be hurt yet, unless it fires.
    Guarded,
    /// It is gone; its pilot waits for the next one.
    Destroyed,
}

/// What its engine does, for the flame.
#[derive(Replicate, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// Nothing.
    #[default]
    Idle,
    /// Thrust.
    Thrust,
    /// Boost.
    Boost,
    /// Reverse.
    Brake,
}

/// A ship, as everyone near sees it.
#[derive(Replicate, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(bevy_ecs::component::Component))]
pub struct Ship {
    /// Number of its pilot, as in [`Standing`].
    pub pilot: u16,
    /// Whether it flies.
    pub condition: Condition,
    /// What its engine does.
    pub engine: Engine,
}

/// Kinds of shots.
#[derive(Replicate, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShotKind {
    /// Fast and straight.
    Bolt,
    /// Slow, and turns after ships.
    Seeker,
}

/// A shot on its way.
#[derive(Replicate, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(bevy_ecs::component::Component))]
#[replicate(send = "once")]
pub struct Shot {
    /// Number of the pilot who fired.
    pub pilot: u16,
    /// What flies.
    pub kind: ShotKind,
}

/// Kinds of pickups.
#[derive(Replicate, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PickupKind {
    /// Mends the hull.
    Repair,
    /// A full shield.
    Shield,
    /// Twice the rate of fire, and a full cell, for a while.
    Rapid,
    /// Three bolts abreast for a while.
    Spread,
    /// Two seekers.
    Seekers,
}

/// A pickup lying about.
#[derive(Replicate, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(bevy_ecs::component::Component))]
#[replicate(send = "once")]
pub struct Pickup {
    /// What it is.
    pub kind: PickupKind,
}

/// A rock. The Rust client knows the ground plan already; a client that holds only the schema draws
/// these.
#[derive(Replicate, Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "server", derive(bevy_ecs::component::Component))]
#[replicate(send = "once")]
pub struct Obstacle {
    /// Its radius.
    #[wire(range(0.0, 255.0), step = 1.0)]
    pub radius: f32,
    /// Which picture shows it.
    pub look: u8,
}

/// One line of the leaderboard, known to everyone wherever they are.
#[derive(Replicate, Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(bevy_ecs::component::Component))]
pub struct Standing {
    /// Number of the pilot; never used twice in a room's life until it wraps.
    pub pilot: u16,
    /// Its name.
    pub name: String,
    /// Colour of its ship.
    pub hue: u8,
    /// True for a computer opponent.
    pub is_bot: bool,
    /// Points in this round.
    pub score: u32,
    /// Ships destroyed in this round.
    pub kills: u16,
    /// Ships lost in this round.
    pub deaths: u16,
    /// Ships destroyed since the last one lost.
    pub streak: u8,
}

/// Where a pilot's ship is, coarsely and a few times a second: the dots of the minimap.
#[derive(Replicate, Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "server", derive(bevy_ecs::component::Component))]
#[replicate(every = 4)]
pub struct Radar {
    /// From the left wall.
    #[wire(range(0.0, 4000.0), step = 16.0)]
    pub x: f32,
    /// From the upper wall.
    #[wire(range(0.0, 4000.0), step = 16.0)]
    pub y: f32,
    /// False while the pilot waits for a ship.
    pub flying: bool,
}

/// The round in play, one for the room.
#[derive(Replicate, Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "server", derive(bevy_ecs::component::Component))]
pub struct Round {
    /// Number of the round, from 1.
    pub number: u16,
    /// Seconds left.
    pub seconds_left: u16,
    /// True while the result of the last round stands.
    pub is_break: bool,
}

impl Default for Weapons {
    fn default() -> Self {
        Self {
            energy: ENERGY_MAX,
            cooldown_ticks: 0,
            rapid_ticks: 0,
            spread_ticks: 0,
            seekers: 0,
            seeker_cooldown_ticks: 0,
        }
    }
}

impl Default for Hull {
    fn default() -> Self {
        Self {
            hull: HULL_MAX,
            shield: 0,
        }
    }
}

impl Condition {
    /// True while there is a ship to be seen.
    pub fn is_flying(self) -> bool {
        self != Self::Destroyed
    }
}

impl Position {
    /// The point.
    pub fn point(self) -> Vec2 {
        Vec2::new(self.x, self.y)
    }
}

impl From<Vec2> for Position {
    fn from(point: Vec2) -> Self {
        Self {
            x: point.x,
            y: point.y,
        }
    }
}

impl ShipMotion {
    /// The motion that three components hold together.
    pub fn of(position: &Position, heading: &Heading, drive: &Drive) -> Self {
        Self {
            position: position.point(),
            velocity: Vec2::new(drive.x, drive.y),
            heading: heading.radians,
            boost: drive.boost,
            boost_refill_ticks: drive.boost_refill_ticks,
        }
    }

    /// Writes itself back to the three.
    pub fn store(&self, position: &mut Position, heading: &mut Heading, drive: &mut Drive) {
        *position = self.position.into();
        heading.radians = self.heading;
        *drive = Drive {
            x: self.velocity.x,
            y: self.velocity.y,
            boost: self.boost,
            boost_refill_ticks: self.boost_refill_ticks,
        };
    }
}
