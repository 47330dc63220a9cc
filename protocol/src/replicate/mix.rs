//! Values between two states, for drawing.
//!
//! In: a value of the earlier and of the later state, and how much of the way has passed. Out: the value
//! to draw, at the full precision of a float: quantised steps are for the wire, and on a screen they would
//! be seen.

use core::f64::consts::{PI, TAU};

/// A value that crosses more than this part of its range from one state to the next has jumped (a
/// respawn, a teleport): drawn halfway it would be where nothing ever was.
const JUMP_PART_OF_RANGE: f64 = 0.125;

/// `fraction` of the way from `from` to `to`; `from` itself when that way is a jump in a range of this
/// `width`.
#[inline]
#[must_use]
pub fn mix_floats(from: f64, to: f64, fraction: f32, width: f64) -> f64 {
    let way = to - from;
    if way.abs() <= width * JUMP_PART_OF_RANGE {
        from + way * f64::from(fraction)
    } else {
        from
    }
}

/// `fraction` of the shorter way round from one angle to another, in radians, in `-π..=π`.
#[inline]
#[must_use]
pub fn mix_angles(from: f64, to: f64, fraction: f32) -> f64 {
    let way = to - from;
    let way = way - TAU * (way / TAU).round();
    let angle = from + way * f64::from(fraction);
    if angle > PI {
        angle - TAU
    } else if angle < -PI {
        angle + TAU
    } else {
        angle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_mixed_and_jumps_are_not() {
        assert_eq!(mix_floats(10.0, 20.0, 0.25, 100.0), 12.5);
        assert_eq!(mix_floats(10.0, 90.0, 0.25, 100.0), 10.0);
        assert_eq!(mix_floats(1.0, f64::NAN, 0.5, f64::INFINITY), 1.0);
    }

    #[test]
    fn angles_take_the_shorter_way() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-6;
        assert!(close(mix_angles(3.0, -3.0, 0.0), 3.0));
        assert!(close(mix_angles(3.0, -3.0, 1.0), -3.0));
        assert!(close(mix_angles(3.0, -3.0, 0.5).abs(), PI));
        assert!(close(mix_angles(-0.2, 0.2, 0.75), 0.1));
    }
}
