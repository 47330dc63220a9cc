//! The two queues of a pipe.
//!
//! In: chunks that came and records to send. Out: the same in order, with what they cost in credit or in
//! memory. Small writes are gathered into one record: how a byte stream was cut means nothing, and a
//! record of its own costs more than a few bytes are worth.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::{
    limits::{
        CHUNK_COST_BYTES, PIPE_UNSENT_BYTES_MAX, PIPE_UNSENT_BYTES_MIN, PIPE_WRITE_BYTES_MAX,
    },
    mux::Chunk,
    stream::StreamKind,
    time::Micros,
};

/// Bytes that a task has taken and the peer has no credit for yet, while more wait for the task: telling
/// the owner of every chunk would cost more than the chunk.
const TAKEN_UNTOLD_BYTES: u64 = 32 * 1024;

/// A queue half of which goes out faster than this, time after time, is too short for its link: two turns
/// of a server's pump.
const HALF_EMPTIED_FAST: Micros = Micros::from_millis(4);

/// A queue that takes so long for it need not be deep.
const HALF_EMPTIED_SLOWLY: Micros = Micros::from_millis(100);

/// From the peer to the task.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    pub(super) chunks: VecDeque<Chunk>,
    /// Cost of chunks that the task has taken and the mux does not know of.
    pub(super) taken_cost: u64,
    /// What of the first chunk the task has taken already.
    begun_bytes: u64,
    /// Cost of the pieces of a record under way that the task has taken, and the mux does not know of: the peer
    /// gets its credit back when the record is whole.
    partial_cost: u64,
    /// The same of those that the mux was told of, because the record is longer than the window.
    granted_cost: u64,
    pub(super) has_ended: bool,
    /// Nobody reads any more: what comes is dropped.
    pub(super) let_go: bool,
    /// Something was dropped unread.
    pub(super) was_dropped: bool,
}

/// From the task to the peer.
#[derive(Debug)]
pub(super) struct Outbound {
    kind: StreamKind,
    pub(super) records: VecDeque<Record>,
    /// Small writes, gathered until they are worth a record.
    tail: BytesMut,
    bytes: usize,
    depth: Depth,
    /// Something was written, ever.
    pub(super) was_written: bool,
    pub(super) end: End,
    pub(super) let_go: bool,
}

/// How much may wait: about what the connection takes in 8 ms, within limits.
#[derive(Debug)]
struct Depth {
    bytes: usize,
    /// The task waits for room.
    is_wanted: bool,
    /// When half of the queue was free again for a task that waited.
    half_emptied: Option<Micros>,
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) bytes: Bytes,
    /// When the owner saw it first: what a live record's age counts from.
    pub(super) seen: Option<Micros>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Open,
    /// The task has ended it, and the mux does not know yet.
    Ending,
    /// The mux knows.
    Sent,
    /// The peer has taken everything; or this direction never was.
    Done,
}

impl Inbound {
    pub(super) fn copy_to(&mut self, buffer: &mut [u8]) -> usize {
        let mut copied = 0;
        while copied < buffer.len()
            && let Some(chunk) = self.chunks.front_mut()
        {
            let piece = chunk.bytes.len().min(buffer.len() - copied);
            let bytes = chunk.bytes.split_to(piece);
            buffer[copied..copied + piece].copy_from_slice(&bytes);
            copied += piece;
            if chunk.bytes.is_empty() {
                self.taken_cost += chunk.cost() + piece as u64 + self.begun_bytes;
                self.begun_bytes = 0;
                self.chunks.pop_front();
            } else {
                self.begun_bytes += piece as u64;
            }
        }
        copied
    }

    pub(super) fn take(&mut self) -> Option<Chunk> {
        let (chunk, cost) = self.pop()?;
        self.taken_cost += cost;
        Some(chunk)
    }

    /// The next chunk, and what it costs.
    fn pop(&mut self) -> Option<(Chunk, u64)> {
        let chunk = self.chunks.pop_front()?;
        let cost = chunk.cost() + core::mem::take(&mut self.begun_bytes);
        Some((chunk, cost))
    }

    /// Takes the next piece of a record.
    pub(super) fn take_piece(&mut self) -> Option<Chunk> {
        let (chunk, cost) = self.pop()?;
        self.partial_cost += cost;
        if chunk.ends_record {
            self.finish_record();
        }
        Some(chunk)
    }

    fn finish_record(&mut self) {
        self.taken_cost += core::mem::take(&mut self.partial_cost);
        self.granted_cost = 0;
    }

    pub(super) const fn partial_cost(&self) -> u64 {
        self.partial_cost
    }

    pub(super) const fn granted_cost(&self) -> u64 {
        self.granted_cost
    }

    /// Lets the mux know of a record under way, and says what that costs.
    pub(super) const fn grant(&mut self) -> u64 {
        let cost = core::mem::replace(&mut self.partial_cost, 0);
        self.granted_cost += cost;
        cost
    }

    /// Drops what waits and what of a record is taken. Says whether there was anything.
    pub(super) fn drop_all(&mut self) -> bool {
        let mut is_any = self.partial_cost + self.granted_cost > 0;
        while let Some(chunk) = self.take() {
            is_any |= !chunk.bytes.is_empty();
        }
        self.finish_record();
        self.was_dropped |= is_any;
        is_any
    }

    /// What the mux is to hear of. A byte may be kept back: then the mux does not confirm the peer's end.
    pub(super) fn tell_taken(&mut self, keeps_back: bool) -> u64 {
        let kept = self.taken_cost.min(u64::from(keeps_back));
        core::mem::replace(&mut self.taken_cost, kept) - kept
    }

