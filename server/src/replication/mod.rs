//! Replication: what each player of a room is told about its state, each tick.
//!
//! In: the world after its schedule ran, and the players' entities. Out: one snapshot per player. A tick is
//! five calls, in this order:
//!
//! ```text
//! capture           the world's components and markers → the state of every group
//! choose            every player's view → the groups it sees
//! encode            every group that changed → the section that players who are up to date share
//! encode_snapshot   for each player that can be written to: what it lacks → bytes
//! finish            forgets what no player holds any more
//! ```
//!
//! The decision to question: everything is decided by *group* (the room, a cell of the grid, a team or owner),
//! never by entity and player. Players who see a group and hold the same state of it share one encoding, so
//! another player costs a copy.

mod capture;
mod choose;
mod codebook;
mod departures;
mod encode;
mod entities;
mod fronts;
mod group;
mod groups;
mod interest;
mod markers;
mod placement;
mod region;
mod registry;
mod rows;
mod sections;
mod settings;
mod viewer;
mod weight;

pub use encode::PlayerHeader;
pub use entities::NetworkIds;
pub use markers::{
    AlwaysRelevant, Owner, Priority, Replicated, Team, View, ViewCentre, ViewShape, VisibleTo,
};
pub use registry::Registry;
pub use settings::{Filter, Grid, HYSTERESIS_CELLS, Settings, Viewer};

use crate::{
    limits::{
        BUDGET_BURST_FRAMES, HELPED_ENTITIES_MIN, SNAPSHOT_SECTIONS_BYTES_MAX, VIEW_CELLS_MAX,
    },
    threads::{Alone, Threads},
};
use bevy_ecs::{
    change_detection::Tick as EcsTick,
    prelude::{Entity, World},
};
use capture::Capture;
use codebook::Learning;
use core::fmt;
use encode::Encoding;
use entities::Entities;
use group::Member;
use groups::Groups;
use placement::Placement;
use registry::Span;
use rows::Rows;
use sections::{SectionAt, Sections};
use std::{collections::BTreeMap, sync::Arc};
use tickwire_protocol::{
    delta::GroupState,
    id::{NetworkId, PlayerId},
    replicate::{EntityMap, Notes},
    schema::Schema,
    snapshot::GroupId,
    time::Tick,
};
use viewer::PlayerView;

/// The replication of one room.
///
/// Methods that are called every tick allocate nothing once the room has been as full as it gets.
pub struct Replication {
    schema: Arc<Schema>,
    settings: Settings,
    capture: Capture,
    captured: EcsTick,
    entities: Entities,
    placement: Placement,
    rows: Vec<Rows>,
    groups: Groups,
    players: BTreeMap<PlayerId, PlayerView>,
    sections: Sections,
    learning: Learning,
    tick: Tick,
    views_cut: u64,
    scratch: Scratch,
}

/// Memory that calls borrow and give back empty.
#[derive(Debug, Default)]
struct Scratch {
    picked_members: Vec<(u128, Member)>,
    picked_sections: Vec<SectionAt>,
    waiting: Vec<(f32, u32)>,
    together: Vec<u32>,
    places: Vec<(GroupId, u32)>,
}

/// What replication counts, since the room began or as of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicationStats {
    /// Entities that are replicated now.
    pub entities: usize,
    /// Groups there are now.
    pub groups: usize,
    /// Older group states kept now for players that hold them.
    pub baselines: usize,
    /// Sections encoded since the room began.
    pub sections_encoded: u64,
    /// Sections written to players since the room began.
    pub sections_written: u64,
    /// Times an entity was left out because its group was full.
    pub entities_refused: u64,
    /// Floats of the game that were NaN or infinite.
    pub non_finite: u64,
    /// Strings, lists and opaque values of the game that were too long, and were cut or stayed what they were.
    pub cut: u64,
    /// Times a player's cells were chosen for a part of its view only: the view would have been more than
    /// [`VIEW_CELLS_MAX`].
    pub views_cut: u64,
}

impl Replication {
    /// Replication of `world`, which must be the same one in every later call.
    #[must_use]
    pub fn new(world: &mut World, registry: Registry, settings: Settings) -> Self {
        world.register_component::<Replicated>();
        world.init_resource::<NetworkIds>();
        let (schema, sources) = registry.into_parts(world);
        let positions = settings.grid.as_ref().map(|grid| (grid.position)());
        let cell_units = settings.grid.as_ref().map_or(1.0, |grid| grid.cell_units);
        Self {
            capture: Capture::new(world, &schema, sources, positions, cell_units),
            captured: world.change_tick(),
            entities: Entities::default(),
            placement: Placement::new(&schema, settings.block_entities()),
            rows: schema
                .components_in(schema.mask_all())
                .map(|(id, _)| Rows::new(&schema, id))
                .collect(),
            groups: Groups::default(),
            players: BTreeMap::new(),
            sections: Sections::new(
                &schema,
                settings.grid.is_some() || settings.player_bytes_per_second.is_some(),
            ),
            learning: Learning::new(),
            tick: Tick::default(),
            views_cut: 0,
            scratch: Scratch::default(),
            schema: Arc::new(schema),
            settings,
        }
    }

