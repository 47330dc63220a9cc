//! What a player may see, worked out from the world alone: by entity and component, without groups, cells or
//! deltas.
//!
//! In: the model after a snapshot was applied. Out: nothing, or what is wrong.

use crate::{
    model::{Model, Player},
    world::*,
};
use bevy_ecs::prelude::*;
use std::collections::{HashMap, VecDeque};
use tickwire_protocol::{
    delta::GroupState,
    id::NetworkId,
    replicate::{Replicate, SameIds},
    schema::{Audience, ComponentId},
    snapshot::GroupId,
};
use tickwire_server::replication::*;

/// Ticks after which even a player with the smallest budget must have newer values than those.
const AGE_TICKS_MAX: usize = 120;

/// What replication may still show of components that it does not send on every change, and of all of them to
/// players on a budget.
#[derive(Default)]
pub(crate) struct Shadow {
    frame: u32,
    labels: HashMap<Entity, Label>,
    births: HashMap<Entity, Birth>,
    /// Newest last.
    positions: HashMap<Entity, VecDeque<Position>>,
}

impl Shadow {
    pub(crate) fn capture(&mut self, world: &World, entities: &[Entity]) {
        self.frame += 1;
        let is_due = self.frame.is_multiple_of(5);
        for &entity in entities {
            let known = world
                .get_entity(entity)
                .ok()
                .filter(EntityRef::contains::<Replicated>);
            follow(
                &mut self.labels,
                entity,
                known.and_then(|known| known.get()),
                is_due,
            );
            follow(
                &mut self.births,
                entity,
                known.and_then(|known| known.get()),
                false,
            );
            if let Some(position) = known.and_then(|known| known.get::<Position>()) {
                let history = self.positions.entry(entity).or_default();
                history.push_back(position.clone());
                if history.len() > AGE_TICKS_MAX {
                    history.pop_front();
                }
            }
        }
    }
}

fn follow<T: Clone>(
    shown: &mut HashMap<Entity, T>,
    entity: Entity,
    value: Option<&T>,
    is_due: bool,
) {
    match value {
        None => drop(shown.remove(&entity)),
        Some(value) if is_due || !shown.contains_key(&entity) => {
            drop(shown.insert(entity, value.clone()));
        }
        Some(_) => {}
    }
}

/// What the oracle came across: a check that never met anything proves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Coverage {
    pub(crate) snapshots: u64,
    /// Snapshots from which the budget left something out.
    pub(crate) partial: u64,
    /// By component, how often one was visible.
    pub(crate) shown: [u64; 8],
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sight {
    Must,
    May,
    MustNot,
}

impl Sight {
    const fn and(self, condition: bool) -> Self {
        if condition { self } else { Self::MustNot }
    }
}

/// Where a player's view is: around what it follows, or where it was while that is nowhere.
pub(crate) fn find_centre(player: &mut Player, world: &World, has_grid: bool) {
    let Ok(own) = world.get_entity(player.entity) else {
        return;
    };
    if !has_grid || !own.contains::<View>() {
        player.centre = None;
        return;
    }
    let position = |entity| {
        world
            .get::<Position>(entity)
            .map(|position| [position.x, position.y])
    };
    player.centre = view_centre(own.get::<View>(), player.entity, position).or(player.centre);
}

fn view_centre(
    view: Option<&View>,
    own: Entity,
    position: impl Fn(Entity) -> Option<[f32; 2]>,
) -> Option<[f32; 2]> {
    match view?.centre() {
        ViewCentre::Own => position(own),
        ViewCentre::Entity(entity) => position(entity),
        ViewCentre::Point(point) => Some(point),
    }
}

