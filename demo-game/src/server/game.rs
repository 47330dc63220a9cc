//! The arena as a game of the server's: what is replicated, who joins and leaves, and the tick's frame.

use bevy_ecs::prelude::*;
use tickwire_server::game::{CurrentInput, FromPlayer, Game, Joining, Leaving, Player, RoomRandom};
use tickwire_server::replication::{Grid, View};

use crate::components::{
    Drive, Heading, Hull, Obstacle, Pickup, Position, Radar, Round, Ship, Shot, Standing, Steer,
    Weapons,
};
use crate::events::{Destroyed, Hit, Look, RoundOver, Said, Say, Taken};
use crate::rules::tuning::{INTEREST_CELL, POPULATION, TICK_RATE_HZ, VIEW, VIEW_MARGIN};
use crate::server::bots::Opponents;
use crate::server::chat::Breath;
use crate::server::pilot::{Helm, dismiss, enlist};
use crate::server::start::Start;
use crate::server::{announce, chat, open, steps};

/// How a match is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Computer opponents for a player alone; each further player replaces one.
    pub opponents: usize,
    /// Where new ships begin.
    pub start: Start,
}

impl Default for Setup {
    /// Seven opponents, everyone scattered.
    fn default() -> Self {
        Self {
            opponents: POPULATION - 1,
            start: Start::Scattered,
        }
    }
}

/// The game of one room.
pub fn game(setup: Setup) -> Game {
    let game = Game::new("arena")
        .tick_rate_hz(u32::from(TICK_RATE_HZ))
        .interest(Grid::new::<Position>(INTEREST_CELL, |position| {
            [position.x, position.y]
        }));
    registered(game)
        .on_start(move |world| {
            let seed = world.resource_mut::<RoomRandom>().bits();
            open(world, seed);
            let population = if setup.opponents == 0 {
                0
            } else {
                setup.opponents + 1
            };
            world.insert_resource(Opponents { population });
            world.insert_resource(setup.start);
        })
        .on_join(join)
        .on_leave(leave)
        .add_systems(
            (
                (take_inputs, take_looks, chat::breathe, chat::pass_on).chain(),
                steps(),
                announce::deliver,
            )
                .chain(),
        )
}

/// Registers everything in the order of [`schema`](crate::schema::schema).
fn registered(game: Game) -> Game {
    game.replicate::<Position>()
        .replicate::<Heading>()
        .replicate::<Ship>()
        .replicate::<Hull>()
        .replicate::<Drive>()
        .replicate::<Weapons>()
        .replicate::<Shot>()
        .replicate::<Pickup>()
        .replicate::<Obstacle>()
        .replicate::<Standing>()
        .replicate::<Radar>()
        .replicate::<Round>()
        .input::<Steer>()
        .event::<Say>()
        .event::<Said>()
        .event::<Destroyed>()
        .event::<Hit>()
        .event::<Taken>()
        .event::<RoundOver>()
        .event::<Look>()
}

fn join(world: &mut World, joining: &Joining<'_>) -> Entity {
    let ship = enlist(world, joining.name, Some(joining.player));
    world.entity_mut(ship).insert((
        view_of(Look {
            width: VIEW.0,
            height: VIEW.1,
        }),
        Breath::default(),
    ));
    ship
}

fn leave(world: &mut World, leaving: &Leaving<'_>) {
    if let Some(ship) = leaving.entity {
        dismiss(world, ship);
    }
}

/// Puts each player's input to its helm. Who has lost the connection lets go of everything: a ship that
/// flew on by its last input would be a gift to its rivals.
fn take_inputs(mut helms: Query<'_, '_, (&mut Helm, &CurrentInput<Steer>, &Player)>) {
    for (mut helm, input, player) in &mut helms {
        helm.0 = if player.connected {
            input.value
        } else {
            Steer::default()
        };
    }
}

/// What is sent to a screen that shows so much: a margin on each side, because the camera looks ahead.
fn view_of(look: Look) -> View {
    View::rectangle(
        look.width + 2.0 * VIEW_MARGIN,
        look.height + 2.0 * VIEW_MARGIN,
    )
}

/// Fits each player's view to its screen.
fn take_looks(
    mut looks: MessageReader<'_, '_, FromPlayer<Look>>,
    mut views: Query<'_, '_, &mut View>,
) {
    for look in looks.read() {
        if let Some(entity) = look.entity
            && let Ok(mut view) = views.get_mut(entity)
        {
            let allowed = look.event.allowed();
            *view = view_of(allowed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickwire_protocol::time::Micros;
    use tickwire_server::room::Room;

    #[test]
    fn the_server_registers_what_the_browser_expects() {
        let room = Room::new(game(Setup::default()), "", 1, Micros(0)).expect("a room");
        let ours = crate::schema::schema();
        assert_eq!(room.replication().schema().first_difference(&ours), None);
        assert_eq!(room.replication().schema().hash(), ours.hash());
    }
}
