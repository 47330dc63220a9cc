//! One column: residuals of the rows that stay, values of those that enter, motion where it does not follow.
//!
//! Rows whose predictions held lately are quiet: of them only exceptions are coded, with the number of quiet
//! rows before each, so that rest costs nothing. The others are busy and have a residual each, in the context
//! of how far off they were. The decision to question: each step runs through all rows before the next begins.
//! Levels, predictions and motions then are loops without branches, which compilers turn into vector code; only
//! what is coded takes a row at a time.

use super::{
    codec::{Reading, Writing},
    lanes,
    motion::{Motion, reach, sign_extend},
    motions,
    rows::Rows,
    state::Column,
};
use crate::{
    entropy::{context, fold, shared, table_of, unfold},
    error::DecodeError,
    schema::{Predict, mask},
};

/// From so many busy rows on, residuals take the coder's two states in turn: below, the second state costs more
/// than it saves.
const RUN_ROWS_MIN: usize = 256;
/// From so many rows on, a column without levels says whether every row has a residual.
const DENSE_ROWS_MIN: usize = 64;
/// Every row gets a residual when more than one in so many is off.
const DENSE_ONE_IN: usize = 4;

/// Rows that are looked through at a time.
const BLOCK: usize = 64;

/// Memory that columns borrow, one after the other. Each is as long as there are rows that stay.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// What [`Rows`] reorders.
    values_before: Vec<i32>,
    motions_before: Vec<Motion>,
    values_after: Vec<i32>,
    motions_after: Vec<Motion>,
    residuals: Vec<i32>,
    levels: Vec<u32>,
    /// Places of rows whose level is not 0.
    busy: Vec<u32>,
    /// Places of quiet rows that are off, and how many quiet rows are before each.
    off: Vec<(u32, u32)>,
}

/// Where the exceptions among quiet rows are coded: their gaps and their residuals.
fn quiet_tables(column: &Column, ticks: u32) -> (usize, usize) {
    let (gap, residual) = if ticks == 1 {
        (context::GAP, context::LEVEL)
    } else {
        (context::STALE_GAP, context::STALE)
    };
    (
        table_of(column.place, gap),
        table_of(column.place, residual),
    )
}

/// Notes a column. `before` is `None` when no row stays.
pub(super) fn encode(
    before: Option<(&Column, u32)>,
    after: &Column,
    rows: &Rows,
    scratch: &mut Scratch,
    to: &mut Writing<'_>,
) {
    if let Some((before, ticks)) = before.filter(|_| rows.stay() > 0) {
        match after.predict {
            Predict::Linear if ticks == 1 => encode_followed(before, after, rows, scratch, to),
            _ => encode_unfollowed(before, after, rows, ticks, scratch, to),
        }
        if after.predict == Predict::Linear && ticks > 1 {
            let motions = rows
                .pairs()
                .map(|(old, new)| (before.motion[old], after.motion[new]));
            motions::encode(motions, to);
        }
    }
    let mut above = 0;
    for &row in rows.entered() {
        let value = after.values[row as usize];
        let difference = sign_extend(value.wrapping_sub(above), after.bits);
        to.number(table_of(after.place, context::ENTER), fold(difference));
        above = value;
    }
    if after.predict == Predict::Linear && !rows.entered().is_empty() {
        let entered = rows.entered().iter();
        motions::encode(
            entered.map(|&row| (Motion::default(), after.motion[row as usize])),
            to,
        );
    }
}

/// Rows one tick later: exceptions among the quiet, then the residuals of the busy.
fn encode_followed(
    before: &Column,
    after: &Column,
    rows: &Rows,
    scratch: &mut Scratch,
    to: &mut Writing<'_>,
) {
    let Scratch {
        values_before,
        motions_before,
        values_after,
        residuals,
        levels,
        busy,
        off,
        ..
    } = scratch;
    let values = rows.gather_before(&before.values, values_before);
    let motions = rows.gather_before(&before.motion, motions_before);
    let now = rows.gather_after(&after.values, values_after);
    let len = rows.stay();
    residuals.resize(len, 0);
    levels.resize(len, 0);
    lanes::residuals(values, motions, now, after.bits, residuals, levels);
    find_busy(levels, busy);
    find_off(residuals, levels, off);

    let (gaps, exceptions) = quiet_tables(after, 1);
    encode_exceptions(off, residuals, gaps, exceptions, to);
    let coded = busy.iter().map(|&row| {
        let row = row as usize;
        (levels[row] as usize, fold(residuals[row]))
    });
    to.numbers(exceptions, coded, busy.len() >= RUN_ROWS_MIN);
}

