//! A game's numbers to integers and back.
//!
//! In: floats and integers as a game has them, wild ones included. Out: integers in `0..=span`, and the same
//! value for the same integer on every machine: all steps are IEEE double arithmetic without fused or
//! reordered operations, which Rust and WASM define to the last bit.

use crate::schema::{ColumnKind, bits_for};
use core::f64::consts::TAU;

/// `min + integer × step`, for a float with a range.
///
/// Values outside are clamped. NaN becomes the value of the range nearest to zero, an infinity the end of the
/// range it points to; all three are counted as [`Notes::non_finite`](super::Notes).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FloatRange {
    min: f64,
    step: f64,
    steps_per_unit: f64,
    span: u32,
}

impl FloatRange {
    /// The values `min`, `min + step`, … up to `max`, or to the last one below it when `step` does not divide the
    /// range.
    ///
    /// # Panics
    /// When the range is empty or not finite, or holds more than 2^32 steps. In a constant, as the derive
    /// uses it, that is a compile error.
    #[must_use]
    pub const fn with_step(min: f64, max: f64, step: f64) -> Self {
        assert!(
            min.is_finite() && max.is_finite() && min < max,
            "range: the low end must be below the high end"
        );
        assert!(step.is_finite() && step > 0.0, "step must be above zero");
        // 0.3 / 0.1 is a little below 3, and 0.3 is a value of that range all the same.
        let span = (max - min) / step + 0.001;
        assert!(
            span < 4_294_967_296.0,
            "range and step: more than 2^32 values"
        );
        assert!(span >= 1.0, "step is larger than the range");
        Self {
            min,
            step,
            steps_per_unit: 1.0 / step,
            span: span as u32,
        }
    }

    /// 2^bits values, evenly from `min` to `max`, both included.
    ///
    /// # Panics
    /// As [`with_step`](Self::with_step), and when `bits` is not 1 to 32.
    #[must_use]
    pub const fn with_bits(min: f64, max: f64, bits: u8) -> Self {
        assert!(bits >= 1 && bits <= 32, "bits must be 1 to 32");
        assert!(
            min.is_finite() && max.is_finite() && min < max,
            "range: the low end must be below the high end"
        );
        let span = u32::MAX >> (32 - bits);
        let step = (max - min) / span as f64;
        Self {
            min,
            step,
            steps_per_unit: 1.0 / step,
            span,
        }
    }

    /// The integer for a value, and whether the value was finite.
    #[inline]
    #[must_use]
    pub fn quantise(&self, value: f64) -> (u32, bool) {
        // Clamped before the cast: a value far outside must not lose its side. NaN fails both comparisons
        // and goes the slow way.
        let scaled = (value - self.min) * self.steps_per_unit + 0.5;
        if scaled >= 0.0 && scaled < f64::from(self.span) + 1.0 {
            return (scaled as u32, true);
        }
        if value.is_nan() {
            return (self.quantise(0.0).0, false);
        }
        (if scaled < 0.0 { 0 } else { self.span }, value.is_finite())
    }

    /// The value of an integer; of the highest one for what is beyond it.
    #[inline]
    #[must_use]
    pub fn restore(&self, integer: u32) -> f64 {
        self.min + f64::from(integer.min(self.span)) * self.step
    }

    /// From its lowest to its highest value.
    #[must_use]
    pub fn width(&self) -> f64 {
        f64::from(self.span) * self.step
    }

    /// How a schema names it.
    #[must_use]
    pub const fn kind(&self) -> ColumnKind {
        ColumnKind::Float {
            min: self.min.to_bits(),
            step: self.step.to_bits(),
            span: self.span,
        }
    }

    /// Bits of its integers.
    #[must_use]
    pub const fn bits(&self) -> u8 {
        bits_for(self.span)
    }
}

/// The integer for an angle in radians, and whether it was finite; NaN and infinities become zero.
#[inline]
#[must_use]
pub fn quantise_angle(radians: f64, bits: u8) -> (u32, bool) {
    if !radians.is_finite() {
        return (0, false);
    }
    let turns = radians * (1.0 / TAU);
    let scaled = turns * f64::from(1u32 << (bits - 1)) * 2.0;
    // Beyond 2^53 there is no fraction left, and the remainder is exact.
    let scaled = if scaled.abs() < 9e15 {
        scaled
    } else {
        scaled % 4_294_967_296.0
    };
    let nearest = (scaled + if scaled < 0.0 { -0.5 } else { 0.5 }) as i64;
    (nearest as u32 & (u32::MAX >> (32 - bits)), true)
}

/// The angle in radians, in `-π..π`, of an integer.
#[inline]
#[must_use]
pub fn restore_angle(integer: u32, bits: u8) -> f64 {
    let signed = (integer << (32 - bits)).cast_signed();
    f64::from(signed) * (TAU / 4_294_967_296.0)
}

/// `min + integer`, for an integer with a range. 64-bit types pass their two's complement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntegerRange {
    min: i64,
    span: u64,
}

impl IntegerRange {
    /// The integers from `min` to `max`, both included.
    ///
    /// # Panics
    /// When the range is empty or wider than 64 bits, or begins above [`i64::MAX`]. In a constant, as the derive
    /// uses it, that is a compile error.
    #[must_use]
    pub const fn new(min: i128, max: i128) -> Self {
        assert!(
            min <= max,
            "range: the low end must not be above the high end"
        );
        assert!(
            min >= i64::MIN as i128 && max <= u64::MAX as i128,
            "range: beyond 64 bits"
        );
        assert!(
            min <= i64::MAX as i128,
            "range: the low end must not be above i64::MAX"
        );
        assert!(max - min <= u64::MAX as i128, "range: wider than 64 bits");
        Self {
            min: min as i64,
            span: (max - min) as u64,
        }
    }

