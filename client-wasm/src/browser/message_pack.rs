//! JavaScript values as MessagePack and back: what events and metadata of a JavaScript game travel as.
//!
//! Numbers without a fraction travel as integers, buffers and views of bytes as bin, objects as maps in the
//! order of their keys. What has no such form (a `Map`, a `Date`, a `Float32Array`) is refused: as an object
//! it would arrive empty. Nesting is bounded in both directions: a value may come from a peer, or hold
//! itself.

use js_sys::{
    Array, ArrayBuffer, DataView, Function, Int8Array, Object, Reflect, Uint8Array,
    Uint8ClampedArray,
};
use tickwire_protocol::{error::DecodeError, limits::DEPTH_MAX};
use wasm_bindgen::{JsCast, JsValue};

use super::error;

/// The largest integer that JavaScript tells from its neighbours.
const INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

thread_local! {
    /// `Object.prototype.toString`, which tells what was made by `{}` or a page's own class from what the
    /// browser keeps inside of its objects.
    static TO_STRING: Function =
        Reflect::get(&Object::get_prototype_of(&Object::new()), &"toString".into())
            .unwrap_or_default()
            .unchecked_into();
}

/// Appends a JavaScript value as MessagePack.
///
/// # Errors
/// An `Error`, for a value that has no such form: a function, a symbol, a `Map`, one nested too deep.
pub(super) fn encode(value: &JsValue, out: &mut Vec<u8>) -> Result<(), JsValue> {
    encode_nested(value, out, 0)
}

fn encode_nested(value: &JsValue, out: &mut Vec<u8>, depth: usize) -> Result<(), JsValue> {
    if depth > DEPTH_MAX {
        return Err(error("a value is nested too deep to be sent"));
    }
    if value.is_null() || value.is_undefined() {
        out.push(0xc0);
    } else if let Some(flag) = value.as_bool() {
        out.push(if flag { 0xc3 } else { 0xc2 });
    } else if let Some(number) = value.as_f64() {
        encode_number(number, out);
    } else if let Some(text) = value.as_string() {
        encode_length(text.len(), [0xa0, 0xd9, 0xda, 0xdb], 32, out);
        out.extend_from_slice(text.as_bytes());
    } else if let Some(bytes) = bytes_of(value) {
        encode_length(bytes.length() as usize, [0, 0xc4, 0xc5, 0xc6], 0, out);
        out.extend_from_slice(&bytes.to_vec());
    } else if Array::is_array(value) {
        let items = value.unchecked_ref::<Array>();
        encode_length(items.length() as usize, [0x90, 0, 0xdc, 0xdd], 16, out);
        for item in items.iter() {
            encode_nested(&item, out, depth + 1)?;
        }
    } else if is_plain(value) {
        let entries = Object::entries(value.unchecked_ref());
        encode_length(entries.length() as usize, [0x80, 0, 0xde, 0xdf], 16, out);
        for entry in entries.iter() {
            for part in entry.unchecked_into::<Array>().iter() {
                encode_nested(&part, out, depth + 1)?;
            }
        }
    } else {
        return Err(error("a value has a type that cannot be sent"));
    }
    Ok(())
}

/// What a buffer or a view of single bytes holds. Larger numbers have an order of bytes, which is the machine's.
fn bytes_of(value: &JsValue) -> Option<Uint8Array> {
    if let Some(bytes) = value.dyn_ref::<Uint8Array>() {
        return Some(bytes.clone());
    }
    let is_of_bytes = value.is_instance_of::<ArrayBuffer>()
        || value.is_instance_of::<DataView>()
        || value.is_instance_of::<Uint8ClampedArray>()
        || value.is_instance_of::<Int8Array>();
    is_of_bytes.then(|| bytes_under(value))
}

/// The bytes of a buffer, or those that a view of one shows, whatever it takes them for.
pub(super) fn bytes_under(buffer_or_view: &JsValue) -> Uint8Array {
    if buffer_or_view.is_instance_of::<ArrayBuffer>() {
        return Uint8Array::new(buffer_or_view);
    }
    let part = |name: &str| Reflect::get(buffer_or_view, &name.into()).unwrap_or_default();
    let number = |name: &str| part(name).as_f64().unwrap_or(0.0) as u32;
    Uint8Array::new_with_byte_offset_and_length(
        &part("buffer"),
        number("byteOffset"),
        number("byteLength"),
    )
}

/// Whether all of an object is in its fields.
pub(super) fn is_plain(value: &JsValue) -> bool {
    let tag = || TO_STRING.with(|to_string| to_string.call0(value)).ok();
    value.is_object() && tag().is_some_and(|tag| tag == "[object Object]")
}

fn encode_number(number: f64, out: &mut Vec<u8>) {
    if number.fract() != 0.0 || number.abs() > INTEGER_MAX {
        out.push(0xcb);
        out.extend_from_slice(&number.to_be_bytes());
        return;
    }
    match number as i64 {
        small @ -32..=127 => out.push(small as i8 as u8),
        integer if integer < 0 => {
            out.push(0xd3);
            out.extend_from_slice(&integer.to_be_bytes());
        }
        integer => match u32::try_from(integer) {
            Ok(short) => {
                out.push(0xce);
                out.extend_from_slice(&short.to_be_bytes());
            }
            Err(_) => {
                out.push(0xcf);
                out.extend_from_slice(&integer.to_be_bytes());
            }
        },
    }
}

