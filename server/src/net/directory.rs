//! Where rooms and seats are: which worker runs a room, and which room a token's seat is in.
//!
//! In: what a player's hello asks for. Out: a worker and a room's name. The choice to question: a room's
//! entry is made here, by whichever worker reads the hello, and the room itself by the worker it was
//! given to. So two players who name a new room at the same moment meet in one.

use core::{
    fmt::Write,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};
use std::sync::Arc;

use dashmap::{DashMap, mapref::entry::Entry};
use tickwire_protocol::{
    session::{Hello, ResumeToken},
    time::Micros,
};

/// The rooms of the process and the seats in them.
#[derive(Debug)]
pub(crate) struct Directory {
    rooms: DashMap<Arc<str>, RoomEntry>,
    /// By token, those of players who were sent away included as long as their room keeps the reason.
    seats: DashMap<ResumeToken, Arc<str>>,
    loads: Vec<AtomicU64>,
    rooms_max: usize,
    players_max: usize,
}

#[derive(Debug)]
struct RoomEntry {
    worker: usize,
    is_made: bool,
    players: Arc<AtomicUsize>,
}

/// Where a player is to go.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) worker: usize,
    /// Whether the worker has the room, or will have it when it has read what was sent to it.
    pub(crate) is_made: bool,
    pub(crate) room: Arc<str>,
    /// The players of the room, for its worker to keep right.
    pub(crate) players: Arc<AtomicUsize>,
}

/// The room for those who name none. When it is full, `main-2` follows, and so on.
const DEFAULT_ROOM: &str = "main";

impl Directory {
    pub(super) fn new(workers: usize, rooms_max: usize, players_max: usize) -> Self {
        Self {
            rooms: DashMap::new(),
            seats: DashMap::new(),
            loads: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            rooms_max,
            players_max,
        }
    }

    /// Finds or makes a place for a player; `None` when the process has all the rooms it may have.
    pub(crate) fn place(&self, hello: &Hello) -> Option<Place> {
        let kept = hello
            .resume
            .and_then(|token| Some(self.seats.get(&token)?.clone()));
        if let Some(room) = kept {
            return self.place_in(room);
        }
        if !hello.room.is_empty() {
            return self.place_in(hello.room.as_str().into());
        }
        let mut name = String::from(DEFAULT_ROOM);
        let mut number = 1_usize;
        // Ends: each name that is passed over is a room, and there are at most `rooms_max`.
        while self.is_full(&name) {
            number += 1;
            name.truncate(DEFAULT_ROOM.len());
            let _ = write!(name, "-{number}");
        }
        self.place_in(name.into())
    }

    /// Whether there is a room of that name and no place in it. Who is on the way to it does not count yet.
    fn is_full(&self, room: &str) -> bool {
        self.rooms
            .get(room)
            .is_some_and(|room| room.players.load(Relaxed) >= self.players_max)
    }

    /// The place in the room of that name, which gets the least loaded worker if it is new.
    pub(crate) fn place_in(&self, room: Arc<str>) -> Option<Place> {
        let rooms = self.rooms.len();
        let entry = match self.rooms.entry(room.clone()) {
            Entry::Occupied(entry) => entry.into_ref(),
            Entry::Vacant(_) if rooms >= self.rooms_max => return None,
            Entry::Vacant(entry) => {
                let worker = self.least_loaded();
                // Until the worker says better: rooms opened at once must not all go to one.
                self.loads[worker].fetch_add(NEW_ROOM_LOAD, Relaxed);
                entry.insert(RoomEntry {
                    worker,
                    is_made: false,
                    players: Arc::default(),
                })
            }
        };
        Some(Place {
            worker: entry.worker,
            is_made: entry.is_made,
            room,
            players: entry.players.clone(),
        })
    }

    /// Forgets a room, unless somebody is in it or another worker has it.
    pub(crate) fn remove_room(&self, room: &str, worker: usize) -> bool {
        let is_over = |_: &Arc<str>, entry: &RoomEntry| {
            entry.worker == worker && entry.players.load(Relaxed) == 0
        };
        self.rooms.remove_if(room, is_over).is_some()
    }

    /// Forgets a room that its worker could not make: nobody else is going to.
    pub(crate) fn remove_unmade(&self, room: &str, worker: usize) {
        let is_unmade = |_: &Arc<str>, entry: &RoomEntry| entry.worker == worker && !entry.is_made;
        self.rooms.remove_if(room, is_unmade);
    }

    pub(crate) fn insert_seat(&self, token: ResumeToken, room: Arc<str>) {
        self.seats.insert(token, room);
    }

    pub(crate) fn remove_seat(&self, token: ResumeToken) {
        self.seats.remove(&token);
    }

    /// A worker says how much it has to do, in micros of work per second.
    pub(crate) fn report_load(&self, worker: usize, busy_micros_per_second: u64) {
        self.loads[worker].store(busy_micros_per_second, Relaxed);
    }

    /// What a worker has last said, and what it has been given since.
    pub(crate) fn load(&self, worker: usize) -> u64 {
        self.loads[worker].load(Relaxed)
    }

    /// How many workers besides `worker` have half of their time to spare.
    pub(crate) fn idle_beside(&self, worker: usize) -> usize {
        let idle = |(index, load): &(usize, &AtomicU64)| {
            *index != worker && load.load(Relaxed) < Micros::PER_SECOND / 2
        };
        self.loads.iter().enumerate().filter(idle).count()
    }

