//! How a game plugs in: a builder that collects what one room needs, once per room.
//!
//! A game's types, systems and hooks come in; a [`Game`] comes out, which [`Room::new`] consumes. The
//! choice to question: a `Game` is one room's, not every room's. bevy's systems carry state and cannot
//! be cloned, so [`Server::new`](crate::net::Server::new) takes the *function* that builds a `Game` and
//! calls it for every room; in exchange anything can be moved into a room's systems and hooks.
//!
//! # Slow work
//!
//! Systems and hooks run on the room's worker: one that waits for a disk or a database makes every room of the worker
//! late. A task waits instead, and a channel of the room brings what it found into the tick:
//!
//! ```
//! use tickwire_server::prelude::*;
//! use tokio::{runtime::Handle, sync::mpsc::{UnboundedReceiver, unbounded_channel}};
//! # async fn best_of(_name: &str) -> u32 { 0 }
//!
//! #[derive(Component, Replicate, Clone, Copy, Default)]
//! struct Best(u32);
//!
//! #[derive(Resource)]
//! struct Found(UnboundedReceiver<(Entity, Best)>);
//!
//! fn take_found(mut found: ResMut<Found>, mut bests: Query<&mut Best>) {
//!     while let Ok((entity, best)) = found.0.try_recv() {
//!         // The player may have left meanwhile.
//!         if let Ok(mut known) = bests.get_mut(entity) {
//!             *known = best;
//!         }
//!     }
//! }
//!
//! fn game(runtime: Handle) -> Game {
//!     let (sender, found) = unbounded_channel();
//!     Game::new("bests")
//!         .replicate::<Best>()
//!         .insert_resource(Found(found))
//!         .add_systems(take_found)
//!         .on_join(move |world, joining| {
//!             let entity = world.spawn((Replicated, Best::default())).id();
//!             let (sender, name) = (sender.clone(), joining.name.to_owned());
//!             runtime.spawn(async move {
//!                 // Fails when the room has been dropped.
//!                 let _ = sender.send((entity, Best(best_of(&name).await)));
//!             });
//!             entity
//!         })
//! }
//!
//! # async fn run() {
//! // On the runtime on which the server is started:
//! let runtime = Handle::current();
//! let server = Server::new(move || game(runtime.clone()));
//! # }
//! ```
//!
//! What the tasks of [`Server::on_player`](crate::net::Server::on_player) find goes the same way, by a map from
//! [`Peer::room`](crate::stream::Peer::room) to the senders of the rooms. As with all that comes from outside, the tick in
//! which it comes is not the same in every run.
//!
//! [`Room::new`]: crate::room::Room::new

mod event;
mod hook;
mod input;
mod players;
mod random;
mod world;

use bevy_ecs::{
    component::Component,
    resource::Resource,
    schedule::{IntoScheduleConfigs, Schedule, SingleThreadedExecutor},
    system::ScheduleSystem,
    world::World,
};
use tickwire_protocol::{
    error::ApiMisuse, event::GameEvent, replicate::Replicate, schema::EventDirection, time::Micros,
};

pub(crate) use self::{
    event::EventDoors, hook::Hooks, input::InputDoor, players::Order, world::Recipient,
};
pub use self::{
    hook::{Joining, LeaveReason, Leaving, Refusal},
    players::Players,
    random::RoomRandom,
    world::{CurrentInput, FromPlayer, Outbox, Player, RoomName, TickClock},
};
use crate::{
    limits,
    replication::{Filter, Grid, Registry, Settings as ReplicationSettings, Viewer},
    stream::Streams,
};

/// What one room needs to know about its game.
///
/// See the [crate's page](crate) for a whole game.
pub struct Game {
    pub(crate) name: String,
    pub(crate) settings: Settings,
    pub(crate) world: World,
    pub(crate) schedule: Schedule,
    pub(crate) events: EventDoors,
    pub(crate) input: Option<Box<dyn InputDoor>>,
    pub(crate) hooks: Hooks,
    pub(crate) registry: Registry,
    pub(crate) replication: ReplicationSettings,
    /// The first registration that the schema could not hold.
    pub(crate) misuse: Option<ApiMisuse>,
}