/// Rows that hold, or whose baseline is older: all are quiet, or all have a residual.
fn encode_unfollowed(
    before: &Column,
    after: &Column,
    rows: &Rows,
    ticks: u32,
    scratch: &mut Scratch,
    to: &mut Writing<'_>,
) {
    let Scratch {
        values_before,
        motions_before,
        values_after,
        residuals,
        levels,
        off,
        ..
    } = scratch;
    let bits = after.bits;
    let values = rows.gather_before(&before.values, values_before);
    let now = rows.gather_after(&after.values, values_after);
    let len = rows.stay();
    residuals.resize(len, 0);
    if after.predict == Predict::Linear {
        let motions = rows.gather_before(&before.motion, motions_before);
        let rows = values.iter().zip(motions).zip(now);
        for (residual, ((&value, motion), &now)) in residuals.iter_mut().zip(rows) {
            *residual = sign_extend(now.wrapping_sub(motion.predict(value, ticks)), bits);
        }
    } else {
        lanes::differences(values, now, bits, residuals);
    }
    levels.clear();
    levels.resize(len, 0);
    find_off(residuals, levels, off);
    let is_dense = len >= DENSE_ROWS_MIN && off.len() * DENSE_ONE_IN > len;
    if len >= DENSE_ROWS_MIN {
        to.number(shared::DENSE, is_dense.into());
    }
    if !is_dense {
        let (gaps, exceptions) = quiet_tables(after, ticks);
        encode_exceptions(off, residuals, gaps, exceptions, to);
        return;
    }
    let table = table_of(after.place, context::DENSE);
    let coded = residuals.iter().map(|&residual| (0, fold(residual)));
    to.numbers(table, coded, len >= RUN_ROWS_MIN);
}

/// Which rows are not quiet.
fn find_busy(levels: &[u32], busy: &mut Vec<u32>) {
    busy.clear();
    let mut row = 0;
    for levels in levels.chunks(BLOCK) {
        // An index that cannot be out of bounds costs no branch, and neither does a row that is not kept.
        let mut found = [0; BLOCK];
        let mut len = 0;
        for &level in levels {
            found[len % BLOCK] = row;
            len += usize::from(level != 0);
            row += 1;
        }
        busy.extend_from_slice(&found[..len]);
    }
}

/// Which quiet rows are off.
fn find_off(residuals: &[i32], levels: &[u32], off: &mut Vec<(u32, u32)>) {
    off.clear();
    let (mut row, mut quiet) = (0, 0);
    for (residuals, levels) in residuals.chunks(BLOCK).zip(levels.chunks(BLOCK)) {
        let mut found = [(0, 0); BLOCK];
        let mut len = 0;
        for (&residual, &level) in residuals.iter().zip(levels) {
            found[len % BLOCK] = (row, quiet);
            len += usize::from((level == 0) & (residual != 0));
            quiet += u32::from(level == 0);
            row += 1;
        }
        off.extend_from_slice(&found[..len]);
    }
}

/// Notes exceptions among quiet rows.
fn encode_exceptions(
    off: &[(u32, u32)],
    residuals: &[i32],
    gaps: usize,
    exceptions: usize,
    to: &mut Writing<'_>,
) {
    let mut next = 0;
    for &(row, quiet_before) in off {
        to.number(gaps, quiet_before - next + 1);
        to.number(exceptions, fold(residuals[row as usize]));
        next = quiet_before + 1;
    }
    to.number(gaps, 0);
}

/// Reads a column into `after`, whose rows are there already, with any content.
pub(super) fn decode(
    before: Option<(&Column, u32)>,
    after: &mut Column,
    rows: &Rows,
    scratch: &mut Scratch,
    from: &mut Reading<'_, '_>,
) -> Result<(), DecodeError> {
    if let Some((before, ticks)) = before.filter(|_| rows.stay() > 0) {
        match after.predict {
            Predict::Linear if ticks == 1 => decode_followed(before, after, rows, scratch, from)?,
            _ => decode_unfollowed(before, after, rows, ticks, scratch, from)?,
        }
        if after.predict == Predict::Linear && ticks > 1 {
            let pairs = rows.pairs().map(|(old, new)| (before.motion[old], new));
            motions::decode(pairs, rows.stay(), &mut after.motion, from)?;
        }
    }
    let mut above = 0i32;
    for &row in rows.entered() {
        let difference = unfold(from.number(table_of(after.place, context::ENTER)));
        above = above.wrapping_add(difference) & mask(after.bits);
        after.values[row as usize] = above;
    }
    if after.predict == Predict::Linear && !rows.entered().is_empty() {
        let entered = rows.entered().iter();
        motions::decode(
            entered.map(|&row| (Motion::default(), row as usize)),
            rows.entered().len(),
            &mut after.motion,
            from,
        )?;
    }
    Ok(())
}

