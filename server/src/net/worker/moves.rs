//! Rooms that change worker: from one that has too much to do to one that has much less.
//!
//! In: how busy each worker was in the last second. Out: at most one room a second, with its players'
//! sockets, on its way to another worker. The choice to question: a room moves whole and between two of
//! its ticks, by message, so it still belongs to one thread at a time and no tick is left out. What its
//! players send meanwhile waits in the kernel.

use std::sync::mpsc::SendError;

use tickwire_protocol::{error::CloseCode, time::Micros};

use super::{Command, Connection, Phase, Worker, rooms::RoomSlot};
use crate::{limits::SWEEP_PERIOD, room::SeatIndex};

/// A worker that is busy for less of a second has time to spare: nothing is moved away from it.
const BUSY_MICROS_LEAST: u64 = SWEEP_PERIOD.0 * 7 / 10;

/// The least that a move must take off the busier of the two. Less is not worth the disturbance, and
/// would have rooms wander with the noise of the measurement.
const GAIN_MICROS_LEAST: u64 = SWEEP_PERIOD.0 / 20;

/// A room on its way to another worker.
pub(crate) struct Moving {
    slot: RoomSlot,
    connections: Vec<(SeatIndex, Connection)>,
}

impl Worker {
    /// Gives a room away if this worker has too much to do and another much less.
    pub(super) fn lighten(&mut self, own_busy: u64, now: Micros) {
        let rooms: Vec<(usize, u64)> = self
            .rooms
            .iter_mut()
            .map(|(key, slot)| (key, core::mem::take(&mut slot.busy_micros)))
            .collect();
        let directory = &self.shared.directory;
        let other = directory.least_loaded();
        if other == self.index || self.ending.is_some() {
            return;
        }
        if let Some((room, busy)) = choose(own_busy, directory.load(other), &rooms)
            && self.give_away(room, other, now)
        {
            self.shared.directory.shift_load(self.index, other, busy);
        }
    }

    /// Gives a room to another worker. Says whether that took it.
    fn give_away(&mut self, key: usize, worker: usize, now: Micros) -> bool {
        self.act_on_room_events(key, now);
        let Some(mut slot) = self.take_room(key) else {
            return false;
        };
        slot.readable.clear();
        let connections = (0..slot.places())
            .filter_map(|place| slot.member(place))
            .filter_map(|member| {
                let mut connection = self.release(member)?;
                // What the poll has reported here is not reported again there.
                connection.readiness.readable = true;
                match connection.phase {
                    Phase::Seated { seat, .. } => Some((seat, connection)),
                    _ => None,
                }
            })
            .collect();
        let (name, span) = (slot.name.clone(), slot.span.clone());
        let moving = Command::TakeRoom(Box::new(Moving { slot, connections }));
        let send = || match self.shared.workers[worker].send(moving) {
            Err(SendError(Command::TakeRoom(moving))) => Err(moving),
            _ => Ok(()),
        };
        if let Err(moving) = self.shared.directory.move_room(&name, worker, send) {
            // The other has ended already. This one is about to, and tells the players.
            self.on_moving(*moving);
            return false;
        }
        self.metrics.rooms_moved.add(1);
        span.in_scope(|| tracing::info!(from = self.index, to = worker, "moved"));
        true
    }

    /// Takes a room from another worker.
    pub(super) fn on_moving(&mut self, moving: Moving) {
        let now = self.now();
        let Moving { slot, connections } = moving;
        let key = self.put_room(slot);
        for (seat, mut connection) in connections {
            connection.phase = Phase::Seated { room: key, seat };
            let adopted = self.adopt(connection);
            self.rooms[key].set_member(seat, adopted);
            match adopted {
                Some(connection) => self.queue_read(connection),
                None => self.leave_seat(key, seat, now),
            }
        }
        if self.ending.is_some() {
            self.end_room(key, CloseCode::GoingAway, "the server shuts down", now);
        }
    }
}

