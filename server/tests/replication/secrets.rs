//! Nobody learns what is not meant for them: a client that keeps every byte and every value it ever decodes
//! never comes across another's secret, nor an entity outside its view and hysteresis.

use crate::world::{Position, Random};
use bevy_ecs::prelude::*;
use std::{collections::HashSet, sync::Arc};
use tickwire_protocol::{
    id::{NetworkId, PlayerId},
    replicate::{Replicate, SameIds},
    schema::{Audience, ComponentId},
    snapshot::Replica,
    time::Tick,
};
use tickwire_server::{replication::*, threads::Alone};

const PLAYERS: u32 = 4;
const TICKS: u32 = 400;
const CELL_UNITS: f32 = 64.0;

/// Texts stand in a snapshot as they are, so that they can be looked for in its bytes.
#[derive(Component, Replicate, Clone, Debug, PartialEq)]
#[replicate(audience = "owner")]
struct Diary(String);

#[derive(Component, Replicate, Clone, Debug, PartialEq)]
#[replicate(audience = "team")]
struct Password(String);

#[derive(Component, Replicate, Clone, Debug, PartialEq)]
#[replicate(audience = "filtered")]
struct Face(String);

/// Says where it is to everyone who can see it.
#[derive(Component, Replicate, Clone, Debug, PartialEq)]
struct Name(String);

/// Says who may see it; not replicated.
#[derive(Component, Clone, Copy)]
struct Number(u32);

impl Number {
    const fn owner(self) -> PlayerId {
        PlayerId(self.0 % PLAYERS)
    }

    const fn team(self) -> u8 {
        (self.0 % 2) as u8
    }

    /// Whom the filter lets see it: its owner, or another.
    const fn known_to(self) -> PlayerId {
        PlayerId((self.0 + self.0 / 16) % PLAYERS)
    }

    fn visible_to(self) -> Audience {
        let audiences = [
            Audience::Everyone,
            Audience::Owner,
            Audience::Team,
            Audience::Filtered,
        ];
        audiences[(self.0 / 4 % 4) as usize]
    }

    /// Whether a player may see a component for that audience.
    fn may_show(self, to: &Spy, audience: Audience) -> bool {
        let is_among = |audience| match audience {
            Audience::Everyone => true,
            Audience::Owner => self.owner() == to.player,
            Audience::Team => self.team() == to.team,
            Audience::Filtered => self.known_to() == to.player,
        };
        is_among(audience) && is_among(self.visible_to())
    }
}

/// One client and everything it ever came across.
struct Spy {
    player: PlayerId,
    team: u8,
    entity: Entity,
    replica: Replica,
    bytes: Vec<u8>,
    texts: HashSet<String>,
}

impl Spy {
    fn saw(&self, text: &str) -> bool {
        let in_bytes = self
            .bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes());
        in_bytes || self.texts.contains(text)
    }

    /// Takes a snapshot in and writes down all there is.
    fn read(&mut self, snapshot: &[u8]) {
        self.bytes.extend_from_slice(snapshot);
        assert!(self.replica.apply(snapshot).is_ok());
        for (_, state) in self.replica.groups() {
            let blobs = state
                .tables()
                .iter()
                .flat_map(|table| &table.blobs)
                .flat_map(|blob| &blob.values);
            self.texts
                .extend(blobs.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
        }
    }
}

fn registry() -> Registry {
    let mut registry = Registry::new();
    let registered = registry
        .register::<Position>()
        .and_then(|registry| registry.register::<Name>())
        .and_then(|registry| registry.register::<Diary>())
        .and_then(|registry| registry.register::<Password>())
        .and_then(|registry| registry.register::<Face>());
    assert!(registered.is_ok());
    registry
}

fn spawn(world: &mut World, random: &mut Random, number: u32) -> Entity {
    let kind = Number(number);
    let position = Position {
        x: random.coordinate(300),
        y: random.coordinate(300),
    };
    world
        .spawn((
            Replicated,
            position,
            Name(format!("name-{number};")),
            Owner(kind.owner()),
            Diary(format!("diary-{number};")),
            Team(kind.team()),
            Password(format!("password-{number};")),
            Face(format!("face-{number};")),
            VisibleTo(kind.visible_to()),
            kind,
        ))
        .id()
}

#[test]
fn a_client_that_keeps_every_byte_never_finds_what_is_not_meant_for_it() {
    for seed in 0..4 {
        spy_on_a_room(seed);
    }
}

