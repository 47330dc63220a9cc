//! The ship, nose to the right: a grey hull that each player's colour is multiplied into, and the trim
//! (cockpit, guns, nozzles) that keeps its own colours. And the seeker.

use super::raster::{CLEAR, Colour, Picture, mixed, over, shaded};
use super::shapes::{ellipse, inside, polygon, segment};

const SIZE: usize = 128;

/// The upper half of the outline, nose to tail; the lower half mirrors it.
const OUTLINE: [(f32, f32); 9] = [
    (0.94, 0.0),
    (0.52, 0.13),
    (0.18, 0.20),
    (0.02, 0.36),
    (-0.22, 0.84),
    (-0.60, 0.92),
    (-0.50, 0.46),
    (-0.66, 0.32),
    (-0.74, 0.14),
];

const FUSELAGE: [(f32, f32); 6] = [
    (0.94, 0.0),
    (0.50, 0.11),
    (0.05, 0.17),
    (-0.45, 0.20),
    (-0.70, 0.14),
    (-0.72, 0.0),
];

fn mirrored(half: &[(f32, f32)]) -> Vec<(f32, f32)> {
    let lower = half
        .iter()
        .rev()
        .filter(|(_, y)| *y > 0.0)
        .map(|(x, y)| (*x, -*y));
    half.iter().copied().chain(lower).collect()
}

/// Brightness of a bevelled plate at a point: bright where it faces the light ahead and above.
fn bevel(distance: &impl Fn(f32, f32) -> f32, width: f32, x: f32, y: f32) -> f32 {
    const STEP: f32 = 0.01;
    let slope_x = (distance(x + STEP, y) - distance(x - STEP, y)) / (2.0 * STEP);
    let slope_y = (distance(x, y + STEP) - distance(x, y - STEP)) / (2.0 * STEP);
    let edge = (1.0 + distance(x, y) / width).clamp(0.0, 1.0);
    0.80 + edge * (slope_x * 0.22 - slope_y.abs() * 0.16)
}

/// The hull, in greys.
pub(super) fn hull() -> Picture {
    let (outline, fuselage) = (mirrored(&OUTLINE), mirrored(&FUSELAGE));
    Picture::draw(SIZE, |x, y| {
        let wings = |x: f32, y: f32| polygon(&outline, x, y);
        let body = |x: f32, y: f32| polygon(&fuselage, x, y);
        if wings(x, y) > 0.0 {
            return CLEAR;
        }
        let mut brightness = bevel(&wings, 0.10, x, y) * 0.84;
        if body(x, y) < 0.0 {
            brightness = bevel(&body, 0.12, x, y) * 1.08;
        }
        // A dark seam where the body sits on the wings, panel lines, and a bright stripe on each wing.
        brightness *= 1.0 - 0.45 * inside(body(x, y).abs() - 0.012, 0.02);
        let panel = (x + y.abs() * 0.55 + 0.28).abs();
        brightness *= 1.0 - 0.30 * inside(panel - 0.008, 0.02) * inside(-body(x, y), 0.05);
        let stripe = (y.abs() - 0.62).abs() - 0.045;
        brightness += 0.22 * inside(stripe, 0.03);
        brightness *= 1.0 - 0.55 * inside(wings(x, y).abs() - 0.012, 0.02);
        let value = brightness.clamp(0.0, 1.0);
        [value, value, value, 1.0]
    })
}

/// What is laid over the coloured hull.
pub(super) fn trim() -> Picture {
    const METAL: Colour = [0.22, 0.24, 0.30, 1.0];
    const GLASS: Colour = [0.10, 0.30, 0.46, 1.0];
    const GLINT: Colour = [0.80, 0.97, 1.0, 1.0];
    const HOT: Colour = [1.0, 0.72, 0.36, 1.0];
    Picture::draw(SIZE, |x, y| {
        let side = y.abs();
        let mut colour = CLEAR;
        let gun = segment((-0.16, 0.50), (0.26, 0.50), x, side) - 0.035;
        colour = over(
            alpha(shaded(METAL, 1.0 + (0.5 - side) * 6.0), inside(gun, 0.02)),
            colour,
        );
        let muzzle = segment((0.22, 0.50), (0.27, 0.50), x, side) - 0.028;
        colour = over(alpha(GLINT, inside(muzzle, 0.03) * 0.8), colour);
        let nozzle = polygon(
            &[(-0.62, 0.03), (-0.62, 0.15), (-0.80, 0.18), (-0.80, 0.01)],
            x,
            side,
        );
        colour = over(alpha(METAL, inside(nozzle, 0.02)), colour);
        let ember = polygon(
            &[(-0.75, 0.05), (-0.75, 0.14), (-0.80, 0.15), (-0.80, 0.04)],
            x,
            side,
        );
        colour = over(alpha(HOT, inside(ember, 0.03)), colour);
        let frame = ellipse(0.27, 0.105, x - 0.26, y);
        colour = over(alpha(METAL, inside(frame, 0.02)), colour);
        let glass = ellipse(0.235, 0.08, x - 0.26, y);
        let sky = mixed(GLASS, GLINT, ((x - 0.2) * 1.4 - y * 3.0).clamp(0.0, 0.75));
        colour = over(alpha(sky, inside(glass, 0.02)), colour);
        let light = (x + 0.55).hypot(side - 0.86) - 0.03;
        over(alpha([1.0, 1.0, 1.0, 1.0], inside(light, 0.03)), colour)
    })
}

/// A seeker, nose to the right.
pub(super) fn seeker() -> Picture {
    const BODY: Colour = [0.88, 0.90, 0.96, 1.0];
    const NOSE: Colour = [1.0, 0.30, 0.42, 1.0];
    const FIN: Colour = [0.46, 0.50, 0.62, 1.0];
    Picture::draw(48, |x, y| {
        let side = y.abs();
        let fin = polygon(
            &[(-0.45, 0.1), (-0.9, 0.62), (-0.98, 0.62), (-0.85, 0.1)],
            x,
            side,
        );
        let mut colour = alpha(FIN, inside(fin, 0.06));
        let body = segment((-0.82, 0.0), (0.62, 0.0), x, y) - 0.20;
        let tone = if x > 0.38 { NOSE } else { BODY };
        let round = 1.0 - (side / 0.20).powi(2) * 0.5;
        colour = over(alpha(shaded(tone, round), inside(body, 0.06)), colour);
        colour
    })
}

fn alpha(colour: Colour, alpha: f32) -> Colour {
    [
        colour[0].min(1.0),
        colour[1].min(1.0),
        colour[2].min(1.0),
        colour[3] * alpha,
    ]
}
