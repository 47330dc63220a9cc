//! One stream's sending half: records that wait for credit and the socket, and how the end is reached.
//!
//! In: the program's records, the peer's credit. Out: the next piece of a record. A record is cut
//! where credit, chunk size and fairness ask for it; a live record that waited too long goes as a
//! whole, or is never begun.

use core::num::NonZeroU8;
use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use crate::{
    limits::{
        CHUNK_COST_BYTES, LIVE_AGE_MICROS_MAX, STREAM_UNSENT_BYTES_MAX, STREAMS_UNSENT_BYTES_MAX,
    },
    stream::StreamKind,
    time::Micros,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// More may be written.
    Open,
    /// The program has ended it; `END` waits behind the records.
    Ending,
    /// `END` is sent, the peer has not confirmed.
    Sent,
    /// The peer has taken all; or this direction never was.
    Done,
}

#[derive(Debug)]
struct Record {
    left: Bytes,
    queued: Micros,
    begun: bool,
}

#[derive(Debug)]
pub(super) struct SendHalf {
    records: VecDeque<Record>,
    /// What the records cost in memory.
    unsent: usize,
    sent: u64,
    limit: u64,
    end: End,
    room_wanted: bool,
    is_live: bool,
    pub(super) weight: NonZeroU8,
    /// Bytes it may still send in this turn of its class. See `transmit`.
    pub(super) deficit: u64,
    /// Whether it stands in its class's row.
    pub(super) scheduled: bool,
}

impl SendHalf {
    pub(super) const fn open(kind: StreamKind, weight: NonZeroU8, limit: u64) -> Self {
        Self {
            records: VecDeque::new(),
            unsent: 0,
            sent: 0,
            limit,
            end: End::Open,
            room_wanted: false,
            is_live: matches!(kind, StreamKind::Live),
            weight,
            deficit: 0,
            scheduled: false,
        }
    }

    /// The half that a one-way stream's acceptor has: nothing may be written.
    pub(super) const fn closed(kind: StreamKind, weight: NonZeroU8) -> Self {
        let mut half = Self::open(kind, weight, 0);
        half.end = End::Done;
        half
    }

    pub(super) fn is_open(&self) -> bool {
        self.end == End::Open
    }

    pub(super) fn is_done(&self) -> bool {
        self.end == End::Done
    }

    pub(super) const fn unsent_bytes(&self) -> usize {
        self.unsent
    }

    /// Whether a write is taken. A stream of which nothing waits always takes one: else streams that
    /// the peer has paused could stop it.
    pub(super) fn has_room(&self, all_unsent: usize) -> bool {
        self.records.is_empty()
            || (self.unsent < STREAM_UNSENT_BYTES_MAX && all_unsent < STREAMS_UNSENT_BYTES_MAX)
    }

    /// Remembers that a write was put off.
    pub(super) const fn ask_for_room(&mut self) {
        self.room_wanted = true;
    }

    /// Whether a write that was put off may be tried now: half of the queue is free again.
    pub(super) fn take_room(&mut self, all_unsent: usize) -> bool {
        let room = self.records.is_empty()
            || (self.unsent <= STREAM_UNSENT_BYTES_MAX / 2
                && all_unsent < STREAMS_UNSENT_BYTES_MAX);
        self.room_wanted && room && {
            self.room_wanted = false;
            true
        }
    }

    /// Queues a record and says what it costs in memory.
    pub(super) fn push(&mut self, record: Bytes, now: Micros) -> usize {
        let cost = record.len() + CHUNK_COST_BYTES as usize;
        self.unsent += cost;
        self.records.push_back(Record {
            left: record,
            queued: now,
            begun: false,
        });
        cost
    }

    pub(super) fn end(&mut self) {
        self.end = End::Ending;
    }

    /// Raises the limit. A peer that lowers it has no say: limits only grow.
    pub(super) fn on_credit(&mut self, limit: u64) {
        self.limit = self.limit.max(limit);
    }

    /// What may still be sent, in cost.
    pub(super) const fn credit(&self) -> u64 {
        self.limit.saturating_sub(self.sent)
    }

    /// Drops live records that waited too long, and says what they cost in memory. One that is begun is
    /// finished: the peer could not tell a torn record from a whole one.
    pub(super) fn drop_old(&mut self, now: Micros) -> usize {
        let before = self.unsent;
        while self.is_live
            && let Some(record) = self.records.front()
            && !record.begun
            && now.since(record.queued) > LIVE_AGE_MICROS_MAX
        {
            self.unsent -= record.left.len() + CHUNK_COST_BYTES as usize;
            self.records.pop_front();
        }
        before - self.unsent
    }

    /// Bytes left of the record that is next; `None` when nothing waits.
    pub(super) fn next_len(&self) -> Option<usize> {
        self.records.front().map(|record| record.left.len())
    }

    /// Takes the next `len` bytes of the record that is next: the piece, whether the record goes on,
    /// and what is freed in memory.
    pub(super) fn take(&mut self, len: usize) -> Option<(Bytes, bool, usize)> {
        let record = self.records.front_mut()?;
        let piece = record.left.split_to(len);
        record.begun = true;
        let more = record.left.has_remaining();
        let mut freed = len;
        if !more {
            self.records.pop_front();
            freed += CHUNK_COST_BYTES as usize;
        }
        self.unsent -= freed;
        self.sent += len as u64 + CHUNK_COST_BYTES;
        Some((piece, more, freed))
    }

    /// Whether `END` is what is next.
    pub(super) fn end_is_next(&self) -> bool {
        self.end == End::Ending && self.records.is_empty()
    }

    pub(super) fn on_end_sent(&mut self) {
        self.end = End::Sent;
    }

    /// Takes the peer's confirmation; false when there is nothing to confirm.
    pub(super) fn on_consumed(&mut self) -> bool {
        let expected = self.end == End::Sent;
        if expected {
            self.end = End::Done;
        }
        expected
    }

    /// Whether it has anything to send, credit or not.
    pub(super) fn has_work(&self) -> bool {
        !self.records.is_empty() || self.end == End::Ending
    }

    #[cfg(test)]
    pub(super) fn check(&self) -> usize {
        let unsent: usize = self
            .records
            .iter()
            .map(|record| record.left.len() + CHUNK_COST_BYTES as usize)
            .sum();
        assert_eq!(unsent, self.unsent, "records and counter part");
        assert!(self.sent <= self.limit, "more sent than allowed");
        unsent
    }
}
