//! Who flies where this tick: the flying ships sorted by x, asked by shots, pickups and opponents.
//!
//! A sorted list rather than a grid: one sort of what is nearly sorted already, and a question reads one
//! slice. A thousand ships spread over the arena leave some twenty in the slice of a shot.

use bevy_ecs::prelude::*;

use crate::components::{Condition, Drive, Position, Ship};
use crate::rules::vector::Vec2;

/// A flying ship as others need it.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    /// The ship.
    pub entity: Entity,
    /// Number of its pilot.
    pub pilot: u16,
    /// Its centre.
    pub position: Vec2,
    /// Units per second.
    pub velocity: Vec2,
    /// True while it cannot be hurt.
    pub is_guarded: bool,
}

/// All flying ships, by x.
#[derive(Resource, Debug, Default)]
pub struct Traffic {
    ships: Vec<Sighting>,
}

impl Traffic {
    /// All of them.
    pub fn all(&self) -> &[Sighting] {
        &self.ships
    }

    /// Those whose centre lies within `radius`.
    pub fn near(&self, centre: Vec2, radius: f32) -> impl Iterator<Item = &Sighting> {
        let first = self
            .ships
            .partition_point(|ship| ship.position.x < centre.x - radius);
        self.ships[first..]
            .iter()
            .take_while(move |ship| ship.position.x <= centre.x + radius)
            .filter(move |ship| ship.position.distance(centre) <= radius)
    }
}

/// Looks where everyone is. Runs after the ships have flown.
pub fn observe(
    ships: Query<'_, '_, (Entity, &Ship, &Position, &Drive)>,
    mut traffic: ResMut<'_, Traffic>,
) {
    traffic.ships.clear();
    for (entity, ship, position, drive) in &ships {
        if ship.condition.is_flying() {
            traffic.ships.push(Sighting {
                entity,
                pilot: ship.pilot,
                position: position.point(),
                velocity: Vec2::new(drive.x, drive.y),
                is_guarded: ship.condition == Condition::Guarded,
            });
        }
    }
    // The pilot's number breaks ties, so that the order never hangs on where the ECS keeps a row.
    traffic.ships.sort_unstable_by(|a, b| {
        a.position
            .x
            .total_cmp(&b.position.x)
            .then(a.pilot.cmp(&b.pilot))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::random::Random;

    #[test]
    fn a_question_finds_what_a_search_of_all_finds() {
        let mut random = Random::new(2);
        let mut world = World::new();
        world.init_resource::<Traffic>();
        for pilot in 0..300 {
            let position = Position {
                x: random.between(0.0, 4000.0),
                y: random.between(0.0, 4000.0),
            };
            world.spawn((
                Ship {
                    pilot,
                    ..Ship::default()
                },
                position,
                Drive::default(),
            ));
        }
        world.run_system_cached(observe).expect("the system runs");
        let traffic = world.resource::<Traffic>();
        for _ in 0..200 {
            let place = Vec2::new(random.between(0.0, 4000.0), random.between(0.0, 4000.0));
            let all = traffic
                .all()
                .iter()
                .filter(|ship| ship.position.distance(place) <= 300.0);
            assert_eq!(traffic.near(place, 300.0).count(), all.count());
        }
    }
}
