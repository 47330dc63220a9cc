//! Values to BinaryPack bytes.
//!
//! Numbers are written as JavaScript sees them: a double without a fraction is an integer. The shortest
//! form is chosen in the order BinaryJS tries them, so that the bytes equal its own.

use rmpv::{Utf8String, Value};
use serde::Serialize;

use super::{Dialect, Error};

/// Turns any serde value into BinaryPack bytes.
///
/// Structs become maps by field name, tuples arrays, what serializes as bytes (`bytes::Bytes` with serde,
/// `serde_bytes`) binary, and what has a form for people to read (`IpAddr`, dates) takes that, as the peer
/// is JavaScript. An enum's variant becomes its name, or with anything in it a map of one entry by
/// that name. Beyond 2^53 integers lose their last digits, except in [`Dialect::Reference`] and as keys of
/// maps.
///
/// # Errors
///
/// [`Error::Type`] for a type that refuses to be serialized, and for a map's key that is no string, number
/// or bool: no `None`, tuple, struct, bytes or integer of 128 bits.
///
/// ```
/// use tickwire_protocol::binarypack::{Dialect, to_vec};
/// assert_eq!(to_vec(&("hi", 256), Dialect::Node).unwrap(), b"\x92\xb2hi\xcd\x01\x00");
/// ```
pub fn to_vec<T: Serialize + ?Sized>(value: &T, dialect: Dialect) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    write_value(&to_value(value)?, dialect, &mut out);
    Ok(out)
}

/// Turns any serde value into a [`Value`], in the way of [`to_vec`].
///
/// # Errors
///
/// As for [`to_vec`].
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, Error> {
    // By way of MessagePack: rmpv's own serializer writes structs as arrays and loses the field names.
    let mut named = Vec::new();
    let mut serializer = rmp_serde::Serializer::new(&mut named)
        .with_struct_map()
        .with_human_readable();
    value
        .serialize(&mut serializer)
        .map_err(|e| Error::Type(e.to_string()))?;
    let value =
        rmpv::decode::read_value(&mut named.as_slice()).map_err(|e| Error::Type(e.to_string()))?;
    check_keys(&value)?;
    Ok(value)
}

/// JavaScript makes a property's name of every key; lists, maps and bytes have none of their own.
fn check_keys(value: &Value) -> Result<(), Error> {
    match value {
        Value::Array(items) => items.iter().try_for_each(check_keys),
        Value::Map(entries) => entries.iter().try_for_each(|(key, value)| match key {
            Value::Nil | Value::Binary(_) | Value::Array(_) | Value::Map(_) | Value::Ext(..) => {
                let reason = "a map's key must be a string, a number or a bool";
                Err(Error::Type(reason.to_owned()))
            }
            _ => check_keys(value),
        }),
        _ => Ok(()),
    }
}

/// Appends one value to `out`. Never fails: what JavaScript's encoder throws at (an infinity, an
/// extension type) becomes null.
pub fn write_value(value: &Value, dialect: Dialect, out: &mut Vec<u8>) {
    match value {
        Value::Nil | Value::Ext(..) => out.push(0xc0),
        Value::Boolean(false) => out.push(0xc2),
        Value::Boolean(true) => out.push(0xc3),
        Value::Integer(integer) => match (integer.as_i64(), integer.as_u64()) {
            (Some(integer), _) => write_integer(integer, dialect, out),
            (None, Some(integer)) if dialect == Dialect::Reference => {
                tagged(0xcf, &integer.to_be_bytes(), out);
            }
            (None, _) => write_double(integer.as_f64().unwrap_or_default(), dialect, out),
        },
        Value::F32(float) => write_number(f64::from(*float), dialect, out),
        Value::F64(float) => write_number(*float, dialect, out),
        Value::String(string) => write_string(string, dialect, out),
        Value::Binary(bytes) => write_binary(bytes, out),
        Value::Array(items) => {
            write_length(items.len(), Some((0x90, 15)), 0xdc, out);
            for item in items {
                write_value(item, dialect, out);
            }
        }
        Value::Map(entries) => {
            write_length(entries.len(), Some((0x80, 15)), 0xde, out);
            for (key, value) in entries {
                write_key(key, dialect, out);
                write_value(value, dialect, out);
            }
        }
    }
}

