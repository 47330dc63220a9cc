//! What tests and benches of several packages share: the world that every figure is measured on, a
//! network on virtual time, the checkers that run after every step, and seeds.

pub mod reference_world;

pub mod link;
pub mod seeds;
