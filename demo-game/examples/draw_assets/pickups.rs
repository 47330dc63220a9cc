//! Pickups: one badge, five colours, five signs that can be told apart at a glance and without colour.

use std::f32::consts::{FRAC_PI_3, FRAC_PI_6};

use super::raster::{CLEAR, Colour, Picture, mixed, over};
use super::shapes::{ellipse, inside, polygon, segment};

const SIZE: usize = 88;

/// Every pickup's picture under the name of its kind.
pub(super) fn all() -> Vec<(&'static str, Picture)> {
    vec![
        ("repair", badge([0.36, 0.95, 0.52, 1.0], cross)),
        ("shield", badge([0.36, 0.72, 1.0, 1.0], shield)),
        ("rapid", badge([1.0, 0.86, 0.30, 1.0], chevrons)),
        ("spread", badge([1.0, 0.56, 0.24, 1.0], rays)),
        ("seekers", badge([1.0, 0.42, 0.72, 1.0], dart)),
    ]
}

fn badge(colour: Colour, sign: fn(f32, f32) -> f32) -> Picture {
    Picture::draw(SIZE, |x, y| {
        let plate = hexagon(0.74, x, y) - 0.12;
        let glow = inside(plate - 0.02, 0.16) * 0.35;
        let mut result = [colour[0], colour[1], colour[2], glow];
        if plate < 0.02 {
            let deep = mixed([0.03, 0.05, 0.10, 1.0], colour, 0.16 - y * 0.12);
            result = over(alpha(deep, inside(plate, 0.03) * 0.94), result);
        }
        let ring = (plate + 0.05).abs() - 0.035;
        let lit = mixed(colour, [1.0; 4], (0.25 - y * 0.5).clamp(0.0, 0.6));
        result = over(alpha(lit, inside(ring, 0.03)), result);
        let mark = sign(x, y);
        result = over(alpha(colour, inside(mark - 0.04, 0.22) * 0.35), result);
        let result = over(
            alpha(mixed(colour, [1.0; 4], 0.55), inside(mark, 0.03)),
            result,
        );
        if result[3] < 0.01 { CLEAR } else { result }
    })
}

fn hexagon(radius: f32, x: f32, y: f32) -> f32 {
    let corner = |i: u8| {
        let angle = f32::from(i) * FRAC_PI_3 + FRAC_PI_6;
        (angle.cos() * radius, angle.sin() * radius)
    };
    polygon(&std::array::from_fn::<_, 6, _>(|i| corner(i as u8)), x, y)
}

fn cross(x: f32, y: f32) -> f32 {
    let bar = |x: f32, y: f32| (x.abs() - 0.36).max(y.abs() - 0.12);
    bar(x, y).min(bar(y, x)) - 0.03
}

fn shield(x: f32, y: f32) -> f32 {
    let outline = [
        (0.0, -0.44),
        (0.36, -0.30),
        (0.34, 0.06),
        (0.0, 0.46),
        (-0.34, 0.06),
        (-0.36, -0.30),
    ];
    (polygon(&outline, x, y) + 0.06).abs() - 0.06
}

fn chevrons(x: f32, y: f32) -> f32 {
    let one = |offset: f32| {
        let x = x - offset;
        segment((-0.10, -0.32), (0.16, 0.0), x, y).min(segment((0.16, 0.0), (-0.10, 0.32), x, y))
    };
    one(-0.22).min(one(0.0)).min(one(0.22)) - 0.06
}

fn rays(x: f32, y: f32) -> f32 {
    let ray = |end: (f32, f32)| segment((-0.34, 0.0), end, x, y);
    let tips = [(0.34, -0.34), (0.42, 0.0), (0.34, 0.34)];
    tips.iter()
        .map(|tip| ray(*tip))
        .fold(f32::INFINITY, f32::min)
        - 0.06
}

fn dart(x: f32, y: f32) -> f32 {
    let body = segment((-0.24, 0.24), (0.22, -0.22), x, y) - 0.10;
    let along = ((x + y) * 0.5 + 0.0).abs();
    let ring = (ellipse(0.46, 0.46, x, y).abs() - 0.035).max(0.10 - along);
    let fins = segment((-0.40, 0.08), (-0.08, 0.40), x, y) - 0.05;
    body.min(fins).min(ring)
}

fn alpha(colour: Colour, alpha: f32) -> Colour {
    [
        colour[0].min(1.0),
        colour[1].min(1.0),
        colour[2].min(1.0),
        alpha,
    ]
}
