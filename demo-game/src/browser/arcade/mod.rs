//! The game as the shell runs it: input in, events in, a frame out.

mod events;
mod picture;
mod report;

use tickwire_client::assets::AssetEvent;
use tickwire_client::browser::{App, Canvas, Devices, Frame};
use tickwire_client::{Client, ClientEvent};
use wasm_bindgen::JsValue;

use super::audio::Audio;
use super::board::Board;
use super::brush::Brush;
use super::camera::Camera;
use super::controls::Controls;
use super::effects::Effects;
use super::feed::Feed;
use super::fleet::Fleet;
use super::ghosts::Ghosts;
use super::hook::SharedReport;
use super::overlay;
use super::page::Page;
use super::predict::{Foresight, OwnShip};
use super::sprites::Sprites;
use super::stars::Sky;
use crate::components::Steer;
use crate::events::Look;
use crate::rules::arena::Arena;
use crate::rules::vector::Vec2;

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
            controls: Controls::new(page.is_for_fingers()),
            page,
            report,
            arena: Arena::default(),
            camera: Camera::new(),
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
            AssetEvent::Unlisted { reason } => {
                web_sys::console::warn_1(&format!("assets: {reason}").into());
            }
            AssetEvent::Failed { name, reason } => {
                web_sys::console::warn_1(&format!("asset {name}: {reason}").into());
            }
            AssetEvent::Complete => self.moment.assets_done = true,
            AssetEvent::Listed | AssetEvent::Replaced { .. } | AssetEvent::Removed { .. } => {}
        }
    }

    /// Tells the server how much of the arena the screen shows, when that has changed.
    fn tell_look(&mut self, client: &mut Client) {
        if self.camera.screen.x <= 1.0 {
            // No frame has been drawn yet, so nobody knows how large the screen is.
            return;
        }
        let seen = self.camera.seen();
        let look = Look {
            width: seen.x,
            height: seen.y,
        };
        if self.moment.told_look != Some(look) && client.send_event(&look).is_ok() {
            self.moment.told_look = Some(look);
        }
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
        if frame.view.is_none() && self.moment.own_pilot.is_some() {
            // Back in the room, and its first snapshot is on its way: the last picture stays until then.
            self.tell(frame);
            return;
        }
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
