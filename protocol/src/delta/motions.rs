//! Motions that do not follow from what a receiver holds: those of rows that enter, and all that changed when it
//! skipped ticks. Only those are coded that are not as expected, with the number of others before each.

use super::{
    codec::{Reading, Writing},
    motion::{DAMPING_MAX, FIT_MAX, Fit, Motion},
};
use crate::{
    entropy::{fold, shared, unfold},
    error::DecodeError,
};

/// Notes the motions that are not as expected.
pub(super) fn encode(motions: impl Iterator<Item = (Motion, Motion)>, to: &mut Writing<'_>) {
    let mut quiet = 0;
    for (expected, motion) in motions {
        if motion == expected {
            quiet += 1;
            continue;
        }
        to.number(shared::MOTION_GAP, quiet + 1);
        quiet = 0;
        let difference = motion.velocity().wrapping_sub(expected.velocity());
        to.number(shared::VELOCITY, fold(difference));
        let (expected, fit) = (expected.fit(), motion.fit());
        to.tokens.plain(fit.phase.cast_unsigned().into(), 8);
        to.number(shared::FITTED, u32::from(FIT_MAX - fit.fitted));
        let difference = i32::from(fit.activity) - i32::from(expected.activity);
        to.number(shared::ACTIVITY, fold(difference));
        to.number(shared::DAMPING, fit.damping.into());
    }
    to.number(shared::MOTION_GAP, 0);
}

/// Quiet rows until the next exception.
struct Gap {
    left: u32,
    table: usize,
}

impl Gap {
    fn read(table: usize, from: &mut Reading<'_, '_>) -> Self {
        // "None further" wraps round to more rows than there can be.
        Self {
            left: from.number(table).wrapping_sub(1),
            table,
        }
    }

    /// Whether the next quiet row is an exception.
    #[inline]
    fn is_over(&mut self) -> bool {
        let over = self.left == 0;
        self.left = self.left.wrapping_sub(1);
        over
    }

    fn renew(&mut self, from: &mut Reading<'_, '_>) {
        *self = Self::read(self.table, from);
    }

    /// Whether no exception was promised that did not come.
    fn check_end(&self, rows: usize) -> Result<(), DecodeError> {
        if self.left >= u32::MAX - rows as u32 {
            Ok(())
        } else {
            Err(DecodeError::Invalid("a gap beyond the last row"))
        }
    }
}

/// Reads motions, each expected as given, into the rows named beside them.
pub(super) fn decode(
    motions: impl Iterator<Item = (Motion, usize)>,
    len: usize,
    into: &mut [Motion],
    from: &mut Reading<'_, '_>,
) -> Result<(), DecodeError> {
    let mut gap = Gap::read(shared::MOTION_GAP, from);
    for (expected, row) in motions {
        into[row] = expected;
        if !gap.is_over() {
            continue;
        }
        let difference = unfold(from.number(shared::VELOCITY));
        let velocity = expected.velocity().wrapping_add(difference);
        let expected = expected.fit();
        let phase = (from.plain(8) as u8).cast_signed();
        let fitted = u32::from(FIT_MAX).checked_sub(from.number(shared::FITTED));
        let difference = unfold(from.number(shared::ACTIVITY));
        let activity = i64::from(expected.activity) + i64::from(difference);
        let damping = from.number(shared::DAMPING);
        let sound = damping >> 2 <= DAMPING_MAX.cast_unsigned() && damping & 3 != 3;
        let (Some(fitted), Ok(activity), true) = (fitted, u8::try_from(activity), sound) else {
            return Err(DecodeError::OutOfRange("a motion"));
        };
        let fit = Fit {
            phase,
            fitted: fitted as u8,
            activity,
            damping: damping as u8,
        };
        into[row] = Motion::new(velocity, fit);
        gap.renew(from);
    }
    gap.check_end(len)
}
