//! A player's place in a room. It outlives the connection: who comes back in time finds it as it was.
//!
//! ```text
//!            handle_join               handle_disconnect
//!   (free) ──────────────▶ Connected ────────────────────▶ Away { until }
//!     ▲                      │     ▲                          │      │
//!     │  goodbye, sent away  │     │  handle_join with token  │      │ until is past
//!     └──────────────────────┘     └──────────────────────────┘      │
//!     └◀─────────────────────────────────────────────────────────────┘
//! ```

use bevy_ecs::entity::Entity;
use tickwire_protocol::{
    id::{PlayerId, SessionId},
    session::{ResumeToken, ServerSession},
    time::{Micros, Tick},
};

use crate::prefetch::{SEATS_AHEAD, SESSIONS_AHEAD, prefetch};

/// The place of a seat in its room. Free places are used again; a [`PlayerId`] never is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SeatIndex(pub(super) u32);

impl SeatIndex {
    /// The same as a number: small and dense.
    #[must_use]
    pub const fn place(self) -> usize {
        self.0 as usize
    }
}

/// One player.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) player: PlayerId,
    pub(super) session_id: SessionId,
    pub(super) token: ResumeToken,
    pub(super) name: String,
    pub(super) entity: Entity,
    pub(super) connection: Connection,
    /// The newest input applied, for the snapshot's header.
    pub(super) applied_input: Option<Tick>,
    /// Whether the player's entity has an input of the last tick's own.
    pub(super) has_fresh_input: bool,
    /// The tick of the last snapshot written. At first it is the tick captured last: that one was taken
    /// without this player, who would see an empty world in it.
    pub(super) snapshot_tick: Option<Tick>,
    /// Whether the next snapshot is to carry a checksum of the replica.
    pub(super) wants_checksum: bool,
    /// Events it may send before the next tick.
    pub(super) events_left: u32,
}

/// Whether somebody sits there now.
#[derive(Debug)]
pub(super) enum Connection {
    /// A session holds the seat.
    Connected(Box<ServerSession>),
    /// The connection broke; the seat is kept until then.
    Away { until: Micros },
}

impl Seat {
    pub(super) fn session(&mut self) -> Option<&mut ServerSession> {
        match &mut self.connection {
            Connection::Connected(session) => Some(session),
            Connection::Away { .. } => None,
        }
    }
}

/// The seats of a room, by place.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    places: Vec<Option<Seat>>,
    free: Vec<u32>,
}

impl Seats {
    /// Seats taken, those of players who are away included.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Every place, taken or not.
    pub(super) fn places(&self) -> impl Iterator<Item = SeatIndex> + use<> {
        (0..self.places.len() as u32).map(SeatIndex)
    }

    pub(super) fn insert(&mut self, seat: Seat) -> SeatIndex {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            u32::try_from(self.places.len() - 1).expect("PLAYERS_PER_ROOM_MAX is far below 2^32")
        });
        self.places[place as usize] = Some(seat);
        SeatIndex(place)
    }

    pub(super) fn remove(&mut self, index: SeatIndex) -> Option<Seat> {
        let seat = self.places.get_mut(index.place())?.take()?;
        self.free.push(index.0);
        Some(seat)
    }

    /// Asks for the memory of the seat at a place.
    pub(crate) fn prefetch(&self, place: usize) {
        if let Some(seat) = self.places.get(place) {
            prefetch(seat, size_of::<Seat>());
        }
    }

    /// Asks for the memory of its session. The seat's own should have come.
    pub(crate) fn prefetch_session(&self, place: usize) {
        if let Some(Some(seat)) = self.places.get(place)
            && let Connection::Connected(session) = &seat.connection
        {
            prefetch(&**session, ServerSession::HOT_BYTES);
        }
    }

    /// Asks for the memory of those who come after a seat, where all are served in order.
    pub(crate) fn prefetch_after(&self, index: SeatIndex) {
        self.prefetch(index.place() + SEATS_AHEAD);
        self.prefetch_session(index.place() + SESSIONS_AHEAD);
    }

    /// Takes a seat out for a moment; its place stays taken.
    pub(super) fn take_out(&mut self, index: SeatIndex) -> Option<Seat> {
        self.places.get_mut(index.place())?.take()
    }

    pub(super) fn put_back(&mut self, index: SeatIndex, seat: Seat) {
        self.places[index.place()] = Some(seat);
    }

    pub(super) fn get_mut(&mut self, index: SeatIndex) -> Option<&mut Seat> {
        self.places.get_mut(index.place())?.as_mut()
    }

    pub(super) fn get(&self, index: SeatIndex) -> Option<&Seat> {
        self.places.get(index.place())?.as_ref()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (SeatIndex, &mut Seat)> {
        let indices = (0..).map(SeatIndex);
        indices
            .zip(&mut self.places)
            .filter_map(|(index, seat)| Some((index, seat.as_mut()?)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SeatIndex, &Seat)> {
        let indices = (0..).map(SeatIndex);
        indices
            .zip(&self.places)
            .filter_map(|(index, seat)| Some((index, seat.as_ref()?)))
    }
}
