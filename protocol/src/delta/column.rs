//! One column: residuals of the rows that stay, values of those that enter, motion where it does not follow.
//!
//! Rows whose predictions held lately are quiet: between them only exceptions are coded, with the number of
//! quiet rows before each, so that rest costs nothing. The others have a residual each, in the context of how
//! far off they were.

use super::{
    codec::{Reading, Writing},
    motion::{DAMPING_MAX, FIT_MAX, Motion, VELOCITY_MAX, sign_extend},
    rows::Rows,
    state::Column,
};
use crate::{
    entropy::{context, fold, shared, table_of, unfold},
    error::DecodeError,
    schema::{Predict, mask},
};

/// Notes a column. `before` is `None` when no row stays.
pub(super) fn encode(
    before: Option<(&Column, u32)>,
    after: &Column,
    rows: &Rows,
    to: &mut Writing<'_>,
) {
    if let Some((before, ticks)) = before.filter(|_| !rows.after.is_empty()) {
        encode_stayed(before, after, rows, ticks, to);
        if after.predict == Predict::Linear && ticks > 1 {
            let pairs = rows.before.iter().zip(&rows.after);
            let motions =
                pairs.map(|(&old, &new)| (before.motion[old as usize], after.motion[new as usize]));
            encode_motions(motions, to);
        }
    }
    let mut above = 0;
    for &row in &rows.entered {
        let value = after.values[row as usize];
        let difference = sign_extend(value.wrapping_sub(above), after.bits);
        to.number(table_of(after.place, context::ENTER), fold(difference));
        above = value;
    }
    if after.predict == Predict::Linear && !rows.entered.is_empty() {
        let entered = rows.entered.iter();
        encode_motions(
            entered.map(|&row| (Motion::default(), after.motion[row as usize])),
            to,
        );
    }
}

/// Notes what the rows that stay are off their predictions.
fn encode_stayed(before: &Column, after: &Column, rows: &Rows, ticks: u32, to: &mut Writing<'_>) {
    let bits = after.bits;
    let pairs = || {
        rows.before
            .iter()
            .zip(&rows.after)
            .map(|(&old, &new)| (old as usize, new as usize))
    };
    match (after.predict, rows.are_same()) {
        (Predict::Linear, true) if ticks == 1 => {
            let before = before.values.iter().zip(&before.motion);
            let residuals = before.zip(&after.values).map(|((&value, motion), &after)| {
                let expected = value.wrapping_add(motion.expect().0);
                (
                    sign_extend(after.wrapping_sub(expected), bits),
                    motion.level(),
                )
            });
            encode_residuals(residuals, after, ticks, to);
        }
        (Predict::Linear, _) => {
            let residuals = pairs().map(|(old, new)| {
                let motion = before.motion[old];
                let expected = motion.predict(before.values[old], ticks);
                let level = if ticks == 1 { motion.level() } else { 0 };
                (
                    sign_extend(after.values[new].wrapping_sub(expected), bits),
                    level,
                )
            });
            encode_residuals(residuals, after, ticks, to);
        }
        (Predict::Hold, true) if before.values == after.values => {
            let gap = if ticks == 1 {
                context::GAP
            } else {
                context::STALE_GAP
            };
            to.number(table_of(after.place, gap), 0);
        }
        (Predict::Hold, true) => {
            let values = before.values.iter().zip(&after.values);
            let residuals =
                values.map(|(before, after)| (sign_extend(after.wrapping_sub(*before), bits), 0));
            encode_residuals(residuals, after, ticks, to);
        }
        (Predict::Hold, false) => {
            let residuals = pairs().map(|(old, new)| {
                (
                    sign_extend(after.values[new].wrapping_sub(before.values[old]), bits),
                    0,
                )
            });
            encode_residuals(residuals, after, ticks, to);
        }
    }
}

