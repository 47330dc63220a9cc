//! What there is to fetch and what of it is wanted: manifests, wishes, priorities.
//!
//! In: a manifest, and later names with what the game wants of them. Out: contents in the order to fetch.

use tickwire_protocol::{asset::Manifest, error::DecodeError, id::StreamId, limits::ASSETS_MAX};

use super::content::{Content, State};
use super::{AssetEvent, AssetState, AssetStatus, Assets, Target, UnknownAsset};
use crate::client::AssetPolicy;

impl Assets {
    /// Takes a manifest, the first one or a further one; a name that it has again stands for the new
    /// content from now on. Of what is pushed all is wanted; else what the policy says of what was not
    /// known, and what stands for something that was wanted.
    ///
    /// # Errors
    /// [`DecodeError::OutOfRange`] when there would be more than [`ASSETS_MAX`] assets.
    pub(super) fn list(&mut self, manifest: Manifest, is_push: bool) -> Result<(), DecodeError> {
        // What is known already keeps its place, so that a server may push a whole manifest again.
        let known = self.manifest.assets.len() as u32;
        let mut next = known;
        let places: Vec<u32> = manifest
            .assets
            .iter()
            .map(|asset| {
                let same = |&&place: &&u32| self.manifest.assets[place as usize].hash == asset.hash;
                let place = self.places.get(&asset.name).filter(same).copied();
                place.unwrap_or_else(|| {
                    next += 1;
                    next - 1
                })
            })
            .collect();
        if next as usize > ASSETS_MAX {
            return Err(DecodeError::OutOfRange("the number of assets"));
        }
        let fetches_all = is_push || self.policy.fetches_all();
        let (mut asked, mut replaced) = (vec![], vec![]);
        for (mut asset, &place) in manifest.assets.into_iter().zip(&places) {
            if place < known {
                asked.extend(is_push.then_some(place));
                continue;
            }
            for needed in &mut asset.depends {
                *needed = places[*needed as usize];
            }
            let index = *self.by_hash.entry(asset.hash).or_insert_with(|| {
                let is_packed = asset.packed_bytes > 0;
                let content = Content::new(asset.hash, asset.bytes, is_packed);
                self.contents.push(content);
                self.contents.len() - 1
            });
            self.contents[index].assets.push(place);
            if self.contents[index].state != State::Idle {
                self.progress.assets_total += 1;
            }
            if self.contents[index].state.is_settled() {
                self.progress.assets += 1;
            }
            let before = self.places.insert(asset.name.clone(), place);
            self.manifest.assets.push(asset);
            let before = before.map(|place| self.content_at(place));
            let was_wanted = before.is_some_and(|it| self.contents[it].state.is_of_use());
            asked.extend((fetches_all || was_wanted).then_some(place));
            replaced.extend(before);
        }
        self.reorder();
        self.events.push_back(AssetEvent::Listed);
        for place in asked {
            self.ask(place);
        }
        for index in replaced {
            self.give_up_if_replaced(index);
        }
        if fetches_all && self.progress.assets == self.progress.assets_total {
            self.events.push_back(AssetEvent::Complete);
        }
        Ok(())
    }

    /// Ends the waiting for a content that no name stands for any more: the server may not have it, and who
    /// reads it as it comes must not go on with another one's bytes.
    fn give_up_if_replaced(&mut self, index: usize) {
        let content = &self.contents[index];
        let is_newest = |&place: &u32| {
            let name = &self.manifest.assets[place as usize].name;
            self.places.get(name) == Some(&place)
        };
        if content.state.waits() && !content.assets.iter().any(is_newest) {
            self.finish(index, Err("it has changed".to_owned()));
        }
    }

    /// Wants an asset and what it depends on, also one that was here, failed or was cancelled before.
    pub(crate) fn want(&mut self, name: &str) -> Result<(), UnknownAsset> {
        let place = self.place(name)?;
        self.ask(place);
        Ok(())
    }

    /// Moves an asset forward or back. What is under way and less urgent makes room.
    pub(crate) fn prioritise(&mut self, name: &str, priority: u8) -> Result<(), UnknownAsset> {
        let place = self.place(name)?;
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

    /// Every asset that is known, in the manifest's order.
    pub(crate) fn statuses(&self) -> impl Iterator<Item = AssetStatus<'_>> {
        let newest = |&(place, _): &(u32, _)| -> bool {
            let name = &self.manifest.assets[place as usize].name;
            self.places.get(name) == Some(&place)
        };
        let assets = (0..).zip(&self.manifest.assets).filter(newest);
        assets.map(|(_, asset)| {
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

    fn ask(&mut self, place: u32) {
        let mut places = vec![place];
        while let Some(place) = places.pop() {
            let asset = &self.manifest.assets[place as usize];
            let index = self.by_hash[&asset.hash];
            let content = &mut self.contents[index];
            let assets = content.assets.len() as u32;
            match content.state {
                State::Idle => {
                    self.progress.assets_total += assets;
                    self.progress.bytes_total += content.bytes_counted();
                }
                // What it depends on was here too, then; only it is fetched again.
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
            places.extend(&asset.depends);
            if content.is_too_large() {
                self.finish(index, Err("it is too large".to_owned()));
            }
        }
    }

    /// The order to fetch in, after the manifest or a priority has changed.
    fn reorder(&mut self) {
        // A manifest without circles has an order; one with them was refused.
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
