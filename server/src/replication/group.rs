//! One group: entities that some players see together, its state at this frame and those older states that
//! some player still holds.
//!
//! In: members, and the newest values of their components. Out: bytes, encoded once for all players with the
//! same baseline. The decision to question: a state is named by a version that grows only when something
//! changed. A group at rest stays at its version, so players who hold it need nothing, however long it lasts.

use super::{
    departures::{Departure, Departures},
    region::Cell,
    rows::Rows,
    sections::{Coding, Scribe, SectionAt, Sections},
    viewer::Held,
    weight::Weight,
};
use crate::limits::{BASELINE_FRAMES_MAX, BASELINES_PER_GROUP_MAX, UNUSED_TABLES_PER_GROUP_MAX};
use tickwire_protocol::{
    delta::{Baseline, GroupState},
    id::{NetworkId, PlayerId},
    schema::Schema,
    snapshot::{GroupId, group_checksum},
};

/// Which part of a room a group is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Space {
    /// The whole room; entities are dealt out to blocks so that none grows too large.
    Room {
        /// Which block.
        block: u32,
    },
    /// One cell of the grid.
    Cell(Cell),
}

/// Who sees a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum GroupKey {
    /// Everyone who sees that space.
    Everyone(Space),
    /// Players of one team who see that space.
    Team(Space, u8),
    /// One player, wherever it looks; while it is of that team, if one is given.
    Owner(PlayerId, Option<u8>),
    /// Nobody: from here the game's filter picks what goes to [`Picked`](Self::Picked) for who sees that space,
    /// and is of that team, if one is given.
    Candidates(Space, Option<u8>),
    /// Nobody: from here the filter picks for one player, wherever it looks.
    OwnCandidates(PlayerId),
    /// One player: what the filter let through.
    Picked(PlayerId),
}

impl GroupKey {
    /// The cell it shows; `None` for what is seen wherever a player looks.
    pub(super) const fn cell(self) -> Option<Cell> {
        match self {
            Self::Everyone(Space::Cell(cell))
            | Self::Team(Space::Cell(cell), _)
            | Self::Candidates(Space::Cell(cell), _) => Some(cell),
            _ => None,
        }
    }
}

/// One entity of a group: its row's id and where its values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: NetworkId,
    pub(super) slot: u32,
}

/// The members with the same components.
#[derive(Clone, Debug)]
pub(super) struct MemberTable {
    pub(super) mask: u128,
    /// By id, ascending.
    pub(super) members: Vec<Member>,
}

/// An older state that a player still holds.
#[derive(Debug)]
struct Older {
    version: u32,
    /// The last frame at which it was the newest.
    last_frame: u32,
    state: GroupState,
    holders: u32,
    encoded: Encoded,
    checksum: Option<u64>,
}

/// Where a section is, if it was encoded at that frame.
#[derive(Clone, Copy, Debug, Default)]
struct Encoded {
    frame: u32,
    at: SectionAt,
}

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: GroupId,
    pub(super) key: GroupKey,
    /// By mask, ascending.
    pub(super) members: Vec<MemberTable>,
    pub(super) len: usize,
    /// Players who see it.
    pub(super) subscribers: u32,
    /// Whether a member or a value is another than in `state`.
    pub(super) is_stale: bool,
    /// The frame at which an entity came or went last.
    pub(super) restructured: u32,
    /// The highest priority of a member.
    pub(super) weight: Weight,
    pub(super) version: u32,
    state: GroupState,
    holders: u32,
    keyframe: Encoded,
    /// Of `state`, once somebody has asked for it: players who verify what they hold share the work.
    checksum: Option<u64>,
    /// Oldest first.
    older: Vec<Older>,
    spare: Vec<GroupState>,
    pub(super) departures: Departures,
}

impl Group {
    pub(super) fn new(id: GroupId, key: GroupKey) -> Self {
        Self {
            id,
            key,
            members: Vec::new(),
            len: 0,
            subscribers: 0,
            is_stale: false,
            restructured: 0,
            weight: Weight::default(),
            version: 0,
            state: GroupState::new(),
            holders: 0,
            keyframe: Encoded::default(),
            checksum: None,
            older: Vec::new(),
            spare: Vec::new(),
            departures: Departures::default(),
        }
    }

    /// Another group in the memory of this one, of which nobody holds anything any more.
    pub(super) fn renew(mut self, id: GroupId, key: GroupKey) -> Self {
        for table in &mut self.members {
            table.members.clear();
        }
        self.state.clear();
        self.older.clear();
        self.departures.clear();
        Self {
            members: self.members,
            state: self.state,
            spare: self.spare,
            older: self.older,
            departures: self.departures,
            ..Self::new(id, key)
        }
    }

