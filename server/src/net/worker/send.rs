//! A room's tick on its way out: one message for each player, one write each.
//!
//! In: a room that has ticked. Out: bytes to its players' sockets. The choice to question: making and
//! writing take turns by batches and not by players. A system call leaves the core's nearest caches full of
//! the kernel; in turns with it, our own code would start cold for every player. Batches are also what
//! [helpers](super::lend) take off a worker whose room is heavy.

use core::ops::Range;
use std::io;

use slab::Slab;
use tickwire_protocol::{time::Micros, websocket::Opcode};

use super::{Connection, Phase, Worker, rooms::RoomSlot, tick::Stepped};
use crate::prefetch::CONNECTIONS_AHEAD;

/// Bytes of messages made before they are written: they stay in the core's second cache.
pub(super) const BATCH_WRITE_BYTES: usize = 32 * 1024;

/// What delivering one tick counts.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    pub(super) messages: u64,
    pub(super) snapshots: u64,
    skipped: u64,
    blocked: u64,
    /// Connections that broke.
    broken: Vec<usize>,
}

impl Worker {
    /// Writes each player of these rooms its message of this tick. Who is helped is the only one.
    pub(super) fn deliver(
        &mut self,
        stepped: &mut [Stepped],
        helpers: usize,
        now: Micros,
    ) -> Delivered {
        let mut counts = Delivered::default();
        match stepped {
            [room] if helpers > 0 && room.is_delivered => {
                self.deliver_helped(room, helpers, now, &mut counts);
            }
            _ => self.deliver_alone(stepped, now, &mut counts),
        }
        self.metrics.messages_out.add(counts.messages);
        self.metrics.snapshots_written.add(counts.snapshots);
        self.metrics.snapshots_skipped_socket.add(counts.skipped);
        self.metrics.would_block.add(counts.blocked);
        for key in core::mem::take(&mut counts.broken) {
            self.on_write_failed(key, now);
        }
        counts
    }

    fn deliver_alone(&mut self, stepped: &mut [Stepped], now: Micros, counts: &mut Delivered) {
        let Self {
            connections,
            rooms,
            busy,
            out,
            batch_writes: batch,
            ..
        } = self;
        out.clear();
        for room in stepped.iter_mut().filter(|room| room.is_delivered) {
            let Some(slot) = rooms.get_mut(room.room) else {
                continue;
            };
            let before = (counts.messages, counts.snapshots);
            for place in 0..slot.places() {
                let ahead = slot.member(place + CONNECTIONS_AHEAD);
                if let Some(connection) = ahead.and_then(|key| connections.get(key)) {
                    connection.prefetch();
                }
                if let Some(key) = slot.member(place) {
                    let connection = &mut connections[key];
                    let message = make_message(key, connection, slot, busy, out, now, counts);
                    batch.extend(message.map(|range| (key, range)));
                }
                if out.len() >= BATCH_WRITE_BYTES {
                    write_batch(connections, batch, out, now, counts);
                }
            }
            room.messages = counts.messages - before.0;
            room.snapshots = counts.snapshots - before.1;
        }
        write_batch(connections, batch, out, now, counts);
    }
}

impl Delivered {
    /// Counts what another thread has done as well.
    pub(super) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.snapshots += other.snapshots;
        self.skipped += other.skipped;
        self.blocked += other.blocked;
        self.broken.extend(other.broken);
    }

    /// Counts one write of a connection.
    pub(super) fn count_write(&mut self, key: usize, written: &io::Result<bool>) {
        match written {
            Ok(true) => {}
            Ok(false) => self.blocked += 1,
            Err(_) => self.broken.push(key),
        }
    }
}

/// Writes the messages that lie in `out`, and empties it.
fn write_batch(
    connections: &mut Slab<Connection>,
    batch: &mut Vec<(usize, Range<usize>)>,
    out: &mut Vec<u8>,
    now: Micros,
    counts: &mut Delivered,
) {
    let mut writes = batch.drain(..);
    while let Some((key, message)) = writes.next() {
        if let Some((next, _)) = writes.as_slice().first() {
            connections[*next].prefetch();
        }
        let written = connections[key].write(&out[message], now);
        counts.count_write(key, &written);
    }
    out.clear();
}

/// Appends a player's message of this tick, and says where it lies if there is anything to write.
pub(super) fn make_message(
    key: usize,
    connection: &mut Connection,
    slot: &mut RoomSlot,
    busy: &mut Vec<usize>,
    out: &mut Vec<u8>,
    started: Micros,
    counts: &mut Delivered,
) -> Option<Range<usize>> {
    let Phase::Seated { seat, .. } = connection.phase else {
        return None;
    };
    match connection.clear_the_way(started) {
        Ok(true) => {}
        Ok(false) => {
            counts.skipped += 1;
            return None;
        }
        Err(_) => {
            counts.broken.push(key);
            return None;
        }
    }
    slot.room.seats().prefetch_after(seat);
    let start = out.len();
    let begun = connection.writer.begin(out);
    let transmitted = slot.room.poll_transmit(seat, started, out);
    if transmitted.any {
        connection.writer.finish(begun, Opcode::Binary, out);
    } else {
        connection.writer.abandon(begun, out);
    }
    counts.messages += u64::from(transmitted.any);
    counts.snapshots += u64::from(transmitted.snapshot);
    if slot.room.wants_transmit(seat) {
        connection.mark_busy(key, busy);
    }
    (transmitted.any || connection.has_pending()).then_some(start..out.len())
}
