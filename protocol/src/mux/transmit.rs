//! Which stream sends next, and how much: strict between classes, fair by weight inside one.
//!
//! In: streams with something to send. Out: data and end frames, within a budget. Inside a class it is
//! deficit round robin (Shreedhar and Varghese, 1995): a stream's turn is worth bytes in proportion to
//! its weight, and what it could not use for want of budget stays its own. A record is cut where a turn
//! ends, so a turn is exact.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    frame::{FrameKind, header_len, put_frame, put_header},
    id::StreamId,
    limits::{CHUNK_BYTES_MAX, CHUNK_COST_BYTES, CONNECTION_WINDOW_BYTES},
    mux::{Mux, StreamEvent, StreamState},
    stream::Class,
    time::Micros,
};

/// Bytes of one turn for each unit of weight: the default weight of 16 sends whole chunks.
const TURN_BYTES_PER_WEIGHT: u64 = CHUNK_BYTES_MAX as u64 / 16;

/// The largest header that a data frame can have.
const HEADER_ROOM: usize = header_len(StreamId(u32::MAX), CHUNK_BYTES_MAX);

/// A budget that would cut a record into less than this is left unused.
const PIECE_WORTHWHILE: usize = 128;

/// The sending side of the connection's flow control, and the rows of streams that want to send.
#[derive(Debug)]
pub(super) struct Schedule {
    events: VecDeque<StreamId>,
    bulk: VecDeque<StreamId>,
    sent: u64,
    limit: u64,
    unsent: usize,
}

enum Turn {
    /// The stream used its turn up, and has more.
    Over,
    /// The stream has nothing to send now.
    Idle,
    /// The budget or the connection's credit is used up.
    Stop,
}

impl Schedule {
    pub(super) const fn new() -> Self {
        Self {
            events: VecDeque::new(),
            bulk: VecDeque::new(),
            sent: 0,
            limit: CONNECTION_WINDOW_BYTES,
            unsent: 0,
        }
    }

    /// Memory that records of all streams take.
    pub(super) const fn unsent_bytes(&self) -> usize {
        self.unsent
    }

    pub(super) fn queue(
        &mut self,
        id: StreamId,
        state: &mut StreamState,
        record: Bytes,
        now: Micros,
    ) {
        self.unsent += state.send.push(record, now);
        self.activate(id, state);
    }

    /// Drops the stream's live records that are too old.
    pub(super) fn drop_old(&mut self, state: &mut StreamState, now: Micros) {
        self.unsent -= state.send.drop_old(now);
    }

    /// Puts a stream in its row, if it has something to send and credit for it.
    pub(super) fn activate(&mut self, id: StreamId, state: &mut StreamState) {
        let can_send =
            state.send.end_is_next() || affordable(state.send.next_len(), state.send.credit());
        if can_send && !state.send.scheduled {
            state.send.scheduled = true;
            state.send.deficit = 0;
            self.row(state.class).push_back(id);
        }
    }

    /// Takes a stream that is gone out of its row.
    pub(super) fn forget(&mut self, id: StreamId, state: &StreamState) {
        self.unsent -= state.send.unsent_bytes();
        if state.send.scheduled {
            self.row(state.class).retain(|other| *other != id);
        }
    }

    /// Raises what the connection may send. Limits only grow.
    pub(super) fn on_credit(&mut self, limit: u64) {
        self.limit = self.limit.max(limit);
    }

    const fn credit(&self) -> u64 {
        self.limit.saturating_sub(self.sent)
    }

    const fn row(&mut self, class: Class) -> &mut VecDeque<StreamId> {
        match class {
            Class::Bulk => &mut self.bulk,
            Class::Control | Class::State | Class::Event => &mut self.events,
        }
    }

    #[cfg(test)]
    pub(super) fn is_scheduled(&self, id: StreamId) -> bool {
        self.events.contains(&id) || self.bulk.contains(&id)
    }

