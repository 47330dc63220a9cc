//! What the player reads beside the arena: hull and energy, score and round, leaderboard, kills, chat.
//!
//! Two layouts: wide screens have room at the edges; narrow ones keep the lower corners for thumbs.

use super::board::Board;
use super::brush::{Align, Brush, hue_colour};
use super::controls::Controls;
use super::feed::Feed;
use super::scene::{hull_colour, pickup_colour, pickup_name};
use super::sprites::Sprites;
use crate::components::{Hull, PickupKind, Round, Weapons};
use crate::rules::tuning::{BOOST_MAX, ENERGY_MAX, HULL_MAX, POWER_TICKS, SHIELD_MAX};
use crate::rules::vector::Vec2;

/// Narrower than this is a phone held upright.
const NARROW: f32 = 700.0;
const PANEL: &str = "rgba(8, 14, 32, 0.55)";
const DIM: &str = "#8fa6cf";
const BRIGHT: &str = "#eaf2ff";

/// What the HUD shows of the own ship.
#[derive(Clone, Copy)]
pub(super) struct OwnState<'a> {
    pub(super) hull: Hull,
    pub(super) weapons: &'a Weapons,
    pub(super) boost: u8,
}

/// Draws the HUD on a screen of a size.
#[derive(Clone, Copy)]
pub(super) struct Hud<'a> {
    pub(super) brush: Brush<'a>,
    pub(super) screen: Vec2,
    pub(super) sprites: &'a Sprites,
    pub(super) now_seconds: f32,
}

