//! Names that come to stand for another content: what is fetched, what is told, and what is left behind.

use std::collections::HashSet;

use tickwire_protocol::limits::ASSETS_MAX;

use super::*;

#[test]
fn a_replaced_download_is_reset_and_the_new_content_comes_in_its_place() {
    let old = vec![asset("a", 1, b"old content"), asset("b", 2, b"other")];
    let mut assets = listed(AssetPolicy::Fetch, old);
    open(&mut assets, 10);
    assert!(assets.on_data(StreamId(10), b"old"));
    assert!(assets.on_data(StreamId(12), b"oth"));
    assert_eq!(standing(&assets), (6, 16, 0, 2));
    let new = asset("a", 1, b"new");
    push(&mut assets, core::slice::from_ref(&new));
    assert_eq!(names(&mut assets), ["listed", "replaced a"]);
    assert_eq!(standing(&assets), (3, 8, 0, 2));
    assert_eq!(assets.partial("a"), Some(&b""[..]));
    // What is on its way still finds its stream, and is dropped.
    assert!(assets.owns(StreamId(10)) && assets.on_data(StreamId(10), b" content"));
    let reset = Some((StreamId(10), "no name stands for it any more"));
    assert_eq!(assets.poll_reset(), reset);
    assert_eq!(assets.poll_reset(), None);
    assert!(!assets.owns(StreamId(10)));
    assert_eq!(
        open(&mut assets, 14),
        [(StreamId(14), content(new.hash, 0))]
    );
    // The other download, whose place among the contents is another one now, goes on.
    assert!(assets.on_data(StreamId(14), b"new") && assets.on_data(StreamId(12), b"er"));
    assets.on_end(StreamId(14));
    let event = assets.poll_event();
    let is_new = matches!(&event, Some(AssetEvent::Ready { bytes, .. }) if bytes[..] == *b"new");
    assert!(is_new, "{event:?}");
    assets.on_end(StreamId(12));
    assert_eq!(names(&mut assets), ["ready b false", "complete"]);
    assert_eq!(standing(&assets), (8, 8, 2, 2));
}

#[test]
fn a_manifest_waits_for_the_older_ones_that_are_still_coming() {
    let assets_of = |content: &[u8]| Manifest::from(vec![asset("a", 1, content)]);
    let mut assets = Assets::new(AssetPolicy::LookUpWhenAsked);
    assets.request_manifest();
    open(&mut assets, 8);
    let lists = [(8, &b"asked"[..]), (9, b"older"), (11, b"newer")];
    for (stream, _) in &lists[1..] {
        assert!(assets.on_push(StreamId(*stream)));
    }
    // The newest arrives first, as when the others are long.
    for (stream, content) in lists.into_iter().rev() {
        assert_eq!(assets.poll_event(), None);
        assert!(assets.on_data(StreamId(stream), &assets_of(content).encode()));
        assets.on_end(StreamId(stream));
    }
    let newest = asset("a", 1, b"newer").hash;
    assert_eq!(assets.manifest.assets[0].hash, newest);
    let listed = names(&mut assets)
        .iter()
        .filter(|it| *it == "listed")
        .count();
    assert_eq!(listed, 3);

    // One that fails is waited for no longer, and one that is cut off neither.
    for stream in [13, 15] {
        assert!(assets.on_push(StreamId(stream)));
    }
    assert!(assets.on_data(StreamId(15), &assets_of(b"last").encode()));
    assets.on_end(StreamId(15));
    assert_eq!(assets.manifest.assets[0].hash, newest);
    assets.on_failed(StreamId(13), "it was reset");
    assert_eq!(assets.manifest.assets[0].hash, asset("a", 1, b"last").hash);
    assert!(assets.on_push(StreamId(17)));
    assets.on_disconnected();
    assert!(assets.lists.is_empty());
}

#[test]
fn what_ends_or_fails_before_its_reset_is_told_to_nobody() {
    let old = vec![asset("a", 1, b"a"), asset("b", 2, b"b")];
    let mut assets = listed(AssetPolicy::Fetch, old);
    open(&mut assets, 10);
    assert!(assets.on_data(StreamId(10), b"a"));
    push(&mut assets, &[asset("a", 1, b"A"), asset("b", 2, b"B")]);
    assert_eq!(names(&mut assets), ["listed", "replaced a", "replaced b"]);
    assets.on_end(StreamId(10));
    assets.on_failed(StreamId(12), "it was changed");
    assert_eq!(assets.poll_reset(), None);
    assert_eq!(names(&mut assets), [""; 0]);
    assert_eq!(open(&mut assets, 14).len(), 2);
}

