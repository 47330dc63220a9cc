//! A directory of real files, served.

use std::{fs, path::PathBuf};

use tickwire_protocol::{
    asset::{AssetHash, AssetRequest, Manifest},
    limits::ASSETS_MAX,
    packing::Unpacker,
};

use super::{
    AssetError, Library, Progress, Refusal,
    scan::{fingerprint, scan_within},
    watch::Watch,
};
use crate::limits::ASSET_BYTES_KEPT_MAX;

/// A directory that is gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("tickwire-assets-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn everything(library: &Library, request: &AssetRequest) -> Result<Vec<u8>, String> {
    let mut download = library.serve(request).unwrap();
    let mut all = Vec::new();
    loop {
        match download.poll() {
            Progress::Chunk(chunk) => all.extend_from_slice(&chunk),
            Progress::Waiting => std::thread::yield_now(),
            Progress::Done => return Ok(all),
            Progress::Failed(said) => return Err(said),
        }
    }
}

fn large() -> Vec<u8> {
    (0..ASSET_BYTES_KEPT_MAX as u32 + 100_000)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

#[test]
fn a_directory_becomes_a_manifest_and_every_file_arrives_as_it_is() {
    let folder = Folder::new("whole");
    let large = large();
    folder.write("ship.png", b"not really a picture");
    folder.write("sounds/hit.wav", b"boom");
    folder.write("world.bin", &large);
    folder.write("empty.txt", b"");
    folder.write(
        "assets.json",
        r#"{"ship.png": {"priority": 3, "depends": ["sounds/hit.wav"]}}"#,
    );
    let library = Library::open(&folder.0).unwrap();
    let manifest =
        Manifest::decode(&everything(&library, &AssetRequest::Manifest).unwrap()).unwrap();
    let newer_than = |known: &[u8]| {
        let known = AssetHash(*blake3::hash(known).as_bytes());
        everything(&library, &AssetRequest::NewerManifest { known }).unwrap()
    };
    assert_eq!(newer_than(&manifest.encode()), b"");
    assert_eq!(newer_than(b"another"), manifest.encode());
    let names: Vec<&str> = manifest
        .assets
        .iter()
        .map(|asset| asset.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["empty.txt", "ship.png", "sounds/hit.wav", "world.bin"]
    );
    let ship = &manifest.assets[1];
    assert_eq!(
        (ship.priority, &ship.depends[..], ship.mime.as_str()),
        (3, &[2][..], "image/png")
    );
    for (asset, content) in
        manifest
            .assets
            .iter()
            .zip([&b""[..], b"not really a picture", b"boom", &large])
    {
        for offset in [0, asset.bytes / 2, asset.bytes] {
            let got = everything(
                &library,
                &AssetRequest::Content {
                    hash: asset.hash,
                    offset,
                    packed: false,
                },
            )
            .unwrap();
            assert!(
                got == content[offset as usize..],
                "{} from {offset}",
                asset.name
            );
        }
        assert_eq!(asset.hash.0, *blake3::hash(content).as_bytes());
    }
}

#[test]
fn unknown_content_and_offsets_beyond_the_end_are_refused() {
    let folder = Folder::new("refused");
    folder.write("a", b"abc");
    let library = Library::open(&folder.0).unwrap();
    let hash = library.manifest().assets[0].hash;
    let unknown = AssetHash([0; 32]);
    let refusal = library
        .serve(&AssetRequest::Content {
            hash: unknown,
            offset: 0,
            packed: false,
        })
        .unwrap_err();
    assert_eq!(
        (&refusal, refusal.code()),
        (&Refusal::Unknown(unknown), 404)
    );
    let refusal = library
        .serve(&AssetRequest::Content {
            hash,
            offset: 4,
            packed: false,
        })
        .unwrap_err();
    assert_eq!(
        refusal,
        Refusal::OffsetBeyondEnd {
            bytes: 3,
            offset: 4
        }
    );
}

#[test]
fn text_is_offered_packed_and_a_packed_form_that_is_not_there_is_refused() {
    let folder = Folder::new("packed");
    let text = "all work and no play\n".repeat(10_000);
    folder.write("a.txt", &text);
    folder.write("b.png", b"no more");
    let library = Library::open(&folder.0).unwrap();
    let manifest = library.manifest();
    let (a, b) = (&manifest.assets[0], &manifest.assets[1]);
    assert!((1..2000).contains(&a.packed_bytes), "{}", a.packed_bytes);
    assert_eq!(b.packed_bytes, 0);
    let packed = |hash, offset| AssetRequest::Content {
        hash,
        offset,
        packed: true,
    };
    let whole = everything(&library, &packed(a.hash, 0)).unwrap();
    assert_eq!(whole.len() as u64, a.packed_bytes);
    let mut unpacked = vec![];
    Unpacker::default()
        .unpack(&whole, text.len(), &mut unpacked)
        .unwrap();
    assert!(unpacked == text.as_bytes());
    let rest = everything(&library, &packed(a.hash, 100)).unwrap();
    assert!(rest == whole[100..]);
    let refusal = library.serve(&packed(b.hash, 0)).unwrap_err();
    assert_eq!(refusal, Refusal::NotPacked(b.hash));
}

#[test]
fn a_part_of_a_manifest_has_what_it_depends_on_and_nothing_twice() {
    let folder = Folder::new("part");
    for name in ["font", "other", "scene"] {
        folder.write(name, name);
    }
    folder.write("assets.json", r#"{"scene": {"depends": ["font"]}}"#);
    let library = Library::open(&folder.0).unwrap();
    let part = library.contents().part(&["scene", "scene", "font"]);
    let part = part.unwrap();
    let names: Vec<&str> = part.assets.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["scene", "font"]);
    assert_eq!(part.assets[0].depends, [1]);
    assert_eq!(Manifest::decode(&part.encode()), Ok(part));
}

#[test]
fn a_download_that_rested_goes_on_where_it_was() {
    let folder = Folder::new("rest");
    let large = large();
    folder.write("level.bin", &large);
    let library = Library::open(&folder.0).unwrap();
    let hash = AssetHash(*blake3::hash(&large).as_bytes());
    let mut download = library
        .serve(&AssetRequest::Content {
            hash,
            offset: 0,
            packed: false,
        })
        .unwrap();
    let mut all = Vec::new();
    for turn in 0.. {
        match download.poll() {
            Progress::Chunk(chunk) if turn % 7 == 0 => {
                download.put_back(chunk);
                download.rest();
                assert!(download.is_resting());
            }
            Progress::Chunk(chunk) => all.extend_from_slice(&chunk),
            Progress::Waiting => std::thread::yield_now(),
            Progress::Done => break,
            Progress::Failed(said) => panic!("{said}"),
        }
    }
    assert!(all == large);
}

#[test]
fn a_large_file_that_vanished_or_was_changed_says_so() {
    let folder = Folder::new("changed");
    folder.write("a.bin", large());
    let library = Library::open(&folder.0).unwrap();
    let hash = library.manifest().assets[0].hash;
    let request = AssetRequest::Content {
        hash,
        offset: 0,
        packed: false,
    };
    folder.write("a.bin", b"short");
    assert!(
        everything(&library, &request)
            .unwrap_err()
            .contains("was changed")
    );
    fs::remove_file(folder.0.join("a.bin")).unwrap();
    assert!(
        everything(&library, &request)
            .unwrap_err()
            .contains("is gone")
    );
}

#[test]
fn what_cannot_be_delivered_is_told_with_its_file() {
    let folder = Folder::new("wrong");
    let missing = Library::open(folder.0.join("nowhere"))
        .unwrap_err()
        .to_string();
    assert!(missing.contains("nowhere"), "{missing}");
    folder.write("a.txt", b"a");
    folder.write("assets.json", r#"{"a.txt": {"depends": ["b.txt"]}}"#);
    let error = Library::open(&folder.0).unwrap_err();
    assert!(
        matches!(&error, AssetError::Description { said, .. } if said.contains("b.txt")),
        "{error}"
    );
    folder.write("assets.json", r#"{"a.txt": {"depends": ["a.txt"]}}"#);
    assert!(matches!(
        Library::open(&folder.0).unwrap_err(),
        AssetError::Manifest(_)
    ));
    folder.write("assets.json", "{");
    assert!(matches!(
        Library::open(&folder.0).unwrap_err(),
        AssetError::Description { .. }
    ));
}

#[test]
fn a_copy_that_memory_has_no_room_for_leaves_the_first_its_packed_form() {
    let folder = Folder::new("copies");
    let text = "the same words again\n".repeat(500);
    folder.write("copy.txt", &text);
    folder.write("copy of copy.txt", &text);
    let contents = scan_within(text.len() as u64, &folder.0).unwrap();
    assert_eq!(contents.manifest.assets.len(), 2);
    for asset in &contents.manifest.assets {
        let packed = contents.by_hash[&asset.hash].packed.as_ref();
        assert_eq!(packed.map(|it| it.len() as u64), Some(asset.packed_bytes));
    }
}

#[cfg(unix)]
#[test]
fn links_in_a_circle_end_in_an_error() {
    let folder = Folder::new("circle");
    std::os::unix::fs::symlink(&folder.0, folder.0.join("again")).unwrap();
    assert!(Library::open(&folder.0).is_err());
}

#[cfg(unix)]
#[test]
fn a_change_that_cannot_be_read_is_told_once() {
    let folder = Folder::new("watched");
    folder.write("one.txt", "one");
    let mut watch = Watch::begin(&folder.0).unwrap();
    let mut poll = |result| watch.poll(|| result);
    assert!(poll(Ok(())).unwrap().is_none());
    let wrong = "a:b.txt";
    folder.write(wrong, "no system's name");
    assert!(matches!(poll(Ok(())), Err(AssetError::Name(_))));
    folder.write("two.txt", "two");
    assert!(poll(Ok(())).unwrap().is_none(), "it has been told");
    fs::remove_file(folder.0.join(wrong)).unwrap();
    assert!(poll(Ok(())).unwrap().is_some(), "what came meanwhile");
    folder.write(wrong, "again");
    assert!(poll(Ok(())).is_err());
}

#[test]
fn a_file_that_cannot_be_opened_yet_is_tried_again() {
    let folder = Folder::new("locked");
    let mut watch = Watch::begin(&folder.0).unwrap();
    let locked = || {
        Err(AssetError::Unreadable {
            path: "one.txt".into(),
            error: std::io::ErrorKind::PermissionDenied.into(),
        })
    };
    folder.write("one.txt", "one");
    assert!(watch.poll::<()>(locked).is_err());
    assert!(watch.poll::<()>(locked).unwrap().is_none(), "told");
    assert_eq!(watch.poll(|| Ok("one")).unwrap(), Some("one"));
    assert!(watch.poll(|| Ok("one")).unwrap().is_none());
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_left_out() {
    let folder = Folder::new("no-file");
    folder.write("one.txt", "one");
    std::os::unix::fs::symlink("ada@host.1234", folder.0.join(".#one.txt")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.0.join("socket")).unwrap();
    for pipe in ["pipe", "assets.json"] {
        let made = std::process::Command::new("mkfifo")
            .arg(folder.0.join(pipe))
            .status();
        assert!(made.unwrap().success());
    }
    let library = Library::open(&folder.0).unwrap();
    let names: Vec<String> = library
        .manifest()
        .assets
        .into_iter()
        .map(|it| it.name)
        .collect();
    assert_eq!(names, ["one.txt"]);
}

#[test]
fn folders_and_the_description_do_not_count_as_files() {
    let folder = Folder::new("count");
    for n in 0..ASSETS_MAX {
        fs::write(folder.0.join(n.to_string()), b"").unwrap();
    }
    for n in 0..100 {
        fs::create_dir(folder.0.join(format!("folder{n}"))).unwrap();
    }
    folder.write("assets.json", "{}");
    assert_eq!(fingerprint(&folder.0).unwrap().len(), ASSETS_MAX + 1);
    folder.write("one more", b"");
    assert!(matches!(
        fingerprint(&folder.0),
        Err(AssetError::TooMany(_))
    ));
}
