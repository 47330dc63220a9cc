//! The second walk: a value into one row.

use super::{EntityMap, FloatRange, IntegerRange, Replicate, quantise_angle};
use crate::{
    coding::{put_length_prefixed, put_varint},
    delta::{BlobColumn, Column},
    limits::{BLOB_BYTES_MAX, LIST_LEN_MAX},
};
use bytes::Bytes;

/// What capture had to change about a game's values. A game that sees these grow has a bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Floats that were NaN or infinite.
    pub non_finite: u64,
    /// Strings and lists beyond [`BLOB_BYTES_MAX`], which were cut, and opaque values beyond it or that do not
    /// serialise, which stay what they were.
    pub cut: u64,
}

/// Where a row goes.
#[derive(Debug)]
enum Target<'a> {
    /// Into the columns of a table, at one row.
    Columns {
        columns: &'a mut [Column],
        blobs: &'a mut [BlobColumn],
        row: usize,
        next: usize,
        next_blob: usize,
    },
    /// Into bytes, for a value that travels alone: columns as they come, blobs aside until the end.
    Bytes {
        out: &'a mut Vec<u8>,
        blobs: Vec<u8>,
    },
}

/// Takes the integers and blobs of one value after another.
///
/// The order of the calls is the order of the schema's columns; the derive sees to it.
pub struct RowWriter<'a> {
    target: Target<'a>,
    entities: &'a dyn EntityMap,
    /// The blobs that the row had before, and which row it was.
    before: Option<(&'a [BlobColumn], usize)>,
    notes: Notes,
}

impl<'a> RowWriter<'a> {
    /// Writes into one component's columns; say which row with [`at`](Self::at).
    pub(crate) fn into_columns(
        columns: &'a mut [Column],
        blobs: &'a mut [BlobColumn],
        entities: &'a dyn EntityMap,
    ) -> Self {
        let target = Target::Columns {
            columns,
            blobs,
            row: 0,
            next: 0,
            next_blob: 0,
        };
        Self {
            target,
            entities,
            before: None,
            notes: Notes::default(),
        }
    }

    /// Appends to bytes; call [`end_value`](Self::end_value) after each value.
    pub fn into_bytes(out: &'a mut Vec<u8>, entities: &'a dyn EntityMap) -> Self {
        Self {
            target: Target::Bytes {
                out,
                blobs: Vec::new(),
            },
            entities,
            before: None,
            notes: Notes::default(),
        }
    }

    /// Goes to the front of a row. Without effect on bytes.
    #[inline]
    pub fn at(&mut self, to: usize) -> &mut Self {
        if let Target::Columns {
            row,
            next,
            next_blob,
            ..
        } = &mut self.target
        {
            (*row, *next, *next_blob) = (to, 0, 0);
        }
        self
    }

    /// Says what the row held before: the blobs of the same component, at that row. Opaque values that do not fit
    /// stay so.
    pub const fn after(&mut self, blobs: &'a [BlobColumn], row: usize) {
        self.before = Some((blobs, row));
    }

    /// Ends a value written into bytes: its blobs follow its columns. Without effect on columns.
    pub fn end_value(&mut self) {
        if let Target::Bytes { out, blobs } = &mut self.target {
            out.append(blobs);
        }
    }

    /// What had to be changed since the writer was made.
    #[must_use]
    pub const fn notes(&self) -> Notes {
        self.notes
    }

    /// An integer.
    ///
    /// # Panics
    /// When the component has no such column, which only a hand-written [`Replicate`] can cause.
    #[inline]
    pub fn put(&mut self, integer: u32) {
        match &mut self.target {
            Target::Columns {
                columns, row, next, ..
            } => {
                columns[*next].values[*row] = integer.cast_signed();
                *next += 1;
            }
            Target::Bytes { out, .. } => put_varint(out, integer.into()),
        }
    }

    /// A float with a range.
    #[inline]
    pub fn float(&mut self, value: f64, range: &FloatRange) {
        let (integer, finite) = range.quantise(value);
        self.notes.non_finite += u64::from(!finite);
        self.put(integer);
    }

    /// A whole `f32`; every NaN is the same one.
    #[inline]
    pub fn float_bits(&mut self, value: f32) {
        self.notes.non_finite += u64::from(!value.is_finite());
        let value = if value.is_nan() { f32::NAN } else { value };
        self.put(value.to_bits());
    }

    /// A wrapping angle in radians.
    #[inline]
    pub fn angle(&mut self, radians: f64, bits: u8) {
        let (integer, finite) = quantise_angle(radians, bits);
        self.notes.non_finite += u64::from(!finite);
        self.put(integer);
    }

    /// A signed integer with a range.
    #[inline]
    pub fn signed(&mut self, value: i64, range: &IntegerRange) {
        self.integer(range.quantise_signed(value), range);
    }

    /// An unsigned integer with a range.
    #[inline]
    pub fn unsigned(&mut self, value: u64, range: &IntegerRange) {
        self.integer(range.quantise_unsigned(value), range);
    }

