//! Signed distances to shapes (negative inside) and smooth noise, the two brushes of every picture.
//!
//! The distance to a polygon follows Inigo Quilez, "2D distance functions".

/// Distance to a closed polygon.
pub(super) fn polygon(corners: &[(f32, f32)], x: f32, y: f32) -> f32 {
    let mut nearest = f32::INFINITY;
    let mut sign = 1.0;
    for (index, &(ax, ay)) in corners.iter().enumerate() {
        let (bx, by) = corners[(index + 1) % corners.len()];
        nearest = nearest.min(segment((ax, ay), (bx, by), x, y));
        let crosses = (ay > y) != (by > y);
        if crosses && x < (bx - ax) * (y - ay) / (by - ay) + ax {
            sign = -sign;
        }
    }
    sign * nearest
}

/// Distance to a line between two points.
pub(super) fn segment(a: (f32, f32), b: (f32, f32), x: f32, y: f32) -> f32 {
    let (wx, wy) = (b.0 - a.0, b.1 - a.1);
    let (px, py) = (x - a.0, y - a.1);
    let share = ((px * wx + py * wy) / (wx * wx + wy * wy).max(1e-9)).clamp(0.0, 1.0);
    (px - wx * share).hypot(py - wy * share)
}

/// Distance to an ellipse, roughly; exact on its outline.
pub(super) fn ellipse(radius_x: f32, radius_y: f32, x: f32, y: f32) -> f32 {
    ((x / radius_x).hypot(y / radius_y) - 1.0) * radius_x.min(radius_y)
}

/// 1 well inside a shape, 0 well outside, smooth over `width`.
pub(super) fn inside(distance: f32, width: f32) -> f32 {
    smooth(0.5 - distance / width)
}

/// 0 below 0, 1 above 1, smooth between.
pub(super) fn smooth(value: f32) -> f32 {
    let value = value.clamp(0.0, 1.0);
    value * value * (3.0 - 2.0 * value)
}

/// Smooth random values, 0 ..= 1, that repeat after `period` cells: tiles fit together.
pub(super) fn noise(x: f32, y: f32, period: i32, seed: u32) -> f32 {
    let (column, row) = (x.floor(), y.floor());
    let (fx, fy) = (smooth(x - column), smooth(y - row));
    let cell = |dx: i32, dy: i32| {
        let column = (column as i32 + dx).rem_euclid(period) as u32;
        let row = (row as i32 + dy).rem_euclid(period) as u32;
        hash(column, row, seed)
    };
    let upper = cell(0, 0) + (cell(1, 0) - cell(0, 0)) * fx;
    let lower = cell(0, 1) + (cell(1, 1) - cell(0, 1)) * fx;
    upper + (lower - upper) * fy
}

/// Several octaves of [`noise`], each twice as fine and half as strong.
pub(super) fn layered_noise(x: f32, y: f32, period: i32, octaves: u32, seed: u32) -> f32 {
    let (mut sum, mut weight, mut total) = (0.0, 0.5, 0.0);
    for octave in 0..octaves {
        let scale = (1_i32 << octave) as f32;
        sum += noise(x * scale, y * scale, period << octave, seed + octave) * weight;
        total += weight;
        weight *= 0.5;
    }
    sum / total
}

/// A random value of a cell, 0 ..= 1.
pub(super) fn hash(a: u32, b: u32, seed: u32) -> f32 {
    let mut value =
        a.wrapping_mul(0x9e37_79b1) ^ b.wrapping_mul(0x85eb_ca77) ^ seed.wrapping_mul(0xc2b2_ae3d);
    value = (value ^ (value >> 15)).wrapping_mul(0x2c1b_3c6d);
    value = (value ^ (value >> 12)).wrapping_mul(0x297a_2d39);
    (value ^ (value >> 15)) as f32 / u32::MAX as f32
}
