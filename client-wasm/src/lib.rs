//! Tickwire's client: everything at a player's end of the game.
//!
//! The core is sans-IO and runs natively (bots, tests) and in the browser alike: [`Client`] holds the
//! session, what the server said, and the view to draw; [`Prediction`] moves the player's own entity
//! ahead of the server by the game's own rules. With the feature `browser` the shell comes along: socket,
//! animation frames, keys, touch and canvas, and the JavaScript API. With the feature `native` the same core
//! comes with a socket of tokio's around it, for games outside a browser, tools and bots.
//!
//! Whoever owns the socket and the clock calls the doors; this is all there is to it:
//!
//! ```
//! use tickwire_client::{Client, ClientEvent};
//! use tickwire_protocol::time::Micros;
//!
//! /// One round of a client's life; `connect` and `send` belong to the shell around it.
//! fn round(client: &mut Client, now: Micros, connect: impl FnOnce(), mut send: impl FnMut(&[u8])) {
//!     if client.poll_connect(now) {
//!         connect(); // Its end comes back as `handle_open`, `handle_message`, `handle_close`.
//!     }
//!     if let Err(error) = client.handle_frame(now) {
//!         eprintln!("the server is gone: {error}");
//!     }
//!     let mut message = vec![];
//!     while client.poll_message(16 * 1024, now, &mut message) {
//!         send(&message);
//!         message.clear();
//!     }
//!     while let Some(event) = client.poll_event() {
//!         if let ClientEvent::Disconnected { message, .. } = event {
//!             println!("{message} Trying again …");
//!         }
//!     }
//!     if let Some(view) = client.view() {
//!         println!("{} entities in view", view.entities().len());
//!     }
//! }
//! ```
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

#[cfg(feature = "native")]
pub mod native;
