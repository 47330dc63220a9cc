//! A group's state as the difference from an earlier one, and back.
//!
//! A section holds, in this order: the sets of components that appear; for each table the rows that leave and
//! enter, its columns, its blobs' lengths; then the blobs' bytes. All but the last go through one entropy
//! coder, so there are no headers: a tick on which nothing was off its prediction takes four bytes.

use super::{
    blob::{self, Pending},
    column::{self, Scratch},
    rows::Rows,
    state::{GroupState, Table},
};
use crate::{
    coding::Reader,
    entropy::{Codebook, Symbols, Tally, Tokens, shared, symbol_of},
    error::DecodeError,
    limits::{BLOB_BYTES_MAX, ENTITIES_PER_GROUP_MAX, TABLES_PER_GROUP_MAX, VALUES_PER_GROUP_MAX},
    schema::Schema,
};
use bytes::Bytes;

/// The state a receiver holds already, and how old it is.
#[derive(Clone, Copy, Debug)]
pub struct Baseline<'a> {
    /// The group's state at that tick.
    pub state: &'a GroupState,
    /// Ticks from it to the state to be coded; at least 1.
    pub ticks_since: u32,
}

/// One section being written.
pub(super) struct Writing<'a> {
    pub(super) tokens: &'a mut Tokens,
    codebook: &'a Codebook,
    tally: Option<&'a mut Tally>,
    blobs: &'a mut Vec<u8>,
}

impl Writing<'_> {
    /// Notes a number in the context of a table.
    #[inline(always)]
    pub(super) fn number(&mut self, table: usize, number: u32) {
        self.tokens.number(self.codebook.table(table), number);
        if let Some(tally) = &mut self.tally {
            tally.count(table, symbol_of(number).0);
        }
    }

    /// Notes many numbers, each in the context of a table from `first` on: as a run when `is_run`.
    #[inline(always)]
    pub(super) fn numbers<I>(&mut self, first: usize, numbers: I, is_run: bool)
    where
        I: ExactSizeIterator<Item = (usize, u32)> + Clone,
    {
        let codebook = self.codebook;
        if is_run {
            let tables = codebook.tables(first);
            let coded = numbers
                .clone()
                .map(|(table, number)| (&*tables[table], number));
            self.tokens.run(coded);
        } else {
            for (table, number) in numbers.clone() {
                self.tokens.number(codebook.table(first + table), number);
            }
        }
        if let Some(tally) = &mut self.tally {
            for (table, number) in numbers {
                tally.count(first + table, symbol_of(number).0);
            }
        }
    }

    /// Notes a blob.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        debug_assert!(
            bytes.len() <= BLOB_BYTES_MAX,
            "rows are written by a RowWriter, which cuts"
        );
        self.number(shared::BLOB_LEN, bytes.len() as u32);
        self.blobs.extend_from_slice(bytes);
    }
}

/// One section being read.
pub(super) struct Reading<'a, 'b> {
    pub(super) symbols: Symbols<'b>,
    pub(super) codebook: &'a Codebook,
}

impl Reading<'_, '_> {
    /// Takes a number in the context of a table.
    #[inline]
    pub(super) fn number(&mut self, table: usize) -> u32 {
        self.symbols.number(self.codebook.table(table))
    }

    /// Takes plain bits.
    #[inline]
    pub(super) fn plain(&mut self, bits: u32) -> u32 {
        self.symbols.plain(bits)
    }

    /// Whether what was read lately means nothing, because the bytes have ended.
    #[inline]
    pub(super) const fn ran_out(&self) -> bool {
        self.symbols.ran_out()
    }
}

/// What a section may still ask for: a few bytes can stand for many rows, so rows are bounded by themselves.
pub(super) struct Budget {
    rows: usize,
    values: usize,
}

impl Budget {
    /// Takes so many rows of so many columns.
    pub(super) fn take(&mut self, rows: usize, columns: usize) -> Result<(), DecodeError> {
        let values = rows.saturating_mul(columns);
        match (self.rows.checked_sub(rows), self.values.checked_sub(values)) {
            (Some(rows), Some(values)) => {
                *self = Self { rows, values };
                Ok(())
            }
            _ => Err(DecodeError::OutOfRange("rows")),
        }
    }
}

/// What a table's own memory weighs, in values per column.
const TABLE_WEIGHT: usize = 32;

/// What a table takes of [`VALUES_PER_GROUP_MAX`] where it appears; where it was before, it takes less.
#[must_use]
pub const fn table_values(rows: usize, columns: usize, blobs: usize) -> usize {
    columns * TABLE_WEIGHT + rows * (columns + blobs)
}

/// Of so many sections one is counted for learning.
const COUNTED_ONE_IN: u32 = 8;

/// Writes deltas. Holds only scratch memory and counts; any encoder can code any group of its room.
#[derive(Debug, Default)]
pub struct Encoder {
    tokens: Tokens,
    rows: Rows,
    scratch: Scratch,
    blobs: Vec<u8>,
    tally: Tally,
    sections: u32,
}

