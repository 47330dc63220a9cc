//! The mux: many streams in one connection, each with its own order, backpressure and end.
//!
//! In: frames of opened streams, and what the program does with its streams. Out: events, and frames
//! for the socket. Each direction of a stream is independent:
//!
//! ```text
//!   the sender                                 the receiver
//!   write ─▶ queue ─▶ DATA … (within credit) ─▶ queue ─▶ read
//!                          ◀─ CREDIT ─────────  as the program reads
//!   end   ─▶ ……… ─▶ END ─────────────────────▶  Ended, once all is read
//!   Consumed  ◀──── CONSUMED ──────────────────
//!
//!   opener:    open ─OPEN─▶ Offered ─ACCEPT─▶ Open        (REFUSE: gone)
//!   acceptor:  OPEN ─▶ Unanswered ─accept()─▶ Open        (refuse(): gone)
//!   both:      RESET either way, at any time: gone
//! ```
//!
//! A stream whose two directions are both confirmed is freed. Pause is not reading; there is no frame
//! for it.
//!
//! The decision to question: a receiver reserves each stream's window out of the connection's, and
//! keeps the smallest window free for every stream that could still be opened. So the connection's
//! credit never blocks a stream because the program leaves another one unread, which in HTTP/2 it
//! does.

mod event;
mod handle;
mod receive;
pub mod request;
mod send;
mod transmit;
mod typed;
mod urgent;
mod window;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::{
    coding::put_varint,
    error::{ApiMisuse, ReceiveError},
    frame::{FrameKind, put_frame},
    id::StreamId,
    limits::{
        OPENING_UNSENT_BYTES_MAX, RECORD_BYTES_MAX, STREAM_WINDOW_BYTES_MIN, STREAMS_OPEN_MAX,
    },
    session::{StreamTraffic, TrafficByKind},
    stream::{Class, StreamKind, StreamOptions, encode_open},
    time::Micros,
};
use receive::{Credit, ReceiveHalf};
use send::SendHalf;
use window::Window;

pub use event::{
    REFUSE_CODE_GAME_MIN, REFUSE_CODE_LET_GO, REFUSE_CODE_TIMED_OUT, REFUSE_CODE_TOO_MANY,
    StreamEvent, Write,
};
pub use receive::{Chunk, Lent};

/// Which end this is: it decides whose ids are even.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Opens even ids.
    Client,
    /// Opens odd ids.
    Server,
}

impl Side {
    const fn first_id(self) -> u32 {
        match self {
            Self::Client => StreamId::FIRST_OPENED.0,
            Self::Server => StreamId::FIRST_OPENED.0 + 1,
        }
    }
}

/// Places for events that an emptied queue keeps.
const EVENTS_KEPT: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// We opened it and wait for the answer.
    Offered,
    /// The peer opened it and waits for ours.
    Unanswered,
    Open,
}

#[derive(Debug)]
struct StreamState {
    phase: Phase,
    kind: StreamKind,
    class: Class,
    send: SendHalf,
    receive: ReceiveHalf,
}

/// The streams of one end of a connection.
///
/// Methods that refer to a stream fail with [`ApiMisuse::StreamNotOpen`] when it is gone, which the
/// peer can cause at any time: treat it as the stream's end.
#[derive(Debug)]
pub struct Mux {
    side: Side,
    streams: BTreeMap<StreamId, StreamState>,
    next_own: u32,
    next_theirs: u32,
    own_open: usize,
    theirs_open: usize,
    streams_refused: u64,
    events: VecDeque<StreamEvent>,
    /// Frames that open, answer, credit and close streams, as they will stand on the wire.
    urgent: Vec<u8>,
    /// What of that opens streams at most: our own doing, and not the peer's.
    opening_bytes: usize,
    /// Streams with credit that goes along with the next message.
    riding: BTreeSet<StreamId>,
    window: Window,
    schedule: transmit::Schedule,
    carried: TrafficByKind,
}

impl Mux {
    pub(crate) fn new(side: Side) -> Self {
        let other = match side {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        };
        Self {
            side,
            streams: BTreeMap::new(),
            next_own: side.first_id(),
            next_theirs: other.first_id(),
            own_open: 0,
            theirs_open: 0,
            streams_refused: 0,
            events: VecDeque::new(),
            urgent: Vec::new(),
            opening_bytes: 0,
            riding: BTreeSet::new(),
            window: Window::new(),
            schedule: transmit::Schedule::new(),
            carried: [StreamTraffic::ZERO; StreamKind::ALL.len()],
        }
    }

