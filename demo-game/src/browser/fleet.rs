//! Ships on the screen: who is where this frame, and what happened to each since the last one.
//!
//! Others are drawn where the view has them, a moment in the past; the own ship where the prediction has
//! it, now.

use std::collections::HashMap;

use tickwire_client::View;
use tickwire_protocol::id::NetworkId;

use super::predict::OwnShip;
use crate::components::{Condition, Engine, Heading, Hull, Position, Ship};
use crate::rules::vector::Vec2;

/// Seconds a hit ship flashes.
const FLASH_SECONDS: f32 = 0.16;
/// Seconds the bar over a ship stays after a hit.
const BAR_SECONDS: f32 = 3.0;
/// Farther than this in one frame is a new ship, not a flight.
const JUMP: f32 = 220.0;

/// A ship to be drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct DrawnShip {
    pub(super) id: NetworkId,
    pub(super) pilot: u16,
    pub(super) place: Vec2,
    pub(super) velocity: Vec2,
    pub(super) heading: f32,
    pub(super) hull: Hull,
    pub(super) condition: Condition,
    pub(super) engine: Engine,
    pub(super) is_own: bool,
    /// 1 right after a hit, falling to 0.
    pub(super) flash: f32,
    /// How solid the bar over it is.
    pub(super) bar: f32,
}

#[derive(Clone, Copy, Debug)]
struct Track {
    place: Vec2,
    strength: u16,
    hit_at: f32,
    seen: bool,
}

/// All ships in view.
#[derive(Default)]
pub(super) struct Fleet {
    pub(super) ships: Vec<DrawnShip>,
    tracks: HashMap<NetworkId, Track>,
}

impl Fleet {
    /// Looks where everyone is: others in `view`, the own ship in the prediction and the newest state.
    pub(super) fn update(
        &mut self,
        view: &View<'_>,
        own: Option<(&OwnShip, Hull, Engine)>,
        now_seconds: f32,
        dt_seconds: f32,
    ) {
        self.ships.clear();
        for track in self.tracks.values_mut() {
            track.seen = false;
        }
        let own_id = view.own();
        for (id, ship) in view.iter::<Ship>().filter(|(id, _)| own_id != Some(*id)) {
            let parts = (
                view.get::<Position>(id),
                view.get::<Heading>(id),
                view.get::<Hull>(id),
            );
            let (Some(position), Some(heading), Some(hull)) = parts else {
                continue;
            };
            self.add(
                DrawnShip {
                    id,
                    pilot: ship.pilot,
                    place: position.point(),
                    velocity: Vec2::ZERO,
                    heading: heading.radians,
                    hull,
                    condition: ship.condition,
                    engine: ship.engine,
                    is_own: false,
                    flash: 0.0,
                    bar: 0.0,
                },
                now_seconds,
                dt_seconds,
            );
        }
        if let (Some(id), Some((own, hull, engine))) = (own_id, own) {
            self.add(
                DrawnShip {
                    id,
                    pilot: own.pilot,
                    place: own.motion.position,
                    velocity: Vec2::ZERO,
                    heading: own.motion.heading,
                    hull,
                    condition: own.condition,
                    engine,
                    is_own: true,
                    flash: 0.0,
                    bar: 0.0,
                },
                now_seconds,
                dt_seconds,
            );
        }
        self.tracks.retain(|_, track| track.seen);
    }

    fn add(&mut self, mut drawn: DrawnShip, now_seconds: f32, dt_seconds: f32) {
        self.follow(&mut drawn, now_seconds, dt_seconds);
        if drawn.condition.is_flying() {
            self.ships.push(drawn);
        }
    }

    fn follow(&mut self, drawn: &mut DrawnShip, now_seconds: f32, dt_seconds: f32) {
        let strength = u16::from(drawn.hull.hull) + u16::from(drawn.hull.shield);
        let fresh = Track {
            place: drawn.place,
            strength,
            hit_at: f32::MIN,
            seen: true,
        };
        let track = self.tracks.entry(drawn.id).or_insert(fresh);
        let way = drawn.place - track.place;
        if way.length() < JUMP && dt_seconds > 0.0 {
            drawn.velocity = way * (1.0 / dt_seconds);
        }
        if strength < track.strength {
            track.hit_at = now_seconds;
        }
        let since = now_seconds - track.hit_at;
        drawn.flash = (1.0 - since / FLASH_SECONDS).clamp(0.0, 1.0);
        drawn.bar = (BAR_SECONDS - since).clamp(0.0, 1.0);
        *track = Track {
            place: drawn.place,
            strength,
            hit_at: track.hit_at,
            seen: true,
        };
    }

    /// The own ship, while it flies.
    pub(super) fn own(&self) -> Option<&DrawnShip> {
        self.ships.iter().find(|ship| ship.is_own)
    }

    /// A ship by its pilot.
    pub(super) fn of_pilot(&self, pilot: u16) -> Option<&DrawnShip> {
        self.ships.iter().find(|ship| ship.pilot == pilot)
    }
}
