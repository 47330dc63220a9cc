//! One player's snapshot: picks what it needs and can afford, and writes it.
//!
//! In: a player's subscriptions, the groups, a budget. Out: bytes, most of them copied from what was encoded
//! once for everybody. The decision to question: what is picked counts as held by the player from then on,
//! because a snapshot is only encoded when it will be written, and what is written arrives.

use super::{
    fronts::News,
    group::{Group, GroupKey},
    groups::Groups,
    placement::Part,
    sections::{SectionAt, Sections},
    settings::Grid,
    viewer::{Held, PlayerView, Subscription},
};
use crate::limits::{GROUPS_TOGETHER_MAX, PROMPT_ADVANTAGE, URGENT_FRAMES};
use tickwire_protocol::{
    id::NetworkId,
    schema::Schema,
    snapshot::{GroupId, Preamble, encode_dropped},
    time::Tick,
};

/// What the room knows about a player and the snapshot is to carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlayerHeader {
    /// The newest input of this player that was applied.
    pub input: Option<Tick>,
    /// Ticks to spare that inputs had at least since the last snapshot.
    pub input_margin_ticks: Option<i8>,
    /// Whether the player asked for a checksum of everything it holds.
    pub verify: bool,
}

/// What the encoding of one player's snapshot needs besides the player.
pub(super) struct Encoding<'a> {
    pub(super) schema: &'a Schema,
    pub(super) groups: &'a mut Groups,
    pub(super) sections: &'a mut Sections,
    pub(super) codebook_bytes: &'a [u8],
    pub(super) grid: Option<&'a Grid>,
    /// Scratch memory: the sections that were picked.
    pub(super) picked: &'a mut Vec<SectionAt>,
    /// Scratch memory: what waits, most urgent first.
    pub(super) waiting: &'a mut Vec<(f32, u32)>,
    /// Where the player's own entity stands.
    pub(super) own_parts: &'a [Part],
    /// Scratch memory: places of subscriptions that are sent together or not at all.
    pub(super) together: &'a mut Vec<u32>,
    /// Scratch memory: the places of the player's subscriptions, by group.
    pub(super) places: &'a mut Vec<(GroupId, u32)>,
}

