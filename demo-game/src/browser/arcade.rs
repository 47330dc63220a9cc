//! The game as the shell runs it: input in, events in, a frame out.

use tickwire_client::assets::AssetEvent;
use tickwire_client::browser::{App, Canvas, Devices, Frame};
use tickwire_client::{Client, ClientEvent, Connection, ReceivedEvent, View};
use wasm_bindgen::JsValue;

use super::audio::Audio;
use super::board::Board;
use super::brush::{Brush, hue_colour};
use super::camera::Camera;
use super::controls::Controls;
use super::effects::Effects;
use super::feed::Feed;
use super::fleet::Fleet;
use super::ghosts::Ghosts;
use super::hook::{ReportedShip, SharedReport};
use super::hud::{Hud, OwnState};
use super::page::Page;
use super::particles::Tone;
use super::predict::{Foresight, OwnShip};
use super::scene::{Stage, pickup_colour};
use super::sprites::Sprites;
use super::stars::Sky;
use super::{minimap, overlay};
use crate::components::{Engine, PickupKind, Radar, Round, ShotKind, Standing, Steer, Weapons};
use crate::events::{Destroyed, Hit, Look, RoundOver, Said, Taken};
use crate::rules::arena::Arena;
use crate::rules::score::STREAK_CALLED;
use crate::rules::vector::Vec2;
use crate::rules::weapon::Volley;

/// Seconds between two looks at the standings: names and places need no more.
const BOARD_SECONDS: f32 = 0.25;
/// A change of the own speed within one frame that only a bounce explains, units per second.
const BUMP: f32 = 120.0;
/// How quickly the red at the edges fades, per second.
const HURT_FADE: f32 = 1.8;

/// Everything the player's browser keeps beside what the server says.
pub(super) struct Arcade {
    page: Page,
    report: SharedReport,
    arena: Arena,
    camera: Camera,
    controls: Controls,
    sprites: Sprites,
    sky: Sky,
    effects: Effects,
    ghosts: Ghosts,
    fleet: Fleet,
    board: Board,
    feed: Feed,
    audio: Audio,
    moment: Moment,
}

/// What one frame leaves to the next.
#[derive(Default)]
struct Moment {
    now: f32,
    steer: Steer,
    own_pilot: Option<u16>,
    own_screen: Vec2,
    own_before: Option<OwnShip>,
    board_due: f32,
    hurt: f32,
    frame_seconds: f32,
    shows_overlay: bool,
    assets_done: bool,
    told_look: Option<Look>,
    delay_seconds: f32,
    killed_by: Option<String>,
}

impl Arcade {
    pub(super) fn new(page: Page, report: SharedReport) -> Result<Self, JsValue> {
        Ok(Self {
            sprites: Sprites::new(&page.document)?,
            page,
            report,
            arena: Arena::default(),
            camera: Camera::new(),
            controls: Controls::default(),
            sky: Sky::new(),
            effects: Effects::new(),
            ghosts: Ghosts::default(),
            fleet: Fleet::default(),
            board: Board::default(),
            feed: Feed::default(),
            audio: Audio::default(),
            moment: Moment::default(),
        })
    }

    pub(super) fn toggle_mute(&mut self) {
        self.audio.is_muted = !self.audio.is_muted;
        self.page.show_muted(self.audio.is_muted);
    }

    pub(super) fn wake_audio(&mut self) {
        self.audio.wake();
    }

    fn on_game_event(&mut self, event: &ReceivedEvent) {
        if let Some(said) = event.read::<Said>() {
            self.report
                .borrow_mut()
                .chat
                .push(format!("{}: {}", said.name, said.text));
            self.feed.say(
                said.name,
                self.board.hue(said.pilot),
                said.text,
                self.moment.now,
            );
            self.audio.play("chat", 0.5);
        } else if let Some(destroyed) = event.read::<Destroyed>() {
            self.on_destroyed(&destroyed);
        } else if let Some(hit) = event.read::<Hit>() {
            self.on_hit(&hit);
        } else if let Some(taken) = event.read::<Taken>() {
            self.on_taken(&taken);
        } else if let Some(over) = event.read::<RoundOver>() {
            let below = format!("{} points — next round in a moment", over.score);
            let title = if over.winner.is_empty() {
                "Nobody wins"
            } else {
                &format!("{} wins", over.winner)
            };
            self.feed
                .announce(title, &below, "#ffe27a", self.moment.now, 10.0);
            self.audio.play("round", 0.8);
        }
    }

