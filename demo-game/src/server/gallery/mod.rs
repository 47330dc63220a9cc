//! The gallery's server: what answers the pages at `/gallery`, one small module for each that talks back.
//!
//! In: streams that pages open, whose metadata name the page. Out: answers on the same streams, and
//! streams to others. The decision to question: the gallery is a Tickwire server of its own, with a game
//! that has nothing in it, nested below the demo's: pages that only stream do not sit in the arena's rooms.

mod call;
mod film;
mod limits;
mod pages;
mod share;
mod talk;
mod tune;
mod turns;

use std::{net::IpAddr, path::Path, sync::Arc};

use serde::Deserialize;
use tickwire_server::{
    net::{Running, Server, assets::Library},
    prelude::*,
};

use call::Call;
use film::Film;
use share::Shared;
use tune::Tune;

pub use pages::pages;

/// The room has nothing in it, but what players send is read once per tick.
const TICK_RATE_HZ: u32 = 40;

/// The page's request makes no sense. A game's own codes begin at 256.
const REFUSED_REQUEST: u32 = 400;

/// What a page asks for when it opens a stream.
#[derive(Deserialize)]
#[serde(tag = "page", rename_all = "snake_case")]
enum Request {
    Hello { from: String },
    Upload { name: String },
    Share(share::Picture),
    SharedBefore,
    Music,
    Video,
    Call,
}

/// What the pages' handlers share.
struct Gallery {
    tune: Tune,
    film: Film,
    shared: Shared,
    call: Call,
}

/// Starts the gallery with the media in a folder. Needs a tokio runtime.
///
/// # Errors
/// A sentence that names the file.
pub fn start(media: &Path, proxies: &[IpAddr]) -> Result<Running, String> {
    let read = |name: &str| {
        let path = media.join(name);
        std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let gallery = Arc::new(Gallery {
        tune: Tune::new(read("tune.flac")?.into())?,
        film: Film::new(read("film.webm")?.into())?,
        shared: Shared::default(),
        call: Call::default(),
    });
    let assets = Library::open(media).map_err(|error| error.to_string())?;
    let running = Server::new(|| Game::new("gallery").tick_rate_hz(TICK_RATE_HZ))
        .workers(1)
        .limits(Limits {
            connections_max: limits::VISITORS_MAX,
            ..Limits::default()
        })
        .assets(assets)
        .proxies(proxies.iter().copied())
        .on_stream(move |incoming| {
            let gallery = gallery.clone();
            async move { gallery.answer(incoming).await }
        })
        .start();
    running.map_err(|error| error.to_string())
}

impl Gallery {
    async fn answer(&self, incoming: Incoming) {
        if incoming
            .metadata()
            .is_ok_and(|topic: String| topic == "greeting")
        {
            // Who does not wait for it misses nothing.
            let _ = talk::greeting(incoming).await;
            return;
        }
        let request = match incoming.metadata() {
            Ok(request) => request,
            Err(error) => return incoming.refuse(REFUSED_REQUEST, &error.to_string()),
        };
        let peer = incoming.peer().clone();
        // A visitor who leaves in the middle ends the handler, and there is nobody left to tell.
        let _ = match request {
            Request::Hello { from } => talk::hello(incoming.accept(), &from).await,
            Request::Upload { name } => talk::upload(incoming.accept(), &name).await,
            Request::Share(picture) => self.shared.take(&peer, picture, incoming.accept()).await,
            Request::SharedBefore => self.shared.show_before(&peer, incoming.accept()).await,
            Request::Music => self.tune.play(incoming.accept()).await,
            Request::Video => self.film.play(incoming.accept()).await,
            Request::Call => self.call.take(&peer, incoming.accept_messages()).await,
        };
    }
}
