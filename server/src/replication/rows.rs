//! The newest quantised value of one component of every entity, and how it moves.
//!
//! In: values of a game's component, one entity at a time, when they may have changed. Out: the slots at which
//! anything a player could see is different, and columns from which groups gather their rows. The decision to
//! question: values are kept once per entity here and copied to groups, so that a component that nobody wrote
//! is never quantised again and an entity that changes groups takes its motion along.

use super::entities::Entities;
use tickwire_protocol::{
    delta::{Motion, Table},
    id::NetworkId,
    limits::BLOB_BYTES_MAX,
    replicate::{Notes, Replicate},
    schema::{ComponentId, Predict, Schema},
};

/// One component of all entities, by slot.
#[derive(Debug)]
pub(super) struct Rows {
    component: ComponentId,
    /// A row for each slot; its ids mean nothing.
    table: Table,
    /// One row: what a value was just quantised to.
    fresh: Table,
    /// Slots whose value moved at the last frame: their motion must be brought up to date though nobody
    /// writes them.
    moving: Vec<u32>,
    moving_before: Vec<u32>,
    /// By slot, the frame at which it was brought up to date last.
    settled: Vec<u32>,
    /// Slots whose value is another than at the frame before.
    pub(super) changed: Vec<u32>,
    pub(super) notes: Notes,
}

impl Rows {
    pub(super) fn new(schema: &Schema, component: ComponentId) -> Self {
        let mask = 1 << component.0;
        let mut fresh = Table::new(schema, mask);
        fresh.push(NetworkId(0));
        Self {
            component,
            table: Table::new(schema, mask),
            fresh,
            moving: Vec::new(),
            moving_before: Vec::new(),
            settled: Vec::new(),
            changed: Vec::new(),
            notes: Notes::default(),
        }
    }

    pub(super) const fn component(&self) -> ComponentId {
        self.component
    }

    pub(super) const fn table(&self) -> &Table {
        &self.table
    }

    /// Begins a frame with room for so many slots.
    pub(super) fn begin(&mut self, slots: usize) {
        core::mem::swap(&mut self.moving, &mut self.moving_before);
        self.moving.clear();
        self.changed.clear();
        if self.settled.len() < slots {
            self.settled.resize(slots, 0);
            self.table.set_rows((0..slots as u32).map(NetworkId));
        }
    }

    /// Takes the first value of a slot.
    pub(super) fn found<T: Replicate>(
        &mut self,
        slot: u32,
        value: &T,
        entities: &Entities,
        frame: u32,
    ) {
        let row = slot as usize;
        self.quantise(value, None, entities);
        for (column, fresh) in self.table.columns.iter_mut().zip(&self.fresh.columns) {
            column.values[row] = fresh.values[0];
            if column.predict == Predict::Linear {
                column.motion[row] = Motion::default();
            }
        }
        self.take_blobs(row);
        self.settled[row] = frame;
    }

    /// Takes the value of a slot that may be another than before.
    #[inline]
    pub(super) fn update<T: Replicate>(
        &mut self,
        slot: u32,
        value: &T,
        entities: &Entities,
        frame: u32,
    ) {
        let row = slot as usize;
        if self.settled[row] == frame {
            return;
        }
        self.quantise(value, Some(row), entities);
        self.settled[row] = frame;
        let (mut is_other, mut moves) = (false, false);
        for (column, fresh) in self.table.columns.iter_mut().zip(&self.fresh.columns) {
            let before = core::mem::replace(&mut column.values[row], fresh.values[0]);
            is_other |= before != fresh.values[0];
            if column.predict == Predict::Linear {
                let motion = &mut column.motion[row];
                let next = motion.next(before, fresh.values[0], column.bits);
                is_other |= next != *motion;
                moves |= next != Motion::default();
                *motion = next;
            }
        }
        if moves {
            self.moving.push(slot);
        }
        if self.take_blobs(row) | is_other {
            self.changed.push(slot);
        }
    }

    /// Brings the motion of slots up to date that moved before and were not written since.
    pub(super) fn settle_rest(&mut self, frame: u32) {
        for &slot in &self.moving_before {
            let row = slot as usize;
            if self.settled[row] == frame {
                continue;
            }
            self.settled[row] = frame;
            let mut moves = false;
            for column in self
                .table
                .columns
                .iter_mut()
                .filter(|column| column.predict == Predict::Linear)
            {
                let value = column.values[row];
                let next = column.motion[row].next(value, value, column.bits);
                moves |= next != Motion::default();
                column.motion[row] = next;
            }
            if moves {
                self.moving.push(slot);
            }
            self.changed.push(slot);
        }
    }

    /// Makes `fresh` the integers of a value. `before` is the row with the value it had, if it had one.
    #[inline]
    fn quantise<T: Replicate>(&mut self, value: &T, before: Option<usize>, entities: &Entities) {
        if let Some(mut writer) = self.fresh.writer(self.component, entities) {
            if let Some(row) = before {
                writer.after(&self.table.blobs, row);
            }
            value.quantise(writer.at(0));
            let notes = writer.notes();
            if notes != Notes::default() {
                self.note(notes, T::NAME);
            }
        }
    }

    /// Counts what was not as it should be, and says so the first time.
    #[cold]
    fn note(&mut self, notes: Notes, component: &str) {
        if notes.cut > 0 && self.notes.cut == 0 {
            warn_of_cut(component);
        }
        if notes.non_finite > 0 && self.notes.non_finite == 0 {
            warn_of_non_finite(component);
        }
        self.notes.non_finite += notes.non_finite;
        self.notes.cut += notes.cut;
    }

    #[inline]
    fn take_blobs(&mut self, row: usize) -> bool {
        let mut is_other = false;
        for (blob, fresh) in self.table.blobs.iter_mut().zip(&self.fresh.blobs) {
            if blob.values[row] != fresh.values[0] {
                blob.values[row] = fresh.values[0].clone();
                is_other = true;
            }
        }
        is_other
    }
}

/// Says once that numbers of a component are none; the counter goes on.
fn warn_of_non_finite(component: &str) {
    tracing::warn!(
        component,
        "numbers that are NaN or infinite are brought into their range"
    );
}

/// Says once that values of a component do not fit; the counter goes on.
fn warn_of_cut(component: &str) {
    tracing::warn!(
        component,
        bytes_max = BLOB_BYTES_MAX,
        "texts and lists that are too long are cut, and such opaque values stay what they were"
    );
}