impl Encoder {
    /// An encoder without memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `state` as the difference from `baseline`, or whole without one (a keyframe).
    ///
    /// The section ends by itself: a decoder knows where. No allocation once the scratch memory has grown.
    /// The state must be within [`ENTITIES_PER_GROUP_MAX`] and, as [`table_values`] counts, [`VALUES_PER_GROUP_MAX`],
    /// and at most [`TABLES_PER_GROUP_MAX`] tables may appear, or no decoder takes it.
    pub fn encode(
        &mut self,
        schema: &Schema,
        codebook: &Codebook,
        baseline: Option<Baseline<'_>>,
        state: &GroupState,
        out: &mut Vec<u8>,
    ) {
        // A stride would always meet the same groups; this counter's upper bits meet all alike.
        self.sections = self.sections.wrapping_add(1);
        let counted = self.sections.wrapping_mul(0x9e37_79b9) < u32::MAX / COUNTED_ONE_IN;
        if counted {
            self.tally.fit(codebook);
        }
        self.blobs.clear();
        let mut to = Writing {
            tokens: &mut self.tokens,
            codebook,
            tally: counted.then_some(&mut self.tally),
            blobs: &mut self.blobs,
        };
        encode_new_tables(schema, baseline, state, &mut to);
        let ticks = baseline.map_or(1, |baseline| baseline.ticks_since.max(1));
        for (before, after) in union(baseline.map(|baseline| baseline.state), state) {
            let Some(table) = after.or(before) else {
                continue;
            };
            let (ids_before, ids_after) = (
                before.map_or(&[][..], |t| &t.ids),
                after.map_or(&[][..], |t| &t.ids),
            );
            self.rows.compare(ids_before, ids_after);
            self.rows.encode(ids_before, ids_after, &mut to);
            let Some(after) = after else { continue };
            for (place, column) in after.columns.iter().enumerate() {
                let before = before.map(|table| (&table.columns[place], ticks));
                column::encode(before, column, &self.rows, &mut self.scratch, &mut to);
            }
            for (place, column) in table.blobs.iter().enumerate() {
                blob::encode(
                    before.map(|table| &table.blobs[place]),
                    column,
                    &self.rows,
                    &mut to,
                );
            }
        }
        self.tokens.finish(out);
        out.extend_from_slice(&self.blobs);
    }

    /// Makes this encoder go on where `first` will be `sections` sections from now.
    ///
    /// Encoders that share a tick's sections so count those for learning that one alone would have counted.
    pub const fn go_on_after(&mut self, first: &Self, sections: u32) {
        self.sections = first.sections.wrapping_add(sections);
    }

    /// Takes over what `next` has counted for learning, which went on where this one stopped.
    pub fn absorb(&mut self, next: &mut Self) {
        self.tally.absorb(&mut next.tally);
        self.sections = next.sections;
    }

    /// A better codebook from what was coded lately; `None` while it would not save what it costs to send.
    ///
    /// Call it every second or two and send the result before the first snapshot coded with it. Cost: some
    /// microseconds per column.
    pub fn learn(&mut self, _schema: &Schema, now: &Codebook) -> Option<Codebook> {
        self.tally.learn(now, f64::from(COUNTED_ONE_IN))
    }
}

/// Notes the sets of components that the baseline has no row of.
fn encode_new_tables(
    schema: &Schema,
    baseline: Option<Baseline<'_>>,
    state: &GroupState,
    to: &mut Writing<'_>,
) {
    let is_new = |table: &&Table| {
        let known = baseline.and_then(|baseline| baseline.state.table(table.mask()));
        !table.is_empty() && known.is_none_or(Table::is_empty)
    };
    let new = || state.tables().iter().filter(is_new);
    to.number(shared::TABLES, new().count() as u32);
    for table in new() {
        for (place, bits) in chunks(schema) {
            to.tokens
                .plain((table.mask() >> place) as u32 & ((1 << bits) - 1), bits);
        }
    }
}

/// A mask in pieces that the coder takes.
fn chunks(schema: &Schema) -> impl Iterator<Item = (u32, u32)> {
    let bits = schema.components().len() as u32;
    (0..bits)
        .step_by(16)
        .map(move |place| (place, (bits - place).min(16)))
}

/// The tables with rows of either state, by mask ascending.
fn union<'a>(
    before: Option<&'a GroupState>,
    after: &'a GroupState,
) -> impl Iterator<Item = (Option<&'a Table>, Option<&'a Table>)> {
    let filled = |tables: &'a [Table]| tables.iter().filter(|table| !table.is_empty()).peekable();
    let mut before = filled(before.map_or(&[][..], GroupState::tables));
    let mut after = filled(after.tables());
    core::iter::from_fn(move || {
        let mask = before
            .peek()
            .into_iter()
            .chain(after.peek())
            .map(|table| table.mask())
            .min()?;
        Some((
            before.next_if(|table| table.mask() == mask),
            after.next_if(|table| table.mask() == mask),
        ))
    })
}