    fn on_destroyed(&mut self, event: &Destroyed) {
        let (now, own) = (self.moment.now, self.moment.own_pilot);
        let who = |pilot: u16| (self.board.name(pilot).to_owned(), self.board.hue(pilot));
        let (killer, victim) = (event.killer.map(who), who(event.victim));
        let is_mine = own.is_some() && event.killer == own;
        let was_me = own == Some(event.victim);
        let seeker = event.weapon == Some(ShotKind::Seeker);
        self.feed.kill(
            killer.clone(),
            victim.clone(),
            seeker,
            is_mine || was_me,
            now,
        );
        let place = Vec2::new(event.x, event.y);
        let delay = if was_me {
            0.0
        } else {
            self.moment.delay_seconds
        };
        self.effects.explode_at(now + delay, place, victim.1);
        if was_me {
            self.camera.shake(1.0);
            self.moment.hurt = 1.0;
            let by = killer.map_or("You crashed".to_owned(), |(name, _)| {
                format!("Destroyed by {name}")
            });
            self.moment.killed_by = Some(by);
        } else if is_mine {
            let title = format!("{} destroyed", victim.0);
            let below = if event.streak >= STREAK_CALLED {
                format!("+{} · {} in a row!", event.points, event.streak)
            } else {
                format!("+{}", event.points)
            };
            self.feed.announce(&title, &below, "#ffffff", now, 2.0);
            self.audio.play("kill", 0.9);
            self.effects
                .float(format!("+{}", event.points), place, "#ffe27a", now);
        }
    }

    fn on_hit(&mut self, hit: &Hit) {
        let place = Vec2::new(hit.x, hit.y);
        if self.moment.own_pilot == Some(hit.victim) {
            self.moment.hurt = (self.moment.hurt + 0.2 + f32::from(hit.damage) / 60.0).min(1.0);
            self.camera.shake(0.25 + f32::from(hit.damage) / 80.0);
            self.effects.particles.sparks(place, None, 8, Tone::Fire);
            self.audio.play("hurt", 0.8);
        } else {
            // The rival is drawn where it was; the burst belongs on it.
            let seen = self
                .fleet
                .of_pilot(hit.victim)
                .map_or(place, |ship| ship.place);
            self.effects
                .float(hit.damage.to_string(), seen, "#ffffff", self.moment.now);
            self.effects.particles.sparks(seen, None, 6, Tone::Gold);
            self.effects.particles.flash(seen, 34.0, 0.12, Tone::White);
            self.audio
                .play_at("hit", 0.9, seen, self.camera.centre, 1.0);
        }
    }

    fn on_taken(&mut self, taken: &Taken) {
        let word = match taken.kind {
            PickupKind::Repair => "+45 hull",
            PickupKind::Shield => "shield",
            PickupKind::Rapid => "rapid fire",
            PickupKind::Spread => "spread",
            PickupKind::Seekers => "+2 seekers",
        };
        let place = Vec2::new(taken.x, taken.y);
        self.effects.float(
            word.into(),
            place,
            pickup_colour(taken.kind),
            self.moment.now,
        );
        self.audio.play("pickup", 0.7);
    }

    fn on_asset(&mut self, event: AssetEvent) {
        match event {
            AssetEvent::Ready {
                name, mime, bytes, ..
            } if name.ends_with(".png") => {
                if let Err(error) = self.sprites.take(&name, &mime, &bytes) {
                    web_sys::console::warn_1(&error);
                }
            }
            AssetEvent::Ready { name, bytes, .. } => self.audio.take(&name, &bytes),
            AssetEvent::Failed { name, reason } => {
                web_sys::console::warn_1(&format!("asset {name}: {reason}").into());
            }
            AssetEvent::Complete => self.moment.assets_done = true,
        }
    }

    /// Tells the server how much of the arena the screen shows, when that has changed.
    fn tell_look(&mut self, client: &mut Client) {
        let seen = self.camera.seen();
        let look = Look {
            width: seen.x,
            height: seen.y,
        };
        if self.moment.told_look != Some(look) && client.send_event(&look).is_ok() {
            self.moment.told_look = Some(look);
        }
    }

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

