//! What is true in the room's world at each tick, read straight from the ECS, and what each player may
//! know of it. Nothing here asks replication for more than the names of entities: it is the second
//! opinion that replication is held to.

use std::collections::BTreeMap;

use bevy_ecs::{component::Component, entity::Entity, query::With, world::World};
use tickwire_client::View as ClientView;
use tickwire_protocol::{
    id::{NetworkId, PlayerId},
    replicate::{Replicate, encode_value},
    schema::Audience,
    time::Tick,
};
use tickwire_server::{
    game::Player,
    replication::{HYSTERESIS_CELLS, Owner, Replicated, Replication, Team},
};

use super::game::{Ammo, CELL_UNITS, Health, Label, Orders, Position, VIEW_UNITS};

/// A value as the wire would carry it.
pub type Bytes = Vec<u8>;

/// One replicated component of the game: how to read it at either end.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// Who may know it.
    pub audience: Audience,
    read: fn(&World, Entity) -> Option<Bytes>,
    see: fn(&ClientView<'_>, NetworkId) -> Option<Bytes>,
}

impl Kind {
    fn of<T: Component + Replicate>() -> Self {
        fn encode<T: Replicate>(value: &T) -> Bytes {
            let mut bytes = Bytes::new();
            encode_value(value, &mut bytes);
            bytes
        }
        Self {
            name: T::NAME,
            audience: T::rules().audience,
            read: |world, entity| world.get::<T>(entity).map(encode),
            see: |view, id| view.get::<T>(id).as_ref().map(encode),
        }
    }

    /// Its value as a client holds it.
    #[must_use]
    pub fn seen(&self, view: &ClientView<'_>, id: NetworkId) -> Option<Bytes> {
        (self.see)(view, id)
    }
}

/// Every component of the game.
#[must_use]
pub fn kinds() -> [Kind; 5] {
    [
        Kind::of::<Position>(),
        Kind::of::<Health>(),
        Kind::of::<Ammo>(),
        Kind::of::<Orders>(),
        Kind::of::<Label>(),
    ]
}

/// One entity at one tick.
#[derive(Clone, Debug)]
pub struct Thing {
    /// Its components, in the order of [`kinds`].
    pub values: [Option<Bytes>; 5],
    at: Option<[f32; 2]>,
    owner: Option<PlayerId>,
    team: Option<u8>,
}

/// One player's eyes at one tick.
#[derive(Clone, Copy, Debug)]
pub struct Eyes {
    player: PlayerId,
    /// Its entity.
    pub own: NetworkId,
    at: [f32; 2],
    team: Option<u8>,
}

/// What is true at one tick.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Every replicated entity.
    pub things: BTreeMap<NetworkId, Thing>,
    /// Every player's eyes.
    pub eyes: BTreeMap<PlayerId, Eyes>,
}

/// What is true, tick by tick.
#[derive(Debug, Default)]
pub struct Truth {
    moments: BTreeMap<u32, Moment>,
    has_grid: bool,
}

/// How a thing stands to a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// It must be told.
    Must,
    /// It may be told, and need not be.
    May,
    /// It must not be told.
    MustNot,
}

impl Truth {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(has_grid: bool) -> Self {
        Self {
            moments: BTreeMap::new(),
            has_grid,
        }
    }

    /// Writes down what is true now.
    pub fn record(&mut self, tick: Tick, world: &World, replication: &Replication) {
        let kinds = kinds();
        let mut things = BTreeMap::new();
        let mut eyes = BTreeMap::new();
        let mut marked = world
            .try_query_filtered::<Entity, With<Replicated>>()
            .expect("the room has registered the marker");
        for entity in marked.iter(world) {
            let id = replication
                .network_id(entity)
                .expect("what is captured has a network id");
            let at = world.get::<Position>(entity).map(|at| [at.x, at.y]);
            let team = world.get::<Team>(entity).map(|team| team.0);
            let owner = world.get::<Owner>(entity).map(|owner| owner.0);
            let values = kinds.map(|kind| (kind.read)(world, entity));
            things.insert(
                id,
                Thing {
                    values,
                    at,
                    owner,
                    team,
                },
            );
            if let Some(player) = world.get::<Player>(entity)
                && let Some(at) = at
            {
                eyes.insert(
                    player.id,
                    Eyes {
                        player: player.id,
                        own: id,
                        at,
                        team,
                    },
                );
            }
        }
        self.moments.insert(tick.0, Moment { things, eyes });
    }

    /// What was true at a tick that was captured.
    #[must_use]
    pub fn at(&self, tick: Tick) -> Option<&Moment> {
        self.moments.get(&tick.0)
    }

    /// Ticks up to this one, the newest first.
    pub fn back_from(&self, tick: Tick) -> impl Iterator<Item = (Tick, &Moment)> {
        self.moments
            .range(..=tick.0)
            .rev()
            .map(|(tick, moment)| (Tick(*tick), moment))
    }

    /// Whether a player must, may or must not know a component of a thing.
    #[must_use]
    pub fn right(&self, eyes: &Eyes, thing: &Thing, audience: Audience) -> Right {
        let is_among = match audience {
            Audience::Everyone => true,
            Audience::Owner => thing.owner == Some(eyes.player),
            Audience::Team => thing.team.is_some() && thing.team == eyes.team,
            Audience::Filtered => false,
        };
        if !is_among {
            return Right::MustNot;
        }
        // An owner knows its own wherever it looks.
        if !self.has_grid || audience == Audience::Owner {
            return Right::Must;
        }
        let Some(at) = thing.at else {
            return Right::Must;
        };
        let beyond = |axis: usize| (at[axis] - eyes.at[axis]).abs() - VIEW_UNITS[axis] / 2.0;
        let farthest = beyond(0).max(beyond(1));
        if farthest <= 0.0 {
            Right::Must
        } else if farthest <= HYSTERESIS_CELLS * CELL_UNITS {
            Right::May
        } else {
            Right::MustNot
        }
    }
}