/// Whether an entity at that place is in a player's view.
fn in_view(model: &Model, player: &Player, entity: EntityRef<'_>) -> Sight {
    let Some(grid) = &model.settings.grid else {
        return Sight::Must;
    };
    let Some(position) = entity
        .get::<Position>()
        .filter(|_| !entity.contains::<AlwaysRelevant>())
    else {
        return Sight::Must;
    };
    let Some(centre) = player.centre else {
        return Sight::MustNot;
    };
    let Ok(own) = model.world.get_entity(player.entity) else {
        return Sight::May;
    };
    let Some(view) = own.get::<View>() else {
        return Sight::May;
    };
    let apart = [
        (position.x - centre[0]).abs(),
        (position.y - centre[1]).abs(),
    ];
    let outside = match view.shape() {
        ViewShape::Rectangle {
            half_width,
            half_height,
        } => (apart[0] - half_width).max(apart[1] - half_height),
        ViewShape::Circle { radius } => apart[0].hypot(apart[1]) - radius,
    };
    match outside {
        outside if outside <= 0.0 => Sight::Must,
        outside if outside <= grid.hysteresis_units() => Sight::May,
        _ => Sight::MustNot,
    }
}

/// Whether a player sees the components of an audience of an entity.
fn sight(model: &Model, player: &Player, entity: EntityRef<'_>, audience: Audience) -> Sight {
    let has = |wanted: Audience| {
        audience == wanted
            || entity
                .get::<VisibleTo>()
                .is_some_and(|visible| visible.0 == wanted)
    };
    // What is an owner's, it sees wherever it looks.
    let space = if has(Audience::Owner) {
        let owner = entity.get::<Owner>();
        Sight::Must.and(owner.is_some_and(|owner| owner.0 == player.id))
    } else {
        in_view(model, player, entity)
    };
    let revealed = entity
        .get::<Revealed>()
        .is_some_and(|revealed| revealed.0 >> player.id.0 & 1 != 0);
    let own_team = model.world.get::<Team>(player.entity).map(|team| team.0);
    let let_through = space.and(revealed || !has(Audience::Filtered));
    match entity.get::<Team>() {
        _ if !has(Audience::Team) || let_through == Sight::MustNot => let_through,
        // A player without an entity keeps the team it had.
        Some(_) if model.world.get_entity(player.entity).is_err() => Sight::May,
        Some(team) => let_through.and(own_team == Some(team.0)),
        None => Sight::MustNot,
    }
}

/// Checks everything a player holds after a snapshot.
pub(crate) fn check(model: &Model, place: usize, coverage: &mut Coverage) -> Result<(), String> {
    let player = &model.players[place];
    check_states(player, model.replication.held_by(player.id))?;
    let header = &player.replica.applied().header;
    if header
        .checksum
        .is_some_and(|checksum| checksum != player.replica.checksum())
    {
        return Err("the checksums differ".into());
    }
    coverage.snapshots += 1;
    if !header.is_complete {
        coverage.partial += 1;
        return check_budgeted(model, player);
    }
    let mut seen = 0;
    for &entity in &model.entities {
        let Ok(entity) = model.world.get_entity(entity) else {
            continue;
        };
        let Some(id) = model.replication.network_id(entity.id()) else {
            continue;
        };
        for component in 0..8 {
            coverage.shown[component] +=
                u64::from(player.replica.has(id, ComponentId(component as u8)));
        }
        let mut parts = 0;
        parts += check_part::<Position>(model, player, id, entity, 0, entity.get())?;
        parts += check_part::<Health>(model, player, id, entity, 1, entity.get())?;
        parts += check_part::<Label>(
            model,
            player,
            id,
            entity,
            2,
            model.shadow.labels.get(&entity.id()),
        )?;
        parts += check_part::<Birth>(
            model,
            player,
            id,
            entity,
            3,
            model.shadow.births.get(&entity.id()),
        )?;
        parts += check_target(model, player, id, entity)?;
        parts += check_part::<Purse>(model, player, id, entity, 5, entity.get())?;
        parts += check_part::<Plan>(model, player, id, entity, 6, entity.get())?;
        parts += check_part::<Disguise>(model, player, id, entity, 7, entity.get())?;
        if player.replica.contains(id) != (parts > 0) {
            return Err(format!("{id} is there with {parts} components"));
        }
        seen += usize::from(parts > 0);
    }
    if seen != player.replica.len() {
        return Err(format!(
            "{} entities, {seen} of them exist",
            player.replica.len()
        ));
    }
    Ok(())
}

