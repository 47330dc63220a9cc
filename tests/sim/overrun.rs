//! A machine that has no time for the room: it slows its clock, and its players stay.

use tests::{seeds::for_each_seed, sim::game::Setting};
use tickwire_protocol::time::Micros;

use crate::{room_with, seconds};

#[test]
fn a_room_that_fell_behind_keeps_its_players_and_takes_their_inputs_again() {
    for_each_seed(4, |seed| {
        let mut simulation = room_with(5, seed, Setting::default());
        for millis in [80, 300, 1000, 4000] {
            simulation.hold_room(Micros::from_millis(millis));
            simulation.run(seconds(8));
        }
        assert!(
            simulation.players.iter().all(|player| player.joined == 1),
            "a player was sent away"
        );
        simulation.settle();
        // Whoever presses after that still moves.
        let before = simulation
            .room
            .world()
            .resource::<tests::sim::game::Steered>()
            .0;
        simulation.run(seconds(3));
        let after = simulation
            .room
            .world()
            .resource::<tests::sim::game::Steered>()
            .0;
        assert!(
            after > before + 50,
            "inputs have no effect any more: {before} and {after} steered ticks"
        );
    });
}
