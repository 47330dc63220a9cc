//! How a value that moves evenly is expected to go on.
//!
//! In: the quantised values of a row, tick by tick. Out: the next one, predicted. The decision to question:
//! the predictor keeps a fraction below the quantum, for value and velocity alike. The last two values alone
//! know the velocity no better than a quantum per tick, and that noise is most of what linear prediction
//! leaves to be coded; a line through many values knows it to a few hundredths. While a row goes straight, the
//! gains are those of least squares over the ticks since it began to; when it turns, the fit starts again.
//! Everything is integer arithmetic, so both ends agree to the last bit.

/// The motion of one value: what both ends know of it besides the value itself.
///
/// Two words of the same size, so that a loop over rows handles several in one register.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Motion {
    /// Quanta per tick, in 256ths.
    velocity: i32,
    /// The bytes of [`Fit`], phase lowest.
    fit: u32,
}

/// What a motion knows besides its velocity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fit {
    /// Where inside its quantum the value is thought to be, in 256ths from the middle.
    pub(super) phase: i8,
    /// Values on the line that is being fitted, up to [`FIT_MAX`].
    pub(super) fitted: u8,
    /// How far off predictions were lately: a running mean of residuals, in 8ths of a quantum.
    pub(super) activity: u8,
    /// How much of a sudden change is *not* taken for a change of velocity, in 8ths, times 4; and below that
    /// the direction of the last one: 0 none, 1 up, 2 down.
    ///
    /// A value that jumps to and fro around its place has changes that alternate; one that is steered has not.
    pub(super) damping: u8,
}

/// One quantum in the fractions used here.
const ONE: i32 = 256;
/// A line is fitted through no more values than this, so that a slow bend is followed.
pub(super) const FIT_MAX: u8 = 40;
/// Eighths of a sudden change.
pub(super) const DAMPING_MAX: i32 = 8;
/// A residual beyond so many quanta counts as this one; its product with a gain fits 32 bits.
const RESIDUAL_MAX: i32 = 1 << 14;
/// Up to so many 256ths per tick a value that is not seen to move counts as resting.
const VELOCITY_AT_REST: i32 = 2;
/// The gains of a least-squares line through so many values plus the new one, for value and velocity, the
/// former in the upper half: `2(2n−1) / n(n+1)` and `6 / n(n+1)`, in 256ths. As long as an index of six bits.
const GAINS: [u32; 64] = {
    let mut gains = [(ONE << 16 | ONE).cast_unsigned(); 64];
    let mut fitted = 2;
    while fitted <= FIT_MAX as usize {
        let n = fitted as i32 + 1;
        let value_gain = ONE * 2 * (2 * n - 1) / (n * (n + 1));
        let line_gain = (ONE * 24 / (n * (n + 1)) + 2) / 4;
        gains[fitted] = (value_gain << 16 | line_gain).cast_unsigned();
        fitted += 1;
    }
    gains
};

impl Motion {
    #[inline]
    pub(super) const fn new(velocity: i32, fit: Fit) -> Self {
        let fit = u32::from_le_bytes([
            fit.phase.cast_unsigned(),
            fit.fitted,
            fit.activity,
            fit.damping,
        ]);
        Self { velocity, fit }
    }

    #[inline]
    pub(super) const fn velocity(self) -> i32 {
        self.velocity
    }

    #[inline]
    pub(super) const fn fit(self) -> Fit {
        let [phase, fitted, activity, damping] = self.fit.to_le_bytes();
        Fit {
            phase: phase.cast_signed(),
            fitted,
            activity,
            damping,
        }
    }

    /// The motion after a value went from `before` to `after` within one tick.
    #[inline]
    #[must_use]
    pub fn next(self, before: i32, after: i32, bits: u8) -> Self {
        let expected = before.wrapping_add(self.steps());
        let residual = sign_extend(after.wrapping_sub(expected), bits);
        // Rows that go straight are nearly all quiet and exactly where they were expected, which one branch
        // finds out; the others take the long way.
        if residual == 0 && self.level() == 0 {
            self.confirmed()
        } else {
            self.corrected(residual, reach(bits))
        }
    }

    /// Where in its quantum the value is expected at the next tick, in 256ths, wrapping, plus whole quanta.
    #[inline]
    const fn expected(self) -> i32 {
        (self.fit << 24)
            .cast_signed()
            .wrapping_shr(24)
            .wrapping_add(self.velocity)
    }

    /// The quanta the value is expected to go at the next tick.
    #[inline]
    pub(super) const fn steps(self) -> i32 {
        self.expected().wrapping_add(ONE / 2) >> 8
    }

