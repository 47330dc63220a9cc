//! Bodies for everything that turns a peer's bytes into values. Each demands more than that it does not
//! panic: what decodes must encode to something that decodes to the same.

use tickwire_protocol::{
    asset::{Asset, AssetHash, AssetRequest, Manifest},
    binarypack,
    coding::Reader,
    event,
    frame::Frame,
    input::InputInbox,
    packing::{Unpacker, pack},
    session::control::Control,
    time::Tick,
    websocket::{Item, Opcode, Reader as WebSocketReader, Role, Writer},
};

use super::{Target, choices::Choices};

/// Every decoder.
pub const TARGETS: [Target; 5] = [
    Target {
        name: "websocket",
        examples: websocket_examples,
        body: websocket,
        memory_per_byte: 16,
        memory_fixed: 16 * 1024,
    },
    Target {
        name: "frames",
        examples: frame_examples,
        body: frames,
        memory_per_byte: 16,
        memory_fixed: 16 * 1024,
    },
    Target {
        name: "inputs",
        examples: input_examples,
        body: inputs,
        memory_per_byte: 16,
        memory_fixed: 64 * 1024,
    },
    Target {
        name: "assets_and_events",
        examples: asset_examples,
        body: assets_and_events,
        memory_per_byte: 64,
        // A claimed count of list elements is trusted by serde, up to 1 MiB for each nested list.
        memory_fixed: 4 << 20,
    },
    Target {
        name: "binarypack_values",
        examples: binarypack_examples,
        body: binarypack_values,
        memory_per_byte: 256,
        memory_fixed: 16 * 1024,
    },
];

/// The largest message of the WebSocket body.
const MESSAGE_BYTES_MAX: usize = 4096;

/// What a reader said, owned, to compare two of them.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Error,
}

/// Reads `pieces` one after the other.
fn read_pieces<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> Vec<Said> {
    let mut reader = WebSocketReader::new(Role::Server, MESSAGE_BYTES_MAX);
    let mut said = Vec::new();
    for piece in pieces {
        let mut piece = piece.to_vec();
        let mut input = &mut piece[..];
        loop {
            said.push(match reader.read(&mut input) {
                Ok(None) => break,
                Ok(Some(Item::Text(text))) => Said::Text(text.to_owned()),
                Ok(Some(Item::Binary(bytes))) => Said::Binary(bytes.to_vec()),
                Ok(Some(Item::Ping(bytes))) => Said::Ping(bytes.to_vec()),
                Ok(Some(Item::Pong(bytes))) => Said::Pong(bytes.to_vec()),
                Ok(Some(Item::Close(close))) => Said::Close(close.code, close.reason.into()),
                Err(_) => {
                    said.push(Said::Error);
                    return said;
                }
            });
        }
        assert!(
            reader.heap_bytes() <= 2 * MESSAGE_BYTES_MAX,
            "the reader holds more than two messages"
        );
    }
    said
}

/// However the same bytes are cut into reads, the same is said; except that text which is no UTF-8 may
/// be found out earlier, never later.
fn websocket(bytes: &[u8]) {
    let (cuts, stream) = bytes.split_at(bytes.len().min(4));
    let whole = read_pieces(core::iter::once(stream));
    let piece = usize::from(cuts.first().copied().unwrap_or(0)) % 64 + 1;
    let cut = read_pieces(stream.chunks(piece));
    assert_eq!(whole, cut, "cut every {piece} bytes");
}

fn websocket_examples() -> Vec<Vec<u8>> {
    let mut writer = Writer::client(7);
    let mut stream = vec![3, 0, 0, 0];
    writer.message(Opcode::Binary, &[1, 2, 3], &mut stream);
    writer.fragment(Opcode::Text, false, "fragm\u{e4}".as_bytes(), &mut stream);
    writer.message(Opcode::Ping, b"there?", &mut stream);
    writer.fragment(Opcode::Continuation, true, b"ents", &mut stream);
    let without_end = stream.clone();
    writer.message(Opcode::Binary, &[9; 300], &mut stream);
    writer.close(1000, "bye", &mut stream);
    vec![without_end, stream]
}

/// A message comes apart into frames, and each control frame into a message and back.
fn frames(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let mut payload_bytes = 0;
    while !reader.is_empty() {
        let Ok(frame) = Frame::decode(&mut reader) else {
            break;
        };
        payload_bytes += frame.payload.len();
        if let Ok(message) = Control::decode(frame.payload) {
            let mut again = Vec::new();
            message.encode(&mut again);
            assert_eq!(Control::decode(&again).as_ref(), Ok(&message));
        }
    }
    assert!(
        payload_bytes <= bytes.len(),
        "frames hold more than their message"
    );
}

