//! Whole rooms and their players on virtual time. The checkers run inside the simulation, after every
//! step; what a scenario adds is what happens, and what must have come of it.

mod canary;
mod hostile;
mod joining;
mod links;
mod overrun;
mod reconnect;
mod repeat;
mod secrets;
mod stalls;

use tests::{
    link::LinkProfile,
    sim::{Simulation, game::Setting},
};
use tickwire_protocol::time::Micros;

/// A span of whole seconds.
const fn seconds(count: u64) -> Micros {
    Micros::from_millis(count * 1000)
}

/// A room in which so many players play, over links of every kind.
fn room_with(players: usize, seed: u64, setting: Setting) -> Simulation {
    let mut simulation = Simulation::new(seed, setting);
    for index in 0..players {
        simulation.join(LinkProfile::ALL[index % LinkProfile::ALL.len()]);
    }
    simulation.run_until(seconds(20), "everybody is in", everybody_plays);
    simulation
}

/// The same for a seed: every second one plays in a room with a grid.
fn room_for_seed(players: usize, seed: u64) -> Simulation {
    let setting = Setting {
        has_grid: seed.is_multiple_of(2),
        ..Setting::default()
    };
    room_with(players, seed, setting)
}

fn everybody_plays(simulation: &Simulation) -> bool {
    simulation
        .players
        .iter()
        .all(|player| player.client.is_playing() && player.snapshots > 0)
}
