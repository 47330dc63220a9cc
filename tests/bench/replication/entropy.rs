//! The bound: order-0 entropy of the residuals, as if every column's distribution were known for nothing.

use std::collections::HashMap;

use tickwire_protocol::{
    delta::{GroupState, Table},
    snapshot::GroupId,
};

/// Residuals of one column: how often each came up when the last value is held, and when the last two
/// are prolonged.
#[derive(Default)]
struct Counts {
    hold: HashMap<i32, u64>,
    linear: HashMap<i32, u64>,
}

/// The residuals of everything that was shown for three ticks in a row, by column.
///
/// What appears and vanishes is left out, and so is everything that is not a number: a bound may be low.
#[derive(Default)]
pub(crate) struct Residuals {
    columns: HashMap<u16, Counts>,
    /// The two states before, the newer last.
    before: HashMap<GroupId, [GroupState; 2]>,
    rows: u64,
}

impl Residuals {
    /// Takes a group's state at the next tick.
    pub(crate) fn add(&mut self, group: GroupId, state: &GroupState) {
        let before = self.before.entry(group).or_default();
        for table in state.tables() {
            self.rows += table.len() as u64;
            let [older, newer] = &*before;
            let (Some(older), Some(newer)) = (older.table(table.mask()), newer.table(table.mask()))
            else {
                continue;
            };
            count(&mut self.columns, older, newer, table);
        }
        before.rotate_left(1);
        before[1].clone_from(state);
    }

    /// Bytes per entity and tick that no code without context between residuals can go below, each column
    /// with the better of both predictions.
    pub(crate) fn bytes_per_row(&self) -> f64 {
        let bits: f64 = self
            .columns
            .values()
            .map(|counts| bits(&counts.hold).min(bits(&counts.linear)))
            .sum();
        bits / 8.0 / self.rows as f64
    }
}

fn count(columns: &mut HashMap<u16, Counts>, older: &Table, newer: &Table, table: &Table) {
    for (row, id) in table.ids.iter().enumerate() {
        let (Some(second), Some(first)) = (newer.row_of(*id), older.row_of(*id)) else {
            continue;
        };
        for (place, column) in table.columns.iter().enumerate() {
            let now = column.values[row];
            let last = newer.columns[place].values[second];
            let before = older.columns[place].values[first];
            // A value is known by its lowest bits, so its residual is too: angles wrap like this, and
            // for the others it does no harm.
            let unused = 32 - u32::from(column.bits.clamp(1, 31));
            let wrapped = |residual: i32| residual << unused >> unused;
            let counts = columns.entry(column.place).or_default();
            let hold = wrapped(now.wrapping_sub(last));
            let line = last.wrapping_mul(2).wrapping_sub(before);
            let linear = wrapped(now.wrapping_sub(line));
            *counts.hold.entry(hold).or_default() += 1;
            *counts.linear.entry(linear).or_default() += 1;
        }
    }
}

/// The entropy of what was counted, in bits.
fn bits(counts: &HashMap<i32, u64>) -> f64 {
    let total: u64 = counts.values().sum();
    counts
        .values()
        .map(|&count| count as f64 * (total as f64 / count as f64).log2())
        .sum()
}
