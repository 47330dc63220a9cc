//! How a connection ends: from a seat to nothing, whoever began it.

use tickwire_protocol::{
    error::{CloseCode, PeerMisbehaved, Queue},
    session::{Traffic, TrafficByKind},
    time::Micros,
    websocket::{CLOSE_ABNORMAL, PeerClose},
};

use super::{Phase, Worker, guarded};
use crate::room::SeatIndex;

impl Worker {
    /// The peer has sent its close frame: answer it, unless it is the answer to ours.
    pub(super) fn on_peer_close(&mut self, key: usize, close: &PeerClose, now: Micros) {
        self.settle(key, now);
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.is_closing() {
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

    /// A socket takes no more bytes. It may still hold some, of before the peer went: a goodbye among them.
    pub(super) fn on_write_failed(&mut self, key: usize, now: Micros) {
        self.read(key, now);
        self.on_broken(key, now);
    }

    /// The connection is gone without a close frame.
    pub(super) fn on_broken(&mut self, key: usize, now: Micros) {
        self.settle(key, now);
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        if !connection.is_closing() {
            self.metrics.count_close(None);
            connection
                .span
                .in_scope(|| tracing::debug!(code = CLOSE_ABNORMAL, "broke"));
        }
        if let Phase::Seated { room, seat } = connection.phase {
            self.count_carried(key, room, seat);
            self.leave_seat(room, seat, now);
        }
        self.drop_connection(key);
    }

    /// Does what the room has to say of a connection that is over: the player's goodbye may have come in the same read.
    fn settle(&mut self, key: usize, now: Micros) {
        if let Some(connection) = self.connections.get(key)
            && let Phase::Seated { room, .. } = connection.phase
        {
            self.act_on_room_events(room, now);
        }
    }

    /// The player has said goodbye, and what it left on its streams is with its tasks.
    pub(super) fn let_go(&mut self, room: usize, seat: SeatIndex, now: Micros) {
        let Some(slot) = self.rooms.get_mut(room) else {
            return;
        };
        if guarded(|| slot.room.let_go(seat, now)).is_none() {
            self.on_room_panicked(room, now);
        }
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
                self.condemn(key, &PeerMisbehaved::TooSlow(Queue::Socket).into(), now);
                // It takes no farewell either.
                self.drop_connection(key);
                continue;
            }
            match connection.phase {
                Phase::Greeting { until, .. } if until <= now => self.condemn_overdue(key, now),
                Phase::Closing { until, .. } if until <= now => self.drop_connection(key),
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
        let slot = self.rooms.get_mut(room);
        let carried = slot.and_then(|slot| slot.room.take_carried(seat));
        self.count_opened(carried.as_ref());
    }

    pub(super) fn count_opened(&self, carried: Option<&TrafficByKind>) {
        if let Some(carried) = carried {
            self.metrics.count_opened(carried);
        }
    }

    pub(super) fn count_traffic(&mut self, key: usize, traffic: &Traffic) {
        if let Some(connection) = self.connections.get_mut(key) {
            self.metrics.count_traffic(traffic, &connection.counted);
            connection.counted = *traffic;
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        game::Game,
        net::worker::tests::{lone_worker, say, seat_one},
    };

    #[test]
    fn a_goodbye_is_heard_though_a_write_fails_before_it_is_read() {
        let (mut worker, _commands) = lone_worker(|| Game::new("nothing"), 8);
        let (key, mut client, mut peer) = seat_one(&mut worker);
        let (room, _) = worker.rooms.iter().next().unwrap();
        assert_eq!(worker.rooms[room].room.players(), 1);
        client.close(CloseCode::Normal, "");
        say(&mut client, &mut peer);
        drop(peer);
        worker.connections[key].queue_pong(&[]);
        worker.serve_busy(key, Micros(0));
        assert!(worker.connections.is_empty());
        assert_eq!(
            worker.rooms[room].room.players(),
            0,
            "no seat is kept for who has said goodbye"
        );
    }
}
