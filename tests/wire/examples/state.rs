//! A schema, a value of it, and two snapshots: the first of a room with one entity, and the next.

use std::sync::Arc;

use tickwire_protocol::{
    coding::Reader,
    delta::{Baseline, Encoder, GroupState},
    entropy::Codebook,
    id::NetworkId,
    schema::{
        ColumnKind, ColumnSchema, ComponentId, ComponentSchema, EventDirection, EventSchema,
        Predict, Rules, Schema, Shape, bits_for,
    },
    snapshot::{GroupId, Preamble, Replica, encode_dropped, encode_section_front},
    time::Tick,
};

use super::Example;

pub(crate) fn all() -> Vec<Example> {
    let (first, second) = snapshots();
    vec![
        ("schema", encoded_schema()),
        ("snapshot-first", first),
        ("snapshot-next", second),
        ("snapshot-dropped", dropped()),
    ]
}

fn schema() -> Schema {
    let column = |path: &str, kind, bits, predict| ColumnSchema {
        path: path.into(),
        kind,
        bits,
        predict,
    };
    let range = ColumnKind::Float {
        min: 0f64.to_bits(),
        step: 0.0625f64.to_bits(),
        span: 64_000,
    };
    let health = ColumnKind::Integer { min: 0, span: 100 };
    let ship = ComponentSchema {
        name: "Ship".into(),
        rules: Rules::default(),
        shape: Shape {
            columns: vec![
                column("x", range, bits_for(64_000), Predict::Linear),
                column("health", health, bits_for(100), Predict::Hold),
            ],
            blobs: vec![],
        },
    };
    let mut schema = Schema::new();
    schema.add_component(ship).expect("within the limits");
    let chat = EventSchema {
        name: "chat".into(),
        direction: EventDirection::Both,
    };
    schema.add_event(chat).expect("within the limits");
    schema
}

fn encoded_schema() -> Vec<u8> {
    let mut bytes = Vec::new();
    schema().encode(&mut bytes);
    assert_eq!(Schema::decode(&bytes), Ok(schema()));
    bytes
}

fn state(x: i32, health: i32, before: Option<&GroupState>) -> GroupState {
    let mut state = GroupState::default();
    let table = state.table_mut(&schema(), 1);
    table.push(NetworkId(7));
    table.columns[0].values[0] = x;
    table.columns[1].values[0] = health;
    table.follow(before.and_then(|state| state.table(1)));
    state
}

fn snapshots() -> (Vec<u8>, Vec<u8>) {
    let (schema, group) = (schema(), GroupId(0));
    let codebook = Codebook::initial(&schema);
    let mut encoder = Encoder::new();

    let before = state(1600, 100, None);
    let mut first = Vec::new();
    let preamble = Preamble {
        ticks: 40,
        own_entity: Some(Some(NetworkId(7))),
        ..Preamble::default()
    };
    preamble.encode(Tick(40), &mut first);
    encode_dropped(&[], &mut first);
    encode_section_front(group, None, &mut first);
    encoder.encode(&schema, &codebook, None, &before, &mut first);

    let after = state(1610, 90, Some(&before));
    let mut second = Vec::new();
    let preamble = Preamble {
        ticks: 1,
        input: Some(Tick(41)),
        input_margin_ticks: Some(1),
        ..Preamble::default()
    };
    preamble.encode(Tick(41), &mut second);
    encode_dropped(&[], &mut second);
    encode_section_front(group, Some(1), &mut second);
    let baseline = Baseline {
        state: &before,
        ticks_since: 1,
    };
    encoder.encode(&schema, &codebook, Some(baseline), &after, &mut second);

    let mut replica = Replica::new(Arc::new(schema));
    for (bytes, tick, x, health) in [(&first, 40, 1600, 100), (&second, 41, 1610, 90)] {
        let applied = replica.apply(bytes).expect("a sound snapshot");
        assert_eq!(applied.header.tick, Tick(tick));
        assert_eq!(applied.header.own_entity, Some(NetworkId(7)));
        let row = replica.row(NetworkId(7), ComponentId(0)).expect("in view");
        assert_eq!(row.table.columns[0].values[row.row], x);
        assert_eq!(row.table.columns[1].values[row.row], health);
    }
    (first, second)
}

/// Groups 3, 4 and 9 are out of view, and nothing else happened.
fn dropped() -> Vec<u8> {
    let mut bytes = Vec::new();
    let preamble = Preamble {
        ticks: 1,
        ..Preamble::default()
    };
    preamble.encode(Tick(42), &mut bytes);
    encode_dropped(&[GroupId(3), GroupId(4), GroupId(9)], &mut bytes);
    let mut reader = Reader::new(&bytes);
    assert_eq!(Preamble::decode(&mut reader, Tick(41)), Ok(preamble));
    bytes
}
