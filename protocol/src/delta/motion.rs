//! How a value that moves evenly is expected to go on.
//!
//! In: the quantised values of a row, tick by tick. Out: the next one, predicted. The decision to question:
//! the predictor keeps a fraction below the quantum, for value and velocity alike. The last two values alone
//! know the velocity no better than a quantum per tick, and that noise is most of what linear prediction
//! leaves to be coded; a line through many values knows it to a few hundredths. While a row goes straight, the
//! gains are those of least squares over the ticks since it began to; when it turns, the fit starts again.
//! Everything is integer arithmetic, so both ends agree to the last bit.

/// The motion of one value: what both ends know of it besides the value itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Motion {
    /// Quanta per tick, in 256ths.
    pub(super) velocity: i32,
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
pub(super) const DAMPING_MAX: u8 = 8;
/// A residual beyond so many quanta counts as this one; its product with a gain fits 32 bits.
const RESIDUAL_MAX: i32 = 1 << 14;
/// Up to so many 256ths per tick a value that is not seen to move counts as resting.
const VELOCITY_AT_REST: u32 = 2;
/// Beyond so many 256ths per tick a value counts as this fast.
pub(super) const VELOCITY_MAX: i32 = 1 << 30;

/// The gains of a least-squares line through so many values plus the new one, for value and velocity:
/// `2(2n−1) / n(n+1)` and `6 / n(n+1)`, in 256ths.
const GAINS: [(i32, i32); FIT_MAX as usize + 1] = {
    let mut gains = [(ONE, ONE); FIT_MAX as usize + 1];
    let mut fitted = 2;
    while fitted < gains.len() {
        let n = fitted as i32 + 1;
        gains[fitted] = (
            ONE * 2 * (2 * n - 1) / (n * (n + 1)),
            (ONE * 24 / (n * (n + 1)) + 2) / 4,
        );
        fitted += 1;
    }
    gains
};

/// The damping after a sudden change, by the damping before and whether the change was downwards: more when
/// it went against the last one, less when it went the same way.
const DAMPING_AFTER: [u8; 128] = {
    let mut after = [0; 128];
    let mut place = 0;
    while place < after.len() {
        let (before, direction) = ((place >> 1) as u8, (place & 1) as u8 + 1);
        let eighths = match before & 3 {
            0 => before >> 2,
            last if last == direction => (before >> 2).saturating_sub(1),
            _ => (before >> 2) + 1,
        };
        let eighths = if eighths > DAMPING_MAX {
            DAMPING_MAX
        } else {
            eighths
        };
        after[place] = eighths << 2 | direction;
        place += 1;
    }
    after
};

impl Motion {
    /// The motion after a value went from `before` to `after` within one tick.
    #[inline]
    #[must_use]
    pub fn next(self, before: i32, after: i32, bits: u8) -> Self {
        let (steps, rest) = self.expect();
        let residual = sign_extend(after.wrapping_sub(before).wrapping_sub(steps), bits);
        self.corrected(rest, residual, bits)
    }

    /// The quanta the value is expected to go at the next tick, and where in its quantum it should be then.
    #[inline]
    pub(super) fn expect(self) -> (i32, i32) {
        let expected = i32::from(self.phase) + self.velocity;
        let steps = (expected + ONE / 2) >> 8;
        (steps, expected - (steps << 8))
    }

    /// The motion after a residual; `rest` is where in its quantum the value was expected.
    ///
    /// Rows that go straight are nearly all quiet and exactly where they were expected, which one branch finds
    /// out; the others take the long way.
    #[inline]
    fn corrected(self, rest: i32, residual: i32, bits: u8) -> Self {
        if residual == 0 && self.level() == 0 {
            self.confirmed(rest)
        } else {
            self.deflected(rest, residual, bits)
        }
    }

    /// The motion after a value came as expected: [`deflected`](Self::deflected) by nothing, with all that
    /// cannot happen then left out.
    #[inline]
    pub(super) fn confirmed(self, rest: i32) -> Self {
        let activity = (u32::from(self.activity) * 3 / 4) as u8;
        let fitted = (self.fitted.max(1) + 1).min(FIT_MAX);
        let (value_gain, line_gain) = GAINS[fitted as usize];
        let gain = if fitted <= 2 {
            gain_after(self.damping)
        } else {
            line_gain
        };
        let velocity = self.velocity + ((ONE / 2 - rest * gain) >> 8);
        let velocity = velocity.clamp(-VELOCITY_MAX, VELOCITY_MAX);
        let phase = (((-rest * value_gain) >> 8) + rest) as i8;
        if velocity.unsigned_abs() <= VELOCITY_AT_REST && (fitted >= 8 || self.fitted == 0) {
            let damping = if activity == 0 { 0 } else { self.damping };
            return Self {
                activity,
                damping,
                ..Self::default()
            };
        }
        Self {
            velocity,
            phase,
            fitted,
            activity,
            damping: self.damping,
        }
    }

