//! The rules of the arena, shared by both ends: a ship under input, weapons, the ground plan, scoring.
//!
//! State and input come in, the next state comes out. Nothing here knows an ECS, a canvas or a clock,
//! so the server steps every ship and the browser predicts its own with the very same code.
//!
//! Positions, speeds and headings are rounded to the precision of the wire after every step. So a
//! browser that starts from a snapshot starts from exactly what the server has, and a prediction is
//! wrong only when something happened that the browser could not know.

pub mod arena;
pub mod pickup;
pub mod random;
pub mod score;
pub mod ship;
pub mod tuning;
pub mod vector;
pub mod weapon;
