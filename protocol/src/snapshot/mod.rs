//! What a client holds of a room's state, as far as a client reads it.

use std::sync::Arc;

use crate::{
    delta::Table,
    error::DecodeError,
    id::NetworkId,
    schema::{ComponentId, Schema},
    time::Tick,
};

/// What stands at the front of a snapshot and concerns this player alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// The tick the room had finished.
    pub tick: Tick,
    /// The newest input of this player that the room has applied.
    pub input: Option<Tick>,
    /// Ticks to spare that the latest inputs had at least; negative when they came too late.
    pub input_margin_ticks: Option<i8>,
    /// The player's own entity.
    pub own_entity: Option<NetworkId>,
    /// What [`Replica::checksum`] must give after this snapshot; present when it was asked for.
    pub checksum: Option<u64>,
}

/// What one snapshot said and changed.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// What stood at its front.
    pub header: SnapshotHeader,
}

/// One component's place in a replica: a row of a table.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The table.
    pub table: &'a Table,
    /// The row.
    pub row: usize,
}

/// What a client holds of a room.
#[derive(Debug)]
pub struct Replica {
    schema: Arc<Schema>,
    applied: Applied,
}

impl Replica {
    /// A replica that holds nothing.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        let applied = Applied::default();
        Self { schema, applied }
    }

    /// Takes in one snapshot.
    ///
    /// # Errors
    /// [`DecodeError`] when it does not fit what is held. Nothing has changed then.
    pub fn apply(&mut self, _bytes: &[u8]) -> Result<&Applied, DecodeError> {
        Err(DecodeError::Invalid("a snapshot"))
    }

    /// What the newest snapshot said.
    #[must_use]
    pub const fn applied(&self) -> &Applied {
        &self.applied
    }

    /// The tick of the newest snapshot.
    #[must_use]
    pub const fn tick(&self) -> Tick {
        self.applied.header.tick
    }

    /// The schema that drives the decoding.
    #[must_use]
    pub const fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// All entities, in no particular order.
    pub fn entities(&self) -> impl Iterator<Item = NetworkId> {
        core::iter::empty()
    }

    /// All entities with that component and where it is, in no particular order.
    pub fn rows(&self, _component: ComponentId) -> impl Iterator<Item = (NetworkId, Row<'_>)> {
        core::iter::empty()
    }

    /// A fingerprint of everything held.
    #[must_use]
    pub const fn checksum(&self) -> u64 {
        0
    }
}
