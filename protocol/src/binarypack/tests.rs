//! Both codecs against what npm `binarypack` and the browser bundle were seen to write and read.

use std::{collections::BTreeMap, net::IpAddr};

use rmpv::Value;
use serde::{Deserialize, Serialize};

use super::{
    Dialect, from_slice, from_value,
    limits::{DEPTH_MAX, VALUES_MAX},
    read_value, to_value, to_vec, write_value,
};

#[derive(Deserialize)]
struct Vectors {
    codec: Vec<Vector>,
    frames: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    js: String,
    hex: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../tests/data/binarypack.json")).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn written(value: &Value, dialect: Dialect) -> Vec<u8> {
    let mut out = Vec::new();
    write_value(value, dialect, &mut out);
    out
}

#[test]
fn every_vector_is_read_and_written_again_as_the_same_bytes() {
    let vectors = vectors();
    assert!(vectors.codec.len() >= 48 && vectors.frames.len() >= 12);
    for vector in vectors.codec.iter().chain(&vectors.frames) {
        let value =
            read_value(&bytes(&vector.hex)).unwrap_or_else(|e| panic!("{}: {e}", vector.js));
        assert_eq!(
            written(&value, Dialect::Reference),
            bytes(&vector.hex),
            "{}",
            vector.js
        );
    }
}

#[test]
fn numbers_of_the_vectors_have_the_value_their_name_says() {
    let numbers = vectors()
        .codec
        .into_iter()
        .filter_map(|v| Some((v.js.parse::<f64>().ok()?, v.hex)));
    let mut seen = 0;
    for (number, hex) in numbers {
        assert_eq!(
            from_slice::<f64>(&bytes(&hex)).unwrap().to_bits(),
            number.to_bits()
        );
        assert_eq!(
            written(&Value::F64(number), Dialect::Reference),
            bytes(&hex),
            "a double without fraction is an integer"
        );
        seen += 1;
    }
    assert!(seen >= 25);
}

#[test]
fn a_browser_never_gets_what_it_cannot_read() {
    for (value, expected) in [
        (Value::from(1u64 << 32), "cb41f0000000000000"),
        (Value::from(-2_147_483_649i64), "cbc1e0000000200000"),
        (Value::F64(0.0), "00"),
        (Value::F64(-0.0), "00"),
        (Value::F64(f64::NAN), "c0"),
        (Value::F64(f64::INFINITY), "c0"),
        (Value::F64(5e-324), "00"),
        (Value::from("😀"), "b6eda0bdedb880"),
        (Value::from("é€"), "b5c3a9e282ac"),
    ] {
        assert_eq!(
            written(&value, Dialect::Browser),
            bytes(expected),
            "{value}"
        );
    }
}

#[test]
fn node_gets_integers_that_its_decoder_survives() {
    for (value, expected) in [
        (Value::from(1u64 << 32), "cb41f0000000000000"),
        (Value::from(u32::MAX), "ceffffffff"),
        (Value::from("😀"), "b4f09f9880"),
    ] {
        assert_eq!(written(&value, Dialect::Node), bytes(expected), "{value}");
    }
}

#[test]
fn a_list_that_takes_far_more_memory_than_bytes_is_refused() {
    let list = |len: usize| {
        let mut bytes = vec![0xdd];
        bytes.extend_from_slice(&u32::try_from(len).unwrap().to_be_bytes());
        bytes.resize(bytes.len() + len, 0xc0);
        bytes
    };
    assert!(read_value(&list(VALUES_MAX - 1)).is_ok());
    assert!(read_value(&list(VALUES_MAX)).is_err());
}

#[test]
fn strings_that_count_six_bytes_for_four_are_repaired() {
    let frame = read_value(&bytes("93 02 b6 f09f9880 00")).unwrap();
    assert_eq!(frame, Value::Array(vec![2.into(), "😀".into(), 0.into()]));
    // The two missing bytes could be eaten from the binary that follows, and the rest look like values.
    let list = read_value(&bytes(
        "92 b6 f09f9880 da0010 00112233445566778899aabbccddeeff",
    ))
    .unwrap();
    assert_eq!(list[0], Value::from("😀"));
    assert_eq!(list[1].as_slice().map(<[u8]>::len), Some(16));
    let twice = read_value(&bytes("92 be 61 f09f9880 62 f09f9880 b178")).unwrap();
    assert_eq!(twice, Value::Array(vec!["a😀b😀".into(), "x".into()]));
}