    /// The integer for a value, clamped to the range.
    #[inline]
    #[must_use]
    pub const fn quantise_signed(&self, value: i64) -> u64 {
        let offset = value as i128 - self.min as i128;
        if offset < 0 {
            0
        } else if offset > self.span as i128 {
            self.span
        } else {
            offset as u64
        }
    }

    /// The integer for an unsigned value, clamped to the range.
    #[inline]
    #[must_use]
    pub const fn quantise_unsigned(&self, value: u64) -> u64 {
        if self.min > 0 && value < self.min.cast_unsigned() {
            return 0;
        }
        let offset = value as i128 - self.min as i128;
        if offset > self.span as i128 {
            self.span
        } else {
            offset as u64
        }
    }

    /// The value of an integer as two's complement; of the highest one for what is beyond it.
    #[inline]
    #[must_use]
    pub const fn restore(&self, integer: u64) -> i64 {
        let integer = if integer > self.span {
            self.span
        } else {
            integer
        };
        self.min.wrapping_add(integer.cast_signed())
    }

    /// Whether it takes two columns.
    #[inline]
    #[must_use]
    pub const fn is_wide(&self) -> bool {
        self.span > u32::MAX as u64
    }

    /// How a schema names it.
    #[must_use]
    pub const fn kind(&self) -> ColumnKind {
        ColumnKind::Integer {
            min: self.min,
            span: self.span,
        }
    }

    /// Bits of the integers in its first column.
    #[must_use]
    pub const fn bits(&self) -> u8 {
        if self.is_wide() {
            32
        } else {
            bits_for(self.span as u32)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FloatRange, IntegerRange, quantise_angle, restore_angle};
    use core::f64::consts::{PI, TAU};
    use proptest::prelude::*;

    const POSITION: FloatRange = FloatRange::with_step(-100.0, 4000.0, 0.0625);

    proptest! {
        #[test]
        fn a_float_comes_back_within_half_a_step(value in -100.0f64..4000.0) {
            let (integer, finite) = POSITION.quantise(value);
            prop_assert!(finite);
            let restored = POSITION.restore(integer);
            prop_assert!((restored - value).abs() <= 0.03125 + 1e-9);
            prop_assert_eq!(POSITION.quantise(restored).0, integer);
        }

        #[test]
        fn any_float_ends_inside_the_range(bits: u64) {
            let value = f64::from_bits(bits);
            let (integer, finite) = POSITION.quantise(value);
            prop_assert_eq!(finite, value.is_finite());
            prop_assert!((-100.0..=4000.0).contains(&POSITION.restore(integer)));
        }

        #[test]
        fn any_angle_comes_back_within_half_a_step(radians in -1000.0f64..1000.0, bits in 1u8..=20) {
            let (integer, _) = quantise_angle(radians, bits);
            let restored = restore_angle(integer, bits);
            prop_assert!((-PI..=PI).contains(&restored));
            let apart = (restored - radians).rem_euclid(TAU);
            let apart = apart.min(TAU - apart);
            prop_assert!(apart <= PI / f64::from(1u32 << bits) + 1e-6, "{apart}");
        }

        #[test]
        fn an_integer_is_clamped_to_its_range(value: i64, low: i32, width: u32) {
            let (low, high) = (i64::from(low), i64::from(low) + i64::from(width));
            let range = IntegerRange::new(low.into(), high.into());
            prop_assert_eq!(range.restore(range.quantise_signed(value)), value.clamp(low, high));
        }

        #[test]
        fn the_widest_integers_come_back(signed: i64, unsigned: u64) {
            let all = IntegerRange::new(i64::MIN.into(), i64::MAX.into());
            prop_assert_eq!(all.restore(all.quantise_signed(signed)), signed);
            let all = IntegerRange::new(0, u64::MAX.into());
            prop_assert_eq!(all.restore(all.quantise_unsigned(unsigned)).cast_unsigned(), unsigned);
        }
    }

    #[test]
    #[should_panic(expected = "above i64::MAX")]
    fn a_range_that_begins_beyond_63_bits_is_refused() {
        let _ = IntegerRange::new(1 << 63, u64::MAX.into());
    }

    #[test]
    fn no_value_lies_beyond_the_range_whatever_the_step() {
        let highest = |range: FloatRange| range.restore(range.quantise(f64::INFINITY).0);
        assert_eq!(highest(FloatRange::with_step(0.0, 1.0, 0.4)), 0.8);
        assert_eq!(highest(FloatRange::with_step(-1.0, 1.0, 0.75)), 0.5);
        assert_eq!(highest(FloatRange::with_step(0.0, 0.3, 0.1)), 3.0 * 0.1);
        assert_eq!(highest(FloatRange::with_step(0.0, 1000.0, 0.1)), 1000.0);
        let narrow = FloatRange::with_step(0.0, 0.3f32.into(), 0.1f32.into());
        assert_eq!(narrow.bits(), 2);
    }

    #[test]
    fn wild_floats_have_documented_places() {
        assert_eq!(POSITION.restore(POSITION.quantise(f64::NAN).0), 0.0);
        assert_eq!(POSITION.restore(POSITION.quantise(f64::INFINITY).0), 4000.0);
        assert_eq!(
            POSITION.restore(POSITION.quantise(f64::NEG_INFINITY).0),
            -100.0
        );
        let above = FloatRange::with_bits(5.0, 9.0, 8);
        assert_eq!(above.restore(above.quantise(f64::NAN).0), 5.0);
        assert_eq!(quantise_angle(f64::NAN, 8), (0, false));
    }
}
