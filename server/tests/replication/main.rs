//! Replication as a whole: a world, players, their replicas, and an oracle that knows what each may see.

mod budget;
mod components;
mod lent_threads;
mod model;
mod opaque;
mod oracle;
mod returns;
mod rooms;
mod secrets;
mod views;
mod world;

use model::{Model, Sabotage};

/// Seeds of the model test in an ordinary run; `TICKWIRE_MODEL_SEEDS` asks for more.
const SEEDS: u64 = 100;
/// Steps per seed.
const STEPS: usize = 10_000;

fn seeds() -> std::ops::Range<u64> {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text: String| text.parse::<u64>().ok())
    };
    match number("TICKWIRE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TICKWIRE_MODEL_SEEDS").unwrap_or(SEEDS),
    }
}

#[test]
fn every_replica_is_what_its_player_may_see_after_every_snapshot() {
    let seeds: Vec<u64> = seeds().collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for part in seeds.chunks(seeds.len().div_ceil(threads)) {
            scope.spawn(move || {
                for &seed in part {
                    let mut model = Model::new(seed, Sabotage::None);
                    if let Err(what) = model.run(STEPS) {
                        panic!("TICKWIRE_SEED={seed}: {what}");
                    }
                    let coverage = model.coverage;
                    assert!(coverage.snapshots > 1000, "seed {seed}: {coverage:?}");
                    if model.settings.player_bytes_per_second.is_none() {
                        assert!(
                            coverage.shown.iter().all(|&shown| shown > 0),
                            "seed {seed}: {coverage:?}"
                        );
                    } else {
                        assert!(coverage.partial > 0, "seed {seed}: {coverage:?}");
                    }
                }
            });
        }
    });
}

/// The canary: an oracle that finds nothing wrong with these would find nothing wrong with anything.
#[test]
fn the_oracle_finds_every_sabotage() {
    for sabotage in [
        Sabotage::LoseSnapshot,
        Sabotage::FlipBit,
        Sabotage::HideChange,
        Sabotage::WrongPlayer,
    ] {
        for seed in 0..10 {
            let result = Model::new(seed, sabotage).run(STEPS);
            assert!(result.is_err(), "seed {seed}: {sabotage:?} went unnoticed");
        }
    }
}
