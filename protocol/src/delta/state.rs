//! What a group of players sees at one tick, as integers: the thing deltas are taken between.
//!
//! In: rows of quantised components. Out: columns the codec runs over. The decision to question: state is
//! *path-independent*. Values and motion at a tick follow from the room's history alone, never from which
//! snapshots some client happened to get, so that one encoding serves everybody with the same baseline.

use super::{
    lanes,
    motion::{Motion, reach},
};
use crate::{
    error::DecodeError,
    id::NetworkId,
    replicate::{EntityMap, Replicate, RowReader, RowWriter},
    schema::{BlobSchema, ColumnSchema, ComponentId, Predict, Schema},
};
use bytes::Bytes;

/// One column of a table: one field of one component of all its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// The quantised integers, in `0..2^bits`, by row.
    pub values: Vec<i32>,
    /// How each row moves; empty unless the column is predicted linearly.
    pub motion: Vec<Motion>,
    /// Integers are below 2^bits.
    pub bits: u8,
    /// Whether there is motion.
    pub predict: Predict,
    /// Its place among all columns of the schema, which is its place in the codebook.
    pub place: u16,
}

/// The blobs of one field of one component of all rows of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobColumn {
    /// The bytes, by row.
    pub values: Vec<Bytes>,
}

/// Where a component's columns and blobs begin in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    component: ComponentId,
    columns: (u16, u16),
    blobs: (u16, u16),
}

/// All entities of a group with the same set of components.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    mask: u128,
    /// The entities, ascending. Whoever fills a table keeps them so.
    pub ids: Vec<NetworkId>,
    /// The columns of its components, in order of the schema.
    pub columns: Vec<Column>,
    /// The blobs of its components, in order of the schema.
    pub blobs: Vec<BlobColumn>,
    parts: Vec<Part>,
}

/// What a group shows at one tick: a table for each set of components in use, by mask ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupState {
    tables: Vec<Table>,
}

impl Table {
    /// An empty table for rows with these components.
    #[must_use]
    pub fn new(schema: &Schema, mask: u128) -> Self {
        let mut table = Self {
            mask: mask & schema.mask_all(),
            ..Self::default()
        };
        for (component, definition) in schema.components_in(mask) {
            let (columns, blobs) = (table.columns.len() as u16, table.blobs.len() as u16);
            let start = schema.column_start(component);
            let shape = &definition.shape;
            table.columns.extend(
                (start..)
                    .zip(&shape.columns)
                    .map(|(place, column)| Column::new(column, place as u16)),
            );
            table.blobs.extend(
                shape
                    .blobs
                    .iter()
                    .map(|_: &BlobSchema| BlobColumn::default()),
            );
            table.parts.push(Part {
                component,
                columns: (columns, table.columns.len() as u16),
                blobs: (blobs, table.blobs.len() as u16),
            });
        }
        table
    }

    /// The components of its rows.
    #[must_use]
    pub const fn mask(&self) -> u128 {
        self.mask
    }

    /// Rows in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it has no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The row of an entity.
    #[must_use]
    pub fn row_of(&self, id: NetworkId) -> Option<usize> {
        self.ids.binary_search(&id).ok()
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.ids.clear();
        for column in &mut self.columns {
            column.values.clear();
            column.motion.clear();
        }
        for blob in &mut self.blobs {
            blob.values.clear();
        }
    }

    /// Gives the table exactly these rows and keeps what memory and blobs it has; integers and motion are to be
    /// written anew.
    pub fn set_rows(&mut self, ids: impl IntoIterator<Item = NetworkId>) {
        self.ids.clear();
        self.ids.extend(ids);
        self.fit_rows();
    }

    /// Gives every column as many rows as there are ids.
    pub(super) fn fit_rows(&mut self) {
        let rows = self.ids.len();
        for column in &mut self.columns {
            column.values.resize(rows, 0);
            if column.predict == Predict::Linear {
                column.motion.resize(rows, Motion::default());
            }
        }
        for blob in &mut self.blobs {
            blob.values.resize(rows, Bytes::new());
        }
    }

    /// Appends a row of zeroes without motion. Its id must be above all others.
    pub fn push(&mut self, id: NetworkId) -> usize {
        debug_assert!(
            self.ids.last().is_none_or(|&last| last < id),
            "rows ascend by id"
        );
        self.ids.push(id);
        for column in &mut self.columns {
            column.values.push(0);
            if column.predict == Predict::Linear {
                column.motion.push(Motion::default());
            }
        }
        for blob in &mut self.blobs {
            blob.values.push(Bytes::new());
        }
        self.ids.len() - 1
    }

    /// The columns and blobs of one component, as ranges of [`columns`](Self::columns) and
    /// [`blobs`](Self::blobs).
    #[must_use]
    pub fn part(
        &self,
        component: ComponentId,
    ) -> Option<(core::ops::Range<usize>, core::ops::Range<usize>)> {
        let part = self.parts.iter().find(|part| part.component == component)?;
        let range = |(from, to): (u16, u16)| from as usize..to as usize;
        Some((range(part.columns), range(part.blobs)))
    }

