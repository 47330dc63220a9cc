//! One integer column and one blob of a component: what the numbers mean.
//!
//! A column holds integers in `0..2^bits`; its kind says how a game's value becomes one and back. Everything
//! here is exact and the same on both ends: a value that went through [`ColumnKind`] once goes through again
//! unchanged.

use super::check_name;
use crate::limits::{DEPTH_MAX, VARIANTS_MAX};

/// The path of the tag of a type that is itself an enum.
pub(crate) const ENUM_TAG: &str = "variant";

/// What the next value of a column is expected to be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum Predict {
    /// The value it has.
    #[default]
    Hold = 0,
    /// The value it has plus the motion it shows: for what moves evenly.
    Linear = 1,
}

/// How a column's integers are to be read.
///
/// Floats are held by their bits, so that schemas can be compared and hashed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ColumnKind {
    /// `min + integer × step`, clamped to `min..=max`.
    Float {
        /// The lowest value, as the bits of an `f64`.
        min: u64,
        /// The distance of two values, as the bits of an `f64`; above zero and finite.
        step: u64,
        /// The largest integer.
        span: u32,
    },
    /// `integer × 2π / 2^bits` radians, in `-π..π`. It wraps.
    Angle,
    /// The 32 bits of an `f32`.
    FloatBits,
    /// `min + integer`, clamped to `min..=max`.
    Integer {
        /// The lowest value, as the low 64 bits of its two's complement.
        min: i64,
        /// The largest integer. Beyond 32 bits a [`High`](Self::High) column follows.
        span: u64,
    },
    /// The upper 32 bits of the column before it.
    High,
    /// False or true.
    Bool,
    /// Which variant of an enum holds. Columns under the paths of other variants are zero then.
    Variant {
        /// The variants' names, in order.
        names: Vec<String>,
    },
    /// Whether an `Option` holds something. Columns beneath it are zero when not.
    Some,
    /// A reference to an entity: its network id plus one, or zero for none.
    Entity,
}

/// One integer column of a component.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ColumnSchema {
    /// Where in the component it stands: `x`, `aim.angle`, `slots.2`, `state.Firing.at`.
    pub path: String,
    /// What its integers mean.
    pub kind: ColumnKind,
    /// Its integers are below 2^bits and differences wrap there; 1 to 32.
    pub bits: u8,
    /// What its next value is expected to be.
    pub predict: Predict,
}

/// What the bytes of a blob are.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum BlobKind {
    /// UTF-8.
    Text,
    /// A serde value as MessagePack.
    MessagePack,
    /// A list: a varint count, then each element as the row [`Shape`] says.
    List(Shape),
}

/// One field whose size is not fixed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct BlobSchema {
    /// Where in the component it stands.
    pub path: String,
    /// What its bytes are.
    pub kind: BlobKind,
}

/// What a component or a list element consists of.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Shape {
    /// The integers, in order of declaration.
    pub columns: Vec<ColumnSchema>,
    /// The fields without a fixed size, in order of declaration.
    pub blobs: Vec<BlobSchema>,
}

/// Bits that hold integers up to `span`, at least one.
#[must_use]
pub const fn bits_for(span: u32) -> u8 {
    let bits = (u32::BITS - span.leading_zeros()) as u8;
    if bits == 0 { 1 } else { bits }
}

impl ColumnSchema {
    /// Brings a wrapped integer back into `0..2^bits`.
    #[must_use]
    pub const fn wrap(&self, value: i32) -> i32 {
        value & mask(self.bits)
    }

