//! Assets: how a client asks for one and what the manifest says.
//!
//! A client opens a stream of the asset kind with an [`AssetRequest`] as its metadata and ends its own
//! half at once; the server accepts, writes the bytes and ends, or refuses with a reason. Content is
//! named by its hash, not by its name: what a name stands for may change while a download is under way,
//! and a client that keeps content under its hash never fetches the same bytes twice.

use core::fmt;
use std::collections::HashSet;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    error::DecodeError,
    limits::{ASSET_DEPENDS_MAX, ASSET_NAME_BYTES_MAX, ASSETS_MAX, MANIFEST_BYTES_MAX},
    messagepack,
};

/// The BLAKE3 hash of an asset's content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetHash(pub [u8; 32]);

// By hand: serde takes an array for 32 numbers, which in MessagePack are up to 64 bytes and not 32.
impl Serialize for AssetHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for AssetHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HashBytes;

        impl de::Visitor<'_> for HashBytes {
            type Value = AssetHash;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("32 bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<AssetHash, E> {
                let hash = bytes.try_into();
                hash.map(AssetHash)
                    .map_err(|_| E::invalid_length(bytes.len(), &self))
            }
        }

        deserializer.deserialize_bytes(HashBytes)
    }
}

impl fmt::Display for AssetHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AssetHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One file that a game delivers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Asset {
    /// Its path below the asset directory, with `/` between folders: `sounds/hit.wav`.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its MIME type: `image/png`.
    pub mime: String,
    /// What its content hashes to.
    pub hash: AssetHash,
    /// Lower comes first; 0 is needed before the first frame, 255 whenever there is room.
    pub priority: u8,
    /// Assets to fetch before it, as indices into the manifest.
    pub depends: Vec<u32>,
    /// The size of its [packed](crate::packing) form; 0 when there is none.
    pub packed_bytes: u64,
}

/// Everything a game delivers, or what of it is new.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Manifest {
    /// The assets; a client names one by its place here.
    pub assets: Vec<Asset>,
    /// In a manifest that is pushed, names that the game does not deliver any more. Else empty: what the whole
    /// manifest does not list is gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
}

impl From<Vec<Asset>> for Manifest {
    fn from(assets: Vec<Asset>) -> Self {
        let removed = vec![];
        Self { assets, removed }
    }
}

/// What a client asks for, as the metadata of the stream it opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetRequest {
    /// The manifest, as [`Manifest::encode`] writes it.
    Manifest,
    /// The same, unless the client has it: then nothing, and the stream ends at once. What a client asks
    /// after a reconnect, in which the server may have become another one.
    NewerManifest {
        /// What the manifest that it has hashes to, as it came.
        known: AssetHash,
    },
    /// The content with this hash, from this offset on: after a reconnect, from the first byte that is
    /// missing.
    Content {
        /// Which content.
        hash: AssetHash,
        /// The first byte wanted: of the packed form, if that is asked for.
        offset: u64,
        /// Whether its packed form is wanted, which the manifest must have named.
        #[serde(default, skip_serializing_if = "is_false")]
        packed: bool,
    },
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl AssetRequest {
    /// The request as metadata of an `OPEN` frame, at most [`METADATA_BYTES_MAX`] bytes.
    ///
    /// [`METADATA_BYTES_MAX`]: crate::limits::METADATA_BYTES_MAX
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec_named(self).unwrap_or_default()
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`DecodeError::Invalid`] when the bytes are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        messagepack::from_slice(bytes).map_err(|_| DecodeError::Invalid("an asset request"))
    }
}