fn frame_examples() -> Vec<Vec<u8>> {
    super::sessions::transcript(40)
        .into_iter()
        .map(|(_, message)| message)
        .collect()
}

/// Whatever arrives, inputs come out in the order of their ticks and never one tick twice.
fn inputs(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut inbox = InputInbox::new();
    let mut next_tick = Tick(u32::MAX - 8);
    let mut taken: Option<Tick> = None;
    let mut out = Vec::new();
    while !choices.is_empty() {
        if choices.coin() {
            if inbox.receive(choices.bytes(40), next_tick).is_err() {
                return;
            }
        } else {
            next_tick = next_tick.next();
            while let Some(tick) = inbox.poll(next_tick, &mut out) {
                assert!(
                    taken.is_none_or(|before| tick.is_after(before)),
                    "input {tick} after {taken:?}"
                );
                assert!(!tick.is_after(next_tick), "an input before its tick");
                taken = Some(tick);
            }
        }
    }
}

fn input_examples() -> Vec<Vec<u8>> {
    // Receive one input for each of the next ticks, step between them.
    let mut bytes = Vec::new();
    for tick in 0..20u16 {
        bytes.extend_from_slice(&[1, 5, 0]);
        bytes.extend_from_slice(&tick.wrapping_sub(6).to_le_bytes());
        bytes.extend_from_slice(&[1, 2, 3, 0]);
    }
    vec![bytes]
}

fn assets_and_events(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::decode(bytes) {
        assert_eq!(Manifest::decode(&manifest.encode()).as_ref(), Ok(&manifest));
        if let Some(order) = manifest.fetch_order() {
            assert_eq!(
                order.len(),
                manifest.assets.len(),
                "an asset is fetched twice or never"
            );
        }
    }
    if let Ok(request) = AssetRequest::decode(bytes) {
        assert_eq!(
            AssetRequest::decode(&request.encode()).as_ref(),
            Ok(&request)
        );
    }
    let _ = event::split(bytes);
    let (mut content, room) = (vec![], 10_000);
    let _ = Unpacker::default().unpack(bytes, room, &mut content);
    assert!(content.len() <= room, "more was unpacked than may be");
}

fn asset_examples() -> Vec<Vec<u8>> {
    let asset = |name: &str, depends: &[u32]| Asset {
        name: name.into(),
        bytes: 1000,
        mime: "image/png".into(),
        hash: AssetHash([7; 32]),
        priority: 1,
        depends: depends.to_vec(),
        packed_bytes: 400,
    };
    let manifest = Manifest {
        assets: vec![
            asset("a.png", &[1]),
            asset("b/c.png", &[]),
            asset("d", &[0, 1]),
        ],
        removed: vec!["b/d.png".to_owned()],
    };
    vec![
        manifest.encode(),
        AssetRequest::Manifest.encode(),
        AssetRequest::NewerManifest {
            known: AssetHash([7; 32]),
        }
        .encode(),
        pack(&[b'a'; 1000]).unwrap_or_default(),
        vec![0, 0x81, 0xa4, b't', b'e', b'x', b't', 0xa2, b'h', b'i'],
    ]
}

/// What was read and written once stays what it is: a second reading and writing changes no byte.
fn binarypack_values(bytes: &[u8]) {
    let Ok(value) = binarypack::read_value(bytes) else {
        return;
    };
    for dialect in [
        binarypack::Dialect::Reference,
        binarypack::Dialect::Node,
        binarypack::Dialect::Browser,
    ] {
        let mut once = Vec::new();
        binarypack::write_value(&value, dialect, &mut once);
        let value = binarypack::read_value(&once).expect("what was written can be read");
        let mut twice = Vec::new();
        binarypack::write_value(&value, dialect, &mut twice);
        assert_eq!(once, twice, "{dialect:?}");
    }
}

fn binarypack_examples() -> Vec<Vec<u8>> {
    let value = (
        "text",
        1.5f64,
        -3i32,
        vec![Some(1u64 << 40), None],
        ("nested", vec!["a", "b"]),
    );
    [
        binarypack::Dialect::Reference,
        binarypack::Dialect::Node,
        binarypack::Dialect::Browser,
    ]
    .map(|dialect| binarypack::to_vec(&value, dialect).expect("plain values"))
    .to_vec()
}
