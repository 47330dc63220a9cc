//! The state of one tick, laid out for reading: per component its entities, ascending, and their columns.
//!
//! The replica has a table for each *set* of components, in several groups. A game asks by component; so
//! one table per component is made here, once per snapshot, in memory that is used again.

use tickwire_protocol::{
    delta::Table,
    id::NetworkId,
    schema::ComponentId,
    snapshot::{Replica, Row},
    time::Tick,
};

#[derive(Debug, Default)]
pub(crate) struct Frame {
    tick: Tick,
    own: Option<NetworkId>,
    entities: Vec<NetworkId>,
    /// By component id; each table has that component alone.
    components: Vec<Table>,
}

impl Frame {
    /// Makes this the replica's newest state. Cost: a sort of each component's entities, which come in a
    /// few ascending runs, and a copy of each integer.
    pub(crate) fn fill(&mut self, replica: &Replica) {
        let schema = replica.schema();
        self.tick = replica.tick();
        self.own = replica.applied().header.own_entity;
        self.entities.clear();
        self.entities.extend(replica.entities());
        self.entities.sort_unstable();
        let known = self.components.len() as u8;
        let components = schema.components().len() as u8;
        self.components
            .extend((known..components).map(|id| Table::new(schema, 1 << id)));
        let mut rows: Vec<(NetworkId, Row<'_>)> = vec![];
        for (id, table) in (0u8..).zip(&mut self.components) {
            rows.clear();
            rows.extend(replica.rows(ComponentId(id)));
            // Stable: it takes the ascending runs as they are.
            rows.sort_by_key(|&(entity, _)| entity);
            table.set_rows(rows.iter().map(|&(entity, _)| entity));
            copy_rows(table, ComponentId(id), &rows);
        }
    }

    pub(crate) fn tick(&self) -> Tick {
        self.tick
    }

    pub(crate) fn own(&self) -> Option<NetworkId> {
        self.own
    }

    /// Every entity, ascending.
    pub(crate) fn entities(&self) -> &[NetworkId] {
        &self.entities
    }

    pub(crate) fn component(&self, id: ComponentId) -> Option<&Table> {
        self.components.get(usize::from(id.0))
    }

    /// Which entities are here and not in `before`, and the other way round.
    pub(crate) fn compare(
        &self,
        before: &Self,
        entered: &mut Vec<NetworkId>,
        left: &mut Vec<NetworkId>,
    ) {
        let (mut old, mut new) = (
            before.entities.iter().peekable(),
            self.entities.iter().peekable(),
        );
        loop {
            match (old.peek(), new.peek()) {
                (Some(&a), Some(&b)) if a == b => drop((old.next(), new.next())),
                (Some(&&a), Some(&&b)) if a < b => {
                    left.push(a);
                    old.next();
                }
                (_, Some(&&b)) => {
                    entered.push(b);
                    new.next();
                }
                (Some(&&a), None) => {
                    left.push(a);
                    old.next();
                }
                (None, None) => return,
            }
        }
    }
}

/// Copies the rows' integers and blobs into a table that has as many rows.
fn copy_rows(into: &mut Table, component: ComponentId, rows: &[(NetworkId, Row<'_>)]) {
    let mut place = 0;
    // Neighbours mostly come from one table: where its columns are is looked up once per run.
    while let Some(&(_, Row { table, .. })) = rows.get(place) {
        let run = rows[place..]
            .iter()
            .take_while(|(_, row)| core::ptr::eq(row.table, table))
            .count();
        if let Some((columns, blobs)) = table.part(component) {
            for (to, from) in into.columns.iter_mut().zip(&table.columns[columns]) {
                for (to, (_, row)) in to.values[place..].iter_mut().zip(&rows[place..place + run]) {
                    *to = from.values[row.row];
                }
            }
            for (to, from) in into.blobs.iter_mut().zip(&table.blobs[blobs]) {
                for (to, (_, row)) in to.values[place..].iter_mut().zip(&rows[place..place + run]) {
                    to.clone_from(&from.values[row.row]);
                }
            }
        }
        place += run;
    }
}