/// Rows one tick later: residuals by level, and the motion that follows from them.
fn decode_followed(
    before: &Column,
    after: &mut Column,
    rows: &Rows,
    scratch: &mut Scratch,
    from: &mut Reading<'_, '_>,
) -> Result<(), DecodeError> {
    let Scratch {
        values_before,
        motions_before,
        values_after,
        motions_after,
        residuals,
        levels,
        busy,
        ..
    } = scratch;
    let bits = after.bits;
    let values = rows.gather_before(&before.values, values_before);
    let motions = rows.gather_before(&before.motion, motions_before);
    levels.resize(rows.stay(), 0);
    lanes::levels(motions, levels);
    find_busy(levels, busy);
    residuals.clear();
    residuals.resize(rows.stay(), 0);

    let (gaps, exceptions) = quiet_tables(after, 1);
    decode_exceptions(residuals, busy, gaps, exceptions, bits, from)?;
    decode_busy(residuals, busy, levels, exceptions, bits, from);

    let (mask, reach) = (mask(bits), reach(bits));
    let after_values = rows.room(&mut after.values, values_after);
    let after_motions = rows.room(&mut after.motion, motions_after);
    lanes::follow(
        values,
        motions,
        residuals,
        mask,
        reach,
        after_values,
        after_motions,
    );
    rows.scatter(values_after, &mut after.values);
    rows.scatter(motions_after, &mut after.motion);
    Ok(())
}

/// Reads the residuals of busy rows.
fn decode_busy(
    residuals: &mut [i32],
    busy: &[u32],
    levels: &[u32],
    exceptions: usize,
    bits: u8,
    from: &mut Reading<'_, '_>,
) {
    let codebook = from.codebook;
    if busy.len() < RUN_ROWS_MIN {
        for &row in busy {
            let table = exceptions + levels[row as usize] as usize;
            residuals[row as usize] = sign_extend(unfold(from.number(table)), bits);
        }
        return;
    }
    let tables: [_; 8] = core::array::from_fn(|level| {
        let table = codebook.table(exceptions + level);
        (table, table.slots())
    });
    let coded = busy.iter().map(|&row| {
        let level = levels[row as usize] as usize;
        (tables[level & 7], row as usize)
    });
    from.symbols.run(coded, |row, number| {
        residuals[row] = sign_extend(unfold(number), bits);
    });
}

/// Rows that hold or whose baseline is older.
fn decode_unfollowed(
    before: &Column,
    after: &mut Column,
    rows: &Rows,
    ticks: u32,
    scratch: &mut Scratch,
    from: &mut Reading<'_, '_>,
) -> Result<(), DecodeError> {
    let Scratch {
        values_before,
        motions_before,
        values_after,
        residuals,
        ..
    } = scratch;
    let len = rows.stay();
    let (bits, mask) = (after.bits, mask(after.bits));
    let (gaps, exceptions) = quiet_tables(after, ticks);
    let dense = table_of(after.place, context::DENSE);
    let values = rows.gather_before(&before.values, values_before);
    let now = rows.room(&mut after.values, values_after);
    if after.predict == Predict::Linear {
        let motions = rows.gather_before(&before.motion, motions_before);
        for (now, (&value, motion)) in now.iter_mut().zip(values.iter().zip(motions)) {
            *now = motion.predict(value, ticks) & mask;
        }
    } else {
        now.copy_from_slice(values);
    }
    if len >= DENSE_ROWS_MIN && from.number(shared::DENSE) != 0 {
        let codes = from.codebook.table(dense);
        if len < RUN_ROWS_MIN {
            for now in now.iter_mut() {
                *now = now.wrapping_add(unfold(from.number(dense))) & mask;
            }
        } else {
            let tables = (codes, codes.slots());
            let coded = now.iter_mut().map(|now| (tables, now));
            from.symbols.run(coded, |now, number| {
                *now = now.wrapping_add(unfold(number)) & mask;
            });
        }
    } else {
        residuals.clear();
        residuals.resize(len, 0);
        decode_exceptions(residuals, &[], gaps, exceptions, bits, from)?;
        for (now, &residual) in now.iter_mut().zip(residuals.iter()) {
            *now = now.wrapping_add(residual) & mask;
        }
    }
    rows.scatter(values_after, &mut after.values);
    Ok(())
}

/// Reads exceptions among quiet rows into `residuals`.
fn decode_exceptions(
    residuals: &mut [i32],
    busy: &[u32],
    gaps: usize,
    exceptions: usize,
    bits: u8,
    from: &mut Reading<'_, '_>,
) -> Result<(), DecodeError> {
    let codebook = from.codebook;
    let (gaps, exceptions) = (codebook.table(gaps), codebook.table(exceptions));
    // A copy that nothing points to stays in registers.
    let mut symbols = from.symbols;
    let (mut quiet_before, mut busy_before) = (0usize, 0);
    loop {
        let gap = symbols.number(gaps) as usize;
        if gap == 0 {
            from.symbols = symbols;
            return Ok(());
        }
        quiet_before = quiet_before.saturating_add(gap);
        while busy
            .get(busy_before)
            .is_some_and(|&row| row as usize <= (quiet_before - 1).saturating_add(busy_before))
        {
            busy_before += 1;
        }
        let residual = residuals
            .get_mut((quiet_before - 1).saturating_add(busy_before))
            .ok_or(DecodeError::OutOfRange("a row that changes"))?;
        *residual = sign_extend(unfold(symbols.number(exceptions)), bits);
        if symbols.ran_out() {
            return Err(DecodeError::Truncated("a column"));
        }
    }
}