impl Manifest {
    /// The manifest as the content of its stream.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec(self).unwrap_or_default()
    }

    /// Reads a manifest and checks what a client relies on: at most [`ASSETS_MAX`] assets, names that
    /// stay below the directory and are there once, dependencies that exist and come earlier or later but
    /// never in a circle, and as many names that are gone, none of which is listed.
    ///
    /// # Errors
    /// [`DecodeError::OutOfRange`] beyond a bound, [`DecodeError::Invalid`] for the rest.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(DecodeError::OutOfRange("the size of the manifest"));
        }
        let manifest: Self =
            messagepack::from_slice(bytes).map_err(|_| DecodeError::Invalid("the manifest"))?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), DecodeError> {
        if self.assets.len().max(self.removed.len()) > ASSETS_MAX {
            return Err(DecodeError::OutOfRange("the number of assets"));
        }
        let mut names = HashSet::with_capacity(self.assets.len());
        for asset in &self.assets {
            if !is_safe_name(&asset.name) {
                return Err(DecodeError::Invalid("an asset's name"));
            }
            if !names.insert(asset.name.as_str()) {
                return Err(DecodeError::Invalid("a second asset of one name"));
            }
            if asset.packed_bytes > asset.bytes {
                return Err(DecodeError::OutOfRange("an asset's packed size"));
            }
            if asset.depends.len() > ASSET_DEPENDS_MAX {
                return Err(DecodeError::OutOfRange("an asset's dependencies"));
            }
            if asset
                .depends
                .iter()
                .any(|&index| index as usize >= self.assets.len())
            {
                return Err(DecodeError::Invalid("an asset's dependency"));
            }
        }
        for name in &self.removed {
            if !is_safe_name(name) {
                return Err(DecodeError::Invalid("the name of a removed asset"));
            }
            if !names.insert(name) {
                return Err(DecodeError::Invalid("a removed asset that is named twice"));
            }
        }
        self.fetch_order()
            .map(drop)
            .ok_or(DecodeError::Invalid("a circle of dependencies"))
    }

    /// The order to fetch in: what an asset depends on before it, then by priority, then as listed.
    /// `None` when dependencies run in a circle.
    ///
    /// An asset lends its priority to what it waits for, so that a picture needed at once is not held up
    /// behind an unimportant file that it happens to depend on.
    #[must_use]
    pub fn fetch_order(&self) -> Option<Vec<u32>> {
        use std::{cmp::Reverse, collections::BinaryHeap};

        let urgency = self.urgencies();
        let mut waits_for: Vec<usize> = self
            .assets
            .iter()
            .map(|asset| asset.depends.len())
            .collect();
        let mut needed_by: Vec<Vec<u32>> = vec![vec![]; self.assets.len()];
        let mut ready = BinaryHeap::new();
        for (index, asset) in (0u32..).zip(&self.assets) {
            for &needed in &asset.depends {
                needed_by[needed as usize].push(index);
            }
            if asset.depends.is_empty() {
                ready.push(Reverse((urgency[index as usize], index)));
            }
        }
        let mut order = Vec::with_capacity(self.assets.len());
        while let Some(Reverse((_, index))) = ready.pop() {
            order.push(index);
            for &next in &needed_by[index as usize] {
                waits_for[next as usize] -= 1;
                if waits_for[next as usize] == 0 {
                    ready.push(Reverse((urgency[next as usize], next)));
                }
            }
        }
        (order.len() == self.assets.len()).then_some(order)
    }

    /// Each asset's priority, lowered to that of the most urgent one that waits for it.
    #[must_use]
    pub fn urgencies(&self) -> Vec<u8> {
        let mut urgency: Vec<u8> = self.assets.iter().map(|asset| asset.priority).collect();
        // Every lowering puts the lowered asset back on the list; a priority only falls, 255 times at most.
        let mut changed: Vec<usize> = (0..self.assets.len()).collect();
        while let Some(index) = changed.pop() {
            for &needed in &self.assets[index].depends {
                let needed = needed as usize;
                if urgency[needed] > urgency[index] {
                    urgency[needed] = urgency[index];
                    changed.push(needed);
                }
            }
        }
        urgency
    }
}

