//! The arena as it is drawn: wall, rocks, pickups, shots, ships, from far to near.

use tickwire_client::View;

use super::board::Board;
use super::brush::{Align, Brush, hue_colour};
use super::camera::Camera;
use super::fleet::DrawnShip;
use super::ghosts::Ghosts;
use super::particles::Tone;
use super::sprites::Sprites;
use crate::components::{Condition, Engine, Heading, Pickup, PickupKind, Position, Shot, ShotKind};
use crate::rules::arena::Arena;
use crate::rules::tuning::{ARENA_SIZE, HULL_MAX, SHIELD_MAX, SHIP_RADIUS};
use crate::rules::vector::Vec2;

/// Width of a ship's picture: it reaches a little over the circle that the rules collide with.
const SHIP_WIDTH: f32 = SHIP_RADIUS * 2.5;
/// How much of a rock's picture is rock; the rest is air around it.
const ROCK_FILL: f32 = 0.94;

/// What everything in the scene is drawn with.
#[derive(Clone, Copy)]
pub(super) struct Stage<'a> {
    pub(super) brush: Brush<'a>,
    pub(super) camera: &'a Camera,
    pub(super) sprites: &'a Sprites,
    pub(super) board: &'a Board,
    pub(super) now_seconds: f32,
}

impl Stage<'_> {
    /// The edge of the arena: a wall of light, and darkness beyond it.
    pub(super) fn wall(&self) {
        let (camera, brush) = (self.camera, &self.brush);
        let low = camera.to_screen(Vec2::ZERO);
        let high = camera.to_screen(Vec2::new(ARENA_SIZE, ARENA_SIZE));
        let screen = camera.screen;
        brush.alpha(0.55);
        let dark = "#12040c";
        if low.x > 0.0 {
            brush.rectangle(Vec2::ZERO, Vec2::new(low.x, screen.y), dark);
        }
        if low.y > 0.0 {
            brush.rectangle(Vec2::ZERO, Vec2::new(screen.x, low.y), dark);
        }
        if high.x < screen.x {
            brush.rectangle(
                Vec2::new(high.x, 0.0),
                Vec2::new(screen.x - high.x, screen.y),
                dark,
            );
        }
        if high.y < screen.y {
            brush.rectangle(
                Vec2::new(0.0, high.y),
                Vec2::new(screen.x, screen.y - high.y),
                dark,
            );
        }
        let corners = [
            low,
            Vec2::new(high.x, low.y),
            high,
            Vec2::new(low.x, high.y),
        ];
        let pulse = 0.75 + 0.25 * (self.now_seconds * 2.0).sin();
        for (width, alpha) in [(16.0, 0.10), (7.0, 0.22), (2.0, 0.9)] {
            brush.alpha(alpha * pulse);
            for side in 0..4 {
                brush.line(
                    corners[side],
                    corners[(side + 1) % 4],
                    width * camera.zoom,
                    "#ff4f7d",
                );
            }
        }
        brush.alpha(1.0);
    }

    pub(super) fn rocks(&self, arena: &Arena) {
        for rock in arena
            .rocks()
            .iter()
            .filter(|rock| self.camera.sees(rock.centre, rock.radius))
        {
            let place = self.camera.to_screen(rock.centre);
            let radius = rock.radius * self.camera.zoom;
            match self.sprites.picture(&format!("rock_{}", rock.look)) {
                Some(picture) => self.brush.at(place, rock.turn, 1.0, |brush| {
                    brush.picture(&picture, Vec2::ZERO, radius * 2.0 / ROCK_FILL);
                }),
                None => {
                    self.brush.disc(place, radius, "#3a3f52");
                    self.brush.ring(place, radius, 2.0, "#5b627a");
                }
            }
        }
    }

    pub(super) fn pickups(&self, view: &View<'_>) {
        for (id, pickup) in view.iter::<Pickup>() {
            let Some(position) = view.get::<Position>(id) else {
                continue;
            };
            if !self.camera.sees(position.point(), 40.0) {
                continue;
            }
            let wave = (self.now_seconds * 2.4 + position.x * 0.05).sin();
            let place = self
                .camera
                .to_screen(position.point() + Vec2::new(0.0, wave * 4.0));
            let width = (46.0 + 2.5 * wave) * self.camera.zoom;
            self.brush.glowing(|brush| {
                brush.alpha(0.30 + 0.10 * wave);
                brush.picture(
                    self.sprites.glow(pickup_tone(pickup.kind)),
                    place,
                    width * 2.4,
                );
            });
            self.brush.alpha(1.0);
            match self
                .sprites
                .picture(&format!("pickup_{}", pickup_name(pickup.kind)))
            {
                Some(picture) => self.brush.picture(&picture, place, width),
                None => self
                    .brush
                    .disc(place, width * 0.4, pickup_colour(pickup.kind)),
            }
        }
    }

    /// Shots of others, and all seekers; own bolts are foreseen.
    pub(super) fn shots(&self, view: &View<'_>, ghosts: &Ghosts, own_pilot: Option<u16>) {
        for (id, shot) in view.iter::<Shot>() {
            let parts = (view.get::<Position>(id), view.get::<Heading>(id));
            let (Some(position), Some(heading)) = parts else {
                continue;
            };
            let is_foreseen = shot.kind == ShotKind::Bolt && own_pilot == Some(shot.pilot);
            if !is_foreseen && self.camera.sees(position.point(), 40.0) {
                let hue = self.board.hue(shot.pilot);
                match shot.kind {
                    ShotKind::Bolt => self.bolt(position.point(), heading.radians, hue),
                    ShotKind::Seeker => self.seeker(position.point(), heading.radians),
                }
            }
        }
        let own_hue = own_pilot.map_or(0, |pilot| self.board.hue(pilot));
        for ghost in &ghosts.list {
            self.bolt(ghost.flight.position, ghost.flight.heading(), own_hue);
        }
    }

    fn bolt(&self, point: Vec2, heading: f32, hue: u8) {
        let nose = Vec2::from_angle(heading);
        let head = self.camera.to_screen(point + nose * 11.0);
        let tail = self.camera.to_screen(point - nose * 17.0);
        let zoom = self.camera.zoom;
        self.brush.context.set_line_cap("round");
        self.brush.glowing(|brush| {
            let place = self.camera.to_screen(point);
            brush.alpha(0.75);
            brush.picture(self.sprites.glow(Tone::Hue(hue)), place, 52.0 * zoom);
            brush.alpha(0.95);
            brush.line(tail, head, 4.6 * zoom, self.sprites.colour(Tone::Hue(hue)));
            brush.line(tail.lerp(head, 0.35), head, 2.2 * zoom, "#ffffff");
        });
        self.brush.context.set_line_cap("butt");
        self.brush.alpha(1.0);
    }

    fn seeker(&self, point: Vec2, heading: f32) {
        let place = self.camera.to_screen(point);
        let zoom = self.camera.zoom;
        self.brush.glowing(|brush| {
            brush.alpha(0.7);
            let flame = self
                .camera
                .to_screen(point - Vec2::from_angle(heading) * 13.0);
            brush.picture(self.sprites.glow(Tone::Fire), flame, 44.0 * zoom);
        });
        self.brush.alpha(1.0);
        self.brush.at(place, heading, 1.0, |brush| {
            match self.sprites.picture("seeker") {
                Some(picture) => brush.picture(&picture, Vec2::ZERO, 30.0 * zoom),
                None => brush.disc(Vec2::ZERO, 6.0 * zoom, "#ffffff"),
            }
        });
    }

    pub(super) fn ship(&self, ship: &DrawnShip) {
        if !self.camera.sees(ship.place, 60.0) {
            return;
        }
        let place = self.camera.to_screen(ship.place);
        let hue = self.board.hue(ship.pilot);
        let width = SHIP_WIDTH * self.camera.zoom;
        self.aura(ship, place, hue);
        self.flame(ship, place, hue);
        // A ship that cannot be hurt yet blinks.
        let guarded = ship.condition == Condition::Guarded;
        self.brush.alpha(if guarded {
            0.55 + 0.35 * (self.now_seconds * 14.0).sin()
        } else {
            1.0
        });
        let hull = self.sprites.hull(hue);
        self.brush
            .at(place, ship.heading, 1.0, |brush| match &hull {
                Some(hull) => brush.picture(hull, Vec2::ZERO, width),
                None => {
                    let tip = width * 0.5;
                    let corners = [
                        Vec2::new(tip, 0.0),
                        Vec2::new(-tip * 0.7, tip * 0.8),
                        Vec2::new(-tip * 0.4, 0.0),
                        Vec2::new(-tip * 0.7, -tip * 0.8),
                    ];
                    brush.polygon(&corners, &hue_colour(hue, 60));
                }
            });
        if ship.flash > 0.0 {
            self.brush.glowing(|brush| {
                brush.alpha(ship.flash);
                if let Some(hull) = &hull {
                    brush.at(place, ship.heading, 1.0, |brush| {
                        brush.picture(hull, Vec2::ZERO, width);
                        brush.picture(hull, Vec2::ZERO, width);
                    });
                }
                brush.alpha(ship.flash * 0.8);
                brush.picture(self.sprites.glow(Tone::White), place, width * 1.6);
            });
        }
        self.brush.alpha(1.0);
        self.label(ship, place, hue);
    }

    fn aura(&self, ship: &DrawnShip, place: Vec2, hue: u8) {
        let zoom = self.camera.zoom;
        self.brush.glowing(|brush| {
            brush.alpha(if ship.is_own { 0.34 } else { 0.24 });
            brush.picture(self.sprites.glow(Tone::Hue(hue)), place, 150.0 * zoom);
            let shield = f32::from(ship.hull.shield) / f32::from(SHIELD_MAX);
            let guarded = ship.condition == Condition::Guarded;
            if shield > 0.0 || guarded {
                let strength = if guarded { 1.0 } else { shield };
                let radius = (SHIP_RADIUS + 11.0) * zoom;
                brush.alpha(0.16 + 0.5 * strength * (0.8 + 0.2 * (self.now_seconds * 5.0).sin()));
                let colour = if guarded { "#ffffff" } else { "#6fc3ff" };
                brush.ring(place, radius, (1.2 + 2.4 * strength) * zoom, colour);
                brush.alpha(0.10 + 0.16 * strength);
                brush.picture(self.sprites.glow(Tone::Ice), place, radius * 2.7);
            }
        });
        self.brush.alpha(1.0);
    }

    /// The flame of a running engine; it flickers, and is longer with boost.
    fn flame(&self, ship: &DrawnShip, place: Vec2, hue: u8) {
        let (length, tone) = match ship.engine {
            Engine::Boost => (46.0, Tone::Fire),
            Engine::Thrust => (27.0, Tone::Hue(hue)),
            Engine::Idle | Engine::Brake => return,
        };
        let flicker = 0.82 + 0.18 * (self.now_seconds * 47.0 + f32::from(ship.pilot)).sin();
        let zoom = self.camera.zoom;
        self.brush.at(place, ship.heading, zoom, |brush| {
            brush.glowing(|brush| {
                let (tail, reach) = (-SHIP_RADIUS * 0.86, length * flicker);
                let glow = self.sprites.glow(tone);
                for (share, width) in [(0.12, 26.0), (0.42, 20.0), (0.74, 13.0), (1.0, 8.0)] {
                    brush.alpha(0.95 - 0.45 * share);
                    brush.picture(glow, Vec2::new(tail - reach * share, 0.0), width * 1.5);
                }
                brush.alpha(0.9);
                brush.picture(self.sprites.glow(Tone::White), Vec2::new(tail, 0.0), 17.0);
            });
        });
        self.brush.alpha(1.0);
    }

    fn label(&self, ship: &DrawnShip, place: Vec2, hue: u8) {
        let above = place - Vec2::new(0.0, (SHIP_RADIUS + 20.0) * self.camera.zoom);
        if !ship.is_own {
            let colour = hue_colour(hue, 80);
            let name = self.board.name(ship.pilot);
            self.brush.alpha(0.92);
            self.brush.text_over(
                name,
                above - Vec2::new(0.0, 8.0),
                12.0,
                Align::Centre,
                &colour,
            );
        }
        if self.board.leader() == Some(ship.pilot) {
            self.crown(above - Vec2::new(0.0, 24.0));
        }
        let hull = f32::from(ship.hull.hull) / f32::from(HULL_MAX);
        let shows = if hull < 0.999 && !ship.is_own {
            0.9_f32.max(ship.bar)
        } else {
            ship.bar
        };
        if shows > 0.0 {
            let corner = above - Vec2::new(21.0, -3.0);
            self.brush.alpha(shows);
            self.brush.rectangle(
                corner - Vec2::new(1.0, 1.0),
                Vec2::new(44.0, 6.0),
                "rgba(4,6,14,0.8)",
            );
            let size = Vec2::new(42.0 * hull, 4.0);
            self.brush.rectangle(corner, size, hull_colour(hull));
        }
        self.brush.alpha(1.0);
    }

    fn crown(&self, place: Vec2) {
        let points = [
            (-8.0, 5.0),
            (-9.0, -4.0),
            (-4.0, 0.0),
            (0.0, -7.0),
            (4.0, 0.0),
            (9.0, -4.0),
            (8.0, 5.0),
        ];
        self.brush
            .polygon(&points.map(|(x, y)| place + Vec2::new(x, y)), "#ffd34d");
    }
}

