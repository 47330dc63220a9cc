//! Events from players, from bytes to bevy messages, without the room knowing their types.

use core::marker::PhantomData;

use bevy_ecs::{
    entity::Entity,
    message::{MessageRegistry, Messages},
    world::World,
};
use tickwire_protocol::{
    error::{DecodeError, PeerError},
    event::{self, GameEvent},
    id::PlayerId,
};

use super::world::{FromPlayer, Outbox};

/// The events of a game, in the order of its schema.
#[derive(Default)]
pub(crate) struct EventDoors {
    doors: Vec<Box<dyn EventDoor>>,
}

impl EventDoors {
    pub(super) fn add<E: GameEvent>(&mut self, world: &mut World) {
        MessageRegistry::register_message::<FromPlayer<E>>(world);
        world.resource_mut::<Outbox>().register(E::NAME);
        self.doors.push(Box::new(Door::<E>(PhantomData)));
    }

    /// Reads an event that `player` sent and puts it before the game's systems. The player's `entity` may be gone.
    pub(crate) fn receive(
        &self,
        world: &mut World,
        player: PlayerId,
        entity: Entity,
        bytes: &[u8],
    ) -> Result<(), PeerError> {
        let entity = world.get_entity(entity).is_ok().then_some(entity);
        let (index, rest) = event::split(bytes)?;
        let door = self
            .doors
            .get(index)
            .ok_or(DecodeError::Invalid("an event's index"))?;
        door.receive(world, player, entity, rest)
    }

    /// Forgets what the systems have read, once a tick.
    pub(crate) fn clear(&self, world: &mut World) {
        for door in &self.doors {
            door.clear(world);
        }
    }
}

trait EventDoor: Send + Sync {
    fn receive(
        &self,
        world: &mut World,
        player: PlayerId,
        entity: Option<Entity>,
        bytes: &[u8],
    ) -> Result<(), PeerError>;
    fn clear(&self, world: &mut World);
}

struct Door<E>(PhantomData<E>);

impl<E: GameEvent> EventDoor for Door<E> {
    fn receive(
        &self,
        world: &mut World,
        player: PlayerId,
        entity: Option<Entity>,
        bytes: &[u8],
    ) -> Result<(), PeerError> {
        let event = event::decode(bytes)?;
        world.write_message(FromPlayer::<E> {
            player,
            entity,
            event,
        });
        Ok(())
    }

    fn clear(&self, world: &mut World) {
        // Everything was readable during the one tick that has run since it came.
        world.resource_mut::<Messages<FromPlayer<E>>>().clear();
    }
}
