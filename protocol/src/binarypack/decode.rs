//! BinaryPack bytes to values.
//!
//! Time and memory are bounded by the bytes that are there: a claimed length reserves nothing, and
//! nesting ends at [`DEPTH_MAX`], and what is held ends at [`VALUES_MAX`].

use rmpv::{Integer, Value};
use serde::de::DeserializeOwned;

use super::{
    Error,
    limits::{DEPTH_MAX, VALUES_MAX},
    typed::Typed,
};
use crate::error::DecodeError;

/// Reads one value of any serde type. Bytes after it are ignored, as BinaryJS ignores them.
///
/// # Errors
///
/// [`Error::Decode`] when the bytes are no value, [`Error::Type`] when the value is not a `T`.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    from_value(read_value(bytes)?)
}

/// Turns a value into any serde type: what [`to_value`](super::to_value) makes of it, and what is left of
/// that when it has been written and read. A double without a fraction is an integer where one is asked
/// for, binary is a list of bytes, and a string is a number where it is a map's key.
///
/// # Errors
///
/// [`Error::Type`] when the value is not a `T`.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Typed(value))
}

/// Reads the value that `bytes` begin with.
///
/// The browser bundle counts six bytes for a character of four in strings of up to 600 UTF-16 units
/// and then sends four. Read as it stands, such a message ends too early or leaves bytes over; it is
/// then read once more with such strings counted in that way, and taken so when that uses every byte.
///
/// # Errors
///
/// When the bytes end inside the value, it nests deeper than [`DEPTH_MAX`] or holds more than
/// [`VALUES_MAX`].
pub fn read_value(bytes: &[u8]) -> Result<Value, DecodeError> {
    let as_documented = read_counted(bytes, Lengths::Right);
    if as_documented
        .as_ref()
        .is_ok_and(|read| read.bytes_left == 0)
    {
        return as_documented.map(|read| read.value);
    }
    for lengths in [Lengths::OfBrowser, Lengths::OfBrowserShort] {
        match read_counted(bytes, lengths) {
            Ok(read) if read.bytes_left == 0 => return Ok(read.value),
            _ => {}
        }
    }
    as_documented.map(|read| read.value)
}

/// So many values that use every byte, with lengths as documented.
pub(crate) fn read_values<const N: usize>(bytes: &[u8]) -> Option<[Value; N]> {
    let mut decoder = Decoder::new(bytes, Lengths::Right);
    let mut values = [const { Value::Nil }; N];
    for value in &mut values {
        *value = decoder.value(DEPTH_MAX).ok()?;
    }
    decoder.bytes.is_empty().then_some(values)
}

/// About what a value takes in memory.
pub(crate) fn memory_bytes(value: &Value) -> usize {
    let held = match value {
        Value::String(text) => text.as_bytes().len(),
        Value::Binary(bytes) | Value::Ext(_, bytes) => bytes.len(),
        Value::Array(items) => items.iter().map(memory_bytes).sum(),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| memory_bytes(key) + memory_bytes(value))
            .sum(),
        _ => 0,
    };
    size_of::<Value>() + held
}

/// How many values a value is, with all that it holds; `None` if it nests deeper than so many lists and maps.
pub(crate) fn values_held(value: &Value, depth: usize) -> Option<usize> {
    let held: usize = match value {
        Value::Array(items) => {
            let depth = depth.checked_sub(1)?;
            let held = items.iter().map(|item| values_held(item, depth));
            held.sum::<Option<usize>>()?
        }
        Value::Map(entries) => {
            let depth = depth.checked_sub(1)?;
            let parts = entries.iter().flat_map(|(key, value)| [key, value]);
            let held = parts.map(|part| values_held(part, depth));
            held.sum::<Option<usize>>()?
        }
        _ => 0,
    };
    Some(held + 1)
}

/// A value and how many bytes are left after it.
struct Read {
    value: Value,
    bytes_left: usize,
}

fn read_counted(bytes: &[u8], lengths: Lengths) -> Result<Read, DecodeError> {
    let mut decoder = Decoder::new(bytes, lengths);
    let value = decoder.value(DEPTH_MAX)?;
    let bytes_left = decoder.bytes.len();
    Ok(Read { value, bytes_left })
}

