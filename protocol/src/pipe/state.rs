//! What one pipe holds, and the lock around it.
//!
//! ```text
//!   ours:    Unopened ──open──▶ Offered ──Accepted──▶ Open
//!   theirs:  Unanswered ──accept──▶ Accepting ──────▶ Open
//!   either, at any time: a fault, which stays
//! ```
//!
//! In: what a task does, and what the [`Exchange`](super::Exchange) brings and takes. Out: wake-ups of
//! the task after the lock is let go, and a call to the connection's owner.

use core::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    task::{Poll, Waker},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::{
    StreamError,
    hub::Hub,
    queues::{End, Inbound, Outbound},
};
use crate::{
    id::StreamId,
    limits::{PIPE_WRITE_BYTES_MAX, PIPES_UNSENT_BYTES_MAX},
    mux::{Chunk, REFUSE_CODE_LET_GO},
    stream::{Offer, StreamKind, StreamOptions},
    time::Micros,
};

/// A stream between a task and a connection's owner.
pub(super) struct Pipe {
    hub: Arc<Hub>,
    state: Mutex<State>,
}

/// Where a pipe's stream is in its life.
#[derive(Debug)]
pub(super) enum Stage {
    Unopened(Box<StreamOptions>),
    Offered,
    Unanswered,
    Accepting,
    Open,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) stage: Stage,
    pub(super) id: Option<StreamId>,
    pub(super) inbound: Inbound,
    pub(super) outbound: Outbound,
    pub(super) fault: Option<StreamError>,
    /// What the peer is to be told of a stream that this end gives up.
    pub(super) farewell: Option<(u32, Box<str>)>,
    /// It stands in the hub's list, or the owner has it in hand.
    is_waiting: bool,
    /// The task has left something to do for the owner.
    wants_service: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    woken: [Option<Waker>; 2],
}

impl Pipe {
    /// For a stream that this end wants to open.
    pub(super) fn ours(hub: &Arc<Hub>, options: StreamOptions) -> Arc<Self> {
        let (kind, one_way) = (options.kind, options.one_way);
        let mut state = State::new(Stage::Unopened(Box::new(options)), None, kind);
        state.inbound.has_ended = one_way;
        let pipe = Self::new(hub, state);
        pipe.with(|state| state.wants_service = true);
        pipe
    }

    /// For a stream that the peer offers.
    pub(super) fn theirs(hub: &Arc<Hub>, offer: &Offer) -> Arc<Self> {
        let mut state = State::new(Stage::Unanswered, Some(offer.id), offer.options.kind);
        if offer.options.one_way {
            state.outbound.end = End::Done;
        }
        Self::new(hub, state)
    }

    fn new(hub: &Arc<Hub>, state: State) -> Arc<Self> {
        Arc::new(Self {
            hub: hub.clone(),
            state: Mutex::new(state),
        })
    }

    /// Does something as the task; what that leaves to do, the owner hears of.
    pub(super) fn with<T>(self: &Arc<Self>, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let before = state.held_bytes();
        let result = act(&mut state);
        self.count(before, state.held_bytes());
        let calls = state.wants_service && !state.is_waiting;
        state.is_waiting |= calls;
        let woken = core::mem::take(&mut state.woken);
        drop(state);
        if calls {
            self.hub.call(self.clone());
        }
        woken.into_iter().flatten().for_each(Waker::wake);
        result
    }

