//! What a page does, as the server sees it: the input that it holds, and how its streams end.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tickwire_server::prelude::*;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long a page may think.
const PATIENCE: Duration = Duration::from_secs(10);

/// An input with fields of every sort.
#[derive(Replicate, Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Steer {
    #[wire(range(-1.0, 1.0), step = 0.0625)]
    turn: f32,
    #[wire(range(0.0, 1.0), step = 0.0625)]
    aim: Option<f32>,
    fire: bool,
    loud: Option<bool>,
    gun: Gun,
    at: Option<Place>,
}

#[derive(Replicate, Clone, Copy, Debug, Default, PartialEq)]
enum Gun {
    #[default]
    None,
    Laser,
    Bomb {
        #[wire(range(0, 100))]
        size: u8,
    },
}

#[derive(Replicate, Clone, Copy, Debug, Default, PartialEq)]
struct Place {
    #[wire(range(0, 100))]
    x: u8,
}

/// What pages ask for.
pub(crate) struct Page {
    input: Mutex<String>,
    ends: (
        UnboundedSender<String>,
        tokio::sync::Mutex<UnboundedReceiver<String>>,
    ),
}

impl Default for Page {
    fn default() -> Self {
        let (sender, receiver) = unbounded_channel();
        Self {
            input: Mutex::default(),
            ends: (sender, receiver.into()),
        }
    }
}

impl Page {
    pub(crate) fn see<'a>(&self, inputs: impl Iterator<Item = &'a CurrentInput<Steer>>) {
        let inputs = inputs.map(|input| format!("{:?}", input.value));
        *self.input.lock().unwrap_or_else(PoisonError::into_inner) = inputs.collect();
    }

    /// Answers `input` with what the players hold, `end` with how the next stream ended that was to `listen`,
    /// `double` with what the page itself answers when it is asked, and `clip` once the page has read to its end what
    /// comes on a stream that is one-way.
    pub(crate) async fn answer(&self, incoming: Incoming, topic: &str) -> io::Result<()> {
        match topic {
            "input" => {
                let ((), reply) = incoming.question().await?;
                let input = self.input.lock().map(|it| it.clone());
                reply.send(&input.unwrap_or_default())
            }
            "end" => {
                let ((), reply) = incoming.question().await?;
                reply.send(&self.ends.1.lock().await.recv().await)
            }
            "double" => {
                let peer = incoming.peer().clone();
                let (number, reply) = incoming.question::<u32>().await?;
                let answer: u32 = peer.ask("double", &number, PATIENCE).await?;
                reply.send(&answer)
            }
            "clip" => {
                let peer = incoming.peer().clone();
                let ((), reply) = incoming.question().await?;
                let mut options = StreamOptions::new(StreamKind::Bytes);
                options.one_way = true;
                let mut stream = peer.open(options);
                stream.send("a short clip".into()).await?;
                stream.finished().await?;
                reply.send(&())
            }
            "listen" => {
                let mut stream = incoming.accept();
                let mut bytes = 0;
                let end = loop {
                    match stream.receive().await {
                        Ok(Some(chunk)) => bytes += chunk.len(),
                        Ok(None) => break "whole".to_owned(),
                        Err(error) => break error.to_string(),
                    }
                };
                let _ = self.ends.0.send(format!("{bytes}: {end}"));
                stream.finished().await
            }
            _ => {
                incoming.refuse(404, "no such topic");
                Ok(())
            }
        }
    }
}
