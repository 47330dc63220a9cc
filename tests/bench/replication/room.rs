//! A scene as a room: bevy_ecs entities, replication, and one replica that reads along.

use bevy_ecs::prelude::World;
use rustix::time::{ClockId, clock_gettime};
use tickwire_protocol::{id::PlayerId, snapshot::Replica, time::Tick};
use tickwire_server::{
    replication::{PlayerHeader, Replication, Settings},
    threads::Alone,
};

use crate::{
    entropy::Residuals,
    scene::{Play, Scene},
};

/// Ticks before anything counts: tables are learned and buffers have grown.
pub(crate) const WARM_UP_TICKS: u32 = 100;
/// Ticks of one round.
pub(crate) const ROUND_TICKS: u32 = 100;
/// Rounds; the quickest counts.
const ROUNDS: u32 = 5;

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
    pub(crate) entities: f64,
    /// Of capture, choosing, encoding and finishing.
    pub(crate) allocations: f64,
}

pub(crate) struct Room {
    play: Play,
    world: World,
    replication: Replication,
    players: Vec<PlayerId>,
    replica: Replica,
    tick: Tick,
    out: Vec<u8>,
    residuals: Residuals,
    /// Every snapshot of the first player, if they are kept.
    recording: Option<Vec<Vec<u8>>>,
}

/// CPU time of this thread.
pub(crate) fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

impl Room {
    pub(crate) fn new(scene: Scene, players: usize) -> Self {
        let mut world = World::new();
        let play = scene.open(&mut world);
        let mut replication = Replication::new(&mut world, scene.registry(), Settings::default());
        let players: Vec<PlayerId> = (0..players as u32).map(PlayerId).collect();
        for player in &players {
            let own = world.spawn_empty().id();
            replication.add_player(*player, own);
        }
        let replica = Replica::new(replication.schema().clone());
        Self {
            play,
            world,
            replication,
            players,
            replica,
            tick: Tick(0),
            out: Vec::new(),
            residuals: Residuals::default(),
            recording: None,
        }
    }

    /// Keeps every snapshot of the first player.
    pub(crate) fn record(&mut self) {
        self.recording = Some(Vec::new());
    }

    /// What was kept.
    pub(crate) fn recording(&self) -> &[Vec<u8>] {
        self.recording.as_deref().unwrap_or_default()
    }

    /// What the first player holds.
    pub(crate) const fn replica(&self) -> &Replica {
        &self.replica
    }

    /// What both ends agree on.
    pub(crate) fn schema_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.replication.schema().encode(&mut bytes);
        bytes
    }

    /// Order-0 entropy of the residuals of plain prediction, in bytes per entity and tick.
    pub(crate) fn entropy_bytes_per_entity(&self) -> f64 {
        self.residuals.bytes_per_row()
    }

    /// Runs the warm-up and the rounds; every figure is that of its quickest round.
    pub(crate) fn measure(&mut self) -> Cost {
        self.round(WARM_UP_TICKS);
        self.residuals = Residuals::default();
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
            best.entities += round.entities;
            best.allocations = best.allocations.max(round.allocations);
        }
        best.snapshot_bytes /= f64::from(ROUNDS);
        best.entities /= f64::from(ROUNDS);
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
            &mut sum.entities,
            &mut sum.allocations,
        ] {
            *figure /= ticks;
        }
        sum
    }

    fn tick(&mut self, sum: &mut Cost) {
        self.play.step(&mut self.world);
        self.tick = self.tick.next();
        let counted = allocation_counter::measure(|| self.serve(sum));
        sum.allocations += counted.count_total as f64;
        let start = cpu_ns();
        self.replica
            .apply(&self.out)
            .expect("what was encoded can be decoded");
        sum.apply_ns += cpu_ns() - start;
        sum.entities += self.replica.len() as f64;
        for (group, state) in self.replication.visible_to(self.players[0]) {
            self.residuals.add(group, state);
        }
        if let Some(recording) = &mut self.recording {
            recording.push(self.out.clone());
        }
    }

    /// The server's part of a tick; the first player's snapshot stays in `out`.
    fn serve(&mut self, sum: &mut Cost) {
        let start = cpu_ns();
        self.replication.capture(&mut self.world, self.tick, &Alone);
        let captured = cpu_ns();
        self.replication.choose(&self.world);
        let chosen = cpu_ns();
        self.replication.encode(&Alone);
        let header = PlayerHeader::default();
        self.out.clear();
        self.replication
            .encode_snapshot(self.players[0], &header, &mut self.out);
        let first_encoded = cpu_ns();
        let first = self.out.len();
        for player in &self.players[1..] {
            self.out.truncate(first);
            self.replication
                .encode_snapshot(*player, &header, &mut self.out);
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
