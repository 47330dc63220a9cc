//! The bodies of the [reference world](crate::reference_world) as a game declares them, at the precision
//! that its figures ask for.

use bevy_ecs::component::Component;
use tickwire_protocol::replicate::Replicate;

use crate::reference_world::Body;

/// Where a body is.
#[derive(Component, Replicate, Clone, Copy)]
pub struct Position {
    /// Units from the left wall.
    #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
    pub x: f32,
    /// Units from the upper wall.
    #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
    pub y: f32,
}

/// Where it points, as a game that knows nothing of its motion declares it.
#[derive(Component, Replicate, Clone, Copy)]
pub struct Angle(#[wire(angle, bits = 8)] pub f32);

/// What it withstands.
#[derive(Component, Replicate, Clone, Copy, PartialEq)]
pub struct Hp(#[wire(range(0, 100))] pub u8);

/// What a body is as components.
#[must_use]
pub const fn components(body: &Body) -> (Position, Angle, Hp) {
    let (x, y) = (body.x, body.y);
    (Position { x, y }, Angle(body.angle), Hp(body.hp))
}
