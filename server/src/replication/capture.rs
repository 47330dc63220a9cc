//! From the world to the state of every group, once a tick.
//!
//! In: the world after its schedule ran. Out: groups whose state is that of this tick. What nobody wrote since
//! the last capture is neither quantised nor copied.

use super::{
    entities::Entities,
    groups::Groups,
    interest::Positions,
    markers::{Owner, Priority, Replicated, Team, VisibleTo},
    placement::{Placement, Traits},
    region::Cell,
    registry::{Source, Span},
    rows::Rows,
};
use crate::threads::{Threads, share};
use bevy_ecs::{
    change_detection::{DetectChanges, Tick},
    component::ComponentId as EcsId,
    prelude::{Entity, Or, QueryState, Ref, With, World},
};
use tickwire_protocol::schema::{Schema, SendRule};

/// Entities whose markers may say something else than before.
type Marked = (
    Entity,
    Option<Ref<'static, Owner>>,
    Option<Ref<'static, Team>>,
    Option<Ref<'static, VisibleTo>>,
    Option<Ref<'static, Priority>>,
);
type IsMarked = (
    With<Replicated>,
    Or<(With<Owner>, With<Team>, With<VisibleTo>, With<Priority>)>,
);

/// When the values of a component are taken.
struct Turn {
    send: SendRule,
    /// The world's time of its last capture.
    captured: Tick,
    refers_to_entities: bool,
    /// Whether what it refers to may have another id by now, or none, though nobody wrote it.
    is_outdated: bool,
}

/// Reads components and markers out of the world.
pub(super) struct Capture {
    sources: Vec<Box<dyn Source>>,
    turns: Vec<Turn>,
    ecs_ids: Vec<EcsId>,
    marked: QueryState<Marked, IsMarked>,
    pub(super) positions: Option<Box<dyn Positions>>,
    cell_units: f32,
    /// Slots to be placed anew.
    unplaced: Vec<u32>,
}

impl Capture {
    pub(super) fn new(
        world: &mut World,
        schema: &Schema,
        sources: Vec<Box<dyn Source>>,
        positions: Option<Box<dyn Positions>>,
        cell_units: f32,
    ) -> Self {
        let now = world.change_tick();
        Self {
            ecs_ids: sources.iter().map(|source| source.ecs_id()).collect(),
            turns: schema
                .components()
                .iter()
                .map(|component| Turn {
                    send: component.rules.send,
                    captured: now,
                    refers_to_entities: component.shape.refers_to_entities(),
                    is_outdated: false,
                })
                .collect(),
            sources,
            marked: QueryState::new(world),
            positions,
            cell_units,
            unplaced: Vec::new(),
        }
    }

    /// Looks who is there, and puts everyone whose components, markers or cell changed into the right groups.
    pub(super) fn place(
        &mut self,
        world: &mut World,
        span: Span,
        entities: &mut Entities,
        placement: &mut Placement,
        groups: &mut Groups,
    ) {
        entities.sweep(world, &self.ecs_ids, span.frame);
        for place in 0..entities.departed.len() {
            placement.remove(entities.departed[place], entities, groups, span.frame);
        }
        entities.forget_departed();
        self.unplaced.clear();
        self.unplaced.extend(&entities.arrived);
        self.unplaced
            .extend(entities.remade.iter().map(|(slot, _)| slot));
        self.find_marked(world, span, entities);
        for &slot in &self.unplaced {
            if let Ok(entity) = world.get_entity(entities.slot(slot).entity) {
                entities.slot_mut(slot).traits = Traits::of(entity);
            }
        }
        self.find_moved(world, span, entities);
        for &slot in &self.unplaced {
            placement.place(slot, entities, groups, span.frame);
        }
        placement.place_waiting(entities, groups, span.frame);
        placement.weigh(entities, groups);
    }

