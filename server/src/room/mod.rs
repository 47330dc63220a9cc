//! The room: a game's world on a fixed tick, and the players in it. Without IO: sessions, messages and
//! the time come in; worlds advance, bytes and events come out.
//!
//! **The contract.** `handle_*` takes what happened outside, [`tick`](Room::tick) advances the world,
//! `poll_*` gives what is to be done about it. After every `handle_*` and every `tick` the caller drains
//! [`poll_event`](Room::poll_event); after a tick it asks [`poll_transmit`](Room::poll_transmit) once
//! for each player whose socket takes bytes. The same calls with the same arguments and seed give the
//! same world and the same bytes.
//!
//! The choice to question: a player's snapshot is built in `poll_transmit`, not in `tick`. Whether a
//! socket takes bytes is known only when it is written to; a snapshot that is built then is always the
//! newest, and one that is never built costs nothing.

mod join;
mod seat;
mod sent_away;
mod step;
mod timer;
mod transmit;

use std::collections::{HashMap, VecDeque};

use bevy_ecs::{schedule::Schedule, world::World};
use bytes::Bytes;
use tickwire_protocol::{
    error::{ApiMisuse, CloseCode, PeerError, PeerMisbehaved, Rate},
    id::PlayerId,
    mux::StreamEvent,
    session::{ResumeToken, ServerEvent, Traffic, TrafficByKind},
    time::{Micros, RoomTime, Tick},
};

pub use self::{join::TurnedAway, seat::SeatIndex, timer::TickTiming, transmit::Transmitted};
use self::{
    seat::{Seat, Seats},
    sent_away::SentAway,
    timer::TickTimer,
};
use crate::{
    game::{EventDoors, Game, Hooks, InputDoor, RoomName, RoomRandom, Settings, TickClock},
    limits::Limit,
    replication::Replication,
};

/// Something that the shell must act on.
#[derive(Debug, PartialEq)]
pub enum RoomEvent {
    /// A player has a seat, which this token takes back.
    Seated {
        /// The player's.
        token: ResumeToken,
    },
    /// A seat is free again.
    Vacated,
    /// A token is worth nothing any more. Until then whoever brings it is to be led to this room, though its seat
    /// may be free.
    Forgotten {
        /// The player's.
        token: ResumeToken,
    },
    /// A player has said goodbye. What came on its streams before has been told before, and can be read now; then
    /// call [`Room::let_go`].
    SaidGoodbye {
        /// Who.
        seat: SeatIndex,
    },
    /// A connection is over. Send the farewell, then a close frame.
    Dismissed {
        /// Whose.
        seat: SeatIndex,
        /// What the close frame says.
        code: CloseCode,
        /// For a person.
        reason: String,
        /// The session's last message.
        farewell: Vec<u8>,
        /// The limit that the player had reached, if that was why.
        limit: Option<Limit>,
        /// What the session has carried in its life.
        traffic: Box<Traffic>,
        /// What its opened streams have carried since that was asked last.
        carried: Option<Box<TrafficByKind>>,
    },
    /// Something happened on a stream that a player opened. See [`Room::streams`].
    Stream {
        /// Whose.
        seat: SeatIndex,
        /// What.
        event: StreamEvent,
    },
}

/// One room. See the [module's page](self).
pub struct Room {
    settings: Settings,
    world: World,
    schedule: Schedule,
    doors: EventDoors,
    input: Option<Box<dyn InputDoor>>,
    hooks: Hooks,
    replication: Replication,
    schema_bytes: Bytes,
    timer: TickTimer,
    /// The tick whose state replication holds.
    captured: Option<Tick>,
    seats: Seats,
    seat_of: HashMap<PlayerId, SeatIndex>,
    sent_away: SentAway,
    players_ever: u32,
    events: VecDeque<RoomEvent>,
    /// The input being applied: one buffer for all players.
    input_bytes: Vec<u8>,
}

impl Room {
    /// Opens a room: builds the schema, runs the game's start hook. The first tick is due at
    /// `first_due`. Chance inside the room follows from `seed` alone.
    ///
    /// # Errors
    ///
    /// The game's registrations do not fit a schema.
    pub fn new(
        game: Game,
        name: impl Into<String>,
        seed: u64,
        first_due: Micros,
    ) -> Result<Self, ApiMisuse> {
        game.check()?;
        let mut world = game.world;
        let timer = TickTimer::new(game.settings.tick_rate_hz, first_due);
        world.insert_resource(RoomName(name.into()));
        world.insert_resource(RoomRandom::from_seed(seed));
        #[expect(clippy::cast_precision_loss, reason = "a tick rate is below 2^24")]
        let dt_seconds = 1.0 / game.settings.tick_rate_hz as f32;
        world.insert_resource(TickClock {
            tick: timer.time(first_due).next_tick,
            dt_seconds,
        });
        let replication = Replication::new(&mut world, game.registry, game.replication);
        let mut schema_bytes = Vec::new();
        replication.schema().encode(&mut schema_bytes);
        let mut room = Self {
            settings: game.settings,
            world,
            schedule: game.schedule,
            doors: game.events,
            input: game.input,
            hooks: game.hooks,
            schema_bytes: schema_bytes.into(),
            replication,
            timer,
            captured: None,
            seats: Seats::default(),
            seat_of: HashMap::new(),
            sent_away: SentAway::default(),
            players_ever: 0,
            events: VecDeque::new(),
            input_bytes: Vec::new(),
        };
        if let Some(start) = &mut room.hooks.start {
            start(&mut room.world);
        }
        Ok(room)
    }