impl Hud<'_> {
    fn is_narrow(&self) -> bool {
        self.screen.x < NARROW
    }

    /// Where the minimap lies: corner and side.
    pub(super) fn minimap(&self) -> (Vec2, f32) {
        if self.is_narrow() || self.screen.y < 500.0 {
            (Vec2::new(self.screen.x - 108.0, 12.0), 96.0)
        } else {
            (
                Vec2::new(self.screen.x - 196.0, self.screen.y - 196.0),
                180.0,
            )
        }
    }

    /// Hull, shield, energy, boost, powers and seekers.
    pub(super) fn ship(&self, own: OwnState<'_>) {
        let width = if self.is_narrow() { 148.0 } else { 280.0 };
        let corner = if self.is_narrow() {
            Vec2::new(12.0, 12.0)
        } else {
            Vec2::new(self.screen.x * 0.5 - width * 0.5, self.screen.y - 74.0)
        };
        let plate = corner - Vec2::new(8.0, 8.0);
        self.brush
            .plate(plate, Vec2::new(width + 16.0, 62.0), 10.0, PANEL);
        let row = |y: f32| corner + Vec2::new(0.0, y);
        let hull = f32::from(own.hull.hull) / f32::from(HULL_MAX);
        if hull < 0.3 {
            self.brush.alpha(0.6 + 0.4 * (self.now_seconds * 9.0).sin());
        }
        self.brush
            .bar(row(10.0), Vec2::new(width, 14.0), hull, hull_colour(hull));
        self.brush.alpha(1.0);
        let label = format!("{}", own.hull.hull);
        self.brush.text_over(
            &label,
            row(17.0) + Vec2::new(width * 0.5, 0.5),
            11.0,
            Align::Centre,
            BRIGHT,
        );
        let shield = f32::from(own.hull.shield) / f32::from(SHIELD_MAX);
        self.brush
            .bar(row(0.0), Vec2::new(width, 6.0), shield, "#5cb8ff");
        let energy = f32::from(own.weapons.energy) / f32::from(ENERGY_MAX);
        self.brush
            .bar(row(29.0), Vec2::new(width, 6.0), energy, "#ffdb4d");
        let boost = f32::from(own.boost) / f32::from(BOOST_MAX);
        self.brush
            .bar(row(40.0), Vec2::new(width, 6.0), boost, "#c58bff");
        self.powers(own.weapons, plate, width + 16.0);
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
            let place = if self.is_narrow() {
                plate + Vec2::new(20.0 + slot as f32 * 46.0, 86.0)
            } else {
                plate + Vec2::new(width + 30.0 + slot as f32 * 50.0, 31.0)
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

    /// The round's clock, and the own score and place beneath it.
    pub(super) fn round(&self, round: Option<Round>, board: &Board, own_pilot: Option<u16>) {
        let middle = Vec2::new(
            self.screen.x * 0.5,
            if self.is_narrow() { 20.0 } else { 26.0 },
        );
        // On a phone the clock stands between the bars and the map, where there is room for one line.
        let middle = if self.is_narrow() {
            middle + Vec2::new(14.0, 0.0)
        } else {
            middle
        };
        if let Some(round) = round {
            let clock = format!("{}:{:02}", round.seconds_left / 60, round.seconds_left % 60);
            let soon = !round.is_break && round.seconds_left <= 20;
            let colour = if soon { "#ff7a8a" } else { BRIGHT };
            let size = if self.is_narrow() { 18.0 } else { 26.0 };
            self.brush
                .text_over(&clock, middle, size, Align::Centre, colour);
        }
        let Some((pilot, standing)) = own_pilot.and_then(|pilot| Some((pilot, board.of(pilot)?)))
        else {
            return;
        };
        let place = board.place(pilot).unwrap_or_default();
        let line = if self.is_narrow() {
            format!("{}", standing.score)
        } else {
            format!(
                "{} points · place {} of {}",
                standing.score,
                place,
                board.lines.len()
            )
        };
        let below = middle + Vec2::new(0.0, if self.is_narrow() { 19.0 } else { 24.0 });
        self.brush
            .text_over(&line, below, 13.0, Align::Centre, "#ffe27a");
    }

    /// The best, and the own line if it is not among them.
    pub(super) fn leaderboard(&self, board: &Board, own_pilot: Option<u16>) {
        let narrow = self.is_narrow() || self.screen.y < 500.0;
        let (lines, line_height, width, size) = if narrow {
            (4, 15.0, 96.0, 10.5)
        } else {
            (8, 21.0, 224.0, 13.0)
        };
        let corner = if narrow {
            Vec2::new(self.screen.x - 108.0, 116.0)
        } else {
            Vec2::new(self.screen.x - width - 14.0, 14.0)
        };
        let mut shown: Vec<usize> = (0..board.lines.len().min(lines)).collect();
        let own = own_pilot.and_then(|pilot| board.row(pilot));
        if let (Some(own), Some(last)) = (own, shown.last_mut())
            && own > *last
        {
            *last = own;
        }
        let height = shown.len() as f32 * line_height + 12.0;
        self.brush
            .plate(corner, Vec2::new(width, height), 9.0, PANEL);
        for (row, index) in shown.into_iter().enumerate() {
            let line = &board.lines[index];
            let y = corner.y + 6.0 + (row as f32 + 0.5) * line_height;
            let is_own = Some(line.pilot) == own_pilot;
            if is_own {
                let strip = Vec2::new(corner.x + 3.0, y - line_height * 0.5);
                let size = Vec2::new(width - 6.0, line_height);
                self.brush
                    .plate(strip, size, 5.0, "rgba(255, 255, 255, 0.12)");
            }
            let left = corner.x + 8.0;
            self.brush
                .disc(Vec2::new(left + 4.0, y), 4.0, &hue_colour(line.hue, 62));
            let colour = if is_own { "#ffffff" } else { "#c8d6f0" };
            let name_at = Vec2::new(left + 14.0, y);
            let room = width - 22.0 - if narrow { 38.0 } else { 96.0 };
            self.brush.text(
                &self.cut(&line.name, size, room),
                name_at,
                size,
                Align::Left,
                colour,
            );
            let right = corner.x + width - 9.0;
            self.brush.text(
                &line.score.to_string(),
                Vec2::new(right, y),
                size,
                Align::Right,
                BRIGHT,
            );
            if !narrow {
                let duels = format!("{} / {}", line.kills, line.deaths);
                self.brush
                    .text(&duels, Vec2::new(right - 48.0, y), 11.0, Align::Right, DIM);
            }
        }
    }

    /// A text short enough for its room.
    fn cut(&self, text: &str, size: f32, room: f32) -> String {
        if self.brush.text_width(text, size) <= room {
            return text.to_owned();
        }
        let mut cut: String = text.to_owned();
        while cut.pop().is_some() && self.brush.text_width(&format!("{cut}…"), size) > room {}
        cut + "…"
    }

    /// Kills and chat, newest lowest.
    pub(super) fn feed(&self, feed: &Feed) {
        let narrow = self.is_narrow();
        let size = if narrow { 11.0 } else { 13.0 };
        let mut place = if narrow {
            Vec2::new(12.0, 136.0)
        } else {
            Vec2::new(18.0, 24.0)
        };
        for line in &feed.kills {
            self.brush.alpha(line.alpha(self.now_seconds));
            self.kill_line(line, place, size);
            place.y += size + 8.0;
        }
        let bottom = if narrow {
            self.screen.y - 236.0
        } else {
            self.screen.y - 70.0
        };
        for (row, line) in feed.chat.iter().rev().enumerate() {
            self.brush.alpha(line.alpha(self.now_seconds));
            let place = Vec2::new(18.0, bottom - row as f32 * (size + 8.0));
            let name = format!("{}: ", line.name);
            self.brush
                .text_over(&name, place, size, Align::Left, &hue_colour(line.hue, 74));
            let after = place + Vec2::new(self.brush.text_width(&name, size), 0.0);
            let text = self.cut(&line.text, size, self.screen.x - after.x - 18.0);
            self.brush
                .text_over(&text, after, size, Align::Left, BRIGHT);
        }
        self.brush.alpha(1.0);
    }

    fn kill_line(&self, line: &super::feed::KillLine, place: Vec2, size: f32) {
        let mut x = place.x;
        let mut say = |text: &str, colour: &str| {
            self.brush
                .text_over(text, Vec2::new(x, place.y), size, Align::Left, colour);
            x += self.brush.text_width(text, size);
        };
        if line.concerns_me {
            say("● ", "#ffe27a");
        }
        let sign = if line.is_seeker { "  ➶  " } else { "  ➤  " };
        match &line.killer {
            Some((name, hue)) => {
                say(name, &hue_colour(*hue, 74));
                say(sign, DIM);
                say(&line.victim.0, &hue_colour(line.victim.1, 74));
            }
            None => {
                say(&line.victim.0, &hue_colour(line.victim.1, 74));
                say(" crashed", DIM);
            }
        }
    }

    /// Large words.
    pub(super) fn banner(&self, feed: &Feed) {
        let Some(banner) = &feed.banner else { return };
        let age = self.now_seconds - banner.since;
        let fade = ((banner.until - self.now_seconds) * 2.5).min(1.0);
        let pop = 1.0 + 0.35 * (1.0 - age * 6.0).max(0.0);
        let size = if self.is_narrow() { 26.0 } else { 40.0 } * pop;
        let place = Vec2::new(self.screen.x * 0.5, self.screen.y * 0.26);
        self.brush.alpha(fade);
        self.brush
            .text_over(&banner.title, place, size, Align::Centre, &banner.colour);
        let below = place + Vec2::new(0.0, if self.is_narrow() { 28.0 } else { 38.0 });
        let small = if self.is_narrow() { 14.0 } else { 18.0 };
        self.brush
            .text_over(&banner.below, below, small, Align::Centre, BRIGHT);
        self.brush.alpha(1.0);
    }

    /// Red at the edges when hurt.
    pub(super) fn hurt(&self, strength: f32) {
        if strength <= 0.01 {
            return;
        }
        let (width, height) = (f64::from(self.screen.x), f64::from(self.screen.y));
        let (x, y) = (width * 0.5, height * 0.5);
        let context = self.brush.context;
        let reach = x.hypot(y);
        let Ok(edge) = context.create_radial_gradient(x, y, reach * 0.45, x, y, reach) else {
            return;
        };
        let _ = edge.add_color_stop(0.0, "rgba(255, 30, 60, 0)");
        let _ = edge.add_color_stop(1.0, "rgba(255, 30, 60, 0.75)");
        self.brush.alpha(strength);
        context.set_fill_style_canvas_gradient(&edge);
        context.fill_rect(0.0, 0.0, width, height);
        self.brush.alpha(1.0);
    }

    /// Stick and buttons for thumbs.
    pub(super) fn thumbs(&self, controls: &Controls, seekers: u8) {
        if !controls.is_touch() {
            return;
        }
        let stick = controls.stick;
        self.brush.alpha(if stick.is_down { 0.55 } else { 0.28 });
        self.brush
            .ring(stick.base, super::controls::STICK_REACH, 2.0, "#bcd4ff");
        self.brush
            .disc(stick.thumb, 25.0, "rgba(190, 212, 255, 0.55)");
        let signs = ["FIRE", "BOOST", "SEEK"];
        let colours = ["#ff6b7f", "#c58bff", "#ff6bb8"];
        for (index, button) in controls.buttons.iter().flatten().enumerate() {
            let is_idle = index == 2 && seekers == 0;
            let alpha = if is_idle { 0.15 } else { 0.45 };
            self.brush.alpha(if button.is_down { 0.85 } else { alpha });
            self.brush
                .disc(button.centre, button.radius, "rgba(10, 16, 36, 0.65)");
            self.brush
                .ring(button.centre, button.radius, 2.5, colours[index]);
            let size = if index == 0 { 14.0 } else { 10.0 };
            self.brush.text(
                signs[index],
                button.centre,
                size,
                Align::Centre,
                colours[index],
            );
        }
        self.brush.alpha(1.0);
    }
}
