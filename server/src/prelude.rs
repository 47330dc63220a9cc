//! What a game usually needs, in one line: `use tickwire_server::prelude::*`.

pub use bevy_ecs::prelude::*;
pub use tickwire_protocol::{
    event::GameEvent,
    id::PlayerId,
    replicate::Replicate,
    time::{Micros, Tick},
};

pub use crate::{
    game::{
        CurrentInput, FromPlayer, Game, Joining, LeaveReason, Leaving, Outbox, Player, Players,
        Refusal, RoomName, RoomRandom, TickClock,
    },
    replication::{Grid, NetworkIds, Owner, Replicated, View, Viewer},
    stream::{ByteStream, Incoming, MessageStream, Peer, StreamKind, StreamOptions, Streams},
};
#[cfg(feature = "net")]
pub use crate::{limits::Limits, net::Server};
