//! The reference world in a room with players: what slow players, rest and family do to it.

use bevy_ecs::prelude::*;
use std::sync::Arc;
use tickwire_protocol::{id::PlayerId, snapshot::Replica, time::Tick};
use tickwire_server::{
    replication::*,
    threads::{Alone, Threads},
};

#[path = "../../../tests/support/reference_world.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "the file is shared with packages that ask for other parts of it"
)]
mod reference_world;
pub(crate) use reference_world::{Motion, ReferenceWorld};

use crate::components::{Heading, Hp, Place, registry};

/// A room with the reference world in it.
pub(crate) struct Room {
    pub(crate) reference: ReferenceWorld,
    world: World,
    pub(crate) entities: Vec<Entity>,
    pub(crate) replication: Replication,
    tick: Tick,
}

impl Room {
    pub(crate) fn new(entities: usize, motion: Motion, settings: Settings) -> Self {
        let mut world = World::new();
        let replication = Replication::new(&mut world, registry(), settings);
        let reference = ReferenceWorld::new(entities, motion, 1);
        let entities = (0..entities)
            .map(|_| world.spawn(Replicated).id())
            .collect();
        let mut room = Self {
            reference,
            world,
            entities,
            replication,
            tick: Tick(0),
        };
        room.write();
        room
    }

    fn write(&mut self) {
        for (&entity, body) in self.entities.iter().zip(&self.reference.bodies) {
            let mut entity = self.world.entity_mut(entity);
            entity.insert((
                Place {
                    x: body.x,
                    y: body.y,
                },
                Heading(body.angle),
            ));
            if entity.get::<Hp>().is_none_or(|hp| hp.0 != body.hp) {
                entity.insert(Hp(body.hp));
            }
        }
    }

    /// Moves the world by a tick and captures it.
    pub(crate) fn step(&mut self) {
        self.step_with(&Alone);
    }

    pub(crate) fn step_with(&mut self, threads: &dyn Threads) {
        self.reference.step();
        self.write();
        self.tick = self.tick.next();
        self.replication
            .capture(&mut self.world, self.tick, threads);
        self.replication.choose(&self.world);
        self.replication.encode(threads);
    }

    pub(crate) fn join(&mut self, number: u32) -> (PlayerId, Replica) {
        let entity = self.world.spawn_empty().id();
        self.replication.add_player(PlayerId(number), entity);
        (
            PlayerId(number),
            Replica::new(Arc::clone(self.replication.schema())),
        )
    }

    /// A player who sees so far around one of the entities.
    pub(crate) fn join_at(&mut self, number: u32, entity: usize, units: f32) -> PlayerId {
        let entity = self.entities[entity];
        let mut own = self.world.entity_mut(entity);
        own.insert(View::rectangle(units, units));
        self.replication.add_player(PlayerId(number), entity);
        PlayerId(number)
    }

    /// A player's snapshot of this tick.
    pub(crate) fn snapshot(&mut self, player: PlayerId) -> Vec<u8> {
        let mut bytes = Vec::new();
        let header = PlayerHeader {
            verify: true,
            ..PlayerHeader::default()
        };
        assert!(
            self.replication
                .encode_snapshot(player, &header, &mut bytes)
        );
        bytes
    }

    /// Whether a replica is exactly what the room shows that player.
    fn is_right(&self, player: PlayerId, replica: &Replica) -> bool {
        let held: Vec<_> = replica.groups().collect();
        let mut visible: Vec<_> = self
            .replication
            .visible_to(player)
            .filter(|(_, state)| !state.is_empty())
            .collect();
        visible.sort_by_key(|(id, _)| *id);
        let is_same = held
            .iter()
            .zip(&visible)
            .all(|((held, theirs), (id, ours))| held == id && ours.shows_same_as(theirs));
        is_same
            && held.len() == visible.len()
            && replica.applied().header.checksum == Some(replica.checksum())
    }
}