impl Encoding<'_> {
    /// Picks what fits into `budget_bytes` and says whether something must wait.
    ///
    /// Nearly always everything fits that there is. So that is tried before anything is weighed, unless
    /// something had to wait the last time.
    pub(super) fn pick(&mut self, view: &mut PlayerView, budget_bytes: usize) -> bool {
        view.wire.is_partial = (view.wire.is_partial || !self.try_pick_all(view, budget_bytes))
            && self.pick_within(view, budget_bytes);
        view.wire.is_partial
    }

    /// Picks every section the player needs, if all fit; says whether they did.
    fn try_pick_all(&mut self, view: &mut PlayerView, budget_bytes: usize) -> bool {
        let frame = self.sections.frame;
        self.picked.clear();
        let mut spent = 0;
        for subscription in &view.subscriptions {
            let section = match self
                .groups
                .news(subscription.group, subscription.held, frame)
            {
                News::None => continue,
                News::Ahead(section) => section,
                News::Other => match self.groups.group_mut(subscription.group) {
                    Some(group) => group.section(subscription.held, self.schema, self.sections),
                    None => continue,
                },
            };
            spent += section.len();
            if spent > budget_bytes {
                return false;
            }
            self.picked.push(section);
        }
        for subscription in &mut view.subscriptions {
            subscription.urgency = 0.0;
            subscription.restructured = frame;
            subscription.held = self
                .groups
                .hold(subscription.group, subscription.held, frame);
        }
        true
    }

    /// Picks the most urgent sections up to `budget_bytes` and says whether something must wait.
    ///
    /// While there is any budget, the most urgent one is picked whatever its size: what never fits would never
    /// be sent. So at most one section goes beyond the budget, with those that must go together with it.
    fn pick_within(&mut self, view: &mut PlayerView, budget_bytes: usize) -> bool {
        self.picked.clear();
        self.weigh(view);
        let (mut spent, mut is_partial) = (0, false);
        for at in 0..self.waiting.len() {
            let place = self.waiting[at].1;
            if self.is_known(&view.subscriptions[place as usize]) {
                // It went along with another.
                continue;
            }
            if spent >= budget_bytes {
                is_partial = true;
                break;
            }
            // What is too long by itself needs no look at what it goes with.
            let alone = self.section_len(&view.subscriptions[place as usize]);
            if spent > 0 && spent + alone > budget_bytes {
                is_partial = true;
                continue;
            }
            self.gather(view, place);
            let len = self.together_len(view);
            if spent > 0 && spent + len > budget_bytes {
                is_partial = true;
                continue;
            }
            spent += len;
            for &place in self.together.iter() {
                let subscription = &mut view.subscriptions[place as usize];
                if let Some(group) = self.groups.group_mut(subscription.group) {
                    let section = group.section(subscription.held, self.schema, self.sections);
                    subscription.held = group.hold(subscription.held);
                    subscription.urgency = 0.0;
                    self.picked.push(section);
                }
            }
        }
        is_partial
    }

    /// Whether a player has nothing to learn of a group it sees.
    fn is_known(&self, subscription: &Subscription) -> bool {
        self.groups
            .group(subscription.group)
            .is_none_or(|group| group.is_known(subscription.held))
    }

    /// Finds what must go together with a subscription: the groups that took in what left its group since the
    /// player's state of it, and so on from those, up to [`GROUPS_TOGETHER_MAX`]. Without them the player would
    /// be told that an entity is gone before it is told where it went.
    fn gather(&mut self, view: &PlayerView, first: u32) {
        self.together.clear();
        self.together.push(first);
        let mut next = 0;
        while let Some(&place) = self.together.get(next) {
            next += 1;
            let from = &view.subscriptions[place as usize];
            let Some(group) = self.groups.group(from.group) else {
                continue;
            };
            for gone in group.gone_since(from.held) {
                let found = self
                    .places
                    .binary_search_by_key(&gone.to, |&(group, _)| group);
                let Ok(found) = found else { continue };
                let place = self.places[found].1;
                let subscription = &view.subscriptions[place as usize];
                let shows = self
                    .groups
                    .group(gone.to)
                    .is_none_or(|group| group.held_frame(subscription.held) >= gone.frame);
                if !shows && !self.together.contains(&place) {
                    self.together.push(place);
                }
                if self.together.len() == GROUPS_TOGETHER_MAX {
                    return;
                }
            }
        }
    }

    /// Bytes of what goes together.
    fn together_len(&mut self, view: &PlayerView) -> usize {
        let mut len = 0;
        for at in 0..self.together.len() {
            len += self.section_len(&view.subscriptions[self.together[at] as usize]);
        }
        len
    }

    /// Bytes of what a player has to learn of a group.
    fn section_len(&mut self, subscription: &Subscription) -> usize {
        let group = self.groups.group_mut(subscription.group);
        group.map_or(0, |group| {
            group
                .section(subscription.held, self.schema, self.sections)
                .len()
        })
    }

    /// Adds to the urgency of what waits and sorts it.
    fn weigh(&mut self, view: &mut PlayerView) {
        self.waiting.clear();
        let places = view.subscriptions.iter().zip(0..);
        self.places.clear();
        self.places
            .extend(places.map(|(subscription, place)| (subscription.group, place)));
        self.places.sort_unstable();
        let region = view.region;
        for (place, subscription) in view.subscriptions.iter_mut().enumerate() {
            let Some(group) = self.groups.group(subscription.group) else {
                continue;
            };
            if group.is_known(subscription.held) {
                subscription.urgency = 0.0;
                continue;
            }
            let apart = match (group.key.cell(), self.grid, region) {
                (Some(cell), Some(grid), Some(region)) => {
                    let [x, y] = cell.centre(grid.cell_units);
                    (x - region.centre[0]).hypot(y - region.centre[1]) / grid.cell_units
                }
                _ => 0.0,
            };
            subscription.urgency += rate(subscription, group, apart);
            subscription.restructured = self.sections.frame;
            // A late group costs several times what a prompt one does. So who is prompt is kept so first, and
            // the rest of the budget makes others prompt; otherwise all would be late for ever. And a player
            // must never be told that its own entity is gone from one group and not that it is in another.
            let is_prompt = group.is_prompt(subscription.held, self.sections.frame);
            let brings_own = self.own_parts.iter().any(|part| {
                part.group == Some(group.id) && part.since > group.held_frame(subscription.held)
            });
            let advantage = if brings_own {
                f32::INFINITY
            } else if is_prompt {
                PROMPT_ADVANTAGE
            } else {
                1.0
            };
            self.waiting
                .push((subscription.urgency * advantage, place as u32));
        }
        self.waiting
            .sort_unstable_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
    }

    /// Appends the snapshot that was picked.
    pub(super) fn write(
        &mut self,
        view: &mut PlayerView,
        tick: Tick,
        own_entity: Option<NetworkId>,
        header: &PlayerHeader,
        is_partial: bool,
        out: &mut Vec<u8>,
    ) {
        let version = self.sections.codebook.version();
        let preamble = Preamble {
            ticks: tick.0.wrapping_sub(view.wire.tick.0),
            input: header.input,
            input_margin_ticks: header.input_margin_ticks,
            own_entity: (own_entity != view.wire.own_entity).then_some(own_entity),
            codebook: (version != view.wire.codebook_version).then_some(self.codebook_bytes),
            checksum: if header.verify {
                self.checksum(view)
            } else {
                None
            },
            is_partial,
        };
        preamble.encode(tick, out);
        encode_dropped(&view.dropped, out);
        for &section in self.picked.iter() {
            out.extend_from_slice(self.sections.bytes(section));
        }
        self.sections.written += self.picked.len() as u64;
        view.dropped.clear();
        view.wire.tick = tick;
        view.wire.own_entity = own_entity;
        view.wire.codebook_version = version;
    }

    /// The fingerprint of everything the player holds after this snapshot; `None` when a part of it waits for
    /// so long that the server has forgotten it.
    fn checksum(&mut self, view: &PlayerView) -> Option<u64> {
        view.subscriptions
            .iter()
            .try_fold(0u64, |sum, subscription| {
                let group = self.groups.group_mut(subscription.group)?;
                Some(sum.wrapping_add(group.checksum(subscription.held)?))
            })
    }
}

/// How much more urgent a waiting group becomes with a snapshot.
///
/// Linear in weight, falling with distance in cells. What is new, and what entities came to or went from, is
/// ahead by as much as [`URGENT_FRAMES`] snapshots of waiting: enough to go first, too little to starve
/// anything.
fn rate(subscription: &Subscription, group: &Group, cells_apart: f32) -> f32 {
    // Even what counts for nothing is sent in the end.
    let weight = group.weight.highest.max(0.01);
    let is_private = matches!(group.key, GroupKey::Owner(..) | GroupKey::Picked(_));
    let is_urgent = group.restructured > subscription.restructured;
    let is_new = subscription.held == Held::Nothing;
    let ahead = if is_urgent || is_new || is_private {
        URGENT_FRAMES
    } else {
        0.0
    };
    (weight + ahead) / (1.0 + cells_apart)
}
