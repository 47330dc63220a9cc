//! The client's end of a session.
//!
//! In: the server's messages, the player's inputs, events and streams to send. Out: events, snapshots,
//! and the bytes of the next message. A snapshot is handed out as a slice of the message that carried
//! it: the largest thing a client receives is never copied.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    clock::ClockSync,
    coding::Reader,
    error::{ApiMisuse, Awaited, CloseCode, DecodeError, PeerError, PeerMisbehaved, SendError},
    frame::{Frame, FrameKind},
    id::StreamId,
    input::InputOutbox,
    limits::{
        CLIENT_MESSAGE_BYTES_MAX, EVENT_BYTES_MAX, HANDSHAKE_MICROS_MAX, MESSAGE_BYTES_MIN,
        SILENCE_MICROS_MAX,
    },
    mux::{Mux, Side, StreamEvent},
    pace::Sample,
    session::{
        control::{Control, Farewell, Hello, Welcome},
        link::Link,
        traffic::Traffic,
    },
    stream::Class,
    time::{Micros, Tick},
};

/// What happened in a session, as its client sees it.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientEvent {
    /// The server let us in. Check the schema before anything else.
    Welcomed(Box<Welcome>),
    /// The server turned us away and will close.
    Refused(Farewell),
    /// The game's own event, in the order they were sent.
    Event(Bytes),
    /// Something happened to an opened stream.
    Stream(StreamEvent),
    /// The server says goodbye and will close.
    Goodbye(Farewell),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    AwaitingWelcome,
    Open,
    /// The last word is said; what still comes is not read.
    Closing,
}

/// The client's end of one connection.
///
/// Its doors mirror [`ServerSession`](super::ServerSession)'s.
#[derive(Debug)]
pub struct ClientSession {
    state: State,
    deadline: Micros,
    clock: ClockSync,
    inputs: InputOutbox,
    events: VecDeque<ClientEvent>,
    message_bytes_max: usize,
    link: Link,
}

impl ClientSession {
    /// A session for a socket that has just opened; its first message says `hello`. `seed` dithers the
    /// pings: any number does.
    #[must_use]
    pub fn new(hello: Hello, seed: u64, now: Micros) -> Self {
        let mut link = Link::new(Side::Client);
        // No browser says how its uploads fare, and whoever knows tells later.
        link.pace_by_marks();
        link.send_control(&Control::Hello(Box::new(hello)));
        Self {
            state: State::AwaitingWelcome,
            deadline: now + HANDSHAKE_MICROS_MAX,
            clock: ClockSync::new(seed, now),
            inputs: InputOutbox::default(),
            events: VecDeque::new(),
            message_bytes_max: CLIENT_MESSAGE_BYTES_MAX,
            link,
        }
    }

