//! From a new connection to a player with a seat: who reads the hello, who has the room, who gets in.

use tickwire_protocol::{
    error::{Awaited, CloseCode, PeerError, PeerMisbehaved},
    limits::CLIENT_MESSAGE_BYTES_MAX,
    session::{Hello, ResumeToken, ServerEvent, ServerSession},
    stream::Class,
    time::{Micros, RoomTime},
};

use super::{
    Arrival, Command, Connection, Newcomer, Phase, Token, Worker, connection::verdict, guarded,
    rooms::RoomSlot,
};
use crate::{
    limits::Limit,
    net::directory::Place,
    room::{Room, TurnedAway},
};

impl Worker {
    pub(super) fn on_newcomer(&mut self, newcomer: Newcomer) {
        let now = self.now();
        let read_ahead = newcomer.read_ahead.clone();
        let connection = Connection::new(newcomer, &self.shared.limits, now);
        let worker = self.index;
        connection
            .span
            .in_scope(|| tracing::debug!(worker, "accepted"));
        let Some(key) = self.adopt(connection) else {
            return;
        };
        if self.ending.is_some() {
            self.close(key, &[], CloseCode::GoingAway, "the server shuts down", now);
        } else if !read_ahead.is_empty() {
            let mut bytes = read_ahead.to_vec();
            self.feed(key, &mut bytes, now);
        }
    }

    /// Puts a connection under this worker's poll, and among those served between ticks.
    pub(super) fn adopt(&mut self, mut connection: Connection) -> Option<usize> {
        let entry = self.connections.vacant_entry();
        let key = entry.key();
        if let Err(error) = connection.socket.register(self.poll.registry(), Token(key)) {
            // Nothing can be said to a socket that cannot be watched; dropping it closes it.
            tracing::warn!(%error, "a socket cannot be watched");
            return None;
        }
        connection.readiness.is_busy = true;
        connection.readiness.is_queued = false;
        entry.insert(connection);
        self.busy.push(key);
        self.attend_pipes(key);
        self.metrics.connections.add(1);
        Some(key)
    }

    /// Takes a message of a connection that has no seat. Gives its hello, when it is one.
    pub(super) fn greet(
        session: &mut ServerSession,
        message: &[u8],
        now: Micros,
    ) -> Result<Option<Box<Hello>>, PeerError> {
        // There is no room yet, and no tick; nothing before the hello's answer depends on one.
        session.handle_message(
            message,
            RoomTime {
                now,
                ..RoomTime::default()
            },
        )?;
        Ok(match session.poll_event() {
            Some(ServerEvent::Hello(hello)) => Some(hello),
            _ => None,
        })
    }

    /// Finds the room a hello asks for, here or with another worker.
    pub(super) fn route(&mut self, key: usize, hello: Hello, unread: &mut [u8], now: Micros) {
        let (name, resumes) = (hello.name.as_str(), hello.resume.is_some());
        self.connections[key]
            .span
            .in_scope(|| tracing::debug!(name, room = hello.room, resumes, "hello"));
        let place = self.shared.directory.place(&hello);
        self.send_to(key, hello, place, unread, now);
    }

    fn send_to(
        &mut self,
        key: usize,
        hello: Hello,
        place: Option<Place>,
        unread: &mut [u8],
        now: Micros,
    ) {
        let Some(place) = place else {
            self.metrics.count_limit(Limit::Rooms);
            return self.turn_away(key, CloseCode::Full, "the server has no room left", now);
        };
        // One that is made and not here is on its way here: who is sent to this worker comes after it.
        let is_coming = place.is_made && !self.room_by_name.contains_key(&place.room);
        if place.worker == self.index && !is_coming {
            self.seat(key, &hello, &place, now);
            if self.connections.contains(key) && !unread.is_empty() {
                self.feed(key, unread, now);
            }
            return;
        }
        let Some(mut connection) = self.release(key) else {
            return;
        };
        connection.readiness.readable = true;
        let worker = place.worker;
        let unread = unread.to_vec();
        let arrival = Box::new(Arrival {
            connection,
            hello,
            place,
            unread,
        });
        // Fails only while the server ends: then the connection ends with it.
        let _ = self.shared.workers[worker].send(Command::Welcome(arrival));
    }

    /// Takes a connection out of this worker without closing it.
    pub(super) fn release(&mut self, key: usize) -> Option<Connection> {
        let mut connection = self.connections.try_remove(key)?;
        self.metrics.connections.add(-1);
        if let Err(error) = connection.socket.deregister(self.poll.registry()) {
            tracing::warn!(%error, "a socket could not be let go");
        }
        Some(connection)
    }