#[test]
fn a_content_that_another_name_stands_for_goes_on_when_one_is_replaced() {
    let old = vec![asset("a", 1, b"same"), asset("b", 1, b"same")];
    let mut assets = listed(AssetPolicy::Fetch, old);
    open(&mut assets, 10);
    assert!(assets.on_data(StreamId(10), b"sa"));
    push(&mut assets, &[asset("a", 1, b"new")]);
    assert_eq!(names(&mut assets), ["listed", "replaced a"]);
    assert_eq!(assets.poll_reset(), None);
    assert_eq!(standing(&assets), (2, 7, 0, 2));
    assert_eq!(open(&mut assets, 12).len(), 1);
    assert!(assets.on_data(StreamId(10), b"me") && assets.on_data(StreamId(12), b"new"));
    assets.on_end(StreamId(10));
    assets.on_end(StreamId(12));
    let told = ["ready b false", "ready a false", "complete"];
    assert_eq!(names(&mut assets), told);
}

#[test]
fn names_that_change_places_keep_what_has_come_of_both() {
    let old = [asset("a", 1, b"one one"), asset("b", 2, b"two two")];
    let mut assets = listed(AssetPolicy::Fetch, old.to_vec());
    open(&mut assets, 10);
    assert!(assets.on_data(StreamId(10), b"one"));
    push(
        &mut assets,
        &[asset("a", 1, b"two two"), asset("b", 2, b"one one")],
    );
    assert_eq!(names(&mut assets), ["listed", "replaced a", "replaced b"]);
    assert_eq!(assets.poll_reset(), None);
    assert_eq!(assets.partial("b"), Some(&b"one"[..]));
    assert_eq!(standing(&assets), (3, 14, 0, 2));
}

#[test]
fn what_depends_on_a_replaced_asset_depends_on_its_newest_content() {
    let mut list = vec![asset("scene", 1, b"scene"), asset("font", 9, b"old font")];
    list[0].depends = vec![1];
    let scene = list[0].hash;
    let mut assets = listed(AssetPolicy::LookUpWhenAsked, list);
    let font = asset("font", 9, b"new font");
    push(&mut assets, core::slice::from_ref(&font));
    assert_eq!(assets.want("scene"), Ok(()));
    assert_eq!(assets.poll_lookup(), Some(font.hash));
    assert_eq!(assets.poll_lookup(), Some(scene));
    assert_eq!(assets.poll_lookup(), None);
}

#[test]
fn a_priority_that_the_game_gave_holds_for_the_content_that_follows() {
    let old = vec![asset("a", 1, b"a"), asset("b", 9, b"b")];
    let mut assets = listed(AssetPolicy::Fetch, old);
    assert_eq!(assets.prioritise("b", 0), Ok(()));
    let new = asset("b", 9, b"new");
    push(&mut assets, core::slice::from_ref(&new));
    assert_eq!(open(&mut assets, 10)[0].1, content(new.hash, 0));
    assert_eq!(
        assets.statuses().map(|it| it.priority).collect::<Vec<_>>(),
        [1, 0]
    );
}

#[test]
fn a_lookup_of_a_replaced_content_that_is_answered_late_changes_nothing() {
    let old = asset("a", 1, b"old");
    let mut assets = listed(AssetPolicy::LookUpThenFetch, vec![old.clone()]);
    assert_eq!(assets.poll_lookup(), Some(old.hash));
    let new = asset("a", 1, b"new");
    push(&mut assets, core::slice::from_ref(&new));
    assets.on_cached(old.hash, Some(Bytes::from_static(b"old")));
    assert_eq!(names(&mut assets), ["listed", "replaced a"]);
    assert_eq!(assets.poll_lookup(), Some(new.hash));
    assets.on_cached(new.hash, Some(Bytes::from_static(b"new")));
    assert_eq!(names(&mut assets), ["ready a true", "complete"]);
}

