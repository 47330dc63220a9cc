//! The bound that coding the residuals of plain linear prediction cannot pass.

use crate::entropy_bits;
use std::collections::HashMap;
use tickwire_protocol::delta::GroupState;

/// Counts of the residuals of plain linear prediction, by column.
#[derive(Default)]
pub(crate) struct Order0 {
    columns: [HashMap<i32, u64>; 4],
}

impl Order0 {
    /// Adds a tick from three states in a row.
    pub(crate) fn add(&mut self, first: &GroupState, second: &GroupState, third: &GroupState) {
        let columns =
            |state: &'_ GroupState, place: usize| state.tables()[0].columns[place].values.clone();
        for (place, counts) in self.columns.iter_mut().enumerate() {
            let (a, b, c) = (
                columns(first, place),
                columns(second, place),
                columns(third, place),
            );
            for row in 0..c.len() {
                let residual = if place == 3 {
                    c[row] - b[row]
                } else {
                    c[row] - 2 * b[row] + a[row]
                };
                // Angles wrap at 8 bits.
                let residual = if place == 2 {
                    residual << 24 >> 24
                } else {
                    residual
                };
                *counts.entry(residual).or_default() += 1;
            }
        }
    }

    pub(crate) fn bits(&self) -> f64 {
        self.columns.iter().map(entropy_bits).sum()
    }
}
