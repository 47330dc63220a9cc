//! Pilots: what the server alone knows of a ship, and how pilots come and go.
//!
//! A pilot is two entities. The ship lives in the cell of the grid where it flies and is seen by those
//! near it; its standing on the leaderboard is known to all. The ship's entity stays while the pilot
//! waits for a new one, so that the player's view keeps a place to look from.

use bevy_ecs::prelude::*;
use tickwire_protocol::id::PlayerId;
use tickwire_server::replication::Replicated;

use crate::components::{
    Condition, Drive, Heading, Hull, Position, Radar, Ship, Standing, Steer, Weapons,
};
use crate::rules::arena::Arena;
use crate::rules::random::Random;
use crate::rules::ship::ShipMotion;
use crate::rules::tuning::{GUARD_TICKS, HUES, NAME_CHARS_MAX};
use crate::server::chat::tidy;
use crate::server::start::Start;
use crate::server::traffic::Traffic;

/// What the server alone knows of a ship.
#[derive(Component, Clone, Debug)]
pub struct Pilot {
    /// Its standing.
    pub standing: Entity,
    /// The player, unless the computer flies.
    pub player: Option<PlayerId>,
    /// Ticks for which the ship cannot be hurt.
    pub guard_ticks: u16,
    /// Ticks until there is a new ship.
    pub wait_ticks: u16,
    /// Ticks since the ship was last harmed.
    pub calm_ticks: u32,
}

/// What a pilot asks of its ship this tick, whoever the pilot is.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct Helm(pub Steer);

/// Hands out pilots' numbers.
#[derive(Resource, Debug, Default)]
pub struct Roll {
    last: u16,
}

/// Gives a pilot a number, a standing and a ship. Returns the ship.
pub fn enlist(world: &mut World, name: &str, player: Option<PlayerId>) -> Entity {
    let pilot = {
        let mut roll = world.resource_mut::<Roll>();
        roll.last = roll.last.wrapping_add(1).max(1);
        roll.last
    };
    let standing = Standing {
        pilot,
        name: tidy_name(name, pilot),
        hue: free_hue(world, pilot),
        is_bot: player.is_none(),
        score: 0,
        kills: 0,
        deaths: 0,
        streak: 0,
    };
    let standing = world.spawn((Replicated, standing, Radar::default())).id();
    let motion = first_motion(world, pilot);
    let mut components = (Position::default(), Heading::default(), Drive::default());
    motion.store(&mut components.0, &mut components.1, &mut components.2);
    let ship = Ship {
        pilot,
        condition: Condition::Guarded,
        ..Ship::default()
    };
    let knowledge = Pilot {
        standing,
        player,
        guard_ticks: GUARD_TICKS,
        wait_ticks: 0,
        calm_ticks: 0,
    };
    world
        .spawn((
            Replicated,
            ship,
            components,
            Hull::default(),
            Weapons::default(),
            Helm::default(),
            knowledge,
        ))
        .id()
}

/// Takes a pilot's standing away. The caller, or the room, despawns the ship.
pub fn dismiss(world: &mut World, ship: Entity) {
    if let Some(pilot) = world.get::<Pilot>(ship) {
        let standing = pilot.standing;
        world.despawn(standing);
    }
}

/// A name fit to show, never empty.
fn tidy_name(name: &str, pilot: u16) -> String {
    tidy(name, NAME_CHARS_MAX).unwrap_or_else(|| format!("Pilot {pilot}"))
}

/// The first colour nobody flies; with all taken, they come round again.
fn free_hue(world: &mut World, pilot: u16) -> u8 {
    let mut standings = world.query::<&Standing>();
    let taken: Vec<u8> = standings.iter(world).map(|standing| standing.hue).collect();
    let free = (0..HUES).find(|hue| !taken.contains(hue));
    free.unwrap_or((pilot % u16::from(HUES)) as u8)
}

fn first_motion(world: &mut World, pilot: u16) -> ShipMotion {
    world.resource_scope(|world, mut random: Mut<'_, Random>| {
        let (arena, traffic) = (world.resource::<Arena>(), world.resource::<Traffic>());
        let start = *world.resource::<Start>();
        start.motion(arena, traffic, &mut random, pilot)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_cleaned_and_never_empty() {
        assert_eq!(tidy_name("  Ada\u{7}\n ", 1), "Ada");
        assert_eq!(tidy_name("   ", 7), "Pilot 7");
        assert_eq!(
            tidy_name("a name much longer than sixteen", 1)
                .chars()
                .count(),
            NAME_CHARS_MAX
        );
    }
}
