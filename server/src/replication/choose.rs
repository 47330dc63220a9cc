//! What each player sees at this tick.
//!
//! In: the views of all players and the groups there are. Out: each player's subscriptions. A view that did
//! not leave its cells costs a few comparisons. Entering is a subscription that holds nothing yet, leaving is
//! a dropped group; what is sent for either is the encoder's affair.

use super::{
    entities::Entities,
    group::{Group, GroupKey, Member, Space},
    groups::Groups,
    interest::Positions,
    markers::{Team, View, ViewCentre},
    region::{Cell, Region},
    settings::{Filter, Grid, Viewer},
    viewer::{Chosen, PlayerView},
};
use bevy_ecs::prelude::World;

/// Reads a player's view and team from its entity. A view without a position stays where it was.
pub(super) fn look(view: &mut PlayerView, world: &World, positions: Option<&dyn Positions>) {
    let Ok(entity) = world.get_entity(view.entity) else {
        return;
    };
    let team = entity.get::<Team>().map(|team| team.0);
    if view.team != team {
        view.team = team;
        view.epoch = None;
    }
    let Some(positions) = positions else { return };
    let Some(wanted) = entity.get::<View>() else {
        view.region = None;
        return;
    };
    let centre = match wanted.centre {
        ViewCentre::Own => positions.of(world, view.entity),
        ViewCentre::Entity(entity) => positions.of(world, entity),
        ViewCentre::Point(point) => Some(point),
    };
    let centre = centre.filter(|at| at.iter().all(|axis| axis.is_finite()));
    if let Some(centre) = centre.or(view.region.map(|region| region.centre)) {
        view.region = Some(Region::new(wanted, centre));
    }
}

/// Brings a player's subscriptions in line with its view. Says whether cells were chosen for less than the view,
/// which was too large.
pub(super) fn choose(view: &mut PlayerView, grid: Option<&Grid>, groups: &mut Groups) -> bool {
    let is_stale = view.epoch != Some(groups.epoch);
    if is_stale {
        choose_room(view, groups);
    }
    let is_cut = grid.is_some_and(|grid| choose_cells(view, is_stale, grid, groups));
    // What was made for this player alone is none of the others' affair, and was just seen to.
    view.epoch = Some(groups.epoch);
    is_cut
}

/// What a player sees wherever it looks.
fn choose_room(view: &mut PlayerView, groups: &mut Groups) {
    let (player, team) = (view.player, view.team);
    view.retain(groups, |key| match key {
        GroupKey::Team(_, of) | GroupKey::Owner(_, Some(of)) => team == Some(of),
        _ => true,
    });
    for place in 0..groups.room().len() {
        let key = groups.group(groups.room()[place]).map(|group| group.key);
        match key {
            Some(key @ GroupKey::Everyone(_)) => view.subscribe(key, groups),
            Some(key @ GroupKey::Team(_, of)) if team == Some(of) => view.subscribe(key, groups),
            _ => {}
        }
    }
    view.subscribe(GroupKey::Owner(player, None), groups);
    if let Some(team) = team.filter(|_| groups.has_both()) {
        view.subscribe(GroupKey::Owner(player, Some(team)), groups);
    }
    if groups.has_candidates() {
        view.subscribe(GroupKey::Picked(player), groups);
    }
}

/// What a player sees of the grid. Says whether it is less than its view.
fn choose_cells(view: &mut PlayerView, is_stale: bool, grid: &Grid, groups: &mut Groups) -> bool {
    let Some(region) = view.region else {
        view.chosen = None;
        view.cells.clear();
        view.retain(groups, |key| key.cell().is_none());
        return false;
    };
    let is_near = |chosen: Chosen| chosen.region.is_within(&region, chosen.leeway_units);
    if !is_stale && view.chosen.is_some_and(is_near) {
        return false;
    }
    let units = grid.cell_units;
    let range = region.range(units);
    let kept = range.grown(grid.hysteresis_units, units);
    let leeway = |cell: Cell| {
        kept.holds(cell)
            .then(|| region.leeway_of_held(cell, units, grid.hysteresis_units))
            .filter(|&leeway| leeway >= 0.0)
    };
    let mut least = region.leeway_of_range(units);
    let mut all_stay = true;
    for &cell in &view.cells {
        match leeway(cell) {
            Some(leeway) => least = least.min(leeway),
            None => all_stay = false,
        }
    }
    if !all_stay {
        let stays = |cell| leeway(cell).is_some();
        view.cells.retain(|&cell| stays(cell));
        view.retain(groups, |key| key.cell().is_none_or(stays));
    }
    for cell in range.cells() {
        let Err(at) = view.cells.binary_search(&cell) else {
            continue;
        };
        let inside = region.inside(cell, units);
        if inside < 0.0 {
            least = least.min(-inside);
            continue;
        }
        view.cells.insert(at, cell);
        view.subscribe(GroupKey::Everyone(Space::Cell(cell)), groups);
        subscribe_team(view, cell, groups);
        least = least.min(leeway(cell).unwrap_or(0.0));
    }
    view.chosen = Some(Chosen {
        region,
        leeway_units: least,
    });
    if is_stale {
        // Another team, or the first team at all: cells seen already show more now.
        for place in 0..view.cells.len() {
            subscribe_team(view, view.cells[place], groups);
        }
    }
    region.is_cut(units)
}

