//! One frame: what has changed since the last one, then the picture from far to near.

use tickwire_client::View;
use tickwire_client::browser::Frame;

use super::Arcade;
use crate::browser::brush::{Brush, hue_colour};
use crate::browser::feed::Feed;
use crate::browser::gauges::OwnState;
use crate::browser::hud::Hud;
use crate::browser::minimap;
use crate::browser::particles::Tone;
use crate::browser::predict::OwnShip;
use crate::browser::scene::Stage;
use crate::components::{Engine, Hull, Radar, Round, Standing, Weapons};
use crate::rules::vector::Vec2;
use crate::rules::weapon::Volley;

/// Seconds between two looks at the standings: names and places need no more.
const BOARD_SECONDS: f32 = 0.25;
/// A change of the own speed within one frame that only a bounce explains, units per second.
const BUMP: f32 = 120.0;
/// How quickly the red at the edges fades, per second.
const HURT_FADE: f32 = 1.8;

impl Arcade {
    /// What the own weapons did since the last frame, seen in the prediction.
    fn own_volley(&mut self, own: &OwnShip) {
        let Some(before) = self.moment.own_before.filter(|_| own.condition.is_flying()) else {
            return;
        };
        let (was, is): (Weapons, Weapons) = (before.weapons, own.weapons);
        if is.cooldown_ticks <= was.cooldown_ticks || was.seekers < is.seekers {
            return;
        }
        let volley = Volley {
            bolts: true,
            spread: is.spread_ticks > 0,
            seeker: false,
        };
        self.ghosts.launch(volley, &own.motion);
        let nose = Vec2::from_angle(own.motion.heading);
        self.effects
            .particles
            .flash(own.motion.position + nose * 26.0, 30.0, 0.09, Tone::White);
        self.audio.play("shot", 0.5);
        self.camera.shake(0.04);
    }

    /// A jerk of the own ship that no engine gives.
    fn own_bump(&mut self, own: &OwnShip) {
        let Some(before) = self.moment.own_before.filter(|_| own.condition.is_flying()) else {
            return;
        };
        let change = own.motion.velocity - before.motion.velocity;
        let strength = change.length();
        let fits = own.motion.position.distance(before.motion.position) < 100.0;
        if strength > BUMP && fits {
            let side = own.motion.position - change.normalised() * 20.0;
            self.effects
                .particles
                .sparks(side, Some(change), 10, Tone::Gold);
            self.camera.shake((strength / 900.0).min(0.6));
            self.audio.play("bump", (strength / 500.0).min(1.0));
        }
    }

