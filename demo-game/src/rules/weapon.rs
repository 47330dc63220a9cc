//! Weapons: when a volley leaves, what it costs, and how its shots fly.
//!
//! The browser runs the same step as the server, so the muzzle flash and the bolt are on the screen the
//! moment the key goes down; the server alone decides what was hit.

use crate::components::{ShotKind, Steer, Weapons};
use crate::rules::ship::ShipMotion;
use crate::rules::tuning::{
    BOLT_DAMAGE, BOLT_RADIUS, BOLT_SPEED, BOLT_TICKS, COOLDOWN_TICKS, ENERGY_MAX, ENERGY_PER_TICK,
    ENERGY_PER_VOLLEY, MUZZLE, RAPID_COOLDOWN_TICKS, SEEKER_COOLDOWN_TICKS, SEEKER_DAMAGE,
    SEEKER_SPEED, SEEKER_TICKS, SEEKER_TURN_RATE, SPREAD_ANGLE, TICK_SECONDS,
};
use crate::rules::vector::{Vec2, turn_between, wrapped};

/// What left the ship in one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volley {
    /// The blaster fired.
    pub bolts: bool,
    /// It fired three abreast.
    pub spread: bool,
    /// A seeker left.
    pub seeker: bool,
}

impl Volley {
    /// True when anything left the ship.
    pub fn is_fired(self) -> bool {
        self.bolts || self.seeker
    }
}

/// A shot on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flight {
    /// What flies.
    pub kind: ShotKind,
    /// Its centre.
    pub position: Vec2,
    /// Units per second.
    pub velocity: Vec2,
    /// Ticks until it burns out.
    pub ticks_left: u16,
}

impl Weapons {
    /// Lives through one tick: cools, charges, and fires if asked and able.
    pub fn step(&mut self, steer: &Steer) -> Volley {
        self.cooldown_ticks = self.cooldown_ticks.saturating_sub(1);
        self.seeker_cooldown_ticks = self.seeker_cooldown_ticks.saturating_sub(1);
        self.rapid_ticks = self.rapid_ticks.saturating_sub(1);
        self.spread_ticks = self.spread_ticks.saturating_sub(1);
        self.energy = (self.energy + ENERGY_PER_TICK).min(ENERGY_MAX);
        let mut volley = Volley::default();
        if steer.fire && self.cooldown_ticks == 0 && self.energy >= ENERGY_PER_VOLLEY {
            let rapid = self.rapid_ticks > 0;
            self.cooldown_ticks = if rapid {
                RAPID_COOLDOWN_TICKS
            } else {
                COOLDOWN_TICKS
            };
            // Rapid fire at the full price would only empty the cell sooner.
            self.energy -= if rapid {
                ENERGY_PER_VOLLEY / 3
            } else {
                ENERGY_PER_VOLLEY
            };
            volley.bolts = true;
            volley.spread = self.spread_ticks > 0;
        }
        if steer.seek && self.seekers > 0 && self.seeker_cooldown_ticks == 0 {
            self.seekers -= 1;
            self.seeker_cooldown_ticks = SEEKER_COOLDOWN_TICKS;
            volley.seeker = true;
        }
        volley
    }
}

/// The shots that a volley sets free from a ship, in order.
pub fn launch(volley: Volley, ship: &ShipMotion) -> impl Iterator<Item = Flight> + use<> {
    let ship = *ship;
    let angles: &[f32] = match (volley.bolts, volley.spread) {
        (false, _) => &[],
        (true, false) => &[0.0],
        (true, true) => &[-SPREAD_ANGLE, 0.0, SPREAD_ANGLE],
    };
    let bolts = angles
        .iter()
        .map(move |angle| shot(ShotKind::Bolt, &ship, *angle));
    bolts.chain(volley.seeker.then(|| shot(ShotKind::Seeker, &ship, 0.0)))
}

fn shot(kind: ShotKind, ship: &ShipMotion, angle: f32) -> Flight {
    let nose = Vec2::from_angle(ship.heading);
    let course = Vec2::from_angle(ship.heading + angle);
    let (speed, ticks_left) = match kind {
        ShotKind::Bolt => (BOLT_SPEED, BOLT_TICKS),
        ShotKind::Seeker => (SEEKER_SPEED, SEEKER_TICKS),
    };
    // A shot takes on its ship's speed along the course, not across it: it flies where the nose points.
    let carried = ship.velocity.dot(course).max(0.0);
    Flight {
        kind,
        position: ship.position + nose * MUZZLE,
        velocity: course * (speed + carried * 0.5),
        ticks_left,
    }
}

