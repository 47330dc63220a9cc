//! The rooms of a worker: when each ticks, who is in it, and what its events ask for.

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

use tickwire_protocol::{error::CloseCode, time::Micros};
use tracing::Span;

use super::{Worker, guarded};
use crate::{
    net::directory::Place,
    room::{Room, RoomEvent, SeatIndex},
    stream::Roster,
};

/// A room and what its worker keeps beside it.
pub(super) struct RoomSlot {
    pub(super) room: Room,
    pub(super) name: Arc<str>,
    /// Who is connected, for their tasks.
    pub(super) roster: Arc<Roster>,
    /// The connection of each seat, by the seat's place.
    members: Vec<Option<usize>>,
    /// Connections whose bytes wait for the room's tick.
    pub(super) readable: Vec<usize>,
    /// Where in its period the room's ticks stand, as a share of it: see [`Turns::next_phase`].
    ///
    /// [`Turns::next_phase`]: super::turns::Turns::next_phase
    phase: f64,
    /// Since when nobody is in the room. It does not tick then.
    empty_since: Option<Micros>,
    /// The players of the room as the directory and the metrics see them.
    players: Arc<AtomicUsize>,
    counted_encodes: (u64, u64),
    /// What its ticks have taken since the last sweep.
    pub(super) busy_micros: u64,
    /// What is logged of it belongs to this: its life, never a tick.
    pub(super) span: Span,
    /// What a tick takes one thread, about: the mean of the last ones.
    pub(super) tick_micros: u64,
}

impl RoomSlot {
    pub(super) fn new(room: Room, place: &Place, phase: f64, now: Micros) -> Self {
        Self {
            room,
            name: place.room.clone(),
            roster: Arc::default(),
            members: Vec::new(),
            readable: Vec::new(),
            phase,
            empty_since: Some(now),
            players: place.players.clone(),
            counted_encodes: (0, 0),
            busy_micros: 0,
            span: tracing::info_span!(parent: None, "room", name = &*place.room),
            tick_micros: 0,
        }
    }

    /// When the room ticks next; never while nobody is in it.
    pub(super) fn next_due(&self) -> Option<Micros> {
        self.empty_since.is_none().then(|| self.room.next_due())
    }

    /// Lets an empty room tick again, from its next turn on; says whether it was empty.
    fn wake(&mut self, now: Micros) -> bool {
        let was_empty = self.empty_since.take().is_some();
        if was_empty {
            let rate = u64::from(self.room.tick_rate_hz());
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a period of a second at most"
            )]
            let phase = Micros((self.phase * Micros::PER_SECOND as f64) as u64 / rate);
            let periods = now.since(phase).0 * rate / Micros::PER_SECOND + 1;
            self.room
                .restart(Micros(periods * Micros::PER_SECOND / rate) + phase);
        }
        was_empty
    }

    /// Stops a room's ticks if nobody is in it.
    fn rest_if_empty(&mut self, now: Micros) {
        if self.room.players() == 0 {
            self.empty_since.get_or_insert(now);
        }
    }

    pub(super) fn set_member(&mut self, seat: SeatIndex, connection: Option<usize>) {
        let place = seat.place();
        if place >= self.members.len() {
            self.members.resize(place + 1, None);
        }
        self.members[place] = connection;
    }

    /// Counts what a tick has taken this thread, and how many helped it.
    pub(super) fn count_tick(&mut self, micros: u64, helpers: usize) {
        self.busy_micros += micros;
        let alone = micros * (helpers as u64 + 1);
        self.tick_micros = (self.tick_micros * 7 + alone) / 8;
    }

    fn take_member(&mut self, seat: SeatIndex) -> Option<usize> {
        self.members.get_mut(seat.place())?.take()
    }

    /// The connection of the seat at a place.
    pub(super) fn member(&self, place: usize) -> Option<usize> {
        self.members.get(place).copied().flatten()
    }

    fn counted_players(&self) -> i64 {
        i64::try_from(self.players.load(Relaxed)).unwrap_or(i64::MAX)
    }

    pub(super) const fn places(&self) -> usize {
        self.members.len()
    }
}

