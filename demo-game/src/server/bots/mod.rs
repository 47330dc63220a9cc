//! Computer opponents: they fill the arena up, see what a player would see, and fly by the same inputs.
//!
//! No opponent reads what a person could not know: it looks as far as a screen reaches, aims with an
//! error that its skill sets, and fires in bursts. Their number falls as people join.

mod aim;
mod brain;

use bevy_ecs::prelude::*;

pub use self::brain::{Brain, think};
use crate::components::Standing;
use crate::rules::random::Random;
use crate::rules::tuning::POPULATION;
use crate::server::pilot::{Pilot, dismiss, enlist};

/// Names of opponents; the first that nobody has is taken.
const NAMES: [&str; 12] = [
    "Vega", "Orion", "Lyra", "Rigel", "Nova", "Altair", "Juno", "Castor", "Mira", "Draco",
    "Sirius", "Echo",
];

/// Ticks between two changes in the number of opponents, so that they come and go one by one.
const SEAT_TICKS: u32 = 10;

/// How many opponents there should be. A resource, so that a match without any can be played and tested.
#[derive(Resource, Clone, Copy, Debug)]
pub struct Opponents {
    /// Ships that people and opponents together should make.
    pub population: usize,
}

impl Default for Opponents {
    fn default() -> Self {
        Self {
            population: POPULATION,
        }
    }
}

/// Seats an opponent when the arena is too empty, and sends one away when people came.
pub fn seat(world: &mut World, mut ticks: Local<'_, u32>) {
    *ticks += 1;
    if *ticks < SEAT_TICKS {
        return;
    }
    *ticks = 0;
    let population = world.resource::<Opponents>().population;
    let mut pilots = world.query::<(Entity, &Pilot, Has<Brain>)>();
    let (mut people, mut opponents) = (0, Vec::new());
    for (entity, pilot, is_opponent) in pilots.iter(world) {
        if is_opponent {
            opponents.push((entity, pilot.standing));
        } else {
            people += 1;
        }
    }
    let wanted = population.saturating_sub(people);
    if opponents.len() < wanted {
        enlist_opponent(world);
    } else if opponents.len() > wanted {
        // The weakest goes: nobody should lose a rival in the middle of a duel for the lead.
        let score = |standing| {
            world
                .get::<Standing>(standing)
                .map_or(0, |standing| standing.score)
        };
        let weakest = opponents
            .into_iter()
            .min_by_key(|(entity, standing)| (score(*standing), *entity));
        if let Some((ship, _)) = weakest {
            dismiss(world, ship);
            world.despawn(ship);
        }
    }
}

/// Adds one opponent. Returns its ship.
pub fn enlist_opponent(world: &mut World) -> Entity {
    let mut standings = world.query::<&Standing>();
    let taken: Vec<String> = standings
        .iter(world)
        .map(|standing| standing.name.clone())
        .collect();
    let name = NAMES
        .iter()
        .find(|name| taken.iter().all(|other| other != *name));
    let ship = enlist(world, name.unwrap_or(&""), None);
    let brain = Brain::new(&mut world.resource_mut::<Random>());
    world.entity_mut(ship).insert(brain);
    ship
}
