//! The game at one moment, as a game reads it: by component, by entity, typed.
//!
//! Between two states numbers that move are mixed; everything discrete (which entities there are, which
//! components they have, integers, texts) is as it was at the earlier of the two. So what is drawn is what
//! the server had at that moment, and nothing appears before its time.

use tickwire_protocol::{
    delta::Table,
    id::{NetworkId, PlayerId},
    replicate::{Replicate, RowReader, SameIds},
    schema::{ComponentId, Schema},
};

use super::frame::Frame;
use crate::playout::GameTime;

/// A moment of the game: entities and their components, as they are drawn. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub(super) schema: &'a Schema,
    /// Whether the program's own schema was compared with the server's.
    pub(super) is_compared: bool,
    pub(super) from: &'a Frame,
    pub(super) to: &'a Frame,
    pub(super) fraction: f32,
    pub(super) before: Option<&'a Frame>,
    pub(super) entered: &'a [NetworkId],
    pub(super) left: &'a [NetworkId],
    pub(super) player: PlayerId,
}

impl<'a> View<'a> {
    /// The moment: the tick and how far it is to the next state's.
    #[must_use]
    pub fn time(&self) -> GameTime {
        let ticks = self.to.tick().since(self.from.tick()) as f32 * self.fraction;
        GameTime {
            tick: self.from.tick() + ticks as u32,
            fraction: ticks.fract(),
        }
    }

    /// What both ends agreed on.
    #[must_use]
    pub fn schema(&self) -> &'a Schema {
        self.schema
    }

    /// This player's number in the room.
    #[must_use]
    pub fn player(&self) -> PlayerId {
        self.player
    }

    /// This player's own entity; `None` while it has none, for example while it is dead.
    #[must_use]
    pub fn own(&self) -> Option<NetworkId> {
        self.from.own()
    }

    /// Every entity in view, ascending.
    #[must_use]
    pub fn entities(&self) -> &'a [NetworkId] {
        self.from.entities()
    }

    /// Entities that came into view since the frame before, which is the call of
    /// [`handle_frame`](crate::Client::handle_frame) before the last.
    #[must_use]
    pub fn entered(&self) -> &'a [NetworkId] {
        self.entered
    }

    /// Entities that went out of view since the frame before; [`before`](Self::before) still has them.
    #[must_use]
    pub fn left(&self) -> &'a [NetworkId] {
        self.left
    }

    /// The state that was drawn from before the last one, if it is another: what an entity that
    /// [`left`](Self::left) was like.
    #[must_use]
    pub fn before(&self) -> Option<Self> {
        let before = self.before?;
        Some(Self {
            from: before,
            to: before,
            fraction: 0.0,
            before: None,
            entered: &[],
            left: &[],
            ..*self
        })
    }

    /// A component of an entity; `None` when it does not have it, or the schema does not, or has other fields in
    /// its place ([`Schema::component_of`] says which).
    ///
    /// Cost: a search of the component's name and of the entity, then a few nanoseconds per field; a microsecond
    /// more where no schema was compared at the start. To go over many, [`iter`](Self::iter) is cheaper.
    #[must_use]
    pub fn get<T: Replicate>(&self, id: NetworkId) -> Option<T> {
        let component = self.component_of::<T>()?;
        let table = self.from.component(component)?;
        let row = table.row_of(id)?;
        let toward = self
            .to
            .component(component)
            .and_then(|to| Some((to, to.row_of(id)?)));
        self.read(component, table, row, toward)
    }

    /// Whether an entity has a component.
    #[must_use]
    pub fn has<T: Replicate>(&self, id: NetworkId) -> bool {
        let table = self
            .schema
            .component(T::NAME)
            .and_then(|component| self.from.component(component));
        table.is_some_and(|table| table.row_of(id).is_some())
    }

    /// Every entity that has a component, ascending, with it.
    pub fn iter<T: Replicate>(&self) -> impl Iterator<Item = (NetworkId, T)> + use<'a, T> {
        let view = *self;
        let component = self.component_of::<T>();
        let table =
            component.and_then(|component| Some((component, view.from.component(component)?)));
        let mut next_to = 0;
        table
            .into_iter()
            .flat_map(|(component, table)| (0..table.len()).map(move |row| (component, table, row)))
            .filter_map(move |(component, table, row)| {
                let id = table.ids[row];
                let toward = view.to.component(component).and_then(|to| {
                    while to.ids.get(next_to).is_some_and(|&other| other < id) {
                        next_to += 1;
                    }
                    (to.ids.get(next_to) == Some(&id)).then_some((to, next_to))
                });
                Some((id, view.read(component, table, row, toward)?))
            })
    }

    fn component_of<T: Replicate>(&self) -> Option<ComponentId> {
        if self.is_compared {
            self.schema.component(T::NAME)
        } else {
            self.schema.component_of::<T>().ok()
        }
    }

    fn read<T: Replicate>(
        &self,
        component: ComponentId,
        table: &Table,
        row: usize,
        toward: Option<(&Table, usize)>,
    ) -> Option<T> {
        let mut reader: RowReader<'_> = table.reader(component, &SameIds)?;
        if let Some((to, row)) = toward {
            reader = reader.toward(&to.columns, row, self.fraction);
        }
        T::restore(reader.at(row)).ok()
    }
}