/// The room whose move leaves the busier of the two workers with the least to do.
fn choose(own: u64, other: u64, rooms: &[(usize, u64)]) -> Option<(usize, u64)> {
    if own < BUSY_MICROS_LEAST {
        return None;
    }
    let busier_after = |busy: u64| own.saturating_sub(busy).max(other + busy);
    rooms
        .iter()
        .copied()
        .filter(|(_, busy)| busier_after(*busy) + GAIN_MICROS_LEAST <= own)
        .min_by_key(|(_, busy)| busier_after(*busy))
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use tickwire_protocol::session::{Hello, ResumeToken, ServerSession};

    use super::*;
    use crate::{
        game::Game,
        limits::Limits,
        net::{
            directory::Directory,
            metrics::Metrics,
            worker::tests::{connection, shared},
        },
        room::Room,
    };

    /// The second of two workers, and what is sent to it.
    fn worker() -> (Worker, Receiver<Command>) {
        let (sender, sent) = channel();
        let (_, commands) = channel();
        let metrics = Metrics::new(1);
        let game = || Game::new("nothing");
        let directory = Directory::new(2, 8, 8);
        let workers = [sender.clone(), sender];
        let shared = shared(game, Limits::default(), directory, &workers);
        let worker = Worker::new(1, shared, metrics.worker(0).clone(), commands).unwrap();
        (worker, sent)
    }

    #[test]
    fn who_says_hello_while_the_room_is_on_its_way_here_waits_for_it() {
        let (mut worker, sent) = worker();
        let (connection, _peer) = connection();
        let key = worker.adopt(connection).unwrap();
        // The first worker has made the room, and gives it away.
        let directory = worker.shared.directory.clone();
        let place = directory.place_in("den".into()).unwrap();
        directory.note_made("den");
        let room = Room::new(Game::new("nothing"), "den", 1, Micros(0)).unwrap();
        let slot = RoomSlot::new(room, &place, 0.0, Micros(0));
        let moving = Moving {
            slot,
            connections: Vec::new(),
        };
        directory.move_room("den", 1, || Ok::<(), ()>(())).unwrap();
        let hello = Hello {
            room: "den".into(),
            ..Hello::default()
        };
        worker.route(key, hello, &mut [], Micros(0));
        assert!(worker.rooms.is_empty(), "it makes none of its own");
        worker.on_moving(moving);
        let Ok(Command::Welcome(arrival)) = sent.try_recv() else {
            panic!("the connection is not on its way");
        };
        worker.on_arrival(*arrival);
        let players: Vec<_> = worker
            .rooms
            .iter()
            .map(|(_, slot)| slot.room.players())
            .collect();
        assert_eq!(players, [1]);
    }

    #[test]
    fn a_room_that_comes_as_its_new_worker_ends_is_ended_there() {
        let (mut worker, _) = worker();
        let (sender, commands) = channel();
        worker.commands = commands;
        let (left, has_left) = channel();
        let game = Game::new("nothing").on_leave(move |_, _| left.send(()).unwrap());
        let place = worker.shared.directory.place_in("den".into()).unwrap();
        let mut room = Room::new(game, "den", 1, Micros(0)).unwrap();
        let session = Box::new(ServerSession::new(Micros(0)));
        room.handle_join(session, &Hello::default(), ResumeToken([1; 16]), Micros(0))
            .unwrap();
        sender.send(Command::ShutDown).unwrap();
        let moving = Moving {
            slot: RoomSlot::new(room, &place, 0.0, Micros(0)),
            connections: Vec::new(),
        };
        sender.send(Command::TakeRoom(Box::new(moving))).unwrap();
        worker.run();
        assert_eq!(has_left.try_recv(), Ok(()));
    }

    #[test]
    fn a_room_whose_new_worker_has_ended_stays() {
        let (mut worker, sent) = worker();
        drop(sent);
        let place = worker.shared.directory.place_in("den".into()).unwrap();
        let room = Room::new(Game::new("nothing"), "den", 1, Micros(0)).unwrap();
        let key = worker.put_room(RoomSlot::new(room, &place, 0.0, Micros(0)));
        let (connection, _peer) = connection();
        let member = worker.adopt(connection).unwrap();
        let session = Box::new(ServerSession::new(Micros(0)));
        let room = &mut worker.rooms[key].room;
        let seat = room
            .handle_join(session, &Hello::default(), ResumeToken([1; 16]), Micros(0))
            .unwrap();
        worker.rooms[key].set_member(seat, Some(member));
        worker.connections[member].phase = Phase::Seated { room: key, seat };
        assert!(!worker.give_away(key, 0, Micros(0)));
        assert_eq!((worker.rooms.len(), worker.connections.len()), (1, 1));
        assert_eq!(worker.metrics.rooms_moved.read(), 0);
    }

    #[test]
    fn the_room_that_evens_the_two_best_goes() {
        let rooms = [(0, 100_000), (1, 300_000), (2, 500_000)];
        assert_eq!(choose(900_000, 200_000, &rooms), Some((1, 300_000)));
    }

    #[test]
    fn one_of_two_equal_rooms_goes_to_a_worker_that_is_not_quite_idle() {
        let rooms = [(0, 450_000), (1, 450_000)];
        assert_eq!(choose(900_000, 20_000, &rooms), Some((0, 450_000)));
    }

    #[test]
    fn a_worker_with_time_to_spare_keeps_its_rooms() {
        assert_eq!(choose(600_000, 0, &[(0, 300_000), (1, 300_000)]), None);
    }

    #[test]
    fn one_room_alone_stays_where_it_is() {
        assert_eq!(choose(950_000, 0, &[(0, 950_000)]), None);
    }

    #[test]
    fn nothing_moves_between_workers_that_are_busy_alike() {
        assert_eq!(
            choose(900_000, 850_000, &[(0, 450_000), (1, 450_000)]),
            None
        );
    }
}
