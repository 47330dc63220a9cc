//! What is new in a watched directory, for those who are connected.
//!
//! In: the library, whenever somebody looks. Out: a manifest of what has changed since the last look, with
//! what that depends on and the names of what is gone. The choice to question: looks, not messages. A look is
//! a comparison of two pointers once a second, and a library that is never changed costs nothing more.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use tickwire_protocol::limits::MANIFEST_BYTES_MAX;

use super::{Content, Contents, Download, Library};

/// A library as it was seen last.
#[derive(Debug)]
pub(crate) struct Changes {
    library: Library,
    seen: Arc<Contents>,
}

impl Changes {
    pub(crate) fn new(library: Library) -> Self {
        Self {
            seen: library.contents(),
            library,
        }
    }

    /// The manifest of what has changed since the last call, encoded; `None` while nothing has.
    pub(crate) fn poll(&mut self) -> Option<Bytes> {
        let now = self.library.contents();
        if Arc::ptr_eq(&now, &self.seen) {
            return None;
        }
        let before = core::mem::replace(&mut self.seen, now);
        let mut hashes: HashMap<_, _> = before
            .manifest
            .assets
            .iter()
            .map(|asset| (asset.name.as_str(), asset.hash))
            .collect();
        let assets = self.seen.manifest.assets.iter();
        let changed: Vec<&str> = assets
            .filter(|asset| hashes.remove(asset.name.as_str()) != Some(asset.hash))
            .map(|asset| asset.name.as_str())
            .collect();
        if changed.is_empty() && hashes.is_empty() {
            return None;
        }
        // The names are the manifest's own.
        let mut part = self.seen.part(&changed).ok()?;
        part.removed = hashes.into_keys().map(str::to_owned).collect();
        part.removed.sort_unstable();
        let mut encoded = part.encode();
        if encoded.len() > MANIFEST_BYTES_MAX {
            // Nearly everything is new. What is gone they learn with the next whole manifest.
            part.removed.clear();
            encoded = part.encode();
        }
        Some(encoded.into())
    }

    /// A manifest on its way to a player.
    pub(crate) fn download(&self, manifest: Bytes) -> Download {
        Download::new(Content::Kept(manifest), 0, self.library.disk.clone())
    }
}
