//! The loops over all rows of a column: predictions, levels, motions. No branches, no table but one, all words of
//! 32 bits, so that a compiler takes several rows at once.
//!
//! In: columns of the baseline. Out: residuals or values, of as many rows. The decision to question: each loop
//! is compiled twice, and a call asks which the processor can run. The registers that every x86-64 has hold four
//! rows and lack most of what the loops need; AVX2, in every server since 2015, takes eight, and halves the time
//! of a decoded row. The compiler cannot know that the question was asked, hence the only unsafe lines here.

use super::motion::{Motion, sign_extend};

/// A loop as a function, and the choice between what it was compiled to.
macro_rules! loops {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block)*) => {
        $(
            $(#[$doc])*
            pub(super) fn $name($($argument: $type),*) {
                #[inline(always)]
                fn any($($argument: $type),*) $body

                #[cfg(target_arch = "x86_64")]
                {
                    #[target_feature(enable = "avx2")]
                    fn avx2($($argument: $type),*) {
                        any($($argument),*);
                    }

                    if std::arch::is_x86_feature_detected!("avx2") {
                        #[expect(unsafe_code, reason = "the only call that needs it was just allowed")]
                        // SAFETY: the processor has the one feature that the function needs.
                        return unsafe { avx2($($argument),*) };
                    }
                }
                any($($argument),*);
            }
        )*
    };
}

loops! {
    /// How far each row is from where its motion expects it one tick later, and its level before.
    fn residuals(
        values: &[i32],
        motions: &[Motion],
        now: &[i32],
        bits: u8,
        residuals: &mut [i32],
        levels: &mut [u32],
    ) {
        let before = values.iter().zip(motions).zip(now);
        for ((residual, level), ((&value, motion), &now)) in residuals.iter_mut().zip(levels).zip(before) {
            let expected = value.wrapping_add(motion.steps());
            *residual = sign_extend(now.wrapping_sub(expected), bits);
            *level = motion.level() as u32;
        }
    }

    /// How far each row is from what it was.
    fn differences(values: &[i32], now: &[i32], bits: u8, residuals: &mut [i32]) {
        for (residual, (&value, &now)) in residuals.iter_mut().zip(values.iter().zip(now)) {
            *residual = sign_extend(now.wrapping_sub(value), bits);
        }
    }

    /// The level of each row.
    fn levels(motions: &[Motion], levels: &mut [u32]) {
        for (level, motion) in levels.iter_mut().zip(motions) {
            *level = motion.level() as u32;
        }
    }

    /// Where each row is one tick later, and its motion then. `mask` has the column's bits, `reach` is
    /// [`reach`](super::motion::reach) of them.
    fn follow(
        values: &[i32],
        motions: &[Motion],
        residuals: &[i32],
        mask: i32,
        reach: i32,
        now: &mut [i32],
        motions_now: &mut [Motion],
    ) {
        let before = values.iter().zip(motions).zip(residuals);
        for ((now, motion_now), ((&value, &motion), &residual)) in now.iter_mut().zip(motions_now).zip(before) {
            *now = value.wrapping_add(motion.steps()).wrapping_add(residual) & mask;
            *motion_now = motion.corrected(residual, reach);
        }
    }

    /// The motion of each row after its value went from `values` to `now`.
    fn next(
        values: &[i32],
        motions: &[Motion],
        now: &[i32],
        bits: u8,
        reach: i32,
        motions_now: &mut [Motion],
    ) {
        let before = values.iter().zip(motions).zip(now);
        for (motion_now, ((&value, &motion), &now)) in motions_now.iter_mut().zip(before) {
            let expected = value.wrapping_add(motion.steps());
            let residual = sign_extend(now.wrapping_sub(expected), bits);
            *motion_now = motion.corrected(residual, reach);
        }
    }
}