/// A string as the browser bundle writes it.
fn bundled(text: &str) -> Vec<u8> {
    let is_long = text.encode_utf16().count() > 600;
    let counted: usize = text
        .chars()
        .map(|c| match c {
            '\u{10000}'.. if !is_long => 6,
            _ => c.len_utf8(),
        })
        .sum();
    let mut bytes = vec![0xd8];
    bytes.extend_from_slice(&u16::try_from(counted).unwrap().to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

#[test]
fn long_strings_are_counted_rightly_beside_short_ones_that_are_not() {
    for long in [
        "x".repeat(700) + "😀",
        // Up to 900 of its units, a string of nothing else may be read as either.
        "😀".repeat(350),
    ] {
        let list = [vec![0x92], bundled("😀"), bundled(&long)].concat();
        let expected = Value::Array(vec!["😀".into(), long.into()]);
        assert_eq!(read_value(&list).unwrap(), expected);
    }
    // Eight characters count sixteen bytes too many, which are there and make it a long one.
    let short = "x".repeat(584) + &"😀".repeat(8);
    let list = [&[0xdc, 0, 17], &bundled(&short)[..], &[1; 16]].concat();
    let read = read_value(&list).unwrap();
    assert_eq!((&read[0], &read[16]), (&short.into(), &1.into()));
}

#[test]
fn a_repaired_reading_leaves_no_bytes_over() {
    // Counted six for four, this is a text, a number, and two bytes more.
    assert!(read_value(&bytes("92 b6 f09f9880 01 f0 05")).is_err());
}

#[test]
fn rightly_counted_characters_and_surrogate_pairs_are_read() {
    assert_eq!(read_value(&bytes("b4f09f9880")).unwrap(), Value::from("😀"));
    assert_eq!(
        read_value(&bytes("b6eda0bdedb880")).unwrap(),
        Value::from("😀")
    );
    assert_eq!(
        read_value(&bytes("b3eda0bd")).unwrap(),
        Value::from("\u{fffd}")
    );
}

#[test]
fn tags_that_only_some_write_are_read() {
    assert_eq!(
        read_value(&bytes("d300000000ffffffff")).unwrap(),
        Value::from(u32::MAX)
    );
    assert_eq!(
        read_value(&bytes("cfffffffffffffffff")).unwrap(),
        Value::from(u64::MAX)
    );
    assert_eq!(read_value(&bytes("ca3fc00000")).unwrap(), Value::F32(1.5));
    assert_eq!(read_value(&bytes("a0")).unwrap(), Value::Binary(vec![]));
    for undefined in ["c1", "c4", "c9", "d4", "d7"] {
        assert_eq!(read_value(&bytes(undefined)).unwrap(), Value::Nil);
    }
    assert_eq!(
        read_value(&bytes("8101c3")).unwrap(),
        Value::Map(vec![("1".into(), true.into())])
    );
    assert_eq!(
        read_value(&bytes("c3c3")).unwrap(),
        Value::from(true),
        "bytes after a value are ignored"
    );
}

#[test]
fn a_claimed_length_reserves_nothing_and_nesting_ends() {
    for hostile in [
        "ddffffffff",
        "dfffffffff",
        "dbffffffff00",
        "d9ffffffff61",
        "92",
        "",
    ] {
        assert!(read_value(&bytes(hostile)).is_err(), "{hostile}");
    }
    let nested = |depth: usize| [vec![0x91; depth], vec![0]].concat();
    assert!(read_value(&nested(DEPTH_MAX)).is_ok());
    assert!(read_value(&nested(DEPTH_MAX + 1)).is_err());
    assert!(read_value(&vec![0x91; 1_000_000]).is_err());
}

#[test]
fn serde_types_keep_strings_and_binary_apart() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Upload {
        name: String,
        size: u32,
        #[serde(with = "serde_bytes")]
        head: Vec<u8>,
        tags: Option<Vec<String>>,
    }
    let upload = Upload {
        name: "é.png".into(),
        size: 70_000,
        head: vec![1, 2, 3],
        tags: None,
    };
    let packed = to_vec(&upload, Dialect::Browser).unwrap();
    assert_eq!(from_slice::<Upload>(&packed).unwrap(), upload);
    let map = read_value(&packed).unwrap();
    assert_eq!(map["head"], Value::Binary(vec![1, 2, 3]));
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
enum Command {
    Stop,
    Wait(u64),
    Move(i32, f32),
    Say { text: String, to: Option<u64> },
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(tag = "type")]
enum Tagged {
    At { micros: u64 },
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Id(u64);

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Unit;

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Everything {
    commands: Vec<Command>,
    tagged: Tagged,
    unit: Unit,
    wide: (u128, i128),
    signed: [i64; 3],
    unsigned: [u64; 3],
    floats: [f64; 4],
    letter: char,
    address: IpAddr,
    by_id: BTreeMap<Id, bool>,
    by_offset: BTreeMap<i8, u8>,
    by_flag: BTreeMap<bool, u8>,
    nothing: Option<Command>,
}

fn everything() -> Everything {
    Everything {
        commands: vec![
            Command::Stop,
            Command::Wait(1 << 40),
            Command::Move(-1, 1.0),
            Command::Say {
                text: "hi".into(),
                to: Some(1 << 52),
            },
        ],
        tagged: Tagged::At { micros: 1 << 50 },
        unit: Unit,
        wide: (u128::MAX, i128::MIN),
        signed: [i64::from(i32::MIN) - 1, -1, 1 << 53],
        unsigned: [1 << 32, 0, 1 << 53],
        floats: [0.0, 1.5, 4_294_967_296.0, 1e300],
        letter: 'é',
        address: [127, 0, 0, 1].into(),
        by_id: [(Id(7), true), (Id(1 << 40), false)].into(),
        by_offset: [(-100, 1), (3, 2)].into(),
        by_flag: [(true, 1)].into(),
        nothing: None,
    }
}

#[test]
fn serde_types_are_read_back_as_they_were_written() {
    let everything = everything();
    let value = to_value(&everything).unwrap();
    assert_eq!(from_value::<Everything>(value).unwrap(), everything);
    for dialect in [Dialect::Reference, Dialect::Node, Dialect::Browser] {
        let packed = to_vec(&everything, dialect).unwrap();
        assert_eq!(
            from_slice::<Everything>(&packed).unwrap(),
            everything,
            "{dialect:?}"
        );
    }
}

#[test]
fn the_largest_integers_are_read_back() {
    for dialect in [Dialect::Reference, Dialect::Node, Dialect::Browser] {
        let packed = to_vec(&(i64::MAX, i64::MIN, u64::MAX), dialect).unwrap();
        let read = from_slice::<(i64, i64, u64)>(&packed).unwrap();
        assert_eq!(read, (i64::MAX, i64::MIN, u64::MAX), "{dialect:?}");
    }
    let digits = (1_u64 << 63) + 1;
    let packed = to_vec(&digits, Dialect::Reference).unwrap();
    assert_eq!(packed, bytes("cf8000000000000001"));
    assert_eq!(from_slice::<u64>(&packed).unwrap(), digits);
    // One step of a double further is no integer of that type.
    assert!(from_value::<i64>(Value::F64(9_223_372_036_854_777_856.0)).is_err());
    assert!(from_value::<u64>(Value::F64(18_446_744_073_709_555_712.0)).is_err());
}

#[test]
fn keys_that_are_no_property_names_are_refused() {
    assert!(to_value(&BTreeMap::from([((1, 2), "a"), ((3, 4), "b")])).is_err());
    assert!(to_value(&BTreeMap::from([([1_u8, 2], "a")])).is_err());
    assert!(to_value(&BTreeMap::from([("name", 1)])).is_ok());
    assert!(to_value(&BTreeMap::from([(u128::MAX, 1)])).is_err());
    assert!(to_value(&BTreeMap::from([(None::<u8>, 1)])).is_err());
    let nested = (1, vec![BTreeMap::from([((), 1)])]);
    assert!(to_vec(&nested, Dialect::Node).is_err());
}

#[test]
fn numbers_as_keys_have_the_names_that_javascript_gives_them() {
    for (number, name) in [
        (-0.0, "0"),
        (0.1, "0.1"),
        (-1.5, "-1.5"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (-1.25e-7, "-1.25e-7"),
        (123_456_789_012_345_680_000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
        (f64::NAN, "NaN"),
    ] {
        let mut packed = vec![0x81, 0xcb];
        packed.extend_from_slice(&number.to_be_bytes());
        packed.push(0xc0);
        let read = read_value(&packed).unwrap();
        assert_eq!(read, Value::Map(vec![(name.into(), Value::Nil)]));
    }
    let mut packed = vec![0x81, 0xca];
    packed.extend_from_slice(&0.1_f32.to_be_bytes());
    packed.push(0xc0);
    let read = read_value(&packed).unwrap();
    let name = "0.10000000149011612";
    assert_eq!(read, Value::Map(vec![(name.into(), Value::Nil)]));
}

#[test]
fn keys_that_doubles_would_merge_are_kept_apart() {
    let numbers = [1 << 53, (1 << 60) + 1, (1 << 60) + 2, u64::MAX];
    let map: BTreeMap<Option<u64>, u64> = numbers.map(|number| (Some(number), number)).into();
    for dialect in [Dialect::Reference, Dialect::Node, Dialect::Browser] {
        let packed = to_vec(&map, dialect).unwrap();
        let read: BTreeMap<Option<u64>, u64> = from_slice(&packed).unwrap();
        assert!(read.keys().eq(map.keys()), "{read:?}");
    }
}

#[test]
fn values_of_javascript_fit_ordinary_types() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Upload {
        data: Vec<u8>,
        hash: [u8; 3],
        from: IpAddr,
    }
    let written_by_javascript = Value::Map(vec![
        ("data".into(), Value::Binary(vec![0, 255])),
        ("hash".into(), Value::Binary(vec![1, 2, 3])),
        ("from".into(), "127.0.0.1".into()),
    ]);
    let upload: Upload = from_value(written_by_javascript).unwrap();
    let expected = Upload {
        data: vec![0, 255],
        hash: [1, 2, 3],
        from: [127, 0, 0, 1].into(),
    };
    assert_eq!(upload, expected);
    assert_eq!(to_value(&upload).unwrap()["from"], "127.0.0.1".into());
    assert!(from_value::<[u8; 3]>(Value::Binary(vec![0; 4])).is_err());
}

#[test]
fn values_that_are_of_another_type_are_refused() {
    assert!(from_value::<u64>(Value::F64(0.5)).is_err());
    assert!(from_value::<u8>(Value::F64(256.0)).is_err());
    assert!(from_value::<u64>(Value::F64(2e19)).is_err());
    assert!(from_value::<u64>("7".into()).is_err(), "this is no key");
    assert!(from_value::<(u8, u8)>(Value::Array(vec![1.into(); 3])).is_err());
    assert!(from_value::<Command>("Go".into()).is_err());
    assert!(from_value::<Command>("Wait".into()).is_err());
    assert!(from_value::<Command>(Value::Map(vec![])).is_err());
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        if let Ok(value) = read_value(&bytes) {
            for dialect in [Dialect::Reference, Dialect::Node, Dialect::Browser] {
                // What was read can be written; reading that again is a fixed point.
                let once = read_value(&written(&value, dialect)).unwrap();
                assert_eq!(written(&once, dialect), written(&read_value(&written(&once, dialect)).unwrap(), dialect));
            }
        }
    }
}
