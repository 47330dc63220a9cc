//! A JavaScript object as an input of the game, by the schema.
//!
//! The decision to question: all of it is checked, although it is set with every frame. A name or a value that is
//! taken for zero, or for another one, reads like a game that does not obey.

use js_sys::{Array, Object, Reflect};
use tickwire_protocol::{
    replicate::encode_by_name,
    schema::{ColumnKind, ColumnSchema, Shape},
};
use wasm_bindgen::{JsCast, JsValue};

use crate::browser::{error, message_pack::is_plain};

/// Appends the input, an object. Fields that the object leaves out are zero; nested ones are found under dotted
/// names and in nested objects alike.
///
/// # Errors
/// An `Error` for a field that the input does not have (most likely misspelt), and for a value that its field does
/// not take.
pub(super) fn encode(shape: &Shape, input: &JsValue, out: &mut Vec<u8>) -> Result<(), JsValue> {
    check_names(shape, input, "").map_err(error)?;
    let mut wrong = None;
    let number_of = |column: &ColumnSchema| {
        number(shape, column, input).unwrap_or_else(|takes| {
            let path = column.path.trim_end_matches('?');
            wrong.get_or_insert_with(|| format!("the input's field {path} takes {takes}"));
            None
        })
    };
    encode_by_name(shape, number_of, out);
    wrong.map_or(Ok(()), |wrong| Err(error(wrong)))
}

/// Whether all that a value is, is in its fields. Arrays have numbers for names.
pub(super) fn is_object(value: &JsValue) -> bool {
    Array::is_array(value) || is_plain(value)
}

/// Whether the input has every field of an object, which stands at `path` in it; a sentence if not.
fn check_names(shape: &Shape, object: &JsValue, path: &str) -> Result<(), String> {
    for key in Object::keys(object.unchecked_ref::<Object>()).iter() {
        let key = key.as_string().unwrap_or_default();
        let name = match path {
            "" => key.clone(),
            _ => format!("{path}.{key}"),
        };
        let beneath = || {
            let rests = shape.columns.iter().map(|it| it.path.strip_prefix(&name));
            rests.flatten()
        };
        let is_field = beneath().any(str::is_empty);
        let is_nested = beneath().any(|rest| rest.starts_with(['.', '?']));
        let is_variant = shape.columns.iter().any(|column| {
            let is_here = column.path == path || path.is_empty() && shape.tag() == Some(column);
            is_here && variants(column).contains(&key)
        });
        if !is_field && !is_nested && !is_variant {
            return Err(format!("the input has no field {name}"));
        }
        let value = get(object, &key);
        let is_tag = value.as_bool().is_some() && beneath().any(|rest| rest == "?");
        if is_object(&value) {
            check_names(shape, &value, &name)?;
        } else if !is_field && !is_left_out(&value) && !is_tag {
            return Err(format!("the input's field {name} takes an object"));
        }
    }
    Ok(())
}

/// The number for a column, `None` if it is left out; else what the column takes.
fn number(shape: &Shape, column: &ColumnSchema, input: &JsValue) -> Result<Option<f64>, String> {
    let value = look_up(input, &column.path);
    if let ColumnKind::Some = column.kind {
        if let Some(tag) = value.as_bool() {
            return Ok(Some(tag.into()));
        }
        let path = column.path.trim_end_matches('?');
        let holds_bool = |it: &ColumnSchema| it.path == path && it.kind == ColumnKind::Bool;
        let value = look_up(input, path);
        // `held && angle` is false when nothing is held.
        let is_none = is_left_out(&value)
            || value.as_bool() == Some(false) && !shape.columns.iter().any(holds_bool);
        return Ok(Some((!is_none).into()));
    }
    if is_left_out(&value) {
        return if shape.tag() == Some(column) {
            number_by_key(column, input)
        } else {
            Ok(None)
        };
    }
    let numeric = value.as_f64().filter(|number| !number.is_nan());
    let number = match &column.kind {
        ColumnKind::Variant { names } => {
            let name = value.as_string().or_else(|| only_key(&value));
            let place = |name: String| names.iter().position(|known| *known == name);
            let by_number =
                numeric.filter(|&it| it.fract() == 0.0 && (0.0..names.len() as f64).contains(&it));
            let number = name.and_then(place).map(|place| place as f64).or(by_number);
            return number.map(Some).ok_or_else(|| one_of(names));
        }
        ColumnKind::Bool => numeric
            .or_else(|| value.as_bool().map(f64::from))
            .ok_or("true or false"),
        _ => numeric
            .or_else(|| value.as_bool().map(f64::from))
            .ok_or("a number"),
    };
    number.map(Some).map_err(str::to_owned)
}

/// The number of the one variant that the input, itself an enum, has a field for.
fn number_by_key(column: &ColumnSchema, input: &JsValue) -> Result<Option<f64>, String> {
    let names = variants(column);
    let is_given = |name: &str| !is_left_out(&get(input, name));
    let mut given = names
        .iter()
        .enumerate()
        .filter(|(_, name)| is_given(name))
        .map(|(place, _)| place);
    match (given.next(), given.next()) {
        (Some(_), Some(_)) => Err(one_of(names)),
        (place, _) => Ok(place.map(|place| place as f64)),
    }
}

fn one_of(names: &[String]) -> String {
    format!("one of {}", names.join(", "))
}

fn variants(column: &ColumnSchema) -> &[String] {
    match &column.kind {
        ColumnKind::Variant { names } => names,
        _ => &[],
    }
}

/// An object with one field stands for the variant of that name, whose fields are in it.
fn only_key(value: &JsValue) -> Option<String> {
    let keys = is_object(value).then(|| Object::keys(value.unchecked_ref::<Object>()))?;
    (keys.length() == 1).then(|| keys.get(0).as_string())?
}

/// What stands at a path, whichever of its dots are in fields' names and which between objects.
fn look_up(object: &JsValue, path: &str) -> JsValue {
    let direct = get(object, path);
    if !direct.is_undefined() {
        return direct;
    }
    let nested = path.match_indices('.').filter_map(|(dot, _)| {
        let part = get(object, &path[..dot]);
        is_object(&part).then(|| look_up(&part, &path[dot + 1..]))
    });
    let mut found = nested.filter(|value| !value.is_undefined());
    found.next().unwrap_or_default()
}

fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or_default()
}

fn is_left_out(value: &JsValue) -> bool {
    value.is_undefined() || value.is_null()
}