impl Worker {
    /// Puts a room into this worker.
    pub(super) fn put_room(&mut self, slot: RoomSlot) -> usize {
        self.metrics.rooms.add(1);
        self.metrics.players.add(slot.counted_players());
        let name = Arc::clone(&slot.name);
        let key = self.rooms.insert(slot);
        self.room_by_name.insert(name, key);
        self.note_turn(key);
        key
    }

    /// Takes a room out of this worker without ending it.
    pub(super) fn take_room(&mut self, key: usize) -> Option<RoomSlot> {
        let slot = self.rooms.try_remove(key)?;
        self.room_by_name.remove(&slot.name);
        self.metrics.rooms.add(-1);
        self.metrics.players.add(-slot.counted_players());
        Some(slot)
    }

    /// Lets a room tick if it does not: somebody is about to come in.
    pub(super) fn wake_room(&mut self, key: usize, now: Micros) {
        if self.rooms[key].wake(now) {
            self.note_turn(key);
        }
    }

    /// Stops a room's ticks if nobody is in it after all.
    pub(super) fn rest_room(&mut self, key: usize, now: Micros) {
        if let Some(slot) = self.rooms.get_mut(key) {
            slot.rest_if_empty(now);
        }
    }

    /// Notes when a room ticks next.
    pub(super) fn note_turn(&mut self, key: usize) {
        if let Some(due) = self.rooms.get(key).and_then(RoomSlot::next_due) {
            self.turns.add(due, key);
        }
    }

    /// Does what a room's events ask for.
    pub(super) fn act_on_room_events(&mut self, key: usize, now: Micros) {
        while let Some(event) = self
            .rooms
            .get_mut(key)
            .and_then(|slot| slot.room.poll_event())
        {
            match event {
                RoomEvent::Seated { token } => {
                    let name = self.rooms[key].name.clone();
                    self.shared.directory.insert_seat(token, name);
                    self.count_players(key, now);
                }
                RoomEvent::SaidGoodbye { seat } => self.let_go(key, seat, now),
                RoomEvent::Vacated => self.count_players(key, now),
                RoomEvent::Forgotten { token } => self.shared.directory.remove_seat(token),
                RoomEvent::Dismissed {
                    seat,
                    code,
                    reason,
                    farewell,
                    limit,
                    traffic,
                    carried,
                } => {
                    if let Some(limit) = limit {
                        self.metrics.count_limit(limit);
                    }
                    if let Some(connection) = self.rooms[key].take_member(seat) {
                        self.count_traffic(connection, &traffic);
                        self.count_opened(carried.as_deref());
                        self.close(connection, &farewell, code, &reason, now);
                    }
                }
                RoomEvent::Stream { seat, event } => self.on_stream_event(key, seat, event, now),
            }
        }
    }

    fn count_players(&mut self, key: usize, now: Micros) {
        let slot = &mut self.rooms[key];
        let before = slot.counted_players();
        slot.players.store(slot.room.players(), Relaxed);
        slot.rest_if_empty(now);
        self.metrics.players.add(slot.counted_players() - before);
    }

    /// A panic of the game: the room is over, its players are told, the worker goes on.
    pub(super) fn on_room_panicked(&mut self, key: usize, now: Micros) {
        self.metrics.rooms_panicked.add(1);
        if let Some(slot) = self.rooms.get_mut(key) {
            slot.span
                .in_scope(|| tracing::error!("failed: the game panicked"));
            slot.room.abandon("the room failed", now);
        }
        self.end_room(key, CloseCode::Internal, "the room failed", now);
    }

    /// Closes a room and forgets it.
    pub(super) fn end_room(&mut self, key: usize, code: CloseCode, reason: &str, now: Micros) {
        let Some(slot) = self.rooms.get_mut(key) else {
            return;
        };
        let name = Arc::clone(&slot.name);
        if guarded(|| slot.room.close(code, reason, now)).is_none() {
            slot.room.abandon(reason, now);
        }
        self.act_on_room_events(key, now);
        self.forget_room(key);
        self.shared.directory.remove_room(&name, self.index);
    }

