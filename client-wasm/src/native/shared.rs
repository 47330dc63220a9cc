//! What the connection's task and its owner share: the core, the pipes, and what waits for the owner.
//!
//! In: bytes from the task, calls of the owner. Out: events, offered streams, bytes for the socket. One lock
//! around all of it, held for one call of the core at a time: the owner looks at the core in the moment
//! between two messages, as a game in the browser does between two events.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tickwire_protocol::{
    limits::STREAMS_OPEN_MAX,
    mux::{REFUSE_CODE_TOO_MANY, StreamEvent},
    pipe::{Bell, Exchange, Hub, Incoming},
    time::Micros,
};
use tokio::{sync::Notify, time::Instant};

use super::socket::Socket;
use crate::{
    client::{Client, ClientEvent, Config, make_room},
    limits::EVENTS_WAITING_MAX,
};

/// How often the kernel is asked of the link at most, while bulk waits.
const LINK_SAMPLE_PERIOD: Micros = Micros::from_millis(1);

pub(super) struct Shared {
    state: Mutex<State>,
    /// Something is to be done by the connection's task.
    pub(super) bell: Notify,
    /// Something waits for the owner.
    pub(super) news: Notify,
    start: Instant,
}

pub(super) struct State {
    pub(super) client: Client,
    /// The streams of this connection; none while there is no connection.
    exchange: Option<Exchange>,
    hub: Arc<Hub>,
    offers: VecDeque<Incoming>,
    events: VecDeque<ClientEvent>,
    /// The owner is told of everything up to here once.
    has_news: bool,
    pub(super) is_over: bool,
    /// When the core was last told of the link.
    link_sampled: Micros,
}