    /// The own ship as it is now: others are drawn a moment in the past, but nobody wants to wait to see
    /// their own engine start or their own hull break.
    fn own_state<'a>(&self, frame: &Frame<'a, OwnShip>) -> Option<(&'a OwnShip, Hull, Engine)> {
        let (own, newest) = (frame.own?, frame.client.newest()?);
        let hull = newest.get::<Hull>(newest.own()?)?;
        Some((own, hull, own.motion.engine(&self.moment.steer)))
    }

    /// Everything that changes from frame to frame, before anything is drawn.
    pub(super) fn advance(&mut self, frame: &Frame<'_, OwnShip>, view: &View<'_>) {
        let (now, dt) = (self.moment.now, frame.dt_seconds);
        if now >= self.moment.board_due {
            self.moment.board_due = now + BOARD_SECONDS;
            self.board
                .update(view.iter::<Standing>().map(|(_, standing)| standing));
        }
        self.fleet.update(view, self.own_state(frame), now, dt);
        if let Some(own) = frame.own {
            self.moment.own_pilot = Some(own.pilot);
            if own.condition.is_flying() {
                if self
                    .moment
                    .own_before
                    .is_none_or(|before| !before.condition.is_flying())
                {
                    self.audio.play("spawn", 0.6);
                    self.camera.centre = own.motion.position;
                    self.moment.killed_by = None;
                }
                self.own_volley(own);
                self.own_bump(own);
                self.camera
                    .follow(own.motion.position, own.motion.velocity, dt);
            } else {
                self.camera.drift(own.motion.position, dt);
            }
            self.moment.own_before = Some(*own);
        }
        let own_pilot = self.moment.own_pilot;
        let rivals: Vec<Vec2> = self
            .fleet
            .ships
            .iter()
            .filter(|ship| !ship.is_own)
            .map(|ship| ship.place)
            .collect();
        self.ghosts
            .step(dt, &self.arena, &rivals, &mut self.effects.particles);
        self.effects.trails(&self.fleet, &self.board, view, dt);
        self.effects
            .comings(view, own_pilot, &self.camera, &mut self.audio);
        self.effects
            .step(now, dt, &mut self.camera, &mut self.audio);
        self.camera.settle(now, dt);
        self.feed.settle(now);
        self.moment.hurt = (self.moment.hurt - HURT_FADE * dt).max(0.0);
        self.moment.own_screen = self.fleet.own().map_or(self.camera.screen * 0.5, |ship| {
            self.camera.to_screen(ship.place)
        });
        let thrust = match self.fleet.own().map(|ship| ship.engine) {
            Some(Engine::Boost) => 2.0,
            Some(Engine::Thrust) => 1.0,
            _ => 0.0,
        };
        self.audio.frame(thrust);
    }

    pub(super) fn draw_arena(&self, brush: Brush<'_>, view: &View<'_>) {
        let stage = Stage {
            brush,
            camera: &self.camera,
            sprites: &self.sprites,
            board: &self.board,
            now_seconds: self.moment.now,
        };
        stage.wall();
        stage.rocks(&self.arena);
        stage.pickups(view);
        stage.shots(view, &self.ghosts, self.moment.own_pilot);
        for ship in self.fleet.ships.iter().filter(|ship| !ship.is_own) {
            stage.ship(ship);
        }
        if let Some(own) = self.fleet.own() {
            stage.ship(own);
        }
        self.effects
            .particles
            .draw(&brush, &self.camera, &self.sprites);
        self.effects
            .draw_floaters(&brush, &self.camera, self.moment.now);
    }

    pub(super) fn draw_hud(&self, brush: Brush<'_>, frame: &Frame<'_, OwnShip>, view: &View<'_>) {
        let hud = Hud {
            brush,
            screen: self.camera.screen,
            has_thumbs: self.controls.is_touch(),
            sprites: &self.sprites,
            now_seconds: self.moment.now,
        };
        let own_pilot = self.moment.own_pilot;
        hud.hurt(self.moment.hurt * 0.8);
        let (corner, side) = hud.minimap();
        let dots = view
            .iter::<Standing>()
            .filter_map(|(id, standing)| Some((standing, view.get::<Radar>(id)?)));
        let own = frame.own.filter(|own| own.condition.is_flying());
        let own_dot = own.map(|own| (own.pilot, own.motion.position, own.motion.heading));
        minimap::draw(
            &brush,
            corner,
            side,
            (&self.arena, &self.camera, &self.board),
            dots,
            own_dot,
        );
        hud.leaderboard(&self.board, own_pilot);
        hud.feed(&self.feed);
        hud.round(
            view.iter::<Round>().next().map(|(_, round)| round),
            &self.board,
            own_pilot,
        );
        if let (Some(own), Some(ship)) = (own, self.fleet.own()) {
            hud.ship(OwnState {
                hull: ship.hull,
                weapons: &own.weapons,
                boost: own.motion.boost,
            });
        }
        let seekers = own.map_or(0, |own| own.weapons.seekers);
        hud.thumbs(&self.controls, seekers);
        hud.banner(&self.feed);
        if let Some(by) = &self.moment.killed_by {
            let mut words = Feed::default();
            let now = self.moment.now;
            let colour = self
                .moment
                .own_pilot
                .map_or("#ffffff".into(), |p| hue_colour(self.board.hue(p), 75));
            words.announce(by, "Your next ship is on its way", &colour, now - 1.0, 3.0);
            hud.banner(&words);
        }
    }
}