    /// The motion after a value came as expected: [`corrected`](Self::corrected) by nothing, with all that
    /// cannot happen then left out.
    #[inline]
    fn confirmed(self) -> Self {
        let fit = self.fit();
        let expected = self.expected();
        let rest = expected.wrapping_sub(self.steps() << 8);
        let activity = (u32::from(fit.activity) * 3 / 4) as u8;
        let fitted = (fit.fitted.max(1) + 1).min(FIT_MAX);
        let gains = GAINS[fitted as usize & 63];
        let gain = if fitted <= 2 {
            gain_after(i32::from(fit.damping) >> 2)
        } else {
            (gains & 0xffff).cast_signed()
        };
        let velocity = self.velocity.wrapping_add((ONE / 2 - rest * gain) >> 8);
        let value_gain = (gains >> 16).cast_signed();
        let phase = (((-rest * value_gain) >> 8) + rest) as i8;
        let is_slow = (velocity.wrapping_add(VELOCITY_AT_REST)).cast_unsigned()
            <= 2 * VELOCITY_AT_REST.cast_unsigned();
        if is_slow && (fitted >= 8 || fit.fitted == 0) {
            let damping = if activity == 0 { 0 } else { fit.damping };
            let fit = Fit {
                activity,
                damping,
                ..Fit::default()
            };
            return Self::new(0, fit);
        }
        let fit = Fit {
            phase,
            fitted,
            activity,
            damping: fit.damping,
        };
        Self::new(velocity, fit)
    }

    /// The motion after a value came wherever it came; `reach` is [`reach`] of the column's bits.
    ///
    /// Written without branches and in words of one size: which way a turning row goes is what no branch
    /// predictor knows, and a loop over rows takes several at once.
    #[inline(always)]
    pub(super) fn corrected(self, residual: i32, reach: i32) -> Self {
        let fit = self.fit.cast_signed();
        let fitted_before = fit >> 8 & 0xff;
        let was = fit >> 16 & 0xff;
        let damping_before = fit >> 24 & 0xff;
        let expected = self.expected();
        let rest = expected.wrapping_sub(expected.wrapping_add(ONE / 2) & -ONE);

        let size = residual.max(-i32::MAX).abs();
        let now = size.min(31) * 8;
        let activity = (was * 3 + now + if now > was { 3 } else { 0 }) >> 2;
        let off = (residual.clamp(-RESIDUAL_MAX, RESIDUAL_MAX) << 8) - rest;
        let is_far = (fitted_before >= 8) & (off.abs() > ONE + ONE / 2);
        let is_sudden = (size >= 2) | is_far;

        let direction = if residual < 0 { 2 } else { 1 };
        let last = damping_before & 3;
        let eighths_before = damping_before >> 2;
        let change = if last == direction { -1 } else { 1 };
        let change = if last == 0 { 0 } else { change };
        let eighths = (eighths_before + change).clamp(0, DAMPING_MAX);
        let damping = if is_sudden {
            eighths << 2 | direction
        } else {
            damping_before
        };
        let eighths = damping >> 2;

        let grown = (fitted_before.max(1) + 1).min(i32::from(FIT_MAX));
        let fitted = if is_sudden { 1 } else { grown };
        let gains = GAINS[(fitted & 63) as usize].cast_signed();
        let value_gain = gains >> 16;
        // Two values say nothing yet about what is noise and what is motion.
        let gain = if fitted <= 2 {
            gain_after(eighths)
        } else {
            gains & 0xffff
        };
        // A quarter of the whole range within a tick is no motion but another place.
        let gain = if size >= reach { 0 } else { gain };
        let velocity = self.velocity.wrapping_add((off * gain + ONE / 2) >> 8);
        let phase = (((off * value_gain) >> 8) - off).clamp(-ONE / 2, ONE / 2 - 1);

        // What hardly moves is taken to rest: a fixed point, so that a group at rest need not be sent.
        let is_slow = velocity.wrapping_add(VELOCITY_AT_REST).cast_unsigned()
            <= 2 * VELOCITY_AT_REST.cast_unsigned();
        let is_known = (fitted >= 8) | (fitted_before == 0);
        let rests = (residual == 0) & is_slow & is_known;
        let line = fitted << 8 | phase & 0xff;
        let damping = if rests & (activity == 0) { 0 } else { damping };
        Self {
            velocity: if rests { 0 } else { velocity },
            fit: ((if rests { 0 } else { line }) | activity << 16 | damping << 24).cast_unsigned(),
        }
    }

    /// Where the value is expected some ticks later; wrapping it into the column's bits is the caller's.
    #[inline]
    #[must_use]
    pub fn predict(self, value: i32, ticks: u32) -> i32 {
        let way = i64::from(self.fit().phase) + i64::from(self.velocity) * i64::from(ticks);
        value.wrapping_add(((way + i64::from(ONE / 2)) >> 8) as i32)
    }

