//! Numbers by column, for a program that knows a type only from the schema: a game in JavaScript.
//!
//! In: a column's integer, or a number for each column. Out: the number it stands for, or the bytes of a
//! value that [`decode_value`](super::decode_value) takes. Both directions agree with what the derive
//! writes for the same schema.

use super::{quantise_angle, restore_angle};
use crate::{
    coding::put_varint,
    schema::{ColumnKind, ColumnSchema, Shape},
};

/// What a column's integer stands for: a float, radians, an integer, a variant's number, 0 or 1, an
/// entity's id or -1 for none. `upper` is the integer of the [`ColumnKind::High`] column after it, or 0.
///
/// Integers beyond 2^53 lose their low bits.
#[must_use]
pub fn number(column: &ColumnSchema, integer: u32, upper: u32) -> f64 {
    match column.kind {
        ColumnKind::Float { min, step, span } => {
            f64::from_bits(min) + f64::from(integer.min(span)) * f64::from_bits(step)
        }
        ColumnKind::Angle => restore_angle(integer, column.bits),
        ColumnKind::FloatBits => f32::from_bits(integer).into(),
        ColumnKind::Integer { min, span } => {
            let integer = u64::from(upper) << 32 | u64::from(integer);
            min.wrapping_add(integer.min(span).cast_signed()) as f64
        }
        ColumnKind::Entity => f64::from(integer) - 1.0,
        ColumnKind::High | ColumnKind::Bool | ColumnKind::Some | ColumnKind::Variant { .. } => {
            integer.into()
        }
    }
}

/// The integer for a number, clamped to the column's range; wide ones fill two columns.
#[must_use]
pub fn integer(column: &ColumnSchema, number: f64) -> u64 {
    match &column.kind {
        ColumnKind::Float { min, step, span } => {
            let number = if number.is_nan() { 0.0 } else { number };
            // A cast saturates at both ends.
            let steps = ((number - f64::from_bits(*min)) / f64::from_bits(*step)).round() as u32;
            steps.min(*span).into()
        }
        ColumnKind::Angle => quantise_angle(number, column.bits).0.into(),
        ColumnKind::FloatBits => (number as f32).to_bits().into(),
        ColumnKind::Integer { min, span } => {
            let offset = (number as i128).saturating_sub((*min).into());
            offset.clamp(0, i128::from(*span)) as u64
        }
        ColumnKind::Entity => u64::from((number + 1.0) as u32),
        ColumnKind::Bool | ColumnKind::Some => u64::from(number != 0.0),
        ColumnKind::Variant { names } => (number as u64).min(names.len() as u64 - 1),
        ColumnKind::High => 0,
    }
}

/// Appends a value whose columns have the numbers that `number_of` gives; a column without one gets the
/// value of its range nearest to zero. Columns of an empty `Option` or of a variant that does not hold are
/// not asked for. Strings and lists stay empty.
pub fn encode_by_name(
    shape: &Shape,
    mut number_of: impl FnMut(&ColumnSchema) -> Option<f64>,
    out: &mut Vec<u8>,
) {
    let tag = shape.tag();
    let mut absent: Vec<String> = vec![];
    let mut upper = 0;
    for column in &shape.columns {
        if column.kind == ColumnKind::High {
            put_varint(out, upper);
            continue;
        }
        if absent.iter().any(|path| is_beneath(&column.path, path)) {
            upper = 0;
            put_varint(out, 0);
            continue;
        }
        let integer = integer(column, number_of(column).unwrap_or(0.0));
        upper = integer >> 32;
        put_varint(out, integer & u64::from(u32::MAX));
        match &column.kind {
            ColumnKind::Some if integer == 0 => {
                absent.push(column.path.trim_end_matches('?').to_owned());
            }
            ColumnKind::Variant { names } => {
                let others = (0u64..).zip(names).filter(|(number, _)| *number != integer);
                let above = if tag == Some(column) {
                    ""
                } else {
                    &column.path
                };
                absent.extend(others.map(|(_, name)| join(above, name)));
            }
            _ => {}
        }
    }
    for _ in &shape.blobs {
        put_varint(out, 0);
    }
}

fn is_beneath(path: &str, above: &str) -> bool {
    let rest = path.strip_prefix(above);
    rest.is_some_and(|rest| above.is_empty() || rest.is_empty() || rest.starts_with(['.', '?']))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
