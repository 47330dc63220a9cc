//! Tickwire's client: everything at a player's end of the game.
//!
//! The core is sans-IO and runs natively (bots, tests) and in the browser alike: [`Client`] holds the
//! session, what the server said, and the view to draw; [`Prediction`] moves the player's own entity
//! ahead of the server by the game's own rules. With the feature `browser` the shell comes along: socket,
//! animation frames, keys, touch and canvas, and the JavaScript API.
//!
//! The modules stand in reading order.

pub mod limits;

pub mod assets;
mod inputs;
mod playout;
mod reconnect;
mod stats;
mod world;

mod client;
mod predict;

pub use client::{AssetPolicy, Client, ClientEvent, Config, Connection, ReceivedEvent};
pub use playout::GameTime;
pub use predict::{NoPrediction, Predict, Prediction};
pub use stats::Stats;
pub use world::{FieldKind, View};

#[cfg(feature = "browser")]
pub mod browser;
