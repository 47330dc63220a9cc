//! What there is to fetch and what of it is wanted: manifests, wishes, priorities.
//!
//! In: a manifest, and later names with what the game wants of them. Out: contents in the order to fetch.

use std::collections::BTreeSet;

use tickwire_protocol::{
    asset::{Asset, AssetHash, Manifest},
    error::DecodeError,
    id::StreamId,
    limits::ASSETS_MAX,
};

use super::content::{Content, State};
use super::{AssetEvent, AssetState, AssetStatus, Assets, Target, UnknownAsset};
use crate::client::AssetPolicy;

impl Assets {
    /// Takes a manifest, the first one or a further one; a name that it has again stands for the new
    /// content from now on, one that it says is gone for nothing, and what no name stands for any more is
    /// forgotten. Of what is pushed all is wanted; else what the policy says of what was not known, and what
    /// stands for something that was wanted.
    ///
    /// # Errors
    /// [`DecodeError::OutOfRange`] when there would be more than [`ASSETS_MAX`] names.
    pub(super) fn list(&mut self, manifest: Manifest, is_push: bool) -> Result<(), DecodeError> {
        // A name, which is in a manifest once, keeps its place: what depends on it depends on its newest content.
        let mut next = self.manifest.assets.len() as u32;
        let places: Vec<u32> = manifest
            .assets
            .iter()
            .map(|asset| {
                let place = self.places.get(&asset.name).copied();
                place.unwrap_or_else(|| {
                    next += 1;
                    next - 1
                })
            })
            .collect();
        let gone = self.gone(&manifest, is_push);
        if next as usize - gone.len() > ASSETS_MAX {
            return Err(DecodeError::OutOfRange("the number of assets"));
        }
        self.events.push_back(AssetEvent::Listed);
        let fetches_all = is_push || self.policy.fetches_all();
        let (mut asked, mut left) = (vec![], vec![]);
        let mut may_be_complete = fetches_all;
        for (mut asset, &place) in manifest.assets.into_iter().zip(&places) {
            for needed in &mut asset.depends {
                *needed = places[*needed as usize];
            }
            if let Some(&priority) = self.priorities.get(&asset.name) {
                asset.priority = priority;
            }
            let before = self.manifest.assets.get(place as usize);
            let before = before.map(|before| before.hash);
            let is_asked = if before == Some(asset.hash) {
                is_push
            } else {
                let state = before.map(|hash| self.contents[self.by_hash[&hash]].state);
                if state.is_some_and(State::is_pending) {
                    let name = asset.name.clone();
                    self.events.push_back(AssetEvent::Replaced { name });
                }
                left.extend(before);
                self.name_content(&asset, place);
                fetches_all || state.is_some_and(State::is_of_use)
            };
            asked.extend(is_asked.then_some(place));
            let index = self.by_hash[&asset.hash];
            self.contents[index].packed_bytes = asset.packed_bytes;
            match self.manifest.assets.get_mut(place as usize) {
                Some(known) => *known = asset,
                None => {
                    self.places.insert(asset.name.clone(), place);
                    self.manifest.assets.push(asset);
                }
            }
        }
        for &place in &gone {
            let Asset { name, hash, .. } = &self.manifest.assets[place as usize];
            may_be_complete |= self.contents[self.by_hash[hash]].state.is_pending();
            left.push(*hash);
            self.priorities.remove(name);
            let name = name.clone();
            self.events.push_back(AssetEvent::Removed { name });
        }
        self.forget_replaced(left, &gone);
        if !gone.is_empty() {
            self.close_gaps(&gone, &mut asked);
        }
        self.reorder();
        may_be_complete |= self.ask(asked);
        if may_be_complete {
            self.complete_if_settled();
        }
        Ok(())
    }

    /// The places of names that a manifest says are gone.
    fn gone(&self, manifest: &Manifest, is_push: bool) -> BTreeSet<u32> {
        if is_push {
            let removed = manifest.removed.iter();
            return removed
                .filter_map(|name| self.places.get(name).copied())
                .collect();
        }
        let mut gone: BTreeSet<u32> = self.places.values().copied().collect();
        for asset in &manifest.assets {
            if let Some(place) = self.places.get(&asset.name) {
                gone.remove(place);
            }
        }
        gone
    }

