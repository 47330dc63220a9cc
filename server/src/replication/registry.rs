//! The components a game registers, and how each is read out of the world.
//!
//! In: types. Out: the schema both ends agree on, and for each component a [`Source`] that hides its type.
//! The type is hidden around the whole loop over entities, not around one value, so a tick costs one dynamic
//! call per component.

use super::{entities::Entities, markers::Replicated, rows::Rows};
use bevy_ecs::{
    change_detection::{DetectChanges, Tick},
    component::ComponentId as EcsId,
    prelude::{Component, Entity, QueryState, Ref, With, World},
};
use tickwire_protocol::{
    error::ApiMisuse,
    event::GameEvent,
    limits::SCHEMA_BYTES_MAX,
    replicate::Replicate,
    schema::{EventDirection, EventSchema, Schema},
};

/// Makes the source of one component, in the world it will read.
type MakeSource = fn(&mut World) -> Box<dyn Source>;

/// What a game sends and receives: components, its input and its events, in order of registration.
///
/// Both ends must register the same in the same order; the handshake says what differs.
#[derive(Debug, Default)]
pub struct Registry {
    schema: Schema,
    sources: Vec<MakeSource>,
}

impl Registry {
    /// A registry without anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends component `T` of entities that are [`Replicated`].
    ///
    /// # Errors
    /// [`ApiMisuse::Schema`] when it is registered already or a limit of the schema is passed.
    pub fn register<T: Component + Replicate>(&mut self) -> Result<&mut Self, ApiMisuse> {
        self.schema.add_component(T::schema())?;
        self.sources
            .push(|world| Box::new(ComponentSource::<T>::new(world)));
        Ok(self)
    }

    /// Makes `T` what players send each tick.
    ///
    /// # Errors
    /// [`ApiMisuse::Schema`] when there is an input type already or a limit is passed.
    pub fn input<T: Replicate>(&mut self) -> Result<&mut Self, ApiMisuse> {
        self.schema.set_input(T::schema())?;
        Ok(self)
    }

    /// Adds an event and says which way it may travel.
    ///
    /// # Errors
    /// [`ApiMisuse::Schema`] when its name is taken or there are too many.
    pub fn event<T: GameEvent>(
        &mut self,
        direction: EventDirection,
    ) -> Result<&mut Self, ApiMisuse> {
        self.schema.add_event(EventSchema {
            name: T::NAME.into(),
            direction,
        })?;
        Ok(self)
    }

    /// What was registered, as both ends must know it.
    #[must_use]
    pub const fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Whether clients that do not know the schema can be told it.
    ///
    /// # Errors
    /// [`ApiMisuse::Schema`] when it has more than [`SCHEMA_BYTES_MAX`] bytes.
    pub(crate) fn check(&self) -> Result<(), ApiMisuse> {
        let mut bytes = Vec::new();
        self.schema.encode(&mut bytes);
        if bytes.len() > SCHEMA_BYTES_MAX {
            return Err(ApiMisuse::Schema(format!(
                "{} bytes, of which clients take {SCHEMA_BYTES_MAX}: give fields and variants shorter names, or \
                 register fewer of them",
                bytes.len()
            )));
        }
        Ok(())
    }

    pub(super) fn into_parts(self, world: &mut World) -> (Schema, Vec<Box<dyn Source>>) {
        let sources = self.sources.into_iter().map(|make| make(world)).collect();
        (self.schema, sources)
    }
}

/// Where one component's values come from.
pub(super) trait Source: Send + Sync {
    /// The component's id in the world.
    fn ecs_id(&self) -> EcsId;

    /// Takes the first value of an entity that newly has the component.
    fn find(&self, world: &World, slot: u32, entities: &Entities, rows: &mut Rows, frame: u32);

    /// Takes every value that was written after `since`, or `all` there are.
    fn update(
        &mut self,
        world: &World,
        span: Span,
        all: bool,
        entities: &Entities,
        rows: &mut Rows,
    );
}

/// The time between two captures, as the world counts it, and the frame it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) since: Tick,
    pub(super) now: Tick,
    pub(super) frame: u32,
}

struct ComponentSource<T: Component> {
    ecs_id: EcsId,
    query: QueryState<(Entity, Ref<'static, T>), With<Replicated>>,
}

impl<T: Component> ComponentSource<T> {
    fn new(world: &mut World) -> Self {
        Self {
            ecs_id: world.register_component::<T>(),
            query: QueryState::new(world),
        }
    }
}

impl<T: Component + Replicate> Source for ComponentSource<T> {
    fn ecs_id(&self) -> EcsId {
        self.ecs_id
    }

    fn find(&self, world: &World, slot: u32, entities: &Entities, rows: &mut Rows, frame: u32) {
        if let Some(value) = world.get::<T>(entities.slot(slot).entity) {
            rows.found(slot, value, entities, frame);
        }
    }

    fn update(
        &mut self,
        world: &World,
        span: Span,
        all: bool,
        entities: &Entities,
        rows: &mut Rows,
    ) {
        for (entity, value) in self.query.iter(world) {
            if !all && !value.last_changed().is_newer_than(span.since, span.now) {
                continue;
            }
            // An entity without a slot came after the sweep ran out of ids.
            let Some(slot) = entities.find(entity) else {
                continue;
            };
            rows.update(slot, &*value, entities, span.frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Registers components of 64 columns each, with paths of a hundred bytes.
    macro_rules! register_wide {
        ($registry:expr, $($name:ident)*) => { $({
            #[derive(Component, Replicate, Clone, Debug, PartialEq)]
            struct $name {
                a_field_with_a_name_that_is_so_very_long_that_the_schema_has_no_room_for_many_of_its_kind: [u8; 64],
            }
            assert!($registry.register::<$name>().is_ok());
        })* };
    }

    #[test]
    fn a_schema_that_is_too_long_for_clients_is_refused_at_the_start() {
        let mut registry = Registry::new();
        register_wide!(registry, A B C D E F G H);
        assert_eq!(registry.check(), Ok(()));
        register_wide!(registry, I J K L);
        let refused = registry.check().map_err(|misuse| misuse.to_string());
        assert!(refused.is_err_and(|why| why.contains("shorter names")));
    }
}