    /// Does something as the owner.
    pub(super) fn serve<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let before = state.held_bytes();
        state.is_waiting = false;
        state.wants_service = false;
        let result = act(&mut state);
        self.count(before, state.held_bytes());
        let woken = core::mem::take(&mut state.woken);
        drop(state);
        woken.into_iter().flatten().for_each(Waker::wake);
        result
    }

    /// Ends it for a reason that neither end's program chose.
    pub(super) fn fail(&self, error: StreamError) {
        self.serve(|state| state.fail(error));
    }

    /// Takes a stream that the peer offered.
    pub(super) fn accept(self: &Arc<Self>) {
        self.with(|state| {
            if matches!(state.stage, Stage::Unanswered) {
                state.stage = Stage::Accepting;
                state.wants_service = true;
            }
        });
    }

    /// Gives the stream up, both directions.
    pub(super) fn give_up(self: &Arc<Self>, code: u32, reason: &str) {
        self.with(|state| {
            if state.fault.is_none() {
                state.farewell = Some((code, reason.into()));
                state.wants_service = true;
                state.fail(StreamError::GivenUp);
            }
        });
    }

    /// Gives the stream up for a task that fails while it holds it.
    pub(super) fn give_up_if_panicking(self: &Arc<Self>) {
        if std::thread::panicking() {
            self.give_up(REFUSE_CODE_LET_GO, "the stream's task failed");
        }
    }

    pub(super) fn id(&self) -> Option<StreamId> {
        self.lock().id
    }

    /// Whether the other pipes leave room for more than a first write.
    fn hub_has_room(&self) -> bool {
        self.hub.unsent_bytes() < PIPES_UNSENT_BYTES_MAX
    }

    /// Whether the peer has credit again for a part of the record under way.
    pub(super) fn has_grant(&self) -> bool {
        self.lock().inbound.granted_cost() > 0
    }

    /// Lets the peer have credit for the record under way, if that costs no more than `room`. Says what it costs;
    /// `None` if it costs too much.
    pub(super) fn grant(&self, room: u64) -> Option<u64> {
        let mut state = self.lock();
        (state.inbound.partial_cost() <= room).then(|| {
            let before = state.held_bytes();
            let cost = state.inbound.grant();
            self.count(before, state.held_bytes());
            cost
        })
    }

    fn count(&self, before: HeldBytes, after: HeldBytes) {
        tell(&self.hub.unsent, before.unsent, after.unsent);
        tell(&self.hub.granted, before.granted, after.granted);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies what fits of `bytes` into the queue.
    pub(super) fn write(
        self: &Arc<Self>,
        bytes: &[u8],
        waker: Option<&Waker>,
    ) -> Poll<Result<usize, StreamError>> {
        let hub_has_room = self.hub_has_room();
        self.with(|state| {
            state.writable()?;
            if bytes.is_empty() {
                return Poll::Ready(Ok(0));
            }
            if !state.outbound.has_room(hub_has_room) {
                state.outbound.ask_for_room();
                state.writer = kept(state.writer.take(), waker);
                return Poll::Pending;
            }
            let taken = bytes.len().min(PIPE_WRITE_BYTES_MAX);
            state.outbound.append(&bytes[..taken]);
            state.wants_service = true;
            Poll::Ready(Ok(taken))
        })
    }

    /// Whether a record would be taken now.
    pub(super) fn poll_room(
        self: &Arc<Self>,
        waker: Option<&Waker>,
    ) -> Poll<Result<(), StreamError>> {
        let hub_has_room = self.hub_has_room();
        self.with(|state| {
            state.writable()?;
            if state.outbound.has_room(hub_has_room) {
                return Poll::Ready(Ok(()));
            }
            state.outbound.ask_for_room();
            state.writer = kept(state.writer.take(), waker);
            Poll::Pending
        })
    }

    /// Queues a record without copying it. Ask [`poll_room`](Self::poll_room) first.
    pub(super) fn push(self: &Arc<Self>, record: Bytes) -> Result<(), StreamError> {
        self.with(|state| {
            state.writable()?;
            state.outbound.push(record);
            state.wants_service = true;
            Ok(())
        })
    }

    /// Whether nothing waits here any more.
    #[cfg(feature = "tokio")]
    pub(super) fn poll_flushed(
        self: &Arc<Self>,
        waker: Option<&Waker>,
    ) -> Poll<Result<(), StreamError>> {
        self.with(|state| {
            state.check_unless_done()?;
            if state.outbound.is_empty() {
                return Poll::Ready(Ok(()));
            }
            state.writer = kept(state.writer.take(), waker);
            Poll::Pending
        })
    }

    /// Ends the task's direction behind what was written.
    pub(super) fn end(self: &Arc<Self>) -> Result<(), StreamError> {
        self.with(|state| {
            state.check_unless_done()?;
            if state.outbound.end == End::Open {
                state.outbound.end = End::Ending;
                state.wants_service = true;
            }
            Ok(())
        })
    }

    /// Whether the peer's program has taken all that was written.
    pub(super) fn poll_consumed(self: &Arc<Self>, waker: &Waker) -> Poll<Result<(), StreamError>> {
        self.with(|state| {
            state.check_unless_done()?;
            if state.outbound.end == End::Done {
                return Poll::Ready(Ok(()));
            }
            state.writer = kept(state.writer.take(), Some(waker));
            Poll::Pending
        })
    }

    /// Whether the peer has taken the stream.
    pub(super) fn poll_accepted(self: &Arc<Self>, waker: &Waker) -> Poll<Result<(), StreamError>> {
        self.with(|state| {
            state.fault.clone().map_or(Ok(()), Err)?;
            if matches!(state.stage, Stage::Open | Stage::Accepting) {
                return Poll::Ready(Ok(()));
            }
            state.writer = kept(state.writer.take(), Some(waker));
            Poll::Pending
        })
    }

    /// Copies what came to `buffer`; 0 at the end.
    pub(super) fn read(
        self: &Arc<Self>,
        buffer: &mut [u8],
        waker: Option<&Waker>,
    ) -> Poll<Result<usize, StreamError>> {
        self.with(|state| {
            if buffer.is_empty() {
                return Poll::Ready(Ok(0));
            }
            let copied = state.inbound.copy_to(buffer);
            // A record without a byte costs credit too.
            state.wants_service |= state.inbound.is_worth_telling();
            if copied > 0 {
                return Poll::Ready(Ok(copied));
            }
            state.poll_end(waker).map_ok(|()| 0)
        })
    }

    /// Takes what came next as it came; `None` at the end.
    pub(super) fn chunk(
        self: &Arc<Self>,
        waker: Option<&Waker>,
    ) -> Poll<Result<Option<Chunk>, StreamError>> {
        self.with(|state| {
            if let Some(chunk) = state.inbound.take() {
                state.wants_service |= state.inbound.is_worth_telling();
                return Poll::Ready(Ok(Some(chunk)));
            }
            state.poll_end(waker).map_ok(|()| None)
        })
    }

    /// The same for the pieces of a record, which costs its reader's peer credit until it is whole.
    pub(super) fn piece(
        self: &Arc<Self>,
        waker: Option<&Waker>,
    ) -> Poll<Result<Option<Chunk>, StreamError>> {
        self.with(|state| {
            let granted = state.inbound.granted_cost();
            if let Some(chunk) = state.inbound.take_piece() {
                // What it had beyond its window others may have now.
                let frees = state.inbound.granted_cost() < granted;
                state.wants_service |= frees || state.inbound.is_worth_telling();
                return Poll::Ready(Ok(Some(chunk)));
            }
            state.poll_end(waker).map_ok(|()| None)
        })
    }

    /// The reading half is gone.
    pub(super) fn let_reader_go(self: &Arc<Self>) {
        self.with(|state| {
            state.inbound.let_go = true;
            state.inbound.drop_all();
            state.wants_service = true;
        });
    }

    /// The writing half is gone; what it wrote is still sent.
    pub(super) fn let_writer_go(self: &Arc<Self>) {
        self.with(|state| {
            state.outbound.let_go = true;
            if state.outbound.end == End::Open {
                state.outbound.end = End::Ending;
            }
            state.wants_service = true;
        });
    }
}

