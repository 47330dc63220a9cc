//! Rocks: a lumpy ball with craters, lit from the upper left with a cold light from behind.
//!
//! The outline stays close to the circle that the rules collide with: what looks like a gap is one.

use std::f32::consts::TAU;

use super::raster::{CLEAR, Colour, Picture, mixed};
use super::shapes::{hash, inside, layered_noise, noise, smooth};

/// Pictures of rocks.
pub(super) const LOOKS: u32 = 4;

const SIZE: usize = 224;
const CRATERS: u32 = 11;
/// Levels per channel: the files shrink by half and nobody sees it on a rock.
const LEVELS: f32 = 40.0;

/// Dark and bright tone of each look.
const TONES: [[Colour; 2]; LOOKS as usize] = [
    [[0.10, 0.09, 0.12, 1.0], [0.66, 0.58, 0.54, 1.0]],
    [[0.07, 0.09, 0.15, 1.0], [0.50, 0.58, 0.70, 1.0]],
    [[0.13, 0.07, 0.07, 1.0], [0.70, 0.50, 0.40, 1.0]],
    [[0.08, 0.10, 0.10, 1.0], [0.54, 0.60, 0.52, 1.0]],
];
const BACKLIGHT: Colour = [0.30, 0.55, 0.95, 1.0];

/// How far the outline lies from the centre in a direction.
fn outline(angle: f32, look: u32) -> f32 {
    let around = angle / TAU * 8.0;
    let lumps = noise(around, 0.5, 8, 40 + look) * 0.07;
    0.905 + lumps + noise(around * 3.0, 2.5, 24, 60 + look) * 0.02
}

fn height(x: f32, y: f32, look: u32) -> f32 {
    let distance = x.hypot(y) / outline(y.atan2(x).rem_euclid(TAU), look);
    let ball = (1.0 - distance * distance).max(0.0).sqrt();
    let rough = layered_noise((x + 1.0) * 3.0, (y + 1.0) * 3.0, 64, 4, look * 17);
    ball * 0.85 + (rough - 0.5) * 0.26 + craters(x, y, look)
}

fn craters(x: f32, y: f32, look: u32) -> f32 {
    let mut depth = 0.0;
    for crater in 0..CRATERS {
        let random = |what: u32| hash(crater, what, 90 + look);
        let (angle, far) = (random(0) * TAU, random(1).sqrt() * 0.75);
        let radius = 0.06 + random(2).powi(2) * 0.20;
        let distance = (x - angle.cos() * far).hypot(y - angle.sin() * far) / radius;
        let bowl = -smooth(1.0 - distance) * 0.30;
        let rim = smooth(1.0 - (distance - 1.0).abs() * 3.0) * 0.09;
        depth += (bowl + rim) * radius * 3.0;
    }
    depth
}

/// One look of a rock.
pub(super) fn rock(look: u32) -> Picture {
    const STEP: f32 = 0.012;
    let [dark, bright] = TONES[look as usize];
    let picture = Picture::draw(SIZE, |x, y| {
        let edge = x.hypot(y) - outline(y.atan2(x).rem_euclid(TAU), look);
        if edge > 0.0 {
            return CLEAR;
        }
        let slope_x = (height(x + STEP, y, look) - height(x - STEP, y, look)) / (2.0 * STEP);
        let slope_y = (height(x, y + STEP, look) - height(x, y - STEP, look)) / (2.0 * STEP);
        let length = (slope_x * slope_x + slope_y * slope_y + 1.0).sqrt();
        let (normal_x, normal_y, normal_z) = (-slope_x / length, -slope_y / length, 1.0 / length);
        let light = normal_x * -0.55 + normal_y * -0.60 + normal_z * 0.58;
        let grain = layered_noise((x + 2.0) * 9.0, (y + 2.0) * 9.0, 64, 2, 200 + look);
        let colour = mixed(
            dark,
            bright,
            0.06 + light.max(0.0) * 0.92 + (grain - 0.5) * 0.16,
        );
        let behind = (normal_x * 0.62 + normal_y * 0.62 - 0.30).max(0.0);
        let colour = mixed(colour, BACKLIGHT, behind * 0.55);
        mixed(
            colour,
            [0.02, 0.02, 0.04, 1.0],
            inside(edge.abs() - 0.008, 0.03) * 0.6,
        )
    });
    picture.with_levels(LEVELS)
}
