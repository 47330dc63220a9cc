//! A ship under input: how it turns, thrusts, glides and bounces.
//!
//! A [`ShipMotion`] and a [`Steer`] come in, the motion one tick later and the hardest bounce come out.
//! Keyboard, mouse, touch stick, gamepad and computer opponents all speak [`Steer`]; none has powers
//! that another has not.

use std::f32::consts::TAU;

use crate::components::{Engine, Steer};
use crate::rules::arena::Arena;
use crate::rules::tuning::{
    ARENA_SIZE, BOOST_MAX, BOOST_REFILL_TICKS, BOOST_SPEED_MAX, BOOST_THRUST, BOUNCE_KEPT,
    BRAKE_SHARE, COAST_KEPT, EXCESS_SHED, HEADING_STEPS, IMPACT_DAMAGE, IMPACT_SAFE, POSITION_STEP,
    SHIP_RADIUS, SPEED_MAX, THRUST, TICK_SECONDS, TURN_RATE, VELOCITY_STEP,
};
use crate::rules::vector::{Vec2, turn_between, wrapped};

/// What a bounce costs a hull that hit something at so many units per second.
pub fn impact_damage(speed: f32) -> u8 {
    ((speed - IMPACT_SAFE).max(0.0) * IMPACT_DAMAGE) as u8
}

/// Bounces resolved in one tick: a ship wedged between two rocks and a wall meets three things.
const CONTACTS_PER_TICK: usize = 3;

/// All that decides where a ship is next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShipMotion {
    /// Its centre.
    pub position: Vec2,
    /// Units per second.
    pub velocity: Vec2,
    /// Where its nose points, radians in 0 .. 2π.
    pub heading: f32,
    /// Ticks of boost left in the tank.
    pub boost: u8,
    /// Ticks until the tank gains one.
    pub boost_refill_ticks: u8,
}

impl ShipMotion {
    /// A ship at rest with a full tank.
    pub fn at(position: Vec2, heading: f32) -> Self {
        Self {
            position,
            velocity: Vec2::ZERO,
            heading,
            boost: BOOST_MAX,
            boost_refill_ticks: 0,
        }
        .rounded()
    }

    /// True when this input boosts: it asks, thrusts forward, and the tank has some left.
    pub fn boosts(&self, steer: &Steer) -> bool {
        steer.boost && steer.thrust > 0.0 && self.boost > 0
    }

    /// Flies one tick. Returns the damage of the hardest bounce, 0 when nothing was hit hard.
    pub fn step(&mut self, steer: &Steer, arena: &Arena) -> u8 {
        self.turn(steer);
        self.thrust(steer);
        self.position += self.velocity * TICK_SECONDS;
        let damage = self.bounce(arena);
        *self = self.rounded();
        damage
    }

    fn turn(&mut self, steer: &Steer) {
        let most = TURN_RATE * TICK_SECONDS;
        let turn = match steer.aim {
            Some(aim) => turn_between(self.heading, aim).clamp(-most, most),
            None => steer.turn.clamp(-1.0, 1.0) * most,
        };
        self.heading = wrapped(self.heading + turn);
    }

    fn thrust(&mut self, steer: &Steer) {
        let boosts = self.boosts(steer);
        if boosts {
            self.boost -= 1;
            self.boost_refill_ticks = BOOST_REFILL_TICKS;
        } else if self.boost < BOOST_MAX {
            self.boost_refill_ticks = self.boost_refill_ticks.saturating_sub(1);
            if self.boost_refill_ticks == 0 {
                self.boost += 1;
                self.boost_refill_ticks = BOOST_REFILL_TICKS;
            }
        }
        let thrust = steer.thrust.clamp(-1.0, 1.0);
        let push = match (boosts, thrust < 0.0) {
            (true, _) => thrust * BOOST_THRUST,
            (false, true) => thrust * BRAKE_SHARE,
            (false, false) => thrust,
        };
        let nose = Vec2::from_angle(self.heading);
        let gliding = self.velocity * COAST_KEPT;
        let top = if boosts { BOOST_SPEED_MAX } else { SPEED_MAX };
        // Excess is shed, not cut: the end of a boost should feel like gliding out of it.
        let excess = (gliding.length() - top).max(0.0);
        self.velocity = (gliding + nose * (push * THRUST * TICK_SECONDS))
            .clamped((top + excess * (1.0 - EXCESS_SHED)).min(BOOST_SPEED_MAX));
    }

