//! The reference world as a room: bevy_ecs entities, replication, and one replica that reads along.

use bevy_ecs::prelude::{Component, DetectChangesMut, Entity, Mut, World};
use rustix::time::{ClockId, clock_gettime};
use tickwire_protocol::{id::PlayerId, replicate::Replicate, snapshot::Replica, time::Tick};
use tickwire_server::replication::{PlayerHeader, Registry, Replicated, Replication, Settings};

use tests::reference_world::{Body, Motion, ReferenceWorld};

/// Ticks before anything counts: tables are learned and buffers have grown.
const WARM_UP_TICKS: u32 = 100;
/// Ticks of one round.
const ROUND_TICKS: u32 = 100;
/// Rounds; the quickest counts.
const ROUNDS: u32 = 5;

#[derive(Component, Replicate, Clone, Copy)]
pub(crate) struct Position {
    #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
    pub(crate) x: f32,
    #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
    pub(crate) y: f32,
}

#[derive(Component, Replicate, Clone, Copy)]
pub(crate) struct Angle(#[wire(angle, bits = 8)] f32);

#[derive(Component, Replicate, Clone, Copy, PartialEq)]
pub(crate) struct Hp(#[wire(range(0, 100))] u8);

/// What one tick cost, all in ns but for the bytes and the allocations.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) capture_ns: f64,
    /// The first player's snapshot: the encoding that the others share.
    pub(crate) snapshot_ns: f64,
    /// Choosing and all players' snapshots.
    pub(crate) choose_and_snapshots_ns: f64,
    pub(crate) apply_ns: f64,
    pub(crate) snapshot_bytes: f64,
    /// Of capture, choosing, encoding and finishing.
    pub(crate) allocations: f64,
}

pub(crate) struct Room {
    bodies: ReferenceWorld,
    world: World,
    entities: Vec<Entity>,
    replication: Replication,
    players: Vec<PlayerId>,
    replica: Replica,
    tick: Tick,
    out: Vec<u8>,
}

/// CPU time of this thread.
pub(crate) fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// What a body is as components.
pub(crate) fn components(body: &Body) -> (Position, Angle, Hp) {
    (
        Position {
            x: body.x,
            y: body.y,
        },
        Angle(body.angle),
        Hp(body.hp),
    )
}

/// A registry of the reference world's components.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register::<Position>().expect("a valid component");
    registry.register::<Angle>().expect("a valid component");
    registry.register::<Hp>().expect("a valid component");
    registry
}

/// Writes the bodies into their entities.
pub(crate) fn write(world: &mut World, entities: &[Entity], bodies: &[Body]) {
    for (entity, body) in entities.iter().zip(bodies) {
        let (position, angle, hp) = components(body);
        let mut entity = world.entity_mut(*entity);
        *entity.get_mut().expect("it was spawned with it") = position;
        *entity.get_mut().expect("it was spawned with it") = angle;
        entity
            .get_mut()
            .map(|mut old: Mut<'_, Hp>| old.set_if_neq(hp));
    }
}

impl Room {
    pub(crate) fn new(entities: usize, motion: Motion, players: usize) -> Self {
        let bodies = ReferenceWorld::new(entities, motion, 1);
        let mut world = World::new();
        let entities = bodies
            .bodies
            .iter()
            .map(|body| world.spawn((Replicated, components(body))).id())
            .collect();
        let mut replication = Replication::new(&mut world, registry(), Settings::default());
        let players: Vec<PlayerId> = (0..players as u32).map(PlayerId).collect();
        for player in &players {
            let own = world.spawn_empty().id();
            replication.add_player(*player, own);
        }
        let replica = Replica::new(replication.schema().clone());
        Self {
            bodies,
            world,
            entities,
            replication,
            players,
            replica,
            tick: Tick(0),
            out: Vec::new(),
        }
    }

    /// Runs the warm-up and the rounds; every figure is that of its quickest round.
    pub(crate) fn measure(&mut self) -> Cost {
        self.round(WARM_UP_TICKS);
        let mut best = self.round(ROUND_TICKS);
        for _ in 1..ROUNDS {
            let round = self.round(ROUND_TICKS);
            best.capture_ns = best.capture_ns.min(round.capture_ns);
            best.snapshot_ns = best.snapshot_ns.min(round.snapshot_ns);
            best.choose_and_snapshots_ns = best
                .choose_and_snapshots_ns
                .min(round.choose_and_snapshots_ns);
            best.apply_ns = best.apply_ns.min(round.apply_ns);
            // Bytes are no matter of luck: all rounds count.
            best.snapshot_bytes += round.snapshot_bytes;
            best.allocations = best.allocations.max(round.allocations);
        }
        best.snapshot_bytes /= f64::from(ROUNDS);
        best
    }

    fn round(&mut self, ticks: u32) -> Cost {
        let mut sum = Cost::default();
        for _ in 0..ticks {
            self.tick(&mut sum);
        }
        let ticks = f64::from(ticks);
        for figure in [
            &mut sum.capture_ns,
            &mut sum.snapshot_ns,
            &mut sum.choose_and_snapshots_ns,
            &mut sum.apply_ns,
            &mut sum.snapshot_bytes,
            &mut sum.allocations,
        ] {
            *figure /= ticks;
        }
        sum
    }

    fn tick(&mut self, sum: &mut Cost) {
        self.bodies.step();
        write(&mut self.world, &self.entities, &self.bodies.bodies);
        self.tick = self.tick.next();
        let counted = allocation_counter::measure(|| self.serve(sum));
        sum.allocations += counted.count_total as f64;
        let start = cpu_ns();
        self.replica
            .apply(&self.out)
            .expect("what was encoded can be decoded");
        sum.apply_ns += cpu_ns() - start;
    }

    /// The server's part of a tick; the first player's snapshot stays in `out`.
    fn serve(&mut self, sum: &mut Cost) {
        let start = cpu_ns();
        self.replication.capture(&mut self.world, self.tick);
        let captured = cpu_ns();
        self.replication.choose(&self.world);
        let chosen = cpu_ns();
        let header = PlayerHeader::default();
        self.out.clear();
        self.replication
            .encode_snapshot(self.players[0], &header, usize::MAX, &mut self.out);
        let first_encoded = cpu_ns();
        let first = self.out.len();
        for player in &self.players[1..] {
            self.out.truncate(first);
            self.replication
                .encode_snapshot(*player, &header, usize::MAX, &mut self.out);
        }
        let encoded = cpu_ns();
        self.replication.finish();
        self.out.truncate(first);
        sum.capture_ns += captured - start;
        sum.snapshot_ns += first_encoded - chosen;
        sum.choose_and_snapshots_ns += encoded - captured;
        sum.snapshot_bytes += first as f64;
    }
}
