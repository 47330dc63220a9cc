//! Tickwire's server.

pub mod limits;

pub mod replication;
