//! The same seed and the same calls give the same world and the same bytes.

use tests::{
    link::LinkProfile,
    sim::{Simulation, game::Setting},
};

use crate::seconds;

fn play(seed: u64) -> (u64, u64) {
    let mut simulation = Simulation::new(seed, Setting::default());
    for profile in LinkProfile::ALL {
        simulation.join(profile);
    }
    simulation.run(seconds(4));
    simulation.cut(1);
    simulation.run(seconds(4));
    (
        simulation.sent_hash,
        simulation
            .players
            .iter()
            .map(|player| player.snapshots)
            .sum(),
    )
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let first = play(11);
    assert_eq!(first, play(11));
    assert_ne!(first, play(12));
}