/// Notes residuals, each with its level.
#[inline]
fn encode_residuals(
    residuals: impl Iterator<Item = (i32, usize)>,
    column: &Column,
    ticks: u32,
    to: &mut Writing<'_>,
) {
    let (gaps, exceptions) = if ticks == 1 {
        (
            table_of(column.place, context::GAP),
            table_of(column.place, context::LEVEL),
        )
    } else {
        (
            table_of(column.place, context::STALE_GAP),
            table_of(column.place, context::STALE),
        )
    };
    // The decoder needs a gap before the rows it spans, so its place is kept until it is known.
    let mut place = to.tokens.reserve();
    let mut quiet = 0;
    for (residual, level) in residuals {
        if level > 0 {
            to.number(exceptions + level, fold(residual));
        } else if residual == 0 {
            quiet += 1;
        } else {
            to.fill(&place, gaps, quiet + 1);
            to.number(exceptions, fold(residual));
            place = to.tokens.reserve();
            quiet = 0;
        }
    }
    to.fill(&place, gaps, 0);
}

/// Notes the motions that are not as expected.
fn encode_motions(motions: impl Iterator<Item = (Motion, Motion)>, to: &mut Writing<'_>) {
    let mut place = to.tokens.reserve();
    let mut quiet = 0;
    for (expected, motion) in motions {
        if motion == expected {
            quiet += 1;
            continue;
        }
        to.fill(&place, shared::MOTION_GAP, quiet + 1);
        to.number(
            shared::VELOCITY,
            fold(motion.velocity.wrapping_sub(expected.velocity)),
        );
        to.tokens.plain(u32::from(motion.phase.cast_unsigned()), 8);
        to.number(shared::FITTED, u32::from(FIT_MAX - motion.fitted));
        to.number(
            shared::ACTIVITY,
            fold(i32::from(motion.activity) - i32::from(expected.activity)),
        );
        to.number(shared::DAMPING, motion.damping.into());
        place = to.tokens.reserve();
        quiet = 0;
    }
    to.fill(&place, shared::MOTION_GAP, 0);
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
    fn check_end(left: u32, rows: usize) -> Result<(), DecodeError> {
        if left >= u32::MAX - rows as u32 {
            Ok(())
        } else {
            Err(DecodeError::Invalid("a gap beyond the last row"))
        }
    }
}

/// Reads a column into `after`, whose rows are there already, with any content.
pub(super) fn decode(
    before: Option<(&Column, u32)>,
    after: &mut Column,
    rows: &Rows,
    from: &mut Reading<'_, '_>,
) -> Result<(), DecodeError> {
    if let Some((before, ticks)) = before.filter(|_| !rows.after.is_empty()) {
        match after.predict {
            Predict::Linear if ticks == 1 => decode_followed(before, after, rows, from)?,
            _ => decode_exceptions(before, after, rows, ticks, from)?,
        }
        if after.predict == Predict::Linear && ticks > 1 {
            let pairs = rows
                .before
                .iter()
                .zip(&rows.after)
                .map(|(&old, &new)| (before.motion[old as usize], new));
            decode_motions(pairs, rows.after.len(), &mut after.motion, from)?;
        }
    }
    let mut above = 0;
    for &row in &rows.entered {
        let difference = unfold(from.number(table_of(after.place, context::ENTER)));
        above = above_plus(above, difference, after.bits);
        after.values[row as usize] = above;
    }
    if after.predict == Predict::Linear && !rows.entered.is_empty() {
        let entered = rows.entered.iter().map(|&row| (Motion::default(), row));
        decode_motions(entered, rows.entered.len(), &mut after.motion, from)?;
    }
    Ok(())
}

#[inline]
fn above_plus(above: i32, difference: i32, bits: u8) -> i32 {
    above.wrapping_add(difference) & mask(bits)
}