    pub(super) const fn state(&self) -> &GroupState {
        &self.state
    }

    /// Adds an entity with those components.
    pub(super) fn join(&mut self, member: Member, mask: u128, weight: f32, frame: u32) {
        let at = match self.members.binary_search_by_key(&mask, |table| table.mask) {
            Ok(at) => at,
            Err(at) => {
                self.members.insert(
                    at,
                    MemberTable {
                        mask,
                        members: Vec::new(),
                    },
                );
                at
            }
        };
        let members = &mut self.members[at].members;
        if let Err(row) = members.binary_search_by_key(&member.id, |member| member.id) {
            members.insert(row, member);
            self.len += 1;
        }
        if self.len == 1 {
            self.weight = Weight::default();
        }
        self.weight.add(weight);
        self.restructured = frame;
    }

    /// Finds the highest priority, told what each member's is.
    pub(super) fn weigh(&mut self, weight_of: impl Fn(Member) -> f32) {
        let members = self.members.iter().flat_map(|table| &table.members);
        self.weight = Weight::default();
        members.for_each(|&member| self.weight.add(weight_of(member)));
    }

    /// Removes an entity that joined with those components and that priority. Whether the highest priority is to
    /// be [looked for](Self::weigh).
    #[must_use]
    pub(super) fn leave(&mut self, id: NetworkId, mask: u128, weight: f32, frame: u32) -> bool {
        if let Ok(at) = self.members.binary_search_by_key(&mask, |table| table.mask)
            && let Ok(row) = self.members[at]
                .members
                .binary_search_by_key(&id, |member| member.id)
        {
            self.members[at].members.remove(row);
            self.len -= 1;
        }
        self.restructured = frame;
        self.weight.remove(weight)
    }

    /// Where members went whom a player saw here who holds `held`.
    pub(super) fn gone_since(&self, held: Held) -> impl Iterator<Item = Departure> {
        self.departures.since(match held {
            Held::Nothing => u32::MAX,
            held => self.held_frame(held),
        })
    }

    /// The last frame at which what a player holds was the newest; 0 when nothing of it is known.
    pub(super) fn held_frame(&self, held: Held) -> u32 {
        match held {
            Held::Nothing => 0,
            Held::Version(version) if version == self.version => u32::MAX,
            Held::Version(version) => self
                .older
                .iter()
                .find(|older| older.version == version)
                .map_or(0, |older| older.last_frame),
        }
    }

    /// Makes the state of this frame from the members and their newest values, and keeps the one before if
    /// someone holds it.
    pub(super) fn rebuild(&mut self, schema: &Schema, rows: &[Rows], frame: u32) {
        self.forget_unused_tables();
        let mut state = self.spare.pop().unwrap_or_default();
        for table in state.tables_mut() {
            if self
                .members
                .binary_search_by_key(&table.mask(), |members| members.mask)
                .is_err()
            {
                table.clear();
            }
        }
        state.forget_empty_tables_beyond(self.members.len() + UNUSED_TABLES_PER_GROUP_MAX);
        for table in &self.members {
            fill(&mut state, table, schema, rows);
        }
        let before = core::mem::replace(&mut self.state, state);
        let checksum = self.checksum.take();
        if self.holders > 0 {
            self.older.push(Older {
                version: self.version,
                last_frame: frame - 1,
                state: before,
                holders: core::mem::take(&mut self.holders),
                encoded: Encoded::default(),
                checksum,
            });
        } else {
            self.spare.push(before);
        }
        self.version = self.version.wrapping_add(1);
        self.is_stale = false;
    }

    /// Forgets sets of components that no member has any more, once they are the most.
    fn forget_unused_tables(&mut self) {
        let is_used = |table: &MemberTable| !table.members.is_empty();
        let used = self.members.iter().filter(|table| is_used(table)).count();
        if self.members.len() - used > used + UNUSED_TABLES_PER_GROUP_MAX {
            self.members.retain(is_used);
        }
    }

    /// Forgets states that nobody holds any more or that are too old to be kept; who holds such a one gets a
    /// keyframe.
    pub(super) fn finish(&mut self, frame: u32) {
        let surplus = self.older.len().saturating_sub(BASELINES_PER_GROUP_MAX);
        for place in (0..self.older.len()).rev() {
            let older = &self.older[place];
            let is_old = frame - older.last_frame > BASELINE_FRAMES_MAX;
            if older.holders == 0 || is_old || place < surplus {
                self.spare.push(self.older.remove(place).state);
            }
        }
        // One for the next frame, one because players do not all change over at once.
        self.spare.truncate(2);
    }