    /// What is registered.
    #[must_use]
    pub const fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Begins to tell a player about the room, from nothing. For a player that is known already, it is a new
    /// connection that holds nothing.
    ///
    /// `entity` is the player's own: its [`View`] and [`Team`] say what the player sees.
    pub fn add_player(&mut self, player: PlayerId, entity: Entity) {
        self.remove_player(player);
        self.players.insert(player, PlayerView::new(player, entity));
    }

    /// Makes another entity a player's own.
    pub fn set_own_entity(&mut self, player: PlayerId, entity: Entity) {
        if let Some(view) = self.players.get_mut(&player) {
            view.entity = entity;
        }
    }

    /// Forgets a player.
    pub fn remove_player(&mut self, player: PlayerId) {
        if let Some(mut view) = self.players.remove(&player) {
            self.groups.settle();
            view.retain(&mut self.groups, |_| false);
        }
    }

    /// Takes the state of the world after its schedule ran as that of `tick`.
    ///
    /// Threads that help take one component each, and then groups.
    ///
    /// Cost: a few ns for each replicated entity, and about 20 ns for each component that was written. In a tick in
    /// which entities came or went, components that refer to entities cost as much as if all of them were written.
    pub fn capture(&mut self, world: &mut World, tick: Tick, threads: &dyn Threads) {
        self.tick = tick;
        self.groups.settle();
        self.sections.begin();
        self.learning.begin(&self.schema, &mut self.sections);
        let now = world.increment_change_tick();
        let span = Span {
            since: self.captured,
            now,
            frame: self.sections.frame,
        };
        self.captured = now;
        self.capture.place(
            world,
            span,
            &mut self.entities,
            &mut self.placement,
            &mut self.groups,
        );
        let threads = worth_it(&self.entities, threads);
        self.capture.take_values(
            world,
            span,
            &mut self.entities,
            &mut self.rows,
            &mut self.groups,
            threads,
        );
        self.groups
            .rebuild_stale(&self.schema, &self.rows, span.frame, threads);
    }

    /// Works out what every player sees at this tick.
    pub fn choose(&mut self, world: &World) {
        self.groups.settle();
        let grid = self.settings.grid.as_ref();
        for view in self.players.values_mut() {
            choose::look(view, world, self.capture.positions.as_deref());
            if choose::choose(view, grid, &mut self.groups) {
                if self.views_cut == 0 {
                    warn_of_cut_view(view.player);
                }
                self.views_cut += 1;
            }
            if let Some(filter) = self
                .settings
                .filter
                .as_ref()
                .filter(|_| self.groups.has_candidates())
            {
                let picked = &mut self.scratch.picked_members;
                choose::pick(
                    view,
                    filter,
                    world,
                    &self.entities,
                    &mut self.groups,
                    picked,
                    self.sections.frame,
                );
            }
        }
        self.groups
            .rebuild_stale(&self.schema, &self.rows, self.sections.frame, &Alone);
    }

    /// Encodes what every player needs who holds the state of the frame before; for the others it is encoded
    /// when they ask. Threads that help take groups each.
    pub fn encode(&mut self, threads: &dyn Threads) {
        let threads = worth_it(&self.entities, threads);
        self.groups
            .encode_prompt(&self.schema, &mut self.sections, threads);
    }

    /// Appends a player's snapshot of this tick to `out`; false, and nothing appended, when the player is not
    /// known.
    ///
    /// The player holds afterwards what the snapshot says: call it only when the bytes will be written to the
    /// player's socket, as a whole and in order. Who cannot be written to is simply left out, for as long as
    /// it takes; its next snapshot brings it up to date.
    ///
    /// A snapshot may go beyond the budget of [`Settings`], and beyond [`SNAPSHOT_SECTIONS_BYTES_MAX`], by one group,
    /// and by those to which its entities went.
    pub fn encode_snapshot(
        &mut self,
        player: PlayerId,
        header: &PlayerHeader,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(view) = self.players.get_mut(&player) else {
            return false;
        };
        let own = self.entities.find(view.entity);
        let own = own.map(|slot| self.entities.slot(slot));
        let mut encoding = Encoding {
            schema: &self.schema,
            groups: &mut self.groups,
            sections: &mut self.sections,
            codebook_bytes: &self.learning.bytes,
            grid: self.settings.grid.as_ref(),
            picked: &mut self.scratch.picked_sections,
            waiting: &mut self.scratch.waiting,
            together: &mut self.scratch.together,
            places: &mut self.scratch.places,
            own_parts: own.map_or(&[][..], |own| &own.parts),
        };
        let own_entity = own.map(|own| own.id);
        let credit = credit(view, &self.settings, encoding.sections.frame);
        let budget = credit
            .unwrap_or(usize::MAX)
            .min(SNAPSHOT_SECTIONS_BYTES_MAX);
        let start = out.len();
        let is_partial = encoding.pick(view, budget);
        encoding.write(view, self.tick, own_entity, header, is_partial, out);
        view.wire.credit_bytes -= (out.len() - start) as i64;
        true
    }

