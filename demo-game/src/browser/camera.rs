//! The camera: follows the own ship, looks a little ahead of it, shakes, and knows what is on the screen.

use crate::rules::tuning::{ARENA_SIZE, VIEW};
use crate::rules::vector::Vec2;

/// Smallest zoom: below it a ship on a phone is too small to aim at.
const ZOOM_MIN: f32 = 0.6;
/// Seconds of flight that the camera looks ahead.
const LOOKAHEAD_SECONDS: f32 = 0.22;
/// How quickly the camera follows, per second.
const FOLLOW: f32 = 7.0;
/// How quickly shaking dies down, per second.
const CALM: f32 = 2.2;
/// Farthest that shaking moves the picture, CSS pixels.
const SHAKE_PIXELS: f32 = 17.0;

/// Where the player looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Camera {
    /// The point of the arena in the middle of the screen, before shaking.
    pub(super) centre: Vec2,
    /// CSS pixels per unit.
    pub(super) zoom: f32,
    /// Width and height of the canvas, CSS pixels.
    pub(super) screen: Vec2,
    lead: Vec2,
    shaking: f32,
    offset: Vec2,
}

impl Camera {
    pub(super) fn new() -> Self {
        let middle = Vec2::new(ARENA_SIZE * 0.5, ARENA_SIZE * 0.5);
        Self {
            centre: middle,
            zoom: 1.0,
            screen: Vec2::new(1.0, 1.0),
            lead: Vec2::ZERO,
            shaking: 0.0,
            offset: Vec2::ZERO,
        }
    }

    /// Fits the zoom to the canvas: as much as interest delivers in width and in area, and no more.
    pub(super) fn fit(&mut self, width: f32, height: f32) {
        self.screen = Vec2::new(width.max(1.0), height.max(1.0));
        let by_side = self.screen.x.max(self.screen.y) / VIEW.0;
        let by_area = (self.screen.x * self.screen.y / (VIEW.0 * VIEW.1)).sqrt();
        self.zoom = by_side.max(by_area).max(ZOOM_MIN);
    }

    /// What is seen: width and height in units.
    pub(super) fn seen(&self) -> Vec2 {
        self.screen * (1.0 / self.zoom)
    }

    /// Moves towards where the ship is about to be; jumps when that is far away.
    pub(super) fn follow(&mut self, ship: Vec2, velocity: Vec2, dt_seconds: f32) {
        let share = (FOLLOW * 0.5 * dt_seconds).min(1.0);
        self.lead = self.lead.lerp(velocity * LOOKAHEAD_SECONDS, share);
        self.centre = ship + self.lead;
    }

    /// Drifts to a place: the view of someone without a ship.
    pub(super) fn drift(&mut self, place: Vec2, dt_seconds: f32) {
        self.lead = Vec2::ZERO;
        self.centre = self
            .centre
            .lerp(place, (FOLLOW * 0.3 * dt_seconds).min(1.0));
    }

    /// Shakes harder; 1 is the most.
    pub(super) fn shake(&mut self, strength: f32) {
        self.shaking = (self.shaking + strength).min(1.0);
    }

    /// Lets time pass for the shaking.
    pub(super) fn settle(&mut self, now_seconds: f32, dt_seconds: f32) {
        self.shaking = (self.shaking - CALM * dt_seconds * (0.3 + self.shaking)).max(0.0);
        let reach = self.shaking * self.shaking * SHAKE_PIXELS;
        // Two sines that never meet in step look like noise and need no random numbers.
        let wave = |speed: f32, phase: f32| (now_seconds * speed + phase).sin();
        self.offset = Vec2::new(
            wave(61.0, 0.0) + wave(37.0, 1.0),
            wave(53.0, 2.0) + wave(41.0, 4.0),
        ) * (reach * 0.5);
    }

    /// A point of the arena on the screen, CSS pixels.
    pub(super) fn to_screen(self, point: Vec2) -> Vec2 {
        (point - self.centre) * self.zoom + self.screen * 0.5 + self.offset
    }

    /// True when a circle of the arena shows on the screen.
    pub(super) fn sees(self, centre: Vec2, radius: f32) -> bool {
        let place = self.to_screen(centre);
        let reach = radius * self.zoom;
        place.x > -reach
            && place.y > -reach
            && place.x < self.screen.x + reach
            && place.y < self.screen.y + reach
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_screen_sees_more_than_interest_delivers() {
        for (width, height) in [
            (1280.0, 800.0),
            (390.0, 844.0),
            (844.0, 390.0),
            (2560.0, 1440.0),
        ] {
            let mut camera = Camera::new();
            camera.fit(width, height);
            let seen = camera.seen();
            assert!(seen.x <= VIEW.0 + 0.1 && seen.y <= VIEW.0 + 0.1, "{seen:?}");
            assert!(seen.x * seen.y <= VIEW.0 * VIEW.1 * 1.001, "{seen:?}");
        }
    }

    #[test]
    fn the_middle_of_the_screen_shows_what_the_camera_looks_at() {
        let mut camera = Camera::new();
        camera.fit(1280.0, 800.0);
        camera.follow(Vec2::new(900.0, 700.0), Vec2::ZERO, 0.1);
        assert_eq!(
            camera.to_screen(Vec2::new(900.0, 700.0)),
            Vec2::new(640.0, 400.0)
        );
        assert!(camera.sees(Vec2::new(900.0, 1100.0), 30.0));
        assert!(!camera.sees(Vec2::new(900.0, 1300.0), 30.0));
    }
}
