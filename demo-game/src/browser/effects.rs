//! What happens for a moment: flames, bursts, numbers that rise, and the sounds that go with them.
//!
//! Others are drawn a moment in the past, so what events say about them waits until the picture is there:
//! an explosion must not come before the shot that caused it.

use std::collections::VecDeque;

use tickwire_client::View;

use super::audio::Audio;
use super::board::Board;
use super::brush::{Align, Brush};
use super::camera::Camera;
use super::fleet::{DrawnShip, Fleet};
use super::particles::{Particles, Tone};
use crate::components::{Condition, Engine, Pickup, Position, Shot, ShotKind};
use crate::rules::random::Random;
use crate::rules::vector::Vec2;

/// Seconds a rising number is seen.
const FLOATER_SECONDS: f32 = 0.9;
/// Rising numbers at once.
const FLOATERS_MAX: usize = 24;
/// Explosions that wait for their moment.
const WAITING_MAX: usize = 64;
/// Flames per second of a running engine.
const FLAMES_PER_SECOND: f32 = 70.0;

struct Floater {
    text: String,
    place: Vec2,
    colour: &'static str,
    since: f32,
}

/// All effects.
pub(super) struct Effects {
    pub(super) particles: Particles,
    floaters: VecDeque<Floater>,
    waiting: VecDeque<(f32, Vec2, u8)>,
    flames: f32,
    random: Random,
}

impl Effects {
    pub(super) fn new() -> Self {
        Self {
            particles: Particles::new(),
            floaters: VecDeque::new(),
            waiting: VecDeque::new(),
            flames: 0.0,
            random: Random::new(0xeffec7),
        }
    }

    /// A number or word that rises from a place.
    pub(super) fn float(&mut self, text: String, place: Vec2, colour: &'static str, now: f32) {
        if self.floaters.len() == FLOATERS_MAX {
            self.floaters.pop_front();
        }
        let aside = Vec2::new(self.random.between(-10.0, 10.0), -18.0);
        self.floaters.push_back(Floater {
            text,
            place: place + aside,
            colour,
            since: now,
        });
    }

    /// A ship ends at a place, at a time that may lie a little ahead.
    pub(super) fn explode_at(&mut self, due: f32, place: Vec2, hue: u8) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back((due, place, hue));
        }
    }

    /// Lets time pass, and lets what is due happen.
    pub(super) fn step(&mut self, now: f32, dt: f32, camera: &mut Camera, audio: &mut Audio) {
        self.particles.step(dt);
        self.floaters
            .retain(|floater| now - floater.since < FLOATER_SECONDS);
        let (due, waiting): (VecDeque<_>, _) =
            self.waiting.drain(..).partition(|(at, ..)| *at <= now);
        self.waiting = waiting;
        for (_, place, hue) in due {
            self.particles.explosion(place, hue);
            let pitch = self.random.between(0.85, 1.15);
            audio.play_at("explosion", 1.0, place, camera.centre, pitch);
            let nearness = 1.0 - place.distance(camera.centre) / 800.0;
            camera.shake(0.65 * nearness.max(0.0));
        }
    }

    /// Flames behind running engines, smoke behind damaged ships and seekers.
    pub(super) fn trails(&mut self, fleet: &Fleet, board: &Board, view: &View<'_>, dt: f32) {
        self.flames = (self.flames + dt * FLAMES_PER_SECOND).min(4.0);
        while self.flames >= 1.0 {
            self.flames -= 1.0;
            for ship in &fleet.ships {
                self.trail(ship, board);
            }
            if self.random.chance(0.4) {
                let seekers = view
                    .iter::<Shot>()
                    .filter(|(_, shot)| shot.kind == ShotKind::Seeker);
                for (id, _) in seekers {
                    if let Some(position) = view.get::<Position>(id) {
                        self.particles.smoke(position.point(), Vec2::ZERO);
                    }
                }
            }
        }
    }

    fn trail(&mut self, ship: &DrawnShip, board: &Board) {
        let power = match ship.engine {
            Engine::Boost => 1.7,
            Engine::Thrust => 1.0,
            Engine::Idle | Engine::Brake => 0.0,
        };
        let hue = board.hue(ship.pilot);
        if power > 0.0 {
            self.particles
                .exhaust(ship.place, ship.velocity, ship.heading, power, hue);
        }
        if ship.hull.hull < 35 && ship.condition != Condition::Destroyed && self.random.chance(0.25)
        {
            self.particles.smoke(ship.place, ship.velocity);
        }
    }

    /// What came and went since the last frame: shots fired and spent, pickups taken.
    pub(super) fn comings(
        &mut self,
        view: &View<'_>,
        own_pilot: Option<u16>,
        camera: &Camera,
        audio: &mut Audio,
    ) {
        for id in view.entered() {
            let (Some(shot), Some(place)) = (view.get::<Shot>(*id), view.get::<Position>(*id))
            else {
                continue;
            };
            let pitch = self.random.between(0.92, 1.08);
            let (ear, place) = (camera.centre, place.point());
            match shot.kind {
                ShotKind::Seeker => audio.play_at("seeker", 0.7, place, ear, pitch),
                ShotKind::Bolt if own_pilot != Some(shot.pilot) => {
                    audio.play_at("shot", 0.55, place, ear, pitch * 0.86);
                    self.particles.flash(place, 26.0, 0.09, Tone::White);
                }
                ShotKind::Bolt => {}
            }
        }
        let Some(before) = view.before() else { return };
        for id in view.left() {
            let Some(place) = before.get::<Position>(*id).map(Position::point) else {
                continue;
            };
            if !camera.sees(place, 30.0) {
                continue;
            }
            match before.get::<Shot>(*id) {
                Some(shot) if shot.kind == ShotKind::Seeker => {
                    self.particles.flash(place, 90.0, 0.3, Tone::Fire);
                    self.particles.sparks(place, None, 16, Tone::Fire);
                    audio.play_at("explosion", 0.4, place, camera.centre, 1.7);
                }
                Some(shot) if own_pilot != Some(shot.pilot) => {
                    self.particles.sparks(place, None, 4, Tone::Gold);
                    self.particles.flash(place, 18.0, 0.12, Tone::Gold);
                }
                _ => {}
            }
            if before.has::<Pickup>(*id) {
                self.particles.ring(place, 14.0, 130.0, 0.35, Tone::Gold);
                self.particles.sparks(place, None, 8, Tone::Gold);
            }
        }
    }

    pub(super) fn draw_floaters(&self, brush: &Brush<'_>, camera: &Camera, now: f32) {
        for floater in &self.floaters {
            let age = (now - floater.since) / FLOATER_SECONDS;
            brush.alpha(1.0 - age * age);
            let place = camera.to_screen(floater.place) - Vec2::new(0.0, 34.0 * age);
            brush.text_over(&floater.text, place, 15.0, Align::Centre, floater.colour);
        }
        brush.alpha(1.0);
    }
}