    /// The data that streams have carried since this was asked last.
    pub fn take_carried(&mut self) -> TrafficByKind {
        core::mem::replace(&mut self.carried, [StreamTraffic::ZERO; _])
    }

    /// Opens a stream. It may be written at once, and ended; the answer comes as an event.
    ///
    /// # Errors
    /// [`ApiMisuse::StreamsExhausted`] when [`STREAMS_OPEN_MAX`] of ours are open, or more wait to be told of;
    /// [`ApiMisuse::TooLarge`] for the metadata; [`ApiMisuse::ClassReserved`].
    pub fn open(&mut self, options: StreamOptions, now: Micros) -> Result<StreamId, ApiMisuse> {
        options.check()?;
        if self.own_open == STREAMS_OPEN_MAX
            || self.next_own > u32::MAX - 2
            || self.opening_bytes > OPENING_UNSENT_BYTES_MAX
        {
            return Err(ApiMisuse::StreamsExhausted(self.own_open));
        }
        let id = StreamId(self.next_own);
        self.next_own += 2;
        self.own_open += 1;
        let receive = if options.one_way {
            ReceiveHalf::closed()
        } else {
            let window = self.window.reserve_initial();
            ReceiveHalf::open(window, now)
        };
        let mut payload = Vec::with_capacity(16 + options.metadata.len());
        encode_open(&mut payload, &options, receive.limit());
        let before = self.urgent.len();
        self.put_urgent(FrameKind::Open, id, &payload);
        self.opening_bytes += self.urgent.len() - before;
        let state = StreamState {
            phase: Phase::Offered,
            kind: options.kind,
            class: options.class,
            send: SendHalf::open(options.kind, options.weight, STREAM_WINDOW_BYTES_MIN),
            receive,
        };
        self.streams.insert(id, state);
        Ok(id)
    }

    /// Takes a stream that the peer offers.
    ///
    /// # Errors
    /// [`ApiMisuse::StreamNotOpen`] when no such offer stands (any more).
    pub fn accept(&mut self, id: StreamId, now: Micros) -> Result<(), ApiMisuse> {
        let state = Self::offered_to_us(&mut self.streams, id)?;
        state.phase = Phase::Open;
        let limit = state.receive.widen_for_accept(&mut self.window, now);
        if state.receive.has_chunks() {
            self.events.push_back(StreamEvent::Readable(id));
        }
        let mut payload = Vec::with_capacity(10);
        put_varint(&mut payload, limit);
        self.put_urgent(FrameKind::Accept, id, &payload);
        self.settle(id);
        Ok(())
    }

    /// Declines a stream that the peer offers. What came with it is dropped.
    ///
    /// # Errors
    /// [`ApiMisuse::StreamNotOpen`] when no such offer stands (any more).
    pub fn refuse(&mut self, id: StreamId, code: u32, reason: &str) -> Result<(), ApiMisuse> {
        Self::offered_to_us(&mut self.streams, id)?;
        self.remove(id);
        self.put_farewell(FrameKind::Refuse, id, code, reason);
        Ok(())
    }

    /// Queues one record: for byte streams any piece, for messages one whole message. Nothing is
    /// copied; the same bytes can be written to many streams.
    ///
    /// # Errors
    /// [`ApiMisuse::TooLarge`] beyond [`RECORD_BYTES_MAX`]; [`ApiMisuse::StreamNotOpen`] also after
    /// [`end`](Self::end), before [`accept`](Self::accept), and on the reading end of a one-way stream.
    pub fn write(&mut self, id: StreamId, record: Bytes, now: Micros) -> Result<Write, ApiMisuse> {
        let (bytes, max) = (record.len(), RECORD_BYTES_MAX);
        if bytes > max {
            return Err(ApiMisuse::TooLarge { bytes, max });
        }
        let state = Self::state(&mut self.streams, id)?;
        if state.phase == Phase::Unanswered || !state.send.is_open() {
            return Err(ApiMisuse::StreamNotOpen(id.0));
        }
        self.schedule.drop_old(state, now);
        if !state.send.has_room(self.schedule.unsent_bytes()) {
            state.send.ask_for_room();
            return Ok(Write::Full);
        }
        self.schedule.queue(id, state, record, now);
        Ok(Write::Taken)
    }

