//! Connections that break, and players who come back.

use tests::{seeds::for_each_seed, sim::game::Setting};

use crate::{everybody_plays, room_with, seconds};

#[test]
fn a_cut_player_takes_its_own_seat_back() {
    for_each_seed(6, |seed| {
        let mut simulation = room_with(
            4,
            seed,
            Setting {
                grace: seconds(20),
                ..Setting::default()
            },
        );
        for round in 0..5 {
            let index = (seed as usize + round) % 4;
            let before = simulation.players[index].player;
            let resumed = simulation.players[index].resumed;
            simulation.cut(index);
            simulation.run(seconds(1));
            simulation.run_until(seconds(20), "it plays again", everybody_plays);
            assert_eq!(
                simulation.players[index].player, before,
                "it came back as somebody else"
            );
            assert_eq!(simulation.players[index].resumed, resumed + 1);
            simulation.run(seconds(1));
        }
        assert_eq!(simulation.room.players(), 4);
        simulation.settle();
    });
}

#[test]
fn who_comes_back_too_late_finds_the_seat_gone_and_takes_a_new_one() {
    let mut simulation = room_with(
        2,
        1,
        Setting {
            grace: seconds(2),
            ..Setting::default()
        },
    );
    let before = simulation.players[1].player;
    // Nothing gets through for a while: the cut is noticed by the server alone.
    let seat = simulation.seat_of(1).expect("it plays");
    simulation.stall(1, seconds(12));
    simulation.room.handle_disconnect(seat, simulation.now);
    simulation.run(seconds(5));
    assert_eq!(
        simulation.room.players(),
        1,
        "the seat waited longer than it should"
    );
    simulation.cut(1);
    simulation.run_until(seconds(60), "it plays again", everybody_plays);
    assert_ne!(simulation.players[1].player, before);
    assert_eq!(simulation.players[1].resumed, 0);
    simulation.settle();
}

#[test]
fn players_who_flap_all_the_time_do_not_disturb_the_rest() {
    for_each_seed(3, |seed| {
        let mut simulation = room_with(
            5,
            seed,
            Setting {
                grace: seconds(30),
                ..Setting::default()
            },
        );
        simulation.players[2].snapshots = 0;
        for _ in 0..20 {
            simulation.cut(0);
            simulation.cut(1);
            simulation.run(seconds(1));
        }
        assert!(
            simulation.players[2].snapshots > 300,
            "{} of 400 snapshots",
            simulation.players[2].snapshots
        );
        assert_eq!(simulation.room.players(), 5);
        simulation.run_until(seconds(60), "they play again", everybody_plays);
        simulation.settle();
    });
}
