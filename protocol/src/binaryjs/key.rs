//! How BinaryJS tells streams apart: by their ids as names of JavaScript properties.

use core::fmt;
use std::sync::Arc;

use crate::binarypack::{Value, property_name};

/// A stream's id as a JavaScript property name. The ids `0`, `0.0` and `"0"` are the same stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamKey(Name);

/// Numbers are what BinaryJS itself uses, and cost no allocation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Number(u64),
    Text(Arc<str>),
}

impl StreamKey {
    /// The key of the id that stands in a frame.
    #[must_use]
    pub fn of(id: &Value) -> Self {
        if let Some(number) = id.as_u64() {
            return Self(Name::Number(number));
        }
        let name = property_name(id);
        match name.parse::<u64>() {
            Ok(number) if number.to_string() == name => Self(Name::Number(number)),
            _ => Self(Name::Text(name.into())),
        }
    }

    /// The id, where it is a number of 32 bits.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        match &self.0 {
            Name::Number(number) => u32::try_from(*number).ok(),
            Name::Text(_) => None,
        }
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Number(number) => number.fmt(f),
            Name::Text(text) => f.write_str(text),
        }
    }
}
