//! The replicated entities of a room: who is there, with which components, under which network id.
//!
//! In: the world, once a tick. Out: who arrived, who changed its set of components, who is gone. The decision
//! to question: one sweep over the entity lists of the archetypes, about 2 ns per entity, instead of hooks or
//! observers. It misses nothing whatever way an entity was despawned (with its parent, by a command, by
//! another plugin), and needs nobody to call anything at the right moment.

use super::{
    markers::Replicated,
    placement::{Part, Traits},
    region::Cell,
};
use bevy_ecs::{
    archetype::{Archetype, ArchetypeId},
    component::ComponentId as EcsId,
    entity_disabling::Disabled,
    prelude::{Entity, Resource, World},
};
use std::collections::HashMap;
use tickwire_protocol::{id::NetworkId, replicate::EntityMap};

/// The first network id of a room. As bits, 1 is bevy's `Entity::PLACEHOLDER`, and an end without a world takes bits
/// for ids.
const FIRST_ID: u32 = 2;

/// No slot.
const NONE: u32 = u32::MAX;

/// Audiences, and so parts that one entity can have.
pub(super) const PARTS: usize = 4;

/// One replicated entity.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) entity: Entity,
    pub(super) id: NetworkId,
    /// Its registered components.
    pub(super) mask: u128,
    /// Where its components stand, by audience.
    pub(super) parts: [Part; PARTS],
    pub(super) cell: Option<Cell>,
    pub(super) traits: Traits,
    /// The frame at which a component of it changed last.
    pub(super) changed: u32,
    archetype: ArchetypeId,
    seen: u32,
    is_live: bool,
}

/// The slots of all replicated entities, and what the last sweep found.
#[derive(Debug, Default)]
pub(super) struct Entities {
    slots: Vec<Slot>,
    /// By the entity's index in the world.
    slot_of: Vec<u32>,
    slot_of_id: HashMap<NetworkId, u32>,
    free: Vec<u32>,
    ids_given: u32,
    live: usize,
    /// For each archetype, the registered components of its entities if those are replicated.
    masks: Vec<Option<u128>>,
    /// Slots that are new.
    pub(super) arrived: Vec<u32>,
    /// Slots whose set of components (any, not only registered ones) changed, and the mask before.
    pub(super) remade: Vec<(u32, u128)>,
    /// Slots whose entity is replicated no more; freed by [`forget_departed`](Self::forget_departed).
    pub(super) departed: Vec<u32>,
}

impl Entities {
    pub(super) fn len(&self) -> usize {
        self.live
    }

    pub(super) fn slots_len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn slot(&self, slot: u32) -> &Slot {
        &self.slots[slot as usize]
    }

    pub(super) fn slot_mut(&mut self, slot: u32) -> &mut Slot {
        &mut self.slots[slot as usize]
    }

    /// The slot of an entity.
    #[inline]
    pub(super) fn find(&self, entity: Entity) -> Option<u32> {
        let slot = *self.slot_of.get(entity.index_u32() as usize)?;
        (slot != NONE && self.slots[slot as usize].entity == entity).then_some(slot)
    }

    pub(super) fn id_of(&self, entity: Entity) -> Option<NetworkId> {
        self.find(entity).map(|slot| self.slot(slot).id)
    }

    pub(super) fn entity_of(&self, id: NetworkId) -> Option<Entity> {
        self.slot_of_id.get(&id).map(|&slot| self.slot(slot).entity)
    }

    /// Looks at every replicated entity of the world. `registered` are the components of the schema, in its
    /// order.
    pub(super) fn sweep(&mut self, world: &World, registered: &[EcsId], frame: u32) {
        self.arrived.clear();
        self.remade.clear();
        self.departed.clear();
        self.learn_archetypes(world, registered);
        let mut seen = 0;
        for archetype in world.archetypes().iter() {
            let Some(mask) = self.masks[archetype.id().index()] else {
                continue;
            };
            seen += archetype.entities().len();
            for entity in archetype.entities() {
                self.meet(entity.id(), archetype.id(), mask, frame);
            }
        }
        if self.live > seen {
            self.find_departed(frame);
        }
    }

    fn learn_archetypes(&mut self, world: &World, registered: &[EcsId]) {
        if self.masks.len() == world.archetypes().len() {
            return;
        }
        let replicated = world.component_id::<Replicated>();
        let disabled = world.component_id::<Disabled>();
        let has =
            |archetype: &Archetype, id: Option<EcsId>| id.is_some_and(|id| archetype.contains(id));
        for archetype in world.archetypes().iter().skip(self.masks.len()) {
            let is_replicated = has(archetype, replicated) && !has(archetype, disabled);
            let bit = |(place, id): (usize, &EcsId)| u128::from(archetype.contains(*id)) << place;
            let mask = registered
                .iter()
                .enumerate()
                .map(bit)
                .fold(0, |mask, bit| mask | bit);
            self.masks.push(is_replicated.then_some(mask));
        }
    }

