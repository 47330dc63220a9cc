//! Types of every kind the derive knows, into rows and bytes and back.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tickwire_protocol::{
    delta::Table,
    error::DecodeError,
    id::NetworkId,
    limits::BLOB_BYTES_MAX,
    replicate::{Replicate, RowWriter, SameIds, decode_value, encode_by_name, encode_value},
    schema::{Audience, BlobKind, ColumnKind, Predict, Schema, SendRule},
};

#[derive(Replicate, Clone, Debug, PartialEq, Default)]
struct Vector {
    #[wire(range(-100.0, 100.0), step = 0.25, predict = "linear")]
    x: f32,
    #[wire(range(-100.0, 100.0), bits = 12)]
    y: f64,
}

#[derive(Replicate, Clone, Copy, Debug, PartialEq, Default)]
struct Points(u16, #[wire(range(-5, 20))] i8);

#[derive(Replicate, Clone, Copy, Debug, PartialEq, Default)]
enum Mood {
    #[default]
    Calm,
    Angry,
    Hungry,
}

#[derive(Replicate, Clone, Debug, PartialEq, Default)]
enum Action {
    #[default]
    Idle,
    Fire {
        #[wire(entity)]
        at: NetworkId,
        power: u8,
    },
    Say(String, Mood),
    Move(Vector),
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
struct Quest {
    steps: BTreeMap<String, u32>,
}

#[derive(Replicate, Clone, Debug, PartialEq, Default)]
#[replicate(name = "All", audience = "owner", every = 3, predict = "linear")]
struct Everything {
    place: Vector,
    #[wire(angle, bits = 10)]
    heading: f32,
    whole: f32,
    #[wire(predict = "hold")]
    byte: u8,
    #[wire(range(-1000, 1000))]
    ranged: i32,
    signed: i64,
    unsigned: u64,
    #[wire(range(0, 5_000_000_000u64))]
    wide: u64,
    flag: bool,
    points: Points,
    action: Action,
    #[wire(range(0.0, 1.0), bits = 4)]
    maybe: Option<f32>,
    maybe_deep: Option<Option<Vector>>,
    #[wire(entity)]
    target: Option<NetworkId>,
    slots: [Points; 3],
    #[wire(range(0, 3))]
    grid: [[u8; 2]; 2],
    name: String,
    #[wire(angle, bits = 6)]
    turns: Vec<f32>,
    log: Vec<Action>,
    nested_lists: Vec<Vec<u8>>,
    #[wire(opaque)]
    quest: Quest,
    #[wire(skip)]
    local: u32,
}

/// A row of a table that holds only this value.
fn through_columns<T: Replicate>(value: &T) -> Result<T, DecodeError> {
    let mut schema = Schema::new();
    let component = schema.add_component(T::schema()).expect("it fits");
    let mut table = Table::new(&schema, 1);
    table.push(NetworkId(1));
    table.push(NetworkId(7));
    let mut writer = table.writer(component, &SameIds).expect("it is there");
    value.quantise(writer.at(1));
    let restored = table.restore(component, 1, &SameIds)?;
    Ok(restored.expect("it is there"))
}

fn through_bytes<T: Replicate>(value: &T) -> Result<T, DecodeError> {
    let mut bytes = Vec::new();
    encode_value(value, &mut bytes);
    decode_value(&bytes)
}

fn vectors() -> impl Strategy<Value = Vector> {
    (-400i32..=400, 0u32..4096).prop_map(|(x, y)| Vector {
        x: x as f32 / 4.0,
        y: -100.0 + f64::from(y) * (200.0 / 4095.0),
    })
}

fn points() -> impl Strategy<Value = Points> {
    (any::<u16>(), -5i8..=20).prop_map(|(a, b)| Points(a, b))
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Idle),
        (any::<u32>(), any::<u8>()).prop_map(|(at, power)| Action::Fire {
            at: NetworkId(at),
            power
        }),
        (any::<String>(), 0..3).prop_map(|(text, mood)| Action::Say(
            text,
            [Mood::Calm, Mood::Angry, Mood::Hungry][mood as usize]
        )),
        vectors().prop_map(Action::Move),
    ]
}

