//! All groups of a room: found by what they show, numbered for the wire.

use super::{
    fronts::{Fronts, News},
    group::{Group, GroupKey, Space},
    rows::Rows,
    sections::Sections,
    viewer::Held,
};
use crate::{
    limits::RETIRED_GROUPS_MAX,
    threads::{Threads, share},
};
use std::collections::HashMap;
use tickwire_protocol::{schema::Schema, snapshot::GroupId};

/// The groups of a room.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// By number; freed numbers hold `None`.
    groups: Vec<Option<Group>>,
    by_key: HashMap<GroupKey, GroupId>,
    free: Vec<GroupId>,
    /// Groups that ended; their memory serves the next ones.
    retired: Vec<Group>,
    /// Groups that concern the room as a whole, in order of their making.
    room: Vec<GroupId>,
    /// Grows whenever players must look anew at which groups there are.
    pub(super) epoch: u32,
    has_teams: bool,
    has_candidates: bool,
    has_both: bool,
    stale: Vec<GroupId>,
    /// Groups whose state is one of this frame.
    rebuilt: Vec<GroupId>,
    fronts: Fronts,
    /// Groups with sections that were encoded ahead at this frame, of which some may be taken.
    ahead: Vec<GroupId>,
    /// Groups with older states, and groups that may have become useless.
    to_finish: Vec<GroupId>,
}

