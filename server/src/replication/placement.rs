//! Which groups an entity's components are rows of.
//!
//! In: an entity's components, its markers and its cell. Out: for each audience the one group that holds that
//! part of the entity. Secrets hold by construction: a group's bytes go only to those who may see all of it.

use super::{
    entities::{Entities, PARTS},
    group::{GroupKey, Member, Space},
    groups::Groups,
    markers::{AlwaysRelevant, Owner, Priority, Team, VisibleTo},
};
use bevy_ecs::prelude::EntityRef;
use tickwire_protocol::{
    id::PlayerId,
    limits::ENTITIES_PER_GROUP_MAX,
    schema::{Audience, Schema},
    snapshot::GroupId,
};

/// Audiences in the order of [`Audience`]'s numbers.
const AUDIENCES: [Audience; PARTS] = [
    Audience::Everyone,
    Audience::Owner,
    Audience::Team,
    Audience::Filtered,
];

/// One part of an entity: some of its components and the group that holds them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Part {
    pub(super) group: Option<GroupId>,
    pub(super) mask: u128,
    /// The frame at which it came there.
    pub(super) since: u32,
    /// Its priority, as that group was told.
    weight: f32,
}

/// What an entity's markers say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Traits {
    owner: Option<PlayerId>,
    team: Option<u8>,
    is_always_relevant: bool,
    visible_to: Audience,
    weight: f32,
}

impl Default for Traits {
    fn default() -> Self {
        Self {
            owner: None,
            team: None,
            is_always_relevant: false,
            visible_to: Audience::Everyone,
            weight: 1.0,
        }
    }
}

impl Traits {
    pub(super) fn of(entity: EntityRef<'_>) -> Self {
        let weight = entity.get::<Priority>().map_or(1.0, |priority| priority.0);
        Self {
            owner: entity.get::<Owner>().map(|owner| owner.0),
            team: entity.get::<Team>().map(|team| team.0),
            is_always_relevant: entity.contains::<AlwaysRelevant>(),
            visible_to: entity
                .get::<VisibleTo>()
                .map_or(Audience::Everyone, |visible| visible.0),
            weight: if weight.is_finite() {
                weight.max(0.0)
            } else {
                0.0
            },
        }
    }
}

/// Puts entities into groups.
#[derive(Debug)]
pub(super) struct Placement {
    /// For each audience, the components of the schema that have it.
    masks: [u128; PARTS],
    entities_per_block: u32,
    /// Groups whose highest priority is gone.
    lightened: Vec<GroupId>,
    /// Entities left out because their group was full.
    pub(super) refused: u64,
}

impl Placement {
    pub(super) fn new(schema: &Schema, entities_per_block: u32) -> Self {
        let mut masks = [0; PARTS];
        for (place, component) in schema.components().iter().enumerate() {
            masks[component.rules.audience as usize] |= 1 << place;
        }
        Self {
            masks,
            entities_per_block: entities_per_block.max(1),
            lightened: Vec::new(),
            refused: 0,
        }
    }

    /// Puts an entity where it belongs now.
    pub(super) fn place(
        &mut self,
        slot: u32,
        entities: &mut Entities,
        groups: &mut Groups,
        frame: u32,
    ) {
        for audience in AUDIENCES {
            let wanted = self.wanted(audience, slot, entities);
            self.move_part(audience, wanted, slot, entities, groups, frame);
        }
    }

    /// Takes an entity out of all its groups.
    pub(super) fn remove(
        &mut self,
        slot: u32,
        entities: &mut Entities,
        groups: &mut Groups,
        frame: u32,
    ) {
        for audience in AUDIENCES {
            self.move_part(audience, None, slot, entities, groups, frame);
        }
    }

    /// Finds the highest priority of groups that lost it, once everyone is where it belongs.
    pub(super) fn weigh(&mut self, entities: &Entities, groups: &mut Groups) {
        for id in self.lightened.drain(..) {
            if let Some(group) = groups.group_mut(id) {
                group.weigh(|member| entities.slot(member.slot).traits.weight);
            }
        }
    }

    /// Which group is to hold the part for that audience, and which components are in it.
    fn wanted(
        &self,
        audience: Audience,
        slot: u32,
        entities: &Entities,
    ) -> Option<(GroupKey, u128)> {
        let known = entities.slot(slot);
        let traits = &known.traits;
        let mask = AUDIENCES
            .into_iter()
            .filter(|&own| narrower(own, traits.visible_to) == audience)
            .fold(0, |mask, own| {
                mask | (self.masks[own as usize] & known.mask)
            });
        if mask == 0 {
            return None;
        }
        let space = match known.cell {
            Some(cell) if !traits.is_always_relevant => Space::Cell(cell),
            _ => Space::Room {
                block: slot / self.entities_per_block,
            },
        };
        let key = match audience {
            Audience::Everyone => GroupKey::Everyone(space),
            Audience::Owner => GroupKey::Owner(traits.owner?),
            Audience::Team => GroupKey::Team(space, traits.team?),
            Audience::Filtered => GroupKey::Candidates(space),
        };
        Some((key, mask))
    }

    fn move_part(
        &mut self,
        audience: Audience,
        wanted: Option<(GroupKey, u128)>,
        slot: u32,
        entities: &mut Entities,
        groups: &mut Groups,
        frame: u32,
    ) {
        let known = entities.slot_mut(slot);
        let (id, weight) = (known.id, known.traits.weight);
        let part = &mut known.parts[audience as usize];
        let group = wanted.map(|(key, _)| groups.ensure(key));
        let mask = wanted.map_or(0, |(_, mask)| mask);
        let before = part.group;
        if before == group && part.mask == mask {
            if let Some(id) = before.filter(|_| part.weight != weight)
                && let Some(group) = groups.group_mut(id)
            {
                if group.weight.change(part.weight, weight) {
                    self.lightened.push(id);
                }
                part.weight = weight;
            }
            return;
        }
        if let Some(before) = before
            && let Some(group) = groups.group_mut(before)
        {
            if group.leave(id, part.mask, part.weight, frame) {
                self.lightened.push(before);
            }
            groups.mark_stale(before);
        }
        *part = Part::default();
        let Some(group_id) = group else { return };
        let Some(group) = groups.group_mut(group_id) else {
            return;
        };
        if group.len >= ENTITIES_PER_GROUP_MAX {
            self.refused += 1;
            return;
        }
        group.join(Member { id, slot }, mask, weight, frame);
        groups.mark_stale(group_id);
        if let Some(before) = before.filter(|&before| before != group_id)
            && let Some(group) = groups.group_mut(before)
        {
            group.departures.note(group_id, frame);
        }
        *part = Part {
            group: Some(group_id),
            mask,
            since: frame,
            weight,
        };
    }
}

/// The audience that both let through.
fn narrower(one: Audience, other: Audience) -> Audience {
    let rank = |audience| match audience {
        Audience::Everyone => 0,
        Audience::Team => 1,
        Audience::Filtered => 2,
        Audience::Owner => 3,
    };
    if rank(one) >= rank(other) { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrower_audience_counts() {
        for one in AUDIENCES {
            assert_eq!(narrower(one, Audience::Everyone), one);
            assert_eq!(narrower(one, Audience::Owner), Audience::Owner);
            for other in AUDIENCES {
                assert_eq!(narrower(one, other), narrower(other, one));
            }
        }
        assert_eq!(AUDIENCES.map(|audience| audience as usize), [0, 1, 2, 3]);
    }
}
