//! The state of one BinaryJS connection: messages and calls come in, messages and events go out.

use std::collections::{HashMap, VecDeque};

use super::{
    frame::{Frame, Kind},
    limits::{
        MESSAGE_BYTES_MAX, PAUSE_BYTES, RESUME_BYTES, STREAMS_MAX, UNREAD_BYTES_MAX,
        UNSENT_BYTES_MAX,
    },
};
use crate::{
    binarypack::{Dialect, Value, property_name},
    error::ApiMisuse,
};

/// Which end of the connection this is; it decides the ids it gives to streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that dialled: 0, 2, 4 …
    Dialler,
    /// The end that accepted: 1, 3, 5 …
    Acceptor,
}

/// A stream's id as a JavaScript property name, which is how BinaryJS tells streams apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamKey(String);

impl StreamKey {
    /// The property name: `"0"` for the stream 0.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Something that happened on the connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The peer opened a stream.
    Opened {
        /// The new stream.
        stream: StreamKey,
        /// What the peer passed along.
        metadata: Value,
    },
    /// A value came. Report it with [`Session::consume`] when it has been dealt with.
    Data {
        /// Its stream.
        stream: StreamKey,
        /// The value.
        value: Value,
        /// The bytes it counts against the stream's allowance.
        bytes: usize,
    },
    /// The peer asks us not to write for now.
    Paused(StreamKey),
    /// The peer asks us to go on.
    Resumed(StreamKey),
    /// The peer writes no more; we still may.
    Ended(StreamKey),
    /// The stream is gone.
    Closed(StreamKey),
    /// The peer sent something wrong. The connection goes on.
    Fault(String),
}

/// One end of one BinaryJS connection.
///
/// `handle_message` takes what came; `open`, `write`, `pause`, `resume`, `end`, `close` and `consume`
/// are the caller's side; after each call `poll_message` and `poll_event` are drained.
#[derive(Debug)]
pub struct Session {
    dialect: Dialect,
    next_id: u64,
    streams: HashMap<StreamKey, Stream>,
    /// The highest id of each parity that was ever open: frames for those below it are merely late.
    highest: [Option<u64>; 2],
    unread_bytes: usize,
    unsent: VecDeque<Vec<u8>>,
    unsent_bytes: usize,
    events: VecDeque<Event>,
}

#[derive(Debug)]
struct Stream {
    id: Value,
    unread_bytes: usize,
    /// We asked the peer to pause, because of what is unread or because the caller wants it.
    asked_to_pause: bool,
    held_by_caller: bool,
    is_paused_by_peer: bool,
    we_ended: bool,
    they_ended: bool,
}

impl Stream {
    fn new(id: Value) -> Self {
        Self {
            id,
            unread_bytes: 0,
            asked_to_pause: false,
            held_by_caller: false,
            is_paused_by_peer: false,
            we_ended: false,
            they_ended: false,
        }
    }

    /// Whether the peer should be paused now: it should from the upper mark down to the lower one.
    fn should_pause(&self) -> bool {
        let mark = if self.asked_to_pause {
            RESUME_BYTES
        } else {
            PAUSE_BYTES
        };
        self.held_by_caller || self.unread_bytes > mark
    }
}

impl Session {
    /// A session that writes in `dialect`.
    #[must_use]
    pub fn new(role: Role, dialect: Dialect) -> Self {
        Self {
            dialect,
            next_id: match role {
                Role::Dialler => 0,
                Role::Acceptor => 1,
            },
            streams: HashMap::new(),
            highest: [None; 2],
            unread_bytes: 0,
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            events: VecDeque::new(),
        }
    }

    /// Takes one binary message. What is wrong with it becomes an [`Event::Fault`].
    pub fn handle_message(&mut self, message: &[u8]) {
        if message.len() > MESSAGE_BYTES_MAX {
            return self.fault(format!(
                "a message of {} bytes, {MESSAGE_BYTES_MAX} are allowed",
                message.len()
            ));
        }
        match Frame::decode(message) {
            Ok(frame) => self.on_frame(frame, message.len()),
            Err(error) => self.fault(error.to_string()),
        }
    }