    fn bounce(&mut self, arena: &Arena) -> u8 {
        let mut hardest: f32 = 0.0;
        for _ in 0..CONTACTS_PER_TICK {
            let Some(contact) = arena.contact(self.position, SHIP_RADIUS) else {
                break;
            };
            self.position += contact.normal * contact.depth;
            let into = -self.velocity.dot(contact.normal);
            if into > 0.0 {
                self.velocity += contact.normal * (into * (1.0 + BOUNCE_KEPT));
                hardest = hardest.max(into);
            }
        }
        impact_damage(hardest)
    }

    /// What the engine shows under an input.
    pub fn engine(&self, steer: &Steer) -> Engine {
        if self.boosts(steer) {
            Engine::Boost
        } else if steer.thrust > 0.0 {
            Engine::Thrust
        } else if steer.thrust < 0.0 {
            Engine::Brake
        } else {
            Engine::Idle
        }
    }

    /// The same motion at the precision of the wire.
    pub fn rounded(self) -> Self {
        let round = |value: f32, step: f32| (value / step).round() * step;
        let place = |value: f32| round(value, POSITION_STEP).clamp(0.0, ARENA_SIZE);
        let heading_step = TAU / HEADING_STEPS;
        Self {
            position: Vec2::new(place(self.position.x), place(self.position.y)),
            velocity: Vec2::new(
                round(self.velocity.x, VELOCITY_STEP),
                round(self.velocity.y, VELOCITY_STEP),
            ),
            heading: ((self.heading / heading_step).round() % HEADING_STEPS) * heading_step,
            ..self
        }
    }
}