#[test]
fn a_name_that_is_replaced_more_often_than_there_may_be_assets_leaves_nothing_behind() {
    let mut assets = listed(AssetPolicy::Fetch, vec![asset("a", 1, b"first")]);
    for n in 0..=ASSETS_MAX as u32 {
        let bytes = n.to_le_bytes();
        push(&mut assets, &[asset("a", 1, &bytes)]);
        while assets.poll_reset().is_some() {}
        open(&mut assets, 10);
        // Every other one is replaced while it comes.
        let comes_whole = n % 2 == 0;
        assert!(assets.on_data(StreamId(10), &bytes[..if comes_whole { 4 } else { 2 }]));
        let told = names(&mut assets);
        assert!(!told.iter().any(|it| it.starts_with("failed")), "{told:?}");
        if comes_whole {
            assets.on_end(StreamId(10));
            assert_eq!(names(&mut assets), ["ready a false", "complete"]);
            assert_eq!(standing(&assets), (4, 4, 1, 1));
        }
        let held = (
            assets.contents.len(),
            assets.by_hash.len(),
            assets.manifest.assets.len(),
        );
        assert_eq!(held, (1, 1, 1));
    }
}

/// What an asset of this number holds.
fn bytes_of(number: usize) -> Vec<u8> {
    vec![number as u8; 1 + number % 3]
}

fn bytes_with(hash: AssetHash) -> Vec<u8> {
    let all = (0..CONTENTS).map(bytes_of);
    let mut found = all.filter(|it| *blake3::hash(it).as_bytes() == hash.0);
    found.next().expect("a content of this test")
}

const CONTENTS: usize = 5;
const NAMES: usize = 4;

fn some_manifest(random: &mut fastrand::Rng) -> Vec<Asset> {
    let names: Vec<usize> = (0..NAMES).filter(|_| random.usize(..2) == 0).collect();
    let mut list: Vec<Asset> = vec![];
    for name in names {
        let content = bytes_of(random.usize(..CONTENTS));
        let mut asset = asset(&format!("{name}"), random.usize(..4) as u8, &content);
        let earlier = 0..list.len() as u32;
        asset.depends = earlier.filter(|_| random.usize(..4) == 0).collect();
        list.push(asset);
    }
    list
}

/// That everything held is referred to, and that the sums are those of what is held.
fn check(assets: &Assets) {
    let mut named = HashSet::new();
    for (place, asset) in (0..).zip(&assets.manifest.assets) {
        assert_eq!(assets.places[&asset.name], place);
        assert!(
            assets.contents[assets.by_hash[&asset.hash]]
                .assets
                .contains(&place)
        );
        named.insert(asset.hash);
    }
    assert_eq!(
        assets.manifest.fetch_order().map(|it| it.len()),
        Some(assets.places.len())
    );
    assert_eq!(
        (assets.contents.len(), assets.by_hash.len()),
        (named.len(), named.len())
    );
    let mut sums = (0, 0, 0, 0);
    let mut fetching = HashSet::new();
    for (index, content) in assets.contents.iter().enumerate() {
        assert_eq!(assets.by_hash[&content.hash], index);
        let (bytes, names) = (content.bytes, content.assets.len() as u32);
        if content.state != State::Idle {
            sums.1 += bytes;
            sums.3 += names;
        }
        if content.state.is_settled() {
            sums.0 += bytes;
            sums.2 += names;
        }
        sums.0 += content.bytes_partial();
        if content.state == State::Fetching {
            fetching.insert(index);
        }
    }
    assert_eq!(standing(assets), sums);
    let streams = assets.streams.values().filter_map(|&target| match target {
        Target::Content(index) => Some(index),
        Target::Manifest | Target::Push | Target::Replaced => None,
    });
    assert_eq!(streams.collect::<HashSet<_>>(), fetching);
}

/// Takes what happened, and gives the last of it that is not about lists. An asset that is ready is what its name
/// stands for, unless a manifest that had waited came right behind it.
fn take_events(assets: &mut Assets) -> Option<AssetEvent> {
    let events: Vec<AssetEvent> = core::iter::from_fn(|| assets.poll_event()).collect();
    let newest_list = events.iter().rposition(|it| *it == AssetEvent::Listed);
    for (at, event) in events.iter().enumerate() {
        let AssetEvent::Ready {
            name, hash, bytes, ..
        } = event
        else {
            continue;
        };
        assert_eq!(bytes[..], bytes_with(*hash));
        if newest_list.is_none_or(|list| at > list) {
            let place = assets.places[name];
            assert_eq!(assets.manifest.assets[place as usize].hash, *hash);
        }
    }
    let of_lists = |it: &AssetEvent| matches!(it, AssetEvent::Listed | AssetEvent::Removed { .. });
    events.into_iter().rfind(|it| !of_lists(it))
}

