//! What a connection's task and the handles of its streams share: the session, and what waits in it.
//!
//! In: messages, from the task; calls, from the handles. Out: messages for the socket, values for the
//! readers. The choice to question: one lock per connection instead of channels between tasks. The
//! session is one state machine; a handle that is inside it sees at once whether it may write, and a
//! value goes from the socket to its reader's queue without another hand-over. The lock is held for one
//! call, never across an await.

use core::task::{Context, Poll, Waker};
use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use slab::Slab;
use tickwire_protocol::{
    binaryjs::{Event, Role, Session, StreamKey},
    binarypack::{Dialect, Value},
};
use tokio::sync::{Notify, watch};

use super::{limits::SessionLimits, slot::Slot};

/// One connection, shared.
pub(super) struct Connection {
    state: Mutex<State>,
    /// A stream has arrived, or none will any more.
    pub(super) arrival: Notify,
    /// True once the connection is over.
    over: watch::Sender<bool>,
    pub(super) dialect: Dialect,
    pub(super) chunk_bytes: usize,
}

/// The part of a connection that changes.
pub(super) struct State {
    pub(super) session: Session,
    slots: Slab<Slot>,
    /// Which slot a stream that the session knows has.
    live: HashMap<StreamKey, usize>,
    /// Streams that the peer has opened and nobody has accepted yet.
    backlog: VecDeque<usize>,
    /// False once nobody will accept any more: then the peer's streams are closed at once.
    is_accepting: bool,
    /// Set by [`Connection::close`].
    pub(super) close_code: Option<u16>,
    is_over: bool,
    streams_max: usize,
    unsent_bytes_max: usize,
    /// Whether some writer waits for room in front of the socket.
    has_waiting_writers: bool,
    /// Whether the task has stopped reading its socket.
    pub(super) is_reading_stopped: bool,
    task: Option<Waker>,
}

/// What became of the bytes that the task handed in.
#[derive(Default)]
pub(super) struct Taken {
    /// What the peer did wrong.
    pub(super) faults: Vec<String>,
    /// Why streams of the peer were refused, if any were: once, however many.
    pub(super) refused: Option<String>,
    /// Whether streams have arrived.
    pub(super) has_arrivals: bool,
}

impl Connection {
    pub(super) fn new(
        role: Role,
        dialect: Dialect,
        chunk_bytes: usize,
        limits: &SessionLimits,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                session: Session::new(role, dialect, limits.clone()),
                slots: Slab::new(),
                live: HashMap::new(),
                backlog: VecDeque::new(),
                is_accepting: true,
                close_code: None,
                is_over: false,
                streams_max: limits.streams_max,
                unsent_bytes_max: limits.unsent_bytes_max,
                has_waiting_writers: false,
                is_reading_stopped: false,
                task: None,
            }),
            arrival: Notify::new(),
            over: watch::Sender::new(false),
            dialect,
            chunk_bytes,
        }
    }

    /// The state. A panic of a handler cannot break it: no code of a handler runs inside.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends everything: readers get what has come, then an error; writers get an error. Streams that came
    /// and wait to be accepted still are: peers write, end and close in one go.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        state.is_over = true;
        state.live.clear();
        for (_, slot) in &mut state.slots {
            slot.is_live = false;
            slot.wake();
        }
        drop(state);
        self.over.send_replace(true);
        self.arrival.notify_waiters();
    }

    /// Waits until the connection is over.
    pub(super) async fn over(&self) {
        // The sender is a field of ours: waiting cannot fail.
        let _ = self.over.subscribe().wait_for(|over| *over).await;
    }

    /// Asks the task to write what waits and to close.
    pub(super) fn close(&self, code: u16) {
        let mut state = self.lock();
        state.close_code.get_or_insert(code);
        state.wake_task();
    }

    /// Closes what nobody has accepted, and from now on every stream of the peer at once.
    pub(super) fn stop_accepting(&self) {
        let mut state = self.lock();
        state.is_accepting = false;
        while let Some(index) = state.backlog.pop_front() {
            state.slots[index].has_reader = false;
            state.release_writer(index);
        }
        state.wake_task();
        drop(state);
        self.arrival.notify_waiters();
    }

    /// The oldest stream that waits to be accepted, with its metadata. `None` in it: none will come.
    pub(super) fn try_accept(&self) -> Option<Option<(usize, StreamKey, Value)>> {
        let mut state = self.lock();
        let Some(index) = state.backlog.pop_front() else {
            return (state.is_over || !state.is_accepting).then_some(None);
        };
        let slot = &mut state.slots[index];
        let bytes = core::mem::take(&mut slot.metadata_bytes);
        let metadata = core::mem::replace(&mut slot.metadata, Value::Nil);
        let key = slot.key.clone();
        state.session.discard(bytes);
        state.wake_task_if_needed();
        Some(Some((index, key, metadata)))
    }

    /// Opens a stream of our own.
    pub(super) fn open(&self, metadata: &Value) -> io::Result<(usize, StreamKey)> {
        let mut state = self.lock();
        if state.is_over || state.close_code.is_some() {
            return Err(connection_over());
        }
        let streams_max = state.streams_max;
        if state.session.streams_open() >= streams_max {
            let reason = format!("{streams_max} streams are open, no more are allowed");
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, reason));
        }
        let opened = state.session.open(metadata);
        let key = opened.map_err(io::Error::other)?;
        let index = state.slots.insert(Slot::new(key.clone(), Value::Nil, 0));
        state.live.insert(key.clone(), index);
        state.wake_task();
        Ok((index, key))
    }
}

