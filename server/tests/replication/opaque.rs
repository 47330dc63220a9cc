//! Opaque values that do not fit: what players see instead.

use bevy_ecs::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tickwire_protocol::{
    id::PlayerId,
    limits::BLOB_BYTES_MAX,
    replicate::{Replicate, SameIds},
    schema::ComponentId,
    snapshot::Replica,
    time::Tick,
};
use tickwire_server::{replication::*, threads::Alone};

#[derive(Component, Replicate, Clone, Debug, PartialEq)]
struct Quest {
    step: u8,
    #[wire(opaque)]
    notes: Vec<String>,
    #[wire(opaque)]
    path: Option<Path>,
}

/// Without a default.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Path(String);

const QUEST: ComponentId = ComponentId(0);

#[test]
fn an_opaque_value_that_does_not_fit_leaves_its_component_readable() {
    let mut world = World::new();
    let mut registry = Registry::new();
    assert!(registry.register::<Quest>().is_ok());
    let mut replication = Replication::new(&mut world, registry, Settings::default());
    let own = world.spawn_empty().id();
    replication.add_player(PlayerId(0), own);
    let mut replica = Replica::new(Arc::clone(replication.schema()));
    let mut tick = Tick(0);
    let mut shown = |world: &mut World, entity: Entity| -> Option<Quest> {
        tick = tick.next();
        replication.capture(world, tick, &Alone);
        replication.choose(world);
        replication.encode(&Alone);
        let (header, mut bytes) = (PlayerHeader::default(), Vec::new());
        assert!(replication.encode_snapshot(PlayerId(0), &header, &mut bytes));
        assert!(replica.apply(&bytes).is_ok());
        replication.finish();
        let row = replica.row(replication.network_id(entity)?, QUEST)?;
        row.restore(QUEST, &SameIds)
    };
    let quest = |step, note: &str, path: Option<&str>| Quest {
        step,
        notes: vec![note.into()],
        path: path.map(|path| Path(path.into())),
    };
    let long = "x".repeat(BLOB_BYTES_MAX);

    let first = quest(1, "secret", Some("north"));
    let entity = world.spawn((Replicated, first.clone())).id();
    assert_eq!(shown(&mut world, entity), Some(first.clone()));
    world
        .entity_mut(entity)
        .insert(quest(2, &long, Some(&long)));
    let kept = Quest {
        step: 2,
        ..first.clone()
    };
    assert_eq!(
        shown(&mut world, entity),
        Some(kept),
        "it stays what it was"
    );
    let last = quest(3, "short", None);
    world.entity_mut(entity).insert(last.clone());
    assert_eq!(shown(&mut world, entity), Some(last));

    // Another entity, in the memory of the first, must not show what that one had.
    world.despawn(entity);
    let other = world.spawn((Replicated, quest(4, &long, Some(&long)))).id();
    let default = Quest {
        step: 4,
        notes: Vec::new(),
        path: None,
    };
    assert_eq!(shown(&mut world, other), Some(default));
}
