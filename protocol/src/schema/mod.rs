//! What a game replicates, as both ends know it: component names, fields, precision, audience.
//!
//! In go a game's registrations (or the bytes of them, in the handshake); out comes the layout that drives
//! the codec. The decision to question: a component is a *flat* list of integer columns and blobs, each with
//! a dotted path, not a tree of types. The codec works by column, a JavaScript game reads columns as typed
//! arrays, and neither has to walk a tree a peer has shaped.

mod coding;
mod column;
mod difference;

pub(crate) use column::ENUM_TAG;
pub(crate) use column::mask;
pub use column::{BlobKind, BlobSchema, ColumnKind, ColumnSchema, Predict, Shape, bits_for};

use crate::{
    error::ApiMisuse,
    limits::{
        BLOBS_PER_COMPONENT_MAX, COLUMNS_PER_COMPONENT_MAX, COMPONENTS_MAX, EVENTS_MAX,
        SCHEMA_NAME_BYTES_MAX,
    },
};

/// The place of a component in the schema, in order of registration: the bit it has in a row's mask.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ComponentId(pub u8);

/// Who may see a component.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum Audience {
    /// Every player in whose view the entity is.
    #[default]
    Everyone = 0,
    /// The player who owns the entity, and nobody else.
    Owner = 1,
    /// The players of the entity's team.
    Team = 2,
    /// The players that the game's own predicate names.
    Filtered = 3,
}

/// When a change of a component is sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SendRule {
    /// At the next tick.
    #[default]
    OnChange,
    /// Never: the value an entity had when the component was captured first is the value it keeps.
    Once,
    /// At most every so many ticks; at least 1.
    Every(u16),
}

/// What applies to a component as a whole: who sees it and when it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Rules {
    /// Who may see it.
    pub audience: Audience,
    /// When a change is sent.
    pub send: SendRule,
}

/// One component: its name, its rules, and what its fields flatten to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ComponentSchema {
    /// The name of the type, or the one `#[replicate(name = "…")]` gives it.
    pub name: String,
    /// Who sees it and when it is sent.
    pub rules: Rules,
    /// Its columns and blobs, in order of declaration.
    pub shape: Shape,
}

/// Which way a game's event may travel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum EventDirection {
    /// From the room to players.
    ToClient = 0,
    /// From a player to the room.
    ToServer = 1,
    /// Either way.
    Both = 2,
}

/// One kind of event of a game.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct EventSchema {
    /// Its name.
    pub name: String,
    /// Who may send it.
    pub direction: EventDirection,
}

/// Everything both ends must agree on before a snapshot, an input or an event means anything.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Schema {
    components: Vec<ComponentSchema>,
    /// What a player's input of one tick looks like.
    input: Option<ComponentSchema>,
    events: Vec<EventSchema>,
    /// For each component, the number of columns before it: a column's place in the codebook.
    column_starts: Vec<u16>,
}

impl Schema {
    /// A schema with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a component; its id is the number of those before it.
    ///
    /// # Errors
    /// [`ApiMisuse::Schema`] when the name is taken or a limit of [`limits`](crate::limits) is passed.
    pub fn add_component(&mut self, component: ComponentSchema) -> Result<ComponentId, ApiMisuse> {
        let refuse = |why: String| Err(ApiMisuse::Schema(why));
        if self.components.len() == COMPONENTS_MAX {
            return refuse(format!("more than {COMPONENTS_MAX} components"));
        }
        if self.component(&component.name).is_some() {
            return refuse(format!("two components are named {}", component.name));
        }
        component.check().map_err(ApiMisuse::Schema)?;
        let id = ComponentId(self.components.len() as u8);
        self.column_starts.push(self.columns_len() as u16);
        self.components.push(component);
        Ok(id)
    }

    /// Sets what an input looks like.
    ///
    /// # Errors
    /// [`ApiMisuse::Schema`] when there is one already or a limit is passed.
    pub fn set_input(&mut self, input: ComponentSchema) -> Result<(), ApiMisuse> {
        if self.input.is_some() {
            return Err(ApiMisuse::Schema("two input types".into()));
        }
        input.check().map_err(ApiMisuse::Schema)?;
        self.input = Some(input);
        Ok(())
    }