    /// Entities whose owner, team, visibility or priority was written.
    fn find_marked(&mut self, world: &World, span: Span, entities: &Entities) {
        for (entity, owner, team, visible, priority) in self.marked.iter(world) {
            let ticks = [
                owner.map(|owner| owner.last_changed()),
                team.map(|team| team.last_changed()),
                visible.map(|visible| visible.last_changed()),
                priority.map(|priority| priority.last_changed()),
            ];
            if ticks
                .into_iter()
                .flatten()
                .any(|tick| tick.is_newer_than(span.since, span.now))
            {
                self.unplaced.extend(entities.find(entity));
            }
        }
    }

    /// Entities whose cell is another, lost or new.
    fn find_moved(&mut self, world: &mut World, span: Span, entities: &mut Entities) {
        let Some(positions) = &mut self.positions else {
            return;
        };
        for place in 0..entities.remade.len() {
            let slot = entities.slot_mut(entities.remade[place].0);
            if positions.of(world, slot.entity).is_none() {
                slot.cell = None;
            }
        }
        let (units, unplaced) = (self.cell_units, &mut self.unplaced);
        positions.each_changed(world, span.since, span.now, &mut |entity, position| {
            let Some(slot) = entities.find(entity) else {
                return;
            };
            let known = entities.slot_mut(slot);
            let cell = Cell::of(position, known.cell, units);
            if known.cell != Some(cell) {
                known.cell = Some(cell);
                unplaced.push(slot);
            }
        });
        for place in 0..entities.arrived.len() {
            // Marked as replicated after its position was written: no change tells of it.
            let slot = entities.slot_mut(entities.arrived[place]);
            if slot.cell.is_none() {
                slot.cell = positions
                    .of(world, slot.entity)
                    .map(|position| Cell::of(position, None, units));
            }
        }
    }

    /// Takes the values that changed, and marks the groups that show them.
    pub(super) fn take_values(
        &mut self,
        world: &World,
        span: Span,
        entities: &mut Entities,
        rows: &mut [Rows],
        groups: &mut Groups,
        threads: &dyn Threads,
    ) {
        for rows in rows.iter_mut() {
            rows.begin(entities.slots_len());
        }
        for &slot in &entities.arrived {
            self.find_new(world, slot, 0, span, entities, rows);
        }
        for &(slot, before) in &entities.remade {
            self.find_new(world, slot, before, span, entities, rows);
        }
        let ids_changed = !entities.arrived.is_empty() || !entities.departed.is_empty();
        let columns = self.sources.iter_mut().zip(&mut *rows);
        let columns = columns.zip(&mut self.turns);
        share(threads, columns, |((source, rows), turn)| {
            turn.is_outdated |= ids_changed && turn.refers_to_entities;
            if is_due(turn.send, span.frame) {
                let since = core::mem::replace(&mut turn.captured, span.now);
                let all = core::mem::take(&mut turn.is_outdated);
                source.update(world, Span { since, ..span }, all, entities, rows);
            }
            rows.settle_rest(span.frame);
        });
        for rows in rows {
            for &slot in &rows.changed {
                let known = entities.slot_mut(slot);
                known.changed = span.frame;
                let bit = 1u128 << rows.component().0;
                for part in known.parts.iter().filter(|part| part.mask & bit != 0) {
                    if let Some(group) = part.group {
                        groups.mark_stale(group);
                    }
                }
            }
        }
    }

    /// Takes first values of the components that a slot has and `before` had not.
    fn find_new(
        &self,
        world: &World,
        slot: u32,
        before: u128,
        span: Span,
        entities: &Entities,
        rows: &mut [Rows],
    ) {
        let mut new = entities.slot(slot).mask & !before;
        while new != 0 {
            let place = new.trailing_zeros() as usize;
            new &= new - 1;
            self.sources[place].find(world, slot, entities, &mut rows[place], span.frame);
        }
    }
}

/// Whether changes of a component with that rule are taken at this frame.
fn is_due(send: SendRule, frame: u32) -> bool {
    match send {
        SendRule::OnChange => true,
        SendRule::Once => false,
        SendRule::Every(frames) => frame.is_multiple_of(u32::from(frames.max(1))),
    }
}
