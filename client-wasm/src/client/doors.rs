//! The doors of the client: what came from the socket and the clock, and what is to go out.

use bytes::Bytes;
use tickwire_protocol::{
    asset::AssetHash,
    error::{Awaited, CloseCode, DecodeError, PeerError, PeerMisbehaved},
    limits::ROOM_NAME_BYTES_MAX,
    pace::Sample,
    schema::Schema,
    session::{self, ClientSession, Farewell, Hello, Welcome},
    time::Micros,
};

use std::sync::Arc;

use super::{Client, ClientEvent, Connection, ReceivedEvent, event::make_room, streams};
use crate::{limits::CONNECT_MICROS_MAX, reconnect, world::World};

impl Client {
    /// Whether to open a socket now. Says so once per attempt.
    pub fn poll_connect(&mut self, now: Micros) -> bool {
        if let Connection::Waiting { retry_at, .. } = self.connection
            && now >= retry_at
        {
            self.connect(now);
        }
        if self.wants_socket {
            self.since = now;
        }
        core::mem::take(&mut self.wants_socket)
    }

    /// The socket is open: the handshake begins.
    pub fn handle_open(&mut self, now: Micros) {
        if self.connection != Connection::Connecting {
            return;
        }
        self.connection = Connection::Joining;
        self.since = now;
        if self.config.room.len() > ROOM_NAME_BYTES_MAX {
            let reason = format!("A room's name has {ROOM_NAME_BYTES_MAX} bytes at most.");
            self.end(CloseCode::Refused.number(), reason, now);
            return;
        }
        let hello = Hello {
            schema_hash: self.schema.as_ref().map_or(0, |schema| schema.hash()),
            resume: self.resume,
            name: self.config.name.clone(),
            room: self.config.room.clone(),
            join: self.config.join.clone().into(),
        };
        let seed = self.config.seed ^ now.0;
        self.session = Some(Box::new(ClientSession::new(hello, seed, now)));
    }

    /// Takes one binary message.
    ///
    /// # Errors
    /// [`PeerError`] when the server's bytes are no message or not allowed. The connection is over, and
    /// [`poll_close`](Self::poll_close) says with which code; whether it is tried again is decided as
    /// for any other loss.
    pub fn handle_message(&mut self, message: &[u8], now: Micros) -> Result<(), PeerError> {
        if matches!(self.connection, Connection::Ended { .. }) {
            // What came while our goodbye was on its way. The session still has that to say.
            return Ok(());
        }
        let Some(mut session) = self.session.take() else {
            return Ok(());
        };
        let result = self.take_message(&mut session, message, now);
        // A farewell inside the message has closed the connection, and its session with it.
        if matches!(self.connection, Connection::Joining | Connection::Playing) {
            self.session = Some(session);
        }
        if let Err(error) = &result {
            self.fail(error, now);
        }
        result
    }

