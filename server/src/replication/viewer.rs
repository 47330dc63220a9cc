//! What the server knows about one player's replica.

use super::{
    group::GroupKey,
    groups::Groups,
    region::{Cell, Region},
};
use bevy_ecs::prelude::Entity;
use tickwire_protocol::{
    id::{NetworkId, PlayerId},
    snapshot::GroupId,
    time::Tick,
};

/// What a player holds of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// Nothing was ever sent.
    Nothing,
    /// The state of that version.
    Version(u32),
}

/// A group that a player sees. Small, for a player has dozens of them and each is looked at in every tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscription {
    pub(super) group: GroupId,
    pub(super) held: Held,
    /// What waits adds up, until it is sent.
    pub(super) urgency: f32,
    /// The last frame at which coming or going entities were counted into the urgency.
    pub(super) restructured: u32,
}

/// One player, as replication sees it.
#[derive(Debug)]
pub(super) struct PlayerView {
    pub(super) player: PlayerId,
    pub(super) entity: Entity,
    pub(super) team: Option<u8>,
    pub(super) region: Option<Region>,
    /// The cells it sees, ascending.
    pub(super) cells: Vec<Cell>,
    /// The region for which they were chosen.
    pub(super) chosen: Option<Chosen>,
    pub(super) subscriptions: Vec<Subscription>,
    /// Groups of which it holds something and is to hold nothing any more.
    pub(super) dropped: Vec<GroupId>,
    /// The groups' epoch for which the subscriptions were made.
    pub(super) epoch: Option<u32>,
    pub(super) wire: WireState,
}

/// What cells were chosen for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen {
    pub(super) region: Region,
    /// How far its centre may move before a cell comes or goes.
    pub(super) leeway_units: f32,
}

/// What a player's connection has been told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WireState {
    /// The tick of the last snapshot.
    pub(super) tick: Tick,
    pub(super) own_entity: Option<NetworkId>,
    pub(super) codebook_version: u32,
    /// Whether something had to wait for the next snapshot.
    pub(super) is_partial: bool,
    /// Bytes the budget allows now; negative when the last snapshot went beyond it.
    pub(super) credit_bytes: i64,
    /// The frame up to which credit was given.
    pub(super) credit_frame: u32,
}

impl PlayerView {
    pub(super) fn new(player: PlayerId, entity: Entity) -> Self {
        Self {
            player,
            entity,
            team: None,
            region: None,
            cells: Vec::new(),
            chosen: None,
            subscriptions: Vec::new(),
            dropped: Vec::new(),
            epoch: None,
            wire: WireState::default(),
        }
    }

    /// Begins to see what a key stands for, unless it does already.
    pub(super) fn subscribe(&mut self, key: GroupKey, groups: &mut Groups) {
        let group = groups.ensure(key);
        if self.subscriptions.iter().any(|known| known.group == group) {
            return;
        }
        groups.subscribe(group);
        self.subscriptions.push(Subscription {
            group,
            held: Held::Nothing,
            urgency: 0.0,
            restructured: 0,
        });
    }

    /// Keeps only the subscriptions that `keep` says yes to.
    pub(super) fn retain(&mut self, groups: &mut Groups, keep: impl Fn(GroupKey) -> bool) {
        let dropped = &mut self.dropped;
        self.subscriptions.retain(|subscription| {
            let group = groups.group(subscription.group);
            let is_kept = group.is_some_and(|group| keep(group.key));
            if !is_kept {
                if let Some(group) = groups.group_mut(subscription.group) {
                    group.release(subscription.held);
                }
                groups.unsubscribe(subscription.group);
                if subscription.held != Held::Nothing
                    && let Err(at) = dropped.binary_search(&subscription.group)
                {
                    dropped.insert(at, subscription.group);
                }
            }
            is_kept
        });
    }
}