/// A server, a cache and a game that do anything that they may.
struct Anything {
    random: fastrand::Rng,
    assets: Assets,
    /// What is under way: the bytes that are to come.
    open: Vec<(StreamId, Vec<u8>)>,
    next: u32,
}

impl Anything {
    fn open(&mut self) {
        while let Some((id, _)) = self.assets.poll_reset() {
            self.open.retain(|(it, _)| *it != id);
        }
        for (id, request) in open(&mut self.assets, self.next) {
            self.next += 2;
            let bytes = match request {
                AssetRequest::Content { hash, offset, .. } => {
                    bytes_with(hash).split_off(offset as usize)
                }
                AssetRequest::Manifest | AssetRequest::NewerManifest { .. } => {
                    let assets = some_manifest(&mut self.random);
                    Manifest::from(assets).encode()
                }
            };
            self.open.push((id, bytes));
        }
    }

    /// The next of one stream: half of what is to come, or its end.
    fn advance(&mut self, at: usize) {
        let (id, bytes) = &mut self.open[at];
        if bytes.is_empty() {
            self.assets.on_end(*id);
            self.open.swap_remove(at);
        } else {
            let rest = bytes.split_off(bytes.len().div_ceil(2));
            assert!(self.assets.on_data(*id, bytes));
            *bytes = rest;
        }
    }

    fn look_up(&mut self) {
        while let Some(hash) = self.assets.poll_lookup() {
            let found = (self.random.usize(..2) == 0).then(|| bytes_with(hash).into());
            self.assets.on_cached(hash, found);
        }
    }

    fn act(&mut self) {
        let name = format!("{}", self.random.usize(..NAMES));
        let stream = self.random.usize(..self.open.len().max(1));
        match self.random.usize(..16) {
            0 => {
                let mut manifest = Manifest::from(some_manifest(&mut self.random));
                let is_listed = manifest.assets.iter().any(|asset| asset.name == name);
                manifest.removed.extend((!is_listed).then(|| name.clone()));
                push_manifest(&mut self.assets, &manifest);
            }
            1 => {
                self.assets.on_disconnected();
                self.open.clear();
                self.assets.request_manifest();
            }
            // Some names are not known yet.
            2 => drop(self.assets.want(&name)),
            3 => {
                if let Ok(Some(id)) = self.assets.cancel(&name) {
                    self.open.retain(|(it, _)| *it != id);
                }
            }
            4 => drop(self.assets.prioritise(&name, self.random.usize(..9) as u8)),
            5 => self.look_up(),
            6 if !self.open.is_empty() => {
                let (id, _) = self.open.swap_remove(stream);
                self.assets.on_failed(id, "no");
            }
            7..10 => self.open(),
            _ if !self.open.is_empty() => self.advance(stream),
            _ => {}
        }
    }
}

#[test]
fn whatever_is_pushed_wanted_cut_and_cancelled_the_sums_are_those_of_what_is_held() {
    for seed in 1..300 {
        println!("seed {seed}");
        let policies = [
            AssetPolicy::Fetch,
            AssetPolicy::LookUpThenFetch,
            AssetPolicy::LookUpWhenAsked,
        ];
        let mut world = Anything {
            random: fastrand::Rng::with_seed(seed),
            assets: Assets::new(policies[seed as usize % 3]),
            open: vec![],
            next: 8,
        };
        world.assets.request_manifest();
        for _ in 0..300 {
            world.act();
            check(&world.assets);
            take_events(&mut world.assets);
        }
        // Left alone, all that was asked for is settled, and the end of it is told.
        let was_settled = world.assets.progress.assets == world.assets.progress.assets_total;
        let mut last = None;
        for _ in 0..100 {
            world.look_up();
            world.open();
            if !world.open.is_empty() {
                world.advance(0);
            }
            check(&world.assets);
            last = take_events(&mut world.assets).or(last);
        }
        let progress = world.assets.progress();
        assert_eq!(progress.assets, progress.assets_total);
        assert_eq!(progress.bytes, progress.bytes_total);
        let is_told = last == Some(AssetEvent::Complete);
        assert!(is_told || was_settled, "{last:?}");
    }
}
