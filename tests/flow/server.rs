//! The server's end: a game with nothing in it, and a handler that does what a stream's metadata asks.

use std::{io, path::PathBuf};

use tickwire_server::prelude::*;

use crate::{
    content::Flow,
    pump::{self, Speed, Taker},
};

/// A server whose players' streams are [`Flow`]s.
pub(crate) fn server(files: Option<PathBuf>) -> Server {
    let server =
        Server::new(|| Game::new("flow"))
            .workers(1)
            .on_stream(async |incoming: Incoming| {
                let Ok(flow) = incoming.metadata::<Flow>() else {
                    return incoming.refuse(400, "no flow");
                };
                // What went wrong, the other end finds out by what it got.
                let _ = serve(incoming, flow).await;
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
