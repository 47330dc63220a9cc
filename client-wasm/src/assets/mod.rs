//! Fetching what a game delivers: which asset next, from which byte on, and whether it is what it
//! should be.
//!
//! In come the manifest, what the server pushes, wishes, bytes of streams, and what a cache outside still
//! had; out come requests to open, and finished assets. Content is named by its hash: two names of one
//! content are fetched once, a download that was cut goes on where it stopped, and a cache outside can
//! never hold the wrong version. Nothing is reserved by a size that the server merely claims.
//!
//! ```text
//!        want            poll_lookup            on_cached(None)          on_opened
//!  Idle ──────► Listed ───────────────► Looked up ─────────────► Wanted ───────────► Fetching ──► Ready
//!     (without a cache: straight to Wanted)                        ▲                    │  └────► Failed
//!                                                                  └── on_disconnected ─┤          ▲
//!                                                                  └── poll_reset ──────┘   cancel ┘
//! ```
//!
//! A name may come to stand for another content at any time, or for none. The new one is wanted if the old one was,
//! and the old one, unless another name stands for it, is forgotten in whatever state it is: its bytes, its part
//! of the progress, and the stream that brings it, which is reset.
//!
//! The decision to question: a download that a more urgent one displaces is given up and asked for again
//! from the byte it had come to. What was on its way then comes twice; to leave it unread instead would
//! cost nothing, and keep the window that the urgent one needs.

mod content;
mod listing;
mod status;

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use tickwire_protocol::{
    asset::{AssetHash, AssetRequest, Manifest},
    id::StreamId,
    limits::MANIFEST_BYTES_MAX,
};

use crate::{
    client::AssetPolicy,
    limits::{ASSET_PUSHES_MAX, DOWNLOADS_MAX},
};
use content::{Content, State};

pub use status::{AssetProgress, AssetState, AssetStatus};

/// What became of an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssetEvent {
    /// The manifest is here, or a newer one, or the server pushed more: names can be asked for.
    Listed,
    /// It was waited for, and its name stands for another content now, which comes in its place. What had
    /// come of the old one is gone: who used it as it came begins anew.
    Replaced {
        /// Its name in the manifest.
        name: String,
    },
    /// The server delivers nothing of this name any more: it is not listed, and whoever waits for it waits in vain.
    /// What was taken of it stays good.
    Removed {
        /// The name that it had.
        name: String,
    },
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
    /// A manifest cannot be had, or makes no sense. What was listed before stays, and goes on coming.
    Unlisted {
        /// Why, for a log.
        reason: String,
    },
    /// It cannot be had; a game goes on without it.
    Failed {
        /// Its name in the manifest.
        name: String,
        /// Why, for a log.
        reason: String,
    },
    /// Every asset that was asked for is ready, failed, or gone from the server.
    Complete,
}

/// No asset has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no asset is called {0}")]
pub struct UnknownAsset(pub String);

/// What a stream that was asked for is to bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Manifest,
    Push,
    Content(usize),
    /// What nobody waits for any more. It is to be reset.
    Replaced,
}

/// A manifest that comes, or has come and waits for an older one.
#[derive(Debug, Default)]
struct List {
    bytes: Vec<u8>,
    is_whole: bool,
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
    policy: AssetPolicy,
    manifest_wanted: bool,
    /// What the server's manifest hashed to when it came last.
    manifest_hash: Option<AssetHash>,
    /// What each name that was listed, and is not gone, stands for now.
    manifest: Manifest,
    places: HashMap<String, u32>,
    /// What the game said of the priority of the asset of a name.
    priorities: HashMap<String, u8>,
    /// Distinct contents that some name stands for; each knows its assets.
    contents: Vec<Content>,
    by_hash: HashMap<AssetHash, usize>,
    /// The contents in the order to fetch, and how urgent each is.
    order: Vec<usize>,
    urgency: Vec<u8>,
    /// Whether something may be wanted now that is more urgent than what is under way.
    may_preempt: bool,
    streams: HashMap<StreamId, Target>,
    /// Manifests that are still coming, in the order they are to be taken in: the one that was asked for, and what
    /// is pushed, each later than the one before.
    lists: BTreeMap<(Target, StreamId), List>,
    progress: AssetProgress,
    events: VecDeque<AssetEvent>,
}

