//! Shooting: weapons fire, shots fly, and what they meet is noted for [`harm`](crate::server::harm).

use bevy_ecs::prelude::*;
use tickwire_server::replication::Replicated;

use crate::components::{Drive, Heading, Position, Ship, Shot, ShotKind, Weapons};
use crate::rules::arena::Arena;
use crate::rules::ship::ShipMotion;
use crate::rules::tuning::{HIT_PUSH, SEEKER_SIGHT, SHIP_RADIUS};
use crate::rules::vector::{Vec2, sweep_hits_circle};
use crate::rules::weapon::{Flight, launch};
use crate::server::harm::{Damage, Damages};
use crate::server::pilot::{Helm, Pilot};
use crate::server::traffic::{Sighting, Traffic};

/// A shot's flight, and the ship it left.
#[derive(Component, Clone, Copy, Debug)]
pub struct Course {
    /// How it flies.
    pub flight: Flight,
    /// Whose it is. The ship may be gone before the shot lands.
    pub from: Entity,
}

type Shooter = (
    Entity,
    &'static Ship,
    &'static Helm,
    &'static mut Pilot,
    &'static mut Weapons,
    &'static Position,
    &'static Heading,
    &'static Drive,
);

/// Lets every weapon live through one tick and spawns what leaves it.
pub fn fire(mut commands: Commands<'_, '_>, mut ships: Query<'_, '_, Shooter>) {
    for (from, ship, helm, mut pilot, mut weapons, position, heading, drive) in &mut ships {
        if !ship.condition.is_flying() {
            continue;
        }
        let mut next = *weapons;
        let volley = next.step(&helm.0);
        weapons.set_if_neq(next);
        if volley.is_fired() {
            pilot.guard_ticks = 0;
            for flight in launch(volley, &ShipMotion::of(position, heading, drive)) {
                spawn_shot(&mut commands, Course { flight, from }, ship.pilot);
            }
        }
    }
}

fn spawn_shot(commands: &mut Commands<'_, '_>, course: Course, pilot: u16) {
    let flight = course.flight;
    commands.spawn((
        Replicated,
        Shot {
            pilot,
            kind: flight.kind,
        },
        Position::from(flight.position),
        Heading {
            radians: flight.heading(),
        },
        course,
    ));
}

/// Flies every shot one tick; ends those that meet something or burn out.
pub fn fly_shots(
    mut commands: Commands<'_, '_>,
    arena: Res<'_, Arena>,
    traffic: Res<'_, Traffic>,
    mut shots: Query<'_, '_, (Entity, &Shot, &mut Course, &mut Position, &mut Heading)>,
    mut damages: ResMut<'_, Damages>,
) {
    for (entity, shot, mut course, mut position, mut heading) in &mut shots {
        let target = match shot.kind {
            ShotKind::Bolt => None,
            ShotKind::Seeker => quarry(&traffic, shot.pilot, &course.flight),
        };
        let from = course.flight.step(target);
        let flight = course.flight;
        let solid = arena.sweep(from, flight.position, shot.kind.radius());
        let ship = struck(&traffic, shot, from, &flight)
            .filter(|(share, _)| solid.is_none_or(|rock| *share <= rock));
        if let Some((share, victim)) = ship {
            damages.0.push(Damage {
                victim: victim.entity,
                amount: shot.kind.damage(),
                by: Some((course.from, *shot, flight.velocity * HIT_PUSH)),
                at: from.lerp(flight.position, share),
            });
        }
        if ship.is_some() || solid.is_some() || flight.ticks_left == 0 {
            commands.entity(entity).despawn();
        } else {
            *position = flight.position.into();
            heading.set_if_neq(Heading {
                radians: flight.heading(),
            });
        }
    }
}

/// The ship a shot meets first on its way, and how far along.
fn struck<'a>(
    traffic: &'a Traffic,
    shot: &Shot,
    from: Vec2,
    flight: &Flight,
) -> Option<(f32, &'a Sighting)> {
    let reach = SHIP_RADIUS + shot.kind.radius();
    let middle = from.lerp(flight.position, 0.5);
    traffic
        .near(middle, from.distance(flight.position) * 0.5 + reach)
        .filter(|ship| ship.pilot != shot.pilot)
        .filter_map(|ship| {
            let share = sweep_hits_circle(from, flight.position, ship.position, reach)?;
            Some((share, ship))
        })
        .min_by(|a, b| a.0.total_cmp(&b.0))
}

/// Where the ship is that a seeker flies after: the nearest one ahead of it.
fn quarry(traffic: &Traffic, pilot: u16, flight: &Flight) -> Option<Vec2> {
    let course = flight.velocity.normalised();
    traffic
        .near(flight.position, SEEKER_SIGHT)
        .filter(|ship| ship.pilot != pilot && !ship.is_guarded)
        .map(|ship| ship.position - flight.position)
        .filter(|way| way.normalised().dot(course) > 0.3)
        .min_by(|a, b| a.length_squared().total_cmp(&b.length_squared()))
        .map(|way| flight.position + way)
}