    pub(super) fn on_arrival(&mut self, arrival: Arrival) {
        let now = self.now();
        let Arrival {
            connection,
            hello,
            place,
            mut unread,
        } = arrival;
        let Some(key) = self.adopt(connection) else {
            // It may have been the one to make the room.
            let directory = &self.shared.directory;
            return directory.remove_unmade(&place.room, self.index);
        };
        if self.ending.is_some() {
            self.close(key, &[], CloseCode::GoingAway, "the server shuts down", now);
            return;
        }
        let directory = &self.shared.directory;
        let place = match self.room_by_name.get(&place.room) {
            // Dropped while the connection was on its way; and others may have all the places.
            None => directory.place_in(place.room),
            // Filled meanwhile. Who has named no room gets another.
            Some(&room) if hello.room.is_empty() && !self.rooms[room].room.has_place() => {
                directory.place(&hello)
            }
            Some(_) => Some(place),
        };
        self.send_to(key, hello, place, &mut unread, now);
    }

    /// Gives a connection a seat in a room of this worker, opening the room if it is new.
    fn seat(&mut self, key: usize, hello: &Hello, place: &Place, now: Micros) {
        let Some(room) = self.room_for(place, now) else {
            let directory = &self.shared.directory;
            directory.remove_unmade(&place.room, self.index);
            return self.turn_away(key, CloseCode::Internal, "the room cannot be opened", now);
        };
        let Some(token) = random_token() else {
            return self.turn_away(key, CloseCode::Internal, "no randomness for a seat", now);
        };
        let connection = &mut self.connections[key];
        // For a moment the connection is nothing; what comes next decides what it becomes.
        let nothing = Phase::Closing {
            until: now,
            bytes_left: CLIENT_MESSAGE_BYTES_MAX,
        };
        let Phase::Greeting { session, .. } = core::mem::replace(&mut connection.phase, nothing)
        else {
            return;
        };
        self.wake_room(room, now);
        let slot = &mut self.rooms[room];
        let joined = guarded(|| slot.room.handle_join(session, hello, token, now));
        match joined {
            Some(Ok(seat)) => {
                // First what this did to others: the same player's older connection, for one.
                self.act_on_room_events(room, now);
                let connection = &mut self.connections[key];
                connection.phase = Phase::Seated { room, seat };
                connection.permit.end_handshake();
                let slot = &mut self.rooms[room];
                slot.set_member(seat, Some(key));
                let (name, player) = (&*slot.name, slot.room.player(seat).map(|it| it.0));
                self.connections[key]
                    .span
                    .in_scope(|| tracing::debug!(room = name, player, "seated"));
                self.begin_pipes(key, room, seat);
                self.queue_read(key);
                self.transmit_bulk(key, room, seat, now);
            }
            Some(Err(TurnedAway {
                mut session,
                code,
                reason,
                limit,
            })) => {
                if let Some(limit) = limit {
                    self.metrics.count_limit(limit);
                }
                self.rest_room(room, now);
                let farewell = last_message(&mut session, now);
                self.close(key, &farewell, code, &reason, now);
            }
            None => {
                self.close(key, &[], CloseCode::Internal, "the room failed", now);
                self.on_room_panicked(room, now);
            }
        }
    }

    fn room_for(&mut self, place: &Place, now: Micros) -> Option<usize> {
        if let Some(&room) = self.room_by_name.get(&place.room) {
            return Some(room);
        }
        let seed = getrandom::u64().ok()?;
        let phase = self.turns.next_phase();
        let make_game = self.shared.make_game.clone();
        let (game, room) = guarded(|| {
            let game = make_game();
            let name = game.name.clone();
            (name, Room::new(game, &*place.room, seed, now))
        })?;
        let room = room
            .inspect_err(|misuse| tracing::error!(%misuse, "a room cannot be opened"))
            .ok()?;
        let slot = RoomSlot::new(room, place, phase, now);
        let worker = self.index;
        slot.span.in_scope(|| tracing::info!(worker, game, "made"));
        self.shared.directory.note_made(&place.room);
        Some(self.put_room(slot))
    }

