//! A client core with a WebSocket and a cache around it: what a Rust game's loop and the JavaScript API
//! have in common.
//!
//! In come the browser's events and the time; whatever the core wants done is done. Time is the page's
//! own clock, `performance.now()`, which never goes back.

use std::{cell::RefCell, rc::Rc};

use bytes::Bytes;
use tickwire_protocol::{asset::AssetHash, time::Micros};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::Url;

use super::{
    cache, complain, error,
    socket::{Socket, SocketEvent},
    window,
};
use crate::{
    assets::AssetEvent,
    client::{Client, ClientEvent, Config},
};

/// How long a full socket, or bulk that is held back, is left alone before it is looked at again: as soon
/// as timers go.
const TURN_MILLIS: i32 = 4;

/// What comes back to the owner of a driver, later.
pub(super) enum Arrival<'a> {
    Socket(SocketEvent<'a>),
    LookedUp(AssetHash, Option<Bytes>),
    /// Time to look again at what could not be sent.
    Turn,
}

pub(super) struct Driver {
    pub(super) client: Client,
    url: String,
    socket: Option<Socket>,
    message: Vec<u8>,
    /// What the cache did not take, until it is tried again with less beside it.
    refused: Rc<RefCell<Vec<cache::Asset>>>,
    /// Whether a timer runs for the next [`Arrival::Turn`].
    awaits_turn: bool,
}

impl Driver {
    pub(super) fn new(config: Config, url: String) -> Self {
        Self {
            client: Client::new(config),
            url,
            socket: None,
            message: vec![],
            refused: Rc::default(),
            awaits_turn: false,
        }
    }

    /// Hands what arrived to the core.
    pub(super) fn on_arrival(&mut self, arrival: Arrival<'_>, now: Micros) {
        match arrival {
            Arrival::Socket(SocketEvent::Opened) => self.client.handle_open(now),
            Arrival::Socket(SocketEvent::Message(message)) => {
                if let Err(error) = self.client.handle_message(message, now) {
                    complain(format!("tickwire: {error}").into());
                }
            }
            Arrival::Socket(SocketEvent::Closed { code, reason }) => {
                self.client.handle_close(code, &reason, now);
            }
            Arrival::LookedUp(hash, bytes) => self.client.handle_asset_cached(hash, bytes),
            Arrival::Turn => self.awaits_turn = false,
        }
    }

    /// Whether something waits that nothing but time lets go on.
    fn awaits_time(&self) -> bool {
        let meant = self.client.unsent_bytes_max();
        let socket = self.socket.as_ref();
        socket.is_some_and(|socket| socket.is_full(meant))
            || self.client.holds_bulk()
            || self.client.is_gathering()
    }

    /// Bytes that the browser has not sent yet.
    pub(super) fn buffered_bytes(&self) -> u32 {
        self.socket.as_ref().map_or(0, Socket::buffered_bytes)
    }