prop_compose! {
    fn everything()(
        (place, heading, whole, byte, ranged) in
            (vectors(), -512i32..512, -1e30f32..1e30, any::<u8>(), -1000i32..=1000),
        (signed, unsigned, wide, flag) in (any::<i64>(), any::<u64>(), 0..=5_000_000_000u64, any::<bool>()),
        points_one in points(),
        action in actions(),
        maybe in proptest::option::of(0u8..16),
        maybe_deep in proptest::option::of(proptest::option::of(vectors())),
        target in proptest::option::of((0..u32::MAX).prop_map(NetworkId)),
        slots in [points(), points(), points()],
        grid in [[0u8..4, 0..4], [0u8..4, 0..4]],
        name in ".{0,40}",
        turns in proptest::collection::vec(-32i32..32, 0..10),
        log in proptest::collection::vec(actions(), 0..5),
        nested_lists in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..4), 0..4),
        steps in proptest::collection::btree_map(".{0,5}", any::<u32>(), 0..4),
    ) -> Everything {
        let angle = |turn: i32, bits: i32| (f64::from(turn) * std::f64::consts::PI / f64::from(1 << (bits - 1))) as f32;
        Everything {
            place, heading: angle(heading, 10), whole, byte, ranged, signed, unsigned, wide, flag,
            points: points_one, action,
            maybe: maybe.map(|quarter| (f64::from(quarter) * (1.0 / 15.0)) as f32),
            maybe_deep, target, slots, grid, name,
            turns: turns.into_iter().map(|turn| angle(turn, 6)).collect(),
            log, nested_lists, quest: Quest { steps }, local: 0,
        }
    }
}

proptest! {
    #[test]
    fn every_kind_of_field_comes_back(value in everything()) {
        let (columns, bytes) = (through_columns(&value), through_bytes(&value));
        prop_assert_eq!(columns.as_ref(), Ok(&value));
        prop_assert_eq!(bytes.as_ref(), Ok(&value));
    }

    #[test]
    fn wild_bytes_are_refused_or_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_value::<Everything>(&bytes);
        let _ = decode_value::<Action>(&bytes);
    }

    #[test]
    fn a_value_with_one_byte_changed_is_refused_or_read(value in everything(), at: prop::sample::Index, byte: u8) {
        let mut bytes = Vec::new();
        encode_value(&value, &mut bytes);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decode_value::<Everything>(&bytes);
prop_assert!(decode_value::<Everything>(&bytes[..at]).is_err());
    }
}

#[test]
fn the_schema_names_every_column() {
    let schema = Everything::schema();
    assert_eq!(schema.name, "All");
    assert_eq!(schema.rules.audience, Audience::Owner);
    assert_eq!(schema.rules.send, SendRule::Every(3));
    assert_eq!(schema.shape.columns.len(), Everything::COLUMNS);
    assert_eq!(schema.shape.blobs.len(), Everything::BLOBS);
    let kind = |path: &str| {
        let place = schema.column(path).unwrap_or_else(|| panic!("{path}"));
        (
            &schema.shape.columns[place].kind,
            schema.shape.columns[place].bits,
        )
    };
    assert!(matches!(kind("place.x"), (ColumnKind::Float { .. }, 10)));
    assert!(matches!(kind("heading"), (ColumnKind::Angle, 10)));
    assert!(matches!(
        kind("points.1"),
        (ColumnKind::Integer { min: -5, span: 25 }, 5)
    ));
    assert!(matches!(kind("action"), (ColumnKind::Variant { names }, 2) if names[2] == "Say"));
    assert!(matches!(kind("action.Fire.at"), (ColumnKind::Entity, 32)));
    assert!(matches!(
        kind("action.Say.1"),
        (ColumnKind::Variant { .. }, 2)
    ));
    assert!(matches!(kind("maybe?"), (ColumnKind::Some, 1)));
    assert!(matches!(kind("maybe"), (ColumnKind::Float { .. }, 4)));
    assert!(matches!(
        kind("slots.2.0"),
        (ColumnKind::Integer { .. }, 16)
    ));
    assert!(matches!(kind("grid.1.0"), (_, 2)));
    let high = schema.column("signed").expect("it is there") + 1;
    assert_eq!(schema.shape.columns[high].kind, ColumnKind::High);
    let predict = |path| schema.shape.columns[schema.column(path).expect("it is there")].predict;
    assert_eq!(predict("heading"), Predict::Linear);
    assert_eq!(predict("byte"), Predict::Hold);
    let log = &schema.shape.blobs[schema.blob("log").expect("it is there")].kind;
    assert!(matches!(log, BlobKind::List(shape) if shape.columns[0].path == "variant"));
}