/// The snapshots of a prompt player over so many ticks, beside one that skips as many as told, again and again.
fn prompt_beside_slow(ticks: u32, skips: Option<u32>) -> (Vec<Vec<u8>>, ReplicationStats, u32) {
    let mut room = Room::new(200, Motion::Straight, Settings::default());
    let (prompt, mut prompt_replica) = room.join(0);
    let slow = skips.map(|skips| (room.join(1), skips));
    let mut slow = slow.map(|((player, replica), skips)| (player, replica, skips, skips));
    let (mut snapshots, mut caught_up) = (Vec::new(), 0);
    for _ in 0..ticks {
        room.step();
        let bytes = room.snapshot(prompt);
        assert!(prompt_replica.apply(&bytes).is_ok());
        assert!(room.is_right(prompt, &prompt_replica));
        snapshots.push(bytes);
        if let Some((player, replica, skips, left)) = &mut slow {
            if *left > 0 {
                *left -= 1;
            } else {
                let bytes = room.snapshot(*player);
                assert!(replica.apply(&bytes).is_ok());
                assert!(
                    room.is_right(*player, replica),
                    "one snapshot after {skips} ticks"
                );
                (*left, caught_up) = (*skips, caught_up + 1);
            }
        }
        room.replication.finish();
        assert!(
            room.replication.stats().baselines <= 1,
            "a slow player keeps one state"
        );
    }
    (snapshots, room.replication.stats(), caught_up)
}

#[test]
fn a_slow_player_converges_with_its_first_snapshot_and_costs_nobody_else_anything() {
    let ticks = 850;
    let (alone, alone_stats, _) = prompt_beside_slow(ticks, None);
    for skips in [1, 5, 40, 400] {
        let (beside, stats, caught_up) = prompt_beside_slow(ticks, Some(skips));
        assert_eq!(
            caught_up,
            ticks / (skips + 1),
            "the slow one came its usual number of times"
        );
        assert!(
            alone == beside,
            "beside one that skips {skips} ticks a prompt player's bytes are others"
        );
        let more = stats.sections_encoded - alone_stats.sections_encoded;
        assert_eq!(
            more,
            u64::from(caught_up),
            "each late snapshot is one more encoding, and no other is"
        );
    }
}

#[test]
fn a_world_at_rest_costs_a_few_bytes_and_no_encoding() {
    let mut room = Room::new(500, Motion::Straight, Settings::default());
    let (player, mut replica) = room.join(0);
    for tick in 0..60 {
        room.tick = room.tick.next();
        room.replication.capture(&mut room.world, room.tick, &Alone);
        room.replication.choose(&room.world);
        room.replication.encode(&Alone);
        let mut bytes = Vec::new();
        assert!(
            room.replication
                .encode_snapshot(player, &PlayerHeader::default(), &mut bytes)
        );
        room.replication.finish();
        assert!(replica.apply(&bytes).is_ok());
        assert!(
            tick == 0 || bytes.len() <= 3,
            "{} bytes at rest",
            bytes.len()
        );
        assert_eq!(room.replication.stats().sections_encoded, 1);
        assert_eq!(replica.len(), 500);
    }
}

#[test]
fn children_go_with_their_parent_and_come_back_as_others() {
    let mut room = Room::new(0, Motion::Straight, Settings::default());
    let (player, mut replica) = room.join(0);
    let place = || (Replicated, Place { x: 1.0, y: 2.0 });
    let parent = room.world.spawn(place()).id();
    let child = room.world.spawn((place(), ChildOf(parent))).id();
    let grandchild = room.world.spawn((place(), ChildOf(child))).id();
    let look = |room: &mut Room, replica: &mut Replica| {
        room.step();
        let bytes = room.snapshot(player);
        let applied = replica.apply(&bytes).expect("a right snapshot").clone();
        room.replication.finish();
        (applied.entered.len(), applied.left.len())
    };
    assert_eq!(look(&mut room, &mut replica), (3, 0));
    room.world.entity_mut(grandchild).remove::<ChildOf>();
    assert_eq!(look(&mut room, &mut replica), (0, 0));
    let before = room.replication.network_id(child);
    room.world.despawn(parent);
    assert_eq!(
        look(&mut room, &mut replica),
        (0, 2),
        "the child goes with its parent"
    );
    room.world.despawn(grandchild);
    room.world.spawn(place());
    assert_eq!(look(&mut room, &mut replica), (1, 1));
    assert_eq!(replica.len(), 1);
    assert!(
        before.is_some_and(|id| !replica.contains(id) && room.replication.entity(id).is_none())
    );
}