/// Whether a name stays below the asset directory on every system: no empty, `.` or `..` part, no
/// backslash, no colon, no control character, at most [`ASSET_NAME_BYTES_MAX`] bytes.
#[must_use]
pub fn is_safe_name(name: &str) -> bool {
    name.len() <= ASSET_NAME_BYTES_MAX
        && !name
            .chars()
            .any(|c| matches!(c, '\\' | ':') || c.is_control())
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::DEPTH_MAX;

    fn asset(name: &str, priority: u8, depends: &[u32]) -> Asset {
        Asset {
            name: name.into(),
            bytes: 10,
            mime: "text/plain".into(),
            hash: AssetHash([priority; 32]),
            priority,
            depends: depends.to_vec(),
            packed_bytes: 0,
        }
    }

    #[test]
    fn a_manifest_and_a_request_come_back_as_they_were() {
        let mut manifest = Manifest::from(vec![asset("a.txt", 1, &[1]), asset("b/c.txt", 2, &[])]);
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest.clone()));
        manifest.removed.push("b/d.txt".to_owned());
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
        let request = AssetRequest::Content {
            hash: AssetHash([7; 32]),
            offset: 1 << 40,
            packed: true,
        };
        assert_eq!(AssetRequest::decode(&request.encode()), Ok(request));
        assert_eq!(
            AssetRequest::decode(&AssetRequest::Manifest.encode()),
            Ok(AssetRequest::Manifest)
        );
        let newer = AssetRequest::NewerManifest {
            known: AssetHash([3; 32]),
        };
        assert_eq!(AssetRequest::decode(&newer.encode()), Ok(newer));
    }

    #[test]
    fn an_urgent_asset_pulls_what_it_depends_on_forward() {
        let manifest = Manifest::from(vec![
            asset("late", 9, &[]),
            asset("base", 200, &[]),
            asset("now", 1, &[1]),
        ]);
        assert_eq!(manifest.fetch_order(), Some(vec![1, 2, 0]));
    }

    #[test]
    fn gigantic_manifests_are_refused_before_they_are_read() {
        let bytes = vec![0; MANIFEST_BYTES_MAX + 1];
        assert_eq!(
            Manifest::decode(&bytes),
            Err(DecodeError::OutOfRange("the size of the manifest"))
        );
        let assets = (0..=ASSETS_MAX).map(|_| asset("a", 0, &[])).collect();
        let removed = (0..=ASSETS_MAX).map(|number| number.to_string()).collect();
        let lists: [(Vec<Asset>, Vec<String>); 2] = [(assets, vec![]), (vec![], removed)];
        for (assets, removed) in lists {
            assert_eq!(
                Manifest { assets, removed }.check(),
                Err(DecodeError::OutOfRange("the number of assets"))
            );
        }
        // A list that claims four billion entries and holds none.
        let claim = [0x91, 0xdd, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(
            Manifest::decode(&claim),
            Err(DecodeError::Invalid("the manifest"))
        );
    }

    #[test]
    fn what_an_unknown_field_holds_is_skipped_unless_it_is_nested_too_deep() {
        let one_field = |name: &[u8]| [&[0x81, 0xa0 | name.len() as u8], name].concat();
        for (depth, is_taken) in [(1, true), (DEPTH_MAX, false)] {
            let nested = [&vec![0x91; depth][..], &[0xc0]].concat();
            let manifest = [&[0x82, 0xa6], &b"assets"[..], &[0x90, 0xa1, b'x'], &nested].concat();
            assert_eq!(Manifest::decode(&manifest).is_ok(), is_taken, "{depth}");
            let hash = [&[0x82, 0xa5], &b"known"[..], &[0xc4, 32], &[7; 32]].concat();
            let request = [one_field(b"newer_manifest"), hash, vec![0xa1, b'x'], nested].concat();
            assert_eq!(AssetRequest::decode(&request).is_ok(), is_taken, "{depth}");
        }
    }

    #[test]
    fn circles_strangers_names_that_climb_and_names_that_are_there_twice_are_refused() {
        let refuse_all = |assets, removed: &[&str]| {
            let removed = removed.iter().map(|&name| name.into()).collect();
            let manifest = Manifest { assets, removed };
            Manifest::decode(&manifest.encode()).expect_err("a bad manifest")
        };
        let refuse = |assets| refuse_all(assets, &[]);
        assert_eq!(
            refuse(vec![asset("a", 0, &[1]), asset("b", 0, &[0])]),
            DecodeError::Invalid("a circle of dependencies")
        );
        assert_eq!(
            refuse(vec![asset("a", 0, &[1])]),
            DecodeError::Invalid("an asset's dependency")
        );
        assert_eq!(
            refuse(vec![
                asset("a", 0, &[]),
                asset("b", 0, &[0]),
                asset("a", 0, &[1])
            ]),
            DecodeError::Invalid("a second asset of one name"),
            "it would be a circle by name"
        );
        for name in ["../a", "/a", "a//b", "", ".", "a/..", "c:\\a", "a\nb"] {
            assert_eq!(
                refuse(vec![asset(name, 0, &[])]),
                DecodeError::Invalid("an asset's name"),
                "{name:?}"
            );
            assert_eq!(
                refuse_all(vec![], &[name]),
                DecodeError::Invalid("the name of a removed asset"),
                "{name:?}"
            );
        }
        let twice = DecodeError::Invalid("a removed asset that is named twice");
        assert_eq!(refuse_all(vec![asset("a", 0, &[])], &["a"]), twice);
        assert_eq!(refuse_all(vec![], &["a", "a"]), twice);
    }
}
