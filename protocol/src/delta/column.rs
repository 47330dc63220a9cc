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

/// Memory that one column after another uses.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    residuals: Vec<i32>,
    levels: Vec<u8>,
}

/// Notes a column. `before` is `None` when no row stays.
pub(super) fn encode(
    before: Option<(&Column, u32)>,
    after: &Column,
    rows: &Rows,
    scratch: &mut Scratch,
    to: &mut Writing<'_>,
) {
    if let Some((before, ticks)) = before.filter(|_| !rows.after.is_empty()) {
        let linear = after.predict == Predict::Linear;
        if linear || !rows.are_same() || before.values != after.values {
            scratch.residuals(before, after, rows, ticks);
            scratch.encode(after, linear && ticks == 1, ticks, to);
        } else {
            let gap = if ticks == 1 {
                context::GAP
            } else {
                context::STALE_GAP
            };
            to.number(table_of(after.place, gap), 0);
        }
        if linear && ticks > 1 {
            let pairs = rows.before.iter().zip(&rows.after);
            encode_motions(
                pairs.map(|(&old, &new)| (before.motion[old as usize], after.motion[new as usize])),
                to,
            );
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
        encode_motions(
            rows.entered
                .iter()
                .map(|&row| (Motion::default(), after.motion[row as usize])),
            to,
        );
    }
}

impl Scratch {
    /// What each row that stays is off its prediction, and how far off it was lately.
    fn residuals(&mut self, before: &Column, after: &Column, rows: &Rows, ticks: u32) {
        let bits = after.bits;
        self.residuals.clear();
        self.levels.clear();
        let pairs = rows
            .before
            .iter()
            .zip(&rows.after)
            .map(|(&old, &new)| (old as usize, new as usize));
        match (after.predict, rows.are_same()) {
            (Predict::Linear, true) if ticks == 1 => {
                let before = before.values.iter().zip(&before.motion);
                let rows = || before.clone().zip(&after.values);
                self.residuals
                    .extend(rows().map(|((&value, motion), &after)| {
                        sign_extend(
                            after.wrapping_sub(value).wrapping_sub(motion.expect().0),
                            bits,
                        )
                    }));
                self.levels
                    .extend(rows().map(|((_, motion), _)| motion.level() as u8));
            }
            (Predict::Linear, _) => {
                for (old, new) in pairs {
                    let motion = before.motion[old];
                    let predicted = motion.predict(before.values[old], ticks);
                    self.residuals
                        .push(sign_extend(after.values[new].wrapping_sub(predicted), bits));
                    self.levels.push(motion.level() as u8);
                }
            }
            (Predict::Hold, true) => {
                let values = before.values.iter().zip(&after.values);
                self.residuals.extend(
                    values.map(|(before, after)| sign_extend(after.wrapping_sub(*before), bits)),
                );
            }
            (Predict::Hold, false) => self.residuals.extend(pairs.map(|(old, new)| {
                sign_extend(after.values[new].wrapping_sub(before.values[old]), bits)
            })),
        }
    }

    /// Notes the residuals: with levels, or all rows as quiet ones.
    fn encode(&self, column: &Column, by_level: bool, ticks: u32, to: &mut Writing<'_>) {
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
        let mut quiet_row = |residual: i32, to: &mut Writing<'_>| {
            if residual == 0 {
                quiet += 1;
                return;
            }
            to.fill(&place, gaps, quiet + 1);
            to.number(exceptions, fold(residual));
            place = to.tokens.reserve();
            quiet = 0;
        };
        if by_level {
            for (&residual, &level) in self.residuals.iter().zip(&self.levels) {
                if level == 0 {
                    quiet_row(residual, to);
                } else {
                    to.number(exceptions + level as usize, fold(residual));
                }
            }
        } else {
            self.residuals
                .iter()
                .for_each(|&residual| quiet_row(residual, to));
        }
        to.fill(&place, gaps, 0);
    }
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
    fn end(self, rows: usize) -> Result<(), DecodeError> {
        if self.left >= u32::MAX - rows as u32 {
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
    let mut gap = Gap::read(table_of(after.place, context::GAP), from);
    let mut next = |value: i32, motion: Motion| {
        let level = motion.level();
        let residual = if level == 0 {
            if gap.is_over() {
                let residual = unfold(from.number(exceptions));
                gap.renew(from);
                residual
            } else {
                0
            }
        } else {
            unfold(from.number(exceptions + level))
        };
        let residual = sign_extend(residual, bits);
        let (steps, rest) = motion.expect();
        let value = value.wrapping_add(steps).wrapping_add(residual) & mask(bits);
        (value, motion.corrected(rest, residual, bits))
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
    gap.end(rows.after.len())
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
    gap.end(len)
}
