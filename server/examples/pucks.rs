//! A whole game: players push pucks over a field and see each other do it, at `http://127.0.0.1:8080/`.
//!
//! Its page, `pucks.html`, loads the client that `cargo xtask wasm` builds. To see it:
//! `cargo run -p tickwire-server --example pucks`. Another port, and another folder with the client, may follow.

use std::{env, path::PathBuf};

use axum::{Router, response::Html, routing::get};
use tickwire_server::prelude::*;
use tokio::{net::TcpListener, signal};

/// Where a puck is, to a sixteenth of a unit.
#[derive(Component, Replicate, Clone, Copy)]
struct Position {
    #[wire(range(0.0, 800.0), step = 0.0625, predict = "linear")]
    x: f32,
    #[wire(range(0.0, 500.0), step = 0.0625, predict = "linear")]
    y: f32,
}

/// Which way a player pushes.
#[derive(Replicate, Clone, Copy, Default)]
struct Push {
    #[wire(range(-1.0, 1.0), step = 0.0625)]
    x: f32,
    #[wire(range(-1.0, 1.0), step = 0.0625)]
    y: f32,
}

const UNITS_PER_SECOND: f32 = 240.0;

fn push(clock: Res<TickClock>, mut pucks: Query<(&CurrentInput<Push>, &mut Position)>) {
    for (push, mut position) in &mut pucks {
        let step = UNITS_PER_SECOND * clock.dt_seconds;
        position.x = (position.x + push.x * step).clamp(0.0, 800.0);
        position.y = (position.y + push.y * step).clamp(0.0, 500.0);
    }
}

fn pucks() -> Game {
    Game::new("pucks")
        .replicate::<Position>()
        .input::<Push>()
        .add_systems(push)
        .on_join(|world, _| {
            let mut random = world.resource_mut::<RoomRandom>();
            let (x, y) = (random.range(0.0, 800.0), random.range(0.0, 500.0));
            world.spawn((Replicated, Position { x, y })).id()
        })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let port = arguments.next().map_or(Ok(8080), |port| port.parse())?;
    let client = PathBuf::from(arguments.next().unwrap_or_else(|| "target/dist".into()));
    if !client.join("client").is_dir() {
        let folder = client.display();
        return Err(format!("no folder {folder}/client: `cargo xtask wasm` builds it").into());
    }

    let page = Router::new().route("/", get(async || Html(include_str!("pucks.html"))));
    let server = Server::new(pucks).router(page).files(client);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("http://{}/", listener.local_addr()?);
    let ctrl_c = async { signal::ctrl_c().await.unwrap_or_default() };
    server.serve(listener, ctrl_c).await?;
    Ok(())
}
