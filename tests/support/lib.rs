//! What tests and benches of several packages share: the world that every figure is measured on, a
//! network on virtual time, the checkers that run after every step, seeds, and fuzz bodies.

pub mod reference_components;
pub mod reference_world;

pub mod link;
pub mod seeds;
pub mod sim;

pub mod fuzz;