impl Shared {
    pub(super) fn new(config: Config) -> Arc<Self> {
        let state = State {
            client: Client::new(config),
            exchange: None,
            hub: no_hub(),
            offers: VecDeque::new(),
            events: VecDeque::new(),
            has_news: false,
            is_over: false,
            link_sampled: Micros(0),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            bell: Notify::new(),
            news: Notify::new(),
            start: Instant::now(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection's own clock.
    pub(super) fn now(&self) -> Micros {
        self.start.elapsed().into()
    }

    /// The moment at which that clock shows `time`.
    pub(super) fn instant(&self, time: Micros) -> Instant {
        self.start + time.into()
    }

    /// Waits until `find` finds something; `None` when the connection is over and it still does not.
    pub(super) async fn wait<T>(&self, find: impl Fn(&mut State) -> Option<T>) -> Option<T> {
        loop {
            // Made before looking, so that nothing is missed in between.
            let news = self.news.notified();
            {
                let mut state = self.lock();
                if let Some(found) = find(&mut state) {
                    return Some(found);
                }
                if state.is_over {
                    return None;
                }
            }
            news.await;
        }
    }

    /// Ends it: nothing comes any more.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        state.end_streams();
        drop(state);
        self.news.notify_waiters();
    }
}

impl State {
    /// The streams of the present connection; without one, they are lost when they are opened.
    pub(super) fn hub(&self) -> Arc<Hub> {
        self.hub.clone()
    }

    pub(super) fn next_event(&mut self) -> Option<ClientEvent> {
        let event = self.events.pop_front();
        event.or_else(|| self.client.poll_asset_event())
    }

    pub(super) fn next_offer(&mut self) -> Option<Incoming> {
        self.offers.pop_front()
    }

    /// Whether the owner has something to hear of since the last time.
    pub(super) fn take_news(&mut self) -> bool {
        core::mem::take(&mut self.has_news) || self.client.has_asset_event()
    }

    /// Does all that can be done now: what tasks want of their streams, what the core wants sent.
    pub(super) fn serve(&mut self, socket: Option<&mut Socket>, bell: &Bell, now: Micros) {
        let mut socket = socket;
        loop {
            self.hear(bell, now);
            match (&mut self.exchange, self.client.streams()) {
                (Some(exchange), Ok(streams)) => exchange.service(streams, now),
                // The farewell is said: nothing moves on them any more.
                (Some(_), Err(_)) => self.end_streams(),
                (None, _) => {}
            }
            // There is no cache outside: what is wanted is fetched.
            while let Some(hash) = self.client.poll_asset_lookup() {
                self.client.handle_asset_cached(hash, None);
            }
            if let Some(socket) = socket.as_deref_mut() {
                self.sample_link(socket, now);
            }
            let has_sent = socket
                .as_deref_mut()
                .is_some_and(|socket| self.send(socket, now));
            let rests = self.exchange.as_ref().is_none_or(Exchange::rest);
            if !has_sent && rests {
                return;
            }
            let meant = self.client.unsent_bytes_max();
            let is_full = socket.as_ref().is_none_or(|it| it.room_bytes(meant) == 0);
            if is_full && !rests {
                // The line makes room first. Until then nobody has to ring.
                return;
            }
        }
    }

    /// Tells the core what the kernel says of the link, while bulk waits.
    fn sample_link(&mut self, socket: &mut Socket, now: Micros) {
        if self.client.has_bulk()
            && now.since(self.link_sampled) >= LINK_SAMPLE_PERIOD
            && let Some(state) = socket.bulk_state(self.client.unsent_bytes_max())
        {
            self.client
                .handle_link(state.sample, state.segment_bytes, now);
            self.link_sampled = now;
        }
    }

    /// Queues what the core wants sent, as much as there is room for.
    fn send(&mut self, socket: &mut Socket, now: Micros) -> bool {
        let mut has_sent = false;
        loop {
            let room = socket.room_bytes(self.client.unsent_bytes_max());
            let is_any = room > 0 && socket.push(|out| self.client.poll_message(room, now, out));
            if !is_any {
                return has_sent;
            }
            has_sent = true;
        }
    }

    /// Takes what happened.
    pub(super) fn hear(&mut self, bell: &Bell, now: Micros) {
        while let Some(event) = self.client.poll_own_event() {
            match event {
                ClientEvent::Stream(event) => self.on_stream_event(event, now),
                event => {
                    match &event {
                        ClientEvent::Joined { .. } => self.begin_streams(bell),
                        ClientEvent::Disconnected { .. } | ClientEvent::Ended { .. } => {
                            self.end_streams();
                        }
                        _ => {}
                    }
                    self.keep(event);
                }
            }
        }
    }

    fn on_stream_event(&mut self, event: StreamEvent, now: Micros) {
        // An event of a connection that is gone by now has nobody to go to.
        let (Some(exchange), Ok(streams)) = (&mut self.exchange, self.client.streams()) else {
            return;
        };
        match event {
            StreamEvent::Opened(offer) => {
                let incoming = exchange.offer(offer);
                if self.offers.len() < STREAMS_OPEN_MAX {
                    self.offers.push_back(incoming);
                    self.has_news = true;
                } else {
                    incoming.refuse(REFUSE_CODE_TOO_MANY, "too many streams wait for an answer");
                }
            }
            event => {
                if !exchange.handle_event(&event, streams, now) {
                    // One that the owner opened at the core's own mux.
                    self.keep(ClientEvent::Stream(event));
                }
            }
        }
    }

    fn begin_streams(&mut self, bell: &Bell) {
        let exchange = Exchange::default();
        exchange.attend(bell.clone());
        self.hub = exchange.hub().clone();
        self.exchange = Some(exchange);
    }

    fn end_streams(&mut self) {
        self.exchange = None;
        self.offers.clear();
        self.hub = no_hub();
        self.has_news = true;
    }

    /// Keeps an event for the owner. Of too many the oldest of the game's is dropped, as the core does; if there
    /// is none of the game's, the oldest of all, because an owner may never ask.
    fn keep(&mut self, event: ClientEvent) {
        if make_room(&mut self.events) {
            self.client.on_event_dropped();
        } else if self.events.len() == EVENTS_WAITING_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
        self.has_news = true;
    }
}

/// The hub of no connection.
fn no_hub() -> Arc<Hub> {
    let over = Exchange::default();
    over.hub().clone()
}
