//! Identifiers that cross the wire. Each is its own type, so that one cannot be passed for another.

use core::fmt;

macro_rules! wire_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug,
            serde::Serialize, serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

wire_id! {
    /// One replicated entity of one room, for as long as the room lives.
    ///
    /// The room counts upwards and never gives a number twice: a reference to an entity that is gone
    /// can then never point at another one. It begins at 2, so that bevy's `Entity::PLACEHOLDER`, whose bits
    /// are 1, names nobody.
    NetworkId(u32)
}

impl NetworkId {
    /// No entity: what a reference holds when its target is gone or not replicated.
    pub const PLACEHOLDER: Self = Self(u32::MAX);

    /// The id as an entity's bits, so that a field may be a `NetworkId` on one end and the ECS's own
    /// entity on the other.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0 as u64
    }

    /// The id of an entity's bits; the placeholder when they are none of an id.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        if bits > u32::MAX as u64 {
            Self::PLACEHOLDER
        } else {
            Self(bits as u32)
        }
    }
}

wire_id! {
    /// One stream of one connection.
    ///
    /// Below [`FIRST_OPENED`](Self::FIRST_OPENED) lie the streams every connection has from its
    /// first byte; above it the client opens even ids and the server odd ones, each counting upwards.
    StreamId(u32)
}

impl StreamId {
    /// Handshake, clock sync, farewell. Both ways.
    pub const CONTROL: Self = Self(0);
    /// The player's input, one entry a tick. Client to server.
    pub const INPUT: Self = Self(1);
    /// State snapshots, one at most a tick. Server to client.
    pub const SNAPSHOT: Self = Self(2);
    /// The game's own events. Both ways.
    pub const EVENT: Self = Self(3);
    /// The first id that an `OPEN` frame may carry.
    pub const FIRST_OPENED: Self = Self(8);
}

wire_id! {
    /// One player's seat in one room. It outlives a connection: who reconnects in time gets it back.
    SessionId(u64)
}

wire_id! {
    /// One player of one room, small and dense: what a game's systems see.
    PlayerId(u32)
}
