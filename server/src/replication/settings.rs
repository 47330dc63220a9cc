//! What a game decides about the replication of a room.

use super::interest::{PositionOf, Positions};
use crate::limits::TICK_RATE_HZ_DEFAULT;
use bevy_ecs::prelude::{Component, Entity, World};
use core::fmt;
use std::sync::Arc;
use tickwire_protocol::id::PlayerId;

/// The hysteresis of a grid, in cells, when none is asked for.
pub const HYSTERESIS_CELLS: f32 = 1.6;

/// How a room replicates.
///
/// Clients end the connection when one player sees more than
/// [`REPLICA_ENTITIES_MAX`](tickwire_protocol::limits::REPLICA_ENTITIES_MAX) entities or
/// [`GROUPS_PER_PLAYER_MAX`](tickwire_protocol::limits::GROUPS_PER_PLAYER_MAX) groups, and nothing here holds a room to
/// that. A larger world needs a [`grid`](Self::grid) and views of a part of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Players see a part of the world; without it, all of it.
    pub grid: Option<Grid>,
    /// Who sees components and entities whose audience is [`Filtered`]; without it, nobody.
    ///
    /// [`Filtered`]: tickwire_protocol::schema::Audience::Filtered
    pub filter: Option<Filter>,
    /// Snapshot bytes for one player in a second; without it, as many as the connection takes. One snapshot has
    /// [`SNAPSHOT_SECTIONS_BYTES_MAX`](crate::limits::SNAPSHOT_SECTIONS_BYTES_MAX) of them at most, either way.
    ///
    /// What does not fit waits. Near and weighty things go first, newly seen and destroyed ones before them,
    /// and nothing waits for ever. Below about 100 bytes a tick, headers eat most of it.
    pub player_bytes_per_second: Option<u32>,
    /// Ticks per second of the room: it turns the budget into bytes per tick. Default 20.
    pub tick_rate_hz: u32,
    /// Entities that form one group where there is no grid; by default 1024, and 128 under a budget.
    ///
    /// Smaller groups give a byte budget more to choose from and cost about 8 bytes each a tick. A player sees one group
    /// of each block, and one more for its team: with 98 or more in a block, 200,000 entities stay within the groups
    /// that clients take.
    pub entities_per_block: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            grid: None,
            filter: None,
            player_bytes_per_second: None,
            tick_rate_hz: TICK_RATE_HZ_DEFAULT,
            entities_per_block: None,
        }
    }
}

impl Settings {
    pub(super) fn block_entities(&self) -> u32 {
        let usual = if self.player_bytes_per_second.is_some() {
            128
        } else {
            1024
        };
        self.entities_per_block.unwrap_or(usual)
    }
}

/// A uniform grid over the entities' positions. Players get the cells their view touches.
#[derive(Clone)]
pub struct Grid {
    pub(super) cell_units: f32,
    pub(super) hysteresis_units: f32,
    pub(super) position: Arc<dyn Fn() -> Box<dyn Positions> + Send + Sync>,
}

impl Grid {
    /// A grid of square cells, over the position that `read` finds in component `P`.
    ///
    /// Entities without that component are seen by everyone. Half the shorter side of a usual view is a good
    /// cell: smaller ones cut off less beyond the view, larger ones cost fewer bytes and less time.
    ///
    /// A view of up to 29 × 29 cells is shown whole; of one that touches more than
    /// [`VIEW_CELLS_MAX`](crate::limits::VIEW_CELLS_MAX) cells the part around its centre, and the room's log says so
    /// once. For those who watch the whole world, a cell is at least a 29th of its side.
    ///
    /// # Panics
    /// When `cell_units` is not a number above zero.
    pub fn new<P: Component>(cell_units: f32, read: fn(&P) -> [f32; 2]) -> Self {
        assert!(
            cell_units > 0.0 && cell_units.is_finite(),
            "a cell of {cell_units} units"
        );
        Self {
            cell_units,
            hysteresis_units: HYSTERESIS_CELLS * cell_units,
            position: Arc::new(move || Box::new(PositionOf::<P>::new(read))),
        }
    }

    /// The same grid with another hysteresis: a cell stays in view until a part of it is farther than this
    /// outside the view.
    ///
    /// No player ever learns of an entity farther than this outside its view. That holds because a cell that
    /// touches the view lies within it whole; so the least is [`HYSTERESIS_CELLS`], and lower values are
    /// raised to it. However wide it is, a player is kept
    /// [`VIEW_CELLS_KEPT_MAX`](crate::limits::VIEW_CELLS_KEPT_MAX) cells at most.
    #[must_use]
    pub fn hysteresis(mut self, units: f32) -> Self {
        self.hysteresis_units = units.max(HYSTERESIS_CELLS * self.cell_units);
        self
    }

    /// The hysteresis it has.
    #[must_use]
    pub const fn hysteresis_units(&self) -> f32 {
        self.hysteresis_units
    }
}

impl fmt::Debug for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grid")
            .field("cell_units", &self.cell_units)
            .field("hysteresis_units", &self.hysteresis_units)
            .finish_non_exhaustive()
    }
}

/// Who asks to see something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// The player.
    pub player: PlayerId,
    /// The player's own entity.
    pub entity: Entity,
}

/// A game's own word on who sees an entity's filtered components.
///
/// Asked every tick for each player and each entity with such components in that player's view, so it should
/// be quick, and must depend on the world alone.
#[derive(Clone)]
pub struct Filter(pub(super) Arc<MaySee>);

type MaySee = dyn Fn(&World, Viewer, Entity) -> bool + Send + Sync;

impl Filter {
    /// A filter that lets through what `may_see` says yes to.
    pub fn new(may_see: impl Fn(&World, Viewer, Entity) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(may_see))
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter")
    }
}
