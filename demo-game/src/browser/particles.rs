//! Sparks, smoke, rings and light: what happens for a moment and changes nothing.
//!
//! All live in one bounded list. When it is full the oldest make room, so a battle of hundreds costs no
//! more per frame than one of ten.

use std::f32::consts::TAU;

use super::brush::Brush;
use super::camera::Camera;
use super::sprites::Sprites;
use crate::rules::random::Random;
use crate::rules::vector::Vec2;

/// Most particles at once.
const PARTICLES_MAX: usize = 700;

/// What a particle looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A soft point of light.
    Glow,
    /// A short bright streak along its way.
    Streak,
    /// A growing circle.
    Ring,
    /// Dark smoke.
    Smoke,
}

/// The light colours that particles come in; each has one glow picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    White,
    Fire,
    Ember,
    Ice,
    Gold,
    /// A ship's colour.
    Hue(u8),
}

#[derive(Clone, Copy, Debug)]
struct Particle {
    look: Look,
    tone: Tone,
    place: Vec2,
    velocity: Vec2,
    drag: f32,
    size: f32,
    growth: f32,
    age: f32,
    life: f32,
}

/// All particles.
pub(super) struct Particles {
    list: Vec<Particle>,
    next: usize,
    random: Random,
}

impl Particles {
    pub(super) fn new() -> Self {
        Self {
            list: Vec::with_capacity(PARTICLES_MAX),
            next: 0,
            random: Random::new(0x5eed),
        }
    }

    /// Lets time pass.
    pub(super) fn step(&mut self, dt_seconds: f32) {
        for particle in &mut self.list {
            particle.age += dt_seconds;
            particle.place += particle.velocity * dt_seconds;
            particle.velocity = particle.velocity * (1.0 - particle.drag * dt_seconds).max(0.0);
            particle.size += particle.growth * dt_seconds;
        }
        self.list.retain(|particle| particle.age < particle.life);
    }

    /// Draws those on the screen.
    pub(super) fn draw(&self, brush: &Brush<'_>, camera: &Camera, sprites: &Sprites) {
        for particle in self
            .list
            .iter()
            .filter(|particle| particle.look == Look::Smoke)
        {
            let fade = 1.0 - particle.age / particle.life;
            brush.alpha(fade * 0.35);
            let place = camera.to_screen(particle.place);
            brush.disc(place, particle.size * camera.zoom, "#171a26");
        }
        brush.glowing(|brush| {
            for particle in &self.list {
                if camera.sees(particle.place, particle.size + 40.0) {
                    draw_light(particle, brush, camera, sprites);
                }
            }
        });
        brush.alpha(1.0);
    }

    fn add(&mut self, particle: Particle) {
        if self.list.len() < PARTICLES_MAX {
            self.list.push(particle);
        } else {
            self.next = (self.next + 1) % PARTICLES_MAX;
            self.list[self.next] = particle;
        }
    }

    /// The flame behind an engine; `power` 1 is full thrust.
    pub(super) fn exhaust(
        &mut self,
        place: Vec2,
        velocity: Vec2,
        heading: f32,
        power: f32,
        hue: u8,
    ) {
        let back = -Vec2::from_angle(heading + self.random.between(-0.22, 0.22));
        let boosted = power > 1.2;
        let tone = if boosted { Tone::Fire } else { Tone::Hue(hue) };
        let speed = self.random.between(110.0, 190.0) * power;
        let life = self.random.between(0.22, 0.42) * power.min(1.5);
        self.add(Particle {
            look: Look::Glow,
            tone,
            place: place + back * 19.0,
            velocity: velocity * 0.4 + back * speed,
            drag: 2.5,
            size: 11.0 + 4.0 * power,
            growth: -18.0,
            age: 0.0,
            life,
        });
    }

    /// A puff of smoke behind a damaged ship or a seeker.
    pub(super) fn smoke(&mut self, place: Vec2, velocity: Vec2) {
        let drift = Vec2::new(
            self.random.between(-16.0, 16.0),
            self.random.between(-16.0, 16.0),
        );
        let life = self.random.between(0.5, 0.9);
        self.add(Particle {
            look: Look::Smoke,
            tone: Tone::White,
            place,
            velocity: velocity * 0.15 + drift,
            drag: 1.0,
            size: 4.0,
            growth: 15.0,
            age: 0.0,
            life,
        });
    }