/// Checks one component of one entity and says whether the player sees it (1) or not (0).
fn check_part<T: Component + Replicate + PartialEq + core::fmt::Debug>(
    model: &Model,
    player: &Player,
    id: NetworkId,
    entity: EntityRef<'_>,
    component: u8,
    value: Option<&T>,
) -> Result<usize, String> {
    let component = ComponentId(component);
    let shown: Option<T> = match player.replica.row(id, component) {
        Some(row) => Some(
            row.restore(component, &SameIds)
                .ok_or_else(|| format!("{id}: {} is broken", T::NAME))?,
        ),
        None => None,
    };
    let is_there = entity.contains::<Replicated>() && entity.contains::<T>();
    let sight = sight(model, player, entity, T::rules().audience).and(is_there);
    let is_right = match (&shown, sight) {
        (None, Sight::Must) | (Some(_), Sight::MustNot) => false,
        (Some(_), _) => shown.as_ref() == value,
        (None, _) => true,
    };
    if is_right {
        Ok(usize::from(shown.is_some()))
    } else {
        Err(format!("{id}: {sight:?} see {value:?}, shows {shown:?}"))
    }
}

/// References travel as network ids: one is to the entity itself, or to none while that is not replicated.
fn check_target(
    model: &Model,
    player: &Player,
    id: NetworkId,
    entity: EntityRef<'_>,
) -> Result<usize, String> {
    let component = ComponentId(4);
    let Some(row) = player.replica.row(id, component) else {
        return Ok(0);
    };
    let Some(target) = entity.get::<Target>() else {
        return Err(format!("{id}: a target that is not there"));
    };
    let (columns, _) = row
        .table
        .part(component)
        .ok_or("a row without its columns")?;
    let shown = row.table.columns[columns.start].values[row.row].cast_unsigned();
    let referred = shown.checked_sub(1).map(NetworkId);
    let expected = model.replication.network_id(target.0);
    if referred == expected {
        Ok(1)
    } else {
        Err(format!("{id}: targets {referred:?}, not {expected:?}"))
    }
}

/// A player on a budget: what it shows are values that the entity had, not too long ago.
fn check_budgeted(model: &Model, player: &Player) -> Result<(), String> {
    let component = ComponentId(0);
    for (id, row) in player.replica.rows(component) {
        let shown: Position = row
            .restore(component, &SameIds)
            .ok_or("a position is broken")?;
        let Some(entity) = model.replication.entity(id) else {
            continue;
        };
        let history = model.shadow.positions.get(&entity);
        if !history.is_some_and(|history| history.contains(&shown)) {
            return Err(format!(
                "{id} shows {shown:?}, where it has not been for {AGE_TICKS_MAX} ticks"
            ));
        }
    }
    Ok(())
}

/// Checks that a replica holds exactly these groups in exactly these states, to the last bit.
pub(crate) fn check_states<'a>(
    player: &Player,
    expected: impl Iterator<Item = (GroupId, Option<&'a GroupState>)>,
) -> Result<(), String> {
    let expected: HashMap<_, _> = expected.collect();
    let mut found = 0;
    for (id, state) in player.replica.groups() {
        match expected.get(&id) {
            None => return Err(format!("{id:?} is held and not to be")),
            Some(Some(expected)) if !expected.shows_same_as(state) => {
                return Err(format!("{id:?} is {state:?}, and not {expected:?}"));
            }
            // The server has forgotten what that state was, or it is the same.
            Some(_) => found += 1,
        }
    }
    let missing = expected
        .iter()
        .filter(|(_, state)| state.is_some_and(|state| !state.is_empty()))
        .count();
    if found < missing {
        return Err(format!("{found} groups are held, {missing} expected"));
    }
    Ok(())
}
