//! One test for each rule of RFC 6455 that a frame can break, and the property that no split of the
//! bytes changes what is read.

use proptest::prelude::*;

use super::*;
use crate::error::{CloseCode, PeerError, PeerMisbehaved};

const MAX: usize = 1 << 20;

/// An item without the borrow.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(PeerClose),
}

impl From<Item<'_>> for Seen {
    fn from(item: Item<'_>) -> Self {
        match item {
            Item::Text(text) => Self::Text(text.to_owned()),
            Item::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Item::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Item::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Item::Close(close) => Self::Close(close),
        }
    }
}

fn drain(reader: &mut Reader, bytes: &[u8], seen: &mut Vec<Seen>) -> Result<(), PeerMisbehaved> {
    let mut bytes = bytes.to_vec();
    let mut input = &mut bytes[..];
    while let Some(item) = reader.read(&mut input)? {
        seen.push(item.into());
    }
    assert!(
        input.is_empty(),
        "a reader that wants more has taken everything"
    );
    Ok(())
}

fn read_all(role: Role, bytes: &[u8]) -> Result<Vec<Seen>, PeerMisbehaved> {
    let mut seen = Vec::new();
    drain(&mut Reader::new(role, MAX), bytes, &mut seen)?;
    Ok(seen)
}

/// What a server reads from a client that masks with zeros, so that frames can be written by hand.
fn from_client(frames: &[(u8, &[u8])]) -> Result<Vec<Seen>, PeerMisbehaved> {
    let mut bytes = Vec::new();
    for (first, payload) in frames {
        assert!(payload.len() < 126);
        bytes.extend([
            *first,
            0x80 | u8::try_from(payload.len()).unwrap(),
            0,
            0,
            0,
            0,
        ]);
        bytes.extend_from_slice(payload);
    }
    read_all(Role::Server, &bytes)
}

fn code_of(result: Result<Vec<Seen>, PeerMisbehaved>) -> CloseCode {
    (&PeerError::from(result.unwrap_err())).into()
}

fn written(role: Role, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = match role {
        Role::Server => Writer::server(),
        Role::Client => Writer::client(1),
    };
    writer.message(opcode, payload, &mut bytes);
    bytes
}

#[test]
fn every_length_form_comes_back_and_is_the_shortest_that_fits() {
    for (length, header_bytes) in [
        (0, 2),
        (1, 2),
        (125, 2),
        (126, 4),
        (65_535, 4),
        (65_536, 10),
        (100_000, 10),
    ] {
        let payload: Vec<u8> = (0..length)
            .map(|i| u8::try_from(i % 251).unwrap())
            .collect();
        let to_client = written(Role::Server, Opcode::Binary, &payload);
        assert_eq!(to_client.len(), header_bytes + length);
        assert_eq!(
            read_all(Role::Client, &to_client),
            Ok(vec![Seen::Binary(payload.clone())])
        );
        let to_server = written(Role::Client, Opcode::Binary, &payload);
        assert_eq!(to_server.len(), header_bytes + 4 + length);
        assert_eq!(
            read_all(Role::Server, &to_server),
            Ok(vec![Seen::Binary(payload)])
        );
    }
}

#[test]
fn a_message_begun_behind_others_leaves_them_as_they_are() {
    let mut writer = Writer::server();
    let mut out = Vec::new();
    let mut expected = Vec::new();
    for length in [3_usize, 300, 70_000] {
        let begun = writer.begin(&mut out);
        out.resize(out.len() + length, 7);
        writer.finish(begun, Opcode::Binary, &mut out);
        expected.push(Seen::Binary(vec![7; length]));
    }
    let begun = writer.begin(&mut out);
    out.extend_from_slice(b"never sent");
    writer.abandon(begun, &mut out);
    assert_eq!(read_all(Role::Client, &out), Ok(expected));
}

