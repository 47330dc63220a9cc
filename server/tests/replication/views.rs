//! One player's view: how much of a grid it is shown, and what a short budget does to what it sees.

use crate::world::*;
use bevy_ecs::prelude::*;
use std::sync::Arc;
use tickwire_protocol::{
    id::PlayerId,
    limits::{BLOB_BYTES_MAX, ENTITIES_PER_GROUP_MAX, SERVER_MESSAGE_BYTES_MAX},
    replicate::SameIds,
    schema::ComponentId,
    snapshot::Replica,
    time::Tick,
};
use tickwire_server::{
    limits::{BYTES_BEFORE_SNAPSHOT_MAX, VIEW_CELLS_KEPT_MAX, VIEW_CELLS_MAX},
    replication::*,
    threads::Alone,
};

/// A world on a grid and one player in it.
struct Scene {
    world: World,
    replication: Replication,
    own: Entity,
    replica: Replica,
    tick: Tick,
}

const PLAYER: PlayerId = PlayerId(0);

impl Scene {
    fn new(grid: Grid, view: View) -> Self {
        let settings = Settings {
            grid: Some(grid),
            ..Settings::default()
        };
        Self::with(settings, view)
    }

    fn with(settings: Settings, view: View) -> Self {
        let mut world = World::new();
        let mut replication = Replication::new(&mut world, registry(), settings);
        let own = world.spawn(view).id();
        replication.add_player(PLAYER, own);
        let replica = Replica::new(Arc::clone(replication.schema()));
        Self {
            world,
            replication,
            own,
            replica,
            tick: Tick(0),
        }
    }

    fn look(&mut self, view: View) {
        self.world.entity_mut(self.own).insert(view);
    }

    /// Ends a tick and says how long its snapshot was.
    fn step(&mut self) -> usize {
        self.tick = self.tick.next();
        self.replication.capture(&mut self.world, self.tick, &Alone);
        self.replication.choose(&self.world);
        self.replication.encode(&Alone);
        let (header, mut bytes) = (PlayerHeader::default(), Vec::new());
        assert!(
            self.replication
                .encode_snapshot(PLAYER, &header, &mut bytes)
        );
        assert!(self.replica.apply(&bytes).is_ok());
        self.replication.finish();
        bytes.len()
    }

    /// Groups that the player sees.
    fn groups(&self) -> usize {
        self.replication.visible_to(PLAYER).count()
    }
}

fn grid() -> Grid {
    Grid::new::<Position>(1.0, |position| [position.x, position.y])
}

#[test]
fn a_view_that_is_cut_lets_go_of_the_cells_it_left_behind() {
    let view = View::circle(400.0);
    let mut scene = Scene::new(grid(), view.at(-300.0, 0.0));
    for x in -300i16..-100 {
        scene.look(view.at(x.into(), 0.0));
        scene.step();
        // The player's own group comes on top.
        assert!(scene.groups() <= VIEW_CELLS_KEPT_MAX + 1);
    }
    scene.look(view.at(400.0, 0.0));
    scene.step();
    assert!(scene.groups() <= VIEW_CELLS_MAX + 1);
}

#[test]
fn a_view_that_shows_less_than_it_says_is_counted() {
    let grid = || Grid::new::<Position>(10.0, |position| [position.x, position.y]);
    let mut scene = Scene::new(grid(), View::rectangle(290.0, 290.0).at(0.0, 0.0));
    scene.step();
    assert_eq!(scene.replication.stats().views_cut, 0);
    scene.look(View::rectangle(1000.0, 1000.0).at(0.0, 0.0));
    scene.step();
    assert_eq!(scene.replication.stats().views_cut, 1);
    // What was chosen already is not cut anew.
    scene.step();
    assert_eq!(scene.replication.stats().views_cut, 1);
}

#[test]
fn what_crosses_cells_on_a_short_budget_is_never_told_as_gone() {
    let settings = Settings {
        grid: Some(Grid::new::<Position>(64.0, |position| {
            [position.x, position.y]
        })),
        player_bytes_per_second: Some(20 * 40),
        ..Settings::default()
    };
    let mut scene = Scene::with(settings, View::rectangle(200.0, 200.0));
    let mut random = Random::new(1);
    let own = (Replicated, Position { x: 0.0, y: 0.0 });
    scene.world.entity_mut(scene.own).insert(own);
    for _ in 0..60 {
        let (x, y) = (random.coordinate(60), random.coordinate(60));
        scene.world.spawn((Replicated, Position { x, y }));
    }
    let (mut crossed, mut partial) = (0, 0);
    for _ in 0..600 {
        let mut positions = scene.world.query::<&mut Position>();
        for mut position in positions.iter_mut(&mut scene.world) {
            let before = position.x < 0.0;
            position.x = (position.x + random.coordinate(9)).clamp(-60.0, 60.0);
            position.y = (position.y + random.coordinate(9)).clamp(-60.0, 60.0);
            crossed += usize::from(before != (position.x < 0.0));
        }
        scene.step();
        assert_eq!(scene.replica.applied().left, []);
        partial += usize::from(!scene.replica.applied().header.is_complete);
    }
    assert_eq!(scene.replica.len(), 61);
    assert!(crossed > 1000 && partial > 300, "{crossed} and {partial}");
}

