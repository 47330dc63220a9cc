//! The bodies of the reference world as components, at the precision that its figures ask for.

use bevy_ecs::prelude::*;
use tickwire_protocol::replicate::Replicate;
use tickwire_server::replication::Registry;

#[derive(Component, Replicate, Clone, Debug, PartialEq)]
pub(crate) struct Place {
    #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
    pub(crate) x: f32,
    #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
    pub(crate) y: f32,
}

#[derive(Component, Replicate, Clone, Debug, PartialEq)]
pub(crate) struct Heading(#[wire(angle, bits = 8, predict = "linear")] pub(crate) f32);

#[derive(Component, Replicate, Clone, Debug, PartialEq)]
pub(crate) struct Hp(pub(crate) u8);

/// They, in this order.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    let registered = registry
        .register::<Place>()
        .and_then(|registry| registry.register::<Heading>())
        .and_then(|registry| registry.register::<Hp>());
    assert!(registered.is_ok());
    registry
}