    /// Drops a room. Its entry in the directory is the caller's affair: once gone, the name may be another room's.
    fn forget_room(&mut self, key: usize) {
        if let Some(slot) = self.take_room(key) {
            slot.players.store(0, Relaxed);
            for token in slot.room.tokens_sent_away() {
                self.shared.directory.remove_seat(token);
            }
            let span = slot.span.clone();
            span.in_scope(|| tracing::info!("dropped"));
            // What the game keeps in its world may have code of its own for when it is dropped.
            if guarded(|| drop(slot)).is_none() {
                span.in_scope(|| tracing::error!("the game panicked as its world was dropped"));
            }
        }
    }

    /// Times out players, drops rooms that have been empty for long, counts what they encoded.
    pub(super) fn sweep_rooms(&mut self, now: Micros) {
        let keys: Vec<usize> = self.rooms.iter().map(|(key, _)| key).collect();
        for key in keys {
            let slot = &mut self.rooms[key];
            let stats = slot.room.replication().stats();
            let (encoded, written) = (stats.sections_encoded, stats.sections_written);
            self.metrics
                .encode_misses
                .add(encoded - slot.counted_encodes.0);
            let hits_now = written.saturating_sub(encoded);
            self.metrics
                .encode_hits
                .add(hits_now.saturating_sub(slot.counted_encodes.1));
            slot.counted_encodes = (encoded, hits_now.max(slot.counted_encodes.1));

            let is_over = slot
                .empty_since
                .is_some_and(|since| now.since(since) >= self.shared.limits.empty_room_kept);
            // Somebody may be on the way to it: then the directory keeps it.
            if is_over && self.shared.directory.remove_room(&slot.name, self.index) {
                self.forget_room(key);
                continue;
            }
            if guarded(|| slot.room.handle_timeout(now)).is_none() {
                self.on_room_panicked(key, now);
            } else {
                self.act_on_room_events(key, now);
            }
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use bevy_ecs::prelude::*;
    use tickwire_protocol::session::{Hello, ResumeToken, ServerSession};

    use super::*;
    use crate::{
        game::Game,
        limits::Limits,
        net::{directory::Directory, metrics::Metrics, worker::tests::shared},
    };

    #[derive(Component)]
    struct Fragile;

    /// Cannot be dropped in peace either.
    #[derive(Resource)]
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("on purpose: dropped");
        }
    }

    fn game() -> Game {
        Game::new("fragile")
            .insert_resource(Bomb)
            .on_start(|world| {
                world.add_observer(|_: On<'_, '_, Remove<Fragile>>| panic!("on purpose: removed"));
            })
            .on_join(|world, _| world.spawn(Fragile).id())
    }

    #[test]
    fn a_game_that_panics_in_its_own_cleaning_up_ends_its_room_only() {
        let (sender, commands) = channel();
        let metrics = Metrics::new(1);
        let shared = shared(game, Limits::default(), Directory::new(1, 8, 8), &[sender]);
        let mut worker = Worker::new(0, shared, metrics.worker(0).clone(), commands).unwrap();
        let place = worker.shared.directory.place_in("den".into()).unwrap();
        let room = Room::new(game(), "den", 1, Micros(0)).unwrap();
        let key = worker.put_room(RoomSlot::new(room, &place, 0.0, Micros(0)));
        for number in 0..3 {
            let session = Box::new(ServerSession::new(Micros(0)));
            let token = ResumeToken([number; 16]);
            let room = &mut worker.rooms[key].room;
            room.handle_join(session, &Hello::default(), token, Micros(0))
                .unwrap();
        }
        worker.act_on_room_events(key, Micros(0));
        assert_eq!(worker.shared.directory.counts(), (1, 3));
        worker.end_room(key, CloseCode::GoingAway, "over", Micros(0));
        assert!(worker.rooms.is_empty());
        assert_eq!(worker.shared.directory.counts(), (0, 0));
    }
}
