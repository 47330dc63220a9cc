//! The state of one BinaryJS connection: messages and calls come in, messages and events go out.

use std::collections::{HashMap, VecDeque};

use super::{
    frame::{self, Frame, Kind},
    key::StreamKey,
    limits::{ANSWERS_MAX, Limits, STREAM_ID_BYTES_MAX},
};
use crate::{
    binarypack::{Dialect, Value, memory_bytes},
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

/// Something that happened on the connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The peer opened a stream. Report it with [`Session::discard`] when it has been taken.
    Opened {
        /// The new stream.
        stream: StreamKey,
        /// What the peer passed along.
        metadata: Value,
        /// The bytes it counts against the connection's allowance.
        bytes: usize,
    },
    /// A value came. Report it with [`Session::consume`] when it has been dealt with.
    Data {
        /// Its stream.
        stream: StreamKey,
        /// The value.
        value: Value,
        /// The memory it takes, which counts against the stream's and the connection's allowance.
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
    /// The peer opened one stream too many, which was closed at once. That is nothing wrong: it cannot
    /// know how many we take.
    Refused(String),
}

/// One end of one BinaryJS connection.
///
/// `handle_message` takes what came; `open`, `write`, `pause`, `resume`, `end`, `close` and `consume`
/// are the caller's side; after each call `poll_message` and `poll_event` are drained.
#[derive(Debug)]
pub struct Session {
    dialect: Dialect,
    limits: Limits,
    next_id: u64,
    streams: HashMap<StreamKey, Stream>,
    /// The highest id of each parity that was ever opened: frames for those below it are merely late.
    highest: [Option<u64>; 2],
    unread_bytes: usize,
    unsent: VecDeque<Unsent>,
    unsent_bytes: usize,
    /// How many of them are answers.
    unsent_answers: usize,
    events: VecDeque<Event>,
}

#[derive(Debug)]
struct Unsent {
    message: Vec<u8>,
    /// Whether the peer caused it, by a frame of its own.
    is_answer: bool,
}

#[derive(Debug)]
struct Stream {
    id: Value,
    is_theirs: bool,
    unread_bytes: usize,
    /// We asked the peer to pause, because of what is unread or because the caller wants it.
    asked_to_pause: bool,
    held_by_caller: bool,
    is_paused_by_peer: bool,
    we_ended: bool,
    they_ended: bool,
}

impl Stream {
    fn new(id: Value, is_theirs: bool) -> Self {
        Self {
            id,
            is_theirs,
            unread_bytes: 0,
            asked_to_pause: false,
            held_by_caller: false,
            is_paused_by_peer: false,
            we_ended: false,
            they_ended: false,
        }
    }

    /// Whether the peer should be paused now: it should from the upper mark down to a quarter of it.
    const fn should_pause(&self, upper_mark: usize) -> bool {
        let mark = if self.asked_to_pause {
            upper_mark / 4
        } else {
            upper_mark
        };
        self.held_by_caller || self.unread_bytes > mark
    }
}

impl Session {
    /// A session that writes in `dialect` and holds its peer to `limits`.
    #[must_use]
    pub fn new(role: Role, dialect: Dialect, limits: Limits) -> Self {
        Self {
            dialect,
            limits,
            next_id: match role {
                Role::Dialler => 0,
                Role::Acceptor => 1,
            },
            streams: HashMap::new(),
            highest: [None; 2],
            unread_bytes: 0,
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            unsent_answers: 0,
            events: VecDeque::new(),
        }
    }

    /// Takes one binary message. What is wrong with it becomes an [`Event::Fault`].
    pub fn handle_message(&mut self, message: &[u8]) {
        if message.len() > self.limits.message_bytes_max {
            return self.fault(format!(
                "a message of {} bytes, {} are allowed",
                message.len(),
                self.limits.message_bytes_max
            ));
        }
        match Frame::decode(message) {
            Ok(frame) => self.on_frame(frame),
            Err(error) => self.fault(error.to_string()),
        }
    }

    /// Takes a text message, which BinaryJS never sends: a fault.
    pub fn handle_text(&mut self) {
        self.fault("Received non-array message".to_owned());
    }

    fn on_frame(&mut self, frame: Frame) {
        let id_bytes = memory_bytes(&frame.stream);
        if id_bytes > STREAM_ID_BYTES_MAX {
            return self.fault(format!("a stream id of {id_bytes} bytes"));
        }
        let key = StreamKey::of(&frame.stream);
        match frame.kind {
            Kind::Reserved => return,
            Kind::New => return self.on_new(key, frame),
            _ => {}
        }
        let Some(stream) = self.streams.get_mut(&key) else {
            if !self.was_open(&frame.stream) {
                self.fault(format!(
                    "Received `{}` message for unknown stream: {key}",
                    frame.kind.name(),
                ));
            }
            return;
        };
        match frame.kind {
            Kind::Reserved | Kind::New => {}
            Kind::Data => {
                let bytes = memory_bytes(&frame.payload);
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
                // In BinaryJS one flag serves both ways: who resumes its own reading forgets our pause.
                let forgets_pause = stream.asked_to_pause && !stream.they_ended;
                if std::mem::replace(&mut stream.is_paused_by_peer, false) {
                    self.events.push_back(Event::Resumed(key));
                }
                if forgets_pause {
                    self.control(Kind::Pause, &frame.stream, true);
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
        // Also of one that is refused: what its writer has sent behind it is merely late.
        self.note_open(&frame.stream);
        let streams_max = self.limits.streams_max;
        if self.streams.len() >= streams_max {
            let text = format!("more than {streams_max} streams at a time");
            self.events.push_back(Event::Refused(text));
            return self.control(Kind::Close, &frame.stream, true);
        }
        self.streams
            .insert(key.clone(), Stream::new(frame.stream, true));
        let bytes = memory_bytes(&frame.payload);
        self.unread_bytes += bytes;
        self.events.push_back(Event::Opened {
            stream: key,
            metadata: frame.payload,
            bytes,
        });
    }

    /// Opens a stream. Nothing waits for an answer: it may be written at once.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::Unencodable`] when the metadata nests deeper or holds more than what is read.
    pub fn open(&mut self, metadata: &Value) -> Result<StreamKey, ApiMisuse> {
        let (id, key) = self.free_id();
        let message = frame::try_encode(Kind::New, metadata, &id, self.dialect)?;
        self.note_open(&id);
        self.push(message, false);
        self.streams.insert(key.clone(), Stream::new(id, false));
        Ok(key)
    }

    /// The next id of ours that is not in use: a peer may have opened a stream under any.
    fn free_id(&mut self) -> (Value, StreamKey) {
        loop {
            let id = Value::from(self.next_id);
            self.next_id += 2;
            let key = StreamKey::of(&id);
            if !self.streams.contains_key(&key) {
                return (id, key);
            }
        }
    }

    /// Queues one value. `false` asks the caller to wait for room: see
    /// [`is_writable`](Self::is_writable).
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::StreamNotOpen`] when the stream is gone or was ended by us,
    /// [`ApiMisuse::Unencodable`] when the value nests deeper or holds more than what is read. How long a message may
    /// be the other end alone knows: large binary is better written in pieces.
    pub fn write(&mut self, key: &StreamKey, value: &Value) -> Result<bool, ApiMisuse> {
        let id = &self.open_to_us(key)?.id;
        let message = frame::try_encode(Kind::Data, value, id, self.dialect)?;
        self.push(message, false);
        Ok(self.is_writable(key))
    }

    /// As [`write`](Self::write), for a value that is binary: one copy, from `bytes` into the message.
    ///
    /// # Errors
    ///
    /// [`ApiMisuse::StreamNotOpen`] when the stream is gone or was ended by us.
    pub fn write_bytes(&mut self, key: &StreamKey, bytes: &[u8]) -> Result<bool, ApiMisuse> {
        let id = &self.open_to_us(key)?.id;
        let message = frame::encode_binary(bytes, id);
        self.push(message, false);
        Ok(self.is_writable(key))
    }

    /// A stream whose half of ours has not ended.
    fn open_to_us(&self, key: &StreamKey) -> Result<&Stream, ApiMisuse> {
        let stream = self.streams.get(key).filter(|stream| !stream.we_ended);
        stream.ok_or_else(|| ApiMisuse::StreamNotOpen(key.number().unwrap_or(u32::MAX)))
    }

    /// Whether a writer of this stream should go on: the peer has not paused it, and less than
    /// [`Limits::unsent_bytes_max`] wait for the socket. A stream that is gone is writable: the write
    /// will say so.
    #[must_use]
    pub fn is_writable(&self, key: &StreamKey) -> bool {
        self.unsent_bytes < self.limits.unsent_bytes_max && !self.is_paused(key)
    }

    /// Whether the peer has asked us not to write into this stream for now.
    #[must_use]
    pub fn is_paused(&self, key: &StreamKey) -> bool {
        let stream = self.streams.get(key);
        stream.is_some_and(|stream| stream.is_paused_by_peer)
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
        self.discard(bytes);
        if let Some(stream) = self.streams.get_mut(key) {
            stream.unread_bytes = stream.unread_bytes.saturating_sub(bytes);
            self.balance(key);
        }
    }

    /// The same for what belongs to no open stream any more: metadata that was taken, and data of a
    /// stream that was closed meanwhile. Until then it counts against the connection.
    pub const fn discard(&mut self, bytes: usize) {
        self.unread_bytes = self.unread_bytes.saturating_sub(bytes);
    }

    /// Ends our half. The peer may go on writing.
    pub fn end(&mut self, key: &StreamKey) {
        if let Some(stream) = self.streams.get_mut(key).filter(|stream| !stream.we_ended) {
            stream.we_ended = true;
            let (id, is_theirs) = (stream.id.clone(), stream.is_theirs);
            self.control(Kind::End, &id, is_theirs);
            self.free_if_over(key);
        }
    }

    /// Closes both halves at once. What the peer still sends is ignored.
    pub fn close(&mut self, key: &StreamKey) {
        if let Some(Stream { id, is_theirs, .. }) = self.streams.remove(key) {
            self.control(Kind::Close, &id, is_theirs);
        }
    }

    /// Whether the socket should be read: false while [`Limits::unread_bytes_max`] wait for their
    /// readers, or [`ANSWERS_MAX`] answers for the socket. Data that waits for it has no say: two ends
    /// that both write would wait for each other.
    #[must_use]
    pub const fn wants_read(&self) -> bool {
        self.unread_bytes < self.limits.unread_bytes_max && self.unsent_answers < ANSWERS_MAX
    }

    /// Bytes that wait to be polled.
    #[must_use]
    pub const fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }

    /// Streams that are open now.
    #[must_use]
    pub fn streams_open(&self) -> usize {
        self.streams.len()
    }

    /// The next message to write.
    pub fn poll_message(&mut self) -> Option<Vec<u8>> {
        let Unsent { message, is_answer } = self.unsent.pop_front()?;
        self.unsent_bytes -= message.len();
        self.unsent_answers -= usize::from(is_answer);
        Some(message)
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Unread bytes of one stream at which its sender is paused: fewer, the more all streams together have
    /// left unread. At an eighth of what stops the reading of the socket hardly any are left; the rest is
    /// for what senders have written before they hear of it. Else some tens of streams that wait for
    /// their readers would stop the one that is read.
    fn pause_mark(&self) -> usize {
        let left = (self.limits.unread_bytes_max / 8).saturating_sub(self.unread_bytes);
        let pause_bytes = self.limits.pause_bytes;
        (left / 4).clamp(pause_bytes / 16, pause_bytes)
    }

    /// Pauses or resumes the peer when what is unread crosses a mark; once each way.
    fn balance(&mut self, key: &StreamKey) {
        let mark = self.pause_mark();
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let should_pause = stream.should_pause(mark);
        // Who has ended need not be paused; but who was paused has to hear that it is over, because
        // BinaryJS lets its writers write after an end.
        if should_pause == stream.asked_to_pause || (should_pause && stream.they_ended) {
            return;
        }
        stream.asked_to_pause = should_pause;
        let id = stream.id.clone();
        let kind = if should_pause {
            Kind::Pause
        } else {
            Kind::Resume
        };
        self.control(kind, &id, true);
    }

    fn control(&mut self, kind: Kind, stream: &Value, is_answer: bool) {
        let message = frame::encode(kind, &Value::Nil, stream, self.dialect);
        self.push(message, is_answer);
    }

    fn push(&mut self, message: Vec<u8>, is_answer: bool) {
        self.unsent_bytes += message.len();
        self.unsent_answers += usize::from(is_answer);
        self.unsent.push_back(Unsent { message, is_answer });
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

    /// Frees a stream; true when there was one. What is unread of it still counts until it is read.
    fn forget(&mut self, key: &StreamKey) -> bool {
        self.streams.remove(key).is_some()
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