    #[cfg(test)]
    pub(super) fn scheduled(&self) -> usize {
        self.events.len() + self.bulk.len()
    }
}

/// Whether a piece of a record of this length can be sent on this credit.
fn affordable(record_bytes: Option<usize>, credit: u64) -> bool {
    match record_bytes {
        None => false,
        Some(0) => credit >= CHUNK_COST_BYTES,
        Some(_) => credit > CHUNK_COST_BYTES,
    }
}

impl Mux {
    /// Whether [`transmit`](Self::transmit) would append anything, given budget.
    pub(crate) fn wants_transmit(&self, up_to: Class) -> bool {
        let waiting = !self.schedule.events.is_empty()
            || (up_to >= Class::Bulk && !self.schedule.bulk.is_empty());
        waiting && self.schedule.credit() > CHUNK_COST_BYTES
    }

    /// Appends data of opened streams, at most `budget_bytes`. Below about 140 that may be none.
    pub(crate) fn transmit(
        &mut self,
        up_to: Class,
        budget_bytes: usize,
        now: Micros,
        out: &mut Vec<u8>,
    ) {
        let end = out.len().saturating_add(budget_bytes);
        for class in [Class::Event, Class::Bulk] {
            if class > up_to {
                return;
            }
            while let Some(&id) = self.schedule.row(class).front() {
                match self.take_turn(id, end, now, out) {
                    Turn::Over => self.schedule.row(class).rotate_left(1),
                    Turn::Idle => {
                        self.schedule.row(class).pop_front();
                    }
                    Turn::Stop => return,
                }
            }
        }
    }

    /// Lets one stream send until its turn, its data, its credit or the budget is used up.
    fn take_turn(&mut self, id: StreamId, end: usize, now: Micros, out: &mut Vec<u8>) -> Turn {
        let schedule = &mut self.schedule;
        let Some(state) = self.streams.get_mut(&id) else {
            return Turn::Idle;
        };
        let send = &mut state.send;
        if send.deficit == 0 {
            send.deficit = TURN_BYTES_PER_WEIGHT * u64::from(send.weight.get());
        }
        let turn = loop {
            schedule.unsent -= send.drop_old(now);
            let budget = end.saturating_sub(out.len());
            let worthwhile = send.next_len().unwrap_or(0).min(PIECE_WORTHWHILE);
            if budget <= HEADER_ROOM + worthwhile {
                break Turn::Stop;
            }
            if send.end_is_next() {
                put_frame(out, FrameKind::End, id, &[]);
                send.on_end_sent();
                break Turn::Idle;
            }
            let Some(left) = send.next_len() else {
                break Turn::Idle;
            };
            if !affordable(Some(left), send.credit()) {
                break Turn::Idle;
            }
            if !affordable(Some(left), schedule.credit()) {
                break Turn::Stop;
            }
            let credit = send.credit().min(schedule.credit()) - CHUNK_COST_BYTES;
            let most = credit.min(send.deficit).min((budget - HEADER_ROOM) as u64);
            let len = left.min(CHUNK_BYTES_MAX).min(most as usize);
            let Some((piece, more, freed)) = send.take(len) else {
                break Turn::Idle;
            };
            let start = out.len();
            put_header(out, FrameKind::Data, more, id, len);
            out.extend_from_slice(&piece);
            self.carried[state.kind.place()].count_out(out.len() - start);
            schedule.unsent -= freed;
            schedule.sent += len as u64 + CHUNK_COST_BYTES;
            // A frame is never free, or empty records would make a turn endless.
            send.deficit = send.deficit.saturating_sub(len as u64 + 1);
            if send.deficit == 0 && send.has_work() {
                break Turn::Over;
            }
        };
        if matches!(turn, Turn::Idle) {
            send.scheduled = false;
            send.deficit = 0;
        }
        if send.take_room(schedule.unsent) {
            self.events.push_back(StreamEvent::Writable(id));
        }
        turn
    }
}