    /// Ends our direction after what was written. The other one goes on.
    ///
    /// [`StreamEvent::Consumed`] says when the peer's program has taken everything.
    ///
    /// # Errors
    /// [`ApiMisuse::StreamNotOpen`], also when it was ended before.
    pub fn end(&mut self, id: StreamId) -> Result<(), ApiMisuse> {
        let state = Self::state(&mut self.streams, id)?;
        if state.phase == Phase::Unanswered || !state.send.is_open() {
            return Err(ApiMisuse::StreamNotOpen(id.0));
        }
        state.send.end();
        self.schedule.activate(id, state);
        Ok(())
    }

    /// Gives a stream up at once, both directions. What waits is dropped.
    ///
    /// # Errors
    /// [`ApiMisuse::StreamNotOpen`].
    pub fn reset(&mut self, id: StreamId, code: u32, reason: &str) -> Result<(), ApiMisuse> {
        Self::state(&mut self.streams, id)?;
        self.remove(id);
        self.put_farewell(FrameKind::Reset, id, code, reason);
        Ok(())
    }

    /// Takes the next chunk, and gives the peer credit for another. Not reading is the pause.
    ///
    /// `None` when nothing waits: [`StreamEvent::Readable`] or [`StreamEvent::Ended`] will come.
    ///
    /// # Errors
    /// [`ApiMisuse::StreamNotOpen`].
    pub fn read(&mut self, id: StreamId, now: Micros) -> Result<Option<Chunk>, ApiMisuse> {
        let chunk = self.take_chunk(id, now)?;
        self.settle(id);
        Ok(chunk)
    }

    /// Hands out the next chunk without giving the peer credit for it: for a program that passes it on
    /// and says with [`confirm`](Self::confirm) when it is done with it.
    ///
    /// # Errors
    /// [`ApiMisuse::StreamNotOpen`].
    pub fn lend(&mut self, id: StreamId) -> Result<Lent, ApiMisuse> {
        let state = Self::state(&mut self.streams, id)?;
        if state.phase == Phase::Unanswered {
            return Err(ApiMisuse::StreamNotOpen(id.0));
        }
        Ok(match state.receive.lend() {
            Some(chunk) => Lent::Chunk(chunk),
            None if state.receive.is_lent_out() => Lent::End,
            None => Lent::Nothing,
        })
    }

    /// Says that chunks which were [lent](Self::lend) and [cost](Chunk::cost) so much are done with.
    ///
    /// # Errors
    /// [`ApiMisuse::StreamNotOpen`].
    pub fn confirm(&mut self, id: StreamId, cost: u64, now: Micros) -> Result<(), ApiMisuse> {
        self.credit(id, cost, now)?;
        self.settle(id);
        Ok(())
    }

    /// Whether the peer will soon have to stop for want of credit on a stream.
    pub(crate) fn is_short(&self, id: StreamId) -> bool {
        let state = self.streams.get(&id);
        state.is_some_and(|state| state.receive.is_short())
    }

    /// Whether a stream is known, answered or not.
    #[must_use]
    pub fn contains(&self, id: StreamId) -> bool {
        self.streams.contains_key(&id)
    }