    /// The motion after a value came wherever it came.
    ///
    /// Written without branches: which way a turning row goes is what no branch predictor knows.
    #[inline]
    pub(super) fn deflected(self, rest: i32, residual: i32, bits: u8) -> Self {
        let size = residual.unsigned_abs();
        let activity = {
            let now = size.min(31) * 8;
            let was = u32::from(self.activity);
            (was * 3 + now + if now > was { 3 } else { 0 }) / 4
        };
        let off = (residual.clamp(-RESIDUAL_MAX, RESIDUAL_MAX) << 8) - rest;
        let sudden =
            (size >= 2) | ((self.fitted >= 8) & (off.unsigned_abs() > (ONE + ONE / 2) as u32));
        let turned = DAMPING_AFTER[(self.damping as usize & 63) << 1 | usize::from(residual < 0)];
        let damping = if sudden { turned } else { self.damping };
        let fitted = if sudden {
            1
        } else {
            (self.fitted.max(1) + 1).min(FIT_MAX)
        };
        let (value_gain, line_gain) = GAINS[fitted as usize];
        // Two values say nothing yet about what is noise and what is motion.
        let gain = if fitted <= 2 {
            gain_after(damping)
        } else {
            line_gain
        };
        // A quarter of the whole range within a tick is no motion but another place.
        let elsewhere = size >> (bits.max(3) - 2) != 0;
        let gain = if elsewhere { 0 } else { gain };
        let velocity = self.velocity + ((off * gain + ONE / 2) >> 8);
        let velocity = velocity.clamp(-VELOCITY_MAX, VELOCITY_MAX);
        let phase = (((off * value_gain) >> 8) - off).clamp(-ONE / 2, ONE / 2 - 1) as i8;
        // What hardly moves is taken to rest: a fixed point, so that a group at rest need not be sent.
        let rests = (residual == 0)
            & (velocity.unsigned_abs() <= VELOCITY_AT_REST)
            & ((fitted >= 8) | (self.fitted == 0));
        Self {
            velocity: if rests { 0 } else { velocity },
            phase: if rests { 0 } else { phase },
            fitted: if rests { 0 } else { fitted },
            activity: activity as u8,
            damping: if rests & (activity == 0) { 0 } else { damping },
        }
    }

    /// Where the value is expected some ticks later; wrapping it into the column's bits is the caller's.
    #[inline]
    #[must_use]
    pub fn predict(self, value: i32, ticks: u32) -> i32 {
        let way = i64::from(self.phase) + i64::from(self.velocity) * i64::from(ticks);
        value.wrapping_add(((way + i64::from(ONE / 2)) >> 8) as i32)
    }

    /// How far off the next prediction may well be, in 8 levels: the context its residual is coded in.
    #[inline]
    pub(super) const fn level(self) -> usize {
        7 - (self.activity | 1).leading_zeros() as usize
    }
}

/// The share of a change that goes into the velocity, in 256ths.
#[inline]
const fn gain_after(damping: u8) -> i32 {
    (DAMPING_MAX - ((damping >> 2) & 15)) as i32 * (ONE / DAMPING_MAX as i32)
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
    use super::{DAMPING_MAX, FIT_MAX, Motion, VELOCITY_MAX, sign_extend};
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
                prop_assert_eq!(motion.predict(before, 1), before.wrapping_add(motion.expect().0));
                motion = motion.next(before, after, bits);
                prop_assert!(motion.fitted <= FIT_MAX && motion.damping >> 2 <= DAMPING_MAX);
            }
        }

        #[test]
        fn the_short_way_ends_where_the_long_way_does(
            velocity in -VELOCITY_MAX..=VELOCITY_MAX, small in -300i32..300, slow: bool, rest in -128i32..128,
            fitted in 0..=FIT_MAX, activity: u8, damping in 0..=DAMPING_MAX, direction in 0u8..3, bits in 1u8..=32,
        ) {
            let velocity = if slow { small } else { velocity };
            let motion = Motion { velocity, phase: 0, fitted, activity, damping: damping << 2 | direction };
            prop_assert_eq!(motion.confirmed(rest), motion.deflected(rest, 0, bits));
        }

        #[test]
        fn signs_extend_from_any_bit(value: i32, bits in 1u8..=32) {
            let extended = sign_extend(value, bits);
            prop_assert_eq!(extended & crate::schema::mask(bits), value & crate::schema::mask(bits));
            prop_assert!(i64::from(extended) >= -(1i64 << (bits - 1)) && i64::from(extended) < 1i64 << (bits - 1));
        }
    }
}
