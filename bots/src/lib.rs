//! Load-test bots: thousands of players on a few threads, through the real protocol.
//!
//! The modules stand in reading order: what is asked, how a connection comes about, what is counted,
//! and how it is shown.

pub mod options;
pub mod target;
pub mod upgrade;

pub mod statistics;

pub mod html;
pub mod live;
pub mod report;
