//! Fields by name: what a game that was not compiled in shows, from the schema alone.
//!
//! In come a component and a dotted path; out come numbers, one per entity, mixed between two states as a
//! typed read would mix them. A JavaScript game draws from these.

use tickwire_protocol::{
    delta::Table,
    replicate::{mix_angles, mix_floats, number},
    schema::{ColumnKind, ColumnSchema, ComponentId},
};

use super::View;

/// What a field's numbers are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldKind {
    /// A float, or an angle in radians.
    Float,
    /// An integer, or the number of an enum's variant.
    Integer,
    /// 0 or 1.
    Bool,
    /// An entity's id, or -1 for none.
    Entity,
}

impl View<'_> {
    /// Writes the ids of the entities that have a component, ascending, and says whether the schema has
    /// it.
    pub fn entities_with(&self, component: &str, out: &mut Vec<u32>) -> bool {
        out.clear();
        let Some((_, table)) = self.named(component) else {
            return false;
        };
        out.extend(table.ids.iter().map(|id| id.0));
        true
    }

    /// Writes the numbers of one field, in the order of [`entities_with`](Self::entities_with), and says
    /// what they are; `None` when the schema has no such field of that component.
    pub fn field(&self, component: &str, path: &str, out: &mut Vec<f64>) -> Option<FieldKind> {
        out.clear();
        let (id, table) = self.named(component)?;
        let definition = &self.schema.components()[usize::from(id.0)];
        let place = definition.column(path)?;
        let columns = &definition.shape.columns;
        let high = matches!(
            columns.get(place + 1).map(|next| &next.kind),
            Some(ColumnKind::High)
        );
        let kind = kind_of(&columns[place].kind);
        let to = self.to.component(id);
        let mut next_to = 0;
        for (row, entity) in table.ids.iter().enumerate() {
            let toward = to.and_then(|to| {
                while to.ids.get(next_to).is_some_and(|other| other < entity) {
                    next_to += 1;
                }
                (to.ids.get(next_to) == Some(entity)).then(|| to.columns[place].values[next_to])
            });
            let integer = |column: usize| table.columns[column].values[row].cast_unsigned();
            let upper = if high { integer(place + 1) } else { 0 };
            let here = number(&columns[place], integer(place), upper);
            out.push(match toward {
                Some(there) => self.mix(&columns[place], here, there),
                None => here,
            });
        }
        Some(kind)
    }

    /// The text of one field of one entity.
    #[must_use]
    pub fn text(&self, component: &str, path: &str, entity: u32) -> Option<&str> {
        core::str::from_utf8(self.blob(component, path, entity)?).ok()
    }

    /// The bytes of one field of one entity, for a field without a fixed size.
    #[must_use]
    pub fn blob(&self, component: &str, path: &str, entity: u32) -> Option<&[u8]> {
        let (id, table) = self.named(component)?;
        let place = self.schema.components()[usize::from(id.0)].blob(path)?;
        let row = table.row_of(tickwire_protocol::id::NetworkId(entity))?;
        table.blobs[place].values.get(row).map(|bytes| &bytes[..])
    }

    fn named(&self, component: &str) -> Option<(ComponentId, &Table)> {
        let id = self.schema.component(component)?;
        Some((id, self.from.component(id)?))
    }

    fn mix(&self, schema: &ColumnSchema, here: f64, there: i32) -> f64 {
        let there = number(schema, there.cast_unsigned(), 0);
        match schema.kind {
            ColumnKind::Float { step, span, .. } => {
                let width = f64::from(span) * f64::from_bits(step);
                mix_floats(here, there, self.fraction, width)
            }
            ColumnKind::FloatBits => mix_floats(here, there, self.fraction, f64::INFINITY),
            ColumnKind::Angle => mix_angles(here, there, self.fraction),
            _ => here,
        }
    }
}

fn kind_of(kind: &ColumnKind) -> FieldKind {
    match kind {
        ColumnKind::Float { .. } | ColumnKind::Angle | ColumnKind::FloatBits => FieldKind::Float,
        ColumnKind::Bool | ColumnKind::Some => FieldKind::Bool,
        ColumnKind::Entity => FieldKind::Entity,
        ColumnKind::Integer { .. } | ColumnKind::High | ColumnKind::Variant { .. } => {
            FieldKind::Integer
        }
    }
}
