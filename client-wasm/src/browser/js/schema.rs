//! The schema as a JavaScript object: what a page can ask for by name.

use js_sys::Array;
use tickwire_protocol::schema::{ColumnKind, ComponentSchema, EventDirection, Schema};
use wasm_bindgen::JsValue;

use super::object::object;

/// `TickwireSchema`.
pub(super) fn to_js(schema: &Schema) -> JsValue {
    let components: Array = schema.components().iter().map(component).collect();
    let events: Array = schema
        .events()
        .iter()
        .map(|event| {
            let direction = match event.direction {
                EventDirection::ToClient => "down",
                EventDirection::ToServer => "up",
                EventDirection::Both => "both",
            };
            object(&[
                ("name", (&event.name).into()),
                ("direction", direction.into()),
            ])
        })
        .collect();
    let input = schema.input().map_or(JsValue::NULL, component);
    object(&[
        ("components", components.into()),
        ("input", input),
        ("events", events.into()),
    ])
}

fn component(definition: &ComponentSchema) -> JsValue {
    let columns = definition
        .shape
        .columns
        .iter()
        .filter(|column| column.kind != ColumnKind::High);
    let numbers = columns.map(|column| {
        let (kind, variants) = match &column.kind {
            ColumnKind::Float { .. } | ColumnKind::FloatBits => ("float", None),
            ColumnKind::Angle => ("angle", None),
            ColumnKind::Integer { .. } | ColumnKind::High => ("integer", None),
            ColumnKind::Bool | ColumnKind::Some => ("bool", None),
            ColumnKind::Entity => ("entity", None),
            ColumnKind::Variant { names } => ("variant", Some(names)),
        };
        let variants = variants.map_or(JsValue::UNDEFINED, |names| {
            names.iter().map(JsValue::from).collect::<Array>().into()
        });
        object(&[
            ("path", (&column.path).into()),
            ("kind", kind.into()),
            ("variants", variants),
        ])
    });
    let blobs = definition.shape.blobs.iter().map(|blob| {
        let kind = match blob.kind {
            tickwire_protocol::schema::BlobKind::Text => "text",
            tickwire_protocol::schema::BlobKind::MessagePack => "value",
            tickwire_protocol::schema::BlobKind::List(_) => "list",
        };
        object(&[("path", (&blob.path).into()), ("kind", kind.into())])
    });
    let fields: Array = numbers.chain(blobs).collect();
    object(&[
        ("name", (&definition.name).into()),
        ("fields", fields.into()),
    ])
}
