//! Assets over their streams, beside the game.

use std::fs;

use tickwire_protocol::{
    asset::{AssetHash, AssetRequest, Manifest},
    id::StreamId,
    mux::StreamEvent,
    stream::{StreamKind, StreamOptions},
};
use tickwire_server::{
    limits::ASSET_BYTES_KEPT_MAX,
    net::{Server, assets::Library},
};

use crate::{
    client::Player,
    game::pucks,
    server::{Scratch, TestServer},
};

/// Asks for something, and gives what came, or the reason why nothing did.
fn fetch(player: &mut Player, request: AssetRequest) -> Result<Vec<u8>, String> {
    let mut options = StreamOptions::new(StreamKind::Asset);
    options.one_way = false;
    options.metadata = request.encode().into();
    let now = player.now();
    let streams = player.session.streams().unwrap();
    let id = streams.open(options, now).unwrap();
    streams.end(id).unwrap();
    player.transmit();
    let mut bytes = Vec::new();
    let mut end = None;
    player.until("the asset", |player| {
        let now = player.now();
        if let Ok(streams) = player.session.streams() {
            while let Ok(Some(chunk)) = streams.read(id, now) {
                bytes.extend_from_slice(&chunk.bytes);
            }
        }
        for event in player.streams.drain(..) {
            end = end.take().or(ended(event, id));
        }
        end.is_some()
    });
    end.unwrap().map(|()| bytes)
}

fn ended(event: StreamEvent, stream: StreamId) -> Option<Result<(), String>> {
    match event {
        StreamEvent::Ended(id) if id == stream => Some(Ok(())),
        StreamEvent::Refused { id, reason, .. } | StreamEvent::Reset { id, reason, .. }
            if id == stream =>
        {
            Some(Err(reason.into()))
        }
        _ => None,
    }
}

/// The reason why nothing comes.
fn refusal(player: &mut Player, request: AssetRequest) -> String {
    let fetched = fetch(player, request).map(|bytes| bytes.len());
    fetched.unwrap_err()
}

fn content(hash: AssetHash, offset: u64) -> AssetRequest {
    AssetRequest::Content {
        hash,
        offset,
        packed: false,
    }
}

#[test]
fn manifest_and_contents_arrive_beside_the_game_and_resume_from_an_offset() {
    let scratch = Scratch::new("fetch");
    let large: Vec<u8> = (0..5_000_000_u32).map(|i| (i % 251) as u8).collect();
    fs::write(scratch.0.join("large.bin"), &large).unwrap();
    fs::write(scratch.0.join("small.txt"), b"small").unwrap();
    let server = TestServer::start(
        Server::new(pucks)
            .workers(1)
            .assets(Library::open(&scratch.0).unwrap()),
    );
    let mut ann = Player::named(server.address, "Ann");
    let manifest = Manifest::decode(&fetch(&mut ann, AssetRequest::Manifest).unwrap()).unwrap();
    let hash = |name: &str| {
        manifest
            .assets
            .iter()
            .find(|asset| asset.name == name)
            .unwrap()
            .hash
    };
    assert_eq!(
        fetch(&mut ann, content(hash("small.txt"), 0)).unwrap(),
        b"small"
    );
    // From memory and, being larger than what is kept there, from disk.
    assert!(fetch(&mut ann, content(hash("large.bin"), 0)).unwrap() == large);
    assert!(fetch(&mut ann, content(hash("large.bin"), 4_999_000)).unwrap() == large[4_999_000..]);
    server.assert_saw_every_tick(&ann);
}