    #[inline]
    fn integer(&mut self, integer: u64, range: &IntegerRange) {
        self.put(integer as u32);
        if range.is_wide() {
            self.put((integer >> 32) as u32);
        }
    }

    /// A bool, or the tag of an `Option`.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.put(value.into());
    }

    /// The tag of an enum.
    #[inline]
    pub fn variant(&mut self, number: u32) {
        self.put(number);
    }

    /// A reference to an entity of the game's own world; one without a network id travels as none.
    #[inline]
    pub fn entity(&mut self, entity_bits: u64) {
        let id = self.entities.network_id(entity_bits);
        self.put(id.map_or(0, |id| id.0.wrapping_add(1)));
    }

    /// What stands in the place of `T` where there is none: a variant that does not hold, an empty `Option`.
    #[inline]
    pub fn absent<T: Replicate>(&mut self) {
        self.absent_columns(T::COLUMNS, T::BLOBS);
    }

    /// Zeroes in place of so many columns and empty blobs in place of so many blobs.
    #[inline]
    pub fn absent_columns(&mut self, columns: usize, blobs: usize) {
        for _ in 0..columns {
            self.put(0);
        }
        for _ in 0..blobs {
            self.put_blob(&[]);
        }
    }

    /// A string, cut at a character when it is longer than [`BLOB_BYTES_MAX`].
    pub fn text(&mut self, text: &str) {
        let cut = &text[..text.floor_char_boundary(BLOB_BYTES_MAX)];
        self.notes.cut += u64::from(cut.len() < text.len());
        self.put_blob(cut.as_bytes());
    }

    /// Any serde value, as MessagePack. One that does not fit into [`BLOB_BYTES_MAX`] or does not serialise leaves
    /// what [was there before](Self::after), or else what `otherwise` gives; without either it cannot be read.
    pub fn message_pack<T: serde::Serialize>(
        &mut self,
        value: &T,
        otherwise: impl FnOnce() -> Option<T>,
    ) {
        if let Some(bytes) = packed(value) {
            self.put_blob(&bytes);
            return;
        }
        self.notes.cut += 1;
        if !self.keep_blob() {
            let bytes = otherwise().as_ref().and_then(packed);
            self.put_blob(&bytes.unwrap_or_default());
        }
    }

    /// Puts the blob that the row had before, if it had one.
    fn keep_blob(&mut self) -> bool {
        let (
            Some((before, row_before)),
            Target::Columns {
                blobs,
                row,
                next_blob,
                ..
            },
        ) = (self.before, &mut self.target)
        else {
            return false;
        };
        let kept = &before[*next_blob].values[row_before];
        if kept.is_empty() {
            return false;
        }
        blobs[*next_blob].values[*row] = kept.clone();
        *next_blob += 1;
        true
    }

    /// A list; elements that no longer fit are left out.
    pub fn list<T>(&mut self, items: &[T], mut quantise: impl FnMut(&T, &mut RowWriter<'_>)) {
        let mut elements = Vec::new();
        let mut count = 0;
        let (mut notes, mut len) = (Notes::default(), 0);
        for item in items.iter().take(LIST_LEN_MAX) {
            let mut row = RowWriter::into_bytes(&mut elements, self.entities);
            quantise(item, &mut row);
            row.end_value();
            notes.non_finite += row.notes.non_finite;
            notes.cut += row.notes.cut;
            if elements.len() + COUNT_BYTES_MAX > BLOB_BYTES_MAX {
                break;
            }
            (count, len) = (count + 1, elements.len());
        }
        self.notes.non_finite += notes.non_finite;
        self.notes.cut += notes.cut + u64::from(count < items.len());
        let mut bytes = Vec::with_capacity(len + COUNT_BYTES_MAX);
        put_varint(&mut bytes, count as u64);
        bytes.extend_from_slice(&elements[..len]);
        self.put_blob(&bytes);
    }

    fn put_blob(&mut self, bytes: &[u8]) {
        match &mut self.target {
            Target::Columns {
                blobs,
                row,
                next_blob,
                ..
            } => {
                let place = &mut blobs[*next_blob].values[*row];
                // Most blobs stay as they are; the old allocation serves on.
                if place != bytes {
                    *place = Bytes::copy_from_slice(bytes);
                }
                *next_blob += 1;
            }
            Target::Bytes { blobs, .. } => put_length_prefixed(blobs, bytes),
        }
    }
}

/// A serde value as MessagePack, if it serialises and fits.
fn packed<T: serde::Serialize>(value: &T) -> Option<Vec<u8>> {
    let bytes = rmp_serde::to_vec_named(value).ok()?;
    (bytes.len() <= BLOB_BYTES_MAX).then_some(bytes)
}

/// The varint of a list's length, at most.
const COUNT_BYTES_MAX: usize = 2;
const _: () = assert!(LIST_LEN_MAX < 1 << 14);
