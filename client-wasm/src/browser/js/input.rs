//! A JavaScript object as an input of the game, by the schema.

use js_sys::{Object, Reflect};
use tickwire_protocol::{
    replicate::encode_by_name,
    schema::{ColumnKind, ColumnSchema, Shape},
};
use wasm_bindgen::{JsCast, JsValue};

use crate::browser::error;

/// Appends the input, an object. Fields that the object leaves out are zero; nested ones are found under dotted
/// names and in nested objects alike.
///
/// # Errors
/// An `Error` for a field that the input does not have: most likely misspelt.
pub(super) fn encode(shape: &Shape, input: &JsValue, out: &mut Vec<u8>) -> Result<(), JsValue> {
    for key in Object::keys(input.unchecked_ref::<Object>()).iter() {
        let key = key.as_string().unwrap_or_default();
        let is_known = shape.columns.iter().any(|column| {
            let rest = column.path.strip_prefix(&key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '?']))
        });
        if !is_known {
            return Err(error(format!("the input has no field {key}")));
        }
    }
    encode_by_name(
        shape,
        |column| number(column, &look_up(input, &column.path)),
        out,
    );
    Ok(())
}

fn look_up(input: &JsValue, path: &str) -> JsValue {
    let path = path.trim_end_matches('?');
    let get =
        |from: &JsValue, key: &str| Reflect::get(from, &key.into()).unwrap_or(JsValue::UNDEFINED);
    let direct = get(input, path);
    if !direct.is_undefined() {
        return direct;
    }
    path.split('.').fold(input.clone(), |value, key| {
        if value.is_object() {
            get(&value, key)
        } else {
            value
        }
    })
}

fn number(column: &ColumnSchema, value: &JsValue) -> Option<f64> {
    if let ColumnKind::Some = column.kind {
        return Some(if value.is_undefined() || value.is_null() {
            0.0
        } else {
            1.0
        });
    }
    if let (ColumnKind::Variant { names }, Some(name)) = (&column.kind, value.as_string()) {
        return names
            .iter()
            .position(|known| *known == name)
            .map(|place| place as f64);
    }
    value.as_f64().or_else(|| value.as_bool().map(f64::from))
}