/// A game's input that is itself an enum; no field of it may be zero.
#[derive(Replicate, Clone, Debug, PartialEq, Default)]
enum Act {
    #[default]
    Idle,
    Move {
        #[wire(range(-1, 1))]
        dx: i8,
    },
    Bomb {
        mood: Mood,
        #[wire(range(3, 9))]
        size: u8,
    },
}

#[test]
fn an_enum_by_name_has_zeros_for_the_variants_that_do_not_hold() {
    let shape = Act::schema().shape;
    let by_name = |numbers: &[(&str, f64)]| {
        let mut bytes = vec![];
        let number_of = |path: &str| numbers.iter().find(|it| it.0 == path).map(|it| it.1);
        encode_by_name(&shape, |column| number_of(&column.path), &mut bytes);
        decode_value::<Act>(&bytes)
    };
    assert_eq!(by_name(&[]), Ok(Act::Idle));
    assert_eq!(by_name(&[("Move.dx", 1.0)]), Ok(Act::Idle));
    let moved = by_name(&[("variant", 1.0), ("Move.dx", 1.0)]);
    assert_eq!(moved, Ok(Act::Move { dx: 1 }));
    let bomb = by_name(&[("variant", 2.0), ("Bomb.mood", 1.0)]);
    let mood = Mood::Angry;
    assert_eq!(bomb, Ok(Act::Bomb { mood, size: 3 }));
}

#[test]
fn an_infinity_by_name_is_the_end_of_the_range() {
    let shape = Points::schema().shape;
    for (number, end) in [(f64::INFINITY, 20), (f64::NEG_INFINITY, -5)] {
        let mut bytes = vec![];
        encode_by_name(&shape, |_| Some(number), &mut bytes);
        assert_eq!(decode_value::<Points>(&bytes).map(|it| it.1), Ok(end));
    }
}

/// A type without an end.
#[derive(Replicate, Clone, Debug, PartialEq)]
struct Tree {
    left: Vec<Tree>,
    middle: Vec<Tree>,
    right: Vec<Tree>,
}

#[test]
fn a_list_of_the_type_that_holds_it_is_refused() {
    let refused = Schema::new().add_component(Tree::schema());
    let reason = refused.expect_err("it has no end").to_string();
    assert!(reason.contains("nested too deep"), "{reason}");
}

#[test]
fn wild_numbers_are_clamped_and_counted() {
    let wild = Everything {
        place: Vector {
            x: f32::NAN,
            y: f64::INFINITY,
        },
        heading: f32::NEG_INFINITY,
        whole: f32::NAN,
        ranged: 5000,
        wide: u64::MAX,
        points: Points(3, -100),
        name: "é".repeat(BLOB_BYTES_MAX),
        turns: vec![f32::NAN; 5000],
        ..Everything::default()
    };
    let mut bytes = Vec::new();
    let mut row = RowWriter::into_bytes(&mut bytes, &SameIds);
    wild.quantise(&mut row);
    row.end_value();
    assert_eq!(row.notes().non_finite, 4 + 1024);
    assert_eq!(row.notes().cut, 2);
    let tame: Everything = decode_value(&bytes).expect("it is whole");
    assert_eq!(tame.place, Vector { x: 0.0, y: 100.0 });
    assert_eq!(tame.heading, 0.0);
    assert!(tame.whole.is_nan());
    assert_eq!(
        (tame.ranged, tame.wide, tame.points),
        (1000, 5_000_000_000, Points(3, -5))
    );
    assert_eq!(tame.name.len(), BLOB_BYTES_MAX);
    assert_eq!(tame.turns, vec![0.0; 1024]);
}