/// A map's key. An integer that a double does not hold goes in digits, or two of them could become one.
fn write_key(key: &Value, dialect: Dialect, out: &mut Vec<u8>) {
    const EXACT_END: u64 = 1 << 53;
    match key {
        Value::Integer(integer)
            if integer
                .as_i64()
                .is_none_or(|integer| integer.unsigned_abs() > EXACT_END) =>
        {
            write_string(&integer.to_string().into(), dialect, out);
        }
        _ => write_value(key, dialect, out),
    }
}

/// Appends binary, the same in every dialect.
pub(crate) fn write_binary(bytes: &[u8], out: &mut Vec<u8>) {
    write_length(bytes.len(), Some((0xa0, 15)), 0xda, out);
    out.extend_from_slice(bytes);
}

/// A length as part of a short tag, or as 16 bits after `tag`, or as 32 bits after the tag that follows.
fn write_length(len: usize, short: Option<(u8, usize)>, tag: u8, out: &mut Vec<u8>) {
    match (short, u16::try_from(len)) {
        (Some((short_tag, max)), _) if len <= max => out.push(short_tag | len as u8),
        (_, Ok(len)) => {
            out.push(tag);
            out.extend_from_slice(&len.to_be_bytes());
        }
        (_, Err(_)) => {
            out.push(tag + 1);
            out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
}

fn write_number(number: f64, dialect: Dialect, out: &mut Vec<u8>) {
    // 2^63 itself does not fit an i64; everything below it does.
    const INTEGER_END: f64 = 9_223_372_036_854_775_808.0;
    if number.fract() == 0.0 && (-INTEGER_END..INTEGER_END).contains(&number) {
        write_integer(number as i64, dialect, out);
    } else {
        write_double(number, dialect, out);
    }
}

fn write_integer(integer: i64, dialect: Dialect, out: &mut Vec<u8>) {
    match integer {
        0..=0x7f => out.push(integer as u8),
        -32..=-1 => out.push(integer as i8 as u8),
        0x80..=0xff => out.extend_from_slice(&[0xcc, integer as u8]),
        -0x80..=-33 => out.extend_from_slice(&[0xd0, integer as i8 as u8]),
        0x100..=0xffff => tagged(0xcd, &(integer as u16).to_be_bytes(), out),
        -0x8000..=-0x81 => tagged(0xd1, &(integer as i16).to_be_bytes(), out),
        0x1_0000..=0xffff_ffff => tagged(0xce, &(integer as u32).to_be_bytes(), out),
        -0x8000_0000..=-0x8001 => tagged(0xd2, &(integer as i32).to_be_bytes(), out),
        _ => match dialect {
            Dialect::Reference => tagged(0xd3, &integer.to_be_bytes(), out),
            Dialect::Node | Dialect::Browser => {
                tagged(0xcb, &(integer as f64).to_be_bytes(), out);
            }
        },
    }
}

fn write_double(double: f64, dialect: Dialect, out: &mut Vec<u8>) {
    match (dialect, double.classify()) {
        (_, std::num::FpCategory::Infinite) | (Dialect::Browser, std::num::FpCategory::Nan) => {
            out.push(0xc0);
        }
        (Dialect::Browser, std::num::FpCategory::Subnormal) => out.push(0x00),
        _ => tagged(0xcb, &double.to_be_bytes(), out),
    }
}

fn tagged(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

fn write_string(string: &Utf8String, dialect: Dialect, out: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(string.as_bytes());
    if dialect == Dialect::Browser && text.chars().any(|c| c > '\u{ffff}') {
        let bytes = surrogate_pairs(&text);
        write_length(bytes.len(), Some((0xb0, 15)), 0xd8, out);
        out.extend_from_slice(&bytes);
    } else {
        write_length(text.len(), Some((0xb0, 15)), 0xd8, out);
        out.extend_from_slice(text.as_bytes());
    }
}

/// UTF-8 with every character beyond the basic plane as two surrogates of three bytes (CESU-8).
fn surrogate_pairs(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 2);
    for unit in text.encode_utf16() {
        match unit {
            0..0x80 => bytes.push(unit as u8),
            0x80..0x800 => {
                bytes.extend_from_slice(&[0xc0 | (unit >> 6) as u8, 0x80 | (unit & 0x3f) as u8]);
            }
            _ => bytes.extend_from_slice(&[
                0xe0 | (unit >> 12) as u8,
                0x80 | (unit >> 6 & 0x3f) as u8,
                0x80 | (unit & 0x3f) as u8,
            ]),
        }
    }
    bytes
}
