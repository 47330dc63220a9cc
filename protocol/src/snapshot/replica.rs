//! The client's half: what a player holds of the room's state.
//!
//! In: the bytes of one snapshot after another. Out: entities and their components, as of the newest snapshot
//! and as of the one before it, which is what drawing between two states needs. The decision to question: a
//! snapshot is decoded whole into spare states before anything changes, so a broken one changes nothing.

use super::{
    Applied, GroupId, Preamble, SnapshotHeader, checksum::group_checksum, decode_dropped,
    decode_section_front, index::Index,
};
use crate::{
    coding::Reader,
    delta::{Baseline, Decoder, GroupState, Table},
    entropy::Codebook,
    error::DecodeError,
    id::NetworkId,
    limits::{GROUPS_PER_PLAYER_MAX, REPLICA_ENTITIES_MAX},
    replicate::{EntityMap, Replicate},
    schema::{ComponentId, Schema},
    time::Tick,
};
use std::sync::Arc;

/// States kept to be filled again. More than a snapshot usually has sections would only hold memory.
const SPARE_STATES_MAX: usize = 64;

/// What a client holds of a room: exactly what the server says it may see.
///
/// Ids and components are looked up in the newest state ([`row`](Self::row)) or in the one before
/// ([`row_before`](Self::row_before)).
#[derive(Debug)]
pub struct Replica {
    schema: Arc<Schema>,
    codebook: Codebook,
    decoder: Decoder,
    /// By id, ascending.
    groups: Vec<Group>,
    /// Groups that the newest snapshot dropped: the state before still shows them.
    dropped: Vec<Group>,
    index: Index,
    own_entity: Option<NetworkId>,
    tick_before: Option<Tick>,
    applied: Applied,
    staged: Vec<Staged>,
    staged_dropped: Vec<GroupId>,
    spare: Vec<GroupState>,
}

/// One group the player sees.
#[derive(Debug)]
struct Group {
    id: GroupId,
    now: GroupState,
    before: GroupState,
    /// The snapshot that brought `now`.
    tick: Tick,
}

/// A section that was decoded and not yet taken over.
#[derive(Debug)]
struct Staged {
    id: GroupId,
    state: GroupState,
}

/// One component's place in a replica: a row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The table.
    pub table: &'a Table,
    /// The row.
    pub row: usize,
}

impl Row<'_> {
    /// The component as a value; `None` when it is not of this row or holds what no `T` can have written.
    #[must_use]
    pub fn restore<T: Replicate>(
        &self,
        component: ComponentId,
        entities: &dyn EntityMap,
    ) -> Option<T> {
        self.table
            .restore(component, self.row, entities)
            .ok()
            .flatten()
    }
}

impl Replica {
    /// A replica that holds nothing, at the begin of a connection.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        Self {
            codebook: Codebook::initial(&schema),
            decoder: Decoder::new(),
            schema,
            groups: Vec::new(),
            dropped: Vec::new(),
            index: Index::default(),
            own_entity: None,
            tick_before: None,
            applied: Applied::default(),
            staged: Vec::new(),
            staged_dropped: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Takes in one snapshot.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are no snapshot that fits what is held. Nothing has changed then, and
    /// no later snapshot will fit: the connection is to be closed.
    pub fn apply(&mut self, bytes: &[u8]) -> Result<&Applied, DecodeError> {
        let mut reader = Reader::new(bytes);
        let preamble = Preamble::decode(&mut reader, self.applied.header.tick)?;
        let codebook = preamble
            .codebook
            .map(|bytes| self.decode_codebook(bytes))
            .transpose()?;
        let staged = self.stage(&mut reader, codebook.as_ref());
        if let Err(error) = staged.and_then(|()| self.check_staged()) {
            while let Some(staged) = self.staged.pop() {
                self.recycle(staged.state);
            }
            return Err(error);
        }
        self.take_over_header(&preamble, bytes.len());
        if let Some(codebook) = codebook {
            self.codebook = codebook;
        }
        self.take_over_groups();
        Ok(&self.applied)
    }

    fn decode_codebook(&self, bytes: &[u8]) -> Result<Codebook, DecodeError> {
        let mut reader = Reader::new(bytes);
        let codebook = Codebook::decode(&self.schema, &mut reader)?;
        reader.finish("codebook")?;
        Ok(codebook)
    }

