//! Flying and aiming for opponents, as pure functions: where to point to hit, where to fly not to crash.

use crate::rules::arena::Arena;
use crate::rules::ship::ShipMotion;
use crate::rules::tuning::{ARENA_SIZE, BOLT_SPEED, SHIP_RADIUS};
use crate::rules::vector::Vec2;

/// How far ahead an opponent looks for rocks, seconds of flight.
const LOOKAHEAD_SECONDS: f32 = 0.9;
/// Air that an opponent likes to keep to solid things.
const CLEARANCE: f32 = 34.0;
/// How close to the wall an opponent begins to turn away.
const WALL_SHY: f32 = 170.0;

/// Where to point so that a bolt fired now meets a target that keeps its course.
///
/// Two rounds of "how long does the bolt take to where the target will be": the second corrects nearly all
/// of the first one's error at these speeds.
pub(super) fn lead(ship: &ShipMotion, target: Vec2, target_velocity: Vec2) -> Vec2 {
    let mut meeting = target;
    for _ in 0..2 {
        let nose = (meeting - ship.position).normalised();
        let speed = BOLT_SPEED + ship.velocity.dot(nose).max(0.0) * 0.5;
        let seconds = ship.position.distance(meeting) / speed;
        meeting = target + target_velocity * seconds;
    }
    meeting
}

/// The way to fly in order not to crash, when something solid is in the way; nothing when the way is
/// free.
pub(super) fn evade(arena: &Arena, ship: &ShipMotion) -> Option<Vec2> {
    wall_shy(ship).or_else(|| around_rock(arena, ship))
}

fn wall_shy(ship: &ShipMotion) -> Option<Vec2> {
    let ahead = ship.position + ship.velocity * (LOOKAHEAD_SECONDS * 0.6);
    let inwards = |at: f32| match at {
        at if at < WALL_SHY => 1.0,
        at if at > ARENA_SIZE - WALL_SHY => -1.0,
        _ => 0.0,
    };
    let away = Vec2::new(inwards(ahead.x), inwards(ahead.y));
    (away != Vec2::ZERO).then(|| (away + ship.velocity.normalised() * 0.5).normalised())
}

fn around_rock(arena: &Arena, ship: &ShipMotion) -> Option<Vec2> {
    let way = ship.velocity * LOOKAHEAD_SECONDS;
    let reach = way.length() + SHIP_RADIUS + CLEARANCE;
    let course = way.normalised();
    let rock = arena
        .rocks_near(ship.position, reach)
        .filter(|rock| {
            let to_rock = rock.centre - ship.position;
            let along = to_rock.dot(course);
            let across = to_rock.dot(course.perpendicular()).abs();
            let girth = rock.radius + SHIP_RADIUS + CLEARANCE;
            along > -girth && along - girth < way.length() && across < girth
        })
        .min_by(|a, b| {
            let gap = |rock: &crate::rules::arena::Rock| {
                rock.centre.distance(ship.position) - rock.radius
            };
            gap(a).total_cmp(&gap(b))
        })?;
    let to_rock = rock.centre - ship.position;
    if to_rock.dot(course) < 0.0 {
        return None;
    }
    // Round the side on which the course passes already: the shorter way.
    let side = if to_rock.dot(course.perpendicular()) > 0.0 {
        -1.0
    } else {
        1.0
    };
    let tangent = to_rock.normalised().perpendicular() * side;
    Some((tangent - to_rock.normalised() * 0.35).normalised())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::Steer;
    use crate::rules::random::Random;

    #[test]
    fn a_led_shot_meets_a_target_on_a_steady_course() {
        let ship = ShipMotion::at(Vec2::new(1000.0, 1000.0), 0.0);
        let (target, velocity) = (Vec2::new(1400.0, 1100.0), Vec2::new(-50.0, 220.0));
        let nose = (lead(&ship, target, velocity) - ship.position).normalised();
        let nearest = (0..100)
            .map(|step| f32::from(step as u8) * 0.01)
            .map(|t| (ship.position + nose * (BOLT_SPEED * t)).distance(target + velocity * t))
            .fold(f32::INFINITY, f32::min);
        assert!(nearest < SHIP_RADIUS, "{nearest}");
    }

    #[test]
    fn a_pilot_who_evades_seldom_touches_anything() {
        let arena = Arena::default();
        let mut random = Random::new(8);
        let mut touches = 0;
        for _ in 0..30 {
            let mut ship = ShipMotion::at(arena.free_place(&mut random, 60.0), 0.0);
            let mut goal = arena.free_place(&mut random, 60.0);
            for _ in 0..400 {
                if ship.position.distance(goal) < 150.0 {
                    goal = arena.free_place(&mut random, 60.0);
                }
                let way = evade(&arena, &ship).unwrap_or(goal - ship.position);
                let steer = Steer {
                    aim: Some(way.angle()),
                    thrust: 1.0,
                    ..Steer::default()
                };
                ship.step(&steer, &arena);
                touches += usize::from(!arena.is_free(ship.position, SHIP_RADIUS + 1.0));
            }
        }
        // 12,000 ticks of full thrust through the rocks.
        assert!(touches < 120, "{touches}");
    }
}
