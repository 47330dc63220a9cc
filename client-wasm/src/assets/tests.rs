//! Assets against a made-up server: order, progress, resumption, and content that is not what it should be.

use super::*;
use tickwire_protocol::asset::Asset;

fn asset(name: &str, priority: u8, content: &[u8]) -> Asset {
    Asset {
        name: name.into(),
        bytes: content.len() as u64,
        mime: "image/png".into(),
        hash: AssetHash(*blake3::hash(content).as_bytes()),
        priority,
        depends: vec![],
    }
}

/// Opens streams for all that is wanted now, with ids from `first` on.
fn open(assets: &mut Assets, first: u32) -> Vec<(StreamId, AssetRequest)> {
    let mut opened = vec![];
    while let Some(wanted) = assets.poll_wanted() {
        let stream = StreamId(first + 2 * opened.len() as u32);
        opened.push((stream, wanted.request));
        assets.on_opened(wanted, stream);
    }
    opened
}

fn listed(has_cache: bool, list: Vec<Asset>) -> Assets {
    let mut assets = Assets::new(has_cache);
    assets.request_manifest();
    let opened = open(&mut assets, 8);
    assert_eq!(opened, [(StreamId(8), AssetRequest::Manifest)]);
    let bytes = Manifest { assets: list }.encode();
    let (head, tail) = bytes.split_at(bytes.len() / 2);
    assert!(assets.on_data(StreamId(8), head) && assets.on_data(StreamId(8), tail));
    assets.on_end(StreamId(8));
    assets
}

fn names(assets: &mut Assets) -> Vec<String> {
    core::iter::from_fn(|| assets.poll_event())
        .map(|event| match event {
            AssetEvent::Ready { name, cached, .. } => format!("ready {name} {cached}"),
            AssetEvent::Failed { name, reason } => format!("failed {name}: {reason}"),
            AssetEvent::Complete => "complete".to_owned(),
        })
        .collect()
}

#[test]
fn assets_come_by_priority_and_one_content_comes_once() {
    let list = vec![
        asset("late", 9, b"later"),
        asset("a", 1, b"same"),
        asset("b", 1, b"same"),
    ];
    let hash = list[1].hash;
    let mut assets = listed(false, list);
    let opened = open(&mut assets, 10);
    assert_eq!(opened.len(), 2, "{opened:?}");
    assert_eq!(opened[0].1, AssetRequest::Content { hash, offset: 0 });
    assert!(assets.on_data(StreamId(10), b"sa") && assets.on_data(StreamId(12), b"later"));
    assert_eq!(assets.partial("b"), Some(&b"sa"[..]));
    assert_eq!(
        (assets.progress().bytes, assets.progress().bytes_total),
        (7, 9)
    );
    assert!(assets.on_data(StreamId(10), b"me"));
    assets.on_end(StreamId(10));
    assert_eq!(names(&mut assets), ["ready a false", "ready b false"]);
    assets.on_end(StreamId(12));
    assert_eq!(names(&mut assets), ["ready late false", "complete"]);
    assert!((assets.progress().fraction() - 1.0).abs() < 1e-6);
}

#[test]
fn a_cut_download_goes_on_where_it_stopped() {
    let list = vec![asset("a", 1, b"0123456789")];
    let hash = list[0].hash;
    let mut assets = listed(false, list);
    open(&mut assets, 10);
    assert!(assets.on_data(StreamId(10), b"0123"));
    assets.on_disconnected();
    assets.request_manifest();
    let opened = open(&mut assets, 8);
    assert_eq!(
        opened,
        [(StreamId(8), AssetRequest::Content { hash, offset: 4 })]
    );
    assert!(assets.on_data(StreamId(8), b"456789"));
    assets.on_end(StreamId(8));
    assert_eq!(names(&mut assets), ["ready a false", "complete"]);
    assert_eq!(assets.progress().bytes_fetched, 10);
}

#[test]
fn what_the_cache_has_is_checked_and_not_fetched() {
    let list = vec![asset("good", 1, b"good"), asset("bad", 2, b"bad!")];
    let (good, bad) = (list[0].hash, list[1].hash);
    let mut assets = listed(true, list);
    assert_eq!(
        open(&mut assets, 10),
        [],
        "nothing is fetched before the cache answered"
    );
    assert_eq!(assets.poll_lookup(), Some(good));
    assert_eq!(assets.poll_lookup(), Some(bad));
    assert_eq!(assets.poll_lookup(), None);
    assets.on_cached(good, Some(Bytes::from_static(b"good")));
    assets.on_cached(bad, Some(Bytes::from_static(b"evil")));
    assert_eq!(names(&mut assets), ["ready good true"]);
    assert_eq!(
        open(&mut assets, 10),
        [(
            StreamId(10),
            AssetRequest::Content {
                hash: bad,
                offset: 0
            }
        )]
    );
}

#[test]
fn wrong_bytes_fail_that_asset_and_no_other() {
    let list = vec![
        asset("wrong", 1, b"wrong"),
        asset("short", 2, b"short"),
        asset("long", 3, b"long"),
        asset("gone", 4, b"gone"),
    ];
    let mut assets = listed(false, list);
    open(&mut assets, 10);
    assert!(assets.on_data(StreamId(10), b"WRONG") && assets.on_data(StreamId(12), b"sho"));
    assets.on_end(StreamId(10));
    assets.on_end(StreamId(12));
    assert!(!assets.on_data(StreamId(14), b"longer"));
    assets.on_failed(StreamId(16), "no such file");
    assert_eq!(
        names(&mut assets),
        [
            "failed wrong: its hash is wrong",
            "failed short: it ended after 3 of 5 bytes",
            "failed long: it is longer than the manifest says",
            "failed gone: no such file",
            "complete",
        ]
    );
}

#[test]
fn a_manifest_that_is_none_ends_the_loading() {
    let mut assets = Assets::new(false);
    assets.request_manifest();
    open(&mut assets, 8);
    assert!(assets.on_data(StreamId(8), &[0xc1]));
    assets.on_end(StreamId(8));
    assert_eq!(
        names(&mut assets),
        [
            "failed manifest: the manifest makes no sense here",
            "complete"
        ]
    );
}
