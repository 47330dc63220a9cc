//! Bytes in and out of a worker's sockets.

use std::io;

use tickwire_protocol::{
    error::{CloseCode, PeerError, PeerMisbehaved},
    limits::CLIENT_MESSAGE_BYTES_MAX,
    session::Traffic,
    time::Micros,
    websocket::{Item, Opcode, PeerClose},
};

use super::{Connection, Phase, READS_AT_A_TIME, Worker, guarded, rates::SMALL_MESSAGE_BYTES};
use crate::room::{Room, SeatIndex};

/// Bytes for each socket that is read in a batch: several inputs of a player fit.
const BATCH_READ_BYTES: usize = 1024;

/// Bytes of messages made before they are written: they stay in the core's second cache.
const BATCH_WRITE_BYTES: usize = 32 * 1024;

/// What delivering one tick counts.
#[derive(Default)]
struct Delivered {
    messages: u64,
    snapshots: u64,
    skipped: u64,
    blocked: u64,
}

/// What reading one item of a connection asks for.
enum Next {
    /// Read on.
    Item,
    /// Read on, and serve the connection soon: it sends bulk, and wants to know how it fares.
    Marked,
    /// Everything was read.
    Done,
    /// The connection said hello; what is left of the bytes is its room's.
    Hello(Box<tickwire_protocol::session::Hello>),
    /// The peer closed.
    Closed(PeerClose),
    /// The peer broke a rule.
    Broke(PeerError),
    /// The game panicked.
    Panicked(usize),
}

/// Bytes of streams that a player has sent so far, to tell after a message of so many bytes what of it they
/// were. Small ones count whole.
fn carried(room: &Room, seat: SeatIndex, message_bytes: usize) -> u64 {
    let is_large = message_bytes >= SMALL_MESSAGE_BYTES;
    let traffic = is_large.then(|| room.traffic(seat)).flatten();
    traffic.map_or(0, |traffic| traffic.opened.in_bytes)
}

impl Worker {
    /// Reads a socket that is ready, through the worker's one buffer.
    pub(super) fn read(&mut self, key: usize, now: Micros) {
        let mut buffer = core::mem::take(&mut self.read_buffer);
        for _ in 0..READS_AT_A_TIME {
            let Some(connection) = self.connections.get_mut(key) else {
                break;
            };
            let read = connection.socket.try_read(&mut buffer);
            if !self.take_read(key, read, &mut buffer, now) {
                break;
            }
        }
        self.read_buffer = buffer;
        // What is left waits for the next turn.
        self.queue_read(key);
    }

    /// Reads many sockets that are ready: first the system calls, then what came by them.
    ///
    /// A system call leaves the core's nearest caches full of the kernel. In turns with it, our own code
    /// would start cold for every socket.
    pub(super) fn read_batched(&mut self, keys: &[usize], now: Micros) {
        let mut buffer = core::mem::take(&mut self.batch_buffer);
        let mut reads = core::mem::take(&mut self.batch_reads);
        for keys in keys.chunks(buffer.len() / BATCH_READ_BYTES) {
            for (&key, place) in keys.iter().zip(buffer.chunks_exact_mut(BATCH_READ_BYTES)) {
                if let Some(connection) = self.connections.get_mut(key) {
                    reads.push((key, connection.socket.try_read(place)));
                }
            }
            for ((key, read), place) in reads
                .drain(..)
                .zip(buffer.chunks_exact_mut(BATCH_READ_BYTES))
            {
                // Who sends more than players do is read on alone.
                if self.take_read(key, read, place, now) {
                    self.read(key, now);
                }
            }
        }
        self.batch_buffer = buffer;
        self.batch_reads = reads;
    }

    /// Takes what one read of a socket gave. Says whether the socket may have more.
    fn take_read(
        &mut self,
        key: usize,
        read: io::Result<Option<usize>>,
        buffer: &mut [u8],
        now: Micros,
    ) -> bool {
        // What came before it on the same turn may have ended it.
        let Some(connection) = self.connections.get_mut(key) else {
            return false;
        };
        match read {
            Ok(Some(0)) | Err(_) => {
                self.on_broken(key, now);
                false
            }
            Ok(None) => {
                connection.readiness.readable = false;
                false
            }
            Ok(Some(bytes)) => {
                // A short read means drained, unless the end stands behind the bytes.
                let is_drained = bytes < buffer.len() && !connection.readiness.read_closed;
                connection.readiness.readable = !is_drained;
                self.feed(key, &mut buffer[..bytes], now);
                !is_drained
            }
        }
    }

    /// Takes bytes of a connection, item by item, until they are used up or the connection is over.
    pub(super) fn feed(&mut self, key: usize, bytes: &mut [u8], now: Micros) {
        let mut input = bytes;
        loop {
            match self.take_item(key, &mut input, now) {
                Next::Item => {}
                Next::Marked => {
                    self.connections[key].attend_bulk(now);
                    self.mark_busy(key);
                }
                Next::Done => return,
                Next::Hello(hello) => return self.route(key, *hello, input, now),
                Next::Closed(close) => return self.on_peer_close(key, &close, now),
                Next::Broke(error) => return self.condemn(key, &error, now),
                Next::Panicked(room) => return self.on_room_panicked(room, now),
            }
        }
    }

