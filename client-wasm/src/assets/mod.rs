//! Fetching what a game delivers: which asset next, from which byte on, and whether it is what it
//! should be.
//!
//! In come the manifest, bytes of streams, and what a cache outside still had; out come requests to
//! open, and finished assets. Content is named by its hash: two names of one content are fetched once, a
//! download that was cut goes on where it stopped, and a cache outside can never hold the wrong version.
//! Nothing is reserved by a size that the server merely claims.
//!
//! ```text
//!            poll_lookup            on_cached(None)          on_opened
//!  Listed ───────────────► Looked up ─────────────► Wanted ───────────► Fetching ──► Ready
//!     (without a cache: straight to Wanted)            ▲                    │  └────► Failed
//!                                                      └── on_disconnected ─┘
//! ```

mod content;

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use tickwire_protocol::{
    asset::{AssetHash, AssetRequest, Manifest},
    error::DecodeError,
    id::StreamId,
    limits::MANIFEST_BYTES_MAX,
};

use crate::limits::{ASSET_BYTES_MAX, DOWNLOADS_MAX};
use content::{Content, State};

/// What became of an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssetEvent {
    /// It is here and its hash was checked.
    Ready {
        /// Its name in the manifest.
        name: String,
        /// Its MIME type.
        mime: String,
        /// What it holds; cheap to clone.
        bytes: Bytes,
        /// The hash, under which a cache may keep it.
        hash: AssetHash,
        /// Whether it came from the cache outside: then it need not be put there.
        cached: bool,
    },
    /// It cannot be had; a game goes on without it.
    Failed {
        /// Its name in the manifest, or `manifest`.
        name: String,
        /// Why, for a log.
        reason: String,
    },
    /// Every asset of the manifest is ready or failed.
    Complete,
}

/// How far the fetching is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssetProgress {
    /// Bytes that are here and count.
    pub bytes: u64,
    /// Bytes of the whole manifest; 0 until it is here.
    pub bytes_total: u64,
    /// Assets that are ready or failed.
    pub assets: u32,
    /// Assets in the manifest.
    pub assets_total: u32,
    /// Bytes that came over the network; a second visit leaves this at 0.
    pub bytes_fetched: u64,
}

impl AssetProgress {
    /// The part that is here, in `0.0..=1.0`; 0 until the manifest is.
    #[must_use]
    pub fn fraction(&self) -> f32 {
        match (self.bytes_total, self.assets_total) {
            (0, 0) => 0.0,
            (0, _) => 1.0,
            (total, _) => (self.bytes as f64 / total as f64) as f32,
        }
    }
}

/// What a stream that was asked for is to bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Manifest,
    Content(usize),
}

/// A request for the client core to open a stream with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) request: AssetRequest,
    target: Target,
}

/// All assets of one game, from the manifest to the last byte.
#[derive(Debug, Default)]
pub(crate) struct Assets {
    has_cache: bool,
    /// Whether the manifest is wanted, and the bytes of it so far.
    manifest_wanted: bool,
    manifest_bytes: Vec<u8>,
    manifest: Manifest,
    /// Distinct contents, in the order to fetch; each knows its assets.
    contents: Vec<Content>,
    by_hash: HashMap<AssetHash, usize>,
    streams: HashMap<StreamId, Target>,
    progress: AssetProgress,
    events: VecDeque<AssetEvent>,
}

impl Assets {
    /// With `has_cache`, every content is asked for by [`poll_lookup`](Self::poll_lookup) before it is
    /// fetched.
    pub(crate) fn new(has_cache: bool) -> Self {
        Self {
            has_cache,
            ..Self::default()
        }
    }

    pub(crate) fn progress(&self) -> AssetProgress {
        let partial: u64 = self.contents.iter().map(Content::bytes_partial).sum();
        AssetProgress {
            bytes: self.progress.bytes + partial,
            ..self.progress
        }
    }

    /// The bytes of an asset so far, for use while it arrives.
    pub(crate) fn partial(&self, name: &str) -> Option<&[u8]> {
        let asset = self
            .manifest
            .assets
            .iter()
            .find(|asset| asset.name == name)?;
        self.contents[*self.by_hash.get(&asset.hash)?].so_far()
    }

    /// Asks for the manifest, if the game's assets are not known yet.
    pub(crate) fn request_manifest(&mut self) {
        self.manifest_wanted = self.contents.is_empty();
    }

    /// The next stream to open, while fewer than [`DOWNLOADS_MAX`] are under way.
    pub(crate) fn poll_wanted(&mut self) -> Option<Wanted> {
        if self.streams.len() >= DOWNLOADS_MAX {
            return None;
        }
        if self.manifest_wanted {
            self.manifest_wanted = false;
            return Some(Wanted {
                request: AssetRequest::Manifest,
                target: Target::Manifest,
            });
        }
        let index = self
            .contents
            .iter()
            .position(|content| content.state == State::Wanted)?;
        let content = &mut self.contents[index];
        content.state = State::Fetching;
        let request = AssetRequest::Content {
            hash: content.hash,
            offset: content.bytes_partial(),
        };
        Some(Wanted {
            request,
            target: Target::Content(index),
        })
    }

    pub(crate) fn on_opened(&mut self, wanted: Wanted, stream: StreamId) {
        self.streams.insert(stream, wanted.target);
    }

    /// The stream could not be opened now.
    pub(crate) fn put_back(&mut self, wanted: Wanted) {
        match wanted.target {
            Target::Manifest => self.manifest_wanted = true,
            Target::Content(index) => self.contents[index].state = State::Wanted,
        }
    }

