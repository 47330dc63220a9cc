//! The server's end of a session.
//!
//! In: a client's messages, the room's answer, events and streams to send. Out: events, inputs, and
//! the bytes of the next message. The hot path is one input frame in and one snapshot header out, and
//! touches nothing but this struct: streams, handshake and farewell live behind it.

use std::{collections::VecDeque, mem::offset_of};

use bytes::Bytes;

use crate::{
    coding::Reader,
    error::{ApiMisuse, Awaited, CloseCode, DecodeError, PeerError, PeerMisbehaved, SendError},
    frame::{Frame, FrameKind, put_final_header},
    id::StreamId,
    input::InputInbox,
    limits::{EVENT_BYTES_MAX, HANDSHAKE_MICROS_MAX, SILENCE_MICROS_MAX},
    mux::{Mux, Side, StreamEvent},
    session::{
        control::{Control, Farewell, Hello, Pong, Welcome},
        link::Link,
        traffic::{Traffic, TrafficByKind},
    },
    stream::Class,
    time::{Micros, RoomTime, Tick},
};

/// What happened in a session, as its room sees it.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerEvent {
    /// The client introduced itself: answer with [`accept`](ServerSession::accept) or
    /// [`refuse`](ServerSession::refuse).
    Hello(Box<Hello>),
    /// The game's own event, in the order they were sent.
    Event(Bytes),
    /// Something happened to an opened stream.
    Stream(StreamEvent),
    /// The next snapshot must carry a checksum of the replica.
    Verify,
    /// The client leaves and will close.
    Goodbye(Farewell),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    AwaitingHello,
    AwaitingAnswer,
    Open,
    /// The last word is queued or sent; what still comes is not read.
    Closing,
}

/// The one ping that waits for its answer: a newer one replaces it, so that pings in a storm cost nothing.
#[derive(Clone, Copy, Debug)]
struct Pinged {
    client_time: Micros,
    received: Micros,
}

/// The server's end of one connection.
///
/// `handle_*` takes what came, `poll_*` gives what is to be done. An error from a `handle_*` is the
/// peer's fault and final: close the socket with its [`CloseCode`].
///
/// The fields stand in this order in memory, and those of what is in them: first what every message and every
/// tick come by.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct ServerSession {
    state: State,
    /// When the peer counts as gone, unless it says something.
    deadline: Micros,
    pinged: Option<Pinged>,
    inputs: InputInbox,
    events: VecDeque<ServerEvent>,
    link: Link,
}

impl ServerSession {
    /// The bytes at the front that every message and every tick come by: worth asking for ahead of a player's turn.
    pub const HOT_BYTES: usize = offset_of!(Self, link.traffic.control);

    /// A session for a socket that has just been upgraded.
    #[must_use]
    pub const fn new(now: Micros) -> Self {
        Self {
            state: State::AwaitingHello,
            deadline: Micros(now.0 + HANDSHAKE_MICROS_MAX.0),
            pinged: None,
            inputs: InputInbox::new(),
            events: VecDeque::new(),
            link: Link::new(Side::Server),
        }
    }

    /// Takes one binary message.
    ///
    /// # Errors
    /// [`PeerError`] when the message is none, or not allowed now. The session is over.
    pub fn handle_message(&mut self, message: &[u8], at: RoomTime) -> Result<(), PeerError> {
        let mut reader = Reader::new(message);
        if reader.is_empty() {
            return Err(DecodeError::Truncated("message").into());
        }
        while !reader.is_empty() {
            let before = reader.remaining();
            let frame = Frame::decode(&mut reader)?;
            self.link.count_in(&frame, before - reader.remaining());
            self.on_frame(frame, at)?;
        }
        if self.state == State::Open {
            self.deadline = at.now + SILENCE_MICROS_MAX;
        }
        Ok(())
    }