/// Reads deltas. Holds only scratch memory.
#[derive(Debug, Default)]
pub struct Decoder {
    rows: Rows,
    scratch: Scratch,
    masks: Vec<u128>,
    pending: Vec<Pending>,
}

impl Decoder {
    /// A decoder without memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads one section into `into`, whose former content is lost, also when the bytes are refused.
    ///
    /// # Errors
    /// [`DecodeError`] when no encoder with this codebook and baseline can have written the bytes. Time and
    /// memory are bounded by [`ENTITIES_PER_GROUP_MAX`], [`VALUES_PER_GROUP_MAX`] and the length of the bytes.
    pub fn decode(
        &mut self,
        schema: &Schema,
        codebook: &Codebook,
        baseline: Option<Baseline<'_>>,
        reader: &mut Reader<'_>,
        into: &mut GroupState,
    ) -> Result<(), DecodeError> {
        self.pending.clear();
        let mut from = Reading {
            symbols: Symbols::new(*reader)?,
            codebook,
        };
        let mut budget = Budget {
            rows: ENTITIES_PER_GROUP_MAX,
            values: VALUES_PER_GROUP_MAX,
        };
        let before = baseline.map(|baseline| baseline.state);
        self.decode_masks(schema, before, &mut budget, &mut from)?;
        // Tables that come again are written over, which is quicker than to empty them first.
        for table in into.tables_mut() {
            if self.masks.binary_search(&table.mask()).is_err() {
                table.clear();
            }
        }
        into.forget_empty_tables_beyond(TABLES_PER_GROUP_MAX);
        for place in 0..self.masks.len() {
            let before = before
                .and_then(|state| state.table(self.masks[place]))
                .filter(|table| !table.is_empty());
            let ticks = baseline.map_or(1, |baseline| baseline.ticks_since.max(1));
            let after = into.table_mut(schema, self.masks[place]);
            self.decode_table(
                before.map(|table| (table, ticks)),
                after,
                &mut budget,
                &mut from,
            )?;
            if from.ran_out() {
                return Err(DecodeError::Truncated("a table"));
            }
        }
        *reader = from.symbols.finish()?;
        for Pending {
            mask,
            column,
            row,
            len,
        } in self.pending.drain(..)
        {
            let bytes = reader.bytes(len, "a blob")?;
            into.table_mut(schema, mask).blobs[column].values[row as usize] =
                Bytes::copy_from_slice(bytes);
        }
        Ok(())
    }

    /// The masks of all tables that have rows before or after, ascending.
    fn decode_masks(
        &mut self,
        schema: &Schema,
        before: Option<&GroupState>,
        budget: &mut Budget,
        from: &mut Reading<'_, '_>,
    ) -> Result<(), DecodeError> {
        self.masks.clear();
        let tables = before.map_or(&[][..], GroupState::tables);
        self.masks.extend(
            tables
                .iter()
                .filter(|table| !table.is_empty())
                .map(Table::mask),
        );
        let new = from.number(shared::TABLES) as usize;
        if new > TABLES_PER_GROUP_MAX {
            return Err(DecodeError::OutOfRange("tables that appear"));
        }
        for _ in 0..new {
            let mask = chunks(schema).fold(0, |mask, (place, bits)| {
                mask | u128::from(from.plain(bits)) << place
            });
            let columns: usize = schema
                .components_in(mask)
                .map(|(_, component)| component.shape.columns.len())
                .sum();
            budget.values = budget
                .values
                .checked_sub(table_values(0, columns, 0))
                .ok_or(DecodeError::OutOfRange("tables that appear"))?;
            self.masks.push(mask);
        }
        self.masks.sort_unstable();
        if self.masks.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(DecodeError::Invalid("a table that appears twice"));
        }
        Ok(())
    }

    fn decode_table(
        &mut self,
        before: Option<(&Table, u32)>,
        after: &mut Table,
        budget: &mut Budget,
        from: &mut Reading<'_, '_>,
    ) -> Result<(), DecodeError> {
        let ids = before.map_or(&[][..], |(table, _)| &table.ids);
        let columns = after.columns.len() + after.blobs.len();
        self.rows
            .decode(ids, columns, &mut after.ids, budget, from)?;
        after.fit_rows();
        for (place, column) in after.columns.iter_mut().enumerate() {
            let before = before.map(|(table, ticks)| (&table.columns[place], ticks));
            column::decode(before, column, &self.rows, &mut self.scratch, from)?;
        }
        let mask = after.mask();
        for (place, column) in after.blobs.iter_mut().enumerate() {
            let before = before.map(|(table, _)| &table.blobs[place]);
            blob::decode(
                before,
                column,
                &self.rows,
                (mask, place),
                &mut self.pending,
                from,
            )?;
        }
        Ok(())
    }
}
