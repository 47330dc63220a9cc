//! The third walk: one row back into a value. What a peer sent is checked here, type by type.

use super::{
    EntityMap, FloatRange, IntegerRange, Replicate, mix_angles, mix_floats, restore_angle,
};
use crate::{
    coding::Reader,
    delta::{BlobColumn, Column},
    error::DecodeError,
    id::NetworkId,
    limits::{BLOB_BYTES_MAX, DEPTH_MAX, LIST_LEN_MAX},
};

/// Where a row comes from.
#[derive(Debug)]
enum Source<'a> {
    Columns {
        columns: &'a [Column],
        blobs: &'a [BlobColumn],
        row: usize,
        next: usize,
        next_blob: usize,
    },
    /// The columns and the blobs of the values that are left.
    Bytes {
        columns: Reader<'a>,
        blobs: Reader<'a>,
    },
}

/// A later state of the same row, to be drawn between.
#[derive(Clone, Copy, Debug)]
struct Toward<'a> {
    columns: &'a [Column],
    row: usize,
    fraction: f32,
}

/// Gives back the integers and blobs of one value after another, in the order a
/// [`RowWriter`](super::RowWriter) took them.
pub struct RowReader<'a> {
    source: Source<'a>,
    entities: &'a dyn EntityMap,
    toward: Option<Toward<'a>>,
}

impl<'a> RowReader<'a> {
    /// Reads one component's columns; say which row with [`at`](Self::at).
    pub(crate) fn from_columns(
        columns: &'a [Column],
        blobs: &'a [BlobColumn],
        entities: &'a dyn EntityMap,
    ) -> Self {
        let source = Source::Columns {
            columns,
            blobs,
            row: 0,
            next: 0,
            next_blob: 0,
        };
        Self {
            source,
            entities,
            toward: None,
        }
    }

    /// Mixes floats and angles with those of a later state of the same component: `fraction` of the way
    /// there. Everything discrete stays as it is here, and so does what follows a tag that is another one
    /// there.
    #[must_use]
    pub const fn toward(mut self, columns: &'a [Column], row: usize, fraction: f32) -> Self {
        self.toward = Some(Toward {
            columns,
            row,
            fraction,
        });
        self
    }

    /// Reads a value of so many columns that travelled alone.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when there are fewer.
    pub fn from_bytes(
        bytes: &'a [u8],
        columns: usize,
        entities: &'a dyn EntityMap,
    ) -> Result<Self, DecodeError> {
        let source = value_in(Reader::new(bytes), columns)?;
        Ok(Self {
            source,
            entities,
            toward: None,
        })
    }

    /// Goes to the front of a row. Without effect on bytes.
    #[inline]
    pub fn at(&mut self, to: usize) -> &mut Self {
        if let Source::Columns {
            row,
            next,
            next_blob,
            ..
        } = &mut self.source
        {
            (*row, *next, *next_blob) = (to, 0, 0);
        }
        self
    }