    /// Takes one binary message of a player.
    ///
    /// # Errors
    ///
    /// The player's fault, and final: call [`dismiss`](Self::dismiss) with it.
    pub fn handle_message(
        &mut self,
        seat: SeatIndex,
        message: &[u8],
        now: Micros,
    ) -> Result<(), PeerError> {
        let time = self.timer.time(now);
        let Some(session) = self.seats.get_mut(seat).and_then(Seat::session) else {
            return Ok(());
        };
        session.handle_message(message, time)?;
        // Inputs, nearly all of what comes, cause no event.
        while let Some(event) = self.poll_session_event(seat) {
            self.on_session_event(seat, event)?;
        }
        Ok(())
    }

    /// The seats, for those who know whose turn comes next and ask for its memory.
    pub(crate) const fn seats(&self) -> &Seats {
        &self.seats
    }

    /// Whether the last thing that happened is a goodbye. It is to be acted on before the next tick, in which nobody
    /// has a use for that player.
    pub(crate) fn has_goodbye(&self) -> bool {
        matches!(self.events.back(), Some(RoomEvent::SaidGoodbye { .. }))
    }

    /// What the shell must act on next.
    pub fn poll_event(&mut self) -> Option<RoomEvent> {
        self.events.pop_front()
    }

    /// When the next tick is due.
    #[must_use]
    pub const fn next_due(&self) -> Micros {
        self.timer.next_due()
    }

    /// Sets the clock so that the next tick is due at `due`, without ticks owed for the time between:
    /// after a pause in which nobody played.
    pub const fn restart(&mut self, due: Micros) {
        self.timer.restart(due);
    }

    /// The room's time, as its sessions see it.
    #[must_use]
    pub const fn time(&self, now: Micros) -> RoomTime {
        self.timer.time(now)
    }

    /// Ticks per second.
    #[must_use]
    pub const fn tick_rate_hz(&self) -> u32 {
        self.settings.tick_rate_hz
    }

    /// Seats taken, those of players who are away included.
    #[must_use]
    pub fn players(&self) -> usize {
        self.seats.len()
    }

    /// Whether one more player has a place.
    #[must_use]
    pub fn has_place(&self) -> bool {
        self.seats.len() < self.settings.players_max
    }

    /// The game's world, for tests and tools.
    #[must_use]
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// The game's world, for tests and tools.
    pub const fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// What is replicated, for tests and metrics.
    #[must_use]
    pub const fn replication(&self) -> &Replication {
        &self.replication
    }

    /// The tokens of players who were sent away and are told so if they come back: they lead to this room though
    /// nobody has their seats. When the room is dropped they are worth nothing.
    pub fn tokens_sent_away(&self) -> impl Iterator<Item = ResumeToken> {
        self.sent_away.tokens()
    }

    /// The player who has a seat.
    #[must_use]
    pub fn player(&self, seat: SeatIndex) -> Option<PlayerId> {
        self.seats.get(seat).map(|seat| seat.player)
    }

    /// The name of the player who has a seat.
    #[must_use]
    pub fn player_name(&self, seat: SeatIndex) -> Option<&str> {
        self.seats.get(seat).map(|seat| seat.name.as_str())
    }

    fn poll_session_event(&mut self, seat: SeatIndex) -> Option<ServerEvent> {
        self.seats.get_mut(seat)?.session()?.poll_event()
    }

    fn on_session_event(&mut self, index: SeatIndex, event: ServerEvent) -> Result<(), PeerError> {
        let Some(seat) = self.seats.get_mut(index) else {
            return Ok(());
        };
        match event {
            ServerEvent::Event(bytes) => {
                let left = seat.events_left.checked_sub(1);
                seat.events_left = left.ok_or(PeerMisbehaved::RateExceeded(Rate::Events))?;
                self.doors
                    .receive(&mut self.world, seat.player, seat.entity, &bytes)?;
            }
            ServerEvent::Verify => seat.wants_checksum = true,
            ServerEvent::Goodbye(_) => {
                self.events
                    .push_back(RoomEvent::SaidGoodbye { seat: index });
            }
            ServerEvent::Stream(event) => {
                self.events
                    .push_back(RoomEvent::Stream { seat: index, event });
            }
            // The session takes no second one.
            ServerEvent::Hello(_) => {}
        }
        Ok(())
    }
}