/// How the writer counted the bytes of its strings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lengths {
    Right,
    /// Six for four in strings of up to [`MISCOUNTED_UNITS`], rightly in longer ones. What may be either
    /// is a longer one.
    OfBrowser,
    /// The same, but what may be either is a short one.
    OfBrowserShort,
}

/// UTF-16 units up to which the browser bundle counts by characters; longer strings it measures.
const MISCOUNTED_UNITS: usize = 600;

struct Decoder<'a> {
    bytes: &'a [u8],
    lengths: Lengths,
    values_left: usize,
}

impl<'a> Decoder<'a> {
    const fn new(bytes: &'a [u8], lengths: Lengths) -> Self {
        Self {
            bytes,
            lengths,
            values_left: VALUES_MAX,
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, DecodeError> {
        self.values_left = self
            .values_left
            .checked_sub(1)
            .ok_or(DecodeError::OutOfRange("the size of a BinaryPack value"))?;
        let tag = self.array::<1>()?[0];
        Ok(match tag {
            0x00..=0x7f => Value::from(tag),
            0x80..=0x8f => self.map(usize::from(tag & 0x0f), depth)?,
            0x90..=0x9f => self.items(usize::from(tag & 0x0f), depth)?,
            0xa0..=0xaf => self.binary(usize::from(tag & 0x0f))?,
            0xb0..=0xbf => self.string(usize::from(tag & 0x0f))?,
            0xc0 | 0xc1 | 0xc4..=0xc9 | 0xd4..=0xd7 => Value::Nil,
            0xc2 => Value::Boolean(false),
            0xc3 => Value::Boolean(true),
            0xca => Value::F32(f32::from_be_bytes(self.array()?)),
            0xcb => Value::F64(f64::from_be_bytes(self.array()?)),
            0xcc => Value::from(u8::from_be_bytes(self.array()?)),
            0xcd => Value::from(u16::from_be_bytes(self.array()?)),
            0xce => Value::from(u32::from_be_bytes(self.array()?)),
            0xcf => Value::from(u64::from_be_bytes(self.array()?)),
            0xd0 => Value::from(i8::from_be_bytes(self.array()?)),
            0xd1 => Value::from(i16::from_be_bytes(self.array()?)),
            0xd2 => Value::from(i32::from_be_bytes(self.array()?)),
            0xd3 => Value::from(i64::from_be_bytes(self.array()?)),
            0xd8 => self.length16().and_then(|len| self.string(len))?,
            0xd9 => self.length32().and_then(|len| self.string(len))?,
            0xda => self.length16().and_then(|len| self.binary(len))?,
            0xdb => self.length32().and_then(|len| self.binary(len))?,
            0xdc => self.length16().and_then(|len| self.items(len, depth))?,
            0xdd => self.length32().and_then(|len| self.items(len, depth))?,
            0xde => self.length16().and_then(|len| self.map(len, depth))?,
            0xdf => self.length32().and_then(|len| self.map(len, depth))?,
            0xe0..=0xff => Value::from(tag as i8),
        })
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(len)
            .ok_or(DecodeError::Truncated("a BinaryPack value"))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self
            .bytes
            .split_first_chunk()
            .ok_or(DecodeError::Truncated("a BinaryPack value"))?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn length16(&mut self) -> Result<usize, DecodeError> {
        Ok(usize::from(u16::from_be_bytes(self.array()?)))
    }

    fn length32(&mut self) -> Result<usize, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?) as usize)
    }

    fn binary(&mut self, len: usize) -> Result<Value, DecodeError> {
        Ok(Value::Binary(self.take(len)?.to_vec()))
    }

    fn items(&mut self, len: usize, depth: usize) -> Result<Value, DecodeError> {
        let depth = depth
            .checked_sub(1)
            .ok_or(DecodeError::OutOfRange("the nesting of a BinaryPack value"))?;
        // Every item takes a byte at least: a longer list cannot be complete.
        let mut items = Vec::with_capacity(len.min(self.bytes.len()).min(1024));
        for _ in 0..len {
            items.push(self.value(depth)?);
        }
        Ok(Value::Array(items))
    }

    /// A map. JavaScript turns every key into a property name, so that is what a key becomes here.
    fn map(&mut self, len: usize, depth: usize) -> Result<Value, DecodeError> {
        let depth = depth
            .checked_sub(1)
            .ok_or(DecodeError::OutOfRange("the nesting of a BinaryPack value"))?;
        let mut entries = Vec::with_capacity(len.min(self.bytes.len() / 2).min(1024));
        for _ in 0..len {
            let key = property_name(&self.value(depth)?);
            entries.push((Value::from(key), self.value(depth)?));
        }
        Ok(Value::Map(entries))
    }

