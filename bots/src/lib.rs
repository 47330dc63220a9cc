//! Load-test bots: thousands of players on a few threads, through the real protocol.
//!
//! A game's own bot is some twenty lines: see [`Bot`]. The command `tickwire-bots` plays any game by
//! its schema alone.
//!
//! The modules stand in reading order: what is asked, who plays, what is counted, and how it is shown.

pub mod limits;

pub mod options;
pub mod payload;
pub mod settings;

pub mod arrival;
pub mod bot;
pub mod cast;
pub mod conduct;
pub mod connection;
pub mod mischief;
pub mod player;
pub mod run;
pub mod schema_bot;
pub mod seat;
pub mod voice;
pub mod worker;

pub mod statistics;

pub mod html;
pub mod live;
pub mod report;

pub use bot::{Bot, Eyes};
pub use cast::Cast;
pub use options::Options;
pub use run::{Outcome, main, run, run_watched};
pub use schema_bot::SchemaBot;
pub use voice::{ReceivedEvent, Voice};