    fn on_frame(&mut self, frame: Frame, bytes: usize) {
        let key = StreamKey(property_name(&frame.stream));
        match frame.kind {
            Kind::Reserved => return,
            Kind::New => return self.on_new(key, frame),
            _ => {}
        }
        let Some(stream) = self.streams.get_mut(&key) else {
            if !self.was_open(&frame.stream) {
                self.fault(format!(
                    "Received `{}` message for unknown stream: {}",
                    frame.kind.name(),
                    key.0
                ));
            }
            return;
        };
        match frame.kind {
            Kind::Reserved | Kind::New => {}
            Kind::Data => {
                stream.unread_bytes += bytes;
                self.unread_bytes += bytes;
                self.events.push_back(Event::Data {
                    stream: key.clone(),
                    value: frame.payload,
                    bytes,
                });
                self.balance(&key);
            }
            // BinaryJS repeats them on every call; only a change is news.
            Kind::Pause => {
                if !std::mem::replace(&mut stream.is_paused_by_peer, true) {
                    self.events.push_back(Event::Paused(key));
                }
            }
            Kind::Resume => {
                if std::mem::replace(&mut stream.is_paused_by_peer, false) {
                    self.events.push_back(Event::Resumed(key));
                }
            }
            Kind::End => {
                if !std::mem::replace(&mut stream.they_ended, true) {
                    self.events.push_back(Event::Ended(key.clone()));
                }
                self.free_if_over(&key);
            }
            Kind::Close => {
                self.forget(&key);
                self.events.push_back(Event::Closed(key));
            }
        }
    }

    fn on_new(&mut self, key: StreamKey, frame: Frame) {
        if self.forget(&key) {
            // BinaryJS silently replaces the old stream; ours at least learns that it is gone.
            self.events.push_back(Event::Closed(key.clone()));
        }
        if self.streams.len() >= STREAMS_MAX {
            self.fault(format!("more than {STREAMS_MAX} streams at a time"));
            return self.send(Kind::Close, Value::Nil, frame.stream);
        }
        self.note_open(&frame.stream);
        self.streams.insert(key.clone(), Stream::new(frame.stream));
        self.events.push_back(Event::Opened {
            stream: key,
            metadata: frame.payload,
        });
    }

    /// Opens a stream. Nothing waits for an answer: it may be written at once.
    pub fn open(&mut self, metadata: Value) -> StreamKey {
        let id = Value::from(self.next_id);
        self.next_id += 2;
        self.note_open(&id);
        let key = StreamKey(property_name(&id));
        self.streams.insert(key.clone(), Stream::new(id.clone()));
        self.send(Kind::New, metadata, id);
        key
    }