    /// Takes places away that no content refers to any more, and says everywhere, in `asked` too, which one each
    /// other place has become.
    fn close_gaps(&mut self, gone: &BTreeSet<u32>, asked: &mut Vec<u32>) {
        let mut next = 0;
        let moved = (0..self.manifest.assets.len() as u32).map(|place| {
            let stays = !gone.contains(&place);
            next += u32::from(stays);
            stays.then(|| next - 1)
        });
        let moved: Vec<Option<u32>> = moved.collect();
        let follow = |places: &mut Vec<u32>| {
            *places = places.iter().filter_map(|&it| moved[it as usize]).collect();
        };
        let mut stays = moved.iter().map(Option::is_some);
        self.manifest.assets.retain_mut(|asset| {
            follow(&mut asset.depends);
            stays.next() == Some(true)
        });
        let names = self.manifest.assets.iter().map(|asset| asset.name.clone());
        self.places = names.zip(0..).collect();
        for content in &mut self.contents {
            follow(&mut content.assets);
        }
        follow(asked);
    }

    /// A name stands for a content from now on.
    fn name_content(&mut self, asset: &Asset, place: u32) {
        let index = *self.by_hash.entry(asset.hash).or_insert_with(|| {
            let content = Content::new(asset.hash, asset.bytes, asset.packed_bytes);
            self.contents.push(content);
            self.contents.len() - 1
        });
        let content = &mut self.contents[index];
        content.assets.push(place);
        if content.state != State::Idle {
            self.progress.assets_total += 1;
        }
        if content.state.is_settled() {
            self.progress.assets += 1;
        }
    }

    /// Takes names from contents that they do not stand for any more, or that are gone. A content without a name
    /// is forgotten.
    fn forget_replaced(&mut self, mut left: Vec<AssetHash>, gone: &BTreeSet<u32>) {
        left.sort_unstable();
        left.dedup();
        for hash in left {
            let index = self.by_hash[&hash];
            let content = &mut self.contents[index];
            let names = content.assets.len();
            let stays = |&place: &u32| {
                !gone.contains(&place) && self.manifest.assets[place as usize].hash == hash
            };
            content.assets.retain(stays);
            let names_gone = (names - content.assets.len()) as u32;
            if content.state != State::Idle {
                self.progress.assets_total -= names_gone;
            }
            if content.state.is_settled() {
                self.progress.assets -= names_gone;
            }
            if content.assets.is_empty() {
                self.forget(index);
            }
        }
    }

    /// Forgets a content. The last one takes its place, and [`reorder`](Self::reorder) is to follow.
    fn forget(&mut self, index: usize) {
        let content = self.contents.swap_remove(index);
        self.by_hash.remove(&content.hash);
        let moved_from = self.contents.len();
        if let Some(moved) = self.contents.get(index) {
            self.by_hash.insert(moved.hash, index);
        }
        for target in self.streams.values_mut() {
            *target = match *target {
                Target::Content(it) if it == index => Target::Replaced,
                Target::Content(it) if it == moved_from => Target::Content(index),
                other => other,
            };
        }
        if content.state != State::Idle {
            self.progress.bytes_total -= content.bytes_counted();
        }
        if content.state.is_settled() {
            self.progress.bytes -= content.bytes_counted();
        }
    }

    /// Wants an asset and what it depends on, also one that was here, failed or was cancelled before.
    pub(crate) fn want(&mut self, name: &str) -> Result<(), UnknownAsset> {
        let place = self.place(name)?;
        if self.ask(vec![place]) {
            self.complete_if_settled();
        }
        Ok(())
    }

    /// Moves an asset forward or back, whatever its name will stand for. What is under way and less urgent
    /// makes room.
    pub(crate) fn prioritise(&mut self, name: &str, priority: u8) -> Result<(), UnknownAsset> {
        let place = self.place(name)?;
        self.priorities.insert(name.to_owned(), priority);
        self.manifest.assets[place as usize].priority = priority;
        self.reorder();
        Ok(())
    }

    /// Wants an asset no more. It fails as cancelled, unless it is settled; the stream that brings it is
    /// to be reset.
    pub(crate) fn cancel(&mut self, name: &str) -> Result<Option<StreamId>, UnknownAsset> {
        let index = self.index(name)?;
        let mut streams = self.streams.iter();
        let stream = streams.find(|&(_, &target)| target == Target::Content(index));
        let stream = stream.map(|(&id, _)| id);
        if let Some(id) = stream {
            self.streams.remove(&id);
        }
        if self.contents[index].state.is_pending() {
            self.finish(index, Err("it was cancelled".to_owned()));
        }
        Ok(stream)
    }

