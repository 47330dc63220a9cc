//! The first of the three walks over a type: what its columns are called and mean.

use super::{FloatRange, IntegerRange, Replicate};
use crate::{
    limits::DEPTH_MAX,
    schema::{BlobKind, BlobSchema, ColumnKind, ColumnSchema, ENUM_TAG, Predict, Shape, bits_for},
};

/// Collects the columns and blobs of a type, each under its dotted path.
#[derive(Debug, Default)]
pub struct ShapeWriter {
    path: String,
    shape: Shape,
    /// Lists that it is in.
    depth: usize,
    is_too_deep: bool,
}

impl ShapeWriter {
    /// Describes a field beneath `name`.
    pub fn field(&mut self, name: &str, describe: impl FnOnce(&mut Self)) {
        let len = self.path.len();
        if len > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        describe(self);
        self.path.truncate(len);
    }

    /// A float with a range.
    pub fn float(&mut self, range: &FloatRange, predict: Predict) {
        self.column(range.kind(), range.bits(), predict);
    }

    /// A whole `f32`.
    pub fn float_bits(&mut self) {
        self.column(ColumnKind::FloatBits, 32, Predict::Hold);
    }

    /// A wrapping angle.
    pub fn angle(&mut self, bits: u8, predict: Predict) {
        self.column(ColumnKind::Angle, bits, predict);
    }

    /// An integer with a range; two columns when it is wide.
    pub fn integer(&mut self, range: &IntegerRange, predict: Predict) {
        self.column(range.kind(), range.bits(), predict);
        if range.is_wide() {
            self.column(ColumnKind::High, 32, Predict::Hold);
        }
    }

    /// A bool.
    pub fn bool(&mut self) {
        self.column(ColumnKind::Bool, 1, Predict::Hold);
    }

    /// The tag of an `Option`: the path of what it may hold, with a question mark.
    pub fn some(&mut self) {
        self.path.push('?');
        self.column(ColumnKind::Some, 1, Predict::Hold);
        self.path.pop();
    }

    /// The tag of an enum. A component that is itself an enum calls it `variant`.
    pub fn variant(&mut self, names: &[&str]) {
        let bits = bits_for(names.len().saturating_sub(1) as u32);
        let names = names.iter().map(|&name| name.into()).collect();
        self.column(ColumnKind::Variant { names }, bits, Predict::Hold);
    }

    /// A reference to an entity.
    pub fn entity(&mut self) {
        self.column(ColumnKind::Entity, 32, Predict::Hold);
    }

    /// A string.
    pub fn text(&mut self) {
        self.blob(BlobKind::Text);
    }

    /// Any serde value.
    pub fn message_pack(&mut self) {
        self.blob(BlobKind::MessagePack);
    }

    /// A list of elements, each described alike.
    ///
    /// Beneath more lists than a schema may have, nothing is described: a type that holds a list of itself would have
    /// no end. The schema refuses what comes of it.
    pub fn list(&mut self, describe: impl FnOnce(&mut Self)) {
        let mut element = Self {
            depth: self.depth + 1,
            ..Self::default()
        };
        self.is_too_deep |= element.depth > DEPTH_MAX;
        if !self.is_too_deep {
            describe(&mut element);
            self.is_too_deep = element.is_too_deep;
        }
        self.blob(BlobKind::List(element.shape));
    }

    /// A fixed array: each element beneath its number.
    pub fn array(&mut self, len: usize, describe: impl Fn(&mut Self)) {
        for place in 0..len {
            self.field(&place.to_string(), &describe);
        }
    }

    /// A nested type.
    pub fn nested<T: Replicate>(&mut self) {
        T::describe(self);
    }

    /// What was described.
    #[must_use]
    pub fn into_shape(self) -> Shape {
        self.shape
    }

    fn column(&mut self, kind: ColumnKind, bits: u8, predict: Predict) {
        let path = match (&kind, self.path.as_str()) {
            (ColumnKind::Variant { .. }, "") => ENUM_TAG.into(),
            (_, path) => path.into(),
        };
        self.shape.columns.push(ColumnSchema {
            path,
            kind,
            bits,
            predict,
        });
    }

    fn blob(&mut self, kind: BlobKind) {
        self.shape.blobs.push(BlobSchema {
            path: self.path.clone(),
            kind,
        });
    }
}
