//! Which groups an entity's components are rows of.
//!
//! In: an entity's components, its markers and its cell. Out: for each audience the one group that holds that
//! part of the entity. Secrets hold by construction: a group's bytes go only to those who may see all of it.

use super::{
    entities::{Entities, PARTS},
    group::{Group, GroupKey, Member, Space},
    groups::Groups,
    markers::{AlwaysRelevant, Owner, Priority, Team, VisibleTo},
};
use crate::limits::REFUSED_TRIED_MAX;
use bevy_ecs::prelude::EntityRef;
use std::collections::BTreeSet;
use tickwire_protocol::{
    delta::table_values,
    id::PlayerId,
    limits::{ENTITIES_PER_GROUP_MAX, TABLES_PER_GROUP_MAX, VALUES_PER_GROUP_MAX},
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
    /// The columns and blobs of each component.
    widths: Vec<(usize, usize)>,
    /// Entities in a group of which none can be too wide for it, whatever components they have.
    entities_unweighed: usize,
    entities_per_block: u32,
    /// Groups whose highest priority is gone.
    lightened: Vec<GroupId>,
    /// Times an entity was left out because its group was full.
    pub(super) refused: u64,
    /// Slots that are left out of a group that was full.
    waiting: BTreeSet<u32>,
    /// The first of them that is to be tried next.
    waiting_next: u32,
}