    /// Forgets what no player holds any more. After it, late snapshots of the same tick may still be encoded.
    pub fn finish(&mut self) {
        self.groups.finish(&self.sections);
    }

    /// The network id of an entity, from the first capture that saw it on.
    #[must_use]
    pub fn network_id(&self, entity: Entity) -> Option<NetworkId> {
        self.entities.id_of(entity)
    }

    /// The entity with that network id.
    #[must_use]
    pub fn entity(&self, id: NetworkId) -> Option<Entity> {
        self.entities.entity_of(id)
    }

    /// Entities of the world and their network ids, for decoding inputs that refer to entities.
    #[must_use]
    pub fn entity_map(&self) -> &dyn EntityMap {
        &self.entities
    }

    /// Runs what reads [`NetworkIds`] out of the world; nothing else here may be called meanwhile.
    pub(crate) fn lend_ids<R>(
        &mut self,
        world: &mut World,
        run: impl FnOnce(&mut World) -> R,
    ) -> R {
        world.resource_mut::<NetworkIds>().swap(&mut self.entities);
        let result = run(world);
        world.resource_mut::<NetworkIds>().swap(&mut self.entities);
        result
    }

    /// The groups a player sees and their states at this tick: what its replica holds after a snapshot that
    /// left nothing out. For tests and tools.
    pub fn visible_to(&self, player: PlayerId) -> impl Iterator<Item = (GroupId, &GroupState)> {
        let subscriptions = self
            .players
            .get(&player)
            .map_or(&[][..], |view| &view.subscriptions);
        subscriptions.iter().filter_map(|subscription| {
            let group = self.groups.group(subscription.group)?;
            Some((group.id, group.state()))
        })
    }

    /// The groups a player holds and the states it was sent last. For tests and tools.
    pub fn held_by(
        &self,
        player: PlayerId,
    ) -> impl Iterator<Item = (GroupId, Option<&GroupState>)> {
        let subscriptions = self
            .players
            .get(&player)
            .map_or(&[][..], |view| &view.subscriptions);
        subscriptions.iter().filter_map(|subscription| {
            let group = self.groups.group(subscription.group)?;
            let held = group.held_state(subscription.held);
            (held != Some(None)).then(|| (group.id, held.flatten()))
        })
    }

    /// What is counted.
    #[must_use]
    pub fn stats(&self) -> ReplicationStats {
        let notes = self.rows.iter().fold(Notes::default(), |sum, rows| Notes {
            non_finite: sum.non_finite + rows.notes.non_finite,
            cut: sum.cut + rows.notes.cut,
        });
        ReplicationStats {
            entities: self.entities.len(),
            groups: self.groups.len(),
            baselines: self.groups.older_len(),
            sections_encoded: self.sections.encoded,
            sections_written: self.sections.written,
            entities_refused: self.placement.refused,
            non_finite: notes.non_finite,
            cut: notes.cut,
            views_cut: self.views_cut,
        }
    }
}

impl fmt::Debug for Replication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replication")
            .field("tick", &self.tick)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Says once that a player sees less than its view; the counter goes on.
#[cold]
fn warn_of_cut_view(player: PlayerId) {
    tracing::warn!(
        %player,
        cells_max = VIEW_CELLS_MAX,
        "views of more cells are cut around their centre: make the grid's cells larger"
    );
}

/// Those threads, if there are so many entities that it takes longer to look at them than to ask for help.
fn worth_it<'a>(entities: &Entities, threads: &'a dyn Threads) -> &'a dyn Threads {
    if entities.len() < HELPED_ENTITIES_MIN {
        &Alone
    } else {
        threads
    }
}

/// What a player's own budget allows at this frame; `None` without one.
///
/// Every frame adds its share, and at most [`BUDGET_BURST_FRAMES`] shares wait for a player who was quiet or
/// slow. What went beyond it before is paid back first.
fn credit(view: &mut PlayerView, settings: &Settings, frame: u32) -> Option<usize> {
    let share = i64::from(settings.player_bytes_per_second? / settings.tick_rate_hz.max(1));
    let wire = &mut view.wire;
    let frames = if wire.credit_frame == 0 {
        1
    } else {
        frame - wire.credit_frame
    };
    let most = share * i64::from(BUDGET_BURST_FRAMES);
    wire.credit_bytes = (wire.credit_bytes + share * i64::from(frames)).min(most);
    wire.credit_frame = frame;
    Some(usize::try_from(wire.credit_bytes).unwrap_or(0))
}
