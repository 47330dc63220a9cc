//! The server's end: a game with nothing in it but an input, and a handler that does what a stream's metadata asks.

use std::{io, path::PathBuf, sync::Arc};

use tickwire_server::prelude::*;

use crate::{
    content::Flow,
    page::{Page, Steer},
    pump::{self, Speed, Taker},
};

/// A server whose players' streams are [`Flow`]s, or for a [`Page`].
pub(crate) fn server(files: Option<PathBuf>) -> Server {
    let page = Arc::new(Page::default());
    let seen = Arc::clone(&page);
    let game = move || {
        let seen = Arc::clone(&seen);
        let look = move |players: Query<&CurrentInput<Steer>>| seen.see(players.iter());
        Game::new("flow").input::<Steer>().add_systems(look)
    };
    let server = Server::new(game)
        .workers(1)
        .on_stream(move |incoming: Incoming| {
            let page = Arc::clone(&page);
            async move {
                // What went wrong, the other end finds out by what it got.
                let _ = match (incoming.metadata::<Flow>(), incoming.metadata::<String>()) {
                    (Ok(flow), _) => serve(incoming, flow).await,
                    (_, Ok(topic)) => page.answer(incoming, &topic).await,
                    _ => {
                        incoming.refuse(400, "no flow");
                        Ok(())
                    }
                };
            }
        });
    match files {
        Some(folder) => server.files(folder),
        None => server,
    }
}

async fn serve(incoming: Incoming, flow: Flow) -> io::Result<()> {
    let (mut reader, mut writer) = incoming.accept().into_split();
    let Flow { rate, paced, .. } = flow;
    let speed = Speed { rate, paced };
    let mut taker = Taker::new(&mut reader);
    let (sent, taken) = tokio::join!(
        pump::send(&mut writer, flow.seed, flow.down),
        taker.take(u64::MAX, speed, |_| ())
    );
    sent?;
    writer.send(taken?.to_bytes().to_vec().into()).await?;
    writer.finished().await
}