/// Subscribes to what a cell shows to the player's team.
fn subscribe_team(view: &mut PlayerView, cell: Cell, groups: &mut Groups) {
    if let Some(team) = view.team.filter(|_| groups.has_teams()) {
        view.subscribe(GroupKey::Team(Space::Cell(cell), team), groups);
    }
}

/// Asks the game's filter which candidates a player sees, and puts those into the player's own group.
pub(super) fn pick(
    view: &PlayerView,
    filter: &Filter,
    world: &World,
    entities: &Entities,
    groups: &mut Groups,
    picked: &mut Vec<(u128, Member)>,
    frame: u32,
) {
    let Some(own) = groups.find(GroupKey::Picked(view.player)) else {
        return;
    };
    picked.clear();
    let viewer = Viewer {
        player: view.player,
        entity: view.entity,
    };
    for group in candidates(view, groups) {
        for table in &group.members {
            for &member in &table.members {
                if (filter.0)(world, viewer, entities.slot(member.slot).entity) {
                    picked.push((table.mask, member));
                }
            }
        }
    }
    if groups.has_both() {
        merge(picked);
    }
    picked.sort_unstable_by_key(|(mask, member)| (*mask, member.id));
    let Some(group) = groups.group_mut(own) else {
        return;
    };
    let before = group.members.iter().flat_map(|table| {
        table
            .members
            .iter()
            .map(move |member| (table.mask, *member))
    });
    let is_same = before.eq(picked.iter().copied());
    let moved = |member: &Member| entities.slot(member.slot).changed == frame;
    if is_same && !picked.iter().any(|(_, member)| moved(member)) {
        return;
    }
    if !is_same {
        for table in &mut group.members {
            table.members.clear();
        }
        group.len = 0;
        for &(mask, member) in picked.iter() {
            group.join(member, mask, 1.0, frame);
        }
        group.restructured = frame;
    }
    groups.mark_stale(own);
}

/// Makes one entry of those of the same entity, of which different components may be for different audiences.
fn merge(picked: &mut Vec<(u128, Member)>) {
    picked.sort_unstable_by_key(|(_, member)| member.id);
    picked.dedup_by(|(mask, member), (kept_mask, kept)| {
        let is_same = member.id == kept.id;
        if is_same {
            *kept_mask |= *mask;
        }
        is_same
    });
}

/// The groups whose members the filter is asked about: those of the spaces the player sees and of its team, and
/// its own.
fn candidates<'a>(view: &'a PlayerView, groups: &'a Groups) -> impl Iterator<Item = &'a Group> {
    let is_for = |of: Option<u8>| of.is_none() || of == view.team;
    let in_room = groups
        .room()
        .iter()
        .filter_map(|&group| groups.group(group));
    let in_room =
        in_room.filter(move |group| matches!(group.key, GroupKey::Candidates(_, of) if is_for(of)));
    let in_cells = view.cells.iter().flat_map(|&cell| {
        let of_team = view.team.filter(|_| groups.has_both());
        let key = |of| GroupKey::Candidates(Space::Cell(cell), of);
        [Some(key(None)), of_team.map(|team| key(Some(team)))]
    });
    let own = groups
        .has_both()
        .then_some(GroupKey::OwnCandidates(view.player));
    let found = in_cells
        .flatten()
        .chain(own)
        .filter_map(|key| groups.group(groups.find(key)?));
    in_room.chain(found)
}
