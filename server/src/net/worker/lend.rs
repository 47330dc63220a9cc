//! Hands that other cores lend to a room whose tick takes long.
//!
//! In: the reads, the capture, the sections or the messages of one tick. Out: the same bytes from and to the same
//! sockets, by several threads. The choice to question: no pool. A thread that is started for the tick and joined in it costs
//! 50 µs and needs nobody to keep, park and end it; a tick that borrows takes a hundred times that. Nothing
//! is shared but the queue of batches: each socket belongs to one thread at a time, and the room stays where
//! it is, so its bytes are the same whoever helps.

use core::ops::Range;
use std::{
    io, panic,
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, TrySendError, sync_channel},
    },
    thread::{self, Scope, ScopedJoinHandle},
    vec,
};

use slab::Slab;
use tickwire_protocol::time::Micros;

use super::{
    Connection, Worker,
    read::BATCH_READ_BYTES,
    rooms::RoomSlot,
    send::{BATCH_WRITE_BYTES, Delivered, make_message},
    tick::Stepped,
};
use crate::{
    limits::{HELPED_BATCHES_WAITING_MAX, HELPED_TICK_PERCENT, HELPERS_MAX},
    prefetch::CONNECTIONS_AHEAD,
    threads::{Threads, share},
};

/// Messages that are made and wait for somebody to write them.
struct Batch<'a> {
    bytes: Vec<u8>,
    writes: Vec<(usize, &'a mut Connection, Range<usize>)>,
}

/// What reading a socket gave.
pub(super) type Read = io::Result<Option<usize>>;

impl Worker {
    /// How many threads help with a room's tick: as many as there are workers with time to spare, if it
    /// is heavy.
    pub(super) fn helpers_for(&self, room: usize) -> usize {
        let Some(slot) = self.rooms.get(room) else {
            return 0;
        };
        let share = slot.tick_micros * u64::from(slot.room.tick_rate_hz());
        if share <= Micros::PER_SECOND * HELPED_TICK_PERCENT / 100 {
            return 0;
        }
        self.shared
            .directory
            .idle_beside(self.index)
            .min(HELPERS_MAX)
    }

    /// Writes each player its message: this thread makes them, and all write what is made.
    pub(super) fn deliver_helped(
        &mut self,
        stepped: &mut Stepped,
        helpers: usize,
        now: Micros,
        counts: &mut Delivered,
    ) {
        let room = stepped.room;
        let Self {
            connections,
            rooms,
            busy,
            ..
        } = self;
        let Some(slot) = rooms.get_mut(room) else {
            return;
        };
        let mut connections = by_key(connections);
        let mut members = (0..slot.places())
            .filter_map(|place| slot.member(place))
            .filter_map(|key| Some((key, connections[key].take()?)))
            .collect::<Vec<_>>()
            .into_iter();
        let (give, take) = sync_channel(helpers * HELPED_BATCHES_WAITING_MAX);
        let take = Mutex::new(take);
        thread::scope(|scope| {
            let helpers = start(scope, helpers, || write_batches(&take, now));
            while members.len() > 0 {
                let batch = next_batch(&mut members, slot, busy, now, counts);
                // When nobody comes round to it, it is this thread's.
                if let Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) =
                    give.try_send(batch)
                {
                    batch.write(now, counts);
                }
            }
            drop(give);
            counts.add(write_batches(&take, now));
            for helper in helpers {
                counts.add(join(helper));
            }
        });
        stepped.messages = counts.messages;
        stepped.snapshots = counts.snapshots;
    }

    /// Reads sockets into places of [`BATCH_READ_BYTES`], one each, and gives what each read gave.
    pub(super) fn read_helped(
        &mut self,
        keys: &[usize],
        helpers: usize,
        buffer: &mut [u8],
        reads: &mut Vec<Read>,
    ) {
        let mut connections = by_key(&mut self.connections);
        let mut sockets: Vec<_> = keys
            .iter()
            .map(|&key| connections.get_mut(key).and_then(Option::take))
            .collect();
        reads.extend(sockets.iter().map(|_| Ok(None)));
        let len = sockets.len().div_ceil(helpers + 1).max(1);
        let pieces = sockets
            .chunks_mut(len)
            .zip(reads.chunks_mut(len))
            .zip(buffer.chunks_mut(len * BATCH_READ_BYTES));
        share(&Lent(helpers), pieces, |((sockets, reads), buffer)| {
            let places = buffer.chunks_exact_mut(BATCH_READ_BYTES);
            for ((connection, read), place) in sockets.iter_mut().zip(reads).zip(places) {
                if let Some(connection) = connection {
                    *read = connection.socket.try_read(place);
                }
            }
        });
    }
}

/// So many threads, lent for as long as one piece of work takes.
pub(super) struct Lent(pub(super) usize);

impl Threads for Lent {
    fn count(&self) -> usize {
        self.0
    }

    fn run(&self, work: &(dyn Fn() + Sync)) {
        thread::scope(|scope| {
            let helpers = start(scope, self.0, work);
            work();
            helpers.into_iter().for_each(join);
        });
    }
}

/// The connections of a worker, to be given out one by one.
fn by_key(connections: &mut Slab<Connection>) -> Vec<Option<&mut Connection>> {
    let mut by_key = Vec::new();
    by_key.resize_with(connections.capacity(), || None);
    for (key, connection) in connections.iter_mut() {
        by_key[key] = Some(connection);
    }
    by_key
}

/// Makes the messages of the next members, as many as are written in one go.
fn next_batch<'a>(
    members: &mut vec::IntoIter<(usize, &'a mut Connection)>,
    slot: &mut RoomSlot,
    busy: &mut Vec<usize>,
    started: Micros,
    counts: &mut Delivered,
) -> Batch<'a> {
    let mut batch = Batch {
        bytes: Vec::with_capacity(BATCH_WRITE_BYTES * 5 / 4),
        writes: Vec::new(),
    };
    while batch.bytes.len() < BATCH_WRITE_BYTES
        && let Some((key, connection)) = members.next()
    {
        if let Some((_, next)) = members.as_slice().get(CONNECTIONS_AHEAD) {
            next.prefetch();
        }
        let out = &mut batch.bytes;
        if let Some(range) = make_message(key, connection, slot, busy, out, started, counts) {
            batch.writes.push((key, connection, range));
        }
    }
    batch
}

impl Batch<'_> {
    fn write(self, started: Micros, counts: &mut Delivered) {
        let mut writes = self.writes.into_iter();
        while let Some((key, connection, message)) = writes.next() {
            if let Some((_, next, _)) = writes.as_slice().first() {
                next.prefetch();
            }
            let written = connection.write(&self.bytes[message], started);
            counts.count_write(key, &written);
        }
    }
}

/// Writes batches until there are no more.
fn write_batches(take: &Mutex<Receiver<Batch<'_>>>, started: Micros) -> Delivered {
    let mut counts = Delivered::default();
    let next = || take.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(batch) = next() {
        batch.write(started, &mut counts);
    }
    counts
}

/// Starts so many helpers, or as many as the system allows: what they do not do is done without them.
fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    helpers: usize,
    work: impl Fn() -> T + Copy + Send + 'scope,
) -> Vec<ScopedJoinHandle<'scope, T>> {
    let helper = || {
        let thread = thread::Builder::new().name("tickwire-helper".into());
        thread.spawn_scoped(scope, work).ok()
    };
    (0..helpers).map_while(|_| helper()).collect()
}

fn join<T>(helper: ScopedJoinHandle<'_, T>) -> T {
    helper
        .join()
        .unwrap_or_else(|panic| panic::resume_unwind(panic))
}