fn spy_on_a_room(seed: u64) {
    let mut random = Random::new(seed);
    let mut world = World::new();
    let grid = Grid::new::<Position>(CELL_UNITS, |position| [position.x, position.y]);
    let reach = grid.hysteresis_units();
    let known_to = |world: &World, viewer: Viewer, entity| {
        world
            .get::<Number>(entity)
            .is_some_and(|number| number.known_to() == viewer.player)
    };
    let settings = Settings {
        grid: Some(grid),
        filter: Some(Filter::new(known_to)),
        ..Settings::default()
    };
    let mut replication = Replication::new(&mut world, registry(), settings);
    let entities: Vec<_> = (0..60)
        .map(|number| spawn(&mut world, &mut random, number))
        .collect();
    let mut spies: Vec<_> = (0..PLAYERS)
        .map(|number| {
            let entity = entities[number as usize];
            world
                .entity_mut(entity)
                .insert(View::rectangle(180.0, 120.0));
            replication.add_player(PlayerId(number), entity);
            Spy {
                player: PlayerId(number),
                team: (number % 2) as u8,
                entity,
                replica: Replica::new(Arc::clone(replication.schema())),
                bytes: Vec::new(),
                texts: HashSet::new(),
            }
        })
        .collect();

    let mut snapshot = Vec::new();
    for tick in 0..TICKS {
        for &entity in &entities {
            if let Some(mut position) = world.get_mut::<Position>(entity) {
                let by = (random.below(9) as f32 - 4.0) * 2.0;
                (position.x, position.y) = match random.below(60) {
                    0 => (random.coordinate(300), random.coordinate(300)),
                    _ => (
                        (position.x + by).clamp(-400.0, 400.0),
                        (position.y - by).clamp(-400.0, 400.0),
                    ),
                };
            }
        }
        replication.capture(&mut world, Tick(tick), &Alone);
        replication.choose(&world);
        replication.encode(&Alone);
        for spy in &mut spies {
            snapshot.clear();
            assert!(replication.encode_snapshot(
                spy.player,
                &PlayerHeader::default(),
                &mut snapshot
            ));
            spy.read(&snapshot);
            check_distances(spy, &world, &replication, reach);
        }
        replication.finish();
    }
    check_secrets(&spies);
}

/// Everything public that a client holds stands within its view and hysteresis, unless it is its own alone, and
/// everything in its view that it may see is there.
fn check_distances(spy: &Spy, world: &World, replication: &Replication, reach: f32) {
    let Some(centre) = world.get::<Position>(spy.entity) else {
        panic!("a spy has a place")
    };
    let seen: HashSet<NetworkId> = spy.replica.rows(ComponentId(0)).map(|(id, _)| id).collect();
    for (id, row) in spy.replica.rows(ComponentId(0)) {
        let Some(position) = row.restore::<Position>(ComponentId(0), &SameIds) else {
            panic!("{id} is broken")
        };
        let (dx, dy) = ((position.x - centre.x).abs(), (position.y - centre.y).abs());
        let number = replication
            .entity(id)
            .and_then(|entity| world.get::<Number>(entity));
        let is_owners = number.is_some_and(|number| number.visible_to() == Audience::Owner);
        assert!(
            is_owners || dx <= 90.0 + reach && dy <= 60.0 + reach,
            "{id} is {dx}, {dy} away"
        );
    }
    for (id, _) in spy.replica.rows(ComponentId(1)) {
        assert!(seen.contains(&id), "{id} shows a name and no place");
    }
    let mut query = world
        .try_query::<(Entity, &Position, &Number)>()
        .expect("positions are known");
    for (entity, position, number) in query.iter(world) {
        let (dx, dy) = ((position.x - centre.x).abs(), (position.y - centre.y).abs());
        if dx <= 90.0 && dy <= 60.0 && number.may_show(spy, Audience::Everyone) {
            assert!(
                replication
                    .network_id(entity)
                    .is_some_and(|id| seen.contains(&id)),
                "{dx}, {dy} is in view"
            );
        }
    }
}

fn check_secrets(spies: &[Spy]) {
    for spy in spies {
        let mut found = [0; 4];
        for number in 0..60 {
            let secrets = [
                ("name", Audience::Everyone),
                ("diary", Audience::Owner),
                ("password", Audience::Team),
                ("face", Audience::Filtered),
            ];
            for (kind, (name, audience)) in secrets.into_iter().enumerate() {
                let text = format!("{name}-{number};");
                let may_see = Number(number).may_show(spy, audience);
                let saw = spy.saw(&text);
                assert!(may_see || !saw, "player {} learnt {text}", spy.player);
                found[kind] += usize::from(saw);
            }
        }
        // The own ones were found, and by both ways of looking: who finds nothing has looked wrongly.
        assert!(found.iter().all(|&count| count > 0), "{found:?}");
        let own = format!("diary-{};", spy.player.0);
        assert!(
            spy.bytes
                .windows(own.len())
                .any(|window| window == own.as_bytes()),
            "texts are not in the bytes"
        );
    }
}
