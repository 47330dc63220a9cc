//! Values to serde types.
//!
//! In: what `to_value` makes of a type, before or after JavaScript's ways of writing it have changed it:
//! integers beyond 32 bits are doubles, keys of maps are strings. The choice to question: a deserializer
//! of our own beside rmpv's. Theirs takes neither of these back, and reads enums in another form than the
//! writer's.

use rmpv::Value;
use serde::{
    Deserializer,
    de::{
        Error as _, IntoDeserializer, Unexpected, Visitor,
        value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};

use super::Error;

/// A value that is read.
pub(super) struct Typed(pub(super) Value);

/// A value that is read as the key of a map: numbers may stand in it as strings.
struct Key(Value);

impl serde::de::Error for Error {
    fn custom<T: core::fmt::Display>(message: T) -> Self {
        Self::Type(message.to_string())
    }
}

impl IntoDeserializer<'_, Error> for Typed {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl IntoDeserializer<'_, Error> for Key {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl Typed {
    /// Integers of 128 bits travel as binary.
    fn wide(&self) -> Option<[u8; 16]> {
        self.0.as_slice()?.try_into().ok()
    }
}

/// 2^63, the double that the largest `i64` and its neighbours are written as. It does not fit itself;
/// everything below it does.
const SIGNED_END: f64 = 9_223_372_036_854_775_808.0;

/// 2^64, the same for `u64`.
const UNSIGNED_END: f64 = 2.0 * SIGNED_END;

/// A double without a fraction is an integer, as in JavaScript.
fn number<'de, V: Visitor<'de>>(number: f64, visitor: V) -> Result<V::Value, Error> {
    if number.fract() != 0.0 {
        visitor.visit_f64(number)
    } else if (0.0..UNSIGNED_END).contains(&number) {
        visitor.visit_u64(number as u64)
    } else if (-SIGNED_END..0.0).contains(&number) {
        visitor.visit_i64(number as i64)
    } else {
        visitor.visit_f64(number)
    }
}

impl<'de> Deserializer<'de> for Typed {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            // An extension type is written as null.
            Value::Nil | Value::Ext(..) => visitor.visit_unit(),
            Value::Boolean(boolean) => visitor.visit_bool(boolean),
            Value::Integer(integer) => match (integer.as_u64(), integer.as_i64()) {
                (Some(integer), _) => visitor.visit_u64(integer),
                (None, integer) => visitor.visit_i64(integer.unwrap_or_default()),
            },
            Value::F32(float) if float.fract() != 0.0 => visitor.visit_f32(float),
            Value::F32(float) => number(f64::from(float), visitor),
            Value::F64(float) => number(float, visitor),
            Value::String(text) if text.is_str() => {
                visitor.visit_string(text.into_str().unwrap_or_default())
            }
            Value::String(text) => visitor.visit_byte_buf(text.into_bytes()),
            Value::Binary(bytes) => visitor.visit_byte_buf(bytes),
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Typed));
                let read = visitor.visit_seq(&mut items)?;
                items.end().map(|()| read)
            }
            Value::Map(entries) => {
                let entries = entries.into_iter();
                let mut entries = MapDeserializer::new(entries.map(|(k, v)| (Key(k), Typed(v))));
                let read = visitor.visit_map(&mut entries)?;
                entries.end().map(|()| read)
            }
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::F64(float) if float.to_bits() == SIGNED_END.to_bits() => {
                visitor.visit_i64(i64::MAX)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::F64(float) if float.to_bits() == UNSIGNED_END.to_bits() => {
                visitor.visit_u64(u64::MAX)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    /// Zero keeps its sign here.
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::F32(float) => visitor.visit_f64(f64::from(float)),
            Value::F64(float) => visitor.visit_f64(float),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.wide() {
            Some(bytes) => visitor.visit_u128(u128::from_be_bytes(bytes)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.wide() {
            Some(bytes) => visitor.visit_i128(i128::from_be_bytes(bytes)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_nil() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// The writer makes an empty list of it.
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) if items.is_empty() => visitor.visit_unit(),
            _ => self.deserialize_any(visitor),
        }
    }

    /// JavaScript's binary is a list of bytes where one is asked for.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Binary(bytes) => {
                let mut bytes = SeqDeserializer::<_, Error>::new(bytes.into_iter());
                let read = visitor.visit_seq(&mut bytes)?;
                bytes.end().map(|()| read)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    /// A variant's name, or a map of one entry by that name.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(name) => {
                let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
                visitor.visit_enum(name.into_deserializer())
            }
            Value::Map(entries) if entries.len() == 1 => {
                let entries = entries.into_iter();
                let entries = MapDeserializer::new(entries.map(|(k, v)| (Key(k), Typed(v))));
                visitor.visit_enum(MapAccessDeserializer::new(entries))
            }
            _ => Err(Error::invalid_type(
                Unexpected::Other("a value that names no variant"),
                &"a string or a map of one entry",
            )),
        }
    }

    forward_to_deserialize_any! {
        bool u8 u16 u32 i8 i16 i32 char str string bytes byte_buf unit
        tuple_struct map struct identifier ignored_any
    }
}

/// Reads what a string spells, and everything else as it is.
macro_rules! spelled {
    ($($deserialize:ident $visit:ident)*) => {$(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0.as_str().and_then(|name| name.parse().ok()) {
                Some(value) => visitor.$visit(value),
                None => Typed(self.0).$deserialize(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Key {
    type Error = Error;

    spelled! {
        deserialize_bool visit_bool
        deserialize_u8 visit_u8
        deserialize_u16 visit_u16
        deserialize_u32 visit_u32
        deserialize_u64 visit_u64
        deserialize_i8 visit_i8
        deserialize_i16 visit_i16
        deserialize_i32 visit_i32
        deserialize_i64 visit_i64
        deserialize_f32 visit_f32
        deserialize_f64 visit_f64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        Typed(self.0).deserialize_any(visitor)
    }

    /// A key that is there; the writer refuses `None`.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        Typed(self.0).deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}
