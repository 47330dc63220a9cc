//! The ticks of the rooms that are due: read, step, write.
//!
//! In: rooms whose turn it is. Out: their players' messages. The choice to question: small rooms go together.
//! First what their sockets have is read, then each is stepped, then all their messages are written. After
//! eight sends a core has forgotten our code, and a small room's step takes twice as long as right after
//! another's.

use tickwire_protocol::time::Micros;

use super::{Phase, Worker, guarded, lend::Lent, rooms::RoomSlot, send::Delivered};
use crate::limits::{ROOMS_TOGETHER_MAX, TOGETHER_MICROS_MAX};

/// A room that has stepped.
#[derive(Debug)]
pub(super) struct Stepped {
    pub(super) room: usize,
    pub(super) started: Micros,
    /// Whether its players get messages; not when the next step is due already.
    pub(super) is_delivered: bool,
    pub(super) messages: u64,
    pub(super) snapshots: u64,
    step_micros: u64,
}

impl Worker {
    /// Ticks every room whose turn it is, once.
    pub(super) fn tick_due_rooms(&mut self, now: Micros) {
        let mut due = core::mem::take(&mut self.due_rooms);
        let due_of = |key| self.rooms.get(key).and_then(RoomSlot::next_due);
        self.turns.take_due(now, due_of, &mut due);
        let mut rest = &due[..];
        while !rest.is_empty() {
            let ticked = self.tick_together(&rest[..rest.len().min(ROOMS_TOGETHER_MAX)]);
            rest = &rest[ticked..];
        }
        due.clear();
        self.due_rooms = due;
    }

    /// Ticks rooms until they have taken long enough together, at least one, and says how many.
    fn tick_together(&mut self, rooms: &[usize]) -> usize {
        let begun = self.now();
        let helpers = self.helpers_for(rooms[0]);
        // Who is helped goes alone: the others must not wait for it.
        let rooms = if helpers > 0 { &rooms[..1] } else { rooms };
        self.read_rooms(rooms, helpers, begun);
        let mut stepped = core::mem::take(&mut self.stepped);
        let mut started = begun;
        let mut ticked = 0;
        for &room in rooms {
            let ended = self.step_room(room, helpers, started, &mut stepped);
            self.note_turn(room);
            ticked += 1;
            started = ended;
            if started.since(begun).0 > TOGETHER_MICROS_MAX {
                break;
            }
        }
        let counts = self.deliver(&mut stepped, helpers, started);
        self.count_ticks(&mut stepped, &counts, helpers, started);
        self.stepped = stepped;
        ticked
    }

    /// Reads what the players of these rooms have sent.
    fn read_rooms(&mut self, rooms: &[usize], helpers: usize, now: Micros) {
        let mut keys = core::mem::take(&mut self.readable);
        for &room in rooms {
            let Some(slot) = self.rooms.get_mut(room) else {
                continue;
            };
            // One may have left the room since, and its number may be another's.
            for key in slot.readable.drain(..) {
                let Some(connection) = self.connections.get_mut(key) else {
                    continue;
                };
                // Whoever has its number now is queued once, however often the number stands here.
                if matches!(connection.phase, Phase::Seated { room: of, .. } if of == room)
                    && core::mem::take(&mut connection.readiness.is_queued)
                    && connection.readiness.readable
                {
                    keys.push(key);
                }
            }
        }
        self.read_batched(&keys, helpers, now);
        keys.clear();
        self.readable = keys;
    }

    /// Steps a room, and says when that was done.
    fn step_room(
        &mut self,
        key: usize,
        helpers: usize,
        started: Micros,
        stepped: &mut Vec<Stepped>,
    ) -> Micros {
        // One that ticked before it may have ended it.
        let Some(slot) = self.rooms.get_mut(key) else {
            return started;
        };
        let Some(timing) = guarded(|| slot.room.tick(started, &Lent(helpers))) else {
            self.on_room_panicked(key, started);
            return self.now();
        };
        self.metrics.ticks.add(1);
        self.metrics.tick_lateness.observe(timing.lateness);
        self.metrics.ticks_slipped.add(timing.slipped_ticks.into());
        self.act_on_room_events(key, started);
        if timing.skips_snapshots || timing.slipped_ticks > 0 {
            self.metrics.ticks_late.add(1);
        }
        if timing.skips_snapshots {
            let players = self.rooms.get(key).map_or(0, |slot| slot.room.players());
            self.metrics.snapshots_skipped_overrun.add(players as u64);
        }
        let ended = self.now();
        stepped.push(Stepped {
            room: key,
            started,
            is_delivered: !timing.skips_snapshots,
            messages: 0,
            snapshots: 0,
            step_micros: ended.since(started).0,
        });
        ended
    }

    /// Counts what rooms that went together have taken, each by its steps and its messages.
    fn count_ticks(
        &mut self,
        stepped: &mut Vec<Stepped>,
        counts: &Delivered,
        helpers: usize,
        delivered_from: Micros,
    ) {
        let now = self.now();
        let deliver_micros = now.since(delivered_from).0;
        for room in stepped.drain(..) {
            let messages = counts.messages.max(1);
            let span = room.step_micros + deliver_micros * room.messages / messages;
            self.metrics.tick_duration.observe(Micros(span));
            self.metrics.ticks_helped.add(u64::from(helpers > 0));
            let age = now.since(room.started);
            self.metrics.snapshot_age.observe_many(age, room.snapshots);
            if let Some(slot) = self.rooms.get_mut(room.room) {
                slot.count_tick(span, helpers);
            }
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests;
