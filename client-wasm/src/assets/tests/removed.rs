//! Names that the server delivers nothing of any more: what is told, and what goes on without them.

use tickwire_protocol::limits::ASSETS_MAX;

use super::*;

/// The server says that these are gone, and lists others.
fn remove(assets: &mut Assets, removed: &[&str], list: &[Asset]) {
    let manifest = Manifest {
        assets: list.to_vec(),
        removed: removed.iter().map(|&name| name.to_owned()).collect(),
    };
    push_manifest(assets, &manifest);
}

fn listing(assets: &Assets) -> Vec<&str> {
    assets.statuses().map(|asset| asset.name).collect()
}

#[test]
fn a_removed_download_is_reset_and_the_others_go_on() {
    let list = ["a", "b", "c"].map(|name| asset(name, 1, name.as_bytes()));
    let mut assets = listed(AssetPolicy::Fetch, list.to_vec());
    open(&mut assets, 10);
    remove(&mut assets, &["a", "never was"], &[]);
    assert_eq!(names(&mut assets), ["listed", "removed a"]);
    assert_eq!(listing(&assets), ["b", "c"]);
    assert_eq!(assets.want("a"), Err(UnknownAsset("a".to_owned())));
    let reset = Some((StreamId(10), "no name stands for it any more"));
    assert_eq!(assets.poll_reset(), reset);
    assert!(assets.on_data(StreamId(12), b"b") && assets.on_data(StreamId(14), b"c"));
    assets.on_end(StreamId(12));
    assets.on_end(StreamId(14));
    assert_eq!(
        names(&mut assets),
        ["ready b false", "ready c false", "complete"]
    );
    assert_eq!(standing(&assets), (2, 2, 2, 2));
}

#[test]
fn the_last_that_was_waited_for_completes_the_loading_by_being_removed() {
    let list = vec![asset("a", 1, b"a"), asset("b", 1, b"b")];
    let mut assets = listed(AssetPolicy::LookUpWhenAsked, list);
    assert_eq!(assets.want("a"), Ok(()));
    remove(&mut assets, &["b"], &[]);
    assert_eq!(names(&mut assets), ["listed", "removed b"]);
    remove(&mut assets, &["a"], &[]);
    assert_eq!(names(&mut assets), ["listed", "removed a", "complete"]);
}

#[test]
fn what_the_whole_manifest_does_not_list_is_gone_and_what_is_pushed_leaves_the_rest() {
    let list = vec![asset("a", 1, b"a"), asset("b", 2, b"b")];
    let mut assets = listed(AssetPolicy::LookUpWhenAsked, list.clone());
    push(&mut assets, &[asset("c", 3, b"c")]);
    assert_eq!(listing(&assets), ["a", "b", "c"]);
    assert_eq!(assets.prioritise("b", 7), Ok(()));
    assets.on_disconnected();
    assets.request_manifest();
    assert_eq!(open(&mut assets, 8), [(StreamId(8), newer(&list))]);
    let manifest = Manifest::from(vec![asset("d", 1, b"d"), asset("b", 2, b"b")]);
    assert!(assets.on_data(StreamId(8), &manifest.encode()));
    assets.on_end(StreamId(8));
    assert_eq!(
        names(&mut assets),
        ["listed", "listed", "removed a", "removed c", "complete"]
    );
    let priorities: Vec<_> = assets.statuses().map(|it| (it.name, it.priority)).collect();
    assert_eq!(
        priorities,
        [("b", 7), ("d", 1)],
        "b keeps what the game said"
    );
}

#[test]
fn a_download_goes_on_under_the_new_name_of_its_content() {
    let mut assets = listed(AssetPolicy::Fetch, vec![asset("a", 1, b"content")]);
    open(&mut assets, 10);
    assert!(assets.on_data(StreamId(10), b"con"));
    remove(&mut assets, &["a"], &[asset("b", 1, b"content")]);
    assert_eq!(names(&mut assets), ["listed", "removed a"]);
    assert_eq!(assets.poll_reset(), None);
    assert_eq!(assets.partial("b"), Some(&b"con"[..]));
    assert!(assets.on_data(StreamId(10), b"tent"));
    assets.on_end(StreamId(10));
    assert_eq!(names(&mut assets), ["ready b false", "complete"]);
}

#[test]
fn what_depended_on_a_removed_asset_waits_for_it_no_more() {
    let mut list = ["font", "map", "scene"].map(|name| asset(name, 1, name.as_bytes()));
    list[2].depends = vec![0, 1];
    let (map, scene) = (list[1].hash, list[2].hash);
    let mut assets = listed(AssetPolicy::LookUpWhenAsked, list.to_vec());
    remove(&mut assets, &["font"], &[]);
    assert_eq!(assets.want("scene"), Ok(()));
    assert_eq!(assets.poll_lookup(), Some(map));
    assert_eq!(assets.poll_lookup(), Some(scene));
    assert_eq!(assets.poll_lookup(), None);
}

#[test]
fn names_may_come_and_go_more_often_than_there_may_be_assets() {
    const HALF: usize = ASSETS_MAX / 2;
    let mut assets = listed(AssetPolicy::LookUpWhenAsked, vec![]);
    let version = |number: usize| (0..HALF).map(move |file| format!("{file}.{number}"));
    for number in 0..4 {
        let list: Vec<Asset> = version(number)
            .map(|name| asset(&name, 1, name.as_bytes()))
            .collect();
        let old: Vec<String> = version(number.wrapping_sub(1)).collect();
        let old: Vec<&str> = old.iter().map(String::as_str).collect();
        remove(&mut assets, &old, &list);
        let told = names(&mut assets);
        assert!(!told.iter().any(|it| it.starts_with("failed")));
        assert_eq!(assets.manifest.assets.len(), HALF);
        assert_eq!((assets.contents.len(), assets.places.len()), (HALF, HALF));
    }
}
