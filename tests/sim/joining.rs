//! Coming in, and going: what a newcomer sees, and what is left when the last one has gone.

use tests::{
    link::LinkProfile,
    seeds::for_each_seed,
    sim::{Simulation, game::Setting},
};
use tickwire_protocol::error::CloseCode;

use crate::{room_for_seed, room_with, seconds};

#[test]
fn who_joins_a_running_room_holds_all_it_may_see_with_its_first_snapshot() {
    for_each_seed(6, |seed| {
        let mut simulation = room_for_seed(3, seed);
        simulation.run(seconds(2));
        let late = simulation.join(LinkProfile::FIBRE);
        simulation.run_until(seconds(2), "the newcomer has a snapshot", |simulation| {
            simulation.players[late].snapshots == 1
        });
    });
}

#[test]
fn nothing_is_left_behind_when_all_have_left() {
    for_each_seed(6, |seed| {
        let mut simulation = room_with(5, seed, Setting::default());
        simulation.run(seconds(3));
        for index in 0..5 {
            // Two say goodbye, two are cut off, one goes while it is stalled.
            match index {
                0 | 1 => simulation.leave(index),
                2 | 3 => simulation.cut(index),
                _ => {
                    simulation.stall(index, seconds(60));
                    simulation.cut(index);
                }
            }
            simulation.players[index].client.leave();
        }
        simulation.run(seconds(10));
        simulation.expect_nobody_left();
    });
}

#[test]
fn who_finds_the_room_full_is_told_and_costs_nothing() {
    let setting = Setting {
        players_max: 2,
        ..Setting::default()
    };
    let mut simulation = room_with(2, 1, setting);
    let third = simulation.join(LinkProfile::LAN);
    simulation.run(seconds(1));
    assert_eq!(simulation.players[third].joined, 0);
    assert_eq!(
        simulation.players[third].closes.first(),
        Some(&CloseCode::Full.number())
    );
    assert_eq!(simulation.room.players(), 2);
    // A place becomes free: the client has been trying all the time.
    simulation.leave(0);
    simulation.run_until(seconds(60), "the third has the place", |simulation| {
        simulation.players[third].client.is_playing()
    });
}

#[test]
fn a_hundred_who_come_and_go_leave_the_room_as_it_was() {
    let mut simulation = Simulation::new(
        9,
        Setting {
            walkers: 10,
            ..Setting::default()
        },
    );
    for round in 0..100 {
        let index = simulation.join(LinkProfile::LAN);
        simulation.run(seconds(1));
        assert!(
            simulation.players[index].client.is_playing(),
            "round {round}"
        );
        simulation.leave(index);
    }
    simulation.run(seconds(10));
    simulation.expect_nobody_left();
}
