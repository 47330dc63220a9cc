//! axum's WebSocket the way its documentation shows it: a task per player that selects over the next
//! snapshot and the next message, snapshots by broadcast.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    routing::get,
};
use tickwire_protocol::limits::SUBPROTOCOL;
use tokio::sync::broadcast;

use crate::{lateness::Lateness, plan::Plan};

struct Room {
    snapshots: broadcast::Sender<Bytes>,
}

/// Serves until all players have left, then reports how late the ticks were.
pub(crate) fn serve(plan: &Plan, listener: std::net::TcpListener) -> std::io::Result<Lateness> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (snapshots, _) = broadcast::channel(16);
        let room = Arc::new(Room { snapshots });
        let router = Router::new()
            .route(
                "/play",
                get(
                    |upgrade: WebSocketUpgrade, State(room): State<Arc<Room>>| async move {
                        upgrade
                            .protocols([SUBPROTOCOL])
                            .on_upgrade(move |socket| play(socket, room))
                    },
                ),
            )
            .with_state(room.clone());
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let lateness = tick(plan, &room).await;
        server.abort();
        Ok(lateness)
    })
}

async fn tick(plan: &Plan, room: &Room) -> Lateness {
    let snapshot = Bytes::from(vec![0x5a; plan.snapshot_bytes]);
    while room.snapshots.receiver_count() < plan.players {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut lateness = Lateness::new(plan.rate_hz);
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / plan.rate_hz);
    while room.snapshots.receiver_count() > 0 {
        ticks.tick().await;
        lateness.record();
        let _ = room.snapshots.send(snapshot.clone());
    }
    lateness
}

async fn play(mut socket: WebSocket, room: Arc<Room>) {
    let mut snapshots = room.snapshots.subscribe();
    loop {
        tokio::select! {
            snapshot = snapshots.recv() => match snapshot {
                Ok(snapshot) => if socket.send(Message::Binary(snapshot)).await.is_err() { return },
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            },
            message = socket.recv() => match message {
                Some(Ok(_)) => {}
                _ => return,
            },
        }
    }
}
