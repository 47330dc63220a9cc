//! A stream's life: opened, accepted, written, credited, ended, confirmed; refused; reset.

use tickwire_protocol::{
    asset::{AssetHash, AssetRequest},
    id::StreamId,
    mux::{Mux, Write},
    session::{ClientSession, ServerSession},
    stream::{StreamKind, StreamOptions},
};

use super::{
    Example,
    sessions::{NOW, Pair},
};

fn of_client(session: &mut ClientSession) -> &mut Mux {
    session.streams().expect("open")
}

fn of_server(session: &mut ServerSession) -> &mut Mux {
    session.streams().expect("open")
}

fn open(pair: &mut Pair, options: StreamOptions) -> StreamId {
    of_client(&mut pair.client)
        .open(options, NOW)
        .expect("a free place")
}

/// Both ends, and a stream of that kind between them.
fn accepted(kind: StreamKind) -> (Pair, StreamId) {
    let mut pair = Pair::open();
    let id = open(&mut pair, StreamOptions::new(kind));
    pair.up();
    of_server(&mut pair.server)
        .accept(id, NOW)
        .expect("offered");
    pair.down();
    (pair, id)
}

pub(crate) fn all() -> Vec<Example> {
    let mut examples = life();
    examples.extend(refusal());
    examples.extend([
        ("stream-data-more", data_more()),
        ("stream-data-bulk", bulk()),
        ("stream-open-asset", asset()),
    ]);
    examples
}

fn life() -> Vec<Example> {
    let mut pair = Pair::open();
    let options = StreamOptions::new(StreamKind::Messages)
        .with_metadata("hi")
        .expect("small");
    let id = open(&mut pair, options);
    let open = pair.up();
    of_server(&mut pair.server)
        .accept(id, NOW)
        .expect("offered");
    let accept = pair.down();
    let written = of_client(&mut pair.client).write(id, vec![0xc3].into(), NOW);
    assert_eq!(written, Ok(Write::Taken));
    let data = pair.up();
    of_client(&mut pair.client).end(id).expect("open");
    let end = pair.up();
    let chunk = of_server(&mut pair.server)
        .read(id, NOW)
        .expect("open")
        .expect("a chunk");
    assert_eq!((&chunk.bytes[..], chunk.ends_record), (&[0xc3][..], true));
    let consumed = pair.down();
    of_server(&mut pair.server)
        .reset(id, 300, "enough")
        .expect("open");
    let reset = pair.down();
    assert!(of_client(&mut pair.client).is_empty() && of_server(&mut pair.server).is_empty());
    vec![
        ("stream-open", open),
        ("stream-accept", accept),
        ("stream-data", data),
        ("stream-end", end),
        ("stream-consumed", consumed),
        ("stream-reset", reset),
        ("stream-credit", credit()),
    ]
}

fn refusal() -> Vec<Example> {
    let mut pair = Pair::open();
    let id = open(&mut pair, StreamOptions::new(StreamKind::Bytes));
    pair.up();
    of_server(&mut pair.server)
        .refuse(id, 404, "no such file")
        .expect("offered");
    vec![("stream-refuse", pair.down())]
}

/// Credit for one stream: half of its window was read.
fn credit() -> Vec<u8> {
    let (mut pair, id) = accepted(StreamKind::Bytes);
    for _ in 0..4 {
        let chunk = vec![0; 16_384].into();
        assert_eq!(
            of_server(&mut pair.server).write(id, chunk, NOW),
            Ok(Write::Taken)
        );
    }
    pair.down();
    while of_client(&mut pair.client)
        .read(id, NOW)
        .expect("open")
        .is_some()
    {}
    pair.up()
}

/// A piece of a file, and the mark behind it.
fn bulk() -> Vec<u8> {
    let (mut pair, id) = accepted(StreamKind::Bytes);
    let written = of_client(&mut pair.client).write(id, vec![7; 300].into(), NOW);
    assert_eq!(written, Ok(Write::Taken));
    let mut message = pair.up();
    // The page shows the header, and the whole second frame.
    message.drain(4..4 + 300);
    message
}

/// The first piece of a record that goes on.
fn data_more() -> Vec<u8> {
    let (mut pair, id) = accepted(StreamKind::Messages);
    let record = vec![7; 16_385].into();
    assert_eq!(
        of_client(&mut pair.client).write(id, record, NOW),
        Ok(Write::Taken)
    );
    let mut message = pair.up();
    // The page shows the header, and the whole second frame.
    message.drain(5..5 + 16_384);
    message
}

fn asset() -> Vec<u8> {
    let mut pair = Pair::open();
    let request = AssetRequest::Content {
        hash: AssetHash([0x5a; 32]),
        offset: 65_536,
        packed: false,
    };
    let mut options = StreamOptions::new(StreamKind::Asset);
    options.metadata = request.encode().into();
    assert_eq!(AssetRequest::decode(&options.metadata), Ok(request));
    let id = open(&mut pair, options);
    of_client(&mut pair.client).end(id).expect("open");
    pair.up()
}
