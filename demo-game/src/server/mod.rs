//! The server's half: what happens in the arena each tick, and who plays in it.
//!
//! Read [`steps`] first: it names every system in the order in which they run. The arena itself needs no
//! network and no room, so its tests run it in a bare world; [`game`](crate::server::game::game) joins it
//! to a room.

pub mod announce;
#[cfg(feature = "binaryjs")]
pub mod binaryjs;
pub mod bots;
pub mod chat;
pub mod flight;
pub mod gallery;
pub mod game;
pub mod harm;
pub mod pickups;
pub mod pilot;
pub mod round;
pub mod shots;
pub mod start;
pub mod traffic;

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::ScheduleConfigs;
use bevy_ecs::system::ScheduleSystem;
use tickwire_server::replication::Replicated;

use crate::components::{Heading, Obstacle, Position};
use crate::rules::arena::Arena;
use crate::rules::random::Random;

/// Fills a world with the arena: ground plan, pickups, the first round. Nobody flies yet.
pub fn open(world: &mut World, seed: u64) {
    world.insert_resource(Arena::default());
    world.insert_resource(Random::new(seed));
    world.init_resource::<bots::Opponents>();
    world.init_resource::<start::Start>();
    world.init_resource::<pilot::Roll>();
    world.init_resource::<traffic::Traffic>();
    world.init_resource::<harm::Damages>();
    world.init_resource::<announce::Announcements>();
    let rocks: Vec<_> = world.resource::<Arena>().rocks().to_vec();
    for rock in rocks {
        world.spawn((
            Replicated,
            Obstacle {
                radius: rock.radius,
                look: rock.look,
            },
            Position::from(rock.centre),
            Heading { radians: rock.turn },
        ));
    }
    world.spawn((Replicated, round::first_round()));
    pickups::lay_out(world);
}