impl Groups {
    /// The group with that number.
    #[inline]
    pub(super) fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(id.0 as usize)?.as_ref()
    }

    /// The group with that number, to be changed.
    #[inline]
    pub(super) fn group_mut(&mut self, id: GroupId) -> Option<&mut Group> {
        self.groups.get_mut(id.0 as usize)?.as_mut()
    }

    pub(super) fn find(&self, key: GroupKey) -> Option<GroupId> {
        self.by_key.get(&key).copied()
    }

    /// Whether anything was ever for one team only.
    pub(super) const fn has_teams(&self) -> bool {
        self.has_teams
    }

    /// Whether anything was ever for the game's filter to decide.
    pub(super) const fn has_candidates(&self) -> bool {
        self.has_candidates
    }

    /// Whether anything was ever for those only whom two audiences let through.
    pub(super) const fn has_both(&self) -> bool {
        self.has_both
    }

    /// Groups that concern the room as a whole.
    pub(super) fn room(&self) -> &[GroupId] {
        &self.room
    }

    /// The group for that, made when there is none.
    pub(super) fn ensure(&mut self, key: GroupKey) -> GroupId {
        if let Some(&id) = self.by_key.get(&key) {
            return id;
        }
        let id = self.free.pop().unwrap_or(GroupId(self.groups.len() as u32));
        let group = self
            .retired
            .pop()
            .map_or_else(|| Group::new(id, key), |old| old.renew(id, key));
        let group = Some(group);
        match self.groups.get_mut(id.0 as usize) {
            Some(place) => *place = group,
            None => self.groups.push(group),
        }
        self.fronts.show(id, 0, true);
        self.by_key.insert(key, id);
        self.note_kind(key, id);
        self.to_finish.push(id);
        id
    }

    fn note_kind(&mut self, key: GroupKey, id: GroupId) {
        let is_for_both = matches!(
            key,
            GroupKey::Owner(_, Some(_))
                | GroupKey::Candidates(_, Some(_))
                | GroupKey::OwnCandidates(_)
        );
        self.epoch += u32::from(is_for_both && !self.has_both);
        self.has_both |= is_for_both;
        let is_asked = matches!(key, GroupKey::Candidates(..) | GroupKey::OwnCandidates(_));
        self.epoch += u32::from(is_asked && !self.has_candidates);
        self.has_candidates |= is_asked;
        let space = match key {
            GroupKey::Everyone(space) => space,
            GroupKey::Team(space, _) => {
                self.epoch += u32::from(!self.has_teams);
                self.has_teams = true;
                space
            }
            GroupKey::Candidates(space, _) => space,
            GroupKey::Owner(..) | GroupKey::OwnCandidates(_) | GroupKey::Picked(_) => return,
        };
        if matches!(space, Space::Room { .. }) {
            self.room.push(id);
            self.epoch += 1;
        }
    }

    /// Notes that a member or a value of a group is another.
    #[inline]
    pub(super) fn mark_stale(&mut self, id: GroupId) {
        if let Some(Some(group)) = self.groups.get_mut(id.0 as usize)
            && !group.is_stale
        {
            group.is_stale = true;
            self.stale.push(id);
        }
    }

    /// Brings every group that is not up to date to this frame.
    pub(super) fn rebuild_stale(
        &mut self,
        schema: &Schema,
        rows: &[Rows],
        frame: u32,
        threads: &dyn Threads,
    ) {
        self.stale.sort_unstable();
        self.stale.dedup();
        let len = share_len(self.stale.len(), threads);
        share(
            threads,
            shares(&mut self.groups, &self.stale, len),
            |share| share.for_each(|group| group.rebuild(schema, rows, frame)),
        );
        for &id in &self.stale {
            if let Some(Some(group)) = self.groups.get(id.0 as usize) {
                self.fronts.show(id, group.version, group.len == 0);
            }
        }
        self.to_finish.extend(&self.stale);
        self.rebuilt.append(&mut self.stale);
    }

    /// Encodes, once for all of them, what those players need who hold the state of the frame before.
    pub(super) fn encode_prompt(
        &mut self,
        schema: &Schema,
        sections: &mut Sections,
        threads: &dyn Threads,
    ) {
        let frame = sections.frame;
        let mut prompt = core::mem::take(&mut self.rebuilt);
        prompt.retain(|&id| self.group(id).is_some_and(|group| group.has_prompt(frame)));
        prompt.sort_unstable();
        prompt.dedup();
        let len = share_len(prompt.len(), threads);
        let count = prompt.len().div_ceil(len);
        let (to, scribes) = sections.hand_out(schema, count, len);
        share(
            threads,
            shares(&mut self.groups, &prompt, len).zip(scribes),
            |(share, scribe)| share.for_each(|group| group.encode_prompt(to, scribe)),
        );
        sections.gather(count, prompt.len());
        for &id in &prompt {
            if let Some((before, section)) = self.group(id).and_then(|group| group.ahead(frame)) {
                self.fronts.show_ahead(id, before, section, frame);
            }
        }
        self.ahead.append(&mut prompt);
        self.rebuilt = prompt;
    }

    /// What a player who holds `held` of a group has to learn of it.
    #[inline]
    pub(super) fn news(&self, id: GroupId, held: Held, frame: u32) -> News {
        self.fronts.news(id, held, frame)
    }

    /// Notes that a player who held `held` of a group has learnt what there is, and says what it holds now.
    #[inline]
    pub(super) fn hold(&mut self, id: GroupId, held: Held, frame: u32) -> Held {
        match self.news(id, held, frame) {
            News::None => held,
            News::Ahead(_) => self.fronts.take(id).unwrap_or(held),
            News::Other => self.group_mut(id).map_or(held, |group| group.hold(held)),
        }
    }

    /// Tells the groups who took what was encoded ahead. Needed before anybody stops to hold something.
    pub(super) fn settle(&mut self) {
        let mut ahead = core::mem::take(&mut self.ahead);
        for id in ahead.drain(..) {
            let (players, before) = self.fronts.settle(id);
            if let Some(group) = self.group_mut(id) {
                group.hold_many(before, players);
            }
        }
        self.ahead = ahead;
    }

    /// Notes that a player sees a group.
    pub(super) fn subscribe(&mut self, id: GroupId) {
        if let Some(group) = self.group_mut(id) {
            group.subscribers += 1;
        }
    }

    /// Notes that a player sees a group no more.
    pub(super) fn unsubscribe(&mut self, id: GroupId) {
        if let Some(group) = self.group_mut(id) {
            group.subscribers -= 1;
            self.to_finish.push(id);
        }
    }

    /// Forgets what nobody needs any more: older states, and groups without members and players.
    ///
    /// What a filter picked is kept up to date for its player alone: without one it is as good as empty.
    pub(super) fn finish(&mut self, sections: &Sections) {
        self.settle();
        self.rebuilt.clear();
        let mut pending = core::mem::take(&mut self.to_finish);
        pending.sort_unstable();
        pending.dedup();
        pending.retain(|&id| {
            let Some(group) = self.group_mut(id) else {
                return false;
            };
            group.finish(sections.frame);
            let is_useless = group.len == 0 || matches!(group.key, GroupKey::Picked(_));
            if is_useless && group.subscribers == 0 {
                self.remove(id);
                return false;
            }
            self.group(id).is_some_and(|group| group.older_len() > 0)
        });
        // A frame may add more on top; they wait their turn at the back.
        pending.append(&mut self.to_finish);
        self.to_finish = pending;
    }

    fn remove(&mut self, id: GroupId) {
        let Some(group) = self.groups[id.0 as usize].take() else {
            return;
        };
        self.by_key.remove(&group.key);
        self.room.retain(|&room| room != id);
        self.free.push(id);
        if self.retired.len() < RETIRED_GROUPS_MAX {
            self.retired.push(group);
        }
    }

    /// Groups there are.
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Older states kept, over all groups.
    pub(super) fn older_len(&self) -> usize {
        self.groups.iter().flatten().map(Group::older_len).sum()
    }
}

/// Some groups to be worked on, out of a stretch of all.
struct Share<'a> {
    ids: &'a [GroupId],
    /// The number of the stretch's first.
    first: usize,
    stretch: &'a mut [Option<Group>],
}

impl Share<'_> {
    fn for_each(self, mut work: impl FnMut(&mut Group)) {
        for id in self.ids {
            if let Some(group) = &mut self.stretch[id.0 as usize - self.first] {
                work(group);
            }
        }
    }
}

/// How many of so many groups are one thread's.
fn share_len(groups: usize, threads: &dyn Threads) -> usize {
    groups.div_ceil(threads.count() + 1).max(1)
}

/// The groups of these numbers, which ascend, in shares of `len`.
fn shares<'a>(
    mut groups: &'a mut [Option<Group>],
    ids: &'a [GroupId],
    len: usize,
) -> impl Iterator<Item = Share<'a>> + Send {
    let mut first = 0;
    ids.chunks(len).map(move |ids| {
        let end = ids.last().map_or(first, |last| last.0 as usize + 1);
        let (stretch, rest) = core::mem::take(&mut groups).split_at_mut(end - first);
        groups = rest;
        let share = Share {
            ids,
            first,
            stretch,
        };
        first = end;
        share
    })
}