#[test]
fn a_priority_that_is_written_later_counts_from_then_on() {
    let settings = Settings {
        player_bytes_per_second: Some(20 * 30),
        entities_per_block: Some(1),
        ..Settings::default()
    };
    let mut scene = Scene::with(settings, View::circle(1.0));
    let mut random = Random::new(2);
    let spawn = |_| scene.world.spawn((Replicated, Health(0))).id();
    let entities: Vec<_> = (0..40).map(spawn).collect();
    let watched = entities[20];
    let mut ticks_late = |priority: Option<f32>| {
        if let Some(priority) = priority {
            scene.world.entity_mut(watched).insert(Priority(priority));
        }
        let mut late = 0;
        for _ in 0..100 {
            for &entity in &entities {
                if let Some(mut health) = scene.world.get_mut::<Health>(entity) {
                    health.0 = random.next() as u8;
                }
            }
            scene.step();
            let id = scene.replication.network_id(watched);
            let row = id.and_then(|id| scene.replica.row(id, ComponentId(1)));
            let shown: Option<Health> = row.and_then(|row| row.restore(ComponentId(1), &SameIds));
            late += usize::from(shown.as_ref() != scene.world.get(watched));
        }
        late
    };
    let usual = ticks_late(None);
    let first = ticks_late(Some(10_000.0));
    let last = ticks_late(Some(0.0));
    assert!(
        usual > 50 && first < 20 && last > 80,
        "{usual}, {first}, {last}"
    );
}

#[test]
fn an_endless_hysteresis_keeps_no_more_cells_than_others_do() {
    let view = View::rectangle(8.0, 8.0);
    let endless = grid().hysteresis(f32::INFINITY);
    let mut scene = Scene::new(endless, view.at(-300.0, 0.0));
    for x in -300i16..0 {
        scene.look(view.at(x.into(), 0.0));
        scene.step();
    }
    assert!(scene.groups() <= VIEW_CELLS_KEPT_MAX + 1);
}

#[test]
fn a_view_around_a_point_that_is_none_stays_where_it_was() {
    let view = View::rectangle(8.0, 8.0);
    let mut scene = Scene::new(grid(), view.at(300.0, 0.0));
    let near = Position { x: 302.0, y: 1.0 };
    let near = scene.world.spawn((Replicated, near)).id();
    let origin = Position { x: 0.0, y: 0.0 };
    scene.world.spawn((Replicated, origin));
    scene.step();
    let groups = scene.groups();
    for wild in [f32::NAN, f32::INFINITY] {
        scene.look(view.at(wild, 0.0));
        scene.step();
        assert_eq!(scene.groups(), groups);
        assert_eq!(scene.replica.len(), 1);
        let id = scene.replication.network_id(near);
        assert!(id.is_some_and(|id| scene.replica.contains(id)));
    }
}

#[test]
fn a_view_whose_size_is_none_shows_its_own_cell_and_sends_it_once() {
    for view in [
        View::circle(f32::NAN),
        View::rectangle(f32::NAN, f32::NAN),
        View::rectangle(8.0, f32::NAN),
    ] {
        let mut scene = Scene::new(grid(), view.at(0.5, 0.5));
        let near = Position { x: 0.5, y: 0.5 };
        scene.world.spawn((Replicated, near));
        scene.step();
        assert_eq!(scene.replica.len(), 1);
        let sections = scene.replication.stats().sections_written;
        for _ in 0..3 {
            scene.step();
            assert_eq!(scene.replica.len(), 1);
            assert_eq!(scene.replication.stats().sections_written, sections);
        }
    }
}

#[test]
fn entities_beyond_those_a_cell_holds_are_left_out_and_counted_until_there_is_room() {
    let mut scene = Scene::new(grid(), View::circle(1.0).at(0.5, 0.5));
    let crowd = (0..ENTITIES_PER_GROUP_MAX).map(|_| (Replicated, Position { x: 0.5, y: 0.5 }));
    let first = scene.world.spawn_batch(crowd).next();
    scene.step();
    assert_eq!(scene.replication.stats().entities_refused, 0);
    let next = (Replicated, Position { x: 0.5, y: 0.5 });
    let next = scene.world.spawn(next).id();
    scene.step();
    let refused = scene.replication.stats().entities_refused;
    assert!(refused > 0);
    scene.step();
    assert_eq!(scene.replication.stats().entities_refused, refused);
    assert_eq!(scene.replica.len(), ENTITIES_PER_GROUP_MAX);

    // As soon as one is gone there is room for the other.
    assert!(first.is_some_and(|first| scene.world.despawn(first)));
    scene.step();
    assert_eq!(scene.replica.len(), ENTITIES_PER_GROUP_MAX);
    let id = scene.replication.network_id(next);
    assert!(id.is_some_and(|id| scene.replica.contains(id)));
}

#[test]
fn no_budget_makes_a_snapshot_longer_than_clients_take() {
    for player_bytes_per_second in [Some(100_000_000), None] {
        let settings = Settings {
            player_bytes_per_second,
            entities_per_block: Some(64),
            ..Settings::default()
        };
        let mut scene = Scene::with(settings, View::circle(1.0));
        let texts = 2 * SERVER_MESSAGE_BYTES_MAX / BLOB_BYTES_MAX;
        let label = || Label("x".repeat(BLOB_BYTES_MAX));
        scene
            .world
            .spawn_batch((0..texts).map(|_| (Replicated, label())));
        let mut snapshots = 0;
        while scene.replica.len() < texts {
            assert!(scene.step() <= SERVER_MESSAGE_BYTES_MAX - BYTES_BEFORE_SNAPSHOT_MAX);
            snapshots += 1;
        }
        assert_eq!(snapshots, 3);
        assert!(scene.replica.applied().header.is_complete);
    }
}
