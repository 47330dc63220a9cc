//! Ten thousand entities, a thousand players who each see a part: what a tick costs with interest.

use std::{thread, time::Instant};

use bevy_ecs::prelude::World;
use tests::{reference_components::Position, reference_world::Motion};
use tickwire_protocol::{id::PlayerId, snapshot::Replica, time::Tick};
use tickwire_server::{
    replication::{Grid, PlayerHeader, Replication, Settings, View},
    threads::{Alone, Threads},
};

use crate::{room::cpu_ns, scene::Scene};

const ENTITIES: usize = 10_000;
const PLAYERS: usize = 1000;
/// The density of 1000 entities in 4000 × 4000. Positions are sent up to 4000, so the world is that large
/// and everything in it is √10 times smaller, views included.
const SCALE: f32 = 0.316_227_77;
const VIEW_UNITS: [f32; 2] = [1280.0 * SCALE, 720.0 * SCALE];
const CELL_UNITS: f32 = 256.0 * SCALE;
const WARM_UP_TICKS: u32 = 60;
const TICKS: u32 = 60;
const ROUNDS: usize = 3;

/// What one tick cost.
pub(crate) struct Views {
    capture_ms: f64,
    choose_ms: f64,
    encode_ms: f64,
    /// Wall time of what threads take part in: capture, and the sections that players share.
    shared_ms: f64,
    bytes_per_player: f64,
    entities_held: f64,
}

/// One thread besides the room's own.
struct OneThread;

impl Threads for OneThread {
    fn count(&self) -> usize {
        1
    }

    fn run(&self, work: &(dyn Fn() + Sync)) {
        thread::scope(|scope| {
            scope.spawn(work);
            work();
        });
    }
}

/// The room by itself, and what it and a helper take for what they share, each the median of some rounds in
/// turns.
pub(crate) fn measure() -> (Views, [f64; 2]) {
    let mut rounds: Vec<_> = (0..ROUNDS)
        .map(|_| (round(&Alone), round(&OneThread)))
        .collect();
    let helped = median(&mut rounds, |(_, helped)| helped.shared_ms);
    let alone = median(&mut rounds, |(alone, _)| alone.shared_ms);
    let (alone_views, _) = rounds.swap_remove(ROUNDS / 2);
    (alone_views, [alone, helped])
}

/// Sorts the rounds by a figure, and gives the middle one's.
fn median<T>(rounds: &mut [T], figure: impl Fn(&T) -> f64) -> f64 {
    rounds.sort_by(|one, other| figure(one).total_cmp(&figure(other)));
    figure(&rounds[rounds.len() / 2])
}

fn round(threads: &dyn Threads) -> Views {
    let scene = Scene::Reference {
        entities: ENTITIES,
        motion: Motion::Straight,
        steady: false,
    };
    let mut world = World::new();
    let mut play = scene.open(&mut world);
    for entity in &play.entities()[..PLAYERS] {
        world
            .entity_mut(*entity)
            .insert(View::rectangle(VIEW_UNITS[0], VIEW_UNITS[1]));
    }
    let grid = Grid::new::<Position>(CELL_UNITS, |position| [position.x, position.y]);
    let settings = Settings {
        grid: Some(grid),
        ..Settings::default()
    };
    let mut replication = Replication::new(&mut world, scene.registry(), settings);
    for (player, entity) in play.entities()[..PLAYERS].iter().enumerate() {
        replication.add_player(PlayerId(player as u32), *entity);
    }
    let mut replica = Replica::new(replication.schema().clone());
    let mut sum = Views {
        capture_ms: 0.0,
        choose_ms: 0.0,
        encode_ms: 0.0,
        shared_ms: 0.0,
        bytes_per_player: 0.0,
        entities_held: 0.0,
    };
    let mut out = Vec::new();
    for tick in 0..WARM_UP_TICKS + TICKS {
        play.step(&mut world);
        let times = [cpu_ns()];
        let begun = Instant::now();
        replication.capture(&mut world, Tick(tick), threads);
        let mut shared = begun.elapsed();
        let times = [times[0], cpu_ns()];
        replication.choose(&world);
        let times = [times[0], times[1], cpu_ns()];
        let begun = Instant::now();
        replication.encode(threads);
        shared += begun.elapsed();
        let mut bytes = 0;
        for player in 0..PLAYERS {
            out.clear();
            replication.encode_snapshot(
                PlayerId(player as u32),
                &PlayerHeader::default(),
                &mut out,
            );
            bytes += out.len();
            if player == 0 {
                replica
                    .apply(&out)
                    .expect("what was encoded can be decoded");
            }
        }
        let end = cpu_ns();
        replication.finish();
        if tick >= WARM_UP_TICKS {
            let ticks = f64::from(TICKS);
            sum.capture_ms += (times[1] - times[0]) / 1e6 / ticks;
            sum.choose_ms += (times[2] - times[1]) / 1e6 / ticks;
            sum.encode_ms += (end - times[2]) / 1e6 / ticks;
            sum.shared_ms += shared.as_secs_f64() * 1e3 / ticks;
            sum.bytes_per_player += bytes as f64 / PLAYERS as f64 / ticks;
            sum.entities_held += replica.entities().count() as f64 / ticks;
        }
    }
    sum
}

pub(crate) fn print((views, [alone, helped]): &(Views, [f64; 2])) {
    println!(
        "\n{ENTITIES} entities, {PLAYERS} players with a view each: capture {:.2} ms, choose {:.2} ms, encode {:.2} ms, \
         together {:.2} ms a tick; {:.0} bytes per player and tick; player 0 holds {:.0} entities",
        views.capture_ms,
        views.choose_ms,
        views.encode_ms,
        views.capture_ms + views.choose_ms + views.encode_ms,
        views.bytes_per_player,
        views.entities_held,
    );
    println!(
        "of it capture and the sections that players share, by the clock: {alone:.2} ms alone, {helped:.2} ms with a \
         helper ({:.2} of it)",
        helped / alone,
    );
}
