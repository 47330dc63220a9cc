//! Pickups: laid out at the start, replaced over time, left by destroyed ships, taken in passing.

use bevy_ecs::prelude::*;
use tickwire_server::replication::Replicated;

use crate::components::{Hull, Pickup, PickupKind, Position, Standing, Weapons};
use crate::events::Taken;
use crate::rules::arena::Arena;
use crate::rules::random::Random;
use crate::rules::score::PICKUP_POINTS;
use crate::rules::tuning::{LOOT_CHANCE, LOOT_TICKS, PICKUP_EVERY_TICKS, PICKUP_REACH, PICKUPS};
use crate::rules::vector::Vec2;
use crate::server::announce::{Announcement, Announcements};
use crate::server::pilot::Pilot;
use crate::server::traffic::Traffic;

/// Clear space around a pickup, so that taking one needs no crash.
const PICKUP_CLEARANCE: f32 = 50.0;

/// Something a destroyed ship left; it does not lie there for ever.
#[derive(Component, Debug)]
pub struct Loot {
    ticks_left: u16,
}

/// Lays out the first pickups.
pub fn lay_out(world: &mut World) {
    for _ in 0..PICKUPS {
        let pickup = world.resource_scope(|world, mut random: Mut<'_, Random>| {
            random_pickup(world.resource::<Arena>(), &mut random)
        });
        world.spawn(pickup);
    }
}

fn random_pickup(arena: &Arena, random: &mut Random) -> (Replicated, Pickup, Position) {
    let place = arena.free_place(random, PICKUP_CLEARANCE);
    let kind = PickupKind::random(random);
    (Replicated, Pickup { kind }, place.into())
}

/// Leaves something where a ship ended, perhaps.
pub fn drop_loot(commands: &mut Commands<'_, '_>, random: &mut Random, place: Vec2) {
    if random.chance(LOOT_CHANCE) {
        let kind = PickupKind::random(random);
        commands.spawn((
            Replicated,
            Pickup { kind },
            Position::from(place),
            Loot {
                ticks_left: LOOT_TICKS,
            },
        ));
    }
}

/// Replaces missing pickups one by one and clears away old loot.
pub fn restock(
    mut commands: Commands<'_, '_>,
    arena: Res<'_, Arena>,
    mut random: ResMut<'_, Random>,
    lying: Query<'_, '_, (), (With<Pickup>, Without<Loot>)>,
    mut loot: Query<'_, '_, (Entity, &mut Loot)>,
    mut waited_ticks: Local<'_, u32>,
) {
    *waited_ticks += 1;
    if *waited_ticks >= PICKUP_EVERY_TICKS {
        *waited_ticks = 0;
        if lying.iter().count() < PICKUPS {
            commands.spawn(random_pickup(&arena, &mut random));
        }
    }
    for (entity, mut loot) in &mut loot {
        loot.ticks_left = loot.ticks_left.saturating_sub(1);
        if loot.ticks_left == 0 {
            commands.entity(entity).despawn();
        }
    }
}

/// Gives each pickup to the nearest ship in reach that it does any good. A ship that was destroyed this tick
/// is still in sight, and takes nothing: least of all what it has just left behind.
pub fn take(
    mut commands: Commands<'_, '_>,
    traffic: Res<'_, Traffic>,
    pickups: Query<'_, '_, (Entity, &Pickup, &Position)>,
    mut ships: Query<'_, '_, (&Pilot, &mut Hull, &mut Weapons)>,
    mut standings: Query<'_, '_, &mut Standing>,
    mut announcements: ResMut<'_, Announcements>,
) {
    for (entity, pickup, position) in &pickups {
        let place = position.point();
        let nearest = traffic
            .near(place, PICKUP_REACH)
            .filter(|ship| {
                let state = ships.get(ship.entity);
                state.is_ok_and(|(_, hull, weapons)| {
                    hull.hull > 0 && pickup.kind.is_useful(hull, weapons)
                })
            })
            .min_by(|a, b| {
                a.position
                    .distance(place)
                    .total_cmp(&b.position.distance(place))
            });
        let Some(Ok((pilot, mut hull, mut weapons))) =
            nearest.map(|ship| ships.get_mut(ship.entity))
        else {
            continue;
        };
        pickup.kind.apply(&mut hull, &mut weapons);
        commands.entity(entity).despawn();
        if let Ok(mut standing) = standings.get_mut(pilot.standing) {
            standing.score = standing.score.saturating_add(PICKUP_POINTS);
        }
        if let Some(player) = pilot.player {
            let taken = Taken {
                kind: pickup.kind,
                x: place.x,
                y: place.y,
            };
            announcements.0.push(Announcement::Taken(player, taken));
        }
    }
}
