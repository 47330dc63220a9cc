//! Tickwire's server: a game plugs in, rooms tick, players join.
//!
//! Components, systems and hooks come in; a server that speaks Tickwire's protocol comes out. The room
//! and its replication are a core without IO, built without the feature `net`; `net` is the shell around
//! it: HTTP, WebSocket, worker threads.
//!
//! A whole game: players push pucks over a field and see each other do it. It is the example `pucks`, and
//! `cargo run -p tickwire-server --example pucks` serves it with its page. In a folder of its own, its `Cargo.toml`
//! names, with the paths of a checkout beside it:
//!
//! ```toml
//! [dependencies]
//! tickwire-server = { path = "../tickwire/server" }
//! # What the derives of components write down names these two.
//! tickwire-protocol = { path = "../tickwire/protocol" }
//! bevy_ecs = { version = "0.20", default-features = false, features = ["std"] }
//! tokio = { version = "1", features = ["macros", "net", "rt-multi-thread", "signal"] }
//! # For routes: the page is one.
//! axum = { version = "0.8", default-features = false }
//! # For a game with events, which derive `Serialize` and `Deserialize`.
//! serde = { version = "1", features = ["derive"] }
//! ```
//!
//! bevy_ecs's feature `debug` besides is of use as long as the game is worked on: without it, a panic over a resource
//! or parameter that is missing does not say of which system and type.
//!
//! ```ignore
#![doc = include_str!("../examples/pucks.rs")]
//! ```
//!
//! `pucks.html` beside it, with the client that `cargo xtask wasm` builds. In a folder of its own the game is started by
//! `cargo run 8080 ../tickwire/target/dist`, where the client lies:
//!
//! ```html
#![doc = include_str!("../examples/pucks.html")]
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