    fn string(&mut self, len: usize) -> Result<Value, DecodeError> {
        let real = match self.lengths {
            Lengths::Right => None,
            Lengths::OfBrowser if self.may_be_long(len) => None,
            Lengths::OfBrowser | Lengths::OfBrowserShort => self.short_within(len),
        };
        let bytes = self.take(real.unwrap_or(len))?;
        text(bytes, self.lengths)
            .map(Value::from)
            .ok_or(DecodeError::Invalid("a string that is not UTF-8"))
    }

    /// Whether `len` bytes are a string that is too long to be miscounted.
    fn may_be_long(&self, len: usize) -> bool {
        let read = self.bytes.get(..len);
        read.and_then(|bytes| text(bytes, Lengths::Right))
            .is_some_and(|text| units(&text) > MISCOUNTED_UNITS)
    }

    /// The bytes of a short string that counts `claimed` bytes, six for each character of four; none
    /// when no short string is counted so.
    fn short_within(&self, claimed: usize) -> Option<usize> {
        let (mut counted, mut at) = (0, 0);
        while counted < claimed {
            (counted, at) = match self.bytes.get(at)? {
                0xf0..=0xf7 => (counted + 6, at + 4),
                _ => (counted + 1, at + 1),
            };
        }
        // A character that the count cuts in the middle was not counted by a browser.
        let bytes = self.bytes.get(..at).filter(|_| counted == claimed)?;
        let text = text(bytes, self.lengths)?;
        (units(&text) <= MISCOUNTED_UNITS).then_some(at)
    }
}

/// The length of a text as JavaScript counts it.
fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// UTF-8, also with surrogate pairs of three bytes each. A lone surrogate becomes U+FFFD.
///
/// With right lengths anything else that is not UTF-8 is `None`, so that a wrongly counted string is
/// noticed; with counted ones it becomes U+FFFD, as in Node.
fn text(bytes: &[u8], lengths: Lengths) -> Option<String> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(text.to_owned());
    }
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        if let [0xed, high @ 0xa0..=0xbf, low @ 0x80..=0xbf, ..] = rest {
            units.push(0xd000 | u16::from(high & 0x3f) << 6 | u16::from(low & 0x3f));
            rest = &rest[3..];
            continue;
        }
        let len = match first {
            0x00..0x80 => 1,
            0xc2..0xe0 => 2,
            0xe0..0xf0 => 3,
            0xf0..0xf5 => 4,
            _ => 1,
        };
        let character = rest
            .get(..len)
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        match (character, lengths) {
            (Some(character), _) => {
                units.extend(character.encode_utf16());
                rest = &rest[len..];
            }
            (None, Lengths::Right) => return None,
            (None, Lengths::OfBrowser | Lengths::OfBrowserShort) => {
                units.push(0xfffd);
                rest = &rest[1..];
            }
        }
    }
    Some(String::from_utf16_lossy(&units))
}

/// The property name JavaScript makes of a value. Lists and maps, which no one uses, become empty.
pub(crate) fn property_name(key: &Value) -> String {
    match key {
        Value::String(name) => String::from_utf8_lossy(name.as_bytes()).into_owned(),
        Value::Nil => "null".to_owned(),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Integer(integer) => integer_name(*integer),
        Value::F32(number) => number_name(f64::from(*number)),
        Value::F64(number) => number_name(*number),
        Value::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Array(_) | Value::Map(_) | Value::Ext(..) => String::new(),
    }
}

/// As ECMAScript writes a number (`Number::toString`): at most 25 bytes, where its digits could be 326.
fn number_name(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 {
        // Without the sign of minus zero.
        "0".to_owned()
    } else if size.is_infinite() {
        let sign = if number < 0.0 { "-" } else { "" };
        format!("{sign}Infinity")
    } else if (1e-6..1e21).contains(&size) || number.is_nan() {
        number.to_string()
    } else {
        let exponential = format!("{number:e}");
        if size < 1.0 {
            exponential
        } else {
            exponential.replace('e', "e+")
        }
    }
}

fn integer_name(integer: Integer) -> String {
    integer.to_string()
}
