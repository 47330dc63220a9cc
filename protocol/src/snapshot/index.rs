//! Which groups hold a part of an entity.
//!
//! In: rows that came and went, group by group. Out: the groups of an entity, and what entered and left over
//! a whole snapshot. An entity may be in several groups: its public and its private components are rows of
//! different ones, and under a byte budget it can have entered a new cell before the old one is told.

use super::GroupId;
use crate::id::NetworkId;
use std::collections::{HashMap, HashSet};

/// The places of one entity.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// Groups that hold a part of it; empty only while a snapshot is being taken in.
    pub(super) groups: Vec<GroupId>,
    /// The group it went away from in the newest snapshot.
    pub(super) went_from: Option<GroupId>,
}

/// All entities of a replica and their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    places: HashMap<NetworkId, Places>,
    /// Entities with more than one place: few.
    shared: HashSet<NetworkId>,
    came: Vec<NetworkId>,
    went: Vec<NetworkId>,
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn places(&self, id: NetworkId) -> Option<&Places> {
        self.places.get(&id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = NetworkId> {
        self.places.keys().copied()
    }

    /// Whether an entity may have the same component in two groups.
    pub(super) fn is_shared(&self, id: NetworkId) -> bool {
        !self.shared.is_empty() && self.shared.contains(&id)
    }

    /// Begins a snapshot.
    pub(super) fn begin(&mut self) {
        for id in self.went.drain(..) {
            if let Some(places) = self.places.get_mut(&id) {
                places.went_from = None;
            }
        }
        self.came.clear();
    }

    pub(super) fn add(&mut self, id: NetworkId, group: GroupId) {
        let places = self.places.entry(id).or_insert_with(|| {
            self.came.push(id);
            Places::default()
        });
        places.groups.push(group);
        if places.groups.len() == 2 {
            self.shared.insert(id);
        }
    }

    pub(super) fn remove(&mut self, id: NetworkId, group: GroupId) {
        let Some(places) = self.places.get_mut(&id) else {
            return;
        };
        if let Some(at) = places.groups.iter().position(|&known| known == group) {
            places.groups.swap_remove(at);
            places.went_from = Some(group);
            self.went.push(id);
        }
        if places.groups.len() == 1 {
            self.shared.remove(&id);
        }
    }

    /// Ends a snapshot: forgets who is nowhere any more and says who came and who left.
    pub(super) fn finish(&mut self, entered: &mut Vec<NetworkId>, left: &mut Vec<NetworkId>) {
        entered.clear();
        left.clear();
        for id in &self.went {
            if self
                .places
                .get(id)
                .is_some_and(|places| places.groups.is_empty())
            {
                self.places.remove(id);
                left.push(*id);
            }
        }
        entered.extend(self.came.iter().filter(|id| self.places.contains_key(id)));
    }
}