    /// Whether a stream is one of ours.
    pub(crate) fn owns(&self, stream: StreamId) -> bool {
        self.streams.contains_key(&stream)
    }

    /// The next content to look up in the cache outside; answer with [`on_cached`](Self::on_cached).
    pub(crate) fn poll_lookup(&mut self) -> Option<AssetHash> {
        let content = self
            .contents
            .iter_mut()
            .find(|content| content.state == State::Listed)?;
        content.state = State::LookedUp;
        Some(content.hash)
    }

    /// The cache outside had this, or nothing. What it had is checked like any other bytes.
    pub(crate) fn on_cached(&mut self, hash: AssetHash, bytes: Option<Bytes>) {
        let Some(&index) = self.by_hash.get(&hash) else {
            return;
        };
        if self.contents[index].state != State::LookedUp {
            return;
        }
        match bytes.filter(|bytes| self.contents[index].is_whole(bytes)) {
            Some(bytes) => self.finish(index, Ok((bytes, true))),
            None => self.contents[index].state = State::Wanted,
        }
    }

    /// Bytes of one of our streams. `false` when the stream brings more than it should: reset it.
    pub(crate) fn on_data(&mut self, stream: StreamId, bytes: &[u8]) -> bool {
        match self.streams.get(&stream) {
            None => false,
            Some(Target::Manifest) => {
                let fits = self.manifest_bytes.len() + bytes.len() <= MANIFEST_BYTES_MAX;
                if fits {
                    self.manifest_bytes.extend_from_slice(bytes);
                } else {
                    self.on_failed(stream, "it is too large");
                }
                fits
            }
            Some(&Target::Content(index)) => {
                self.progress.bytes_fetched += bytes.len() as u64;
                let fits = self.contents[index].push(bytes);
                if !fits {
                    self.on_failed(stream, "it is longer than the manifest says");
                }
                fits
            }
        }
    }

    /// One of our streams ended well: what it brought is checked now.
    pub(crate) fn on_end(&mut self, stream: StreamId) {
        match self.streams.remove(&stream) {
            None => {}
            Some(Target::Manifest) => {
                let bytes = core::mem::take(&mut self.manifest_bytes);
                match Manifest::decode(&bytes) {
                    Ok(manifest) => self.list(manifest),
                    Err(error) => self.fail_manifest(&error.to_string()),
                }
            }
            Some(Target::Content(index)) => {
                let whole = self.contents[index].take_whole();
                self.finish(index, whole.map(|bytes| (bytes, false)));
            }
        }
    }

    /// One of our streams was refused or reset.
    pub(crate) fn on_failed(&mut self, stream: StreamId, reason: &str) {
        match self.streams.remove(&stream) {
            None => {}
            Some(Target::Manifest) => self.fail_manifest(reason),
            Some(Target::Content(index)) => self.finish(index, Err(reason.to_owned())),
        }
    }

    /// The connection is gone: what was under way is wanted again, from where it stopped.
    pub(crate) fn on_disconnected(&mut self) {
        for (_, target) in self.streams.drain() {
            match target {
                Target::Manifest => self.manifest_bytes.clear(),
                Target::Content(index) => self.contents[index].state = State::Wanted,
            }
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<AssetEvent> {
        self.events.pop_front()
    }

    fn fail_manifest(&mut self, reason: &str) {
        let (name, reason) = ("manifest".to_owned(), reason.to_owned());
        self.events.push_back(AssetEvent::Failed { name, reason });
        self.events.push_back(AssetEvent::Complete);
    }

    fn list(&mut self, manifest: Manifest) {
        let Some(order) = manifest.fetch_order() else {
            return self.fail_manifest(&DecodeError::Invalid("the manifest").to_string());
        };
        self.manifest = manifest;
        let first = if self.has_cache {
            State::Listed
        } else {
            State::Wanted
        };
        for &place in &order {
            let asset = &self.manifest.assets[place as usize];
            let index = *self.by_hash.entry(asset.hash).or_insert_with(|| {
                self.contents
                    .push(Content::new(asset.hash, asset.bytes, first));
                self.contents.len() - 1
            });
            self.contents[index].assets.push(place);
            self.progress.assets_total += 1;
        }
        self.progress.bytes_total = self.contents.iter().map(|content| content.bytes).sum();
        for index in 0..self.contents.len() {
            if self.contents[index].bytes > ASSET_BYTES_MAX {
                self.finish(index, Err("it is too large".to_owned()));
            }
        }
        if self.contents.is_empty() {
            self.events.push_back(AssetEvent::Complete);
        }
    }

    /// One content is settled: its assets are told, and the end of all of them.
    fn finish(&mut self, index: usize, result: Result<(Bytes, bool), String>) {
        let content = &mut self.contents[index];
        content.state = if result.is_ok() {
            State::Ready
        } else {
            State::Failed
        };
        self.progress.bytes += content.settle();
        for &place in &content.assets {
            let asset = &self.manifest.assets[place as usize];
            let name = asset.name.clone();
            self.events.push_back(match &result {
                Ok((bytes, cached)) => AssetEvent::Ready {
                    name,
                    mime: asset.mime.clone(),
                    bytes: bytes.clone(),
                    hash: asset.hash,
                    cached: *cached,
                },
                Err(reason) => AssetEvent::Failed {
                    name,
                    reason: reason.clone(),
                },
            });
            self.progress.assets += 1;
        }
        if self.progress.assets == self.progress.assets_total {
            self.events.push_back(AssetEvent::Complete);
        }
    }
}

#[cfg(test)]
mod tests;
