//! Tickwire's server: a game plugs in, rooms tick, players join.
//!
//! Components, systems and hooks come in; a server that speaks Tickwire's protocol comes out. The room
//! and its replication are a core without IO, built without the feature `net`; `net` is the shell around
//! it: HTTP, WebSocket, worker threads.
//!
//! A whole game: players push pucks over a field and see each other do it. Its `Cargo.toml` names, with the paths
//! of a checkout beside it:
//!
//! ```toml
//! [dependencies]
//! tickwire-server = { path = "../tickwire/server" }
//! # What the derives of components write down names these two.
//! tickwire-protocol = { path = "../tickwire/protocol" }
//! bevy_ecs = { version = "0.20", default-features = false, features = ["std"] }
//! tokio = { version = "1", features = ["macros", "net", "rt-multi-thread", "signal"] }
//! # For a game with events, which derive `Serialize` and `Deserialize`.
//! serde = { version = "1", features = ["derive"] }
//! ```
//!
//! bevy_ecs's feature `debug` besides is of use as long as the game is worked on: without it, a panic over a resource
//! or parameter that is missing does not say of which system and type.
//!
//! ```
//! use tickwire_server::prelude::*;
//!
//! /// Where a puck is, to a sixteenth of a unit.
//! #[derive(Component, Replicate, Clone, Copy)]
//! struct Position {
//!     #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
//!     x: f32,
//!     #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
//!     y: f32,
//! }
//!
//! /// Which way a player pushes.
//! #[derive(Replicate, Clone, Copy, Default)]
//! struct Push {
//!     #[wire(range(-1.0, 1.0), step = 0.0625)]
//!     x: f32,
//!     #[wire(range(-1.0, 1.0), step = 0.0625)]
//!     y: f32,
//! }
//!
//! const UNITS_PER_SECOND: f32 = 120.0;
//!
//! fn push(clock: Res<TickClock>, mut pucks: Query<(&CurrentInput<Push>, &mut Position)>) {
//!     for (push, mut position) in &mut pucks {
//!         let step = UNITS_PER_SECOND * clock.dt_seconds;
//!         position.x = (position.x + push.x * step).clamp(0.0, 4000.0);
//!         position.y = (position.y + push.y * step).clamp(0.0, 4000.0);
//!     }
//! }
//!
//! fn pucks() -> Game {
//!     Game::new("pucks")
//!         .replicate::<Position>()
//!         .input::<Push>()
//!         .add_systems(push)
//!         .on_join(|world, _| {
//!             let x = world.resource_mut::<RoomRandom>().range(0.0, 4000.0);
//!             world.spawn((Replicated, Position { x, y: 2000.0 })).id()
//!         })
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let address = "127.0.0.1:8080";
//! #   let address = "127.0.0.1:0";
//!     let listener = tokio::net::TcpListener::bind(address).await?;
//!     let ctrl_c = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
//! #   let ctrl_c = async {};
//!     Server::new(pucks).serve(listener, ctrl_c).await?;
//!     Ok(())
//! }
//! ```
//!
//! The modules stand in reading order.

pub mod limits;
mod prefetch;
pub mod threads;

pub mod game;
pub mod room;

pub mod replication;

#[cfg_attr(
    not(feature = "net"),
    expect(dead_code, reason = "only the shell has players' streams to give")
)]
pub mod stream;

#[cfg(feature = "net")]
pub mod net;

pub mod prelude;