    /// Adds an event; its number is the number of those before it.
    ///
    /// # Errors
    /// [`ApiMisuse::Schema`] when the name is taken or too long, or there are too many.
    pub fn add_event(&mut self, event: EventSchema) -> Result<u16, ApiMisuse> {
        if self.events.len() == EVENTS_MAX {
            return Err(ApiMisuse::Schema(format!("more than {EVENTS_MAX} events")));
        }
        if self.events.iter().any(|known| known.name == event.name) {
            return Err(ApiMisuse::Schema(format!(
                "two events are named {}",
                event.name
            )));
        }
        check_name(&event.name).map_err(ApiMisuse::Schema)?;
        self.events.push(event);
        Ok((self.events.len() - 1) as u16)
    }

    /// The components, by id.
    #[must_use]
    pub fn components(&self) -> &[ComponentSchema] {
        &self.components
    }

    /// What an input looks like, if the game has one.
    #[must_use]
    pub fn input(&self) -> Option<&ComponentSchema> {
        self.input.as_ref()
    }

    /// The events, by number.
    #[must_use]
    pub fn events(&self) -> &[EventSchema] {
        &self.events
    }

    /// The component of that name.
    #[must_use]
    pub fn component(&self, name: &str) -> Option<ComponentId> {
        let place = self
            .components
            .iter()
            .position(|component| component.name == name)?;
        Some(ComponentId(place as u8))
    }

    /// The number and the definition of the event of that name.
    #[must_use]
    pub fn event(&self, name: &str) -> Option<(u16, &EventSchema)> {
        let place = self.events.iter().position(|event| event.name == name)?;
        Some((place as u16, &self.events[place]))
    }

    /// Columns of all components together: the length of a codebook.
    #[must_use]
    pub fn columns_len(&self) -> usize {
        match (self.column_starts.last(), self.components.last()) {
            (Some(&start), Some(last)) => start as usize + last.shape.columns.len(),
            _ => 0,
        }
    }

    /// The place of a component's first column among all columns.
    ///
    /// # Panics
    /// When the id is not of this schema.
    #[must_use]
    pub fn column_start(&self, component: ComponentId) -> usize {
        self.column_starts[component.0 as usize] as usize
    }

    /// All components as a row's mask: bits outside it mean nothing in this schema.
    #[must_use]
    pub fn mask_all(&self) -> u128 {
        match self.components.len() {
            0 => 0,
            len => u128::MAX >> (COMPONENTS_MAX - len),
        }
    }

    /// The components in a mask, by id, ascending.
    pub fn components_in(
        &self,
        mask: u128,
    ) -> impl Iterator<Item = (ComponentId, &ComponentSchema)> {
        let mut left = mask & self.mask_all();
        core::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let place = left.trailing_zeros() as usize;
            left &= left - 1;
            Some((ComponentId(place as u8), &self.components[place]))
        })
    }
}

impl ComponentSchema {
    /// The first column and its place under a dotted path, such as `x` or `aim.angle`.
    #[must_use]
    pub fn column(&self, path: &str) -> Option<usize> {
        self.shape
            .columns
            .iter()
            .position(|column| column.path == path)
    }

    /// The place of the blob under a dotted path.
    #[must_use]
    pub fn blob(&self, path: &str) -> Option<usize> {
        self.shape.blobs.iter().position(|blob| blob.path == path)
    }

    /// Whether it is within every limit, or what is wrong with it.
    fn check(&self) -> Result<(), String> {
        check_name(&self.name)?;
        if self.rules.send == SendRule::Every(0) {
            return Err(format!("{}: every 0 ticks", self.name));
        }
        let Shape { columns, blobs } = &self.shape;
        if columns.len() > COLUMNS_PER_COMPONENT_MAX || blobs.len() > BLOBS_PER_COMPONENT_MAX {
            return Err(format!(
                "{} has {} columns and {} blobs, {COLUMNS_PER_COMPONENT_MAX} and {BLOBS_PER_COMPONENT_MAX} are possible",
                self.name,
                columns.len(),
                blobs.len()
            ));
        }
        self.shape
            .check(0)
            .map_err(|why| format!("{}.{why}", self.name))
    }
}

/// Whether a name or path can stand in a schema.
fn check_name(name: &str) -> Result<(), String> {
    if name.len() > SCHEMA_NAME_BYTES_MAX {
        return Err(format!(
            "a name of {} bytes, {SCHEMA_NAME_BYTES_MAX} are possible",
            name.len()
        ));
    }
    Ok(())
}