    /// What the names that are known stand for, in the manifest's order.
    #[cfg(feature = "browser")]
    pub(crate) fn hashes(&self) -> impl Iterator<Item = AssetHash> {
        self.manifest.assets.iter().map(|asset| asset.hash)
    }

    /// Whether two names stand for one content.
    #[cfg(feature = "browser")]
    pub(crate) fn is_one_content(&self, name: &str, other: &str) -> bool {
        let index = self.index(name);
        index.is_ok() && index == self.index(other)
    }

    /// Every asset that is known, in the manifest's order.
    pub(crate) fn statuses(&self) -> impl Iterator<Item = AssetStatus<'_>> {
        self.manifest.assets.iter().map(|asset| {
            let content = &self.contents[self.by_hash[&asset.hash]];
            let (state, bytes) = match content.state {
                State::Idle => (AssetState::Idle, 0),
                State::Listed | State::LookedUp | State::Wanted => {
                    (AssetState::Waiting, content.bytes_partial())
                }
                State::Fetching => (AssetState::Fetching, content.bytes_partial()),
                State::Ready => (AssetState::Ready, asset.bytes),
                State::Failed => (AssetState::Failed, 0),
            };
            AssetStatus {
                name: &asset.name,
                mime: &asset.mime,
                bytes,
                bytes_total: asset.bytes,
                priority: asset.priority,
                state,
            }
        })
    }

    /// Wants assets and what they depend on. Says whether any has failed at once, which may be the end of all that
    /// were asked for.
    fn ask(&mut self, asked: Vec<u32>) -> bool {
        let mut too_large = vec![];
        let mut places: Vec<(u32, bool)> = asked.into_iter().map(|it| (it, true)).collect();
        while let Some((place, is_asked)) = places.pop() {
            let asset = &self.manifest.assets[place as usize];
            let index = self.by_hash[&asset.hash];
            let content = &mut self.contents[index];
            let assets = content.assets.len() as u32;
            match content.state {
                State::Idle => {
                    self.progress.assets_total += assets;
                    self.progress.bytes_total += content.bytes_counted();
                }
                // What is here is fetched again only for its own sake.
                State::Ready if !is_asked => continue,
                State::Ready | State::Failed => {
                    self.progress.assets -= assets;
                    self.progress.bytes -= content.bytes_counted();
                }
                State::Listed | State::LookedUp | State::Wanted | State::Fetching => continue,
            }
            content.state = if self.policy == AssetPolicy::Fetch {
                State::Wanted
            } else {
                State::Listed
            };
            self.may_preempt = true;
            places.extend(asset.depends.iter().map(|&it| (it, false)));
            if content.is_too_large() {
                too_large.push(index);
            }
        }
        for &index in too_large.iter().rev() {
            self.settle(index, Err("it is too large".to_owned()));
        }
        !too_large.is_empty()
    }

    /// The order to fetch in, after the manifest or a priority has changed.
    fn reorder(&mut self) {
        // One manifest with circles was refused. Nor have all together any: what one of them lists depends
        // on nothing but what it lists, so it is no part of a circle with what it does not.
        let order = self.manifest.fetch_order().unwrap_or_default();
        let urgency = self.manifest.urgencies();
        self.order.clear();
        self.urgency = vec![u8::MAX; self.contents.len()];
        let mut is_placed = vec![false; self.contents.len()];
        for place in order {
            let index = self.content_at(place);
            self.urgency[index] = self.urgency[index].min(urgency[place as usize]);
            if !core::mem::replace(&mut is_placed[index], true) {
                self.order.push(index);
            }
        }
        self.may_preempt = true;
    }

    fn place(&self, name: &str) -> Result<u32, UnknownAsset> {
        let place = self.places.get(name).copied();
        place.ok_or_else(|| UnknownAsset(name.to_owned()))
    }

    pub(super) fn index(&self, name: &str) -> Result<usize, UnknownAsset> {
        let place = self.place(name)?;
        Ok(self.content_at(place))
    }

    fn content_at(&self, place: u32) -> usize {
        self.by_hash[&self.manifest.assets[place as usize].hash]
    }
}
