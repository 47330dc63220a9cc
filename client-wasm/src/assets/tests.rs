//! Assets against a made-up server: order, progress, resumption, and content that is not what it should be.

mod removed;
mod replaced;

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
        packed_bytes: 0,
    }
}

fn content(hash: AssetHash, offset: u64) -> AssetRequest {
    AssetRequest::Content {
        hash,
        offset,
        packed: false,
    }
}

fn newer(known: &[Asset]) -> AssetRequest {
    let assets = known.to_vec();
    let known = AssetHash(*blake3::hash(&Manifest::from(assets).encode()).as_bytes());
    AssetRequest::NewerManifest { known }
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

fn listed(policy: AssetPolicy, list: Vec<Asset>) -> Assets {
    let mut assets = Assets::new(policy);
    assets.request_manifest();
    let opened = open(&mut assets, 8);
    assert_eq!(opened, [(StreamId(8), AssetRequest::Manifest)]);
    let bytes = Manifest::from(list).encode();
    let (head, tail) = bytes.split_at(bytes.len() / 2);
    assert!(assets.on_data(StreamId(8), head) && assets.on_data(StreamId(8), tail));
    assets.on_end(StreamId(8));
    assert_eq!(assets.poll_event(), Some(AssetEvent::Listed));
    assets
}

/// Bytes and assets that are here, each with how many there are to be.
fn standing(assets: &Assets) -> (u64, u64, u32, u32) {
    let it = assets.progress();
    (it.bytes, it.bytes_total, it.assets, it.assets_total)
}

fn names(assets: &mut Assets) -> Vec<String> {
    core::iter::from_fn(|| assets.poll_event())
        .map(|event| match event {
            AssetEvent::Ready { name, cached, .. } => format!("ready {name} {cached}"),
            AssetEvent::Unlisted { reason } => format!("unlisted: {reason}"),
            AssetEvent::Failed { name, reason } => format!("failed {name}: {reason}"),
            AssetEvent::Complete => "complete".to_owned(),
            AssetEvent::Listed => "listed".to_owned(),
            AssetEvent::Replaced { name } => format!("replaced {name}"),
            AssetEvent::Removed { name } => format!("removed {name}"),
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
    let mut assets = listed(AssetPolicy::Fetch, list);
    let opened = open(&mut assets, 10);
    assert_eq!(opened.len(), 2, "{opened:?}");
    assert_eq!(opened[0].1, content(hash, 0));
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
    let mut assets = listed(AssetPolicy::Fetch, list.clone());
    open(&mut assets, 10);
    assert!(assets.on_data(StreamId(10), b"0123"));
    assets.on_disconnected();
    assets.request_manifest();
    assert_eq!(open(&mut assets, 8), [(StreamId(8), newer(&list))]);
    assets.on_end(StreamId(8));
    let opened = open(&mut assets, 10);
    assert_eq!(opened, [(StreamId(10), content(hash, 4))]);
    assert!(assets.on_data(StreamId(10), b"456789"));
    assets.on_end(StreamId(10));
    assert_eq!(names(&mut assets), ["ready a false", "complete"]);
    assert_eq!(assets.progress().bytes_fetched, 10);
}

#[test]
fn who_comes_back_learns_the_newest_manifest_and_wants_what_it_wanted() {
    let old = vec![
        asset("here", 1, b"here"),
        asset("waiting", 2, b"waiting"),
        asset("idle", 3, b"idle"),
    ];
    let mut assets = listed(AssetPolicy::LookUpWhenAsked, old.clone());
    for name in ["here", "waiting"] {
        assert_eq!(assets.want(name), Ok(()));
    }
    assert_eq!(assets.poll_lookup(), Some(old[0].hash));
    assets.on_cached(old[0].hash, Some(Bytes::from_static(b"here")));
    assert_eq!(names(&mut assets), ["ready here true"]);
    assert_eq!(assets.poll_lookup(), Some(old[1].hash));
    assets.on_cached(old[1].hash, None);
    open(&mut assets, 10);
    assets.on_disconnected();

    // What is missing is not asked for before it is known whether it is still the same.
    assets.request_manifest();
    assert_eq!(open(&mut assets, 8), [(StreamId(8), newer(&old))]);
    let new = vec![
        asset("here", 1, b"not here"),
        asset("waiting", 2, b"still waiting"),
        asset("idle", 3, b"as idle"),
        asset("new", 4, b"new"),
    ];
    let manifest = Manifest::from(new.clone());
    assert!(assets.on_data(StreamId(8), &manifest.encode()));
    assets.on_end(StreamId(8));
    assert_eq!(names(&mut assets), ["listed", "replaced waiting"]);
    assert_eq!(assets.poll_lookup(), Some(new[0].hash));
    assert_eq!(assets.poll_lookup(), Some(new[1].hash));
    assert_eq!(assets.poll_lookup(), None);
    for asset in &new[..2] {
        assets.on_cached(asset.hash, None);
    }
    assert_eq!(open(&mut assets, 10).len(), 2);
    assert!(assets.on_data(StreamId(10), b"not here"));
    assert!(assets.on_data(StreamId(12), b"still waiting"));
    assets.on_end(StreamId(10));
    assets.on_end(StreamId(12));
    assert_eq!(
        names(&mut assets),
        ["ready here false", "ready waiting false", "complete"]
    );

    assets.on_disconnected();
    assets.request_manifest();
    assert_eq!(open(&mut assets, 8), [(StreamId(8), newer(&new))]);
    assets.on_end(StreamId(8));
    assert_eq!(names(&mut assets), [""; 0], "nothing is newer");
}

#[test]
fn what_the_cache_has_is_checked_and_not_fetched() {
    let list = vec![asset("good", 1, b"good"), asset("bad", 2, b"bad!")];
    let (good, bad) = (list[0].hash, list[1].hash);
    let mut assets = listed(AssetPolicy::LookUpThenFetch, list);
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
    assert_eq!(open(&mut assets, 10), [(StreamId(10), content(bad, 0))]);
}

#[test]
fn wrong_bytes_fail_that_asset_and_no_other() {
    let list = vec![
        asset("wrong", 1, b"wrong"),
        asset("short", 2, b"short"),
        asset("long", 3, b"long"),
        asset("gone", 4, b"gone"),
    ];
    let mut assets = listed(AssetPolicy::Fetch, list);
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
    let mut assets = Assets::new(AssetPolicy::Fetch);
    assets.request_manifest();
    open(&mut assets, 8);
    assert!(assets.on_data(StreamId(8), &[0xc1]));
    assets.on_end(StreamId(8));
    assert_eq!(
        names(&mut assets),
        ["unlisted: the manifest makes no sense here", "complete"]
    );
}

#[test]
fn what_is_cancelled_fails_and_its_stream_is_to_be_reset() {
    let list = vec![asset("a", 1, b"aaaa"), asset("b", 2, b"bbbb")];
    let hash = list[0].hash;
    let mut assets = listed(AssetPolicy::Fetch, list);
    open(&mut assets, 10);
    assert!(assets.on_data(StreamId(10), b"aa"));
    assert_eq!(assets.cancel("a"), Ok(Some(StreamId(10))));
    assert!(!assets.owns(StreamId(10)));
    assert_eq!(assets.cancel("a"), Ok(None), "it is settled");
    assert_eq!(assets.cancel("c"), Err(UnknownAsset("c".to_owned())));
    assert_eq!(names(&mut assets), ["failed a: it was cancelled"]);
    // Wanted again, it begins from nothing.
    assert_eq!(assets.want("a"), Ok(()));
    assert_eq!(open(&mut assets, 14), [(StreamId(14), content(hash, 0))]);
    assert!(assets.on_data(StreamId(14), b"aaaa") && assets.on_data(StreamId(12), b"bbbb"));
    assets.on_end(StreamId(14));
    assets.on_end(StreamId(12));
    assert_eq!(
        names(&mut assets),
        ["ready a false", "ready b false", "complete"]
    );
    let progress = assets.progress();
    assert_eq!((progress.bytes, progress.bytes_total), (8, 8));
    assert_eq!((progress.assets, progress.bytes_fetched), (2, 10));
}

#[test]
fn what_becomes_urgent_takes_the_place_of_the_least_urgent_which_goes_on_later() {
    let contents: Vec<Vec<u8>> = (0..6).map(|n| vec![n; 10]).collect();
    let named = |n: usize| asset(&format!("asset {n}"), 10 + n as u8, &contents[n]);
    let list: Vec<Asset> = (0..6).map(named).collect();
    let (displaced, urgent) = (list[3].hash, list[5].hash);
    let mut assets = listed(AssetPolicy::Fetch, list);
    assert_eq!(open(&mut assets, 10).len(), DOWNLOADS_MAX);
    assert!(assets.on_data(StreamId(16), &[3; 4]));
    assert_eq!(assets.poll_reset(), None);
    assert_eq!(assets.prioritise("asset 5", 0), Ok(()));
    assert_eq!(
        assets.poll_reset(),
        Some((StreamId(16), "something else is more urgent"))
    );
    assert_eq!(assets.poll_reset(), None);
    assert_eq!(open(&mut assets, 20), [(StreamId(20), content(urgent, 0))]);
    assert_eq!(assets.poll_reset(), None, "nothing else is as urgent");
    assert!(assets.on_data(StreamId(20), &[5; 10]));
    assets.on_end(StreamId(20));
    let next = open(&mut assets, 22);
    assert_eq!(next, [(StreamId(22), content(displaced, 4))]);
    assert!(assets.on_data(StreamId(22), &[3; 6]));
    assets.on_end(StreamId(22));
    assert_eq!(
        names(&mut assets),
        ["ready asset 5 false", "ready asset 3 false"]
    );
}

#[test]
fn on_demand_only_what_is_named_is_fetched_after_what_it_depends_on() {
    let mut list = vec![
        asset("idle", 1, b"idle"),
        asset("scene", 2, b"scene"),
        asset("font", 9, b"font"),
    ];
    list[1].depends = vec![2];
    let (scene, font) = (list[1].hash, list[2].hash);
    let mut assets = listed(AssetPolicy::LookUpWhenAsked, list);
    assert_eq!(assets.poll_lookup(), None);
    assert_eq!(assets.progress().assets_total, 0);
    assert_eq!(assets.want("scene"), Ok(()));
    assert_eq!(assets.poll_lookup(), Some(font));
    assert_eq!(assets.poll_lookup(), Some(scene));
    assert_eq!(assets.poll_lookup(), None);
    assets.on_cached(scene, Some(Bytes::from_static(b"scene")));
    assets.on_cached(font, None);
    assert_eq!(open(&mut assets, 10), [(StreamId(10), content(font, 0))]);
    assert!(assets.on_data(StreamId(10), b"fo"));
    let standing: Vec<_> = assets
        .statuses()
        .map(|it| (it.name, it.state, it.bytes))
        .collect();
    assert_eq!(
        standing,
        [
            ("idle", AssetState::Idle, 0),
            ("scene", AssetState::Ready, 5),
            ("font", AssetState::Fetching, 2)
        ]
    );
    assert!(assets.on_data(StreamId(10), b"nt"));
    assets.on_end(StreamId(10));
    assert_eq!(
        names(&mut assets),
        ["ready scene true", "ready font false", "complete"]
    );
    assert_eq!(
        (assets.progress().bytes, assets.progress().bytes_total),
        (9, 9)
    );
}

#[test]
fn what_an_asset_depends_on_is_not_fetched_again_with_it_unless_it_failed() {
    let mut list = vec![asset("scene", 2, b"scene"), asset("font", 9, b"font")];
    list[0].depends = vec![1];
    let (scene, font) = (list[0].hash, list[1].hash);
    let mut assets = listed(AssetPolicy::Fetch, list);
    let opened = open(&mut assets, 10);
    assert_eq!(opened.len(), 2);
    assert!(assets.on_data(StreamId(12), b"scene"));
    assets.on_end(StreamId(12));
    assets.on_failed(StreamId(10), "unreadable");
    assert_eq!(
        names(&mut assets),
        ["ready scene false", "failed font: unreadable", "complete"]
    );
    assert_eq!(assets.want("scene"), Ok(()));
    let both = [
        (StreamId(14), content(font, 0)),
        (StreamId(16), content(scene, 0)),
    ];
    assert_eq!(open(&mut assets, 14), both);
    assert!(assets.on_data(StreamId(14), b"font") && assets.on_data(StreamId(16), b"scene"));
    assets.on_end(StreamId(14));
    assets.on_end(StreamId(16));
    assert_eq!(
        names(&mut assets),
        ["ready font false", "ready scene false", "complete"]
    );
    assert_eq!(assets.want("scene"), Ok(()));
    assert_eq!(open(&mut assets, 18), [(StreamId(18), content(scene, 0))]);
    assert_eq!(standing(&assets), (4, 9, 1, 2));
}

#[test]
fn what_the_server_pushes_is_fetched_and_a_name_stands_for_its_newest_content() {
    let list = vec![asset("a", 1, b"old"), asset("b", 2, b"same")];
    let mut assets = listed(AssetPolicy::LookUpWhenAsked, list.clone());
    let newer = asset("a", 1, b"newer");
    let hash = newer.hash;
    let mut pushed = vec![list[1].clone(), newer];
    pushed[1].depends = vec![0];
    assert!(assets.on_push(StreamId(9)));
    assert!(assets.on_data(StreamId(9), &Manifest::from(pushed).encode()));
    assets.on_end(StreamId(9));
    assert_eq!(names(&mut assets), ["listed"]);
    assert_eq!(assets.poll_lookup(), Some(list[1].hash));
    assert_eq!(assets.poll_lookup(), Some(hash));
    assets.on_cached(list[1].hash, Some(Bytes::from_static(b"same")));
    assets.on_cached(hash, Some(Bytes::from_static(b"newer")));
    assert_eq!(
        names(&mut assets),
        ["ready b true", "ready a true", "complete"]
    );
    let sizes: Vec<_> = assets
        .statuses()
        .map(|it| (it.name, it.bytes_total))
        .collect();
    assert_eq!(sizes, [("a", 5), ("b", 4)]);
}

#[test]
fn pushes_have_a_bound_and_nonsense_in_one_is_told() {
    let mut assets = listed(AssetPolicy::Fetch, vec![]);
    assert_eq!(names(&mut assets), ["complete"]);
    for stream in 0..ASSET_PUSHES_MAX as u32 {
        assert!(assets.on_push(StreamId(9 + 2 * stream)));
    }
    assert!(!assets.on_push(StreamId(1001)));
    let piece = vec![0; 64 * 1024];
    let taken = (0..).find(|_| !assets.on_data(StreamId(9), &piece));
    assert_eq!(taken, Some(MANIFEST_BYTES_MAX / piece.len()));
    assert!(!assets.owns(StreamId(9)), "and it is to be reset");
    assert!(assets.on_data(StreamId(11), b"?"));
    assets.on_end(StreamId(11));
    assert_eq!(
        names(&mut assets),
        [
            "unlisted: it is too large",
            "complete",
            "unlisted: the manifest makes no sense here",
            "complete"
        ]
    );
    assert!(!Assets::new(AssetPolicy::None).on_push(StreamId(9)));
}

#[test]
fn packed_content_is_there_as_it_comes_and_goes_on_after_a_cut() {
    let text = "a rock, and another rock, ".repeat(1000).into_bytes();
    let packed = tickwire_protocol::packing::pack(&text).expect("it packs well");
    let mut listing = asset("text", 1, &text);
    listing.packed_bytes = packed.len() as u64;
    let hash = listing.hash;
    let request = |offset| AssetRequest::Content {
        hash,
        offset,
        packed: true,
    };
    let mut assets = listed(AssetPolicy::Fetch, vec![listing]);
    assert_eq!(open(&mut assets, 10), [(StreamId(10), request(0))]);
    let (head, tail) = packed.split_at(packed.len() / 2);
    assert!(assets.on_data(StreamId(10), head));
    let so_far = assets.partial("text").expect("on its way").to_vec();
    assert!(!so_far.is_empty() && text.starts_with(&so_far));
    assets.on_disconnected();
    let next = open(&mut assets, 8);
    assert_eq!(next, [(StreamId(8), request(head.len() as u64))]);
    assert!(assets.on_data(StreamId(8), tail));
    assets.on_end(StreamId(8));
    let event = assets.poll_event();
    let whole = matches!(&event, Some(AssetEvent::Ready { bytes, .. }) if bytes[..] == text[..]);
    assert!(whole, "{event:?}");
    assert_eq!(assets.progress().bytes_fetched, packed.len() as u64);
}

#[test]
fn a_content_that_is_packed_otherwise_later_begins_anew_once_no_stream_brings_it() {
    let text = "a rock, and another rock, ".repeat(1000).into_bytes();
    let packed = tickwire_protocol::packing::pack(&text).expect("it packs well");
    let mut listing = asset("text", 1, &text);
    listing.packed_bytes = packed.len() as u64;
    let hash = listing.hash;
    let mut plain = listing.clone();
    plain.packed_bytes = 0;
    let mut other = listing.clone();
    other.packed_bytes += 1;
    let (head, tail) = packed.split_at(packed.len() / 2);
    let whole = |event| matches!(event, Some(AssetEvent::Ready { bytes, .. }) if bytes == text);

    for (later, is_packed) in [(plain, false), (other, true)] {
        let mut assets = listed(AssetPolicy::Fetch, vec![listing.clone()]);
        open(&mut assets, 10);
        assert!(assets.on_data(StreamId(10), head));
        push(&mut assets, core::slice::from_ref(&later));
        assert_eq!(names(&mut assets), ["listed"]);
        assert!(assets.on_data(StreamId(10), tail));
        assets.on_end(StreamId(10));
        assert!(whole(assets.poll_event()), "it came as it had begun");

        let mut assets = listed(AssetPolicy::Fetch, vec![listing.clone()]);
        open(&mut assets, 10);
        assert!(assets.on_data(StreamId(10), head));
        assets.on_disconnected();
        push(&mut assets, core::slice::from_ref(&later));
        assert_eq!(names(&mut assets), ["listed"]);
        let request = AssetRequest::Content {
            hash,
            offset: 0,
            packed: is_packed,
        };
        assert_eq!(open(&mut assets, 12), [(StreamId(12), request)]);
        if !is_packed {
            assert!(assets.on_data(StreamId(12), &text));
            assets.on_end(StreamId(12));
            assert!(whole(assets.poll_event()));
        }
    }
}

#[test]
fn packed_content_that_is_none_or_unpacks_to_more_fails_and_makes_no_more() {
    let text = vec![b' '; 10_000_000];
    let packed = tickwire_protocol::packing::pack(&text).expect("it packs well");
    let mut bomb = asset("bomb", 1, b"only this long");
    bomb.packed_bytes = 10;
    let mut noise = asset("noise", 2, b"only this long, too");
    noise.packed_bytes = 10;
    let mut assets = listed(AssetPolicy::Fetch, vec![bomb, noise]);
    open(&mut assets, 10);
    assert!(!assets.on_data(StreamId(10), &packed));
    assert!(!assets.on_data(StreamId(12), &[0xff; 10]));
    assert_eq!(
        names(&mut assets),
        [
            "failed bomb: the size of packed content is out of range",
            "failed noise: packed content makes no sense here",
            "complete"
        ]
    );
}

/// The server pushes these on a stream.
fn push(assets: &mut Assets, list: &[Asset]) {
    push_manifest(assets, &Manifest::from(list.to_vec()));
}

fn push_manifest(assets: &mut Assets, manifest: &Manifest) {
    let waiting = assets.lists.keys().filter(|(it, _)| *it == Target::Push);
    let stream = StreamId(waiting.map(|(_, id)| id.0 + 2).max().unwrap_or(9));
    assert!(assets.on_push(stream));
    assert!(assets.on_data(stream, &manifest.encode()));
    assets.on_end(stream);
}

#[test]
fn a_new_name_for_a_content_that_was_here_already_is_counted_and_told() {
    let list = [asset("a", 1, b"same"), asset("b", 1, b"same")];
    let mut assets = listed(AssetPolicy::Fetch, list[..1].to_vec());
    open(&mut assets, 10);
    assert!(assets.on_data(StreamId(10), b"same"));
    assets.on_end(StreamId(10));
    assert_eq!(names(&mut assets), ["ready a false", "complete"]);
    push(&mut assets, &list[1..]);
    let progress = assets.progress();
    assert_eq!((progress.assets, progress.assets_total), (0, 2));
    assert_eq!((progress.bytes, progress.bytes_total), (0, 4));
    open(&mut assets, 12);
    assert!(assets.on_data(StreamId(12), b"same"));
    assets.on_end(StreamId(12));
    assert_eq!(
        names(&mut assets),
        ["listed", "ready a false", "ready b false", "complete"]
    );
    assert_eq!((assets.progress().assets, assets.progress().bytes), (2, 4));
}

#[test]
fn what_is_too_large_fails_and_however_large_it_claims_to_be_it_does_not_count() {
    let mut list = vec![
        asset("a", 1, b"a"),
        asset("b", 1, b"b"),
        asset("c", 1, b"c"),
    ];
    for asset in &mut list[..2] {
        asset.bytes = u64::MAX;
    }
    let mut assets = listed(AssetPolicy::Fetch, list);
    let failed = ["failed a: it is too large", "failed b: it is too large"];
    assert_eq!(names(&mut assets), failed, "one is still to come");
    assert_eq!(assets.want("b"), Ok(()));
    assert_eq!(names(&mut assets), failed[1..]);
    assert_eq!(standing(&assets), (0, 1, 2, 3));
    open(&mut assets, 10);
    assert!(assets.on_data(StreamId(10), b"c"));
    assets.on_end(StreamId(10));
    assert_eq!(names(&mut assets), ["ready c false", "complete"]);
    assert_eq!(assets.want("a"), Ok(()));
    assert_eq!(names(&mut assets), [failed[0], "complete"]);
}

#[test]
fn a_manifest_that_fails_completes_nothing_that_still_comes() {
    let mut assets = listed(AssetPolicy::Fetch, vec![asset("a", 1, b"a")]);
    open(&mut assets, 10);
    assert!(assets.on_push(StreamId(9)));
    assets.on_failed(StreamId(9), "it was cut");
    assert_eq!(names(&mut assets), ["unlisted: it was cut"]);
    assert!(assets.on_data(StreamId(10), b"a"));
    assets.on_end(StreamId(10));
    assert_eq!(names(&mut assets), ["ready a false", "complete"]);
}