#[test]
fn a_length_in_a_longer_form_than_it_needs_is_refused() {
    let sixteen_bits = [0x82, 0xfe, 0, 125, 0, 0, 0, 0];
    assert_eq!(
        code_of(read_all(Role::Server, &sixteen_bits)),
        CloseCode::WebSocket
    );
    let sixty_four_bits = [0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
    assert_eq!(
        code_of(read_all(Role::Server, &sixty_four_bits)),
        CloseCode::WebSocket
    );
}

#[test]
fn a_length_with_its_highest_bit_set_is_refused() {
    let bytes = [0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(
        code_of(read_all(Role::Server, &bytes)),
        CloseCode::WebSocket
    );
}

#[test]
fn a_client_must_mask_and_a_server_must_not() {
    assert_eq!(
        code_of(read_all(Role::Server, &[0x82, 0])),
        CloseCode::WebSocket
    );
    assert_eq!(
        code_of(read_all(Role::Client, &[0x82, 0x80, 0, 0, 0, 0])),
        CloseCode::WebSocket
    );
}

#[test]
fn reserved_bits_and_opcodes_are_refused() {
    for bit in [0x10, 0x20, 0x40] {
        assert_eq!(
            code_of(from_client(&[(0x82 | bit, b"")])),
            CloseCode::WebSocket
        );
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        assert_eq!(
            code_of(from_client(&[(0x80 | opcode, b"")])),
            CloseCode::WebSocket
        );
    }
}

#[test]
fn fragments_become_one_message() {
    let seen = from_client(&[
        (0x02, b"one "),
        (0x00, b""),
        (0x00, b"two "),
        (0x80, b"three"),
    ]);
    assert_eq!(seen, Ok(vec![Seen::Binary(b"one two three".to_vec())]));
    let seen = from_client(&[(0x01, b""), (0x80, b"")]);
    assert_eq!(seen, Ok(vec![Seen::Text(String::new())]));
}

#[test]
fn control_frames_come_between_fragments_in_their_order() {
    let seen = from_client(&[
        (0x01, b"a"),
        (0x89, b"1"),
        (0x00, b"b"),
        (0x8a, b"2"),
        (0x80, b"c"),
    ]);
    let expected = vec![
        Seen::Ping(b"1".to_vec()),
        Seen::Pong(b"2".to_vec()),
        Seen::Text("abc".into()),
    ];
    assert_eq!(seen, Ok(expected));
}

#[test]
fn a_continuation_of_nothing_and_a_message_inside_another_are_refused() {
    assert_eq!(code_of(from_client(&[(0x80, b"")])), CloseCode::WebSocket);
    assert_eq!(code_of(from_client(&[(0x00, b"")])), CloseCode::WebSocket);
    assert_eq!(
        code_of(from_client(&[(0x01, b"a"), (0x82, b"b")])),
        CloseCode::WebSocket
    );
    assert_eq!(
        code_of(from_client(&[(0x02, b"a"), (0x02, b"b")])),
        CloseCode::WebSocket
    );
}

#[test]
fn a_control_frame_in_fragments_or_too_long_is_refused() {
    for opcode in [0x08, 0x09, 0x0a] {
        assert_eq!(code_of(from_client(&[(opcode, b"")])), CloseCode::WebSocket);
        let long = [0x80 | opcode, 0xfe, 0, 126, 0, 0, 0, 0];
        assert_eq!(code_of(read_all(Role::Server, &long)), CloseCode::WebSocket);
    }
}

#[test]
fn text_must_be_utf8_over_all_its_fragments() {
    let letters = "κόσμε".as_bytes();
    for cut in 0..letters.len() {
        let (head, tail) = letters.split_at(cut);
        let seen = from_client(&[(0x01, head), (0x80, tail)]);
        assert_eq!(seen, Ok(vec![Seen::Text("κόσμε".into())]), "cut at {cut}");
    }
    assert_eq!(code_of(from_client(&[(0x81, b"\xff")])), CloseCode::NotUtf8);
    assert_eq!(
        code_of(from_client(&[(0x01, b"\xce"), (0x80, b"")])),
        CloseCode::NotUtf8
    );
    // A surrogate, an overlong form, and a number beyond Unicode.
    for bytes in [&b"\xed\xa0\x80"[..], b"\xc0\xaf", b"\xf4\x90\x80\x80"] {
        assert_eq!(code_of(from_client(&[(0x81, bytes)])), CloseCode::NotUtf8);
    }
}

#[test]
fn text_that_can_no_longer_become_utf8_is_refused_before_its_end() {
    assert_eq!(code_of(from_client(&[(0x01, b"\xff")])), CloseCode::NotUtf8);
    // Inside one frame of a hundred bytes, of which three have come.
    let begun = [0x81, 0x80 | 100, 0, 0, 0, 0, b'a', 0xff, b'b'];
    assert_eq!(code_of(read_all(Role::Server, &begun)), CloseCode::NotUtf8);
}

#[test]
fn binary_messages_are_not_text() {
    assert_eq!(
        from_client(&[(0x82, b"\xff")]),
        Ok(vec![Seen::Binary(b"\xff".to_vec())])
    );
}

#[test]
fn a_message_larger_than_the_limit_is_refused_by_its_header() {
    let too_big = |bytes: &[u8]| {
        let mut seen = Vec::new();
        drain(&mut Reader::new(Role::Server, 100), bytes, &mut seen).map(|()| seen)
    };
    // 101 bytes are promised, none has come.
    let error = too_big(&[0x82, 0x80 | 101, 0, 0, 0, 0]).unwrap_err();
    assert_eq!(
        error,
        PeerMisbehaved::MessageTooBig {
            bytes: 101,
            max: 100
        }
    );
    // 2^62 bytes are promised.
    let huge = [0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(code_of(too_big(&huge)), CloseCode::TooBig);
    // Fragments count together.
    let mut fragments = vec![0x02, 0x80 | 60, 0, 0, 0, 0];
    fragments.extend([0; 60]);
    fragments.extend([0x80, 0x80 | 41, 0, 0, 0, 0]);
    assert_eq!(code_of(too_big(&fragments)), CloseCode::TooBig);
    // The limit itself is allowed, and control frames do not count.
    let mut allowed = vec![0x02, 0x80 | 60, 0, 0, 0, 0];
    allowed.extend([0; 60]);
    allowed.extend([0x89, 0x80 | 60, 0, 0, 0, 0]);
    allowed.extend([0; 60]);
    allowed.extend([0x80, 0x80 | 40, 0, 0, 0, 0]);
    allowed.extend([0; 40]);
    assert_eq!(too_big(&allowed).unwrap().len(), 2);
}

#[test]
fn a_message_of_nothing_but_fragments_does_not_go_on_for_ever() {
    let read = |fragments: usize| {
        let mut frames = vec![0x02, 0x80, 0, 0, 0, 0];
        (1..fragments).for_each(|_| frames.extend([0, 0x80, 0, 0, 0, 0]));
        frames.extend([0x80, 0x80, 0, 0, 0, 0]);
        let mut seen = Vec::new();
        let mut reader = Reader::new(Role::Server, 1000);
        drain(&mut reader, &[&frames[..], &frames].concat(), &mut seen).map(|()| seen)
    };
    let most = 64 + 1000 / 64;
    assert_eq!(read(most).unwrap().len(), 2);
    assert_eq!(code_of(read(most + 1)), CloseCode::TooBig);
}

#[test]
fn a_promised_length_costs_no_memory() {
    let mut reader = Reader::new(Role::Server, MAX);
    let header = [0x82, 0xff, 0, 0, 0, 0, 0, 0x0f, 0xff, 0xff, 0, 0, 0, 0];
    drain(&mut reader, &header, &mut Vec::new()).unwrap();
    assert_eq!(reader.heap_bytes(), 0);
    drain(&mut reader, &[1, 2, 3], &mut Vec::new()).unwrap();
    assert!(reader.heap_bytes() < 64, "{}", reader.heap_bytes());
}

#[test]
fn a_large_message_that_is_over_gives_its_memory_back() {
    let mut reader = Reader::new(Role::Server, MAX);
    let bytes = written(Role::Client, Opcode::Binary, &[9; 50_000]);
    let (head, tail) = bytes.split_at(20_000);
    let mut seen = Vec::new();
    drain(&mut reader, head, &mut seen).unwrap();
    drain(&mut reader, tail, &mut seen).unwrap();
    assert_eq!(seen, [Seen::Binary(vec![9; 50_000])]);
    assert_eq!(reader.heap_bytes(), 0);
}

#[test]
fn a_close_frame_says_code_and_reason_and_is_the_last() {
    let mut bytes = Vec::new();
    let mut writer = Writer::client(5);
    writer.close(1000, "bye", &mut bytes);
    writer.message(Opcode::Binary, b"after the end", &mut bytes);
    let close = PeerClose {
        code: Some(1000),
        reason: "bye".into(),
    };
    assert_eq!(read_all(Role::Server, &bytes), Ok(vec![Seen::Close(close)]));
    let empty = PeerClose {
        code: None,
        reason: "".into(),
    };
    assert_eq!(from_client(&[(0x88, b"")]), Ok(vec![Seen::Close(empty)]));
}

#[test]
fn a_close_reason_that_is_too_long_is_cut_at_a_character() {
    let mut bytes = Vec::new();
    // 122 letters of one byte and one of two: the cut falls inside the last.
    let reason = "a".repeat(122) + "é";
    Writer::server().close(4003, &reason, &mut bytes);
    let close = PeerClose {
        code: Some(4003),
        reason: "a".repeat(122).into(),
    };
    assert_eq!(read_all(Role::Client, &bytes), Ok(vec![Seen::Close(close)]));
}

#[test]
fn a_close_frame_with_a_code_that_may_not_travel_is_refused() {
    assert_eq!(
        code_of(from_client(&[(0x88, b"\x03")])),
        CloseCode::WebSocket
    );
    for code in [
        0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        let result = from_client(&[(0x88, &code.to_be_bytes())]);
        assert_eq!(code_of(result), CloseCode::WebSocket, "{code}");
    }
    for code in [
        1000_u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
    ] {
        assert!(
            from_client(&[(0x88, &code.to_be_bytes())]).is_ok(),
            "{code}"
        );
    }
    assert_eq!(
        code_of(from_client(&[(0x88, b"\x03\xe8\xff")])),
        CloseCode::NotUtf8
    );
}

#[test]
fn every_code_we_close_with_may_travel() {
    assert!(
        CloseCode::ALL
            .iter()
            .all(|code| is_close_code_allowed(code.number()))
    );
}

#[test]
fn masks_differ_from_frame_to_frame() {
    let mut writer = Writer::client(1);
    let mut bytes = Vec::new();
    writer.message(Opcode::Binary, &[0; 8], &mut bytes);
    writer.message(Opcode::Binary, &[0; 8], &mut bytes);
    assert_ne!(bytes[2..6], bytes[16..20]);
}

/// A conversation of one client, in frames.
fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let payload = || prop::collection::vec(any::<u8>(), 0..300);
    let whole = (any::<bool>(), payload(), "\\PC{0,80}").prop_map(|(is_text, bytes, text)| {
        if is_text {
            vec![(Opcode::Text, true, text.into_bytes())]
        } else {
            vec![(Opcode::Binary, true, bytes)]
        }
    });
    let control =
        (any::<bool>(), prop::collection::vec(any::<u8>(), 0..125)).prop_map(|(ping, bytes)| {
            vec![(if ping { Opcode::Ping } else { Opcode::Pong }, true, bytes)]
        });
    let fragmented = (payload(), payload(), payload()).prop_map(|(a, b, c)| {
        vec![
            (Opcode::Binary, false, a),
            (Opcode::Ping, true, b"between".to_vec()),
            (Opcode::Continuation, false, b),
            (Opcode::Continuation, true, c),
        ]
    });
    let part = prop_oneof![whole, control, fragmented];
    (prop::collection::vec(part, 0..6), any::<u64>()).prop_map(|(parts, seed)| {
        let mut writer = Writer::client(seed);
        let mut bytes = Vec::new();
        for (opcode, is_final, payload) in parts.into_iter().flatten() {
            writer.fragment(opcode, is_final, &payload, &mut bytes);
        }
        bytes
    })
}

proptest! {
    #[test]
    fn any_split_of_the_same_bytes_gives_the_same_items(
        bytes in conversation(),
        pieces in prop::collection::vec(1_usize..40, 1..20),
    ) {
        let whole = read_all(Role::Server, &bytes).unwrap();
        let mut reader = Reader::new(Role::Server, MAX);
        let mut seen = Vec::new();
        let mut rest = &bytes[..];
        for size in pieces.iter().cycle() {
            let (piece, after) = rest.split_at(rest.len().min(*size));
            drain(&mut reader, piece, &mut seen).unwrap();
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(seen, whole);
    }

    #[test]
    fn random_bytes_are_read_or_refused_the_same_way_however_they_are_cut(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        first in prop::sample::select(vec![0x81_u8, 0x82, 0x01, 0x02, 0x88, 0x89]),
        cut in 0_usize..200,
    ) {
        let mut bytes = bytes;
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        let mut whole = Vec::new();
        let whole_result = drain(&mut Reader::new(Role::Server, MAX), &bytes, &mut whole);
        let mut reader = Reader::new(Role::Server, MAX);
        let mut seen = Vec::new();
        let (head, tail) = bytes.split_at(cut.min(bytes.len()));
        let result = drain(&mut reader, head, &mut seen)
            .and_then(|()| drain(&mut reader, tail, &mut seen));
        prop_assert_eq!(result, whole_result);
        prop_assert_eq!(seen, whole);
    }
}

#[test]
fn every_split_in_two_of_one_conversation_gives_the_same_items() {
    let mut bytes = Vec::new();
    let mut writer = Writer::client(9);
    writer.message(Opcode::Text, "grüße".as_bytes(), &mut bytes);
    writer.message(Opcode::Binary, &[5; 130], &mut bytes);
    writer.fragment(Opcode::Text, false, "ö".as_bytes(), &mut bytes);
    writer.message(Opcode::Ping, b"still there?", &mut bytes);
    writer.fragment(Opcode::Continuation, true, b"!", &mut bytes);
    writer.close(1001, "späť", &mut bytes);
    let whole = read_all(Role::Server, &bytes).unwrap();
    assert_eq!(whole.len(), 5);
    for cut in 0..=bytes.len() {
        let mut reader = Reader::new(Role::Server, MAX);
        let mut seen = Vec::new();
        drain(&mut reader, &bytes[..cut], &mut seen).unwrap();
        drain(&mut reader, &bytes[cut..], &mut seen).unwrap();
        assert_eq!(seen, whole, "cut at {cut}");
    }
}