/// What a pipe adds to what its connection counts.
#[derive(Clone, Copy)]
struct HeldBytes {
    unsent: usize,
    granted: usize,
}

/// Adds to a count of all pipes what one of them has more, or less.
fn tell(count: &AtomicUsize, before: usize, after: usize) {
    if after > before {
        count.fetch_add(after - before, Relaxed);
    } else if after < before {
        count.fetch_sub(before - after, Relaxed);
    }
}

impl State {
    fn held_bytes(&self) -> HeldBytes {
        HeldBytes {
            unsent: self.outbound.bytes(),
            granted: self.inbound.granted_cost() as usize,
        }
    }

    fn new(stage: Stage, id: Option<StreamId>, kind: StreamKind) -> Self {
        Self {
            stage,
            id,
            inbound: Inbound::default(),
            outbound: Outbound::new(kind),
            fault: None,
            farewell: None,
            is_waiting: false,
            wants_service: false,
            reader: None,
            writer: None,
            woken: [None, None],
        }
    }

    /// Ends it. What came before the connection was lost may still be read.
    pub(super) fn fail(&mut self, error: StreamError) {
        if error != StreamError::Lost && self.inbound.drop_all() {
            // The end would say that all had been read.
            self.inbound.has_ended = false;
        }
        self.fault.get_or_insert(error);
        self.outbound.clear();
        self.wake_reader();
        self.wake_writer();
    }

    pub(super) fn wake_reader(&mut self) {
        self.woken[0] = self.reader.take().or(self.woken[0].take());
    }

    pub(super) fn wake_writer(&mut self) {
        self.woken[1] = self.writer.take().or(self.woken[1].take());
    }

    /// Wakes the writer if half of its queue is free.
    pub(super) fn wake_writer_if_room(&mut self, now: Micros) {
        if self.outbound.is_half_empty(now) {
            self.wake_writer();
        }
    }

    /// The fault, unless the peer had taken all that this end wrote before.
    fn check_unless_done(&self) -> Result<(), StreamError> {
        match &self.fault {
            Some(error) if self.outbound.end != End::Done => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn writable(&self) -> Result<(), StreamError> {
        match &self.fault {
            Some(error) => Err(error.clone()),
            None if self.outbound.end != End::Open => Err(StreamError::Ended),
            None => Ok(()),
        }
    }

    /// What a reader finds where no bytes wait.
    fn poll_end(&mut self, waker: Option<&Waker>) -> Poll<Result<(), StreamError>> {
        if self.inbound.has_ended && !matches!(self.fault, Some(StreamError::GivenUp)) {
            return Poll::Ready(Ok(()));
        }
        if let Some(error) = &self.fault {
            return Poll::Ready(Err(error.clone()));
        }
        self.reader = kept(self.reader.take(), waker);
        Poll::Pending
    }
}

/// The waker to keep: the old one if it wakes the same task.
fn kept(old: Option<Waker>, new: Option<&Waker>) -> Option<Waker> {
    match (old, new) {
        (Some(old), Some(new)) if old.will_wake(new) => Some(old),
        (_, Some(new)) => Some(new.clone()),
        (old, None) => old,
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pipe").field(&*self.lock()).finish()
    }
}
