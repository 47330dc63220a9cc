//! What the player reads beside the arena: score and round, leaderboard, kills, chat. The own ship's bars are in
//! [`gauges`](super::gauges).
//!
//! Two layouts: large screens have room at the edges; small ones keep the lower corners for thumbs.

use super::board::Board;
use super::brush::{Align, Brush, hue_colour};
use super::controls::Controls;
use super::feed::Feed;
use super::sprites::Sprites;
use crate::components::Round;
use crate::rules::vector::Vec2;

/// Narrower than this is a phone held upright.
const NARROW: f32 = 700.0;
/// Lower than this is one held sideways. The style sheet knows it too.
const LOW: f32 = 500.0;
pub(super) const PANEL: &str = "rgba(8, 14, 32, 0.55)";
pub(super) const DIM: &str = "#8fa6cf";
pub(super) const BRIGHT: &str = "#eaf2ff";

/// Draws the HUD on a screen of a size.
#[derive(Clone, Copy)]
pub(super) struct Hud<'a> {
    pub(super) brush: Brush<'a>,
    pub(super) screen: Vec2,
    /// Whether there are places for thumbs in the lower corners.
    pub(super) has_thumbs: bool,
    pub(super) sprites: &'a Sprites,
    pub(super) now_seconds: f32,
}

impl Hud<'_> {
    fn is_narrow(&self) -> bool {
        self.screen.x < NARROW
    }

    fn is_low(&self) -> bool {
        self.screen.y < LOW
    }

    /// A phone, held either way, or a tablet.
    pub(super) fn is_small(&self) -> bool {
        self.is_narrow() || self.is_low() || self.has_thumbs
    }

    /// Where the minimap lies: corner and side.
    pub(super) fn minimap(&self) -> (Vec2, f32) {
        if self.is_small() {
            (Vec2::new(self.screen.x - 108.0, 12.0), 96.0)
        } else {
            (
                Vec2::new(self.screen.x - 196.0, self.screen.y - 196.0),
                180.0,
            )
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
        let small = self.is_small();
        let (lines, line_height, width, size) = if small {
            (4, 15.0, 96.0, 10.5)
        } else {
            (8, 21.0, 224.0, 13.0)
        };
        let corner = if self.is_low() {
            // Beside the map: below it is a thumb's place.
            Vec2::new(self.screen.x - 212.0, 12.0)
        } else if small {
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
            let room = width - 22.0 - if small { 38.0 } else { 96.0 };
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
            if !small {
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
        let small = self.is_small();
        let size = if small { 11.0 } else { 13.0 };
        let mut place = if small {
            Vec2::new(12.0, 136.0)
        } else {
            Vec2::new(18.0, 24.0)
        };
        for line in &feed.kills {
            self.brush.alpha(line.alpha(self.now_seconds));
            self.kill_line(line, place, size);
            place.y += size + 8.0;
        }
        // Above the left thumb, or between the two.
        let lowest = if self.is_low() {
            Vec2::new(190.0, self.screen.y - 22.0)
        } else if small {
            Vec2::new(18.0, self.screen.y - 236.0)
        } else {
            Vec2::new(18.0, self.screen.y - 70.0)
        };
        let right = self.screen.x - if self.is_low() { 200.0 } else { 18.0 };
        for (row, line) in feed.chat.iter().rev().enumerate() {
            self.brush.alpha(line.alpha(self.now_seconds));
            let place = lowest - Vec2::new(0.0, row as f32 * (size + 8.0));
            let name = format!("{}: ", line.name);
            self.brush
                .text_over(&name, place, size, Align::Left, &hue_colour(line.hue, 74));
            let after = place + Vec2::new(self.brush.text_width(&name, size), 0.0);
            let text = self.cut(&line.text, size, right - after.x);
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
            let colour = if is_idle { DIM } else { colours[index] };
            self.brush.alpha(if button.is_down { 0.85 } else { 0.45 });
            self.brush
                .disc(button.centre, button.radius, "rgba(10, 16, 36, 0.65)");
            self.brush.ring(button.centre, button.radius, 2.5, colour);
            self.brush.alpha(if is_idle { 0.6 } else { 0.9 });
            let size = if index == 0 { 14.0 } else { 10.0 };
            self.brush
                .text(signs[index], button.centre, size, Align::Centre, colour);
        }
        self.brush.alpha(1.0);
    }
}