/// One tick of the arena, in order: decide, fly, shoot, take harm, take pickups, keep time.
pub fn steps() -> ScheduleConfigs<ScheduleSystem> {
    (
        (bots::seat, bots::think).chain(),
        (
            harm::revive,
            flight::fly,
            traffic::observe,
            flight::part,
            traffic::observe,
        )
            .chain(),
        (shots::fly_shots, shots::fire, harm::harm, harm::mend).chain(),
        (pickups::take, pickups::restock).chain(),
        (round::sweep_radar, round::keep_time).chain(),
    )
        .chain()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::{Condition, Hull, Ship, Shot, Standing, Steer, Weapons};
    use crate::rules::tuning::{GUARD_TICKS, POPULATION, RESPAWN_TICKS, TICK_RATE_HZ};
    use crate::rules::vector::Vec2;
    use announce::{Announcement, Announcements};
    use tickwire_protocol::id::PlayerId;

    struct Match {
        world: World,
        schedule: Schedule,
    }

    impl Match {
        fn new(seed: u64, population: usize) -> Self {
            let mut world = World::new();
            open(&mut world, seed);
            world.insert_resource(bots::Opponents { population });
            let mut schedule = Schedule::default();
            schedule.add_systems(steps());
            Self { world, schedule }
        }

        fn run(&mut self, ticks: usize) -> Vec<Announcement> {
            let mut said = Vec::new();
            for _ in 0..ticks {
                self.schedule.run(&mut self.world);
                said.append(&mut self.world.resource_mut::<Announcements>().0);
            }
            said
        }

        /// A pilot at a place, unguarded, nose to the right.
        fn pilot(&mut self, player: Option<PlayerId>, place: Vec2) -> Entity {
            let ship = pilot::enlist(&mut self.world, "", player);
            let mut entity = self.world.entity_mut(ship);
            *entity.get_mut::<Position>().expect("a ship") = place.into();
            entity.get_mut::<Heading>().expect("a ship").radians = 0.0;
            entity
                .get_mut::<pilot::Pilot>()
                .expect("a ship")
                .guard_ticks = 0;
            ship
        }

        /// Hits push ships about; none should drift into points that a test does not count.
        fn clear_pickups(&mut self) {
            let mut pickups = self
                .world
                .query_filtered::<Entity, With<crate::components::Pickup>>();
            let lying: Vec<Entity> = pickups.iter(&self.world).collect();
            for pickup in lying {
                self.world.despawn(pickup);
            }
        }

        fn steer(&mut self, ship: Entity, steer: Steer) {
            self.world.entity_mut(ship).insert(pilot::Helm(steer));
        }

        fn standing(&self, ship: Entity) -> &Standing {
            let pilot = self.world.get::<pilot::Pilot>(ship).expect("a ship");
            self.world
                .get::<Standing>(pilot.standing)
                .expect("its standing")
        }
    }

    /// A place with 500 free units to its right.
    fn range(game: &Match) -> Vec2 {
        let arena = game.world.resource::<Arena>();
        let mut random = Random::new(4);
        loop {
            let place = arena.free_place(&mut random, 60.0);
            let end = place + Vec2::new(500.0, 0.0);
            if end.x < 3900.0 && arena.sweep(place, end, 60.0).is_none() {
                return place;
            }
        }
    }

    #[test]
    fn a_ship_that_is_shot_to_pieces_scores_for_the_shooter_and_comes_back() {
        let mut game = Match::new(1, 0);
        let place = range(&game);
        let shooter = game.pilot(Some(PlayerId(1)), place);
        let target = game.pilot(Some(PlayerId(2)), place + Vec2::new(300.0, 0.0));
        game.clear_pickups();
        game.steer(
            shooter,
            Steer {
                fire: true,
                ..Steer::default()
            },
        );
        let said = game.run(80);
        let kills = said
            .iter()
            .filter(|said| matches!(said, Announcement::Destroyed(_)))
            .count();
        assert_eq!(kills, 1);
        let hits = said
            .iter()
            .filter(|said| matches!(said, Announcement::Hit(PlayerId(2), _)));
        assert_eq!(hits.count(), 10);
        assert_eq!(
            (game.standing(shooter).kills, game.standing(shooter).score),
            (1, 100)
        );
        assert_eq!(
            (game.standing(target).deaths, game.standing(target).score),
            (1, 0)
        );
        game.steer(shooter, Steer::default());
        game.run(usize::from(RESPAWN_TICKS));
        let ship = game.world.get::<Ship>(target).expect("the ship");
        assert!(ship.condition.is_flying());
        assert_eq!(game.world.get::<Hull>(target), Some(&Hull::default()));
    }

    #[test]
    fn a_fresh_ship_cannot_be_hurt_until_it_fires() {
        let mut game = Match::new(1, 0);
        let place = range(&game);
        let shooter = game.pilot(None, place);
        let target = game.pilot(None, place + Vec2::new(200.0, 0.0));
        let mut pilot = game.world.get_mut::<pilot::Pilot>(target).expect("a ship");
        pilot.guard_ticks = GUARD_TICKS;
        game.steer(
            shooter,
            Steer {
                fire: true,
                ..Steer::default()
            },
        );
        game.run(usize::from(GUARD_TICKS) - 5);
        assert_eq!(game.world.get::<Hull>(target), Some(&Hull::default()));
        game.steer(
            target,
            Steer {
                fire: true,
                ..Steer::default()
            },
        );
        game.run(10);
        assert_eq!(
            game.world.get::<Ship>(target).map(|s| s.condition),
            Some(Condition::Flying)
        );
    }

    #[test]
    fn seekers_find_a_ship_that_bolts_would_miss() {
        let mut game = Match::new(1, 0);
        let place = range(&game);
        let shooter = game.pilot(None, place);
        let target = game.pilot(None, place + Vec2::new(350.0, 50.0));
        game.world
            .get_mut::<Weapons>(shooter)
            .expect("a ship")
            .seekers = 1;
        game.steer(
            shooter,
            Steer {
                seek: true,
                ..Steer::default()
            },
        );
        game.run(30);
        assert!(game.world.get::<Hull>(target).expect("a ship").hull < 70);
    }

    #[test]
    fn opponents_fill_the_arena_and_give_way_to_people() {
        let mut game = Match::new(3, POPULATION);
        game.run(200);
        let count = |game: &mut Match| {
            let mut ships = game.world.query::<(&Ship, Has<bots::Brain>)>();
            ships
                .iter(&game.world)
                .filter(|(_, is_bot)| *is_bot)
                .count()
        };
        assert_eq!(count(&mut game), POPULATION);
        for player in 1..4 {
            pilot::enlist(&mut game.world, "human", Some(PlayerId(player)));
        }
        game.run(100);
        assert_eq!(count(&mut game), POPULATION - 3);
        let standings = game.world.query::<&Standing>().iter(&game.world).count();
        assert_eq!(standings, POPULATION);
    }

    #[test]
    fn opponents_fight_but_do_not_mostly_crash() {
        let mut game = Match::new(5, POPULATION);
        let said = game.run(180 * usize::from(TICK_RATE_HZ));
        let ends: Vec<_> = said
            .iter()
            .filter_map(|said| match said {
                Announcement::Destroyed(destroyed) => Some(destroyed.killer.is_some()),
                _ => None,
            })
            .collect();
        let kills = ends.iter().filter(|by_somebody| **by_somebody).count();
        // Three minutes of eight opponents: a lively arena, and not a slaughter.
        assert!((12..=150).contains(&kills), "{kills} kills");
        assert!(
            ends.len() - kills <= kills / 4,
            "{} crashes, {kills} kills",
            ends.len() - kills
        );
    }

    #[test]
    fn the_same_seed_plays_the_same_match() {
        let play = |seed| {
            let mut game = Match::new(seed, POPULATION);
            game.run(600);
            let mut ships = game.world.query::<(&Ship, &Position)>();
            let mut places: Vec<_> = ships
                .iter(&game.world)
                .map(|(s, p)| (s.pilot, p.x.to_bits(), p.y.to_bits()))
                .collect();
            places.sort_unstable();
            places
        };
        assert_eq!(play(9), play(9));
        assert_ne!(play(9), play(10));
    }

    #[test]
    fn shots_end_and_pickups_stay_within_their_number() {
        let mut game = Match::new(11, POPULATION);
        game.run(1200);
        let shots = game.world.query::<&Shot>().iter(&game.world).count();
        assert!(shots < 200, "{shots}");
        let pickups = game
            .world
            .query::<&crate::components::Pickup>()
            .iter(&game.world)
            .count();
        assert!((10..=60).contains(&pickups), "{pickups}");
    }

    #[test]
    fn a_round_ends_with_a_winner_and_the_next_starts_from_nothing() {
        let mut game = Match::new(2, 0);
        let place = range(&game);
        let winner = game.pilot(Some(PlayerId(1)), place);
        let standing = game
            .world
            .get::<pilot::Pilot>(winner)
            .expect("a ship")
            .standing;
        game.world
            .get_mut::<Standing>(standing)
            .expect("its standing")
            .score = 70;
        let hz = usize::from(TICK_RATE_HZ);
        let said = game.run(usize::from(crate::rules::tuning::ROUND_SECONDS) * hz);
        assert!(
            said.iter()
                .any(|said| matches!(said, Announcement::RoundOver(over) if over.score == 70))
        );
        game.run(usize::from(crate::rules::tuning::BREAK_SECONDS) * hz);
        assert_eq!(game.standing(winner).score, 0);
    }
}
