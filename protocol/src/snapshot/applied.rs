//! What one snapshot changed.

use super::SnapshotHeader;
use crate::id::NetworkId;

/// What the newest snapshot said and changed. Kept by the replica until the next one.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// What stood at its front.
    pub header: SnapshotHeader,
    /// Entities that were not there before, in no particular order.
    pub entered: Vec<NetworkId>,
    /// Entities that are there no more, in no particular order. One that only moved to another group is not
    /// among them, unless the server's byte budget is so short that not even that can be told in time: then it
    /// is among [`entered`](Self::entered) again a little later. The player's own entity never waits so.
    pub left: Vec<NetworkId>,
    /// Bytes of the snapshot.
    pub bytes: usize,
    /// Sections in it.
    pub sections: usize,
}