#[test]
fn what_is_not_there_is_refused_and_what_has_vanished_is_given_up_each_with_a_reason() {
    let scratch = Scratch::new("gone");
    let path = scratch.0.join("large.bin");
    let bytes = ASSET_BYTES_KEPT_MAX + 1;
    fs::write(&path, vec![1; bytes as usize]).unwrap();
    let server = TestServer::start(
        Server::new(pucks)
            .workers(1)
            .assets(Library::open(&scratch.0).unwrap()),
    );
    let mut ann = Player::named(server.address, "Ann");
    let manifest = Manifest::decode(&fetch(&mut ann, AssetRequest::Manifest).unwrap()).unwrap();
    let hash = manifest.assets[0].hash;
    assert_eq!(
        refusal(&mut ann, content(AssetHash([0; 32]), 0)),
        format!(
            "no asset has the hash {}: fetch the manifest again",
            AssetHash([0; 32])
        )
    );
    assert_eq!(
        refusal(&mut ann, content(hash, bytes + 1)),
        format!(
            "the asset has {bytes} bytes, the request begins at {}",
            bytes + 1
        )
    );
    fs::remove_file(path).unwrap();
    assert_eq!(
        refusal(&mut ann, content(hash, 0)),
        "the asset is gone: fetch the manifest again"
    );
    // The connection has lived through all of it.
    let seen = ann.ticks.len();
    ann.until("more ticks", |ann| ann.ticks.len() > seen + 2);
}

/// Waits for a manifest that the server pushes.
fn pushed(player: &mut Player) -> Manifest {
    let mut stream = None;
    let mut bytes = Vec::new();
    let mut is_over = false;
    player.until("a push", |player| {
        let now = player.now();
        for event in player.streams.drain(..) {
            match event {
                StreamEvent::Opened(offer) if offer.options.kind == StreamKind::Asset => {
                    let streams = player.session.streams().unwrap();
                    streams.accept(offer.id, now).unwrap();
                    streams.end(offer.id).unwrap();
                    stream = Some(offer.id);
                }
                event => is_over |= stream.is_some_and(|id| ended(event, id) == Some(Ok(()))),
            }
        }
        if let (Some(id), Ok(streams)) = (stream, player.session.streams()) {
            while let Ok(Some(chunk)) = streams.read(id, now) {
                bytes.extend_from_slice(&chunk.bytes);
            }
        }
        is_over
    });
    Manifest::decode(&bytes).unwrap()
}

#[test]
fn what_changes_in_a_watched_directory_is_pushed_to_those_who_are_connected() {
    let scratch = Scratch::new("watched");
    let write = |name: &str, text: &str| fs::write(scratch.0.join(name), text).unwrap();
    write("stays.txt", "stays");
    write("changes.txt", "old");
    let library = Library::watch(&scratch.0).unwrap();
    let server = TestServer::start(Server::new(pucks).workers(1).assets(library));
    let mut ann = Player::named(server.address, "Ann");
    let mut bob = Player::in_room(server.address, "den");
    write("changes.txt", "new text");
    for player in [&mut ann, &mut bob] {
        let manifest = pushed(player);
        assert_eq!(manifest.assets.len(), 1, "{manifest:?}");
        assert_eq!(manifest.assets[0].name, "changes.txt");
        let hash = manifest.assets[0].hash;
        assert_eq!(fetch(player, content(hash, 0)).unwrap(), b"new text");
    }
    // Until the file is there the directory cannot be read, and nothing changes for anybody.
    write(
        "assets.json",
        r#"{ "comes.txt": { "depends": ["stays.txt"] } }"#,
    );
    write("comes.txt", "here");
    let manifest = pushed(&mut ann);
    let names: Vec<&str> = manifest
        .assets
        .iter()
        .map(|asset| asset.name.as_str())
        .collect();
    assert_eq!(names, ["comes.txt", "stays.txt"]);
    assert_eq!(manifest.assets[0].depends, [1]);
    let path = |name: &str| scratch.0.join(name);
    fs::rename(path("changes.txt"), path("moved.txt")).unwrap();
    let manifest = pushed(&mut ann);
    assert_eq!(manifest.assets.len(), 1, "{manifest:?}");
    assert_eq!(manifest.assets[0].name, "moved.txt");
    assert_eq!(manifest.removed, ["changes.txt"]);
    fs::remove_file(path("moved.txt")).unwrap();
    let manifest = pushed(&mut ann);
    assert_eq!(manifest.assets, []);
    assert_eq!(manifest.removed, ["moved.txt"]);
}
