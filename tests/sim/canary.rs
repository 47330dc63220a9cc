//! The canary: deltas that are broken on purpose. If the checkers let one of these pass, nothing else
//! that they let pass means anything.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tests::{
    link::LinkProfile,
    sim::{Simulation, game::Setting},
};

use crate::seconds;

/// Plays, breaks one snapshot on its way, plays on. Whether a checker or a decoder noticed.
fn is_noticed(seed: u64, how: fn(&mut Vec<u8>)) -> bool {
    let mut simulation = Simulation::new(
        seed,
        Setting {
            has_grid: false,
            ..Setting::default()
        },
    );
    let index = simulation.join(LinkProfile::LAN);
    simulation.run(seconds(3));
    simulation.tamper(index, how);
    let result = catch_unwind(AssertUnwindSafe(|| {
        simulation.run(seconds(2));
        simulation.settle();
    }));
    // A client that could not decode it has ended the connection.
    let player = &simulation.players[index];
    result.is_err() || player.joined > 1 || !player.client.is_playing()
}

#[test]
fn the_checkers_catch_a_snapshot_that_is_lost() {
    for seed in 0..4 {
        assert!(is_noticed(seed, Vec::clear), "seed {seed}");
    }
}

#[test]
fn the_checkers_catch_a_snapshot_with_one_bit_turned() {
    for seed in 0..8 {
        assert!(
            is_noticed(seed, |message| {
                let last = message.len() - 1;
                message[last] ^= 4;
            }),
            "seed {seed}"
        );
    }
}

#[test]
fn the_checkers_have_nothing_to_say_about_a_snapshot_that_is_whole() {
    for seed in 0..4 {
        assert!(!is_noticed(seed, |_| {}), "seed {seed}");
    }
}
