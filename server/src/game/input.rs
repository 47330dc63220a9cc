//! A player's input, from bytes to its component, without the room knowing its type.

use core::marker::PhantomData;

use bevy_ecs::{entity::Entity, world::World};
use tickwire_protocol::{
    error::DecodeError,
    replicate::{EntityMap, Replicate, decode_value_with},
};

use super::world::CurrentInput;

/// The input type of a game.
pub(crate) struct InputDoor(Box<dyn Door>);

impl InputDoor {
    pub(super) fn new<I: Replicate + Default>() -> Self {
        Self(Box::new(Typed::<I>(PhantomData)))
    }

    /// Gives a player's entity an input with nothing pressed.
    pub(crate) fn insert(&self, world: &mut World, entity: Entity) {
        self.0.insert(world, entity);
    }

    /// Takes the input from an entity that is no player's any more.
    pub(crate) fn remove(&self, world: &mut World, entity: Entity) {
        self.0.remove(world, entity);
    }

    /// Sets what a player holds down in this tick; `None` keeps the last. Entities that the input
    /// names are found through `entities`.
    pub(crate) fn set(
        &self,
        world: &mut World,
        entity: Entity,
        bytes: Option<&[u8]>,
        entities: &dyn EntityMap,
    ) -> Result<(), DecodeError> {
        self.0.set(world, entity, bytes, entities)
    }
}

trait Door: Send + Sync {
    fn insert(&self, world: &mut World, entity: Entity);
    fn remove(&self, world: &mut World, entity: Entity);
    fn set(
        &self,
        world: &mut World,
        entity: Entity,
        bytes: Option<&[u8]>,
        entities: &dyn EntityMap,
    ) -> Result<(), DecodeError>;
}

struct Typed<I>(PhantomData<I>);

impl<I: Replicate + Default> Door for Typed<I> {
    fn insert(&self, world: &mut World, entity: Entity) {
        if let Ok(mut player) = world.get_entity_mut(entity) {
            player.insert(CurrentInput::<I>::default());
        }
    }

    fn remove(&self, world: &mut World, entity: Entity) {
        if let Ok(mut player) = world.get_entity_mut(entity) {
            player.remove::<CurrentInput<I>>();
        }
    }

    fn set(
        &self,
        world: &mut World,
        entity: Entity,
        bytes: Option<&[u8]>,
        entities: &dyn EntityMap,
    ) -> Result<(), DecodeError> {
        let value = bytes
            .map(|bytes| decode_value_with::<I>(bytes, entities))
            .transpose()?;
        // Game code may have taken the component, or the entity, away: then nobody wants the input.
        if let Some(mut input) = world.get_mut::<CurrentInput<I>>(entity) {
            input.is_fresh = value.is_some();
            if let Some(value) = value {
                input.value = value;
            }
        }
        Ok(())
    }
}
