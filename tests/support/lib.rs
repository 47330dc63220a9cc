//! What tests and benches of several packages share: the world that every figure is measured on, a
//! network on virtual time, the checkers that run after every step, seeds, fuzz bodies, processes, folders, and
//! the answer to an upgrade.

pub mod reference_components;
pub mod reference_world;

pub mod folder;
pub mod link;
pub mod process;
pub mod seeds;
pub mod sim;
pub mod upgrade;

pub mod fuzz;