/// Green, amber, red.
pub(super) fn hull_colour(share: f32) -> &'static str {
    match share {
        share if share > 0.6 => "#57e389",
        share if share > 0.3 => "#ffc04d",
        _ => "#ff5566",
    }
}

/// The name of a pickup's picture.
pub(super) fn pickup_name(kind: PickupKind) -> &'static str {
    match kind {
        PickupKind::Repair => "repair",
        PickupKind::Shield => "shield",
        PickupKind::Rapid => "rapid",
        PickupKind::Spread => "spread",
        PickupKind::Seekers => "seekers",
    }
}

/// A pickup's colour.
pub(super) fn pickup_colour(kind: PickupKind) -> &'static str {
    match kind {
        PickupKind::Repair => "#5cf285",
        PickupKind::Shield => "#5cb8ff",
        PickupKind::Rapid => "#ffdb4d",
        PickupKind::Spread => "#ff8f3d",
        PickupKind::Seekers => "#ff6bb8",
    }
}

fn pickup_tone(kind: PickupKind) -> Tone {
    match kind {
        PickupKind::Repair | PickupKind::Shield => Tone::Ice,
        PickupKind::Rapid => Tone::Gold,
        PickupKind::Spread => Tone::Fire,
        PickupKind::Seekers => Tone::Ember,
    }
}