    fn take_item(&mut self, key: usize, input: &mut &mut [u8], now: Micros) -> Next {
        let Some(connection) = self.connections.get_mut(key) else {
            return Next::Done;
        };
        let is_paced_by_marks = connection.is_paced_by_marks;
        let Connection {
            reader,
            phase,
            rates,
            ..
        } = connection;
        if let Phase::Closing { bytes_left, .. } = phase {
            *bytes_left = bytes_left.saturating_sub(input.len());
            if *bytes_left == 0 {
                self.drop_connection(key);
                return Next::Done;
            }
        }
        let item = match reader.read(input) {
            Ok(Some(item)) => item,
            Ok(None) => return Next::Done,
            Err(error) => return Next::Broke(error.into()),
        };
        let is_over = matches!(phase, Phase::Closing { .. });
        let bytes = match &item {
            Item::Binary(payload) | Item::Ping(payload) | Item::Pong(payload) => payload.len(),
            Item::Text(text) => text.len(),
            Item::Close(_) => 0,
        };
        self.metrics.messages_in.add(1);
        if !is_over && let Err(error) = rates.spend(bytes, &self.shared.limits, now) {
            return Next::Broke(error.into());
        }
        match (item, phase) {
            (Item::Close(close), _) => return Next::Closed(close),
            (_, Phase::Closing { .. }) | (Item::Pong(_), _) => {}
            (Item::Text(_), _) => return Next::Broke(PeerMisbehaved::TextMessage.into()),
            (Item::Ping(payload), _) => {
                let mut pong = [0; tickwire_protocol::websocket::CONTROL_BYTES_MAX];
                let length = payload.len();
                pong[..length].copy_from_slice(payload);
                connection.queue_pong(&pong[..length]);
            }
            (Item::Binary(message), Phase::Seated { room, seat }) => {
                let (key, seat) = (*room, *seat);
                let room = &mut self.rooms[key].room;
                let before = carried(room, seat, bytes);
                let answered = is_paced_by_marks.then(|| room.marks_answered(seat));
                match guarded(|| room.handle_message(seat, message, now)) {
                    Some(Ok(())) => {}
                    Some(Err(error)) => return Next::Broke(error),
                    None => return Next::Panicked(key),
                }
                let stream_bytes = carried(room, seat, bytes).saturating_sub(before);
                rates.refund(stream_bytes, &self.shared.limits);
                if bytes < SMALL_MESSAGE_BYTES
                    && answered.is_some_and(|before| before < room.marks_answered(seat))
                {
                    rates.refund_message(&self.shared.limits);
                }
                if bytes >= SMALL_MESSAGE_BYTES && room.is_marked(seat) {
                    return Next::Marked;
                }
            }
            (Item::Binary(message), Phase::Greeting { session, .. }) => {
                match Self::greet(session, message, now) {
                    Ok(Some(hello)) => return Next::Hello(hello),
                    Ok(None) => {}
                    Err(error) => return Next::Broke(error),
                }
            }
        }
        Next::Item
    }

    /// Writes each player of a room its message of this tick: some messages are made, then written, then
    /// the next. See [`read_batched`](Self::read_batched).
    pub(super) fn deliver(&mut self, room: usize, started: Micros) {
        let mut batch = core::mem::take(&mut self.batch_writes);
        let mut counts = Delivered::default();
        let mut broken = Vec::new();
        let mut place = 0;
        while place < self.rooms[room].places() {
            self.out.clear();
            while place < self.rooms[room].places() && self.out.len() < BATCH_WRITE_BYTES {
                if let Some(key) = self.rooms[room].member(place) {
                    let start = self.out.len();
                    match self.make_message(key, started, &mut counts) {
                        Ok(true) => batch.push((key, start..self.out.len())),
                        Ok(false) => {}
                        Err(_) => broken.push(key),
                    }
                }
                place += 1;
            }
            for (key, message) in batch.drain(..) {
                match self.connections[key].write(&self.out[message], started) {
                    Ok(true) => {}
                    Ok(false) => counts.blocked += 1,
                    Err(_) => broken.push(key),
                }
            }
        }
        self.batch_writes = batch;
        self.metrics.messages_out.add(counts.messages);
        self.metrics.snapshots_written.add(counts.snapshots);
        self.metrics.snapshots_skipped_socket.add(counts.skipped);
        self.metrics.would_block.add(counts.blocked);
        let age = self.now().since(started);
        self.metrics
            .snapshot_age
            .observe_many(age, counts.snapshots);
        for key in broken {
            self.on_broken(key, started);
        }
    }