    /// Takes the next whole record, put together from its chunks. Do not mix with
    /// [`read`](Self::read).
    ///
    /// A record may be longer than its stream's window, so the peer has credit again for each chunk while the record
    /// is put together. What is held of records whose end has not come is beyond the window of the connection, and at
    /// most [`RECORD_BYTES_MAX`] for each stream that is read so: 512 MiB if a peer opens all it may. Whoever reads
    /// streams of peers it does not trust answers fewer of them, or uses the streams of [`pipe`](crate::pipe),
    /// which bound what a connection holds.
    ///
    /// # Errors
    /// [`ReceiveError::Decode`] when it is larger than [`RECORD_BYTES_MAX`].
    pub fn read_record(
        &mut self,
        id: StreamId,
        now: Micros,
    ) -> Result<Option<Bytes>, ReceiveError> {
        while let Some(chunk) = self.take_chunk(id, now)? {
            let state = Self::state(&mut self.streams, id)?;
            let record = state.receive.assemble(chunk);
            // Only now: the stream may be over, and gone, with this chunk.
            self.settle(id);
            if let Some(record) = record? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// What happened next, in order.
    pub fn poll_event(&mut self) -> Option<StreamEvent> {
        let event = self.events.pop_front();
        if self.events.is_empty() && self.events.capacity() > EVENTS_KEPT {
            self.events = VecDeque::new();
        }
        event
    }

    /// Whether [`poll_event`](Self::poll_event) has anything.
    pub(crate) fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// Bytes of a stream that wait for credit or the socket. `None` when it is gone.
    #[must_use]
    pub fn unsent_bytes(&self, id: StreamId) -> Option<usize> {
        self.streams.get(&id).map(|state| state.send.unsent_bytes())
    }

    /// Streams of the peer that were refused because it had as many open as there may be.
    pub(crate) const fn streams_refused(&self) -> u64 {
        self.streams_refused
    }

    /// Streams that are open, of both ends.
    #[must_use]
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether no stream is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    pub(crate) const fn set_rtt(&mut self, rtt: Micros) {
        self.window.set_rtt(rtt);
    }

    fn take_chunk(&mut self, id: StreamId, now: Micros) -> Result<Option<Chunk>, ApiMisuse> {
        match self.lend(id)? {
            Lent::Chunk(chunk) => {
                self.credit(id, chunk.cost(), now)?;
                Ok(Some(chunk))
            }
            Lent::Nothing | Lent::End => Ok(None),
        }
    }

    /// Counts chunks that were lent out as taken, and gives the peer credit for more.
    fn credit(&mut self, id: StreamId, cost: u64, now: Micros) -> Result<(), ApiMisuse> {
        let state = Self::state(&mut self.streams, id)?;
        let cost = cost.min(state.receive.lent());
        let open = self.own_open + self.theirs_open;
        match state.receive.credit(cost, &mut self.window, open, now) {
            Credit::Kept => {}
            Credit::Rides => {
                self.riding.insert(id);
            }
            Credit::Due(limit) => {
                self.riding.remove(&id);
                self.put_credit(id, limit);
            }
        }
        self.on_connection_taken(cost);
        Ok(())
    }

    fn state(
        streams: &mut BTreeMap<StreamId, StreamState>,
        id: StreamId,
    ) -> Result<&mut StreamState, ApiMisuse> {
        streams.get_mut(&id).ok_or(ApiMisuse::StreamNotOpen(id.0))
    }

    fn offered_to_us(
        streams: &mut BTreeMap<StreamId, StreamState>,
        id: StreamId,
    ) -> Result<&mut StreamState, ApiMisuse> {
        match streams.get_mut(&id) {
            Some(state) if state.phase == Phase::Unanswered => Ok(state),
            _ => Err(ApiMisuse::StreamNotOpen(id.0)),
        }
    }

    fn is_own(&self, id: StreamId) -> bool {
        id.0 % 2 == self.side.first_id() % 2
    }

    /// Says that the peer's direction is over once it is, and frees the stream once both are.
    fn settle(&mut self, id: StreamId) {
        let Some(state) = self.streams.get_mut(&id) else {
            return;
        };
        if state.phase != Phase::Unanswered && state.receive.finish(&mut self.window) {
            self.events.push_back(StreamEvent::Ended(id));
            put_frame(&mut self.urgent, FrameKind::Consumed, id, &[]);
        }
        if state.receive.is_done() && state.send.is_done() {
            self.remove(id);
        }
    }

    /// Forgets a stream: its place, its window, and what waits.
    fn remove(&mut self, id: StreamId) {
        let Some(mut state) = self.streams.remove(&id) else {
            return;
        };
        if self.is_own(id) {
            self.own_open -= 1;
        } else {
            self.theirs_open -= 1;
        }
        self.schedule.forget(id, &state);
        self.riding.remove(&id);
        let unread = state.receive.discard(&mut self.window);
        self.on_connection_taken(unread);
    }

    fn on_connection_taken(&mut self, cost: u64) {
        if let Some(limit) = self.window.on_taken(cost) {
            self.put_credit(StreamId::CONTROL, limit);
        }
    }
}

#[cfg(test)]
mod tests;
