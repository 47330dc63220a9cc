//! One blob column: which rows' bytes changed, and how long the new ones are. The bytes themselves follow
//! behind everything else, as they are.

use super::{
    codec::{Reading, Writing},
    rows::Rows,
    state::BlobColumn,
};
use crate::{entropy::shared, error::DecodeError, limits::BLOB_BYTES_MAX};
use bytes::Bytes;

/// Bytes that are still to be read: where they go and how many they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) mask: u128,
    pub(super) column: usize,
    pub(super) row: u32,
    pub(super) len: usize,
}

/// Notes a blob column. `before` is `None` when no row stays.
pub(super) fn encode(
    before: Option<&BlobColumn>,
    after: &BlobColumn,
    rows: &Rows,
    to: &mut Writing<'_>,
) {
    if let Some(before) = before.filter(|_| rows.stay() > 0) {
        let mut same = 0;
        for (old, new) in rows.pairs() {
            let (old, new) = (&before.values[old], &after.values[new]);
            // Blobs that stay share their memory with the state before: comparing the place is enough then.
            if (old.as_ptr(), old.len()) == (new.as_ptr(), new.len()) || old == new {
                same += 1;
                continue;
            }
            to.number(shared::BLOB_GAP, same + 1);
            to.bytes(new);
            same = 0;
        }
        to.number(shared::BLOB_GAP, 0);
    }
    for &row in rows.entered() {
        to.bytes(&after.values[row as usize]);
    }
}

/// Reads a blob column; the bytes that are new are put on the list.
pub(super) fn decode(
    before: Option<&BlobColumn>,
    after: &mut BlobColumn,
    rows: &Rows,
    place: (u128, usize),
    pending: &mut Vec<Pending>,
    from: &mut Reading<'_, '_>,
) -> Result<(), DecodeError> {
    let (mask, column) = place;
    let mut is_new = |row: u32, from: &mut Reading<'_, '_>| {
        let len = from.number(shared::BLOB_LEN) as usize;
        if len > BLOB_BYTES_MAX {
            return Err(DecodeError::OutOfRange("a blob's length"));
        }
        if from.ran_out() {
            return Err(DecodeError::Truncated("a blob"));
        }
        pending.push(Pending {
            mask,
            column,
            row,
            len,
        });
        Ok(())
    };
    if let Some(before) = before.filter(|_| rows.stay() > 0) {
        for (old, new) in rows.pairs() {
            after.values[new].clone_from(&before.values[old]);
        }
        let mut next = 0usize;
        loop {
            let gap = from.number(shared::BLOB_GAP) as usize;
            if gap == 0 {
                break;
            }
            next = next.saturating_add(gap);
            if next > rows.stay() {
                return Err(DecodeError::OutOfRange("a blob that changes"));
            }
            is_new(rows.pair(next - 1).1 as u32, from)?;
        }
    }
    for &row in rows.entered() {
        after.values[row as usize] = Bytes::new();
        is_new(row, from)?;
    }
    Ok(())
}
