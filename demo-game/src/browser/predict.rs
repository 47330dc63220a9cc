//! Prediction of the own ship: the shared rules, run ahead of the server on the player's own inputs.

use tickwire_client::{Predict, View};

use crate::components::{Condition, Drive, Heading, Position, Ship, Steer, Weapons};
use crate::rules::arena::Arena;
use crate::rules::ship::ShipMotion;
use crate::rules::vector::{turn_between, wrapped};

/// Farther than any tick's flight: such a way is a new ship, not a movement.
const JUMP: f32 = 300.0;

/// The own ship, as far as its pilot can foresee it.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnShip {
    /// Number of the own pilot.
    pub(super) pilot: u16,
    /// Whether it flies; the server decides.
    pub(super) condition: Condition,
    /// How it moves.
    pub(super) motion: ShipMotion,
    /// Its weapons.
    pub(super) weapons: Weapons,
}

/// The rules with the ground plan they need.
pub(super) struct Foresight {
    pub(super) arena: Arena,
}

impl Predict for Foresight {
    type Input = Steer;
    type State = OwnShip;

    fn own(&self, view: &View<'_>) -> Option<OwnShip> {
        let id = view.own()?;
        let ship: Ship = view.get(id)?;
        let (position, heading) = (view.get::<Position>(id)?, view.get::<Heading>(id)?);
        Some(OwnShip {
            pilot: ship.pilot,
            condition: ship.condition,
            motion: ShipMotion::of(&position, &heading, &view.get::<Drive>(id)?),
            weapons: view.get(id)?,
        })
    }

    fn step(&self, state: &mut OwnShip, input: &Steer, _: &View<'_>) {
        if state.condition.is_flying() {
            // Damage of a bounce is the server's to deal.
            state.motion.step(input, &self.arena);
            state.weapons.step(input);
        }
    }

    fn mix(&self, from: &OwnShip, to: &OwnShip, fraction: f32) -> OwnShip {
        let turn = turn_between(from.motion.heading, to.motion.heading);
        let motion = ShipMotion {
            position: from.motion.position.lerp(to.motion.position, fraction),
            velocity: from.motion.velocity.lerp(to.motion.velocity, fraction),
            heading: wrapped(from.motion.heading + turn * fraction),
            ..to.motion
        };
        OwnShip { motion, ..*to }
    }

    fn is_jump(&self, from: &OwnShip, to: &OwnShip) -> bool {
        from.condition.is_flying() != to.condition.is_flying()
            || from.motion.position.distance(to.motion.position) > JUMP
    }
}