    fn check(&self) -> Result<(), String> {
        check_name(&self.path)?;
        let bits = match &self.kind {
            ColumnKind::Float { min, step, span } => {
                let (min, step) = (f64::from_bits(*min), f64::from_bits(*step));
                if !(step > 0.0 && step.is_finite() && min.is_finite()) {
                    return Err(format!("{}: a step of {step} from {min}", self.path));
                }
                bits_for(*span)
            }
            ColumnKind::Integer { span, .. } => u32::try_from(*span).map_or(32, bits_for),
            ColumnKind::Variant { names } => {
                if names.is_empty() || names.len() > VARIANTS_MAX {
                    return Err(format!("{}: {} variants", self.path, names.len()));
                }
                names.iter().try_for_each(|name| check_name(name))?;
                bits_for(names.len() as u32 - 1)
            }
            ColumnKind::Angle if (1..=32).contains(&self.bits) => self.bits,
            ColumnKind::Angle => {
                return Err(format!("{}: an angle of {} bits", self.path, self.bits));
            }
            ColumnKind::Bool | ColumnKind::Some => 1,
            ColumnKind::FloatBits | ColumnKind::High | ColumnKind::Entity => 32,
        };
        if bits == self.bits {
            Ok(())
        } else {
            Err(format!(
                "{}: {} bits where {bits} are right",
                self.path, self.bits
            ))
        }
    }
}

impl Shape {
    /// Which variant holds, when the whole type is an enum.
    ///
    /// Its path is `variant`; those of the variants' fields begin with the variant's name, and not with the tag's.
    #[must_use]
    pub fn tag(&self) -> Option<&ColumnSchema> {
        let (tag, fields) = self.columns.split_first()?;
        let ColumnKind::Variant { names } = &tag.kind else {
            return None;
        };
        let is_of_variant = |path: &str| {
            let first = path.split(['.', '?']).next();
            names.iter().any(|name| Some(name.as_str()) == first)
        };
        let is_tag = tag.path == ENUM_TAG
            && fields.iter().all(|it| is_of_variant(&it.path))
            && self.blobs.iter().all(|it| is_of_variant(&it.path));
        is_tag.then_some(tag)
    }

    /// Whether any part of it is a reference to an entity, however deep in lists.
    #[must_use]
    pub fn refers_to_entities(&self) -> bool {
        let is_reference = |column: &ColumnSchema| column.kind == ColumnKind::Entity;
        let refers = |blob: &BlobSchema| match &blob.kind {
            BlobKind::List(element) => element.refers_to_entities(),
            BlobKind::Text | BlobKind::MessagePack => false,
        };
        self.columns.iter().any(is_reference) || self.blobs.iter().any(refers)
    }

    /// Whether every part is well-formed, or the path of one that is not and why.
    pub(super) fn check(&self, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err("lists are nested too deep".into());
        }
        self.columns.iter().try_for_each(ColumnSchema::check)?;
        for blob in &self.blobs {
            check_name(&blob.path)?;
            if let BlobKind::List(element) = &blob.kind {
                element.check(depth + 1)?;
            }
        }
        Ok(())
    }
}

/// All ones below 2^bits.
#[must_use]
pub(crate) const fn mask(bits: u8) -> i32 {
    (u32::MAX >> (32 - bits)).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::{BlobKind, BlobSchema, Shape, bits_for, mask};
    use crate::replicate::ShapeWriter;

    #[test]
    fn a_reference_is_found_however_deep_it_stands() {
        let mut shape = ShapeWriter::default();
        shape.field("target", ShapeWriter::entity);
        let mut shape = shape.into_shape();
        for path in ["inner", "outer"] {
            assert!(shape.refers_to_entities());
            let path = path.into();
            let kind = BlobKind::List(shape);
            shape = Shape {
                blobs: vec![BlobSchema { path, kind }],
                ..Shape::default()
            };
        }
        assert!(shape.refers_to_entities());
        let mut shape = ShapeWriter::default();
        shape.field("texts", |shape| shape.list(ShapeWriter::text));
        shape.field("alive", ShapeWriter::bool);
        assert!(!shape.into_shape().refers_to_entities());
    }

    #[test]
    fn bits_are_just_enough() {
        for (span, bits) in [
            (0, 1),
            (1, 1),
            (2, 2),
            (255, 8),
            (256, 9),
            (64_000, 16),
            (u32::MAX, 32),
        ] {
            assert_eq!(bits_for(span), bits, "{span}");
            assert!(span <= mask(bits).cast_unsigned());
        }
    }
}
