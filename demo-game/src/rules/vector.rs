//! Plane vectors and angles, as few as the game needs.
//!
//! Own code rather than a mathematics crate: it is one screen, and both ends must round alike.

use std::f32::consts::{PI, TAU};
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

/// A point or a direction in arena units; y grows downwards, as on a canvas.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Vec2 {
    /// To the right.
    pub x: f32,
    /// Downwards.
    pub y: f32,
}

impl Vec2 {
    /// The origin, and the direction of nothing.
    pub const ZERO: Self = Self { x: 0.0, y: 0.0 };

    /// Makes a vector of its two parts.
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    /// The unit vector of a heading: 0 looks right, a quarter turn looks down.
    pub fn from_angle(radians: f32) -> Self {
        Self::new(radians.cos(), radians.sin())
    }

    /// The heading of this direction, in −π ..= π; 0 for the zero vector.
    pub fn angle(self) -> f32 {
        self.y.atan2(self.x)
    }

    /// The inner product.
    pub fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y
    }

    /// The length, squared: cheaper where only an order is wanted.
    pub fn length_squared(self) -> f32 {
        self.dot(self)
    }

    /// The length.
    pub fn length(self) -> f32 {
        self.length_squared().sqrt()
    }

    /// How far apart two points are.
    pub fn distance(self, other: Self) -> f32 {
        (self - other).length()
    }

    /// The same direction at length 1, or zero when there is no direction.
    pub fn normalised(self) -> Self {
        let length = self.length();
        if length > f32::EPSILON {
            self * (1.0 / length)
        } else {
            Self::ZERO
        }
    }

    /// The same direction, no longer than `length_max`.
    pub fn clamped(self, length_max: f32) -> Self {
        let length = self.length();
        if length > length_max {
            self * (length_max / length)
        } else {
            self
        }
    }

    /// A quarter turn clockwise on the screen.
    pub fn perpendicular(self) -> Self {
        Self::new(-self.y, self.x)
    }

    /// The point a share of the way to another.
    pub fn lerp(self, other: Self, share: f32) -> Self {
        self + (other - self) * share
    }
}

impl Add for Vec2 {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(self.x + other.x, self.y + other.y)
    }
}

impl AddAssign for Vec2 {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Vec2 {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::new(self.x - other.x, self.y - other.y)
    }
}

impl SubAssign for Vec2 {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Mul<f32> for Vec2 {
    type Output = Self;
    fn mul(self, scale: f32) -> Self {
        Self::new(self.x * scale, self.y * scale)
    }
}

impl Neg for Vec2 {
    type Output = Self;
    fn neg(self) -> Self {
        Self::new(-self.x, -self.y)
    }
}

/// The same heading in 0 .. 2π.
pub fn wrapped(radians: f32) -> f32 {
    let angle = radians.rem_euclid(TAU);
    if angle < TAU { angle } else { 0.0 }
}

/// The shorter way round from one heading to another, in −π ..= π.
pub fn turn_between(from: f32, to: f32) -> f32 {
    let turn = wrapped(to - from);
    if turn > PI { turn - TAU } else { turn }
}

/// How far along the way from `from` to `to` a moving point first comes within `radius` of `centre`, as
/// a share 0 ..= 1; nothing when it never does.
///
/// Fast shots cross more than their target's width in one tick, so testing the end point alone would let
/// them fly through.
pub fn sweep_hits_circle(from: Vec2, to: Vec2, centre: Vec2, radius: f32) -> Option<f32> {
    let way = to - from;
    let offset = from - centre;
    let beyond = offset.length_squared() - radius * radius;
    if beyond <= 0.0 {
        return Some(0.0);
    }
    let a = way.length_squared();
    let b = offset.dot(way);
    let discriminant = b * b - a * beyond;
    if a <= f32::EPSILON || b >= 0.0 || discriminant < 0.0 {
        return None;
    }
    let share = (-b - discriminant.sqrt()) / a;
    (share <= 1.0).then_some(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_way_round_crosses_zero() {
        assert!((turn_between(0.1, TAU - 0.1) + 0.2).abs() < 1e-5);
        assert!((turn_between(TAU - 0.1, 0.1) - 0.2).abs() < 1e-5);
    }

    #[test]
    fn a_fast_shot_does_not_pass_through_a_thin_target() {
        let hit = sweep_hits_circle(Vec2::ZERO, Vec2::new(100.0, 0.0), Vec2::new(50.0, 3.0), 5.0);
        assert!((hit.expect("it crosses the circle") - 0.46).abs() < 1e-3);
    }

    #[test]
    fn a_shot_that_stops_short_or_flies_away_misses() {
        let target = Vec2::new(50.0, 0.0);
        assert_eq!(
            sweep_hits_circle(Vec2::ZERO, Vec2::new(40.0, 0.0), target, 5.0),
            None
        );
        assert_eq!(
            sweep_hits_circle(Vec2::ZERO, Vec2::new(-40.0, 0.0), target, 5.0),
            None
        );
    }
}
