//! What an opponent wants and does: look around a few times a second, steer every tick.

use bevy_ecs::prelude::*;

use super::aim::{evade, lead};
use crate::components::{Drive, Heading, Hull, Pickup, PickupKind, Position, Ship, Steer, Weapons};
use crate::rules::arena::Arena;
use crate::rules::random::Random;
use crate::rules::ship::ShipMotion;
use crate::rules::tuning::HULL_MAX;
use crate::rules::vector::{Vec2, turn_between};
use crate::server::pilot::Helm;
use crate::server::traffic::{Sighting, Traffic};

/// How far an opponent sees: about as far as a screen.
const SIGHT: f32 = 760.0;
/// How far away it opens fire.
const FIRE_RANGE: f32 = 520.0;
/// Nearer than this it lets off the throttle instead of ramming.
const CLOSE_RANGE: f32 = 190.0;
/// How far it goes for a pickup.
const FETCH_RANGE: f32 = 620.0;
/// Ticks between two looks around.
const LOOK_TICKS: u8 = 5;

/// What an opponent is up to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Goal {
    /// Cross the arena and see.
    Roam(Vec2),
    /// Go after a ship.
    Hunt(Entity),
    /// Go and take something.
    Fetch(Vec2),
    /// Get away from somebody.
    Flee(Vec2),
}

/// An opponent's character and state of mind.
#[derive(Component, Clone, Debug)]
pub struct Brain {
    /// How well it aims, 0 ..= 1.
    skill: f32,
    /// Share of its hull below which it runs.
    fear: f32,
    goal: Goal,
    look_ticks: u8,
    /// Error of its aim right now, radians: it wanders, so that bursts miss together, as a hand's do.
    aim_error: f32,
    /// Ticks left of the burst (above zero) or of the pause after it (below).
    burst_ticks: i16,
}

/// What one opponent knows of itself when it thinks.
struct Own<'a> {
    entity: Entity,
    motion: ShipMotion,
    hull: &'a Hull,
    weapons: &'a Weapons,
}

impl Brain {
    /// A mind of its own.
    pub fn new(random: &mut Random) -> Self {
        Self {
            skill: random.between(0.15, 0.85),
            fear: random.between(0.15, 0.5),
            goal: Goal::Flee(Vec2::ZERO),
            look_ticks: 0,
            aim_error: 0.0,
            burst_ticks: 0,
        }
    }

    fn look(
        &mut self,
        own: &Own<'_>,
        traffic: &Traffic,
        pickups: &[(PickupKind, Vec2)],
        arena: &Arena,
        random: &mut Random,
    ) {
        self.look_ticks = LOOK_TICKS;
        let spread = 0.05 + 0.22 * (1.0 - self.skill);
        self.aim_error = self.aim_error * 0.6 + random.between(-spread, spread) * 0.7;
        let rival = self.choose_rival(own, traffic);
        let is_hurt = f32::from(own.hull.hull) < f32::from(HULL_MAX) * self.fear;
        let wish = wish(own, pickups, is_hurt);
        self.goal = match (rival, wish) {
            (_, Some(place)) if is_hurt => Goal::Fetch(place),
            (Some(rival), _) if is_hurt => Goal::Flee(rival.position),
            (None, Some(place)) => Goal::Fetch(place),
            (Some(rival), Some(place))
                if place.distance(own.motion.position) * 3.0
                    < rival.position.distance(own.motion.position) =>
            {
                Goal::Fetch(place)
            }
            (Some(rival), _) => Goal::Hunt(rival.entity),
            (None, None) => self.roam(own, arena, random),
        };
    }

    fn roam(&self, own: &Own<'_>, arena: &Arena, random: &mut Random) -> Goal {
        match self.goal {
            Goal::Roam(place) if place.distance(own.motion.position) > 200.0 => self.goal,
            _ => Goal::Roam(arena.free_place(random, 120.0)),
        }
    }

    /// The nearest rival, with some loyalty to the one it is after already.
    fn choose_rival<'a>(&self, own: &Own<'_>, traffic: &'a Traffic) -> Option<&'a Sighting> {
        let cost = |ship: &Sighting| {
            let distance = ship.position.distance(own.motion.position);
            let faithful = self.goal == Goal::Hunt(ship.entity);
            if faithful { distance * 0.7 } else { distance }
        };
        traffic
            .near(own.motion.position, SIGHT)
            .filter(|ship| ship.entity != own.entity && !ship.is_guarded)
            .min_by(|a, b| cost(a).total_cmp(&cost(b)))
    }

