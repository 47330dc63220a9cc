//! What players may not know. The checkers compare every client with the truth after every snapshot; these
//! scenarios make what is secret change hands often.

use tests::{seeds::for_each_seed, sim::game::Setting};

use crate::{room_with, seconds};

#[test]
fn nobody_holds_what_it_may_not_see_while_owners_teams_and_places_change() {
    for_each_seed(8, |seed| {
        let setting = Setting {
            has_grid: seed % 2 == 0,
            walkers: 80,
            ..Setting::default()
        };
        let mut simulation = room_with(5, seed, setting);
        simulation.run(seconds(15));
        simulation.settle();
    });
}

#[test]
fn the_secrets_of_one_player_do_not_go_to_the_next_who_takes_its_place() {
    for_each_seed(4, |seed| {
        let mut simulation = room_with(
            4,
            seed,
            Setting {
                players_max: 4,
                ..Setting::default()
            },
        );
        for round in 0..8 {
            let leaving = round % 4;
            simulation.leave(leaving);
            simulation.run(seconds(1));
            simulation.players[leaving].client.retry(simulation.now);
            simulation.run_until(seconds(20), "it is back as somebody else", |simulation| {
                simulation.players[leaving].client.is_playing()
            });
            assert_eq!(
                simulation.players[leaving].resumed, 0,
                "a seat that was given up came back"
            );
        }
        simulation.settle();
    });
}