    /// Decodes dropped groups and sections into `staged`.
    fn stage(
        &mut self,
        reader: &mut Reader<'_>,
        codebook: Option<&Codebook>,
    ) -> Result<(), DecodeError> {
        let codebook = codebook.unwrap_or(&self.codebook);
        decode_dropped(reader, &mut self.staged_dropped)?;
        let mut entities = 0;
        while !reader.is_empty() {
            if self.staged.len() == GROUPS_PER_PLAYER_MAX {
                return Err(DecodeError::OutOfRange("sections"));
            }
            let (id, ticks_since) = decode_section_front(reader)?;
            let baseline = match ticks_since {
                None => None,
                Some(_) if self.staged_dropped.binary_search(&id).is_ok() => {
                    return Err(DecodeError::Invalid("a baseline that was dropped"));
                }
                Some(ticks_since) => {
                    match self.groups.binary_search_by_key(&id, |group| group.id) {
                        Ok(at) => Some(Baseline {
                            state: &self.groups[at].now,
                            ticks_since,
                        }),
                        Err(_) => return Err(DecodeError::Invalid("a baseline that is not held")),
                    }
                }
            };
            let mut state = self.spare.pop().unwrap_or_default();
            let decoded = self
                .decoder
                .decode(&self.schema, codebook, baseline, reader, &mut state);
            entities += state.len();
            self.staged.push(Staged { id, state });
            decoded?;
            if entities > REPLICA_ENTITIES_MAX {
                return Err(DecodeError::OutOfRange("entities"));
            }
        }
        Ok(())
    }

    /// What only all sections together show: that none comes twice and that the whole stays within bounds.
    fn check_staged(&mut self) -> Result<(), DecodeError> {
        self.staged.sort_unstable_by_key(|staged| staged.id);
        if self.staged.windows(2).any(|pair| pair[0].id == pair[1].id) {
            return Err(DecodeError::Invalid("two sections for one group"));
        }
        let (mut groups, mut entities) = (self.groups.len() + self.staged.len(), 0);
        for group in &self.groups {
            let is_staged = self
                .staged
                .binary_search_by_key(&group.id, |staged| staged.id)
                .is_ok();
            let is_dropped = self.staged_dropped.binary_search(&group.id).is_ok();
            groups -= usize::from(is_staged || is_dropped);
            entities += if is_staged || is_dropped {
                0
            } else {
                group.now.len()
            };
        }
        entities += self
            .staged
            .iter()
            .map(|staged| staged.state.len())
            .sum::<usize>();
        if groups > GROUPS_PER_PLAYER_MAX || entities > REPLICA_ENTITIES_MAX {
            return Err(DecodeError::OutOfRange("what is in view"));
        }
        Ok(())
    }

    fn take_over_header(&mut self, preamble: &Preamble<'_>, bytes: usize) {
        let tick = self.applied.header.tick + preamble.ticks;
        self.tick_before = (self.applied.bytes > 0).then_some(self.applied.header.tick);
        self.own_entity = preamble.own_entity.unwrap_or(self.own_entity);
        self.applied.header = SnapshotHeader {
            tick,
            input: preamble.input,
            input_margin_ticks: preamble.input_margin_ticks,
            own_entity: self.own_entity,
            checksum: preamble.checksum,
            is_complete: !preamble.is_partial,
        };
        self.applied.bytes = bytes;
        self.applied.sections = self.staged.len();
    }

    fn take_over_groups(&mut self) {
        self.index.begin();
        while let Some(group) = self.dropped.pop() {
            self.recycle(group.before);
            self.recycle(group.now);
        }
        for id in &self.staged_dropped {
            if let Ok(at) = self.groups.binary_search_by_key(id, |group| group.id) {
                let group = self.groups.remove(at);
                each_id(&group.now, |entity| self.index.remove(entity, *id));
                self.dropped.push(group);
            }
        }
        let tick = self.applied.header.tick;
        let mut staged = core::mem::take(&mut self.staged);
        for Staged { id, state } in staged.drain(..) {
            let at = match self.groups.binary_search_by_key(&id, |group| group.id) {
                Ok(at) => at,
                Err(at) => {
                    let before = self.spare.pop().map_or_else(GroupState::new, cleared);
                    let now = self.spare.pop().map_or_else(GroupState::new, cleared);
                    self.groups.insert(
                        at,
                        Group {
                            id,
                            now,
                            before,
                            tick,
                        },
                    );
                    at
                }
            };
            let group = &mut self.groups[at];
            group.tick = tick;
            let older =
                core::mem::replace(&mut group.before, core::mem::replace(&mut group.now, state));
            each_difference(&group.before, &group.now, |entity| {
                self.index.remove(entity, id);
            });
            each_difference(&group.now, &group.before, |entity| {
                self.index.add(entity, id);
            });
            self.recycle(older);
        }
        self.staged = staged;
        self.index
            .finish(&mut self.applied.entered, &mut self.applied.left);
    }

    fn recycle(&mut self, state: GroupState) {
        if self.spare.len() < SPARE_STATES_MAX {
            self.spare.push(state);
        }
    }

    /// What the newest snapshot said and changed.
    #[must_use]
    pub const fn applied(&self) -> &Applied {
        &self.applied
    }

    /// The tick of the newest snapshot.
    #[must_use]
    pub const fn tick(&self) -> Tick {
        self.applied.header.tick
    }

    /// The tick of the snapshot before the newest; `None` until there were two.
    #[must_use]
    pub const fn tick_before(&self) -> Option<Tick> {
        self.tick_before
    }