    /// Does what the core wants done: connect, send, close, look up. Says whether more is to be sent once the
    /// events are told: sending makes room in a stream, and what it gets goes along.
    #[must_use]
    pub(super) fn pump(
        &mut self,
        now: Micros,
        arrive: impl Fn(Arrival<'_>) + Clone + 'static,
    ) -> bool {
        let mut is_more = false;
        if self.client.poll_connect(now) {
            // It was to be closed, and the page wanted the next one before it was.
            if let Some((code, reason)) = self.client.poll_close()
                && let Some(old) = self.socket.take()
            {
                old.close(code, &reason);
            }
            let arrive = arrive.clone();
            match Socket::open(&self.url, move |event| arrive(Arrival::Socket(event))) {
                // The old one is closed by now; its listeners go with it.
                Ok(socket) => self.socket = Some(socket),
                // The address is one that this browser never connects this page to, such as ws from https.
                Err(error) => {
                    let reason = js_sys::Reflect::get(&error, &"message".into());
                    let reason = reason.ok().and_then(|it| it.as_string());
                    self.client.handle_no_socket(&reason.unwrap_or_default());
                }
            }
        }
        if let Some(socket) = &self.socket {
            loop {
                let room_bytes = socket.room_bytes(self.client.unsent_bytes_max());
                self.message.clear();
                if room_bytes == 0 || !self.client.poll_message(room_bytes, now, &mut self.message)
                {
                    break;
                }
                socket.send(&self.message);
                is_more = self.client.has_event();
                if is_more {
                    break;
                }
            }
            if let Some((code, reason)) = self.client.poll_close() {
                // The last word of a session is bounded, and goes out however full the socket is.
                loop {
                    self.message.clear();
                    if !self.client.poll_message(0, now, &mut self.message) {
                        break;
                    }
                    socket.send(&self.message);
                }
                socket.close(code, &reason);
            }
        }
        if self.awaits_time() && !self.awaits_turn {
            self.awaits_turn = true;
            let arrive = arrive.clone();
            once_after(TURN_MILLIS, move || arrive(Arrival::Turn));
        }
        while let Some(hash) = self.client.poll_asset_lookup() {
            let arrive = arrive.clone();
            wasm_bindgen_futures::spawn_local(async move {
                arrive(Arrival::LookedUp(hash, cache::look_up(hash).await));
            });
        }
        let refused = self.refused.take();
        if !refused.is_empty() {
            let listed = self.client.asset_hashes().collect();
            wasm_bindgen_futures::spawn_local(cache::keep_instead(refused, listed));
        }
        is_more
    }

    /// The next event; an asset that was fetched is put into the cache on its way.
    pub(super) fn poll_event(&mut self) -> Option<ClientEvent> {
        let event = self.client.poll_event()?;
        if let ClientEvent::Asset(AssetEvent::Ready {
            hash,
            mime,
            bytes,
            cached: false,
            ..
        }) = &event
        {
            let asset = cache::Asset {
                hash: *hash,
                mime: mime.clone(),
                bytes: bytes.clone(),
            };
            wasm_bindgen_futures::spawn_local(cache::keep(asset, Rc::clone(&self.refused)));
        }
        Some(event)
    }
}

/// Calls `act` once. Without timers nothing would go at all, so there is nothing to report.
fn once_after(millis: i32, act: impl FnOnce() + 'static) {
    let callback = Closure::once_into_js(act);
    if let Some(window) = web_sys::window() {
        drop(
            window.set_timeout_with_callback_and_timeout_and_arguments_0(
                callback.unchecked_ref(),
                millis,
            ),
        );
    }
}

/// The page's clock.
pub(super) fn now() -> Micros {
    let millis = web_sys::window()
        .and_then(|window| window.performance())
        .map_or(0.0, |clock| clock.now());
    Micros((millis * 1000.0) as u64)
}

/// The address of a server's game, which may be given as the page's own server sees it: without a server, or with
/// `http` for a scheme.
///
/// # Errors
/// An `Error` for what no WebSocket can go to: it would be tried for ever.
pub(super) fn socket_url(url: &str) -> Result<String, JsValue> {
    let page = window()?.location().href()?;
    let refused = |why: &str| error(format!("{url} is no address of a game: {why}"));
    let address = Url::new_with_base(url, &page).map_err(|_| refused("it cannot be understood"))?;
    match address.protocol().as_str() {
        "ws:" | "wss:" => {}
        "http:" => address.set_protocol("ws:"),
        "https:" => address.set_protocol("wss:"),
        _ => return Err(refused("its scheme is neither ws, wss, http nor https")),
    }
    if address.href().contains('#') {
        return Err(refused("it has a fragment"));
    }
    Ok(address.href())
}

/// A number that differs from visit to visit.
#[must_use]
pub fn random_seed() -> u64 {
    (js_sys::Math::random() * (1u64 << 53) as f64) as u64
}
