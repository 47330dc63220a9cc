//! Bulk out: what players' streams have, between ticks.
//!
//! In: streams that have something to send, and what each link has room for. Out: bytes to sockets. The
//! choice to question: messages stay as small as a chunk, so that one that is torn by a cut costs little,
//! and are gathered into large writes, because on a fast link system calls and wake-ups cost more than
//! bytes do.

use tickwire_protocol::{time::Micros, websocket::Opcode};

use super::Worker;
use crate::{
    limits::{BULK_WRITE_BYTES, STREAMS_ATTENDED},
    room::SeatIndex,
};

impl Worker {
    /// Writes what a player's streams have, as far as the socket takes it. Says whether more is to come.
    pub(super) fn transmit_bulk(
        &mut self,
        key: usize,
        room: usize,
        seat: SeatIndex,
        now: Micros,
    ) -> bool {
        self.serve_pipes(key, room, seat, now);
        // A link that only breathes is looked at often. For one that stands still, each turn would ask the kernel
        // and wake the worker for nothing: the poll says when it takes bytes again.
        let connection = self.connections.get(key);
        if connection.is_some_and(|it| it.blocked_for(now) >= STREAMS_ATTENDED) {
            return false;
        }
        if let (Some(slot), Some(connection)) =
            (self.rooms.get_mut(room), self.connections.get_mut(key))
            && slot.room.wants_transmit(seat)
        {
            connection.bulk_attended = now + STREAMS_ATTENDED;
            connection.is_paced_by_marks = !connection.sample_link(now);
            if connection.is_paced_by_marks {
                slot.room.pace_by_marks(seat);
            }
        }
        let mut bytes_left = self.bulk_share_bytes;
        while bytes_left > 0 {
            let Some(connection) = self.connections.get_mut(key) else {
                return false;
            };
            match connection.clear_the_way(now) {
                Ok(true) => {}
                Ok(false) => break,
                Err(_) => {
                    self.on_write_failed(key, now);
                    return false;
                }
            }
            self.out.clear();
            self.gather_bulk(key, room, seat, bytes_left.min(BULK_WRITE_BYTES), now);
            if self.out.is_empty() {
                break;
            }
            bytes_left = bytes_left.saturating_sub(self.out.len());
            let Some(connection) = self.connections.get_mut(key) else {
                return false;
            };
            match connection.write(&self.out, now) {
                Ok(true) => {}
                Ok(false) => {
                    self.metrics.would_block.add(1);
                    break;
                }
                Err(_) => {
                    self.on_write_failed(key, now);
                    return false;
                }
            }
        }
        self.rooms
            .get(room)
            .is_some_and(|slot| slot.room.wants_transmit(seat))
    }

    /// Appends messages of a player's streams for one write, until there are `bytes_max`. They are what the
    /// link has room for, so that none of them waits here and stands in front of a snapshot.
    fn gather_bulk(
        &mut self,
        key: usize,
        room: usize,
        seat: SeatIndex,
        bytes_max: usize,
        now: Micros,
    ) {
        while let (Some(slot), Some(connection)) =
            (self.rooms.get_mut(room), self.connections.get_mut(key))
            && self.out.len() < bytes_max
        {
            let start = self.out.len();
            let begun = connection.writer.begin(&mut self.out);
            let bulk = connection.bulk_bytes();
            if !slot.room.poll_transmit_bulk(seat, bulk, now, &mut self.out) {
                connection.writer.abandon(begun, &mut self.out);
                return;
            }
            connection
                .writer
                .finish(begun, Opcode::Binary, &mut self.out);
            connection.count_bulk(self.out.len() - start);
            self.metrics.messages_out.add(1);
            // Streams that were full have room again: what they get goes out with the next message.
            while let Some(slot) = self.rooms.get_mut(room)
                && let Some(event) = slot.room.poll_stream_event(seat)
            {
                self.on_stream_event(room, seat, event, now);
            }
            self.serve_pipes(key, room, seat, now);
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};

    use tickwire_protocol::stream::{StreamKind, StreamOptions};

    use super::*;
    use crate::{
        game::Game,
        net::worker::{
            Phase,
            tests::{lone_worker, seat_one},
        },
    };

    #[test]
    fn a_link_that_stands_still_is_left_alone_until_it_takes_bytes_again() {
        let (mut worker, _commands) = lone_worker(|| Game::new("nothing"), 8);
        let (key, _client, mut peer) = seat_one(&mut worker);
        let Phase::Seated { room, seat } = worker.connections[key].phase else {
            panic!("it has a seat");
        };
        worker.take_readiness();
        worker.connections[key]
            .write(&vec![7; 4 << 20], Micros(0))
            .unwrap();
        let streams = worker.rooms[room].room.streams(seat).unwrap();
        streams
            .open(StreamOptions::new(StreamKind::Bytes), Micros(0))
            .unwrap();
        let last = Micros(STREAMS_ATTENDED.0 - 1);
        assert!(worker.transmit_bulk(key, room, seat, last));
        assert!(!worker.transmit_bulk(key, room, seat, STREAMS_ATTENDED));
        assert_eq!(
            worker.connections[key].bulk_attended,
            last + STREAMS_ATTENDED
        );
        worker.connections[key].readiness.is_busy = false;
        peer.set_nonblocking(true).unwrap();
        let read = peer.read_to_end(&mut Vec::new());
        assert_eq!(read.unwrap_err().kind(), ErrorKind::WouldBlock);
        worker.take_readiness();
        assert!(worker.connections[key].readiness.is_busy);
    }
}