    pub(super) fn is_worth_telling(&self) -> bool {
        let is_empty = self.chunks.is_empty();
        self.taken_cost >= TAKEN_UNTOLD_BYTES
            || (is_empty && self.taken_cost + self.partial_cost > 0)
    }
}

impl Outbound {
    pub(super) fn new(kind: StreamKind) -> Self {
        Self {
            kind,
            records: VecDeque::new(),
            tail: BytesMut::new(),
            bytes: 0,
            depth: Depth {
                bytes: PIPE_UNSENT_BYTES_MIN,
                is_wanted: false,
                half_emptied: None,
            },
            was_written: false,
            end: End::Open,
            let_go: false,
        }
    }

    /// What waits costs in memory.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn kind(&self) -> StreamKind {
        self.kind
    }

    fn is_live(&self) -> bool {
        self.kind == StreamKind::Live
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.tail.is_empty()
    }

    pub(super) fn has_room(&self, hub_has_room: bool) -> bool {
        self.is_empty() || self.is_live() || (self.bytes < self.depth.bytes && hub_has_room)
    }

    /// Remembers that the task waits for room.
    pub(super) const fn ask_for_room(&mut self) {
        self.depth.is_wanted = true;
    }

    /// Whether half of the queue is free. How soon that came for a task that waited says how deep the
    /// queue should be.
    pub(super) fn is_half_empty(&mut self, now: Micros) -> bool {
        let is_half_empty = self.bytes <= self.depth.bytes / 2;
        if is_half_empty && core::mem::take(&mut self.depth.is_wanted) {
            self.depth.adapt(now);
        }
        is_half_empty
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.was_written = true;
        self.bytes += bytes.len();
        if self.tail.is_empty() && bytes.len() >= PIPE_WRITE_BYTES_MAX / 2 {
            self.push_record(Bytes::copy_from_slice(bytes));
            return;
        }
        self.tail.extend_from_slice(bytes);
        if self.tail.len() >= PIPE_WRITE_BYTES_MAX {
            self.gather();
        }
    }

    pub(super) fn push(&mut self, record: Bytes) {
        self.gather();
        self.was_written = true;
        self.bytes += record.len();
        self.push_record(record);
        while self.is_live() && self.bytes > PIPE_UNSENT_BYTES_MIN && self.records.len() > 1 {
            self.pop();
        }
    }

    fn push_record(&mut self, bytes: Bytes) {
        self.bytes += CHUNK_COST_BYTES as usize;
        self.records.push_back(Record { bytes, seen: None });
    }

    /// Makes a record of small writes.
    pub(super) fn gather(&mut self) {
        if !self.tail.is_empty() {
            let tail = core::mem::take(&mut self.tail).freeze();
            self.push_record(tail);
        }
    }

    pub(super) fn pop(&mut self) {
        if let Some(record) = self.records.pop_front() {
            self.bytes -= record.bytes.len() + CHUNK_COST_BYTES as usize;
        }
    }

    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.tail.clear();
        self.bytes = 0;
    }
}

impl Depth {
    fn adapt(&mut self, now: Micros) {
        if let Some(last) = self.half_emptied.replace(now) {
            let span = now.since(last);
            if span < HALF_EMPTIED_FAST {
                self.bytes = (self.bytes * 2).min(PIPE_UNSENT_BYTES_MAX);
            } else if span > HALF_EMPTIED_SLOWLY {
                self.bytes = PIPE_UNSENT_BYTES_MIN;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: usize = 1024 - CHUNK_COST_BYTES as usize;

    /// The most that waits of a task that always has more, while the connection takes `taken_bytes` every
    /// 2 ms.
    fn held_beside(taken_bytes: usize) -> usize {
        let mut queue = Outbound::new(StreamKind::Bytes);
        let mut held = 0;
        for turn in 0..500 {
            let left = queue.bytes().saturating_sub(taken_bytes);
            while queue.bytes() > left {
                queue.pop();
            }
            // The task is woken only then.
            if queue.is_half_empty(Micros::from_millis(2 * turn)) {
                while queue.has_room(true) {
                    queue.push(Bytes::from_static(&[0; PIECE]));
                }
                queue.ask_for_room();
            }
            held = held.max(queue.bytes());
        }
        held
    }

    #[test]
    fn a_queue_is_as_deep_as_its_connection_is_fast() {
        assert_eq!(held_beside(5_000), PIPE_UNSENT_BYTES_MIN, "20 Mbit/s");
        assert_eq!(held_beside(1 << 20), PIPE_UNSENT_BYTES_MAX, "a wire");
        assert_eq!(held_beside(80_000), 256 * 1024, "320 Mbit/s");
    }

    #[test]
    fn a_queue_of_small_values_counts_what_each_takes_in_memory() {
        let mut queue = Outbound::new(StreamKind::Messages);
        while queue.has_room(true) {
            queue.push(Bytes::from_static(&[0xc3]));
        }
        assert!(queue.records.len() <= PIPE_UNSENT_BYTES_MIN / CHUNK_COST_BYTES as usize);
        while !queue.is_empty() {
            queue.pop();
        }
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn a_queue_of_a_connection_that_stalls_is_short_again() {
        let mut queue = Outbound::new(StreamKind::Bytes);
        queue.depth.bytes = PIPE_UNSENT_BYTES_MAX;
        for second in 1..3 {
            queue.ask_for_room();
            assert!(queue.is_half_empty(Micros::from_millis(1000 * second)));
        }
        assert_eq!(queue.depth.bytes, PIPE_UNSENT_BYTES_MIN);
    }
}
