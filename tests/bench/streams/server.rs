//! Tickwire's end: a game whose snapshots say when they were made, and the asset for whoever comes.

use std::net::SocketAddr;

use bytes::Bytes;
use tickwire_server::prelude::*;

use crate::{SNAPSHOT_HZ, asset_bytes, clock_micros};

/// When the tick was, on the clock of both ends.
#[derive(Component, Replicate, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) micros: u32,
}

/// What makes a snapshot some 300 bytes long.
#[derive(Component, Replicate, Clone, Copy)]
struct Noise {
    value: u32,
}

fn stamp(mut stamps: Query<&mut Stamp>) {
    for mut stamp in &mut stamps {
        stamp.micros = clock_micros() as u32;
    }
}

fn rustle(mut random: ResMut<RoomRandom>, mut noises: Query<&mut Noise>) {
    for mut noise in &mut noises {
        noise.value = random.range(0.0, 4e9) as u32;
    }
}

fn game() -> Game {
    Game::new("stamps")
        .tick_rate_hz(SNAPSHOT_HZ)
        .replicate::<Stamp>()
        .replicate::<Noise>()
        .add_systems((rustle, stamp).chain())
        .on_start(|world| {
            world.spawn((Replicated, Stamp { micros: 0 }));
            for _ in 0..64 {
                world.spawn((Replicated, Noise { value: 0 }));
            }
        })
}

pub(crate) fn serve(address: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    let asset = Bytes::from(vec![7; asset_bytes()]);
    let server = Server::new(game).workers(1).on_player(move |peer: Peer| {
        let asset = asset.clone();
        async move {
            let mut stream = peer.open(StreamOptions::new(StreamKind::Bytes));
            if stream.send(asset).await.is_ok() {
                // Whether it was taken, the player says by what it measured.
                let _ = stream.finished().await;
            }
            peer.closed().await;
        }
    });
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        server.serve(listener, std::future::pending()).await?;
        Ok(())
    })
}
