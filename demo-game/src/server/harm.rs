//! Harm: damage noted by other systems is taken here, ships end here, and new ones begin.
//!
//! One place takes all damage of a tick, after everything has moved: whoever fires in the same tick in
//! which it is hit still fires, whatever the order of rows in the ECS.

use bevy_ecs::prelude::*;

use crate::components::Weapons;
use crate::components::{Condition, Drive, Engine, Heading, Hull, Position, Ship, Shot, Standing};
use crate::events::{Destroyed, Hit};
use crate::rules::arena::Arena;
use crate::rules::random::Random;
use crate::rules::score::{CRASH_POINTS, kill_points};
use crate::rules::tuning::{
    GUARD_TICKS, HULL_MAX, MEND_AFTER_TICKS, MEND_EVERY_TICKS, RESPAWN_TICKS,
};
use crate::rules::vector::Vec2;
use crate::server::announce::{Announcement, Announcements};
use crate::server::pickups::drop_loot;
use crate::server::pilot::Pilot;
use crate::server::start::Start;
use crate::server::traffic::Traffic;

/// Harm on its way to a ship.
#[derive(Clone, Copy, Debug)]
pub struct Damage {
    /// The ship.
    pub victim: Entity,
    /// How much.
    pub amount: u8,
    /// The ship it comes from, the shot, and the push it gives; nothing for a crash.
    pub by: Option<(Entity, Shot, Vec2)>,
    /// Where.
    pub at: Vec2,
}

/// All harm of this tick.
#[derive(Resource, Debug, Default)]
pub struct Damages(pub Vec<Damage>);

type Victim = (
    &'static mut Hull,
    &'static mut Ship,
    &'static mut Pilot,
    &'static Position,
    &'static mut Drive,
);

/// Takes the harm of this tick.
pub fn harm(
    mut commands: Commands<'_, '_>,
    mut damages: ResMut<'_, Damages>,
    mut ships: Query<'_, '_, Victim>,
    mut standings: Query<'_, '_, &mut Standing>,
    mut announcements: ResMut<'_, Announcements>,
    mut random: ResMut<'_, Random>,
) {
    for damage in damages.0.drain(..) {
        let shooter = damage.by.and_then(|(ship, ..)| ships.get(ship).ok());
        let shooter = shooter.map(|(_, _, pilot, ..)| (pilot.player, pilot.standing));
        let Ok((mut hull, mut ship, mut pilot, position, mut drive)) = ships.get_mut(damage.victim)
        else {
            continue;
        };
        if ship.condition != Condition::Flying {
            continue;
        }
        pilot.calm_ticks = 0;
        if let Some((_, shot, push)) = damage.by {
            drive.x += push.x;
            drive.y += push.y;
            let hit = Hit {
                by: shot.pilot,
                victim: ship.pilot,
                damage: damage.amount,
                x: damage.at.x,
                y: damage.at.y,
            };
            let players = [shooter.and_then(|(player, _)| player), pilot.player];
            for player in players.into_iter().flatten() {
                announcements.0.push(Announcement::Hit(player, hit.clone()));
            }
        }
        if !hull.harm(damage.amount) {
            continue;
        }
        ship.condition = Condition::Destroyed;
        ship.engine = Engine::Idle;
        *drive = Drive::default();
        pilot.wait_ticks = RESPAWN_TICKS;
        let place = position.point();
        let killer = shooter.map(|(_, standing)| standing);
        let tally = settle(&mut standings, pilot.standing, killer);
        announcements.0.push(Announcement::Destroyed(Destroyed {
            killer: damage.by.map(|(_, shot, _)| shot.pilot),
            victim: ship.pilot,
            weapon: damage.by.map(|(_, shot, _)| shot.kind),
            streak: tally.streak,
            points: tally.points,
            x: place.x,
            y: place.y,
        }));
        drop_loot(&mut commands, &mut random, place);
    }
}

/// What a kill brought its killer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    points: u32,
    streak: u8,
}

/// Books a destroyed ship on both standings.
fn settle(
    standings: &mut Query<'_, '_, &mut Standing>,
    victim: Entity,
    killer: Option<Entity>,
) -> Tally {
    let Ok(mut lost) = standings.get_mut(victim) else {
        return Tally::default();
    };
    let points = kill_points(lost.streak);
    lost.deaths = lost.deaths.saturating_add(1);
    lost.streak = 0;
    if killer.is_none() {
        lost.score = lost.score.saturating_sub(CRASH_POINTS);
    }
    let Some(mut won) = killer.and_then(|killer| standings.get_mut(killer).ok()) else {
        return Tally::default();
    };
    won.score = won.score.saturating_add(points);
    won.kills = won.kills.saturating_add(1);
    won.streak = won.streak.saturating_add(1);
    Tally {
        points,
        streak: won.streak,
    }
}

/// Mends ships that have been left alone for a while.
pub fn mend(mut ships: Query<'_, '_, (&mut Hull, &Ship, &mut Pilot)>) {
    for (mut hull, ship, mut pilot) in &mut ships {
        pilot.calm_ticks = pilot.calm_ticks.saturating_add(1);
        let due = pilot.calm_ticks > MEND_AFTER_TICKS
            && pilot.calm_ticks.is_multiple_of(MEND_EVERY_TICKS);
        if due && ship.condition.is_flying() && hull.hull < HULL_MAX {
            hull.hull += 1;
        }
    }
}

type Waiting = (
    &'static mut Ship,
    &'static mut Pilot,
    &'static mut Hull,
    &'static mut Weapons,
    &'static mut Position,
    &'static mut Heading,
    &'static mut Drive,
);

/// Counts down for those without a ship and gives them a new one.
pub fn revive(
    (arena, traffic, start): (Res<'_, Arena>, Res<'_, Traffic>, Res<'_, Start>),
    mut random: ResMut<'_, Random>,
    mut ships: Query<'_, '_, Waiting>,
) {
    for (mut ship, mut pilot, mut hull, mut weapons, mut position, mut heading, mut drive) in
        &mut ships
    {
        if ship.condition.is_flying() {
            continue;
        }
        pilot.wait_ticks = pilot.wait_ticks.saturating_sub(1);
        if pilot.wait_ticks > 0 {
            continue;
        }
        let motion = start.motion(&arena, &traffic, &mut random, ship.pilot);
        motion.store(&mut position, &mut heading, &mut drive);
        *hull = Hull::default();
        *weapons = Weapons::default();
        ship.condition = Condition::Guarded;
        pilot.guard_ticks = GUARD_TICKS;
        pilot.calm_ticks = 0;
    }
}
