//! The minimap: rocks, everyone's dot, and the part of the arena on the screen.

use super::board::Board;
use super::brush::{Brush, hue_colour};
use super::camera::Camera;
use crate::components::{Radar, Standing};
use crate::rules::arena::Arena;
use crate::rules::tuning::ARENA_SIZE;
use crate::rules::vector::Vec2;

/// Draws the map in a square.
pub(super) fn draw(
    brush: &Brush<'_>,
    corner: Vec2,
    side: f32,
    scene: (&Arena, &Camera, &Board),
    dots: impl Iterator<Item = (Standing, Radar)>,
    own: Option<(u16, Vec2, f32)>,
) {
    let (arena, camera, board) = scene;
    let scale = side / ARENA_SIZE;
    let at = |point: Vec2| corner + point * scale;
    brush.plate(corner, Vec2::new(side, side), 8.0, "rgba(8, 14, 32, 0.62)");
    for rock in arena.rocks() {
        brush.disc(
            at(rock.centre),
            (rock.radius * scale).max(1.2),
            "rgba(150, 170, 205, 0.34)",
        );
    }
    let seen = camera.seen();
    let frame = at(camera.centre - seen * 0.5);
    brush.context.set_line_width(1.0);
    brush
        .context
        .set_stroke_style_str("rgba(190, 220, 255, 0.30)");
    let (left, top) = (frame.x.max(corner.x), frame.y.max(corner.y));
    let right = (frame.x + seen.x * scale).min(corner.x + side);
    let bottom = (frame.y + seen.y * scale).min(corner.y + side);
    brush.context.stroke_rect(
        f64::from(left),
        f64::from(top),
        f64::from((right - left).max(0.0)),
        f64::from((bottom - top).max(0.0)),
    );
    let leader = board.leader();
    for (standing, radar) in dots {
        if !radar.flying || own.is_some_and(|(pilot, ..)| pilot == standing.pilot) {
            continue;
        }
        let place = at(Vec2::new(radar.x, radar.y));
        brush.disc(place, 2.4, &hue_colour(standing.hue, 62));
        if leader == Some(standing.pilot) {
            brush.ring(place, 5.0, 1.2, "#ffe27a");
        }
    }
    if let Some((_, place, heading)) = own {
        let nose = Vec2::from_angle(heading);
        let side = nose.perpendicular();
        let place = at(place);
        let corners = [
            place + nose * 6.0,
            place - nose * 4.0 + side * 3.6,
            place - nose * 4.0 - side * 3.6,
        ];
        brush.polygon(&corners, "#ffffff");
    }
}