impl Assets {
    pub(crate) fn new(policy: AssetPolicy) -> Self {
        Self {
            policy,
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
        self.contents[self.index(name).ok()?].so_far()
    }

    /// Asks for the manifest, or for a newer one than is known: a connection has begun.
    pub(crate) fn request_manifest(&mut self) {
        self.manifest_wanted = self.policy != AssetPolicy::None;
    }

    /// The next stream to open, while fewer than [`DOWNLOADS_MAX`] are under way.
    pub(crate) fn poll_wanted(&mut self) -> Option<Wanted> {
        if self.streams.len() >= DOWNLOADS_MAX {
            return None;
        }
        if self.manifest_wanted {
            self.manifest_wanted = false;
            let newer = |known| AssetRequest::NewerManifest { known };
            return Some(Wanted {
                request: self.manifest_hash.map_or(AssetRequest::Manifest, newer),
                target: Target::Manifest,
            });
        }
        // What is still missing may have changed while nobody was connected.
        if self.manifest_hash.is_some() && self.streams.values().any(|&it| it == Target::Manifest) {
            return None;
        }
        let index = self.first_wanted()?;
        self.contents[index].state = State::Fetching;
        Some(Wanted {
            request: self.contents[index].request(),
            target: Target::Content(index),
        })
    }

    /// A stream to reset, and the reason to give: nobody waits for what it brings any more, or something more
    /// urgent waits for its place, and what it brought is kept.
    pub(crate) fn poll_reset(&mut self) -> Option<(StreamId, &'static str)> {
        let streams = self.streams.iter();
        let replaced = streams.filter(|&(_, &target)| target == Target::Replaced);
        if let Some(id) = replaced.map(|(&id, _)| id).min() {
            self.streams.remove(&id);
            return Some((id, "no name stands for it any more"));
        }
        let id = self.preempt()?;
        Some((id, "something else is more urgent"))
    }

    fn preempt(&mut self) -> Option<StreamId> {
        if !self.may_preempt || self.streams.len() < DOWNLOADS_MAX {
            return None;
        }
        let under_way = self
            .streams
            .iter()
            .filter_map(|(&id, &target)| match target {
                Target::Content(index) => Some((self.urgency[index], id, index)),
                Target::Manifest | Target::Push | Target::Replaced => None,
            });
        let least = under_way.max();
        let waits = self.first_wanted().map(|index| self.urgency[index]);
        match (least, waits) {
            (Some((urgency, id, index)), Some(waits)) if waits < urgency => {
                self.streams.remove(&id);
                self.contents[index].state = State::Wanted;
                Some(id)
            }
            _ => {
                self.may_preempt = false;
                None
            }
        }
    }

    fn first_wanted(&self) -> Option<usize> {
        let is_wanted = |&&index: &&usize| self.contents[index].state == State::Wanted;
        self.order.iter().find(is_wanted).copied()
    }

    pub(crate) fn on_opened(&mut self, wanted: Wanted, stream: StreamId) {
        self.begin(wanted.target, stream);
    }

    /// The server pushes a manifest of further assets. `false` when it is to be refused.
    pub(crate) fn on_push(&mut self, stream: StreamId) -> bool {
        let pushes = self.lists.keys().filter(|(it, _)| *it == Target::Push);
        let takes = self.policy != AssetPolicy::None && pushes.count() < ASSET_PUSHES_MAX;
        if takes {
            self.begin(Target::Push, stream);
        }
        takes
    }

    /// A stream is to bring this from now on. A manifest is waited for before its first byte is here.
    fn begin(&mut self, target: Target, stream: StreamId) {
        if matches!(target, Target::Manifest | Target::Push) {
            self.lists.insert((target, stream), List::default());
        }
        self.streams.insert(stream, target);
    }

    /// The stream could not be opened now.
    pub(crate) fn put_back(&mut self, wanted: Wanted) {
        match wanted.target {
            Target::Manifest => self.manifest_wanted = true,
            Target::Push | Target::Replaced => {}
            Target::Content(index) => self.contents[index].state = State::Wanted,
        }
    }

    /// Whether a stream is one of ours.
    pub(crate) fn owns(&self, stream: StreamId) -> bool {
        self.streams.contains_key(&stream)
    }

    /// The next content to look up in the cache outside; answer with [`on_cached`](Self::on_cached).
    pub(crate) fn poll_lookup(&mut self) -> Option<AssetHash> {
        let is_listed = |&&index: &&usize| self.contents[index].state == State::Listed;
        let &index = self.order.iter().find(is_listed)?;
        self.contents[index].state = State::LookedUp;
        Some(self.contents[index].hash)
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
            None => {
                self.contents[index].state = State::Wanted;
                self.may_preempt = true;
            }
        }
    }