    /// Sparks flying off a place, mostly towards `direction` when one is given.
    pub(super) fn sparks(
        &mut self,
        place: Vec2,
        direction: Option<Vec2>,
        count: usize,
        tone: Tone,
    ) {
        for _ in 0..count {
            let angle = match direction {
                Some(direction) => direction.angle() + self.random.between(-0.9, 0.9),
                None => self.random.between(0.0, TAU),
            };
            let speed = self.random.between(60.0, 340.0);
            let (size, life) = (
                self.random.between(1.2, 2.4),
                self.random.between(0.15, 0.45),
            );
            self.add(Particle {
                look: Look::Streak,
                tone,
                place,
                velocity: Vec2::from_angle(angle) * speed,
                drag: 3.2,
                size,
                growth: 0.0,
                age: 0.0,
                life,
            });
        }
    }

    /// A flash of light that stays where it is.
    pub(super) fn flash(&mut self, place: Vec2, size: f32, life: f32, tone: Tone) {
        self.add(Particle {
            look: Look::Glow,
            tone,
            place,
            velocity: Vec2::ZERO,
            drag: 0.0,
            size,
            growth: -size * 0.5 / life,
            age: 0.0,
            life,
        });
    }

    /// A growing ring.
    pub(super) fn ring(&mut self, place: Vec2, size: f32, growth: f32, life: f32, tone: Tone) {
        self.add(Particle {
            look: Look::Ring,
            tone,
            place,
            velocity: Vec2::ZERO,
            drag: 0.0,
            size,
            growth,
            age: 0.0,
            life,
        });
    }

    /// The end of a ship: flash, shock wave, fire, embers and smoke.
    pub(super) fn explosion(&mut self, place: Vec2, hue: u8) {
        self.flash(place, 150.0, 0.35, Tone::White);
        self.flash(place, 230.0, 0.6, Tone::Fire);
        self.ring(place, 12.0, 330.0, 0.55, Tone::Ice);
        self.ring(place, 4.0, 190.0, 0.8, Tone::Hue(hue));
        for _ in 0..26 {
            let way = Vec2::from_angle(self.random.between(0.0, TAU));
            let speed = self.random.between(20.0, 230.0);
            let tone = if self.random.chance(0.6) {
                Tone::Fire
            } else {
                Tone::Ember
            };
            let (size, life) = (
                self.random.between(14.0, 34.0),
                self.random.between(0.4, 1.0),
            );
            let start = place + way * self.random.between(0.0, 16.0);
            self.add(Particle {
                look: Look::Glow,
                tone,
                place: start,
                velocity: way * speed,
                drag: 2.4,
                size,
                growth: -size * 0.7 / life,
                age: 0.0,
                life,
            });
        }
        self.sparks(place, None, 30, Tone::Gold);
        self.sparks(place, None, 14, Tone::Hue(hue));
        for _ in 0..10 {
            let way =
                Vec2::from_angle(self.random.between(0.0, TAU)) * self.random.between(10.0, 90.0);
            self.smoke(place + way * 0.2, way * 4.0);
        }
    }
}

fn draw_light(particle: &Particle, brush: &Brush<'_>, camera: &Camera, sprites: &Sprites) {
    let fade = 1.0 - particle.age / particle.life;
    let place = camera.to_screen(particle.place);
    let size = particle.size.max(0.5) * camera.zoom;
    match particle.look {
        Look::Glow => {
            brush.alpha(fade);
            brush.picture(sprites.glow(particle.tone), place, size * 2.0);
        }
        Look::Streak => {
            brush.alpha(fade);
            let tail = place - particle.velocity * (0.045 * camera.zoom);
            brush.line(tail, place, size, sprites.colour(particle.tone));
        }
        Look::Ring => {
            brush.alpha(fade * fade * 0.9);
            brush.ring(
                place,
                size,
                (1.0 + 5.0 * fade) * camera.zoom,
                sprites.colour(particle.tone),
            );
        }
        Look::Smoke => {}
    }
}