    /// Queues one value. `false` asks the caller to wait for room: see
    /// [`is_writable`](Self::is_writable).
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::StreamNotOpen`] when the stream is gone or was ended by us.
    pub fn write(&mut self, key: &StreamKey, value: Value) -> Result<bool, ApiMisuse> {
        let stream = self
            .streams
            .get(key)
            .filter(|stream| !stream.we_ended)
            .ok_or_else(|| not_open(key))?;
        let id = stream.id.clone();
        self.send(Kind::Data, value, id);
        Ok(self.is_writable(key))
    }

    /// Whether a writer of this stream should go on: the peer has not paused it, and less than
    /// [`UNSENT_BYTES_MAX`] wait for the socket. A stream that is gone is writable: the write will say so.
    #[must_use]
    pub fn is_writable(&self, key: &StreamKey) -> bool {
        let is_paused = self
            .streams
            .get(key)
            .is_some_and(|stream| stream.is_paused_by_peer);
        !is_paused && self.unsent_bytes < UNSENT_BYTES_MAX
    }

    /// Asks the peer to stop writing for now, whatever is unread.
    pub fn pause(&mut self, key: &StreamKey) {
        self.hold(key, true);
    }

    /// Takes [`pause`](Self::pause) back.
    pub fn resume(&mut self, key: &StreamKey) {
        self.hold(key, false);
    }

    fn hold(&mut self, key: &StreamKey, held: bool) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.held_by_caller = held;
            self.balance(key);
        }
    }

    /// Says that `bytes` of an [`Event::Data`] have been dealt with, which lets the peer send more.
    pub fn consume(&mut self, key: &StreamKey, bytes: usize) {
        if let Some(stream) = self.streams.get_mut(key) {
            let bytes = bytes.min(stream.unread_bytes);
            stream.unread_bytes -= bytes;
            self.unread_bytes -= bytes;
            self.balance(key);
        }
    }

    /// Ends our half. The peer may go on writing.
    pub fn end(&mut self, key: &StreamKey) {
        if let Some(stream) = self.streams.get_mut(key).filter(|stream| !stream.we_ended) {
            stream.we_ended = true;
            let id = stream.id.clone();
            self.send(Kind::End, Value::Nil, id);
            self.free_if_over(key);
        }
    }

    /// Closes both halves at once. What the peer still sends is ignored.
    pub fn close(&mut self, key: &StreamKey) {
        if let Some(id) = self.streams.get(key).map(|stream| stream.id.clone()) {
            self.forget(key);
            self.send(Kind::Close, Value::Nil, id);
        }
    }

    /// Whether the socket should be read: false while [`UNREAD_BYTES_MAX`] wait for their readers.
    #[must_use]
    pub const fn wants_read(&self) -> bool {
        self.unread_bytes < UNREAD_BYTES_MAX
    }

    /// Streams that are open now.
    #[must_use]
    pub fn streams_open(&self) -> usize {
        self.streams.len()
    }

    /// The next message to write.
    pub fn poll_message(&mut self) -> Option<Vec<u8>> {
        let message = self.unsent.pop_front()?;
        self.unsent_bytes -= message.len();
        Some(message)
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Pauses or resumes the peer when what is unread crosses a mark; at most once each way.
    fn balance(&mut self, key: &StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let should_pause = stream.should_pause();
        if should_pause == stream.asked_to_pause || stream.they_ended {
            return;
        }
        stream.asked_to_pause = should_pause;
        let id = stream.id.clone();
        self.send(
            if should_pause {
                Kind::Pause
            } else {
                Kind::Resume
            },
            Value::Nil,
            id,
        );
    }

    fn send(&mut self, kind: Kind, payload: Value, stream: Value) {
        let message = Frame {
            kind,
            payload,
            stream,
        }
        .encode(self.dialect);
        self.unsent_bytes += message.len();
        self.unsent.push_back(message);
    }

    fn fault(&mut self, text: String) {
        // One report is enough until it is read: a peer must not fill memory with its mistakes.
        if !matches!(self.events.back(), Some(Event::Fault(_))) {
            self.events.push_back(Event::Fault(text));
        }
    }

    fn free_if_over(&mut self, key: &StreamKey) {
        if self
            .streams
            .get(key)
            .is_some_and(|stream| stream.we_ended && stream.they_ended)
        {
            self.forget(key);
        }
    }

    /// Frees a stream; true when there was one.
    fn forget(&mut self, key: &StreamKey) -> bool {
        let stream = self.streams.remove(key);
        self.unread_bytes -= stream.as_ref().map_or(0, |stream| stream.unread_bytes);
        stream.is_some()
    }

    fn note_open(&mut self, id: &Value) {
        if let Some(id) = id.as_u64() {
            let highest = &mut self.highest[(id % 2) as usize];
            *highest = Some(highest.map_or(id, |old| old.max(id)));
        }
    }

    fn was_open(&self, id: &Value) -> bool {
        id.as_u64()
            .is_some_and(|id| self.highest[(id % 2) as usize].is_some_and(|highest| id <= highest))
    }
}

fn not_open(key: &StreamKey) -> ApiMisuse {
    ApiMisuse::StreamNotOpen(key.0.parse().unwrap_or(u32::MAX))
}
