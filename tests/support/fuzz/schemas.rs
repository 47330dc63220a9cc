//! The body for schemas, and the schema that other bodies decode by.

use tickwire_protocol::schema::{
    BlobKind, BlobSchema, ColumnKind, ColumnSchema, ComponentSchema, EventDirection, EventSchema,
    Predict, Rules, Schema, Shape,
};

use super::Target;

/// The decoder of schemas.
pub const TARGETS: [Target; 1] = [Target {
    name: "schema",
    examples: schema_examples,
    body: schema,
    memory_per_byte: 512,
    memory_fixed: 16 * 1024,
}];

/// What is taken for a schema is one: it encodes to bytes that mean the same.
fn schema(bytes: &[u8]) {
    let Ok(schema) = Schema::decode(bytes) else {
        return;
    };
    let mut again = Vec::new();
    schema.encode(&mut again);
    let decoded = Schema::decode(&again).expect("a schema that was decoded encodes to one");
    assert_eq!(decoded, schema);
    assert_eq!(decoded.hash(), schema.hash());
}

fn schema_examples() -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    example_schema().encode(&mut bytes);
    vec![bytes]
}

/// A schema with every kind of column that deltas treat differently.
#[must_use]
pub fn example_schema() -> Schema {
    let column = |path: &str, kind, bits, predict| ColumnSchema {
        path: path.into(),
        kind,
        bits,
        predict,
    };
    let float = |step: f64, span| ColumnKind::Float {
        min: 0f64.to_bits(),
        step: step.to_bits(),
        span,
    };
    let component = |name: &str, columns, blobs| ComponentSchema {
        name: name.into(),
        rules: Rules::default(),
        shape: Shape { columns, blobs },
    };
    let position = vec![
        column("x", float(0.0625, 64_000), 16, Predict::Linear),
        column("y", float(0.0625, 64_000), 16, Predict::Linear),
        column("angle", ColumnKind::Angle, 8, Predict::Linear),
    ];
    let health = vec![column(
        "points",
        ColumnKind::Integer { min: 0, span: 255 },
        8,
        Predict::Hold,
    )];
    let name = vec![BlobSchema {
        path: "text".into(),
        kind: BlobKind::Text,
    }];
    let mut schema = Schema::new();
    for (title, columns, blobs) in [
        ("Position", position, Vec::new()),
        ("Health", health.clone(), Vec::new()),
        ("Name", Vec::new(), name),
    ] {
        schema
            .add_component(component(title, columns, blobs))
            .expect("the example is well-formed");
    }
    schema
        .set_input(component("Steer", health, Vec::new()))
        .expect("the example is well-formed");
    let chat = EventSchema {
        name: "Chat".into(),
        direction: EventDirection::Both,
    };
    schema.add_event(chat).expect("the example is well-formed");
    schema
}
