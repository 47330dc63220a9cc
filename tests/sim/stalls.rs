//! Players who stop reading: they cost themselves, never the room, and one snapshot brings them back.

use tests::{link::LinkProfile, seeds::for_each_seed, sim::game::Setting};

use crate::{room_for_seed, room_with, seconds};

#[test]
fn a_stalled_client_never_delays_the_others() {
    for_each_seed(4, |seed| {
        let mut simulation = room_with(3, seed, Setting::default());
        let before: Vec<u64> = simulation
            .players
            .iter()
            .map(|player| player.snapshots)
            .collect();
        simulation.stall(0, seconds(10));
        simulation.run(seconds(8));
        for (index, before) in before.into_iter().enumerate().skip(1) {
            let got = simulation.players[index].snapshots - before;
            assert!(
                got >= 155,
                "player {index} got {got} of 160 snapshots beside a stalled one"
            );
        }
    });
}

#[test]
fn after_any_stall_the_replica_is_what_the_server_says() {
    for_each_seed(6, |seed| {
        let mut simulation = room_for_seed(4, seed);
        for span in [1, 2, 5, 12] {
            simulation.stall((seed + span) as usize % 4, seconds(span));
            simulation.run(seconds(span + 3));
        }
        simulation.settle();
        assert!(
            simulation.players.iter().all(|player| player.joined == 1),
            "nobody was thrown out"
        );
    });
}

#[test]
fn what_waits_for_a_stalled_client_is_bounded() {
    let mut simulation = room_with(
        2,
        5,
        Setting {
            walkers: 300,
            has_grid: false,
            ..Setting::default()
        },
    );
    simulation.players[0].down.change(LinkProfile::FIBRE);
    simulation.stall(0, seconds(25));
    simulation.run(seconds(20));
    let waiting = simulation.players[0].down.bytes_under_way();
    let allowed = LinkProfile::FIBRE.buffer_bytes + 16 * 1024;
    assert!(
        waiting <= allowed,
        "{waiting} bytes wait, {allowed} fit the buffers"
    );
    let baselines = simulation.room.replication().stats().baselines;
    assert!(
        baselines <= 64,
        "{baselines} states are kept for one stalled player"
    );
    simulation.run(seconds(10));
    simulation.settle();
}

#[test]
fn who_is_silent_for_too_long_is_let_go() {
    let mut simulation = room_with(2, 2, Setting::default());
    simulation.freeze(1);
    simulation.run(seconds(60));
    assert!(
        simulation.seat_of(1).is_none(),
        "a silent player keeps its seat"
    );
    assert_eq!(simulation.room.players(), 1);
    simulation.settle();
}