    /// How far off the next prediction may well be, in 8 levels: the context its residual is coded in.
    #[inline(always)]
    pub(super) const fn level(self) -> usize {
        // The exponent of a float is the place of the highest bit, and comes out of several at once.
        let activity = self.fit >> 16 & 0xff;
        (((activity | 1) as f32).to_bits() >> 23) as usize - 127
    }
}

impl core::fmt::Debug for Motion {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { velocity, .. } = self;
        write!(f, "Motion({velocity}, {:?})", self.fit())
    }
}

/// A residual of so many quanta is no motion but another place: a quarter of the whole range.
#[inline]
pub(super) const fn reach(bits: u8) -> i32 {
    let bits = if bits < 3 { 3 } else { bits };
    1 << (bits - 2)
}

/// The share of a change that goes into the velocity, in 256ths.
#[inline]
const fn gain_after(eighths: i32) -> i32 {
    (DAMPING_MAX - eighths) * (ONE / DAMPING_MAX)
}

/// The number nearest to zero that equals `value` modulo 2^bits.
#[inline]
#[must_use]
pub(super) const fn sign_extend(value: i32, bits: u8) -> i32 {
    let unused = 32 - bits as u32;
    (value << unused) >> unused
}

#[cfg(test)]
mod tests {
    use super::{DAMPING_MAX, FIT_MAX, Fit, Motion, reach, sign_extend};
    use proptest::prelude::*;

    #[test]
    fn a_straight_line_between_quanta_is_soon_known() {
        let mut motion = Motion::default();
        let at = |tick: i32| (f64::from(tick) * 3.37 + 0.2).round() as i32;
        let mut misses = 0;
        for tick in 0..400 {
            let (before, after) = (at(tick), at(tick + 1));
            misses += i32::from(tick >= 20 && motion.predict(before, 1) != after);
            motion = motion.next(before, after, 16);
        }
        // Two-point prediction misses every second one.
        assert!(misses <= 30, "{misses} of 380");
    }

    #[test]
    fn an_angle_that_wraps_is_no_jump() {
        let mut motion = Motion::default();
        for tick in 0..200 {
            let (before, after) = ((tick * 5) & 255, ((tick + 1) * 5) & 255);
            if tick > 3 {
                assert_eq!(motion.predict(before, 1) & 255, after);
            }
            motion = motion.next(before, after, 8);
        }
    }

    #[test]
    fn what_rests_stays_as_it_is() {
        let mut motion = Motion::default();
        assert_eq!(motion.next(77, 77, 16), motion);
        motion = motion.next(20, 50, 16).next(50, 77, 16);
        for _ in 0..2 * FIT_MAX {
            motion = motion.next(77, 77, 16);
        }
        assert_eq!(motion, Motion::default());
        assert_eq!(motion.predict(77, 1000), 77);
    }

    proptest! {
        #[test]
        fn any_history_keeps_the_motion_in_bounds(
            values in proptest::collection::vec(any::<i32>(), 2..60), bits in 1u8..=32,
        ) {
            let mut motion = Motion::default();
            let wrap = |value: i32| value & crate::schema::mask(bits);
            for pair in values.windows(2) {
                let (before, after) = (wrap(pair[0]), wrap(pair[1]));
                if motion.velocity.unsigned_abs() < 1 << 30 {
                    prop_assert_eq!(motion.predict(before, 1), before.wrapping_add(motion.steps()));
                }
                motion = motion.next(before, after, bits);
                let fit = motion.fit();
                prop_assert!(fit.fitted <= FIT_MAX && i32::from(fit.damping >> 2) <= DAMPING_MAX);
            }
        }

        #[test]
        fn the_short_way_ends_where_the_long_way_does(
            velocity: i32, small in -300i32..300, slow: bool, phase: i8,
            fitted in 0..=FIT_MAX, activity: u8, damping in 0..=DAMPING_MAX as u8, direction in 0u8..3, bits in 1u8..=32,
        ) {
            let velocity = if slow { small } else { velocity };
            let motion = Motion::new(velocity, Fit { phase, fitted, activity, damping: damping << 2 | direction });
            prop_assert_eq!(motion.confirmed(), motion.corrected(0, reach(bits)));
        }

        #[test]
        fn a_level_is_the_place_of_the_highest_bit(activity: u8) {
            let motion = Motion::new(0, Fit { activity, ..Fit::default() });
            prop_assert_eq!(motion.level(), (activity | 1).ilog2() as usize);
        }

        #[test]
        fn signs_extend_from_any_bit(value: i32, bits in 1u8..=32) {
            let extended = sign_extend(value, bits);
            prop_assert_eq!(extended & crate::schema::mask(bits), value & crate::schema::mask(bits));
            prop_assert!(i64::from(extended) >= -(1i64 << (bits - 1)) && i64::from(extended) < 1i64 << (bits - 1));
        }
    }
}