    /// Everything that changes from frame to frame, before anything is drawn.
    fn advance(&mut self, frame: &Frame<'_, OwnShip>, view: &View<'_>) {
        let (now, dt) = (self.moment.now, frame.dt_seconds);
        if now >= self.moment.board_due {
            self.moment.board_due = now + BOARD_SECONDS;
            self.board
                .update(view.iter::<Standing>().map(|(_, standing)| standing));
        }
        self.fleet.update(view, frame.own, now, dt);
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

    fn draw_arena(&self, brush: Brush<'_>, view: &View<'_>) {
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

    fn draw_hud(&self, brush: Brush<'_>, frame: &Frame<'_, OwnShip>, view: &View<'_>) {
        let hud = Hud {
            brush,
            screen: self.camera.screen,
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

    /// What the page and the tests are told.
    fn tell(&self, frame: &Frame<'_, OwnShip>) {
        let client = frame.client;
        let progress = client.asset_progress();
        let joined = client.is_playing() && frame.view.is_some();
        let (phase, message) = match client.connection() {
            Connection::Connecting => ("connecting", Some("Connecting…".to_owned())),
            Connection::Joining => ("joining", Some("Joining…".to_owned())),
            Connection::Playing if !joined => ("joining", None),
            Connection::Playing if !self.moment.assets_done => ("loading", None),
            Connection::Playing => ("playing", None),
            Connection::Waiting { message, retry_at } => {
                let seconds = retry_at.since(frame.now).0.div_ceil(1_000_000);
                (
                    "reconnecting",
                    Some(format!("{message} Trying again in {seconds} s.")),
                )
            }
            Connection::Ended { message } => ("refused", Some(message.clone())),
        };
        self.page.show_message(message.as_deref());
        self.page.show_loading((phase == "loading").then(|| {
            let (loaded, total) = (
                overlay::bytes(progress.bytes),
                overlay::bytes(progress.bytes_total),
            );
            (
                progress.fraction(),
                format!("Loading pictures and sounds: {loaded} of {total}"),
            )
        }));
        let stats = client.stats(frame.now);
        let mut report = self.report.borrow_mut();
        report.phase = phase;
        report.message = message;
        report.me = frame.view.and_then(|view| view.own()).map(|id| id.0);
        (report.assets_loaded, report.assets_total) = (progress.assets, progress.assets_total);
        report.tick = stats.tick.0;
        report.entities = stats.entities;
        report.snapshot_bytes_per_second = stats.snapshot_bytes_per_second;
        let standing = self.moment.own_pilot.and_then(|pilot| self.board.of(pilot));
        report.score = standing.map_or(0, |standing| standing.score);
        report.ships.clear();
        report.ships.extend(self.fleet.ships.iter().map(|ship| {
            ReportedShip {
                id: ship.id.0,
                name: self.board.name(ship.pilot).to_owned(),
                place: ship.place,
                heading: ship.heading,
                screen: self.camera.to_screen(ship.place),
                hull: ship.hull.hull,
                is_bot: self
                    .board
                    .of(ship.pilot)
                    .is_some_and(|standing| standing.is_bot),
            }
        }));
    }
}

impl App for Arcade {
    type Rules = Foresight;

    fn rules(&self) -> Foresight {
        Foresight {
            arena: self.arena.clone(),
        }
    }

    fn input(&mut self, devices: &Devices, client: &mut Client) -> Steer {
        if devices.pressed("F3") || devices.pressed("Backquote") {
            self.moment.shows_overlay = !self.moment.shows_overlay;
        }
        if devices.pressed("KeyM") {
            self.toggle_mute();
        }
        if client.is_playing() {
            self.tell_look(client);
        }
        self.moment.steer = self
            .controls
            .read(devices, self.moment.own_screen, self.camera.screen);
        self.moment.steer
    }

    fn on_event(&mut self, event: ClientEvent, _: &mut Client) {
        match event {
            ClientEvent::Joined { .. } => self.moment.told_look = None,
            ClientEvent::Event(event) => self.on_game_event(&event),
            ClientEvent::Asset(event) => self.on_asset(event),
            ClientEvent::Disconnected { .. }
            | ClientEvent::Ended { .. }
            | ClientEvent::Stream(_)
            | ClientEvent::Verified { .. } => {}
        }
    }

    fn draw(&mut self, frame: &Frame<'_, OwnShip>, canvas: &Canvas) {
        self.moment.now = (frame.now.0 as f64 / 1e6) as f32;
        self.moment.frame_seconds += (frame.dt_seconds - self.moment.frame_seconds) * 0.05;
        self.camera.fit(canvas.width as f32, canvas.height as f32);
        let brush = Brush::new(&canvas.context);
        let stats = frame.client.stats(frame.now);
        self.moment.delay_seconds = stats.interpolation_delay.0 as f32 / 1e6;
        self.sky
            .draw(&brush, &self.camera, &self.sprites, self.moment.now);
        if let Some(view) = &frame.view {
            self.advance(frame, view);
            self.draw_arena(brush, view);
            self.draw_hud(brush, frame, view);
        }
        if self.moment.shows_overlay {
            let frames = 1.0 / self.moment.frame_seconds.max(0.001);
            overlay::draw(&brush, Vec2::new(12.0, 92.0), &stats, frames);
        }
        self.tell(frame);
    }
}