    /// Refuses a connection that has no seat.
    pub(super) fn turn_away(&mut self, key: usize, code: CloseCode, reason: &str, now: Micros) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let mut farewell = Vec::new();
        if let Phase::Greeting { session, .. } = &mut connection.phase {
            if session.refuse(code, reason).is_err() {
                session.close(code, reason);
            }
            farewell = last_message(session, now);
        }
        self.close(key, &farewell, code, reason, now);
    }

    /// Ends a connection for what its peer did.
    pub(super) fn condemn(&mut self, key: usize, error: &PeerError, now: Micros) {
        match self
            .connections
            .get(key)
            .map(|connection| &connection.phase)
        {
            Some(&Phase::Seated { room, seat }) => {
                if guarded(|| self.rooms[room].room.dismiss(seat, error, now)).is_none() {
                    return self.on_room_panicked(room, now);
                }
                self.act_on_room_events(room, now);
            }
            Some(Phase::Greeting { .. }) => {
                if let Some(limit) = Limit::of(error) {
                    self.metrics.count_limit(limit);
                }
                let (code, reason) = verdict(error);
                self.turn_away(key, code, &reason, now);
            }
            // It is being closed already, for the first thing it did.
            Some(Phase::Closing { .. }) | None => {}
        }
    }

    /// Times out connections that do not say hello.
    pub(super) fn condemn_overdue(&mut self, key: usize, now: Micros) {
        let error = PeerMisbehaved::TimedOut(Awaited::Handshake).into();
        self.condemn(key, &error, now);
    }
}

fn last_message(session: &mut ServerSession, now: Micros) -> Vec<u8> {
    let mut message = Vec::new();
    let time = RoomTime {
        now,
        ..RoomTime::default()
    };
    session.poll_transmit(Class::Control, usize::MAX, time, &mut message);
    message
}

fn random_token() -> Option<ResumeToken> {
    let mut token = [0; 16];
    getrandom::fill(&mut token).ok()?;
    Some(ResumeToken(token))
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::{
        game::Game,
        net::worker::tests::{connection, lone_worker},
    };

    fn hello(room: &str) -> Hello {
        Hello {
            room: room.into(),
            ..Hello::default()
        }
    }

    #[test]
    fn a_room_that_cannot_be_opened_takes_no_other_rooms_place() {
        let game = || Game::new("hopeless").on_start(|_| panic!("on purpose"));
        let (mut worker, _commands) = lone_worker(game, 2);
        for room in ["one", "two", "three"] {
            let (connection, _peer) = connection();
            let key = worker.adopt(connection).unwrap();
            worker.route(key, hello(room), &mut [], Micros(0));
            assert!(worker.connections[key].is_closing(), "{room}");
            assert_eq!(worker.shared.directory.counts(), (0, 0), "{room}");
        }
    }

    /// A connection whose hello was read elsewhere, and its peer.
    fn arrival(hello: Hello, place: Place) -> (Arrival, UnixStream) {
        let (connection, peer) = connection();
        let arrival = Arrival {
            connection,
            hello,
            place,
            unread: Vec::new(),
        };
        (arrival, peer)
    }

    #[test]
    fn who_names_no_room_gets_another_when_the_first_was_filled_meanwhile() {
        let game = || Game::new("nothing").players_max(8);
        let (mut worker, _commands) = lone_worker(game, 2);
        let directory = worker.shared.directory.clone();
        let arrivals: Vec<_> = (0..9)
            .map(|_| arrival(hello(""), directory.place(&hello("")).unwrap()))
            .collect();
        for (arrival, _peer) in arrivals {
            worker.on_arrival(arrival);
        }
        let players: Vec<_> = worker
            .rooms
            .iter()
            .map(|(_, slot)| slot.room.players())
            .collect();
        assert_eq!(players, [8, 1]);
    }

    #[test]
    fn who_comes_for_a_room_that_is_gone_and_cannot_be_made_again_is_told_so() {
        for was_made in [false, true] {
            let (mut worker, _commands) = lone_worker(|| Game::new("nothing"), 1);
            let directory = worker.shared.directory.clone();
            let hello = hello("den");
            directory.place(&hello).unwrap();
            if was_made {
                directory.note_made("den");
            }
            let (arrival, _peer) = arrival(hello, directory.place_in("den".into()).unwrap());
            assert!(directory.remove_room("den", 0));
            directory.place_in("other".into()).unwrap();
            worker.on_arrival(arrival);
            let closing: Vec<_> = worker
                .connections
                .iter()
                .map(|(_, it)| it.is_closing())
                .collect();
            assert_eq!(closing, [true]);
            assert!(worker.rooms.is_empty(), "it is in no directory");
        }
    }
}
