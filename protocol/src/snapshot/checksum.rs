//! A fingerprint of what a player holds, to prove that both ends hold the same.
//!
//! In: the state of a group. Out: 64 bits, the same on every machine. The sums of groups are added up, so
//! their order does not matter. It guards against our own mistakes, not against an adversary.

use super::GroupId;
use crate::delta::{GroupState, Table};

/// The fingerprint of one group's state. A player's is the wrapping sum over all groups it holds; an empty
/// group counts for nothing.
///
/// Cost: about a nanosecond per integer.
#[must_use]
pub fn group_checksum(group: GroupId, state: &GroupState) -> u64 {
    state
        .tables()
        .iter()
        .filter(|table| !table.is_empty())
        .map(|table| table_checksum(table, u64::from(group.0)))
        .fold(0, u64::wrapping_add)
}

fn table_checksum(table: &Table, seed: u64) -> u64 {
    let mut hash = mix(mix(seed, table.mask() as u64), (table.mask() >> 64) as u64);
    for id in &table.ids {
        hash = mix(hash, id.0.into());
    }
    for column in &table.columns {
        for value in &column.values {
            hash = mix(hash, value.cast_unsigned().into());
        }
        for motion in &column.motion {
            hash = mix(hash, motion.predict(0, 1).cast_unsigned().into());
        }
    }
    for blob in &table.blobs {
        for bytes in &blob.values {
            hash = bytes
                .iter()
                .fold(mix(hash, bytes.len() as u64), |hash, &byte| {
                    mix(hash, byte.into())
                });
        }
    }
    hash
}

/// One step of a multiply-and-fold hash: the multiplier is 2^64 divided by the golden ratio.
const fn mix(hash: u64, value: u64) -> u64 {
    let product = (hash ^ value)
        .wrapping_add(0x2545_F491)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ (product >> 29)
}