    /// Appends a player's message of this tick. Says whether there is anything to write.
    fn make_message(
        &mut self,
        key: usize,
        started: Micros,
        counts: &mut Delivered,
    ) -> io::Result<bool> {
        let connection = &mut self.connections[key];
        let Phase::Seated { room, seat } = connection.phase else {
            return Ok(false);
        };
        if !connection.clear_the_way(started)? {
            counts.skipped += 1;
            return Ok(false);
        }
        let begun = connection.writer.begin(&mut self.out);
        let slot = &mut self.rooms[room];
        let transmitted = slot.room.poll_transmit(seat, started, &mut self.out);
        if transmitted.any {
            connection
                .writer
                .finish(begun, Opcode::Binary, &mut self.out);
        } else {
            connection.writer.abandon(begun, &mut self.out);
        }
        counts.messages += u64::from(transmitted.any);
        counts.snapshots += u64::from(transmitted.snapshot);
        let has_something = transmitted.any || connection.has_pending();
        if slot.room.wants_transmit(seat) {
            self.mark_busy(key);
        }
        Ok(has_something)
    }

    /// The peer has sent its close frame: answer it, unless it is the answer to ours.
    fn on_peer_close(&mut self, key: usize, close: &PeerClose, now: Micros) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if let Phase::Closing { .. } = connection.phase {
            return self.drop_connection(key);
        }
        let code = close
            .code
            .and_then(CloseCode::from_number)
            .unwrap_or(CloseCode::Normal);
        if let Phase::Seated { room, seat } = connection.phase {
            self.count_carried(key, room, seat);
            self.leave_seat(room, seat, now);
        }
        self.close(key, &[], code, "", now);
        // Both have said it: nothing more will come. What the socket takes now is all it gets.
        self.drop_connection(key);
    }

    /// The connection is gone without a close frame.
    pub(super) fn on_broken(&mut self, key: usize, now: Micros) {
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        if !matches!(connection.phase, Phase::Closing { .. }) {
            self.metrics.count_close(None);
            connection
                .span
                .in_scope(|| tracing::debug!(code = 1006, "broke"));
        }
        if let Phase::Seated { room, seat } = connection.phase {
            self.count_carried(key, room, seat);
            self.leave_seat(room, seat, now);
        }
        self.drop_connection(key);
    }

    pub(super) fn leave_seat(&mut self, room: usize, seat: SeatIndex, now: Micros) {
        let Some(slot) = self.rooms.get_mut(room) else {
            return;
        };
        slot.set_member(seat, None);
        if guarded(|| slot.room.handle_disconnect(seat, now)).is_none() {
            return self.on_room_panicked(room, now);
        }
        self.act_on_room_events(room, now);
    }

    /// Sends the last message and the close frame, and waits for the peer's.
    pub(super) fn close(
        &mut self,
        key: usize,
        farewell: &[u8],
        code: CloseCode,
        reason: &str,
        now: Micros,
    ) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.begin_closing(farewell, code, reason, now);
        self.metrics.count_close(Some(code));
        if connection.flush(now).is_err() {
            self.drop_connection(key);
        } else {
            self.mark_busy(key);
        }
    }

    pub(super) fn drop_connection(&mut self, key: usize) {
        if let Some(mut connection) = self.connections.try_remove(key) {
            self.metrics.connections.add(-1);
            // The socket closes as it is dropped, and leaves the poll with it.
            let _ = connection.socket.deregister(self.poll.registry());
        }
    }

    /// Ends connections that say nothing or take nothing, and counts what the others have carried.
    pub(super) fn sweep_connections(&mut self, now: Micros) {
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            let Some(connection) = self.connections.get_mut(key) else {
                continue;
            };
            if connection.blocked_for(now) > self.shared.limits.stall_max {
                self.condemn(key, &PeerMisbehaved::TooSlow("its socket").into(), now);
                // It takes no farewell either.
                self.drop_connection(key);
                continue;
            }
            match connection.phase {
                Phase::Greeting { until, .. } if until <= now => self.condemn_overdue(key, now),
                Phase::Seated { room, seat } => self.count_carried(key, room, seat),
                _ => {}
            }
        }
    }

    /// Counts what a player's session has carried since it was counted last.
    fn count_carried(&mut self, key: usize, room: usize, seat: SeatIndex) {
        let traffic = self
            .rooms
            .get(room)
            .and_then(|slot| slot.room.traffic(seat));
        if let Some(traffic) = traffic {
            self.count_traffic(key, &traffic);
        }
    }

    pub(super) fn count_traffic(&mut self, key: usize, traffic: &Traffic) {
        if let Some(connection) = self.connections.get_mut(key) {
            self.metrics.count_traffic(traffic, &connection.counted);
            connection.counted = *traffic;
        }
    }
}

const _: () = assert!(CLIENT_MESSAGE_BYTES_MAX <= crate::limits::CLOSING_BYTES_MAX);
