//! The little game of these tests: one component for each rule that replication knows.

use bevy_ecs::prelude::{Component, Entity, World};
use tickwire_protocol::replicate::Replicate;
use tickwire_server::replication::{Filter, Registry};

/// Where an entity is, and by which the grid sorts it.
#[derive(Component, Replicate, Clone, Debug, PartialEq)]
pub(crate) struct Position {
    #[wire(range(-500.0, 500.0), step = 0.0625, predict = "linear")]
    pub(crate) x: f32,
    #[wire(range(-500.0, 500.0), step = 0.0625, predict = "linear")]
    pub(crate) y: f32,
}

/// For everyone in view.
#[derive(Component, Replicate, Clone, Debug, PartialEq)]
pub(crate) struct Health(pub(crate) u8);

/// For everyone in view, at most every five ticks.
#[derive(Component, Replicate, Clone, Debug, PartialEq)]
#[replicate(every = 5)]
pub(crate) struct Label(pub(crate) String);

/// For everyone in view, and only as it was first.
#[derive(Component, Replicate, Clone, Debug, PartialEq)]
#[replicate(send = "once")]
pub(crate) struct Birth(pub(crate) u32);

/// For everyone in view: another entity.
#[derive(Component, Replicate, Clone, Debug, PartialEq)]
pub(crate) struct Target(#[wire(entity)] pub(crate) Entity);

/// For the owner alone.
#[derive(Component, Replicate, Clone, Debug, PartialEq)]
#[replicate(audience = "owner")]
pub(crate) struct Purse(pub(crate) u32);

/// For the team alone.
#[derive(Component, Replicate, Clone, Debug, PartialEq)]
#[replicate(audience = "team")]
pub(crate) struct Plan(pub(crate) u16);

/// For those whom [`Revealed`] names.
#[derive(Component, Replicate, Clone, Debug, PartialEq)]
#[replicate(audience = "filtered")]
pub(crate) struct Disguise {
    #[wire(range(0, 5000), predict = "linear")]
    pub(crate) shape: u16,
}

/// Not replicated: one bit for each player who sees through the disguise.
#[derive(Component, Clone, Debug, PartialEq)]
pub(crate) struct Revealed(pub(crate) u32);

pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    let registered = registry
        .register::<Position>()
        .and_then(|registry| registry.register::<Health>())
        .and_then(|registry| registry.register::<Label>())
        .and_then(|registry| registry.register::<Birth>())
        .and_then(|registry| registry.register::<Target>())
        .and_then(|registry| registry.register::<Purse>())
        .and_then(|registry| registry.register::<Plan>())
        .and_then(|registry| registry.register::<Disguise>());
    assert!(registered.is_ok());
    registry
}

pub(crate) fn filter() -> Filter {
    Filter::new(|world: &World, viewer, entity| {
        world
            .get::<Revealed>(entity)
            .is_some_and(|revealed| revealed.0 >> (viewer.player.0 % 32) & 1 != 0)
    })
}

/// The generator of all randomness here: xorshift64*, the same on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        (0..4).for_each(|_| _ = random.next());
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A coordinate on the wire's own raster, within `reach` of zero.
    pub(crate) fn coordinate(&mut self, reach: i32) -> f32 {
        (self.below(2 * reach as usize * 16) as f32) / 16.0 - reach as f32
    }
}
