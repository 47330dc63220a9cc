//! What a bot says and hears beside the state: the game's events, out and in.
//!
//! The choice to question: sending gives no error back. A bot of twenty lines could do nothing with one; the run
//! complains of it, and ends the connection to a server that does not read.

use serde::Serialize;
use tickwire_protocol::{
    error::{ApiMisuse, DecodeError, PeerError, SendError},
    event::{self, GameEvent},
    messagepack,
    schema::Schema,
    session::ClientSession,
};

use crate::statistics::Slice;

/// Sends the game's events for a bot.
#[derive(Debug)]
pub struct Voice<'a> {
    session: &'a mut ClientSession,
    schema: &'a Schema,
    sent: u64,
    /// The first thing that went wrong.
    failed: Option<SendError>,
}

impl<'a> Voice<'a> {
    pub(crate) const fn new(session: &'a mut ClientSession, schema: &'a Schema) -> Self {
        Self {
            session,
            schema,
            sent: 0,
            failed: None,
        }
    }

    /// Sends an event of the game. One that cannot be sent is a complaint of the run: the game has none of that
    /// name, it is longer than [`EVENT_BYTES_MAX`](tickwire_protocol::limits::EVENT_BYTES_MAX), or its own
    /// `Serialize` fails.
    pub fn send_event<E: GameEvent>(&mut self, event: &E) {
        self.send_event_value(E::NAME, event);
    }

    /// As [`send_event`](Self::send_event), by the event's name: for a bot without the game's types, which may send
    /// a `serde_json::Value`.
    pub fn send_event_value<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        let result = messagepack::to_vec(value)
            .map_err(SendError::from)
            .and_then(|payload| self.send(name, &payload));
        self.note(result);
    }

    /// As [`send_event`](Self::send_event), with bytes that are MessagePack already.
    pub fn send_event_payload(&mut self, name: &str, payload: &[u8]) {
        let result = self.send(name, payload);
        self.note(result);
    }

    /// Counts what was said.
    ///
    /// # Errors
    /// When the server takes no events; the connection is of no more use.
    pub(crate) fn settle(self, is_player: bool, slice: &mut Slice) -> Result<(), PeerError> {
        if is_player {
            slice.events_sent += self.sent;
        }
        match self.failed {
            None => Ok(()),
            Some(SendError::Misuse(misuse)) => {
                slice.complain(&format!("a bot's event was not sent: {misuse}"));
                Ok(())
            }
            Some(SendError::Peer(error)) => Err(error),
        }
    }

    fn send(&mut self, name: &str, payload: &[u8]) -> Result<(), SendError> {
        let (index, _) = self
            .schema
            .event(name)
            .ok_or_else(|| ApiMisuse::Schema(format!("no event is named {name}")))?;
        #[expect(clippy::cast_possible_truncation, reason = "a schema has 256 events")]
        self.session.send_event(&[&[index as u8], payload].concat())
    }

    fn note(&mut self, result: Result<(), SendError>) {
        match result {
            Ok(()) => self.sent += 1,
            Err(error) => {
                self.failed.get_or_insert(error);
            }
        }
    }
}

/// One of the game's events as it came: read it as the type it is.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedEvent<'a> {
    name: &'a str,
    payload: &'a [u8],
}

impl<'a> ReceivedEvent<'a> {
    /// The event in `bytes`, of a game with this schema.
    ///
    /// # Errors
    /// When the game has no such event.
    pub(crate) fn split(schema: &'a Schema, bytes: &'a [u8]) -> Result<Self, PeerError> {
        let (kind, payload) = event::split(bytes)?;
        let known = schema.events().get(kind);
        let known = known.ok_or(DecodeError::OutOfRange("event kind"))?;
        Ok(Self {
            name: &known.name,
            payload,
        })
    }

    /// Its name in the schema.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// Its value, if it is an `E` and well-formed.
    #[must_use]
    pub fn read<E: GameEvent>(&self) -> Option<E> {
        (self.name == E::NAME)
            .then(|| event::decode(self.payload).ok())
            .flatten()
    }

    /// Its value as MessagePack.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}