/// Appends a length in the shortest form its type has: inside the byte, 8, 16 or 32 bits. A form that
/// a type lacks has the marker 0.
fn encode_length(
    length: usize,
    [fix, byte, short, long]: [u8; 4],
    fix_below: usize,
    out: &mut Vec<u8>,
) {
    if length < fix_below {
        out.push(fix | length as u8);
    } else if byte != 0 && length < 1 << 8 {
        out.extend_from_slice(&[byte, length as u8]);
    } else if length < 1 << 16 {
        out.push(short);
        out.extend_from_slice(&(length as u16).to_be_bytes());
    } else {
        out.push(long);
        out.extend_from_slice(&(length as u32).to_be_bytes());
    }
}

/// Reads one MessagePack value that takes up all of `bytes`. Integers beyond 2^53 lose their low bits;
/// extension types become `null`.
///
/// # Errors
/// [`DecodeError`] when the bytes are no such value.
pub(super) fn decode(mut bytes: &[u8]) -> Result<JsValue, DecodeError> {
    let value = decode_nested(&mut bytes, 0)?;
    if bytes.is_empty() {
        Ok(value)
    } else {
        Err(DecodeError::Trailing("a MessagePack value"))
    }
}

fn decode_nested(bytes: &mut &[u8], depth: usize) -> Result<JsValue, DecodeError> {
    if depth > DEPTH_MAX {
        return Err(DecodeError::OutOfRange("the depth of a MessagePack value"));
    }
    let [marker] = take_array(bytes)?;
    Ok(match marker {
        0x00..=0x7f => marker.into(),
        0x80..=0x8f => decode_map(bytes, usize::from(marker & 15), depth)?,
        0x90..=0x9f => decode_list(bytes, usize::from(marker & 15), depth)?,
        0xa0..=0xbf => decode_text(bytes, usize::from(marker & 31))?,
        0xc2 => JsValue::FALSE,
        0xc3 => JsValue::TRUE,
        0xc4..=0xc6 => {
            let length = take_uint(bytes, 1 << (marker - 0xc4))? as usize;
            Uint8Array::from(take(bytes, length)?).into()
        }
        0xc7..=0xc9 => {
            let length = take_uint(bytes, 1 << (marker - 0xc7))? as usize;
            take(bytes, length)?;
            take(bytes, 1)?;
            JsValue::NULL
        }
        0xca => f32::from_be_bytes(take_array(bytes)?).into(),
        0xcb => f64::from_be_bytes(take_array(bytes)?).into(),
        0xcc..=0xcf => (take_uint(bytes, 1 << (marker - 0xcc))? as f64).into(),
        0xd0 => i8::from_be_bytes(take_array(bytes)?).into(),
        0xd1 => i16::from_be_bytes(take_array(bytes)?).into(),
        0xd2 => i32::from_be_bytes(take_array(bytes)?).into(),
        0xd3 => (i64::from_be_bytes(take_array(bytes)?) as f64).into(),
        0xd4..=0xd8 => {
            take(bytes, 1 + (1 << (marker - 0xd4)))?;
            JsValue::NULL
        }
        0xd9..=0xdb => {
            let length = take_uint(bytes, 1 << (marker - 0xd9))? as usize;
            decode_text(bytes, length)?
        }
        0xdc | 0xdd => {
            let length = take_uint(bytes, 2 << (marker - 0xdc))? as usize;
            decode_list(bytes, length, depth)?
        }
        0xde | 0xdf => {
            let length = take_uint(bytes, 2 << (marker - 0xde))? as usize;
            decode_map(bytes, length, depth)?
        }
        0xe0..=0xff => (marker as i8).into(),
        0xc0 => JsValue::NULL,
        0xc1 => return Err(DecodeError::Invalid("a MessagePack marker")),
    })
}

fn decode_text(bytes: &mut &[u8], length: usize) -> Result<JsValue, DecodeError> {
    let text = core::str::from_utf8(take(bytes, length)?);
    text.map(JsValue::from_str)
        .map_err(|_| DecodeError::Invalid("a MessagePack string"))
}

fn decode_list(bytes: &mut &[u8], length: usize, depth: usize) -> Result<JsValue, DecodeError> {
    // Grown item by item: each takes a byte at least, so a claimed length reserves nothing.
    let list = Array::new();
    for _ in 0..length {
        list.push(&decode_nested(bytes, depth + 1)?);
    }
    Ok(list.into())
}

fn decode_map(bytes: &mut &[u8], length: usize, depth: usize) -> Result<JsValue, DecodeError> {
    let map = Object::new();
    for _ in 0..length {
        let key = decode_nested(bytes, depth + 1)?;
        if key.is_object() {
            // A field's name is made of it by its own methods, and one that lacks them throws.
            return Err(DecodeError::Invalid("the key of a MessagePack map"));
        }
        let value = decode_nested(bytes, depth + 1)?;
        let key = key
            .as_string()
            .map_or_else(|| js_sys::JsString::from(key).into(), JsValue::from);
        // Defined, not assigned: a key named `__proto__` is then a field like any other.
        let field = Object::new();
        for (name, part) in [
            ("value", &value),
            ("enumerable", &JsValue::TRUE),
            ("writable", &JsValue::TRUE),
            ("configurable", &JsValue::TRUE),
        ] {
            drop(Reflect::set(&field, &name.into(), part));
        }
        Object::define_property(&map, &key, &field);
    }
    Ok(map.into())
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], DecodeError> {
    let (head, tail) = bytes
        .split_at_checked(length)
        .ok_or(DecodeError::Truncated("a MessagePack value"))?;
    *bytes = tail;
    Ok(head)
}

fn take_array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    let head = take(bytes, N)?;
    head.try_into()
        .map_err(|_| DecodeError::Truncated("a MessagePack value"))
}

fn take_uint(bytes: &mut &[u8], length: usize) -> Result<u64, DecodeError> {
    Ok(take(bytes, length)?
        .iter()
        .fold(0, |value, &byte| value << 8 | u64::from(byte)))
}