    /// Whether a player that holds `held` has nothing to learn.
    #[inline]
    pub(super) fn is_known(&self, held: Held) -> bool {
        match held {
            Held::Version(version) => version == self.version,
            // What was never sent and has nothing in it is known as it is.
            Held::Nothing => self.len == 0,
        }
    }

    /// The state of the frame before, if it is another and was kept.
    fn before(&self, frame: u32) -> Option<&Older> {
        self.older
            .last()
            .filter(|last| last.last_frame + 1 == frame)
    }

    /// Whether `held` is the state of the frame before: such a player is cheap to keep up to date.
    pub(super) fn is_prompt(&self, held: Held, frame: u32) -> bool {
        self.before(frame)
            .is_some_and(|last| held == Held::Version(last.version))
    }

    /// Whether a player holds the state of the frame before.
    pub(super) fn has_prompt(&self, frame: u32) -> bool {
        self.before(frame).is_some_and(|last| last.holders > 0)
    }

    /// What was encoded ahead at that frame, and the version of who needs it.
    pub(super) fn ahead(&self, frame: u32) -> Option<(u32, SectionAt)> {
        let last = self.older.last()?;
        (last.encoded.frame == frame).then_some((last.version, last.encoded.at))
    }

    /// Notes that so many players who held a version now hold this frame's state.
    pub(super) fn hold_many(&mut self, before: u32, players: u32) {
        if let Some(older) = find(&mut self.older, before) {
            older.holders -= players;
            self.holders += players;
        }
    }

    /// Encodes what brings a player here from the frame before.
    pub(super) fn encode_prompt(&mut self, to: Coding<'_>, scribe: &mut Scribe) {
        if let Some(last) = self.older.last_mut() {
            let baseline = Baseline {
                state: &last.state,
                ticks_since: to.frame - last.last_frame,
            };
            last.encoded = Encoded {
                frame: to.frame,
                at: scribe.section(self.id, to, Some(baseline), &self.state),
            };
        }
    }

    /// The section that brings a player from what it holds to this frame: encoded when it is the first to ask.
    pub(super) fn section(
        &mut self,
        held: Held,
        schema: &Schema,
        sections: &mut Sections,
    ) -> SectionAt {
        let frame = sections.frame;
        let older = match held {
            Held::Nothing => None,
            Held::Version(version) => find(&mut self.older, version),
        };
        let (encoded, baseline) = match older {
            Some(older) => (
                &mut older.encoded,
                Some(Baseline {
                    state: &older.state,
                    ticks_since: frame - older.last_frame,
                }),
            ),
            None => (&mut self.keyframe, None),
        };
        if encoded.frame != frame {
            let is_prompt = baseline.is_some_and(|baseline| baseline.ticks_since == 1);
            let (to, scribe) = sections.scribe(schema, is_prompt);
            *encoded = Encoded {
                frame,
                at: scribe.section(self.id, to, baseline, &self.state),
            };
            sections.encoded += 1;
        }
        encoded.at
    }

    /// Notes that a player who held `held` now holds this frame's state, which is returned.
    #[inline]
    pub(super) fn hold(&mut self, held: Held) -> Held {
        self.release(held);
        self.holders += 1;
        Held::Version(self.version)
    }

    /// Notes that a player does not hold `held` any more.
    #[inline]
    pub(super) fn release(&mut self, held: Held) {
        let Held::Version(version) = held else { return };
        if version == self.version {
            self.holders -= 1;
        } else if let Some(older) = find(&mut self.older, version) {
            older.holders -= 1;
        }
    }

    /// The fingerprint of what a player holds, worked out when it is the first to ask; `None` when that state was
    /// forgotten.
    pub(super) fn checksum(&mut self, held: Held) -> Option<u64> {
        let (checksum, state) = match held {
            Held::Nothing => return Some(0),
            Held::Version(version) if version == self.version => (&mut self.checksum, &self.state),
            Held::Version(version) => {
                let older = find(&mut self.older, version)?;
                (&mut older.checksum, &older.state)
            }
        };
        Some(*checksum.get_or_insert_with(|| group_checksum(self.id, state)))
    }

