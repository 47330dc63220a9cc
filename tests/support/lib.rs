//! What tests and benches of several packages share.

pub mod reference_world;