impl State {
    /// Whether the socket should be read.
    pub(super) fn wants_read(&self) -> bool {
        self.session.wants_read() && self.backlog.len() < self.streams_max
    }

    /// Puts the task to sleep until something changes.
    pub(super) fn sleep(&mut self, task: &Waker) {
        match &mut self.task {
            Some(old) => old.clone_from(task),
            none => *none = Some(task.clone()),
        }
    }

    /// Streams that are open, of both ends.
    pub(super) fn streams_open(&self) -> usize {
        self.live.len()
    }

    pub(super) fn wake_task(&mut self) {
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }

    /// After something was read: only a message to send or a socket to read again is worth a wake-up.
    fn wake_task_if_needed(&mut self) {
        if self.session.unsent_bytes() > 0 || (self.is_reading_stopped && self.session.wants_read())
        {
            self.wake_task();
        }
    }

    /// Lets writers go on once half of what may wait for the socket has gone.
    pub(super) fn wake_writers(&mut self) {
        if self.has_waiting_writers && self.session.unsent_bytes() < self.unsent_bytes_max / 2 {
            self.has_waiting_writers = false;
            for (_, slot) in &mut self.slots {
                if let Some(writer) = slot.writer.take() {
                    writer.wake();
                }
            }
        }
    }

    /// Brings what the session says to the streams it is about.
    pub(super) fn on_events(&mut self, taken: &mut Taken) {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Opened {
                    stream,
                    metadata,
                    bytes,
                } => {
                    // A stream that was closed is held until its handler lets it go, and counts.
                    let is_full = self.slots.len() >= self.streams_max;
                    if is_full {
                        let reason = format!("more than {} streams are held", self.streams_max);
                        taken.refused = Some(reason);
                    }
                    if self.is_accepting && !is_full {
                        let slot = Slot::new(stream.clone(), metadata, bytes);
                        let index = self.slots.insert(slot);
                        self.live.insert(stream, index);
                        self.backlog.push_back(index);
                        taken.has_arrivals = true;
                    } else {
                        self.session.discard(bytes);
                        self.session.close(&stream);
                    }
                }
                Event::Data {
                    stream,
                    value,
                    bytes,
                } => self.on_data(&stream, value, bytes),
                Event::Paused(_) => {}
                Event::Resumed(stream) => {
                    if let Some(slot) = self.slot(&stream)
                        && let Some(writer) = slot.writer.take()
                    {
                        writer.wake();
                    }
                }
                Event::Ended(stream) => {
                    if let Some(slot) = self.slot(&stream) {
                        slot.they_ended = true;
                        slot.wake();
                        self.forget_if_over(&stream);
                    }
                }
                Event::Closed(stream) => {
                    if let Some(index) = self.live.remove(&stream) {
                        self.slots[index].is_live = false;
                        self.slots[index].wake();
                    }
                }
                Event::Fault(text) => taken.faults.push(text),
                Event::Refused(text) => taken.refused = Some(text),
            }
        }
    }

    fn on_data(&mut self, stream: &StreamKey, value: Value, bytes: usize) {
        let slot = self.live.get(stream).map(|index| &mut self.slots[*index]);
        match slot {
            Some(slot) if slot.has_reader => {
                slot.values.push_back((value, bytes));
                if let Some(reader) = slot.reader.take() {
                    reader.wake();
                }
            }
            // Its reader is gone: read and forgotten, so that the peer's writer can finish.
            _ => self.session.consume(stream, bytes),
        }
    }

    fn slot(&mut self, stream: &StreamKey) -> Option<&mut Slot> {
        let index = self.live.get(stream)?;
        self.slots.get_mut(*index)
    }

    /// The session has freed a stream that both ends have ended; its key may come again.
    fn forget_if_over(&mut self, stream: &StreamKey) {
        if let Some(slot) = self.slot(stream)
            && slot.we_ended
            && slot.they_ended
        {
            slot.is_live = false;
            self.live.remove(stream);
        }
    }

    /// The next value of a stream, or `None` at its end.
    pub(super) fn poll_value(
        &mut self,
        index: usize,
        context: &Context<'_>,
    ) -> Poll<io::Result<Option<Value>>> {
        let slot = &mut self.slots[index];
        let Some((value, bytes)) = slot.values.pop_front() else {
            return if slot.they_ended {
                Poll::Ready(Ok(None))
            } else if slot.is_live {
                slot.reader = Some(context.waker().clone());
                Poll::Pending
            } else if self.is_over {
                Poll::Ready(Err(connection_over()))
            } else {
                Poll::Ready(Err(stream_closed()))
            };
        };
        let slot = &self.slots[index];
        if slot.is_live {
            self.session.consume(&slot.key, bytes);
        } else {
            self.session.discard(bytes);
        }
        self.wake_task_if_needed();
        Poll::Ready(Ok(Some(value)))
    }

    /// Whether a stream takes a value now.
    pub(super) fn poll_writable(
        &mut self,
        index: usize,
        context: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_writable(index)?;
        let slot = &mut self.slots[index];
        if self.session.is_writable(&slot.key) {
            return Poll::Ready(Ok(()));
        }
        slot.writer = Some(context.waker().clone());
        self.has_waiting_writers = true;
        Poll::Pending
    }

    fn check_writable(&self, index: usize) -> io::Result<()> {
        let slot = &self.slots[index];
        if self.is_over || self.close_code.is_some() {
            Err(connection_over())
        } else if slot.we_ended {
            let reason = "our half of the stream has ended";
            Err(io::Error::new(io::ErrorKind::BrokenPipe, reason))
        } else if slot.is_live {
            Ok(())
        } else {
            Err(stream_closed())
        }
    }

    pub(super) fn write(&mut self, index: usize, value: &Value) -> io::Result<()> {
        self.check_writable(index)?;
        let written = self.session.write(&self.slots[index].key, value);
        self.wake_task();
        written.map(drop).map_err(io::Error::other)
    }

    pub(super) fn write_bytes(&mut self, index: usize, bytes: &[u8]) -> io::Result<()> {
        self.check_writable(index)?;
        let written = self.session.write_bytes(&self.slots[index].key, bytes);
        self.wake_task();
        written.map(drop).map_err(io::Error::other)
    }

    /// Ends our half. Once more, or on a stream that is gone, it does nothing.
    pub(super) fn end(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if slot.is_live && !slot.we_ended {
            slot.we_ended = true;
            let key = slot.key.clone();
            self.session.end(&key);
            self.forget_if_over(&key);
            self.wake_task();
        }
    }

    /// Closes both halves.
    pub(super) fn close(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if slot.is_live {
            slot.is_live = false;
            slot.wake();
            self.session.close(&slot.key);
            self.live.remove(&slot.key);
            self.wake_task();
        }
    }

    /// Asks the peer to pause by hand, or takes that back.
    pub(super) fn hold(&mut self, index: usize, is_held: bool) {
        let slot = &self.slots[index];
        if slot.is_live {
            if is_held {
                self.session.pause(&slot.key);
            } else {
                self.session.resume(&slot.key);
            }
            self.wake_task();
        }
    }

    pub(super) fn is_paused(&self, index: usize) -> bool {
        let slot = &self.slots[index];
        slot.is_live && self.session.is_paused(&slot.key)
    }

    /// The reading half was dropped: what is unread, and what will come, is forgotten.
    pub(super) fn release_reader(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.has_reader = false;
        slot.reader = None;
        let bytes: usize = slot.values.drain(..).map(|(_, bytes)| bytes).sum();
        if slot.is_live {
            self.session.consume(&slot.key, bytes);
            // A pause by hand would keep the peer from ever ending.
            self.session.resume(&slot.key);
        } else {
            self.session.discard(bytes);
        }
        self.release_if_unused(index);
        self.wake_task_if_needed();
    }

    /// The writing half was dropped: our half ends. When nobody reads either and the peer has not
    /// ended, the stream is closed, or the peer would write for nobody.
    pub(super) fn release_writer(&mut self, index: usize) {
        self.slots[index].has_writer = false;
        if self.slots[index].has_reader || self.slots[index].they_ended {
            self.end(index);
        }
        self.release_if_unused(index);
    }

    fn release_if_unused(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if slot.has_reader || slot.has_writer {
            return;
        }
        let bytes: usize = slot.values.drain(..).map(|(_, bytes)| bytes).sum();
        let bytes = bytes + slot.metadata_bytes;
        self.session.discard(bytes);
        self.close(index);
        self.slots.remove(index);
    }
}