/// Rows one tick later: residuals by level, and the motion that follows from them.
fn decode_followed(
    before: &Column,
    after: &mut Column,
    rows: &Rows,
    from: &mut Reading<'_, '_>,
) -> Result<(), DecodeError> {
    let bits = after.bits;
    let exceptions = table_of(after.place, context::LEVEL);
    let codebook = from.codebook;
    let tables: [_; 8] = core::array::from_fn(|level| {
        let table = codebook.table(exceptions + level);
        (table, table.slots())
    });
    let gaps = codebook.table(table_of(after.place, context::GAP));
    // A copy that nothing points to stays in registers.
    let mut symbols = from.symbols;
    let mut gap = symbols.number(gaps).wrapping_sub(1);
    let mut next = |value: i32, motion: Motion| {
        let level = motion.level();
        let quiet = level == 0;
        let (steps, rest) = motion.expect();
        let expected = value.wrapping_add(steps);
        if quiet & (gap != 0) {
            gap = gap.wrapping_sub(1);
            return (expected & mask(bits), motion.confirmed(rest));
        }
        let (codes, slots) = tables[level];
        let residual = sign_extend(unfold(symbols.number_in(codes, slots)), bits);
        if quiet {
            gap = symbols.number(gaps).wrapping_sub(1);
        }
        let value = expected.wrapping_add(residual) & mask(bits);
        (value, motion.deflected(rest, residual, bits))
    };
    if rows.are_same() {
        let before = before.values.iter().zip(&before.motion);
        let after = after.values.iter_mut().zip(&mut after.motion);
        for ((&value, &motion), (new_value, new_motion)) in before.zip(after) {
            (*new_value, *new_motion) = next(value, motion);
        }
    } else {
        for (&old, &new) in rows.before.iter().zip(&rows.after) {
            let (old, new) = (old as usize, new as usize);
            (after.values[new], after.motion[new]) = next(before.values[old], before.motion[old]);
        }
    }
    from.symbols = symbols;
    Gap::check_end(gap, rows.after.len())
}

/// Rows that are as predicted, but for some.
fn decode_exceptions(
    before: &Column,
    after: &mut Column,
    rows: &Rows,
    ticks: u32,
    from: &mut Reading<'_, '_>,
) -> Result<(), DecodeError> {
    let bits = after.bits;
    if rows.are_same() && after.predict == Predict::Hold {
        after.values.copy_from_slice(&before.values);
    } else {
        for (&old, &new) in rows.before.iter().zip(&rows.after) {
            let (old, new) = (old as usize, new as usize);
            let value = before.values[old];
            after.values[new] = match after.predict {
                Predict::Hold => value,
                Predict::Linear => before.motion[old].predict(value, ticks) & mask(bits),
            };
        }
    }
    let (gaps, exceptions) = if ticks == 1 {
        (
            table_of(after.place, context::GAP),
            table_of(after.place, context::LEVEL),
        )
    } else {
        (
            table_of(after.place, context::STALE_GAP),
            table_of(after.place, context::STALE),
        )
    };
    let mut next = 0usize;
    loop {
        let gap = from.number(gaps) as usize;
        if gap == 0 {
            return Ok(());
        }
        next = next.saturating_add(gap);
        let row = *rows
            .after
            .get(next - 1)
            .ok_or(DecodeError::OutOfRange("a row that changes"))?;
        let value = &mut after.values[row as usize];
        *value = above_plus(*value, unfold(from.number(exceptions)), bits);
        if from.ran_out() {
            return Err(DecodeError::Truncated("a column"));
        }
    }
}

fn decode_motions(
    motions: impl Iterator<Item = (Motion, u32)>,
    len: usize,
    into: &mut [Motion],
    from: &mut Reading<'_, '_>,
) -> Result<(), DecodeError> {
    let mut gap = Gap::read(shared::MOTION_GAP, from);
    for (expected, row) in motions {
        into[row as usize] = expected;
        if !gap.is_over() {
            continue;
        }
        let velocity = expected
            .velocity
            .wrapping_add(unfold(from.number(shared::VELOCITY)));
        let phase = (from.plain(8) as u8).cast_signed();
        let fitted = u32::from(FIT_MAX).checked_sub(from.number(shared::FITTED));
        let activity =
            i64::from(expected.activity) + i64::from(unfold(from.number(shared::ACTIVITY)));
        let damping = from.number(shared::DAMPING);
        let sound = velocity.unsigned_abs() <= VELOCITY_MAX.unsigned_abs()
            && damping >> 2 <= u32::from(DAMPING_MAX)
            && damping & 3 != 3;
        let (Some(fitted), Ok(activity), true) = (fitted, u8::try_from(activity), sound) else {
            return Err(DecodeError::OutOfRange("a motion"));
        };
        into[row as usize] = Motion {
            velocity,
            phase,
            fitted: fitted as u8,
            activity,
            damping: damping as u8,
        };
        gap.renew(from);
    }
    Gap::check_end(gap.left, len)
}