    /// The schema that drives the decoding.
    #[must_use]
    pub const fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Entities in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no entity in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.len() == 0
    }

    /// Whether any part of that entity is visible.
    #[must_use]
    pub fn contains(&self, id: NetworkId) -> bool {
        self.index.places(id).is_some()
    }

    /// All entities, in no particular order.
    pub fn entities(&self) -> impl Iterator<Item = NetworkId> {
        self.index.ids()
    }

    /// Whether that entity shows that component.
    #[must_use]
    pub fn has(&self, id: NetworkId, component: ComponentId) -> bool {
        self.row(id, component).is_some()
    }

    /// Where the newest state of a component is.
    #[must_use]
    pub fn row(&self, id: NetworkId, component: ComponentId) -> Option<Row<'_>> {
        self.group_with(id, component)
            .and_then(|group| find(&group.now, id, component))
    }

    /// Where the state of a component one snapshot earlier is; `None` when it was not there.
    ///
    /// What the newest snapshot did not touch is where it was: the same row as [`row`](Self::row).
    #[must_use]
    pub fn row_before(&self, id: NetworkId, component: ComponentId) -> Option<Row<'_>> {
        let here = self
            .group_with(id, component)
            .and_then(|group| find(group.state_before(self.tick()), id, component));
        here.or_else(|| {
            // It came from another group within this snapshot.
            let from = self.index.places(id)?.went_from?;
            match self.group(from) {
                Some(group) => find(group.state_before(self.tick()), id, component),
                None => {
                    let dropped = self.dropped.iter().find(|group| group.id == from)?;
                    find(&dropped.now, id, component)
                }
            }
        })
    }

    /// All entities with that component and where it is, in no particular order.
    pub fn rows(&self, component: ComponentId) -> impl Iterator<Item = (NetworkId, Row<'_>)> {
        let bit = 1u128 << component.0;
        let tables = self.groups.iter().flat_map(move |group| {
            group
                .now
                .tables()
                .iter()
                .filter(move |table| table.mask() & bit != 0)
                .map(move |table| (group, table))
        });
        tables
            .flat_map(|(group, table)| {
                table
                    .ids
                    .iter()
                    .enumerate()
                    .map(move |(row, id)| (group, *id, Row { table, row }))
            })
            .filter(move |(group, id, _)| {
                !self.index.is_shared(*id)
                    || self
                        .group_with(*id, component)
                        .is_some_and(|newest| newest.id == group.id)
            })
            .map(|(_, id, row)| (id, row))
    }

    /// A fingerprint of everything held, to be compared with [`SnapshotHeader::checksum`].
    #[must_use]
    pub fn checksum(&self) -> u64 {
        self.groups
            .iter()
            .map(|group| group_checksum(group.id, &group.now))
            .fold(0, u64::wrapping_add)
    }

    /// The groups and their states, by id ascending.
    pub fn groups(&self) -> impl Iterator<Item = (GroupId, &GroupState)> {
        self.groups.iter().map(|group| (group.id, &group.now))
    }

    fn group(&self, id: GroupId) -> Option<&Group> {
        let at = self
            .groups
            .binary_search_by_key(&id, |group| group.id)
            .ok()?;
        Some(&self.groups[at])
    }

    /// The group with the newest state of a component: an entity that changed groups under a byte budget can
    /// still stand in the one it left.
    fn group_with(&self, id: NetworkId, component: ComponentId) -> Option<&Group> {
        let places = self.index.places(id)?;
        if let [only] = places.groups[..] {
            return self.group(only);
        }
        let mut newest: Option<&Group> = None;
        for group in places.groups.iter().filter_map(|&group| self.group(group)) {
            let is_newer = newest.is_none_or(|newest| group.tick.is_after(newest.tick));
            if is_newer && find(&group.now, id, component).is_some() {
                newest = Some(group);
            }
        }
        newest
    }
}

impl Group {
    /// Its state one snapshot before `tick`, which is the newest.
    fn state_before(&self, tick: Tick) -> &GroupState {
        if self.tick == tick {
            &self.before
        } else {
            &self.now
        }
    }
}

fn cleared(mut state: GroupState) -> GroupState {
    state.clear();
    state
}

fn find(state: &GroupState, id: NetworkId, component: ComponentId) -> Option<Row<'_>> {
    let bit = 1u128 << component.0;
    let mut tables = state
        .tables()
        .iter()
        .filter(|table| table.mask() & bit != 0);
    tables.find_map(|table| {
        Some(Row {
            table,
            row: table.row_of(id)?,
        })
    })
}

fn each_id(state: &GroupState, mut then: impl FnMut(NetworkId)) {
    state
        .tables()
        .iter()
        .flat_map(|table| &table.ids)
        .for_each(|&id| then(id));
}

/// Calls `then` for every row of `state` whose table in `other` does not have it.
fn each_difference(state: &GroupState, other: &GroupState, mut then: impl FnMut(NetworkId)) {
    for table in state.tables() {
        let known = other
            .table(table.mask())
            .map_or(&[][..], |table| &table.ids);
        if known == table.ids {
            continue;
        }
        let mut at = 0;
        for &id in &table.ids {
            while at < known.len() && known[at] < id {
                at += 1;
            }
            if known.get(at) != Some(&id) {
                then(id);
            }
        }
    }
}
