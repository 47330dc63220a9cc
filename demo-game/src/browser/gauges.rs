//! The own ship's gauges: shield, hull, energy and boost as bars, each with its word, and the powers it has taken.

use super::brush::Align;
use super::hud::{BRIGHT, DIM, Hud, PANEL};
use super::scene::{hull_colour, pickup_colour, pickup_name};
use crate::components::{Hull, PickupKind, Weapons};
use crate::rules::tuning::{BOOST_MAX, ENERGY_MAX, HULL_MAX, POWER_TICKS, SHIELD_MAX};
use crate::rules::vector::Vec2;

/// The column of words left of the bars.
const WORDS_WIDTH: f32 = 46.0;

/// What the HUD shows of the own ship.
#[derive(Clone, Copy)]
pub(super) struct OwnState<'a> {
    pub(super) hull: Hull,
    pub(super) weapons: &'a Weapons,
    pub(super) boost: u8,
}

impl Hud<'_> {
    /// Hull, shield, energy, boost, powers and seekers.
    pub(super) fn ship(&self, own: OwnState<'_>) {
        let size = Vec2::new(if self.is_small() { 164.0 } else { 330.0 }, 64.0);
        let plate = if self.is_small() {
            Vec2::new(4.0, 4.0)
        } else {
            Vec2::new((self.screen.x - size.x) * 0.5, self.screen.y - 84.0)
        };
        self.brush.plate(plate, size, 10.0, PANEL);
        let share = |value: u8, most: u8| f32::from(value) / f32::from(most);
        let hull = share(own.hull.hull, HULL_MAX);
        let shield = share(own.hull.shield, SHIELD_MAX);
        let energy = share(own.weapons.energy, ENERGY_MAX);
        let boost = share(own.boost, BOOST_MAX);
        let corner = plate + Vec2::new(8.0 + WORDS_WIDTH, 8.0);
        let width = size.x - WORDS_WIDTH - 16.0;
        for (word, top, height, share, colour) in [
            ("SHIELD", 0.0, 6.0, shield, "#5cb8ff"),
            ("HULL", 10.0, 14.0, hull, hull_colour(hull)),
            ("ENERGY", 30.0, 6.0, energy, "#ffdb4d"),
            ("BOOST", 42.0, 6.0, boost, "#c58bff"),
        ] {
            let beside = corner + Vec2::new(-6.0, top + height * 0.5 + 0.5);
            self.brush.text(word, beside, 9.0, Align::Right, DIM);
            if word == "HULL" && hull < 0.3 {
                self.brush.alpha(0.6 + 0.4 * (self.now_seconds * 9.0).sin());
            }
            let bar = Vec2::new(width, height);
            self.brush
                .bar(corner + Vec2::new(0.0, top), bar, share, colour);
            self.brush.alpha(1.0);
        }
        self.brush.text_over(
            &own.hull.hull.to_string(),
            corner + Vec2::new(width * 0.5, 17.5),
            11.0,
            Align::Centre,
            BRIGHT,
        );
        self.powers(own.weapons, plate, size.x);
    }

    fn powers(&self, weapons: &Weapons, plate: Vec2, width: f32) {
        let share = |ticks: u16| f32::from(ticks) / f32::from(POWER_TICKS);
        let powers = [
            (PickupKind::Rapid, share(weapons.rapid_ticks), None),
            (PickupKind::Spread, share(weapons.spread_ticks), None),
            (
                PickupKind::Seekers,
                f32::from(u8::from(weapons.seekers > 0)),
                Some(weapons.seekers),
            ),
        ];
        let active = powers.into_iter().filter(|(_, share, _)| *share > 0.0);
        for (slot, (kind, share, count)) in active.enumerate() {
            let place = if self.is_small() {
                plate + Vec2::new(20.0 + slot as f32 * 46.0, 88.0)
            } else {
                plate + Vec2::new(width + 30.0 + slot as f32 * 50.0, 32.0)
            };
            self.brush.disc(place, 19.0, PANEL);
            if let Some(picture) = self
                .sprites
                .picture(&format!("pickup_{}", pickup_name(kind)))
            {
                self.brush.picture(&picture, place, 32.0);
            }
            let start = -std::f32::consts::FRAC_PI_2;
            let end = start + share * std::f32::consts::TAU;
            self.brush
                .arc(place, 19.0, (start, end), 3.0, pickup_colour(kind));
            if let Some(count) = count {
                let corner = place + Vec2::new(13.0, 12.0);
                self.brush
                    .text_over(&format!("×{count}"), corner, 13.0, Align::Centre, BRIGHT);
            }
        }
    }
}