impl Flight {
    /// Flies one tick; a seeker turns towards its target. Returns where it was.
    pub fn step(&mut self, target: Option<Vec2>) -> Vec2 {
        let from = self.position;
        if let (ShotKind::Seeker, Some(target)) = (self.kind, target) {
            let course = self.velocity.angle();
            let most = SEEKER_TURN_RATE * TICK_SECONDS;
            let turn = turn_between(course, (target - from).angle()).clamp(-most, most);
            self.velocity = Vec2::from_angle(course + turn) * self.velocity.length();
        }
        self.position += self.velocity * TICK_SECONDS;
        self.ticks_left = self.ticks_left.saturating_sub(1);
        from
    }

    /// Where it points, radians in 0 .. 2π.
    pub fn heading(&self) -> f32 {
        wrapped(self.velocity.angle())
    }
}

impl ShotKind {
    /// The harm it does to what it hits.
    pub fn damage(self) -> u8 {
        match self {
            Self::Bolt => BOLT_DAMAGE,
            Self::Seeker => SEEKER_DAMAGE,
        }
    }

    /// Its radius.
    pub fn radius(self) -> f32 {
        match self {
            Self::Bolt => BOLT_RADIUS,
            Self::Seeker => BOLT_RADIUS * 1.6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volleys(weapons: &mut Weapons, steer: &Steer, ticks: usize) -> usize {
        (0..ticks).filter(|_| weapons.step(steer).bolts).count()
    }

    #[test]
    fn holding_fire_empties_the_cell_and_then_fires_at_the_rate_it_charges() {
        let steer = Steer {
            fire: true,
            ..Steer::default()
        };
        let mut weapons = Weapons::default();
        assert_eq!(
            volleys(&mut weapons, &steer, 40),
            40 / usize::from(COOLDOWN_TICKS)
        );
        volleys(&mut weapons, &steer, 200);
        let slow = volleys(&mut weapons, &steer, 140);
        assert_eq!(slow, 140 / usize::from(ENERGY_PER_VOLLEY));
    }

    #[test]
    fn rapid_fire_is_faster_until_it_ends() {
        let steer = Steer {
            fire: true,
            ..Steer::default()
        };
        let mut weapons = Weapons {
            rapid_ticks: 41,
            ..Weapons::default()
        };
        assert_eq!(
            volleys(&mut weapons, &steer, 40),
            40 / usize::from(RAPID_COOLDOWN_TICKS)
        );
    }

    #[test]
    fn seekers_leave_one_by_one_and_run_out() {
        let steer = Steer {
            seek: true,
            ..Steer::default()
        };
        let mut weapons = Weapons {
            seekers: 2,
            ..Weapons::default()
        };
        let fired = (0..100).filter(|_| weapons.step(&steer).seeker).count();
        assert_eq!((fired, weapons.seekers), (2, 0));
    }

    #[test]
    fn a_spread_flies_three_ways_and_forward() {
        let ship = ShipMotion::at(Vec2::new(100.0, 100.0), 0.0);
        let volley = Volley {
            bolts: true,
            spread: true,
            seeker: true,
        };
        let shots: Vec<Flight> = launch(volley, &ship).collect();
        // The spread, and a seeker.
        assert_eq!(shots.len(), 4);
        assert!(shots.iter().all(|shot| shot.velocity.x > 0.0));
        assert!(shots[0].velocity.y < 0.0 && shots[2].velocity.y > 0.0);
    }

    #[test]
    fn a_seeker_reaches_a_target_beside_its_course() {
        let ship = ShipMotion::at(Vec2::new(100.0, 100.0), 0.0);
        let target = Vec2::new(400.0, 250.0);
        let volley = Volley {
            seeker: true,
            ..Volley::default()
        };
        let mut seeker = launch(volley, &ship).next().expect("one seeker");
        let mut nearest = f32::INFINITY;
        while seeker.ticks_left > 0 {
            seeker.step(Some(target));
            nearest = nearest.min(seeker.position.distance(target));
        }
        assert!(nearest < 30.0, "{nearest}");
    }
}