    /// Takes the passing of time. Call it when [`poll_timeout`](Self::poll_timeout) is reached; more
    /// often does no harm.
    ///
    /// # Errors
    /// [`PeerMisbehaved::TimedOut`] when the handshake or any sign of life is overdue.
    pub fn handle_timeout(&mut self, now: Micros) -> Result<(), PeerError> {
        if now < self.deadline {
            return Ok(());
        }
        let what = match self.state {
            State::AwaitingHello | State::AwaitingAnswer => Awaited::Handshake,
            State::Open => Awaited::Client,
            State::Closing => Awaited::Farewell,
        };
        Err(PeerMisbehaved::TimedOut(what).into())
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub const fn poll_timeout(&self) -> Micros {
        self.deadline
    }

    /// What happened next, in order; a goodbye last, whatever came with it.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        if !matches!(self.events.front(), None | Some(ServerEvent::Goodbye(_))) {
            return self.pop_event();
        }
        let mux = self.link.mux_if_any();
        let event = mux.and_then(Mux::poll_event).map(ServerEvent::Stream);
        event.or_else(|| self.pop_event())
    }

    fn pop_event(&mut self) -> Option<ServerEvent> {
        let event = self.events.pop_front();
        if self.events.is_empty() && self.events.capacity() > EVENTS_KEPT {
            self.events = VecDeque::new();
        }
        event
    }

    /// What opened streams have carried since this was asked last; `None` if none ever was.
    pub fn take_carried(&mut self) -> Option<TrafficByKind> {
        Some(self.link.mux_if_any()?.take_carried())
    }

    /// What happened to opened streams since the last event, for a shell that looks after sending. What
    /// came from the peer is in [`poll_event`](Self::poll_event), and goes first.
    pub fn poll_stream_event(&mut self) -> Option<StreamEvent> {
        if self.events.is_empty() {
            self.link.mux_if_any()?.poll_event()
        } else {
            None
        }
    }

    /// Moves the oldest input for `up_to` or an earlier tick to `out`. See [`InputInbox::poll`].
    pub fn poll_input(&mut self, up_to: Tick, out: &mut Vec<u8>) -> Option<Tick> {
        self.inputs.poll(up_to, out)
    }

    /// By how many ticks the tightest input since the last call came before its step, for the snapshot
    /// header. See [`InputInbox::take_margin_ticks`].
    pub const fn take_input_margin_ticks(&mut self) -> Option<i8> {
        self.inputs.take_margin_ticks()
    }

    /// Lets the player in.
    ///
    /// # Errors
    /// [`ApiMisuse::SessionNot`] when no `Hello` waits for an answer.
    pub fn accept(&mut self, welcome: Welcome, now: Micros) -> Result<(), ApiMisuse> {
        self.check(State::AwaitingAnswer, "waiting for an answer")?;
        self.link.send_control(&Control::Welcome(Box::new(welcome)));
        self.state = State::Open;
        self.deadline = now + SILENCE_MICROS_MAX;
        Ok(())
    }

    /// Turns the player away. Send what [`poll_transmit`](Self::poll_transmit) gives and close with
    /// the same code.
    ///
    /// # Errors
    /// [`ApiMisuse::SessionNot`] when no `Hello` waits for an answer.
    pub fn refuse(&mut self, code: CloseCode, reason: &str) -> Result<(), ApiMisuse> {
        self.check(State::AwaitingAnswer, "waiting for an answer")?;
        let farewell = Farewell::new(code, reason);
        self.link.send_control(&Control::Refused(farewell));
        self.state = State::Closing;
        Ok(())
    }

    /// Says goodbye, behind the events that wait. Send what [`poll_transmit`](Self::poll_transmit) gives and close
    /// with the same code. A second one is ignored.
    pub fn close(&mut self, code: CloseCode, reason: &str) {
        if self.state != State::Closing {
            self.link.say_goodbye(Farewell::new(code, reason));
            self.state = State::Closing;
        }
    }

    /// Whether the player is in and nobody has said goodbye.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Queues an event of the game. At most [`EVENT_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`SendError::Misuse`] when it is too large or the session is not open;
    /// [`SendError::Peer`] when the peer has not read for so long that the queue is full: close it.
    pub fn send_event(&mut self, event: &[u8]) -> Result<(), SendError> {
        self.check(State::Open, "open")?;
        self.link.send_event(event)
    }

    /// The streams of this connection. Cheap; the first call allocates their table. After a farewell what had come
    /// can still be read, and nothing moves any more.
    ///
    /// # Errors
    /// [`ApiMisuse::SessionNot`] before the handshake.
    pub fn streams(&mut self) -> Result<&mut Mux, ApiMisuse> {
        if self.state != State::Closing {
            self.check(State::Open, "open")?;
        }
        Ok(self.link.mux())
    }

    /// Appends the frames of the classes up to `up_to` that wait, as one message or a part of one, and
    /// says whether there were any. Control first, then events, then opened streams.
    ///
    /// At most `budget_bytes` are appended, except that a control message or event which alone is
    /// larger goes alone.
    pub fn poll_transmit(
        &mut self,
        up_to: Class,
        budget_bytes: usize,
        at: RoomTime,
        out: &mut Vec<u8>,
    ) -> bool {
        let start = out.len();
        if let Some(pinged) = self.pinged.take() {
            self.link.send_control(&Control::Pong(Pong {
                client_time: pinged.client_time,
                received: pinged.received,
                sent: at.now,
                next_tick: at.next_tick,
                next_tick_due: at.next_tick_due,
            }));
        }
        if self.link.wants_transmit(up_to) {
            self.link.transmit(up_to, budget_bytes, at.now, out);
        }
        out.len() > start
    }

    /// Lets credit for streams go along with the next message, though it is not worth one. Call it when a
    /// message goes anyway: one with a snapshot.
    pub fn let_credit_ride(&mut self) {
        self.link.let_credit_ride();
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) would append anything.
    #[must_use]
    pub fn wants_transmit(&self, up_to: Class) -> bool {
        self.pinged.is_some() || self.link.wants_transmit(up_to)
    }

    /// Holds bulk back to what the link carries, by marks behind it that the client answers: for a
    /// connection whose kernel says nothing. From then on [`poll_transmit`](Self::poll_transmit) gives
    /// bulk as there is room; call it every few milliseconds while bulk waits.
    pub fn pace_by_marks(&mut self) {
        self.link.pace_by_marks();
    }

    /// Answers to marks of ours that have come.
    #[must_use]
    pub fn marks_answered(&self) -> u64 {
        self.link.marks_answered()
    }

    /// Appends the header of a snapshot. What the caller appends after it is the snapshot, and ends
    /// the message; then call [`end_snapshot`](Self::end_snapshot).
    #[inline]
    pub fn begin_snapshot(&mut self, out: &mut Vec<u8>) {
        put_final_header(out, StreamId::SNAPSHOT);
    }

    /// Counts a snapshot of so many bytes.
    #[inline]
    pub const fn end_snapshot(&mut self, payload_bytes: usize) {
        self.link.traffic.snapshot.count_out(payload_bytes + 2);
    }

    /// Bytes by stream, and what was refused and dropped.
    #[must_use]
    pub const fn traffic(&self) -> Traffic {
        Traffic {
            inputs_dropped: self.inputs.dropped(),
            ..self.link.traffic
        }
    }

    /// Bytes this session takes, heap included, opened streams excluded.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.inputs.heap_bytes()
            + self.link.heap_bytes()
            + self.events.capacity() * size_of::<ServerEvent>()
    }

    fn check(&self, state: State, what: &'static str) -> Result<(), ApiMisuse> {
        if self.state == state {
            Ok(())
        } else {
            Err(ApiMisuse::SessionNot(what))
        }
    }

    #[inline]
    fn on_frame(&mut self, frame: Frame<'_>, at: RoomTime) -> Result<(), PeerError> {
        match (self.state, frame.kind, frame.stream) {
            (State::Open, FrameKind::Data, StreamId::INPUT) => {
                self.inputs.receive(frame.payload, at.next_tick)
            }
            (State::Closing, ..) => Ok(()),
            (_, FrameKind::Data, StreamId::CONTROL) => {
                let message = Control::decode(frame.payload)?;
                self.on_control(message, at)
            }
            (State::AwaitingHello | State::AwaitingAnswer, _, StreamId(stream)) => {
                Err(PeerMisbehaved::BeforeHandshake { stream }.into())
            }
            (State::Open, FrameKind::Data, StreamId::EVENT) => {
                if frame.payload.len() > EVENT_BYTES_MAX {
                    return Err(DecodeError::OutOfRange("event").into());
                }
                let event = Bytes::copy_from_slice(frame.payload);
                self.events.push_back(ServerEvent::Event(event));
                Ok(())
            }
            (State::Open, FrameKind::Data, StreamId::SNAPSHOT) => {
                Err(PeerMisbehaved::WrongDirection("a snapshot").into())
            }
            (State::Open, ..) => self.link.on_stream_frame(frame, at.now),
        }
    }

    fn on_control(&mut self, message: Control, at: RoomTime) -> Result<(), PeerError> {
        match (self.state, message) {
            (State::AwaitingHello, Control::Hello(hello)) => {
                self.state = State::AwaitingAnswer;
                self.events.push_back(ServerEvent::Hello(hello));
            }
            (State::AwaitingHello, _) => {
                return Err(PeerMisbehaved::BeforeHandshake { stream: 0 }.into());
            }
            (_, Control::Hello(_)) => return Err(PeerMisbehaved::SecondHandshake.into()),
            (_, Control::Ping(ping)) => {
                if let Some(mux) = self.link.mux_if_any() {
                    mux.set_rtt(ping.rtt);
                }
                self.pinged = Some(Pinged {
                    client_time: ping.client_time,
                    received: at.now,
                });
            }
            (_, Control::Verify) => self.events.push_back(ServerEvent::Verify),
            (_, Control::Mark(mark)) => self.link.on_mark(mark),
            (_, Control::Reached(mark)) => self.link.on_reached(mark, at.now)?,
            (_, Control::Goodbye(farewell)) => {
                self.state = State::Closing;
                self.events.push_back(ServerEvent::Goodbye(farewell));
            }
            (_, Control::Welcome(_) | Control::Refused(_) | Control::Pong(_)) => {
                return Err(PeerMisbehaved::WrongDirection("an answer of the server").into());
            }
        }
        Ok(())
    }
}

/// Places for events that an emptied queue keeps.
const EVENTS_KEPT: usize = 8;