/// Parts two ships that overlap and exchanges the speeds along their line, as billiard balls do. Returns
/// how fast they met, units per second; nothing when they do not touch.
pub fn collide(a: &mut ShipMotion, b: &mut ShipMotion) -> Option<f32> {
    let line = b.position - a.position;
    let depth = SHIP_RADIUS * 2.0 - line.length();
    if depth <= 0.0 {
        return None;
    }
    let mut normal = line.normalised();
    if normal == Vec2::ZERO {
        normal = Vec2::new(1.0, 0.0);
    }
    a.position -= normal * (depth * 0.5);
    b.position += normal * (depth * 0.5);
    let closing = (a.velocity - b.velocity).dot(normal).max(0.0);
    let exchange = normal * (closing * (1.0 + BOUNCE_KEPT) * 0.5);
    a.velocity -= exchange;
    b.velocity += exchange;
    *a = a.rounded();
    *b = b.rounded();
    Some(closing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::random::Random;

    fn forward() -> Steer {
        Steer {
            thrust: 1.0,
            ..Steer::default()
        }
    }

    fn open_space(arena: &Arena) -> ShipMotion {
        ShipMotion::at(arena.free_place(&mut Random::new(1), 200.0), 0.0)
    }

    #[test]
    fn a_ship_speeds_up_to_its_top_speed_and_glides_to_rest() {
        let arena = Arena::default();
        let mut ship = open_space(&arena);
        let start = ship.position;
        for _ in 0..60 {
            ship.step(&forward(), &arena);
            ship.position = start;
        }
        let speed = ship.velocity.length();
        assert!(
            speed > SPEED_MAX * 0.9 && speed <= SPEED_MAX * 1.1,
            "{speed}"
        );
        for _ in 0..200 {
            ship.step(&Steer::default(), &arena);
            ship.position = start;
        }
        assert!(ship.velocity.length() < 5.0);
    }

    #[test]
    fn aim_turns_the_shorter_way_and_stops_there() {
        let arena = Arena::default();
        let mut ship = open_space(&arena);
        let steer = Steer {
            aim: Some(TAU - 0.5),
            ..Steer::default()
        };
        ship.step(&steer, &arena);
        assert!(ship.heading > TAU - 0.5 && ship.heading < TAU);
        for _ in 0..10 {
            ship.step(&steer, &arena);
        }
        assert!(turn_between(ship.heading, TAU - 0.5).abs() < 0.01);
    }

    #[test]
    fn boost_runs_dry_and_comes_back() {
        let arena = Arena::default();
        let mut ship = open_space(&arena);
        let start = ship.position;
        let steer = Steer {
            boost: true,
            ..forward()
        };
        for _ in 0..BOOST_MAX {
            assert!(ship.boosts(&steer));
            ship.step(&steer, &arena);
            ship.position = start;
        }
        assert!(!ship.boosts(&steer));
        for _ in 0..usize::from(BOOST_REFILL_TICKS) * 10 {
            ship.step(&Steer::default(), &arena);
        }
        assert_eq!(ship.boost, 10);
    }

    #[test]
    fn no_flight_ends_inside_a_rock_or_outside_the_wall() {
        let arena = Arena::default();
        let mut random = Random::new(42);
        for _ in 0..40 {
            let mut ship = ShipMotion::at(arena.free_place(&mut random, 40.0), 0.0);
            for tick in 0..400 {
                let steer = Steer {
                    turn: if tick % 60 < 10 {
                        random.between(-1.0, 1.0)
                    } else {
                        0.0
                    },
                    boost: tick % 100 < 30,
                    ..forward()
                };
                ship.step(&steer, &arena);
                // One step of rounding is all that may be left of an overlap.
                let inside = arena.contact(ship.position, SHIP_RADIUS);
                assert!(inside.is_none_or(|contact| contact.depth < 2.0 * POSITION_STEP));
                assert!(ship.velocity.length() <= BOOST_SPEED_MAX + 1.0);
            }
        }
    }

    #[test]
    fn a_step_from_what_the_wire_carries_is_the_same_step() {
        let arena = Arena::default();
        let mut ship = open_space(&arena);
        for tick in 0_u8..100 {
            let steer = Steer {
                turn: f32::from(tick % 5) * 0.2,
                ..forward()
            };
            ship.step(&steer, &arena);
            assert_eq!(ship, ship.rounded());
        }
    }

    #[test]
    fn hard_impacts_hurt_and_soft_ones_do_not() {
        let arena = Arena::new(9);
        let mut ship = ShipMotion::at(Vec2::new(60.0, 60.0), 0.0);
        ship.velocity = Vec2::new(-100.0, 0.0);
        ship.position.x = SHIP_RADIUS;
        assert_eq!(ship.step(&Steer::default(), &arena), 0);
        ship.velocity = Vec2::new(-BOOST_SPEED_MAX, 0.0);
        ship.position.x = SHIP_RADIUS;
        assert!(ship.step(&Steer::default(), &arena) > 10);
        assert!(ship.velocity.x > 0.0);
    }

    #[test]
    fn ships_that_meet_part_again() {
        let mut a = ShipMotion::at(Vec2::new(500.0, 500.0), 0.0);
        let mut b = ShipMotion::at(Vec2::new(530.0, 500.0), 0.0);
        a.velocity = Vec2::new(100.0, 0.0);
        assert_eq!(collide(&mut a, &mut b), Some(100.0));
        assert!(b.velocity.x > a.velocity.x);
        assert!(a.position.distance(b.position) >= SHIP_RADIUS * 2.0 - POSITION_STEP);
        assert_eq!(collide(&mut a, &mut b), None);
    }
}