impl Placement {
    pub(super) fn new(schema: &Schema, entities_per_block: u32) -> Self {
        let mut masks = [0; PARTS];
        for (place, component) in schema.components().iter().enumerate() {
            masks[component.rules.audience as usize] |= 1 << place;
        }
        let shapes = schema.components().iter().map(|component| &component.shape);
        let widths: Vec<_> = shapes
            .map(|shape| (shape.columns.len(), shape.blobs.len()))
            .collect();
        let (columns, blobs) = sum(widths.iter().copied());
        let entity_values = table_values(1, columns, blobs).max(1);
        Self {
            masks,
            widths,
            entities_unweighed: TABLES_PER_GROUP_MAX.min(VALUES_PER_GROUP_MAX / entity_values),
            entities_per_block: entities_per_block.max(1),
            lightened: Vec::new(),
            refused: 0,
            waiting: BTreeSet::new(),
            waiting_next: 0,
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
        self.waiting.remove(&slot);
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
        self.waiting.remove(&slot);
        for audience in AUDIENCES {
            self.move_part(audience, None, slot, entities, groups, frame);
        }
    }

    /// Tries some of those again that were left out: their groups may have room by now. None of them counts as left
    /// out once more.
    pub(super) fn place_waiting(
        &mut self,
        entities: &mut Entities,
        groups: &mut Groups,
        frame: u32,
    ) {
        let refused = self.refused;
        for _ in 0..self.waiting.len().min(REFUSED_TRIED_MAX) {
            let next = self.waiting.range(self.waiting_next..).next();
            let Some(&slot) = next.or_else(|| self.waiting.first()) else {
                break;
            };
            self.waiting_next = slot + 1;
            self.place(slot, entities, groups, frame);
        }
        self.refused = refused;
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
    ///
    /// It goes to those whom both its audience and the entity's let through.
    fn wanted(
        &self,
        audience: Audience,
        slot: u32,
        entities: &Entities,
    ) -> Option<(GroupKey, u128)> {
        let known = entities.slot(slot);
        let traits = &known.traits;
        let mask = self.mask(audience, traits.visible_to) & known.mask;
        if mask == 0 {
            return None;
        }
        let space = match known.cell {
            Some(cell) if !traits.is_always_relevant => Space::Cell(cell),
            _ => Space::Room {
                block: slot / self.entities_per_block,
            },
        };
        let is_for = |wanted| audience == wanted || traits.visible_to == wanted;
        let team = if is_for(Audience::Team) {
            Some(traits.team?)
        } else {
            None
        };
        let key = match (is_for(Audience::Owner), is_for(Audience::Filtered)) {
            (true, true) => GroupKey::OwnCandidates(traits.owner?),
            (true, false) => GroupKey::Owner(traits.owner?, team),
            (false, true) => GroupKey::Candidates(space, team),
            (false, false) => team.map_or(GroupKey::Everyone(space), |team| {
                GroupKey::Team(space, team)
            }),
        };
        Some((key, mask))
    }

    /// The components in the part for that audience: its own, and those for everyone of an entity that only
    /// that audience sees.
    fn mask(&self, audience: Audience, visible_to: Audience) -> u128 {
        let everyone = self.masks[Audience::Everyone as usize];
        match audience {
            Audience::Everyone if visible_to != Audience::Everyone => 0,
            Audience::Everyone => everyone,
            _ if audience == visible_to => self.masks[audience as usize] | everyone,
            _ => self.masks[audience as usize],
        }
    }

    /// Whether clients take a group with one more entity of those components.
    fn has_place(&self, group: &Group, mask: u128) -> bool {
        let filled = group.members.iter().filter(|t| !t.members.is_empty());
        let (mut tables, mut values, mut rows) = (0, 0, 1);
        for table in filled {
            if table.mask == mask {
                rows += table.members.len();
            } else {
                tables += 1;
                values += self.values(table.members.len(), table.mask);
            }
        }
        group.len < ENTITIES_PER_GROUP_MAX
            && tables < TABLES_PER_GROUP_MAX
            && values + self.values(rows, mask) <= VALUES_PER_GROUP_MAX
    }

    /// What so many rows of those components count as.
    fn values(&self, rows: usize, mut mask: u128) -> usize {
        let (columns, blobs) = sum(core::iter::from_fn(|| {
            let width = self.widths.get(mask.trailing_zeros() as usize)?;
            mask &= mask - 1;
            Some(*width)
        }));
        table_values(rows, columns, blobs)
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
        if group.len >= self.entities_unweighed && !self.has_place(group, mask) {
            if self.refused == 0 {
                warn_of_full_group();
            }
            self.refused += 1;
            self.waiting.insert(slot);
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

/// Columns and blobs of several components.
fn sum(widths: impl Iterator<Item = (usize, usize)>) -> (usize, usize) {
    widths.fold((0, 0), |sum, width| (sum.0 + width.0, sum.1 + width.1))
}

/// Says once that an entity is seen by nobody of a group; the counter goes on.
#[cold]
fn warn_of_full_group() {
    tracing::warn!(
        "entities beyond those that a group holds are left out until there is room: make the grid's cells smaller"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replication::Replicated;
    use bevy_ecs::prelude::World;
    use tickwire_protocol::schema::{
        ColumnKind, ColumnSchema, ComponentSchema, Predict, Rules, Shape,
    };

    const OWNER: PlayerId = PlayerId(7);
    const TEAM: u8 = 3;
    const SPACE: Space = Space::Room { block: 0 };

    /// A placement of one component for each audience, in the order of [`AUDIENCES`].
    fn one_component_each() -> Placement {
        let mut schema = Schema::new();
        for audience in AUDIENCES {
            let component = schema.add_component(ComponentSchema {
                name: format!("{audience:?}"),
                rules: Rules {
                    audience,
                    ..Rules::default()
                },
                shape: Shape::default(),
            });
            assert!(component.is_ok());
        }
        Placement::new(&schema, 1024)
    }

    /// Which groups an entity with all four components is in that only `visible_to` sees, each with which of them.
    fn placed(visible_to: Audience) -> Vec<(GroupKey, u128)> {
        let mut entities = Entities::default();
        let mut world = World::new();
        world.spawn((Replicated, Owner(OWNER), Team(TEAM), VisibleTo(visible_to)));
        entities.sweep(&world, &[], 1);
        let slot = entities.slot_mut(0);
        slot.mask = 0b1111;
        slot.traits = Traits {
            owner: Some(OWNER),
            team: Some(TEAM),
            visible_to,
            ..Traits::default()
        };
        let placement = one_component_each();
        let wanted = |audience| placement.wanted(audience, 0, &entities);
        AUDIENCES.into_iter().filter_map(wanted).collect()
    }

    /// How many of `entities` find a place in one group. The entity with number n has the components `mask_of(n)` of
    /// as many as that takes, with so many columns each.
    fn taken(entities: u32, columns: usize, mask_of: fn(u32) -> u128) -> usize {
        let mut schema = Schema::new();
        for number in 0..16 {
            let column = |place| ColumnSchema {
                path: format!("{place}"),
                kind: ColumnKind::Bool,
                bits: 1,
                predict: Predict::Hold,
            };
            let component = schema.add_component(ComponentSchema {
                name: format!("Component{number}"),
                rules: Rules::default(),
                shape: Shape {
                    columns: (0..columns).map(column).collect(),
                    ..Shape::default()
                },
            });
            assert!(component.is_ok());
        }
        let (mut known, mut world) = (Entities::default(), World::new());
        world.spawn_batch((0..entities).map(|_| Replicated));
        known.sweep(&world, &[], 1);
        let (mut placement, mut groups) = (Placement::new(&schema, u32::MAX), Groups::default());
        for slot in 0..entities {
            known.slot_mut(slot).mask = mask_of(slot);
            placement.place(slot, &mut known, &mut groups, 1);
        }
        let id = groups.find(GroupKey::Everyone(SPACE)).unwrap();
        let taken = groups.group(id).unwrap().len;
        assert_eq!(placement.refused, u64::from(entities) - taken as u64);
        taken
    }

    #[test]
    fn a_group_takes_no_more_entities_than_clients_do() {
        let wide = |_| 0xffff;
        let columns = 16 * 64;
        let full = (VALUES_PER_GROUP_MAX - table_values(0, columns, 0)) / columns;
        assert_eq!(taken(5000, 64, wide), full);
        assert_eq!(
            taken(1100, 1, |number| (number + 1).into()),
            TABLES_PER_GROUP_MAX
        );
        assert_eq!(taken(5000, 1, |number| (number % 1000 + 1).into()), 5000);
    }

    #[test]
    fn a_component_goes_to_those_whom_its_own_audience_and_the_entitys_let_through() {
        let (everyone, owner) = (GroupKey::Everyone(SPACE), GroupKey::Owner(OWNER, None));
        let (team, filtered) = (
            GroupKey::Team(SPACE, TEAM),
            GroupKey::Candidates(SPACE, None),
        );
        let owner_of_team = GroupKey::Owner(OWNER, Some(TEAM));
        let filtered_of_team = GroupKey::Candidates(SPACE, Some(TEAM));
        let filtered_owner = GroupKey::OwnCandidates(OWNER);
        for (visible_to, expected) in [
            (
                Audience::Everyone,
                vec![
                    (everyone, 0b0001),
                    (owner, 0b0010),
                    (team, 0b0100),
                    (filtered, 0b1000),
                ],
            ),
            (
                Audience::Owner,
                vec![
                    (owner, 0b0011),
                    (owner_of_team, 0b0100),
                    (filtered_owner, 0b1000),
                ],
            ),
            (
                Audience::Team,
                vec![
                    (owner_of_team, 0b0010),
                    (team, 0b0101),
                    (filtered_of_team, 0b1000),
                ],
            ),
            (
                Audience::Filtered,
                vec![
                    (filtered_owner, 0b0010),
                    (filtered_of_team, 0b0100),
                    (filtered, 0b1001),
                ],
            ),
        ] {
            assert_eq!(placed(visible_to), expected, "visible to {visible_to:?}");
        }
        assert_eq!(AUDIENCES.map(|audience| audience as usize), [0, 1, 2, 3]);
    }
}
