//! Who goes and comes back: what is shown then is what there is, and nothing is kept for who does not.

use crate::world::*;
use bevy_ecs::prelude::*;
use std::sync::Arc;
use tickwire_protocol::{
    id::PlayerId,
    replicate::SameIds,
    schema::{Audience, ComponentId},
    snapshot::Replica,
    time::Tick,
};
use tickwire_server::{replication::*, threads::Alone};

/// Its place in the [`registry`].
const HEALTH: ComponentId = ComponentId(1);

/// A world with one entity, which the filter shows every player.
struct Scene {
    world: World,
    replication: Replication,
    shown: Entity,
    tick: Tick,
}

impl Scene {
    fn new() -> Self {
        let settings = Settings {
            filter: Some(filter()),
            ..Settings::default()
        };
        let mut world = World::new();
        let replication = Replication::new(&mut world, registry(), settings);
        let filtered = (VisibleTo(Audience::Filtered), Revealed(u32::MAX));
        Self {
            shown: world.spawn((Replicated, Health(1), filtered)).id(),
            world,
            replication,
            tick: Tick(0),
        }
    }

    fn join(&mut self, player: PlayerId) -> Replica {
        let own = self.world.spawn_empty().id();
        self.replication.add_player(player, own);
        Replica::new(Arc::clone(self.replication.schema()))
    }

    /// Ends a tick, with a snapshot for who is there.
    fn step(&mut self, players: &mut [(PlayerId, &mut Replica)]) {
        self.tick = self.tick.next();
        self.replication.capture(&mut self.world, self.tick, &Alone);
        self.replication.choose(&self.world);
        self.replication.encode(&Alone);
        for (player, replica) in players {
            let (header, mut bytes) = (PlayerHeader::default(), Vec::new());
            let is_known = self
                .replication
                .encode_snapshot(*player, &header, &mut bytes);
            assert!(is_known && replica.apply(&bytes).is_ok());
        }
        self.replication.finish();
    }

    fn health(&self, replica: &Replica) -> Option<Health> {
        let row = replica.row(self.replication.network_id(self.shown)?, HEALTH)?;
        row.restore(HEALTH, &SameIds)
    }
}

#[test]
fn who_comes_back_is_shown_what_the_filter_lets_through_as_it_is_now() {
    let (mut scene, player) = (Scene::new(), PlayerId(0));
    let mut replica = scene.join(player);
    scene.step(&mut [(player, &mut replica)]);
    assert_eq!(scene.health(&replica), Some(Health(1)));
    scene.replication.remove_player(player);
    scene.world.entity_mut(scene.shown).insert(Health(2));
    scene.step(&mut []);
    let mut replica = scene.join(player);
    scene.step(&mut [(player, &mut replica)]);
    assert_eq!(scene.health(&replica), Some(Health(2)));
}

#[test]
fn nothing_is_kept_of_what_the_filter_picked_for_players_who_left() {
    let mut scene = Scene::new();
    scene.step(&mut []);
    let groups = scene.replication.stats().groups;
    for number in 0..10 {
        let player = PlayerId(number);
        let mut replica = scene.join(player);
        scene.step(&mut [(player, &mut replica)]);
        assert_eq!(scene.health(&replica), Some(Health(1)));
        scene.replication.remove_player(player);
        scene.step(&mut []);
        assert_eq!(scene.replication.stats().groups, groups);
    }
}
