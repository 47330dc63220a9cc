//! What moves in the measured rooms: the reference world, or a match of the demo game.

use bevy_ecs::{
    prelude::{Component, DetectChangesMut, Entity, Mut, World},
    schedule::Schedule,
};
use tickwire_demo::{components as demo, server::bots::Opponents};
use tickwire_protocol::replicate::Replicate;
use tickwire_server::replication::{Registry, Replicated};

use tests::{
    reference_components::{Angle, Hp, Position, components},
    reference_world::{Body, Motion, ReferenceWorld},
};

/// The seed of everything that moves.
const SEED: u64 = 1;

/// The angle as a game declares it whose things turn steadily.
#[derive(Component, Replicate, Clone, Copy)]
struct SteadyAngle(#[wire(angle, bits = 8, predict = "linear")] f32);

/// A world that a bench can fill and move on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// The reference world of that many entities.
    Reference {
        entities: usize,
        motion: Motion,
        /// Whether the angle is predicted too.
        steady: bool,
    },
    /// A match of the demo game with its computer pilots, which its seed repeats to the bit.
    Demo,
}

impl Scene {
    /// The name that tables and JSON rows use.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reference { motion, .. } => motion.name(),
            Self::Demo => "demo",
        }
    }

    /// What the row's system is called.
    pub(crate) const fn system(self) -> &'static str {
        match self {
            Self::Reference { steady: true, .. } => "tickwire, angle predicted",
            _ => "tickwire",
        }
    }

    /// Fills a world. What comes back moves it on.
    pub(crate) fn open(self, world: &mut World) -> Play {
        match self {
            Self::Reference {
                entities,
                motion,
                steady,
            } => {
                let bodies = ReferenceWorld::new(entities, motion, SEED);
                let spawn = |body: &Body| {
                    let (position, angle, hp) = components(body);
                    let mut entity = world.spawn((Replicated, position, hp));
                    if steady {
                        entity.insert(SteadyAngle(angle.0));
                    } else {
                        entity.insert(angle);
                    }
                    entity.id()
                };
                let entities = bodies.bodies.iter().map(spawn).collect();
                Play::Reference { bodies, entities }
            }
            Self::Demo => {
                tickwire_demo::server::open(world, SEED);
                world.insert_resource(Opponents::default());
                let mut schedule = Schedule::default();
                schedule.add_systems(tickwire_demo::server::steps());
                Play::Demo(Box::new(schedule))
            }
        }
    }

    /// The components of the scene.
    pub(crate) fn registry(self) -> Registry {
        let mut registry = Registry::new();
        match self {
            Self::Reference { steady, .. } => {
                add::<Position>(&mut registry);
                if steady {
                    add::<SteadyAngle>(&mut registry);
                } else {
                    add::<Angle>(&mut registry);
                }
                add::<Hp>(&mut registry);
            }
            Self::Demo => {
                add::<demo::Position>(&mut registry);
                add::<demo::Heading>(&mut registry);
                add::<demo::Ship>(&mut registry);
                add::<demo::Hull>(&mut registry);
                add::<demo::Drive>(&mut registry);
                add::<demo::Weapons>(&mut registry);
                add::<demo::Shot>(&mut registry);
                add::<demo::Pickup>(&mut registry);
                add::<demo::Obstacle>(&mut registry);
                add::<demo::Standing>(&mut registry);
                add::<demo::Radar>(&mut registry);
                add::<demo::Round>(&mut registry);
            }
        }
        registry
    }
}

/// A scene under way.
pub(crate) enum Play {
    Reference {
        bodies: ReferenceWorld,
        entities: Vec<Entity>,
    },
    Demo(Box<Schedule>),
}

impl Play {
    /// The entities of the reference world, in the order of its bodies.
    pub(crate) fn entities(&self) -> &[Entity] {
        match self {
            Self::Reference { entities, .. } => entities,
            Self::Demo(_) => &[],
        }
    }

    /// One tick.
    pub(crate) fn step(&mut self, world: &mut World) {
        match self {
            Self::Reference { bodies, entities } => {
                bodies.step();
                write(world, entities, &bodies.bodies);
            }
            Self::Demo(schedule) => schedule.run(world),
        }
    }
}

fn add<T: Component + Replicate>(registry: &mut Registry) {
    registry.register::<T>().expect("a valid component");
}

/// Writes the bodies into their entities.
fn write(world: &mut World, entities: &[Entity], bodies: &[Body]) {
    for (entity, body) in entities.iter().zip(bodies) {
        let (position, angle, hp) = components(body);
        let mut entity = world.entity_mut(*entity);
        *entity.get_mut().expect("it was spawned with it") = position;
        if let Some(mut steady) = entity.get_mut::<SteadyAngle>() {
            steady.0 = angle.0;
        } else {
            *entity.get_mut().expect("it was spawned with it") = angle;
        }
        entity
            .get_mut()
            .map(|mut old: Mut<'_, Hp>| old.set_if_neq(hp));
    }
}
