//! Own bolts as the browser foresees them: they leave the ship the moment the key goes down.
//!
//! The server's own bolts of this player come a round trip later and behind; they are not drawn. A
//! foreseen bolt harms nobody: hits are shown when the server says so.

use super::particles::{Particles, Tone};
use crate::components::ShotKind;
use crate::rules::arena::Arena;
use crate::rules::ship::ShipMotion;
use crate::rules::tuning::{SHIP_RADIUS, TICK_SECONDS};
use crate::rules::vector::{Vec2, sweep_hits_circle};
use crate::rules::weapon::{Flight, Volley, launch};

/// A bolt on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ghost {
    pub(super) flight: Flight,
    seconds_left: f32,
}

/// All own bolts in the air.
#[derive(Default)]
pub(super) struct Ghosts {
    pub(super) list: Vec<Ghost>,
}

impl Ghosts {
    /// Sets free what a volley would.
    pub(super) fn launch(&mut self, volley: Volley, ship: &ShipMotion) {
        let bolts = launch(volley, ship).filter(|flight| flight.kind == ShotKind::Bolt);
        self.list.extend(bolts.map(|flight| Ghost {
            flight,
            seconds_left: f32::from(flight.ticks_left) * TICK_SECONDS,
        }));
    }

    /// Flies on; bolts burst on rocks, the wall and the ships of others.
    pub(super) fn step(
        &mut self,
        dt_seconds: f32,
        arena: &Arena,
        rivals: &[Vec2],
        particles: &mut Particles,
    ) {
        self.list.retain_mut(|ghost| {
            let from = ghost.flight.position;
            let to = from + ghost.flight.velocity * dt_seconds;
            ghost.flight.position = to;
            ghost.seconds_left -= dt_seconds;
            let radius = ghost.flight.kind.radius();
            let rival = rivals
                .iter()
                .filter_map(|rival| sweep_hits_circle(from, to, *rival, SHIP_RADIUS + radius))
                .min_by(f32::total_cmp);
            let burst = match (arena.sweep(from, to, radius), rival) {
                (Some(rock), Some(ship)) => Some(rock.min(ship)),
                (rock, ship) => rock.or(ship),
            };
            if let Some(share) = burst {
                let back = -ghost.flight.velocity;
                particles.sparks(from.lerp(to, share), Some(back), 5, Tone::Gold);
                particles.flash(from.lerp(to, share), 20.0, 0.12, Tone::Gold);
            }
            burst.is_none() && ghost.seconds_left > 0.0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::random::Random;

    #[test]
    fn a_foreseen_bolt_ends_where_a_rival_stands() {
        let arena = Arena::default();
        let place = arena.free_place(&mut Random::new(3), 150.0);
        let mut ghosts = Ghosts::default();
        ghosts.launch(
            Volley {
                bolts: true,
                ..Volley::default()
            },
            &ShipMotion::at(place, 0.0),
        );
        let rival = [place + Vec2::new(120.0, 0.0)];
        for _ in 0..30 {
            ghosts.step(1.0 / 60.0, &arena, &rival, &mut Particles::new());
        }
        assert!(ghosts.list.is_empty());
    }
}
