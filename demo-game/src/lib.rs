//! Tickwire's demo: an arena of small ships, both ends of it.
//!
//! [`components`], [`events`], [`schema`](mod@schema) and [`rules`] are shared. The server's half is behind the
//! feature `server`, the browser's behind `browser`; a build has one of them, and neither carries the
//! other's weight.

pub mod components;
pub mod events;
pub mod rules;
pub mod schema;

#[cfg(feature = "browser")]
pub mod browser;
#[cfg(feature = "server")]
pub mod server;