    fn take_message(
        &mut self,
        session: &mut ClientSession,
        message: &[u8],
        now: Micros,
    ) -> Result<(), PeerError> {
        let snapshot = session.handle_message(message, now)?;
        while let Some(event) = session.poll_event() {
            self.on_session_event(session, event, now)?;
        }
        match (snapshot, &mut self.world) {
            (Some(snapshot), Some(world)) if self.connection == Connection::Playing => {
                self.meter.on_snapshot(snapshot.len(), now);
                let applied = world.apply(snapshot, now)?;
                let rtt_ticks = session.clock().rtt_smoothed_ticks();
                self.inputs.on_snapshot(&applied, rtt_ticks);
                if let Some(is_equal) = applied.is_equal {
                    let tick = applied.tick;
                    self.events
                        .push_back(ClientEvent::Verified { tick, is_equal });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn on_session_event(
        &mut self,
        session: &mut ClientSession,
        event: session::ClientEvent,
        now: Micros,
    ) -> Result<(), PeerError> {
        match event {
            session::ClientEvent::Welcomed(welcome) => self.on_welcome(&welcome)?,
            session::ClientEvent::Refused(farewell) | session::ClientEvent::Goodbye(farewell) => {
                let Farewell { code, reason } = farewell;
                self.closing = Some((CloseCode::Normal.number(), String::new()));
                self.disconnected(code, &reason, now);
            }
            session::ClientEvent::Event(bytes) => self.on_game_event(bytes)?,
            session::ClientEvent::Stream(event) => self.on_stream_event(session, event, now),
        }
        Ok(())
    }

    fn on_welcome(&mut self, welcome: &Welcome) -> Result<(), PeerError> {
        let known = self.schema.clone();
        if let Some(bytes) = &welcome.schema {
            let theirs = Schema::decode(bytes)?;
            if let Some(ours) = &self.config.schema
                && let Some(difference) = ours.first_difference(&theirs)
            {
                return Err(PeerMisbehaved::SchemaDiffers(difference).into());
            }
            self.schema = Some(Arc::new(theirs));
        }
        let schema = self
            .schema
            .clone()
            .ok_or(DecodeError::Invalid("a welcome without a schema"))?;
        let rate_hz = f64::from(welcome.tick_rate_millihertz) / 1000.0;
        let is_other_input = known.is_some_and(|known| known.input() != schema.input());
        let is_compared = self.config.schema.is_some();
        let world = World::new(schema, is_compared, welcome.player, rate_hz);
        self.world = Some(Box::new(world));
        self.inputs.on_welcome(is_other_input);
        self.resume = Some(welcome.resume);
        self.connection = Connection::Playing;
        self.was_told = false;
        self.assets.request_manifest();
        let (player, resumed) = (welcome.player, welcome.resumed);
        self.events
            .push_back(ClientEvent::Joined { player, resumed });
        Ok(())
    }

    fn on_game_event(&mut self, bytes: Bytes) -> Result<(), PeerError> {
        let schema = self
            .schema
            .clone()
            .ok_or(DecodeError::Invalid("an event"))?;
        let &index = bytes.first().ok_or(DecodeError::Truncated("an event"))?;
        let index = usize::from(index);
        if index >= schema.events().len() {
            return Err(DecodeError::OutOfRange("an event's number").into());
        }
        if make_room(&mut self.events) {
            self.on_event_dropped();
        }
        self.events.push_back(ClientEvent::Event(ReceivedEvent {
            schema,
            index,
            bytes,
        }));
        Ok(())
    }

    /// An event of the game went to make room.
    pub(crate) fn on_event_dropped(&mut self) {
        self.meter.on_event_dropped();
    }

    /// The socket is closed, or never opened. 1006 stands for "without a word".
    pub fn handle_close(&mut self, code: u16, reason: &str, now: Micros) {
        match self.connection {
            Connection::Connecting | Connection::Joining | Connection::Playing => {
                self.disconnected(code, reason, now);
            }
            // Our goodbye has nowhere to go any more.
            Connection::Waiting { .. } | Connection::Ended { .. } => {
                self.session = None;
                self.gather.clear();
            }
        }
    }

    /// No socket can so much as be tried, now or later: it is over, until [`retry`](Self::retry). The player is told
    /// `reason`.
    pub fn handle_no_socket(&mut self, reason: &str) {
        if self.connection != Connection::Connecting {
            return;
        }
        let message = reconnect::impossible(reason);
        self.connection = Connection::Ended {
            message: message.clone(),
        };
        self.events.push_back(ClientEvent::Ended { message });
    }

    /// Lets time pass as [`handle_timeout`](Self::handle_timeout) does, and moves the view on. Once per animation
    /// frame, by who draws: what [`View::entered`](crate::View::entered) and
    /// [`View::left`](crate::View::left) tell of, is told until the next call.
    ///
    /// # Errors
    /// As [`handle_timeout`](Self::handle_timeout).
    pub fn handle_frame(&mut self, now: Micros) -> Result<(), PeerError> {
        if let Some(world) = &mut self.world
            && self.connection == Connection::Playing
        {
            world.advance(now);
        }
        self.handle_timeout(now)
    }

    /// Lets time pass: stamps the player's input for every tick that begins, and notices silence. Whenever
    /// [`poll_timeout`](Self::poll_timeout) says, or oftener; [`handle_frame`](Self::handle_frame) does it too.
    ///
    /// # Errors
    /// [`PeerMisbehaved::TimedOut`] when the server is silent for too long; see
    /// [`handle_message`](Self::handle_message).
    pub fn handle_timeout(&mut self, now: Micros) -> Result<(), PeerError> {
        let Some(session) = &mut self.session else {
            if self.connection == Connection::Connecting
                && !self.wants_socket
                && now.since(self.since) > CONNECT_MICROS_MAX
            {
                let error = PeerMisbehaved::TimedOut(Awaited::Connection).into();
                self.fail(&error, now);
                return Err(error);
            }
            return Ok(());
        };
        if session.is_open() {
            self.inputs.stamp(session, now);
        }
        let result = session.handle_timeout(now);
        if matches!(self.connection, Connection::Ended { .. }) {
            // Whether the server heard the goodbye, nobody waits to know.
            if result.is_err() {
                self.session = None;
            }
            return Ok(());
        }
        if let Err(error) = &result {
            self.fail(error, now);
        }
        result
    }

    /// When [`handle_timeout`](Self::handle_timeout) is worth calling next, for a client without animation
    /// frames.
    #[must_use]
    pub fn poll_timeout(&self, now: Micros) -> Micros {
        match (&self.connection, &self.session) {
            (Connection::Waiting { retry_at, .. }, _) => *retry_at,
            (_, Some(session)) => {
                let next = session.poll_timeout().min(self.inputs.next(session, now));
                self.gather.poll_timeout().map_or(next, |at| next.min(at))
            }
            (Connection::Ended { .. }, None) => now + CONNECT_MICROS_MAX,
            (_, None) => self.since + CONNECT_MICROS_MAX,
        }
    }

    /// Appends the next message to send to `out` and says whether there was one; call it until there is
    /// none. Bulk is bounded by `budget_bytes`, what the socket can take without queueing, and by what the
    /// link carries: more comes when the server has answered, so call it after every message that came.
    pub fn poll_message(&mut self, budget_bytes: usize, now: Micros, out: &mut Vec<u8>) -> bool {
        let Some(session) = &mut self.session else {
            return false;
        };
        streams::open_wanted(&mut self.assets, session, now);
        let any = self.gather.poll(session, budget_bytes, now, out);
        if any {
            self.take_stream_events(now);
        }
        any
    }

    /// Sending makes room, and whoever waits for it hears of it now, not with the next message that comes.
    fn take_stream_events(&mut self, now: Micros) {
        let Some(mut session) = self.session.take() else {
            return;
        };
        while let Some(event) = session.poll_stream_event() {
            self.on_stream_event(&mut session, event, now);
        }
        self.session = Some(session);
    }

    /// Whether [`poll_event`](Self::poll_event) has anything.
    #[cfg(feature = "browser")]
    pub(crate) fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// Whether something small waits to go along with more, because much that was small has gone already: ask
    /// [`poll_message`](Self::poll_message) again within a few milliseconds.
    #[must_use]
    pub fn is_gathering(&self) -> bool {
        self.gather.poll_timeout().is_some()
    }

    /// Whether streams or assets have something to send. See [`ClientSession::has_bulk`].
    #[must_use]
    pub fn has_bulk(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| session.has_bulk())
    }

    /// Takes what a kernel says of the link, where there is one to ask. See [`ClientSession::handle_link`].
    pub fn handle_link(&mut self, sample: Sample, segment_bytes: usize, now: Micros) {
        if let Some(session) = &mut self.session {
            session.handle_link(sample, segment_bytes, now);
        }
    }

    /// Whether bulk is held back now, so that [`poll_message`](Self::poll_message) is worth calling every
    /// few milliseconds.
    #[must_use]
    pub fn holds_bulk(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| session.holds_bulk())
    }

    /// Bytes that a socket may hold without standing in an input's way for long. See
    /// [`ClientSession::unsent_bytes_max`].
    #[must_use]
    pub fn unsent_bytes_max(&self) -> u64 {
        let session = self.session.as_ref();
        session.map_or(0, |session| session.unsent_bytes_max())
    }

    /// The code and the reason to close the socket with, once.
    pub fn poll_close(&mut self) -> Option<(u16, String)> {
        self.closing.take()
    }

    /// What happened next, in order.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.poll_own_event().or_else(|| self.poll_asset_event())
    }

    /// What happened next apart from assets.
    pub(crate) fn poll_own_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// Whether anything has happened to the assets.
    #[cfg(feature = "native")]
    pub(crate) fn has_asset_event(&self) -> bool {
        self.assets.has_event()
    }

    /// What happened next to the assets.
    pub(crate) fn poll_asset_event(&mut self) -> Option<ClientEvent> {
        self.assets.poll_event().map(ClientEvent::Asset)
    }

    /// The next content to look up in a cache outside; answer with
    /// [`handle_asset_cached`](Self::handle_asset_cached), found or not.
    pub fn poll_asset_lookup(&mut self) -> Option<AssetHash> {
        self.assets.poll_lookup()
    }

    /// What a cache outside had under a hash.
    pub fn handle_asset_cached(&mut self, hash: AssetHash, bytes: Option<Bytes>) {
        self.assets.on_cached(hash, bytes);
    }

    pub(super) fn connect(&mut self, now: Micros) {
        // One that has said goodbye has nothing to say on the next line.
        self.session = None;
        self.gather.clear();
        self.connection = Connection::Connecting;
        self.since = now;
        self.wants_socket = true;
    }

    /// The server's fault, or its silence.
    fn fail(&mut self, error: &PeerError, now: Micros) {
        self.end(CloseCode::from(error).number(), error.to_string(), now);
    }

    /// The connection is over, and the socket is to be closed.
    fn end(&mut self, code: u16, reason: String, now: Micros) {
        self.disconnected(code, &reason, now);
        self.closing = Some((code, reason));
    }

    fn disconnected(&mut self, code: u16, reason: &str, now: Micros) {
        self.session = None;
        self.gather.clear();
        let worked_for = match self.connection {
            Connection::Playing => now.since(self.since),
            _ => Micros(0),
        };
        self.since = now;
        self.last_close = Some((code, reason.into()));
        self.assets.on_disconnected();
        self.was_told |= reconnect::is_goodbye(code);
        if code == CloseCode::Refused.number() {
            // It has no seat any more: to whoever brings its token the server only says why, again.
            self.resume = None;
        }
        let message = match self.connection {
            Connection::Connecting => reconnect::unreachable(self.was_told),
            Connection::Playing if code == CloseCode::Refused.number() => {
                reconnect::sent_away(reason)
            }
            _ => reconnect::message(code, reason),
        };
        if reconnect::is_worth_retrying(code) {
            let retry_in = self.backoff.on_failure(worked_for);
            let retry_at = now + retry_in;
            self.connection = Connection::Waiting {
                message: message.clone(),
                retry_at,
            };
            self.events
                .push_back(ClientEvent::Disconnected { message, retry_in });
        } else {
            self.connection = Connection::Ended {
                message: message.clone(),
            };
            self.events.push_back(ClientEvent::Ended { message });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Config;

    #[test]
    fn a_socket_that_can_never_be_opened_is_not_tried_for_ever() {
        let mut client = Client::new(Config::default());
        assert!(client.poll_connect(Micros(0)));
        client.handle_no_socket("It is not secure.");
        let message = "This page cannot connect to the server. It is not secure.".to_owned();
        assert!(
            matches!(client.poll_event(), Some(ClientEvent::Ended { message: it }) if it == message)
        );
        assert_eq!(client.connection(), &Connection::Ended { message });
        let later = CONNECT_MICROS_MAX + CONNECT_MICROS_MAX;
        assert!(client.handle_timeout(later).is_ok());
        assert!(!client.poll_connect(later));
        client.retry(later);
        assert!(client.poll_connect(later));
    }
}