#[test]
fn a_reference_to_what_is_not_there_becomes_the_placeholder() {
    let action = Action::Fire {
        at: NetworkId::PLACEHOLDER,
        power: 1,
    };
    assert_eq!(through_columns(&action), Ok(action));
}

/// Another entity, if there is one.
#[derive(Replicate, Clone, Debug, PartialEq)]
struct Lock {
    #[wire(entity)]
    on: Option<NetworkId>,
    after: u8,
}

#[test]
fn an_optional_reference_to_what_is_not_there_is_none() {
    let lock = |on| Lock { on, after: 7 };
    for on in [None, Some(NetworkId(2))] {
        assert_eq!(through_columns(&lock(on)), Ok(lock(on)));
    }
    let gone = lock(Some(NetworkId::PLACEHOLDER));
    assert_eq!(through_columns(&gone), Ok(lock(None)));
}

#[test]
fn a_schema_comes_back_from_its_bytes_and_a_cut_one_is_refused() {
    let mut schema = Schema::new();
    schema.add_component(Everything::schema()).expect("it fits");
    schema.add_component(Action::schema()).expect("it fits");
    schema.set_input(Vector::schema()).expect("it fits");
    let mut bytes = Vec::new();
    schema.encode(&mut bytes);
    assert_eq!(Schema::decode(&bytes).as_ref(), Ok(&schema));
    assert_eq!(
        Schema::decode(&bytes).map(|copy| copy.hash()),
        Ok(schema.hash())
    );
    for len in 0..bytes.len() {
        assert!(Schema::decode(&bytes[..len]).is_err(), "{len}");
    }
}

/// Types of a game that are called what the derive's own code is made of.
mod taken_names {
    use super::*;
    pub(super) use Weapon::{None, Some};

    type Result<T> = core::result::Result<T, ()>;
    const RANGE: f32 = 8.0;

    #[derive(Replicate, Clone, Debug, PartialEq)]
    #[replicate(audience = "team", send = "once")]
    pub(super) struct Rules {
        #[wire(range(0.0, RANGE), step = 0.5, predict = "linear")]
        pub(super) width: f32,
        pub(super) predict: Predict,
        pub(super) weapons: Option<[Weapon; 2]>,
    }

    #[derive(Replicate, Clone, Debug, PartialEq)]
    pub(super) struct Predict(pub(super) Audience);

    #[derive(Replicate, Clone, Debug, PartialEq)]
    pub(super) enum Audience {
        Ok(DecodeError),
        Nobody,
    }

    #[derive(Replicate, Clone, Debug, PartialEq)]
    pub(super) struct DecodeError(pub(super) Vec<SendRule>);

    #[derive(Replicate, Clone, Debug, PartialEq)]
    pub(super) struct SendRule([FloatRange; 1]);

    #[derive(Replicate, Clone, Debug, PartialEq)]
    pub(super) struct FloatRange(#[wire(range(0, 3))] u8);

    #[derive(Replicate, Clone, Debug, PartialEq)]
    pub(super) enum Weapon {
        None,
        Some,
    }

    pub(super) fn rules() -> Result<Rules> {
        let predict = Predict(Audience::Ok(DecodeError(vec![SendRule([FloatRange(2)])])));
        Ok(Rules {
            width: 2.5,
            predict,
            weapons: Option::Some([None, Some]),
        })
    }
}

#[test]
fn a_games_types_may_be_called_anything() {
    let rules = taken_names::rules().expect("rules");
    assert_eq!(through_columns(&rules), Ok(rules.clone()));
    assert_eq!(through_bytes(&rules), Ok(rules));
}
