//! The game of these tests: a puck that its player pushes, and chat.

#![expect(
    elided_lifetimes_in_paths,
    reason = "systems are read for what they ask for"
)]

use serde::{Deserialize, Serialize};
use tickwire_server::prelude::*;

#[derive(Component, Replicate, Clone, Copy, Debug, PartialEq)]
pub(crate) struct Position {
    #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
    pub(crate) x: f32,
}

#[derive(Replicate, Clone, Copy, Default, Debug, PartialEq)]
pub(crate) struct Push {
    #[wire(range(-1.0, 1.0), step = 0.0625)]
    pub(crate) x: f32,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct Chat {
    pub(crate) text: String,
}

impl GameEvent for Chat {
    const NAME: &'static str = "chat";
}

/// Asks the game to do something that only tests want.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) enum Order {
    /// Panic.
    Panic,
    /// Send everyone so many bytes every tick from now on.
    Flood(usize),
    /// Take so many milliseconds for every tick from now on.
    Linger(u64),
    /// Send the one away who orders it.
    Leave,
}

impl GameEvent for Order {
    const NAME: &'static str = "order";
}

#[derive(Resource, Default)]
struct FloodBytes(usize);

#[derive(Resource, Default)]
struct LingerMillis(u64);

fn push(clock: Res<TickClock>, mut pucks: Query<(&CurrentInput<Push>, &mut Position)>) {
    for (push, mut position) in &mut pucks {
        let step = push.x * 200.0 * clock.dt_seconds;
        if step != 0.0 {
            position.x = (position.x + step).clamp(0.0, 4000.0);
        }
    }
}

fn chat(mut said: MessageReader<FromPlayer<Chat>>, mut outbox: ResMut<Outbox>) {
    for message in said.read() {
        outbox.broadcast(&message.event);
    }
}

fn obey(
    mut orders: MessageReader<FromPlayer<Order>>,
    mut flood: ResMut<FloodBytes>,
    mut linger: ResMut<LingerMillis>,
    mut players: ResMut<Players>,
) {
    for order in orders.read() {
        match order.event {
            Order::Panic => panic!("ordered to"),
            Order::Flood(bytes) => flood.0 = bytes,
            Order::Linger(millis) => linger.0 = millis,
            Order::Leave => players.send_away(order.player, "as you wish"),
        }
    }
}

/// A game whose tick takes its time.
fn linger(linger: Res<LingerMillis>) {
    std::thread::sleep(core::time::Duration::from_millis(linger.0));
}

fn flood(flood: Res<FloodBytes>, mut outbox: ResMut<Outbox>) {
    if flood.0 > 0 {
        outbox.broadcast(&Chat {
            text: "x".repeat(flood.0),
        });
    }
}

/// The game. A player called `nobody` is refused.
pub(crate) fn pucks() -> Game {
    Game::new("pucks")
        .players_max(8)
        .replicate::<Position>()
        .input::<Push>()
        .event::<Chat>()
        .event::<Order>()
        .insert_resource(FloodBytes::default())
        .insert_resource(LingerMillis::default())
        .add_systems((push, chat, obey, linger, flood).chain())
        .on_knock(|_, joining| {
            if joining.name == "nobody" {
                Err("nobody may not play".into())
            } else {
                Ok(())
            }
        })
        .on_join(|world, _| world.spawn((Replicated, Position { x: 100.0 })).id())
}