fn connection_over() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the connection is closed")
}

fn stream_closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the stream was closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(streams_max: usize) -> Connection {
        let limits = SessionLimits {
            streams_max,
            ..SessionLimits::default()
        };
        Connection::new(Role::Acceptor, Dialect::Node, 1, &limits)
    }

    /// Takes frames of the peer.
    fn take(connection: &Connection, frames: &[&[u8]]) -> Taken {
        let mut taken = Taken::default();
        let mut state = connection.lock();
        for frame in frames {
            state.session.handle_message(frame);
            state.on_events(&mut taken);
        }
        taken
    }

    fn messages(connection: &Connection) -> Vec<Vec<u8>> {
        let mut state = connection.lock();
        core::iter::from_fn(|| state.session.poll_message()).collect()
    }

    #[test]
    fn a_peer_that_closes_what_it_opens_gets_no_more_handlers_than_it_may_have_streams() {
        let connection = connection(2);
        let mut accepted = Vec::new();
        for id in [0, 2] {
            take(&connection, &[&[0x93, 1, 0xc0, id], &[0x93, 6, 0xc0, id]]);
            accepted.extend(connection.try_accept().flatten());
        }
        let taken = take(&connection, &[&[0x93, 1, 0xc0, 4]]);
        assert_eq!((accepted.len(), taken.faults.len()), (2, 0));
        assert!(taken.refused.is_some());
        assert!(connection.try_accept().is_none());
        assert_eq!(messages(&connection), [[0x93, 6, 0xc0, 4]]);

        let mut state = connection.lock();
        state.release_reader(accepted[0].0);
        state.release_writer(accepted[0].0);
        drop(state);
        assert!(take(&connection, &[&[0x93, 1, 0xc0, 6]]).refused.is_none());
        assert!(connection.try_accept().is_some());
    }

    #[test]
    fn streams_that_came_before_the_end_are_accepted_after_it() {
        let connection = connection(2);
        let frames: [&[u8]; 3] = [&[0x93, 1, 0xc0, 0], &[0x93, 2, 7, 0], &[0x93, 5, 0xc0, 0]];
        take(&connection, &frames);
        connection.finish();
        let (index, ..) = connection.try_accept().flatten().expect("it came in time");
        assert_eq!(connection.try_accept(), Some(None));
        let mut state = connection.lock();
        let context = Context::from_waker(Waker::noop());
        for value in [Some(7.into()), None] {
            let Poll::Ready(Ok(read)) = state.poll_value(index, &context) else {
                panic!("{value:?} is lost");
            };
            assert_eq!(read, value);
        }
    }

    #[test]
    fn dropping_a_reader_that_was_paused_by_hand_lets_the_peer_write_on() {
        let connection = connection(2);
        take(&connection, &[&[0x93, 1, 0xc0, 0]]);
        let (index, ..) = connection.try_accept().flatten().unwrap();
        connection.lock().hold(index, true);
        assert_eq!(messages(&connection), [[0x93, 3, 0xc0, 0]]);
        connection.lock().release_reader(index);
        assert_eq!(messages(&connection), [[0x93, 4, 0xc0, 0]]);
    }
}