    fn steer(
        &mut self,
        own: &Own<'_>,
        traffic: &Traffic,
        arena: &Arena,
        random: &mut Random,
    ) -> Steer {
        let ship = &own.motion;
        let towards = |place: Vec2| Steer {
            aim: Some((place - ship.position).angle()),
            thrust: 1.0,
            ..Steer::default()
        };
        let mut steer = match self.goal {
            Goal::Roam(place) => Steer {
                thrust: 0.7,
                ..towards(place)
            },
            Goal::Fetch(place) => {
                // Swing in: cancel the sideways speed that would carry it past.
                let drift = ship.velocity * 0.35;
                towards(place - drift)
            }
            Goal::Flee(from) => {
                let away = ship.position + (ship.position - from).normalised() * 300.0;
                Steer {
                    boost: own.motion.boost > 12,
                    ..towards(away)
                }
            }
            Goal::Hunt(rival) => {
                let rival = traffic
                    .near(ship.position, SIGHT * 1.3)
                    .find(|sighting| sighting.entity == rival);
                match rival {
                    Some(rival) => self.attack(own, rival, random),
                    None => Steer {
                        thrust: 0.6,
                        ..Steer::default()
                    },
                }
            }
        };
        if let Some(way) = evade(arena, ship) {
            // Not crashing comes first; a shot that lines up by chance may still go.
            steer.aim = Some(way.angle());
            steer.thrust = 1.0;
            steer.boost = false;
            steer.fire = false;
        }
        steer.rounded()
    }

    fn attack(&mut self, own: &Own<'_>, rival: &Sighting, random: &mut Random) -> Steer {
        let ship = &own.motion;
        let distance = ship.position.distance(rival.position);
        let meeting = lead(ship, rival.position, rival.velocity);
        let aim = (meeting - ship.position).angle() + self.aim_error;
        let off = turn_between(ship.heading, aim).abs();
        self.burst_ticks -= 1;
        if self.burst_ticks < -(8 + (20.0 * (1.0 - self.skill)) as i16) {
            self.burst_ticks = 8 + random.below(14) as i16;
        }
        let thrust = if distance > CLOSE_RANGE * 1.6 {
            1.0
        } else if distance > CLOSE_RANGE {
            0.4
        } else {
            -0.5
        };
        Steer {
            turn: 0.0,
            aim: Some(aim),
            thrust,
            fire: self.burst_ticks > 0 && distance < FIRE_RANGE && off < 0.22,
            seek: own.weapons.seekers > 0
                && distance < FIRE_RANGE
                && off < 0.3
                && random.chance(0.05),
            boost: distance > FIRE_RANGE && off < 0.4 && own.motion.boost > 15,
        }
    }
}

/// The nearest pickup that does it good; when hurt only what mends or shields.
fn wish(own: &Own<'_>, pickups: &[(PickupKind, Vec2)], is_hurt: bool) -> Option<Vec2> {
    let helps =
        |kind: PickupKind| !is_hurt || matches!(kind, PickupKind::Repair | PickupKind::Shield);
    pickups
        .iter()
        .filter(|(kind, _)| helps(*kind) && kind.is_useful(own.hull, own.weapons))
        .map(|(_, place)| *place)
        .filter(|place| place.distance(own.motion.position) < FETCH_RANGE)
        .min_by(|a, b| {
            let far = |place: &Vec2| place.distance(own.motion.position);
            far(a).total_cmp(&far(b))
        })
}

type Mind<'w> = (
    Entity,
    &'w mut Brain,
    &'w mut Helm,
    &'w Ship,
    &'w Position,
    &'w Heading,
    &'w Drive,
    &'w Hull,
    &'w Weapons,
);

/// Lets every opponent look around when it is time, and take the helm.
pub fn think(
    arena: Res<'_, Arena>,
    traffic: Res<'_, Traffic>,
    mut random: ResMut<'_, Random>,
    pickups: Query<'_, '_, (&Pickup, &Position)>,
    mut minds: Query<'_, '_, Mind<'static>>,
    mut lying: Local<'_, Vec<(PickupKind, Vec2)>>,
) {
    lying.clear();
    lying.extend(
        pickups
            .iter()
            .map(|(pickup, position)| (pickup.kind, position.point())),
    );
    for (entity, mut brain, mut helm, ship, position, heading, drive, hull, weapons) in &mut minds {
        if !ship.condition.is_flying() {
            helm.0 = Steer::default();
            continue;
        }
        let motion = ShipMotion::of(position, heading, drive);
        let own = Own {
            entity,
            motion,
            hull,
            weapons,
        };
        brain.look_ticks = brain.look_ticks.saturating_sub(1);
        if brain.look_ticks == 0 {
            brain.look(&own, &traffic, &lying, &arena, &mut random);
        }
        helm.0 = brain.steer(&own, &traffic, &arena, &mut random);
    }
}