    /// Takes one binary message, and hands out the snapshot in it, if there is one.
    ///
    /// Events of the same message come before its snapshot.
    ///
    /// # Errors
    /// [`PeerError`] when the message is none, or not allowed now. The session is over.
    pub fn handle_message<'m>(
        &mut self,
        message: &'m [u8],
        now: Micros,
    ) -> Result<Option<&'m [u8]>, PeerError> {
        let mut reader = Reader::new(message);
        if reader.is_empty() {
            return Err(DecodeError::Truncated("message").into());
        }
        let mut snapshot = None;
        while !reader.is_empty() {
            let before = reader.remaining();
            let frame = Frame::decode(&mut reader)?;
            self.link.count_in(&frame, before - reader.remaining());
            if frame.stream == StreamId::SNAPSHOT && frame.kind == FrameKind::Data {
                if snapshot.replace(self.on_snapshot(frame)?).is_some() {
                    return Err(DecodeError::Invalid("a second snapshot").into());
                }
            } else {
                self.on_frame(frame, now)?;
            }
        }
        if self.state == State::Open {
            self.deadline = now + SILENCE_MICROS_MAX;
        }
        Ok(snapshot)
    }

    /// Takes the passing of time. Call it when [`poll_timeout`](Self::poll_timeout) is reached, then
    /// drain [`poll_transmit`](Self::poll_transmit); more often does no harm.
    ///
    /// # Errors
    /// [`PeerMisbehaved::TimedOut`] when the answer or any sign of life is overdue.
    pub fn handle_timeout(&mut self, now: Micros) -> Result<(), PeerError> {
        self.link.handle_timeout(now);
        if now < self.deadline {
            return Ok(());
        }
        let what = match self.state {
            State::AwaitingWelcome => Awaited::Handshake,
            State::Open => Awaited::Server,
            State::Closing => Awaited::Farewell,
        };
        Err(PeerMisbehaved::TimedOut(what).into())
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called: for a ping that is due, for
    /// bulk that was held back, or for the end.
    #[must_use]
    pub fn poll_timeout(&self) -> Micros {
        match self.state {
            State::Open => {
                let next = self.deadline.min(self.clock.next_ping());
                self.link.bulk_due().map_or(next, |due| next.min(due))
            }
            State::AwaitingWelcome | State::Closing => self.deadline,
        }
    }

    /// What happened next, in order.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        self.poll_stream_event().map(ClientEvent::Stream)
    }

    /// What happened next to a stream, for who has sent: that makes room in streams. After a message that came
    /// ask [`poll_event`](Self::poll_event), which keeps the order.
    pub fn poll_stream_event(&mut self) -> Option<StreamEvent> {
        self.link.mux_if_any()?.poll_event()
    }

    /// Queues the input for `tick`. When several wait for the socket, the oldest are dropped.
    ///
    /// # Errors
    /// [`ApiMisuse`] when it is larger than [`INPUT_BYTES_MAX`](crate::limits::INPUT_BYTES_MAX), or the
    /// session is not open.
    pub fn push_input(&mut self, tick: Tick, input: &[u8]) -> Result<(), ApiMisuse> {
        self.check_open()?;
        self.inputs.push(tick, input)
    }

    /// Queues an event of the game. At most [`EVENT_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// As [`ServerSession::send_event`](super::ServerSession::send_event).
    pub fn send_event(&mut self, event: &[u8]) -> Result<(), SendError> {
        self.check_open()?;
        self.link.send_event(event)
    }

    /// Asks that the next snapshot carries a checksum of the replica.
    ///
    /// # Errors
    /// [`ApiMisuse::SessionNot`] when the session is not open.
    pub fn send_verify(&mut self) -> Result<(), ApiMisuse> {
        self.check_open()?;
        self.link.send_control(&Control::Verify);
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

    /// Whether the server let us in and nobody has said goodbye.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// The streams of this connection. Cheap; the first call allocates their table.
    ///
    /// # Errors
    /// [`ApiMisuse::SessionNot`] before the handshake and after the farewell.
    pub fn streams(&mut self) -> Result<&mut Mux, ApiMisuse> {
        self.check_open()?;
        Ok(self.link.mux())
    }

    /// Appends one message, and says whether there was one. Call it until there is none, as long as
    /// the socket takes more.
    ///
    /// Control and inputs share the first message and do not count against `budget_bytes`; events and
    /// opened streams fill later ones up to it, and up to what the server takes. Of bulk no more is given
    /// than the link carries without a queue: what waits longer comes after later messages of the server.
    pub fn poll_transmit(&mut self, budget_bytes: usize, now: Micros, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let max = self.message_bytes_max;
        if self.state == State::Open
            && let Some(ping) = self.clock.poll_ping(now)
        {
            if let Some(mux) = self.link.mux_if_any() {
                mux.set_rtt(ping.rtt);
            }
            self.link.send_control(&Control::Ping(ping));
        }
        if !self.inputs.is_empty() {
            self.link.let_credit_ride();
        }
        // Inputs are bounded to far less than what is kept free for them here.
        self.link
            .transmit(Class::Control, max - INPUTS_RESERVED_BYTES, now, out);
        let before_inputs = out.len();
        if self.state == State::Open && self.inputs.flush(out) {
            let inputs = &out[before_inputs..];
            self.link.traffic.input.count_frames_out(inputs);
        }
        if out.len() == start && self.state == State::Open {
            let budget = budget_bytes.min(max);
            self.link.transmit(Class::Bulk, budget, now, out);
        }
        out.len() > start
    }

    /// The largest message that the server takes.
    #[must_use]
    pub const fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    /// Whether a message waits, apart from a ping that is due.
    #[must_use]
    pub fn wants_transmit(&self) -> bool {
        !self.inputs.is_empty() || self.link.wants_transmit(Class::Bulk)
    }

    /// Whether opened streams have something to send, which [`handle_link`](Self::handle_link) is called for.
    #[must_use]
    pub fn has_bulk(&self) -> bool {
        self.link.has_bulk()
    }

    /// Takes what a kernel says of the link, and how many bytes of a packet are payload, where there is one to ask
    /// (the feature `tcp` of this package does). From then on bulk is held back by that and no longer by marks, whose
    /// senders see neither a loss nor what their own kernel does. Call it about every 2 ms while there
    /// [is bulk](Self::has_bulk), from before the first of it.
    pub fn handle_link(&mut self, sample: Sample, segment_bytes: usize, now: Micros) {
        self.link.handle_sample(sample, segment_bytes, now);
    }

    /// Whether bulk is held back now, so that [`poll_transmit`](Self::poll_transmit) is worth calling every
    /// few milliseconds.
    #[must_use]
    pub fn holds_bulk(&self) -> bool {
        self.is_open() && self.link.bulk_due().is_some()
    }

    /// Bytes that may wait in front of the socket without standing in an input's way for long: 6 ms of what
    /// the link was seen to carry, and 14 KiB before it was.
    #[must_use]
    pub fn unsent_bytes_max(&self) -> u64 {
        self.link.unsent_bytes_max()
    }

    /// What is known of the server's clock.
    #[must_use]
    pub const fn clock(&self) -> &ClockSync {
        &self.clock
    }

    /// Bytes by stream.
    #[must_use]
    pub const fn traffic(&self) -> &Traffic {
        &self.link.traffic
    }

    fn check_open(&self) -> Result<(), ApiMisuse> {
        if self.state == State::Open {
            Ok(())
        } else {
            Err(ApiMisuse::SessionNot("open"))
        }
    }

    fn on_snapshot<'m>(&self, frame: Frame<'m>) -> Result<&'m [u8], PeerError> {
        if self.state == State::AwaitingWelcome {
            let stream = frame.stream.0;
            return Err(PeerMisbehaved::BeforeHandshake { stream }.into());
        }
        Ok(frame.payload)
    }

    fn on_frame(&mut self, frame: Frame<'_>, now: Micros) -> Result<(), PeerError> {
        match (self.state, frame.kind, frame.stream) {
            (State::Closing, ..) => Ok(()),
            (_, FrameKind::Data, StreamId::CONTROL) => {
                let message = Control::decode(frame.payload)?;
                self.on_control(message, now)
            }
            (State::AwaitingWelcome, _, StreamId(stream)) => {
                Err(PeerMisbehaved::BeforeHandshake { stream }.into())
            }
            (State::Open, FrameKind::Data, StreamId::EVENT) => {
                if frame.payload.len() > EVENT_BYTES_MAX {
                    return Err(DecodeError::OutOfRange("event").into());
                }
                let event = Bytes::copy_from_slice(frame.payload);
                self.events.push_back(ClientEvent::Event(event));
                Ok(())
            }
            (State::Open, FrameKind::Data, StreamId::INPUT) => {
                Err(PeerMisbehaved::WrongDirection("an input").into())
            }
            (State::Open, ..) => self.link.on_stream_frame(frame, now),
        }
    }

    fn on_control(&mut self, message: Control, now: Micros) -> Result<(), PeerError> {
        match (self.state, message) {
            (State::AwaitingWelcome, Control::Welcome(welcome)) => {
                self.state = State::Open;
                self.clock.on_welcome(&welcome, now);
                let theirs = usize::try_from(welcome.message_bytes_max).unwrap_or(usize::MAX);
                if theirs < MESSAGE_BYTES_MIN {
                    return Err(DecodeError::OutOfRange("message limit").into());
                }
                self.message_bytes_max = theirs.min(self.message_bytes_max);
                self.events.push_back(ClientEvent::Welcomed(welcome));
            }
            (State::AwaitingWelcome, Control::Refused(farewell)) => {
                self.state = State::Closing;
                self.events.push_back(ClientEvent::Refused(farewell));
            }
            (_, Control::Goodbye(farewell)) => {
                self.state = State::Closing;
                self.events.push_back(ClientEvent::Goodbye(farewell));
            }
            (State::AwaitingWelcome, _) => {
                return Err(PeerMisbehaved::BeforeHandshake { stream: 0 }.into());
            }
            (_, Control::Pong(pong)) => self.clock.on_pong(&pong, now),
            (_, Control::Mark(mark)) => self.link.on_mark(mark),
            (_, Control::Reached(mark)) => self.link.on_reached(mark, now)?,
            (_, Control::Welcome(_) | Control::Refused(_)) => {
                return Err(PeerMisbehaved::SecondHandshake.into());
            }
            (_, Control::Hello(_) | Control::Ping(_) | Control::Verify) => {
                return Err(PeerMisbehaved::WrongDirection("a client's message").into());
            }
        }
        Ok(())
    }
}

/// Room in a message for the inputs that follow control frames: [`INPUTS_UNSENT_MAX`] of the largest.
///
/// [`INPUTS_UNSENT_MAX`]: crate::limits::INPUTS_UNSENT_MAX
const INPUTS_RESERVED_BYTES: usize = 4 * 1024;
