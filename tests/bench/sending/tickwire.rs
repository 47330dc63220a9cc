//! Tickwire itself, with the reference world as its game.

use std::{
    io,
    net::TcpListener,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tests::{
    reference_components::{Angle, Hp, Position, components},
    reference_world::{Motion, ReferenceWorld},
};
use tickwire_server::prelude::*;

use crate::{lateness::Lateness, plan::Plan};

/// What the load sends 30 times a second: four bytes.
#[derive(Replicate, Clone, Copy, Default)]
struct Keys {
    held: [u8; 4],
}

/// The reference world, and the entities that its bodies are.
#[derive(Resource)]
struct Bodies {
    world: ReferenceWorld,
    entities: Vec<Entity>,
}

/// Notes how late the ticks of one room are, and hands it over when the room is dropped.
#[derive(Resource)]
struct Watch {
    room: Option<Lateness>,
    all: Arc<Mutex<Vec<Lateness>>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.all
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(self.room.take());
    }
}

/// Half of what a player sees from corner to corner: about 65 of 1000 entities.
const VIEW_UNITS: [f32; 2] = [1280.0, 720.0];
const CELL_UNITS: f32 = 256.0;

pub(crate) fn serve(plan: &Plan, listener: TcpListener) -> io::Result<Vec<Lateness>> {
    let watched = Arc::new(Mutex::new(Vec::new()));
    let leavers = if plan.hold { usize::MAX } else { plan.players };
    let players_left = Arc::new(AtomicUsize::new(leavers));
    let game = {
        let (plan, watched, players_left) = (plan.clone(), watched.clone(), players_left.clone());
        move || game(&plan, &watched, &players_left)
    };
    let limits = if plan.hold {
        Limits::default()
    } else {
        Limits {
            messages_per_second_max: 10_000,
            // The load comes all at once.
            handshakes_max: plan.players,
            ..Limits::default()
        }
    };
    let mut server = Server::new(game).limits(limits);
    if plan.workers > 0 {
        server = server.workers(plan.workers);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let all_left = async move {
            while players_left.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        server
            .serve(listener, all_left)
            .await
            .map_err(io::Error::other)
    })?;
    let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::take(&mut watched))
}

/// The same game for rooms that are ticked by hand.
pub(crate) fn bare_game(plan: &Plan) -> Game {
    game(plan, &Arc::default(), &Arc::default())
}

fn game(plan: &Plan, watched: &Arc<Mutex<Vec<Lateness>>>, players_left: &Arc<AtomicUsize>) -> Game {
    let (entities, interest) = (plan.entities, plan.interest);
    let players_left = players_left.clone();
    let game = Game::new("reference")
        .tick_rate_hz(plan.rate_hz)
        .players_max(plan.players)
        .replicate::<Position>()
        .replicate::<Angle>()
        .replicate::<Hp>()
        .input::<Keys>()
        .insert_resource(Watch {
            room: None,
            all: watched.clone(),
        })
        .on_start(move |world| spawn(world, entities))
        .add_systems((note_lateness, step).chain())
        .on_join(move |world, joining| join(world, joining.player, interest))
        .on_leave(move |_, _| {
            players_left.fetch_sub(1, Ordering::Relaxed);
        });
    let game = if plan.hold {
        game
    } else {
        game.reconnect_grace(Duration::ZERO)
    };
    if interest {
        game.interest(Grid::new::<Position>(CELL_UNITS, |p| [p.x, p.y]))
    } else {
        game
    }
}

fn spawn(world: &mut World, entities: usize) {
    let bodies = ReferenceWorld::new(entities, Motion::Straight, 1);
    let entities = bodies
        .bodies
        .iter()
        .map(|body| world.spawn((Replicated, components(body))).id())
        .collect();
    world.insert_resource(Bodies {
        world: bodies,
        entities,
    });
}

/// A player has no body of its own: what is measured is the sending of the reference world. With interest
/// it looks at one of the bodies.
fn join(world: &mut World, player: PlayerId, interest: bool) -> Entity {
    let entities = &world.resource::<Bodies>().entities;
    let followed = entities[player.0 as usize % entities.len()];
    let own = world.spawn_empty();
    if interest {
        let mut own = own;
        own.insert(View::rectangle(VIEW_UNITS[0], VIEW_UNITS[1]).following(followed));
        return own.id();
    }
    own.id()
}

fn step(mut bodies: ResMut<Bodies>, mut parts: Query<(&mut Position, &mut Angle, &mut Hp)>) {
    let Bodies { world, entities } = &mut *bodies;
    world.step();
    for (entity, body) in entities.iter().zip(&world.bodies) {
        if let Ok((mut position, mut angle, mut hp)) = parts.get_mut(*entity) {
            (*position, *angle, _) = components(body);
            hp.set_if_neq(Hp(body.hp));
        }
    }
}

fn note_lateness(clock: Res<TickClock>, mut watch: ResMut<Watch>) {
    let rate_hz = clock.dt_seconds.recip().round() as u32;
    watch
        .room
        .get_or_insert_with(|| Lateness::new(rate_hz))
        .record();
}
