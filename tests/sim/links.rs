//! Every kind of link: everybody converges, and nobody's link is another's concern.

use tests::{
    link::LinkProfile,
    seeds::for_each_seed,
    sim::{Simulation, game::Setting},
};

use crate::{room_with, seconds};

#[test]
fn everybody_converges_on_every_link() {
    for_each_seed(4, |seed| {
        for has_grid in [false, true] {
            let mut simulation = room_with(
                10,
                seed,
                Setting {
                    has_grid,
                    ..Setting::default()
                },
            );
            simulation.run(seconds(6));
            simulation.settle();
        }
    });
}

#[test]
fn a_link_that_changes_while_it_is_used_only_delays() {
    for_each_seed(4, |seed| {
        let mut simulation = room_with(4, seed, Setting::default());
        for (index, profile) in LinkProfile::ALL.into_iter().cycle().take(20).enumerate() {
            let player = &mut simulation.players[index % 4];
            player.down.change(profile);
            player.up.change(profile);
            simulation.run(seconds(1));
        }
        simulation.settle();
    });
}

#[test]
fn a_link_too_thin_for_the_room_gets_fewer_snapshots_and_the_newest_ones() {
    let mut simulation = Simulation::new(
        3,
        Setting {
            has_grid: false,
            walkers: 550,
            ..Setting::default()
        },
    );
    let thin = simulation.join(LinkProfile::THIN);
    let good = simulation.join(LinkProfile::LAN);
    simulation.run(seconds(20));
    let (thin, good) = (&simulation.players[thin], &simulation.players[good]);
    assert!(
        good.snapshots >= 395,
        "a good link gets all: {}",
        good.snapshots
    );
    assert!(
        (20..300).contains(&thin.snapshots),
        "a thin one what it can carry: {}",
        thin.snapshots
    );
    let behind = good.newest.unwrap().since(thin.newest.unwrap());
    assert!(behind < 100, "the thin link is {behind} ticks behind");
}

#[test]
fn under_a_byte_budget_nothing_starves_and_nothing_is_ever_false() {
    for_each_seed(4, |seed| {
        let setting = Setting {
            has_grid: seed % 2 == 0,
            walkers: 300,
            bytes_per_second: Some(5_000),
            ..Setting::default()
        };
        let mut simulation = Simulation::new(seed, setting);
        simulation.join(LinkProfile::FIBRE);
        simulation.join(LinkProfile::MOBILE);
        simulation.run(seconds(15));
        assert!(
            simulation
                .players
                .iter()
                .all(|player| player.snapshots > 200)
        );
        simulation.settle();
    });
}
