//! Where entities are: reads positions out of a game's own component.
//!
//! In: the world. Out: positions that may have changed since the last tick, and the centre of a view.

use super::markers::Replicated;
use bevy_ecs::{
    change_detection::{DetectChanges, Tick},
    prelude::{Component, Entity, QueryState, Ref, With, World},
};

/// A component that says where an entity is.
pub(super) trait Positions: Send + Sync {
    /// Calls `then` for every replicated entity whose position was written after `since`.
    fn each_changed(
        &mut self,
        world: &mut World,
        since: Tick,
        now: Tick,
        then: &mut dyn FnMut(Entity, [f32; 2]),
    );

    /// Where one entity is.
    fn of(&self, world: &World, entity: Entity) -> Option<[f32; 2]>;
}

type Query<P> = QueryState<(Entity, Ref<'static, P>), With<Replicated>>;

/// [`Positions`] of entities that have `P`.
pub(super) struct PositionOf<P: Component> {
    query: Option<Query<P>>,
    read: fn(&P) -> [f32; 2],
}

impl<P: Component> PositionOf<P> {
    pub(super) fn new(read: fn(&P) -> [f32; 2]) -> Self {
        Self { query: None, read }
    }
}

impl<P: Component> Positions for PositionOf<P> {
    fn each_changed(
        &mut self,
        world: &mut World,
        since: Tick,
        now: Tick,
        then: &mut dyn FnMut(Entity, [f32; 2]),
    ) {
        let query = self.query.get_or_insert_with(|| QueryState::new(world));
        for (entity, position) in query.iter(world) {
            if position.last_changed().is_newer_than(since, now) {
                then(entity, (self.read)(&position));
            }
        }
    }

    fn of(&self, world: &World, entity: Entity) -> Option<[f32; 2]> {
        world.get::<P>(entity).map(self.read)
    }
}