    /// The state a player holds, if any: `None` when it was forgotten, `Some(None)` when it holds nothing.
    pub(super) fn held_state(&self, held: Held) -> Option<Option<&GroupState>> {
        match held {
            Held::Nothing => Some(None),
            Held::Version(version) if version == self.version => Some(Some(&self.state)),
            Held::Version(version) => self
                .older
                .iter()
                .find(|older| older.version == version)
                .map(|older| Some(&older.state)),
        }
    }

    /// Older states that are kept.
    pub(super) fn older_len(&self) -> usize {
        self.older.len()
    }
}

/// The state of that version, if it was kept. Most players hold one of the last.
#[inline]
fn find(older: &mut [Older], version: u32) -> Option<&mut Older> {
    older
        .iter_mut()
        .rev()
        .find(|older| older.version == version)
}

/// Gathers the rows of one table.
fn fill(state: &mut GroupState, from: &MemberTable, schema: &Schema, rows: &[Rows]) {
    let members = &from.members;
    if members.is_empty() && state.table(from.mask).is_none() {
        return;
    }
    let table = state.table_mut(schema, from.mask);
    table.set_rows(members.iter().map(|member| member.id));
    for (component, _) in schema.components_in(from.mask) {
        let Some((columns, blobs)) = table.part(component) else {
            continue;
        };
        let source = rows[component.0 as usize].table();
        for (column, source) in table.columns[columns].iter_mut().zip(&source.columns) {
            for (value, member) in column.values.iter_mut().zip(members) {
                *value = source.values[member.slot as usize];
            }
            for (motion, member) in column.motion.iter_mut().zip(members) {
                *motion = source.motion[member.slot as usize];
            }
        }
        for (blob, source) in table.blobs[blobs].iter_mut().zip(&source.blobs) {
            for (value, member) in blob.values.iter_mut().zip(members) {
                value.clone_from(&source.values[member.slot as usize]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickwire_protocol::schema::{ComponentSchema, Rules, Shape};

    /// Components without fields, and a group.
    fn eight_components() -> (Schema, Vec<Rows>, Group) {
        let mut schema = Schema::new();
        for number in 0..8 {
            let component = schema.add_component(ComponentSchema {
                name: format!("Component{number}"),
                rules: Rules::default(),
                shape: Shape::default(),
            });
            assert!(component.is_ok());
        }
        let components = schema.components_in(schema.mask_all());
        let rows: Vec<_> = components.map(|(id, _)| Rows::new(&schema, id)).collect();
        let group = Group::new(GroupId(0), GroupKey::Everyone(Space::Room { block: 0 }));
        (schema, rows, group)
    }

    #[test]
    fn a_state_is_hashed_once_for_all_who_ask() {
        let (schema, rows, mut group) = eight_components();
        let (id, slot) = (NetworkId(1), 1);
        group.join(Member { id, slot }, 1, 1.0, 1);
        group.rebuild(&schema, &rows, 1);
        let held = group.hold(Held::Nothing);
        let first = group_checksum(group.id, &group.state);
        assert_eq!(group.checksum(held), Some(first));
        group.checksum = Some(7);
        assert_eq!(group.checksum(held), Some(7), "what is known is not hashed");

        let (id, slot) = (NetworkId(2), 2);
        group.join(Member { id, slot }, 1, 1.0, 2);
        group.rebuild(&schema, &rows, 2);
        assert_eq!(
            group.checksum(held),
            Some(7),
            "an older state keeps its own"
        );
        let second = group_checksum(group.id, &group.state);
        let newest = Held::Version(group.version);
        assert_eq!(group.checksum(newest), Some(second));
        assert_ne!(first, second);
    }

    #[test]
    fn a_group_forgets_sets_of_components_that_nobody_has_any_more() {
        let (schema, rows, mut group) = eight_components();
        let member = |number| Member {
            id: NetworkId(number),
            slot: number,
        };
        group.join(member(0), 1, 1.0, 1);
        for mask in 2..256u32 {
            let (held, frame) = (Held::Version(group.version), 2 * mask);
            group.join(member(mask), mask.into(), 1.0, frame);
            group.rebuild(&schema, &rows, frame);
            let held = group.hold(held);
            assert!(!group.leave(NetworkId(mask), mask.into(), 1.0, frame + 1));
            group.rebuild(&schema, &rows, frame + 1);
            assert_eq!(group.state().len(), 1);
            group.release(held);
            group.finish(frame + 1);
        }
        let kept = 2 + 2 * UNUSED_TABLES_PER_GROUP_MAX;
        assert!(group.members.len() <= kept);
        let states = group.spare.iter().chain([&group.state]);
        assert!(
            states
                .into_iter()
                .all(|state| state.tables().len() <= 2 * kept)
        );
    }
}