/// The numbers of a game.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) tick_rate_hz: u32,
    pub(crate) players_max: usize,
    pub(crate) grace: Micros,
}

impl Game {
    /// Starts an empty game of that name, by which the log knows its rooms: 20 ticks a second, up to
    /// [`PLAYERS_PER_ROOM_MAX`](limits::PLAYERS_PER_ROOM_MAX) players.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let mut schedule = Schedule::default();
        // Rooms run side by side on the workers; threads inside one schedule would only contend.
        schedule.set_executor(SingleThreadedExecutor::new());
        let mut world = World::new();
        world.init_resource::<Outbox>();
        world.init_resource::<Players>();
        Self {
            name: name.into(),
            settings: Settings {
                tick_rate_hz: limits::TICK_RATE_HZ_DEFAULT,
                players_max: limits::PLAYERS_PER_ROOM_MAX,
                grace: limits::RECONNECT_GRACE,
            },
            world,
            schedule,
            events: EventDoors::default(),
            input: None,
            hooks: Hooks::default(),
            registry: Registry::new(),
            replication: ReplicationSettings {
                player_bytes_per_second: Some(limits::SNAPSHOT_BYTES_PER_SECOND_MAX),
                ..ReplicationSettings::default()
            },
            misuse: None,
        }
    }

    /// Sets how often the room steps, in ticks per second: 1 to
    /// [`TICK_RATE_HZ_MAX`](limits::TICK_RATE_HZ_MAX), 20 by default. Values outside are brought in.
    #[must_use]
    pub fn tick_rate_hz(mut self, hz: u32) -> Self {
        self.settings.tick_rate_hz = hz.clamp(1, limits::TICK_RATE_HZ_MAX);
        self.replication.tick_rate_hz = self.settings.tick_rate_hz;
        self
    }

    /// Sets how many players a room takes; the next one is told that it is full.
    #[must_use]
    pub fn players_max(mut self, players: usize) -> Self {
        self.settings.players_max = players.clamp(1, limits::PLAYERS_PER_ROOM_MAX);
        self
    }

    /// Sets how long a player whose connection broke keeps its seat and its entity, 10 s by default.
    /// Zero means that it leaves at once.
    #[must_use]
    pub fn reconnect_grace(mut self, grace: core::time::Duration) -> Self {
        self.settings.grace = grace.into();
        self
    }

    /// Sets how many bytes of snapshots a player gets per second at most; what does not fit comes
    /// later, the most important first. 1 MB by default.
    #[must_use]
    pub fn snapshot_bytes_per_second_max(mut self, bytes: u32) -> Self {
        let bytes = bytes.max(limits::SNAPSHOT_BYTES_PER_SECOND_MIN);
        self.replication.player_bytes_per_second = Some(bytes);
        self
    }

    /// Shows players the component `T` of every entity marked
    /// [`Replicated`](crate::replication::Replicated).
    ///
    /// Both ends must name the same components in the same order: the handshake says what differs.
    #[must_use]
    pub fn replicate<T: Component + Replicate>(mut self) -> Self {
        let result = self.registry.register::<T>().err();
        self.misuse = self.misuse.or(result);
        self
    }

    /// Makes `I` what a player sends for each tick. It arrives as [`CurrentInput<I>`] on the player's
    /// entity, and is `I::default()` until the first one comes.
    ///
    /// A game without it reads no inputs: what a client sends all the same is given up as its tick comes.
    #[must_use]
    pub fn input<I: Replicate + Default>(mut self) -> Self {
        let result = self.registry.input::<I>().err();
        self.misuse = self.misuse.or(result);
        self.input = Some(input::door::<I>());
        self
    }

    /// Adds an event of the game, in both directions.
    ///
    /// From players it arrives as the bevy message [`FromPlayer<E>`]; to players it goes through the
    /// [`Outbox`] resource. Both ends must add the same events in the same order: the handshake says
    /// what differs.
    #[must_use]
    pub fn event<E: GameEvent>(mut self) -> Self {
        match self.registry.event::<E>(EventDirection::Both) {
            Ok(_) => self.events.add::<E>(&mut self.world),
            Err(misuse) => self.misuse = self.misuse.or(Some(misuse)),
        }
        self
    }

    /// Shows each player only what is near: see [`Grid`]. Without it everyone sees everything.
    #[must_use]
    pub fn interest(mut self, grid: Grid) -> Self {
        self.replication.grid = Some(grid);
        self
    }

    /// Decides who sees what the game marked as filtered: see [`Filter`].
    #[must_use]
    pub fn filter(
        mut self,
        may_see: impl Fn(&World, Viewer, bevy_ecs::entity::Entity) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.replication.filter = Some(Filter::new(may_see));
        self
    }

    /// Adds systems that run once a tick, after the inputs are in and before the state is captured.
    #[must_use]
    pub fn add_systems<M>(mut self, systems: impl IntoScheduleConfigs<ScheduleSystem, M>) -> Self {
        self.schedule.add_systems(systems);
        self
    }

    /// Puts a resource into the room's world.
    #[must_use]
    pub fn insert_resource<R: Resource>(mut self, resource: R) -> Self {
        self.world.insert_resource(resource);
        self
    }

    /// Gives systems the players' streams, as the resource [`Streams`].
    #[must_use]
    pub fn streams(mut self) -> Self {
        self.world.init_resource::<Streams>();
        self
    }

    /// Runs once when the room opens, to fill its world. [`RoomName`], [`RoomRandom`] and [`TickClock`] are there.
    ///
    /// Hooks run where the room's systems do, on its worker: one that waits for a disk or a database makes every room of
    /// the worker late. [Slow work](self#slow-work) belongs into a task, whose result comes back into the tick.
    #[must_use]
    pub fn on_start(mut self, hook: impl FnMut(&mut World) + Send + Sync + 'static) -> Self {
        self.hooks.start = Some(Box::new(hook));
        self
    }

    /// Runs before a player takes a seat and may refuse it with a reason that the player reads.
    #[must_use]
    pub fn on_knock(
        mut self,
        hook: impl FnMut(&mut World, &Joining<'_>) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.knock = Some(Box::new(hook));
        self
    }

    /// Runs when a player takes a seat and returns the player's entity. Without it the room spawns an
    /// empty one. The room adds [`Player`], the owner's marker and [`CurrentInput`] to it.
    ///
    /// The game may despawn it, when the player dies say, and [give](Players::give_entity) the player another.
    #[must_use]
    pub fn on_join(
        mut self,
        hook: impl FnMut(&mut World, &Joining<'_>) -> bevy_ecs::entity::Entity + Send + Sync + 'static,
    ) -> Self {
        self.hooks.join = Some(Box::new(hook));
        self
    }

    /// Runs whenever a player's seat is given up: it left, did not come back in time, or was
    /// [sent away](Players::send_away). The room despawns its entity afterwards, if the game has not.
    #[must_use]
    pub fn on_leave(
        mut self,
        hook: impl FnMut(&mut World, &Leaving<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.leave = Some(Box::new(hook));
        self
    }

    /// Whether a room can hold it: the first registration that the schema could not hold, if there is one, or that
    /// all of them are too long for clients.
    pub(crate) fn check(&self) -> Result<(), ApiMisuse> {
        self.misuse.clone().map_or(Ok(()), Err)?;
        self.registry.check()
    }

    /// The most players one room takes.
    #[must_use]
    pub const fn players_max_set(&self) -> usize {
        self.settings.players_max
    }

    /// The game's name, as players see it in the handshake.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}