    /// A writer for one component of its rows; `None` when they do not have it.
    pub fn writer<'a>(
        &'a mut self,
        component: ComponentId,
        entities: &'a dyn EntityMap,
    ) -> Option<RowWriter<'a>> {
        let (columns, blobs) = self.part(component)?;
        Some(RowWriter::into_columns(
            &mut self.columns[columns],
            &mut self.blobs[blobs],
            entities,
        ))
    }

    /// A reader for one component of its rows; `None` when they do not have it.
    #[must_use]
    pub fn reader<'a>(
        &'a self,
        component: ComponentId,
        entities: &'a dyn EntityMap,
    ) -> Option<RowReader<'a>> {
        let (columns, blobs) = self.part(component)?;
        Some(RowReader::from_columns(
            &self.columns[columns],
            &self.blobs[blobs],
            entities,
        ))
    }

    /// One component of one row as a value; `None` when the row does not have it.
    ///
    /// # Errors
    /// [`DecodeError`] when the row holds what no `T` can have written.
    pub fn restore<T: Replicate>(
        &self,
        component: ComponentId,
        row: usize,
        entities: &dyn EntityMap,
    ) -> Result<Option<T>, DecodeError> {
        match self.reader(component, entities) {
            Some(mut reader) => T::restore(reader.at(row)).map(Some),
            None => Ok(None),
        }
    }

    /// Works out the motion of every row from the same table one tick earlier; a row that was not there has
    /// none yet.
    pub fn follow(&mut self, before: Option<&Self>) {
        let Self { ids, columns, .. } = self;
        let linear = columns.iter_mut().enumerate();
        for (place, column) in linear.filter(|(_, column)| column.predict == Predict::Linear) {
            match before {
                None => column.motion.fill(Motion::default()),
                Some(before) if before.ids == *ids => column.follow_same(&before.columns[place]),
                Some(before) => column.follow_by_id(ids, &before.columns[place], &before.ids),
            }
        }
    }
}

impl Column {
    /// Works out the motion when every row is where it was.
    fn follow_same(&mut self, before: &Self) {
        lanes::next(
            &before.values,
            &before.motion,
            &self.values,
            self.bits,
            reach(self.bits),
            &mut self.motion,
        );
    }

    /// Works out the motion when rows came or went.
    fn follow_by_id(&mut self, ids: &[NetworkId], before: &Self, ids_before: &[NetworkId]) {
        let mut at = 0;
        for (row, id) in ids.iter().enumerate() {
            while ids_before.get(at).is_some_and(|earlier| earlier < id) {
                at += 1;
            }
            self.motion[row] = if ids_before.get(at) == Some(id) {
                before.motion[at].next(before.values[at], self.values[row], self.bits)
            } else {
                Motion::default()
            };
        }
    }

    /// An empty column as the schema describes it.
    fn new(schema: &ColumnSchema, place: u16) -> Self {
        Self {
            bits: schema.bits,
            predict: schema.predict,
            place,
            ..Self::default()
        }
    }
}

impl GroupState {
    /// A state without entities.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Its tables, by mask ascending. Some may be empty: their memory serves the next tick.
    #[must_use]
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Its tables, to be filled.
    pub fn tables_mut(&mut self) -> &mut [Table] {
        &mut self.tables
    }

    /// The table for these components, made when there is none.
    pub fn table_mut(&mut self, schema: &Schema, mask: u128) -> &mut Table {
        let place = match self.tables.binary_search_by_key(&mask, Table::mask) {
            Ok(place) => place,
            Err(place) => {
                self.tables.insert(place, Table::new(schema, mask));
                place
            }
        };
        &mut self.tables[place]
    }

    /// The table for these components.
    #[must_use]
    pub fn table(&self, mask: u128) -> Option<&Table> {
        let place = self.tables.binary_search_by_key(&mask, Table::mask).ok()?;
        Some(&self.tables[place])
    }

    /// The table and row of an entity. Cost: a binary search per table.
    #[must_use]
    pub fn find(&self, id: NetworkId) -> Option<(&Table, usize)> {
        self.tables
            .iter()
            .find_map(|table| Some((table, table.row_of(id)?)))
    }

    /// Entities in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tables.iter().map(Table::len).sum()
    }

    /// Whether there is no entity in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(Table::is_empty)
    }

    /// Removes all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.tables.iter_mut().for_each(Table::clear);
    }

    /// Drops tables without rows when there are more tables than so many: neither a peer that makes up ever new
    /// sets of components nor a game that has ever new ones may fill the memory.
    pub fn forget_empty_tables_beyond(&mut self, tables_max: usize) {
        if self.tables.len() > tables_max {
            self.tables.retain(|table| !table.is_empty());
        }
    }

    /// Works out every row's motion from this group's state one tick earlier.
    ///
    /// To be called once after the values of a tick are in. Rows that come from another group keep their motion
    /// only when the caller sets it; without, they start anew, which costs a few bytes and nothing else.
    pub fn follow(&mut self, before: Option<&Self>) {
        for table in &mut self.tables {
            let before = before.and_then(|state| state.table(table.mask()));
            table.follow(before);
        }
    }

    /// Whether both show the same: empty tables do not count.
    #[must_use]
    pub fn shows_same_as(&self, other: &Self) -> bool {
        let filled = |state: &'_ Self| {
            state
                .tables
                .iter()
                .filter(|table| !table.is_empty())
                .count()
        };
        filled(self) == filled(other)
            && self
                .tables
                .iter()
                .filter(|table| !table.is_empty())
                .all(|table| {
                    other
                        .table(table.mask())
                        .is_some_and(|theirs| theirs == table)
                })
    }
}