    /// Bytes of one of our streams. `false` when the stream brings what it should not: reset it.
    pub(crate) fn on_data(&mut self, stream: StreamId, bytes: &[u8]) -> bool {
        let taken = match self.streams.get(&stream) {
            None => return false,
            Some(&target @ (Target::Manifest | Target::Push)) => {
                let list = &mut self.lists.entry((target, stream)).or_default().bytes;
                if list.len() + bytes.len() <= MANIFEST_BYTES_MAX {
                    list.extend_from_slice(bytes);
                    Ok(())
                } else {
                    Err("it is too large".to_owned())
                }
            }
            Some(&Target::Content(index)) => {
                self.progress.bytes_fetched += bytes.len() as u64;
                self.contents[index].push(bytes)
            }
            Some(Target::Replaced) => {
                self.progress.bytes_fetched += bytes.len() as u64;
                Ok(())
            }
        };
        if let Err(reason) = &taken {
            self.on_failed(stream, reason);
        }
        taken.is_ok()
    }

    /// One of our streams ended well: what it brought is checked now.
    pub(crate) fn on_end(&mut self, stream: StreamId) {
        match self.streams.remove(&stream) {
            None | Some(Target::Replaced) => {}
            Some(target @ (Target::Manifest | Target::Push)) => {
                let list = self.lists.entry((target, stream));
                list.or_default().is_whole = true;
                self.take_lists();
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
            None | Some(Target::Replaced) => {}
            Some(target @ (Target::Manifest | Target::Push)) => {
                self.lists.remove(&(target, stream));
                self.fail_manifest(reason);
                self.take_lists();
            }
            Some(Target::Content(index)) => self.finish(index, Err(reason.to_owned())),
        }
    }

    /// Takes what has come of manifests, up to the first that has not: a small one may arrive before an older one.
    fn take_lists(&mut self) {
        while let Some(first) = self.lists.first_entry()
            && first.get().is_whole
        {
            let ((target, _), list) = first.remove_entry();
            self.take_list(&list.bytes, target == Target::Push);
        }
    }

    fn take_list(&mut self, bytes: &[u8], is_push: bool) {
        if bytes.is_empty() && !is_push && self.manifest_hash.is_some() {
            // There is none that is newer.
            return;
        }
        let listed = Manifest::decode(bytes).and_then(|manifest| self.list(manifest, is_push));
        match listed {
            Ok(()) if is_push => {}
            Ok(()) => {
                let hash = AssetHash(*blake3::hash(bytes).as_bytes());
                self.manifest_hash = Some(hash);
            }
            Err(error) => self.fail_manifest(&error.to_string()),
        }
    }

    /// The connection is gone: what was under way is wanted again, from where it stopped.
    pub(crate) fn on_disconnected(&mut self) {
        self.lists.clear();
        for (_, target) in self.streams.drain() {
            if let Target::Content(index) = target {
                self.contents[index].state = State::Wanted;
            }
        }
    }

    #[cfg(feature = "native")]
    pub(crate) fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    pub(crate) fn poll_event(&mut self) -> Option<AssetEvent> {
        self.events.pop_front()
    }

    fn fail_manifest(&mut self, reason: &str) {
        let reason = reason.to_owned();
        self.events.push_back(AssetEvent::Unlisted { reason });
        self.complete_if_settled();
    }

    /// One content is settled: its assets are told, and the end of all that were asked for.
    fn finish(&mut self, index: usize, result: Result<(Bytes, bool), String>) {
        self.settle(index, result);
        self.complete_if_settled();
    }

    fn settle(&mut self, index: usize, result: Result<(Bytes, bool), String>) {
        let content = &mut self.contents[index];
        content.state = if result.is_ok() {
            State::Ready
        } else {
            State::Failed
        };
        content.forget();
        self.progress.bytes += content.bytes_counted();
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
    }

    fn complete_if_settled(&mut self) {
        if self.progress.assets == self.progress.assets_total {
            self.events.push_back(AssetEvent::Complete);
        }
    }
}

#[cfg(test)]
mod tests;
