//! Bytes in: from a worker's sockets to its rooms.

use tickwire_protocol::{
    error::{PeerError, PeerMisbehaved},
    limits::SMALL_MESSAGE_BYTES,
    time::Micros,
    websocket::{Item, PeerClose},
};

use super::{Connection, Phase, READS_AT_A_TIME, Worker, guarded, lend::Read};
use crate::{
    prefetch::{CONNECTIONS_AHEAD, SEATS_AHEAD, SESSIONS_AHEAD},
    room::{Room, SeatIndex},
};

/// Sockets that are read before what came is looked at.
const READS_IN_A_BATCH: usize = 64;

/// The same where others help: below it, starting them takes longer than they save.
pub(super) const HELPED_READS: usize = 1024;

/// Bytes for each socket that is read in a batch: several inputs of a player fit.
pub(super) const BATCH_READ_BYTES: usize = 1024;

/// What reading one item of a connection asks for.
enum Next {
    /// Read on.
    Item,
    /// Read on, and serve the connection soon and often: it sends bulk, and goes by when it is read.
    Uploaded,
    /// Read on, once the room's events are acted on: the player has said goodbye.
    Left(usize),
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
    pub(super) fn read_batched(&mut self, keys: &[usize], helpers: usize, now: Micros) {
        let mut buffer = core::mem::take(&mut self.batch_buffer);
        let mut reads = core::mem::take(&mut self.batch_reads);
        let is_helped = helpers > 0 && keys.len() >= HELPED_READS;
        let at_once = if is_helped {
            HELPED_READS
        } else {
            READS_IN_A_BATCH
        };
        if buffer.len() < at_once * BATCH_READ_BYTES {
            buffer.resize(at_once * BATCH_READ_BYTES, 0);
        }
        for keys in keys.chunks(at_once) {
            if is_helped {
                self.read_helped(keys, helpers, &mut buffer, &mut reads);
            } else {
                self.read_alone(keys, &mut buffer, &mut reads);
            }
            let places = buffer.chunks_exact_mut(BATCH_READ_BYTES);
            for (at, (read, place)) in reads.drain(..).zip(places).enumerate() {
                let key = keys[at];
                self.prefetch(&keys[at..]);
                // Who sends more than players do is read on alone.
                if self.take_read(key, read, place, now) {
                    self.read(key, now);
                }
            }
        }
        self.batch_buffer = buffer;
        self.batch_reads = reads;
    }

    /// Asks for the memory of those whose turn comes after the first of `keys`: each leads to the next.
    fn prefetch(&self, keys: &[usize]) {
        let connection = |ahead: usize| self.connections.get(*keys.get(ahead)?);
        let seat = |ahead| match connection(ahead)?.phase {
            Phase::Seated { room, seat } => {
                Some((self.rooms.get(room)?.room.seats(), seat.place()))
            }
            _ => None,
        };
        if let Some(connection) = connection(CONNECTIONS_AHEAD) {
            connection.prefetch();
        }
        if let Some((seats, place)) = seat(SEATS_AHEAD) {
            seats.prefetch(place);
        }
        if let Some((seats, place)) = seat(SESSIONS_AHEAD) {
            seats.prefetch_session(place);
        }
    }

    /// A connection that ended meanwhile has nothing to read; its place stays empty.
    fn read_alone(&mut self, keys: &[usize], buffer: &mut [u8], reads: &mut Vec<Read>) {
        let places = buffer.chunks_exact_mut(BATCH_READ_BYTES);
        reads.extend(keys.iter().zip(places).map(|(&key, place)| {
            let connection = self.connections.get_mut(key);
            connection.map_or(Ok(None), |connection| connection.socket.try_read(place))
        }));
    }

    /// Takes what one read of a socket gave. Says whether the socket may have more.
    fn take_read(&mut self, key: usize, read: Read, buffer: &mut [u8], now: Micros) -> bool {
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
        if let Some(connection) = self.connections.get_mut(key)
            && let Phase::Closing { bytes_left, .. } = &mut connection.phase
        {
            *bytes_left = bytes_left.saturating_sub(bytes.len());
            if *bytes_left == 0 {
                return self.drop_connection(key);
            }
        }
        let mut input = bytes;
        loop {
            match self.take_item(key, &mut input, now) {
                Next::Item => {}
                Next::Uploaded => {
                    self.connections[key].attend_bulk(now);
                    self.mark_busy(key);
                }
                Next::Left(room) => self.act_on_room_events(room, now),
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
                if room.has_goodbye() {
                    return Next::Left(key);
                }
                let stream_bytes = carried(room, seat, bytes).saturating_sub(before);
                rates.refund(stream_bytes, &self.shared.limits);
                if bytes < SMALL_MESSAGE_BYTES
                    && answered.is_some_and(|before| before < room.marks_answered(seat))
                {
                    rates.refund_message(&self.shared.limits);
                }
                if stream_bytes > 0 {
                    return Next::Uploaded;
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
}