    /// Checks that nothing is left over.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`].
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.source {
            Source::Columns { .. } => Ok(()),
            Source::Bytes { blobs, .. } => blobs.finish("a value"),
        }
    }

    /// An integer of so many bits.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when there is none; [`DecodeError::OutOfRange`] when it has more bits.
    #[inline]
    pub fn take(&mut self, bits: u8) -> Result<u32, DecodeError> {
        let integer = match &mut self.source {
            Source::Columns {
                columns, row, next, ..
            } => {
                let column = columns.get(*next).ok_or(DecodeError::Truncated("a row"))?;
                *next += 1;
                column
                    .values
                    .get(*row)
                    .ok_or(DecodeError::Truncated("a table"))?
                    .cast_unsigned()
            }
            Source::Bytes { columns, .. } => columns.varint_u32("an integer of a value")?,
        };
        if u64::from(integer) >> bits == 0 {
            Ok(integer)
        } else {
            Err(DecodeError::OutOfRange("an integer"))
        }
    }

    /// A float with a range.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[inline]
    pub fn float(&mut self, range: &FloatRange) -> Result<f64, DecodeError> {
        let here = range.restore(self.take(range.bits())?);
        Ok(match self.there() {
            Some((there, fraction)) => {
                mix_floats(here, range.restore(there), fraction, range.width())
            }
            None => here,
        })
    }

    /// A whole `f32`.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[inline]
    pub fn float_bits(&mut self) -> Result<f32, DecodeError> {
        let here = f32::from_bits(self.take(32)?);
        Ok(match self.there() {
            Some((there, fraction)) => {
                let there = f64::from(f32::from_bits(there));
                mix_floats(here.into(), there, fraction, f64::INFINITY) as f32
            }
            None => here,
        })
    }

    /// A wrapping angle in radians, in `-π..π`.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[inline]
    pub fn angle(&mut self, bits: u8) -> Result<f64, DecodeError> {
        let here = restore_angle(self.take(bits)?, bits);
        Ok(match self.there() {
            Some((there, fraction)) => mix_angles(here, restore_angle(there, bits), fraction),
            None => here,
        })
    }

    /// An integer with a range, as 64 bits of two's complement.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[inline]
    pub fn integer(&mut self, range: &IntegerRange) -> Result<i64, DecodeError> {
        let low = u64::from(self.take(range.bits())?);
        let high = if range.is_wide() {
            u64::from(self.take(32)?)
        } else {
            0
        };
        Ok(range.restore(high << 32 | low))
    }

    /// A bool.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[inline]
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.take(1)? != 0)
    }

    /// The tag of an `Option`.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[inline]
    pub fn some(&mut self) -> Result<bool, DecodeError> {
        Ok(self.variant(1)? != 0)
    }

    /// The tag of an enum. The caller refuses a number it has no variant for.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[inline]
    pub fn variant(&mut self, bits: u8) -> Result<u32, DecodeError> {
        let here = self.take(bits)?;
        if self.there().is_some_and(|(there, _)| there != here) {
            // What follows stands for something else there.
            self.toward = None;
        }
        Ok(here)
    }

    /// The integer just taken, as the later state has it, and how far it is to there.
    #[inline]
    fn there(&self) -> Option<(u32, f32)> {
        let Toward {
            columns,
            row,
            fraction,
        } = self.toward?;
        let Source::Columns { next, .. } = self.source else {
            return None;
        };
        let value = columns.get(next.checked_sub(1)?)?.values.get(row)?;
        Some((value.cast_unsigned(), fraction))
    }

    /// The bits of the entity that is referred to; `None` when it is none, or none this end knows.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    #[inline]
    pub fn entity(&mut self) -> Result<Option<u64>, DecodeError> {
        let id = self.take(32)?.checked_sub(1).map(NetworkId);
        Ok(id.and_then(|id| self.entities.entity_bits(id)))
    }

    /// Passes over what [`RowWriter::absent`](super::RowWriter::absent) wrote.
    ///
    /// # Errors
    /// [`DecodeError::Invalid`] when something stands there: one value has one encoding.
    #[inline]
    pub fn absent<T: Replicate>(&mut self) -> Result<(), DecodeError> {
        self.absent_columns(T::COLUMNS, T::BLOBS)
    }

    /// Passes over what [`RowWriter::absent_columns`](super::RowWriter::absent_columns) wrote.
    ///
    /// # Errors
    /// As [`absent`](Self::absent).
    #[inline]
    pub fn absent_columns(&mut self, columns: usize, blobs: usize) -> Result<(), DecodeError> {
        for _ in 0..columns {
            if self.take(32)? != 0 {
                return Err(DecodeError::Invalid(
                    "a column of a variant that does not hold",
                ));
            }
        }
        for _ in 0..blobs {
            if !self.blob()?.is_empty() {
                return Err(DecodeError::Invalid(
                    "a blob of a variant that does not hold",
                ));
            }
        }
        Ok(())
    }

    /// A string.
    ///
    /// # Errors
    /// [`DecodeError::Invalid`] when it is no UTF-8.
    pub fn text(&mut self) -> Result<String, DecodeError> {
        match core::str::from_utf8(self.blob()?) {
            Ok(text) => Ok(text.into()),
            Err(_) => Err(DecodeError::Invalid("a text")),
        }
    }

    /// Any serde value.
    ///
    /// # Errors
    /// [`DecodeError::Invalid`] when the bytes are no MessagePack of that type.
    pub fn message_pack<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, DecodeError> {
        let mut decoder = rmp_serde::Deserializer::from_read_ref(self.blob()?);
        decoder.set_max_depth(DEPTH_MAX);
        T::deserialize(&mut decoder).map_err(|_| DecodeError::Invalid("an opaque field"))
    }

    /// A fixed array.
    ///
    /// # Errors
    /// [`DecodeError`] of an element.
    #[inline]
    pub fn array<T, const N: usize>(
        &mut self,
        mut restore: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<[T; N], DecodeError> {
        let mut first_error = None;
        let items = core::array::from_fn(|_| match first_error {
            None => restore(self)
                .map_err(|error| first_error = Some(error))
                .ok(),
            Some(_) => None,
        });
        match first_error {
            None => Ok(items.map(|item: Option<T>| item.expect("without an error all are there"))),
            Some(error) => Err(error),
        }
    }

    /// A list whose elements have so many columns each.
    ///
    /// # Errors
    /// [`DecodeError`] of the list's length or of an element.
    pub fn list<T>(
        &mut self,
        columns: usize,
        mut restore: impl FnMut(&mut RowReader<'_>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let mut left = Reader::new(self.blob()?);
        let mut items = Vec::new();
        // A row that has not been written yet holds no bytes at all.
        if left.is_empty() {
            return Ok(items);
        }
        for _ in 0..left.count(LIST_LEN_MAX, "a list's length")? {
            let mut row = RowReader {
                source: value_in(left, columns)?,
                entities: self.entities,
                toward: None,
            };
            items.push(restore(&mut row)?);
            if let Source::Bytes { blobs, .. } = row.source {
                left = blobs;
            }
        }
        left.finish("a list")?;
        Ok(items)
    }

    fn blob(&mut self) -> Result<&'a [u8], DecodeError> {
        match &mut self.source {
            Source::Columns {
                blobs,
                row,
                next_blob,
                ..
            } => {
                let blobs: &'a [BlobColumn] = blobs;
                let column = blobs
                    .get(*next_blob)
                    .ok_or(DecodeError::Truncated("a row"))?;
                *next_blob += 1;
                Ok(column
                    .values
                    .get(*row)
                    .ok_or(DecodeError::Truncated("a table"))?)
            }
            Source::Bytes { blobs, .. } => blobs.length_prefixed(BLOB_BYTES_MAX, "a blob"),
        }
    }
}

/// Splits what begins with a value: its columns, and from its blobs on.
fn value_in(bytes: Reader<'_>, columns: usize) -> Result<Source<'_>, DecodeError> {
    let mut blobs = bytes;
    for _ in 0..columns {
        blobs.varint("an integer of a value")?;
    }
    Ok(Source::Bytes {
        columns: bytes,
        blobs,
    })
}
