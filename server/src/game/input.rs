//! A player's input, from bytes to its component, without the room knowing its type.

use core::marker::PhantomData;

use bevy_ecs::{entity::Entity, world::World};
use tickwire_protocol::{
    error::DecodeError,
    replicate::{EntityMap, Replicate, decode_value_with},
};

use super::world::CurrentInput;

/// The input type of a game.
pub(crate) trait InputDoor: Send + Sync {
    /// Gives a player's entity an input with nothing pressed.
    fn insert(&self, world: &mut World, entity: Entity);
    /// Takes the input from an entity that is no player's any more.
    fn remove(&self, world: &mut World, entity: Entity);
    /// Sets what a player holds down in this tick; `None` keeps the last. Entities that the input
    /// names are found through `entities`.
    fn set(
        &self,
        world: &mut World,
        entity: Entity,
        bytes: Option<&[u8]>,
        entities: &dyn EntityMap,
    ) -> Result<(), DecodeError>;
}

/// The one whose inputs are `I`.
pub(super) fn door<I: Replicate + Default>() -> Box<dyn InputDoor> {
    Box::new(Door::<I>(PhantomData))
}

struct Door<I>(PhantomData<I>);

impl<I: Replicate + Default> InputDoor for Door<I> {
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