    #[inline]
    fn meet(&mut self, entity: Entity, archetype: ArchetypeId, mask: u128, frame: u32) {
        let index = entity.index_u32() as usize;
        match self.slot_of.get(index) {
            Some(&slot) if slot != NONE && self.slots[slot as usize].entity == entity => {
                let known = &mut self.slots[slot as usize];
                known.seen = frame;
                if known.archetype != archetype {
                    known.archetype = archetype;
                    self.remade.push((slot, known.mask));
                    known.mask = mask;
                }
            }
            _ => self.arrive(entity, archetype, mask, frame),
        }
    }

    fn arrive(&mut self, entity: Entity, archetype: ArchetypeId, mask: u128, frame: u32) {
        // One number is the wire's placeholder, so ids end before it. A room that spawns a thousand entities
        // a second gets there after seven weeks.
        let id = self.ids_given.saturating_add(FIRST_ID);
        if id == u32::MAX {
            tracing::error!("a room ran out of network ids: new entities are not replicated");
            return;
        }
        self.ids_given += 1;
        let index = entity.index_u32() as usize;
        if self.slot_of.len() <= index {
            self.slot_of.resize(index + 1, NONE);
        }
        let new = Slot {
            entity,
            id: NetworkId(id),
            mask,
            parts: [Part::default(); PARTS],
            cell: None,
            traits: Traits::default(),
            changed: frame,
            archetype,
            seen: frame,
            is_live: true,
        };
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(slot as usize) {
            Some(place) => *place = new,
            None => self.slots.push(new),
        }
        self.slot_of[index] = slot;
        self.slot_of_id.insert(NetworkId(id), slot);
        self.live += 1;
        self.arrived.push(slot);
    }

    fn find_departed(&mut self, frame: u32) {
        for (slot, known) in self.slots.iter_mut().enumerate() {
            if known.is_live && known.seen != frame {
                known.is_live = false;
                self.departed.push(slot as u32);
            }
        }
        self.live -= self.departed.len();
    }

    /// Frees the slots of the departed, once everyone else has seen to them.
    pub(super) fn forget_departed(&mut self) {
        for slot in &self.departed {
            let known = &self.slots[*slot as usize];
            self.slot_of_id.remove(&known.id);
            // A newer entity may have the index already.
            let index = known.entity.index_u32() as usize;
            if self.slot_of[index] == *slot {
                self.slot_of[index] = NONE;
            }
            self.free.push(*slot);
        }
    }
}

/// Network ids, for systems: how an event names an entity to clients, and which entity a client's event names.
///
/// The hooks of a [`Game`](crate::game::Game) that are about a player read it as well. A [`Filter`](super::Filter) finds
/// none in it.
///
/// ```
/// use tickwire_server::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)]
/// # struct Hit { entity: u32 }
/// # impl GameEvent for Hit { const NAME: &'static str = "hit"; }
/// # #[derive(Component)]
/// # struct Wounded;
///
/// fn tell(hit: Query<Entity, Added<Wounded>>, ids: Res<NetworkIds>, mut outbox: ResMut<Outbox>) {
///     for id in hit.iter().filter_map(|entity| ids.id(entity)) {
///         outbox.broadcast(&Hit { entity: id.0 });
///     }
/// }
/// # let _ = Game::new("hits").event::<Hit>().add_systems(tell);
/// ```
#[derive(Resource, Debug, Default)]
pub struct NetworkIds(Entities);

impl NetworkIds {
    /// The id of an entity; `None` when it is not replicated, and until a tick with it has been captured. That is the
    /// one in which it came to be, or in a room that catches up the first that is shown again: at most
    /// [`CATCH_UP_TICKS_MAX`](crate::limits::CATCH_UP_TICKS_MAX) later.
    #[must_use]
    pub fn id(&self, entity: Entity) -> Option<NetworkId> {
        self.0.id_of(entity)
    }

    /// The entity with that id, as of the last tick that was captured: it may be gone since.
    #[must_use]
    pub fn entity(&self, id: NetworkId) -> Option<Entity> {
        self.0.entity_of(id)
    }

    /// Changes places with what replication has: systems read it, and replication needs it between them.
    pub(super) fn swap(&mut self, entities: &mut Entities) {
        core::mem::swap(&mut self.0, entities);
    }
}

impl EntityMap for Entities {
    fn network_id(&self, entity_bits: u64) -> Option<NetworkId> {
        self.id_of(Entity::try_from_bits(entity_bits)?)
    }

    fn entity_bits(&self, id: NetworkId) -> Option<u64> {
        self.entity_of(id).map(Entity::to_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickwire_protocol::replicate::SameIds;

    #[test]
    fn no_entity_has_the_id_for_which_another_end_takes_bevys_placeholder() {
        let mut world = World::new();
        let first = world.spawn(Replicated).id();
        let mut entities = Entities::default();
        entities.sweep(&world, &[], 1);
        assert_eq!(entities.id_of(first), Some(NetworkId(FIRST_ID)));
        let placeholder = SameIds.network_id(Entity::PLACEHOLDER.to_bits());
        assert_eq!(placeholder.and_then(|id| entities.entity_of(id)), None);
    }

    #[test]
    fn whatever_id_a_reference_has_an_end_without_a_world_makes_an_entity_of_it() {
        for id in [0, 1, FIRST_ID, u32::MAX] {
            let bits = SameIds.entity_bits(NetworkId(id));
            bits.map(Entity::from_bits);
        }
        assert_eq!(SameIds.entity_bits(NetworkId(0)), None);
    }
}