    /// A worker has failed. Nobody is sent to it any more, and its rooms may be opened elsewhere.
    pub(super) fn retire(&self, worker: usize) {
        self.loads[worker].store(u64::MAX, Relaxed);
        self.rooms.retain(|_, entry| entry.worker != worker);
        self.seats.retain(|_, room| self.rooms.contains_key(room));
    }

    /// Counts work as the other worker's until both have said better.
    pub(crate) fn shift_load(&self, from: usize, to: usize, busy_micros_per_second: u64) {
        let less = |load: u64| Some(load.saturating_sub(busy_micros_per_second));
        let _ = self.loads[from].fetch_update(Relaxed, Relaxed, less);
        self.loads[to].fetch_add(busy_micros_per_second, Relaxed);
    }

    /// The worker of a room has made it.
    pub(crate) fn note_made(&self, room: &str) {
        if let Some(mut entry) = self.rooms.get_mut(room) {
            entry.is_made = true;
        }
    }

    /// Makes a room another worker's when `send` has sent it there. New players go there.
    ///
    /// Nobody reads or drops the entry in between: who is told of the new worker comes after the room, and the new
    /// worker finds itself named.
    ///
    /// # Errors
    ///
    /// What `send` says. The room stays where it is then.
    pub(crate) fn move_room<E>(
        &self,
        room: &str,
        to: usize,
        send: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let entry = self.rooms.get_mut(room);
        send()?;
        if let Some(mut entry) = entry {
            entry.worker = to;
        }
        Ok(())
    }

    /// Rooms and seats there are.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.rooms.len(), self.seats.len())
    }

    /// The worker with the least to do. Where a new connection is read until it has said hello.
    pub(crate) fn least_loaded(&self) -> usize {
        let load = |&worker: &usize| self.loads[worker].load(Relaxed);
        (0..self.loads.len()).min_by_key(load).unwrap_or(0)
    }
}

/// What a room is taken to cost before its first second is over: 1 % of a core.
const NEW_ROOM_LOAD: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(room: &str) -> Hello {
        Hello {
            room: room.into(),
            ..Hello::default()
        }
    }

    #[test]
    fn rooms_opened_at_once_are_spread_over_the_workers() {
        let directory = Directory::new(2, 100, 10);
        let workers: Vec<_> = (0..4)
            .map(|i| {
                directory
                    .place(&hello(&format!("room {i}")))
                    .unwrap()
                    .worker
            })
            .collect();
        assert_eq!(
            workers.iter().filter(|worker| **worker == 0).count(),
            2,
            "{workers:?}"
        );
    }

    #[test]
    fn who_names_no_room_gets_the_first_that_is_not_full() {
        let directory = Directory::new(1, 100, 2);
        let first = directory.place(&hello("")).unwrap();
        assert_eq!(&*first.room, "main");
        first.players.store(2, Relaxed);
        assert_eq!(&*directory.place(&hello("")).unwrap().room, "main-2");
        first.players.store(1, Relaxed);
        assert_eq!(&*directory.place(&hello("")).unwrap().room, "main");
    }

    #[test]
    fn a_token_leads_back_to_its_room_whatever_else_the_hello_says() {
        let directory = Directory::new(1, 100, 2);
        let token = ResumeToken([7; 16]);
        directory.insert_seat(token, directory.place(&hello("den")).unwrap().room);
        let back = Hello {
            resume: Some(token),
            ..hello("elsewhere")
        };
        assert_eq!(&*directory.place(&back).unwrap().room, "den");
        directory.remove_seat(token);
        assert_eq!(&*directory.place(&back).unwrap().room, "elsewhere");
    }

    #[test]
    fn a_room_that_moved_is_found_where_it_is_and_forgotten_only_there() {
        let directory = Directory::new(2, 100, 10);
        let before = directory.place(&hello("den")).unwrap().worker;
        let after = 1 - before;
        assert_eq!(directory.move_room("den", after, || Err(())), Err(()));
        assert_eq!(directory.place(&hello("den")).unwrap().worker, before);
        let send = || {
            assert!(directory.rooms.try_get("den").is_locked());
            Ok::<(), ()>(())
        };
        directory.move_room("den", after, send).unwrap();
        assert_eq!(directory.place(&hello("den")).unwrap().worker, after);
        assert!(!directory.remove_room("den", before));
        assert!(directory.remove_room("den", after));
    }

    #[test]
    fn a_worker_that_has_failed_gets_nobody_and_its_rooms_open_elsewhere() {
        let directory = Directory::new(2, 100, 10);
        for (number, room) in ["one", "two", "three", "four"].into_iter().enumerate() {
            let token = ResumeToken([u8::try_from(number).unwrap(); 16]);
            directory.insert_seat(token, directory.place(&hello(room)).unwrap().room);
        }
        assert_eq!(directory.counts(), (4, 4));
        directory.retire(0);
        assert_eq!(directory.counts(), (2, 2));
        for room in ["one", "two", "three", "four", "five"] {
            assert_eq!(directory.place(&hello(room)).unwrap().worker, 1, "{room}");
        }
        assert_eq!(directory.least_loaded(), 1);
    }

    #[test]
    fn there_are_no_more_rooms_than_allowed_and_a_forgotten_one_makes_room() {
        let directory = Directory::new(1, 1, 2);
        let place = directory.place(&hello("one")).unwrap();
        assert!(directory.place(&hello("two")).is_none());
        assert!(directory.place(&hello("one")).is_some());
        place.players.store(1, Relaxed);
        assert!(!directory.remove_room("one", 0));
        place.players.store(0, Relaxed);
        assert!(directory.remove_room("one", 0));
        assert!(directory.place(&hello("two")).is_some());
    }
}
