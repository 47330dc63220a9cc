//! Where new ships begin: scattered over the arena, or gathered in one place for a match among friends.

use std::f32::consts::PI;

use bevy_ecs::prelude::*;

use crate::rules::arena::Arena;
use crate::rules::random::Random;
use crate::rules::ship::ShipMotion;
use crate::rules::tuning::{ARENA_SEED, ARENA_SIZE, SHIP_RADIUS};
use crate::rules::vector::Vec2;
use crate::server::traffic::Traffic;

/// Places compared for a new ship; the loneliest is taken.
const START_PLACES: usize = 10;
/// As far from the next ship as is far enough: the very farthest corner would send everybody there.
const LONELY: f32 = 700.0;
/// Free space around the place where ships gather; less, if the arena has none that large.
const GATHERING_RADIUS: f32 = 360.0;
/// How far from its middle ships stand when they gather.
const GATHERING_RING: f32 = 100.0;
/// Turn from one gathered ship to the next, radians: the golden angle, so that no two stand close.
const GATHERING_TURN: f32 = 2.4;

/// Where new ships begin.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Far from each other, nose inwards.
    #[default]
    Scattered,
    /// In sight of each other, nose to the nearer side.
    Gathered,
}

impl Start {
    /// The first motion of a pilot's ship.
    pub fn motion(
        self,
        arena: &Arena,
        traffic: &Traffic,
        random: &mut Random,
        pilot: u16,
    ) -> ShipMotion {
        match self {
            Self::Scattered => scattered(arena, traffic, random),
            Self::Gathered => gathered(arena, pilot),
        }
    }
}

fn scattered(arena: &Arena, traffic: &Traffic, random: &mut Random) -> ShipMotion {
    let loneliness = |place: Vec2| {
        let ships = traffic.all().iter();
        let distances = ships.map(|ship| ship.position.distance(place));
        distances.min_by(f32::total_cmp).unwrap_or(f32::INFINITY)
    };
    let mut place = arena.free_place(random, SHIP_RADIUS * 3.0);
    for _ in 1..START_PLACES {
        if loneliness(place) > LONELY {
            break;
        }
        let other = arena.free_place(random, SHIP_RADIUS * 3.0);
        if loneliness(other) > loneliness(place) {
            place = other;
        }
    }
    let inwards = Vec2::new(ARENA_SIZE * 0.5, ARENA_SIZE * 0.5) - place;
    ShipMotion::at(place, inwards.angle())
}

fn gathered(arena: &Arena, pilot: u16) -> ShipMotion {
    let mut radius = GATHERING_RADIUS;
    let middle = loop {
        // The same search for everyone, so that everyone finds the same place.
        let place = arena.free_place(&mut Random::new(ARENA_SEED), radius);
        if radius < SHIP_RADIUS || arena.is_free(place, radius) {
            break place;
        }
        radius *= 0.8;
    };
    let outwards = Vec2::from_angle(f32::from(pilot) * GATHERING_TURN);
    // Screens are wider than high: who flies on sideways stays in sight of the others for longest.
    let heading = if outwards.x < 0.0 { PI } else { 0.0 };
    ShipMotion::at(
        middle + outwards * GATHERING_RING.min(radius * 0.5),
        heading,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathered_ships_see_each_other_and_may_fly_straight_on() {
        let arena = Arena::default();
        let ships: Vec<ShipMotion> = (1..5).map(|pilot| gathered(&arena, pilot)).collect();
        for (number, ship) in ships.iter().enumerate() {
            let ahead = ship.position + Vec2::from_angle(ship.heading) * 150.0;
            assert_eq!(arena.sweep(ship.position, ahead, SHIP_RADIUS), None);
            for other in &ships[number + 1..] {
                let distance = ship.position.distance(other.position);
                assert!((SHIP_RADIUS * 2.0..500.0).contains(&distance), "{distance}");
            }
        }
    }

    #[test]
    fn scattered_ships_do_not_begin_in_a_rock() {
        let arena = Arena::default();
        let mut random = Random::new(6);
        for _ in 0..100 {
            let ship = scattered(&arena, &Traffic::default(), &mut random);
            assert!(arena.is_free(ship.position, SHIP_RADIUS));
        }
    }
}
