//! One stream's receiving half: chunks that wait for the program, and the credit they came on.
//!
//! In: data frames, and the program's reads. Out: chunks, and limits to tell the peer. The queue is
//! bounded by the credit given, because every chunk costs what it takes in memory.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    error::DecodeError,
    limits::{
        CHUNK_COST_BYTES, RECORD_BYTES_MAX, STREAM_WINDOW_BYTES_INITIAL, STREAM_WINDOW_BYTES_MIN,
    },
    mux::window::Window,
    time::Micros,
};

/// A piece of a stream as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its bytes.
    pub bytes: Bytes,
    /// Whether a record ends with it. Byte streams ignore this.
    pub ends_record: bool,
}

/// What a stream has for a program that borrows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lent {
    /// The next chunk.
    Chunk(Chunk),
    /// Nothing waits: [`StreamEvent::Readable`](super::StreamEvent::Readable) will come.
    Nothing,
    /// The peer has ended its direction, and all of it is handed out.
    End,
}

impl Chunk {
    /// What it costs in credit: its bytes, and [`CHUNK_COST_BYTES`].
    #[must_use]
    pub const fn cost(&self) -> u64 {
        cost(self.bytes.len())
    }
}

/// Credit that a data frame with so many bytes of payload costs.
pub(super) const fn cost(payload_bytes: usize) -> u64 {
    payload_bytes as u64 + CHUNK_COST_BYTES
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// More may come.
    Open,
    /// All has come, not all is read.
    Ended,
    /// All is read, and the peer was told; or this direction never was.
    Done,
}

#[derive(Debug)]
pub(super) struct ReceiveHalf {
    chunks: VecDeque<Chunk>,
    /// A record whose end has not come yet.
    partial: Vec<u8>,
    received: u64,
    taken: u64,
    /// Cost of chunks that the program holds and has not done with.
    lent: u64,
    limit: u64,
    /// What is reserved of the connection's window. Never below what the peer may still send.
    window: u64,
    /// When half of the window had last been taken, and what was by then.
    tuned: (Micros, u64),
    end: End,
}

/// What the program took of a stream, and what the peer is to hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credit {
    /// Too little for a frame of its own.
    Kept,
    /// A frame's worth, if a message goes anyway: a quarter of the window.
    Rides,
    /// Half of the window: the peer is told this limit at once.
    Due(u64),
}

impl ReceiveHalf {
    /// A half that takes data within `window`.
    pub(super) const fn open(window: u64, now: Micros) -> Self {
        Self {
            chunks: VecDeque::new(),
            partial: Vec::new(),
            received: 0,
            taken: 0,
            lent: 0,
            limit: window,
            window,
            tuned: (now, 0),
            end: End::Open,
        }
    }

    /// The half that a one-way stream's opener has: nothing may come.
    pub(super) const fn closed() -> Self {
        let mut half = Self::open(STREAM_WINDOW_BYTES_MIN, Micros(0));
        half.limit = 0;
        half.end = End::Done;
        half
    }

    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn has_chunks(&self) -> bool {
        !self.chunks.is_empty()
    }

    /// Whether nothing can come any more and all is read.
    pub(super) fn is_done(&self) -> bool {
        self.end == End::Done
    }

    pub(super) fn is_open(&self) -> bool {
        self.end == End::Open
    }

    /// Counts data; false when it is beyond the credit.
    pub(super) const fn on_received(&mut self, cost: u64) -> bool {
        self.received += cost;
        self.received <= self.limit
    }

    /// Keeps a chunk, and says whether the program should hear of it.
    pub(super) fn push(&mut self, chunk: Chunk) -> bool {
        self.chunks.push_back(chunk);
        self.chunks.len() == 1
    }

    pub(super) fn on_end(&mut self) {
        self.end = End::Ended;
    }

    /// Hands a chunk out. Its credit stays used until [`credit`](Self::credit) is told.
    pub(super) fn lend(&mut self) -> Option<Chunk> {
        let chunk = self.chunks.pop_front()?;
        self.lent += chunk.cost();
        Some(chunk)
    }

    /// Whether the end came and every chunk before it is handed out.
    pub(super) fn is_lent_out(&self) -> bool {
        self.end != End::Open && self.chunks.is_empty()
    }

    /// Whether the peer has less than half of the window left, and may have more to send.
    pub(super) fn is_short(&self) -> bool {
        self.is_open() && (self.limit - self.received) * 2 < self.window
    }

    pub(super) const fn lent(&self) -> u64 {
        self.lent
    }

    /// Grows the window from its smallest to the usual one, and says the limit.
    pub(super) fn widen_for_accept(&mut self, pool: &mut Window, now: Micros) -> u64 {
        if self.end == End::Open {
            self.window = pool.grow(self.window, STREAM_WINDOW_BYTES_INITIAL);
            self.limit = self.taken + self.window;
            self.tuned = (now, self.taken);
        }
        self.limit
    }

    /// Counts what the program took, and says what the peer is to hear of it.
    pub(super) fn credit(
        &mut self,
        cost: u64,
        pool: &mut Window,
        streams_open: usize,
        now: Micros,
    ) -> Credit {
        self.taken += cost;
        self.lent -= cost;
        if self.end != End::Open {
            return Credit::Kept;
        }
        let window = pool.shrink(self.window, self.limit - self.taken, streams_open);
        if window < self.window {
            self.window = window;
            self.tuned.1 = self.taken;
        }
        let (since, taken) = self.tuned;
        if (self.taken - taken) * 2 >= self.window {
            self.window = pool.tune(self.window, since, now);
            self.tuned = (now, self.taken);
        }
        let more = self.taken + self.window - self.limit;
        if more * 2 >= self.window {
            Credit::Due(self.raise_limit())
        } else if more * 4 >= self.window {
            Credit::Rides
        } else {
            Credit::Kept
        }
    }

    /// The limit that a message which goes anyway tells the peer; `None` when no more can come.
    pub(super) fn ride(&mut self) -> Option<u64> {
        (self.end == End::Open).then(|| self.raise_limit())
    }

    const fn raise_limit(&mut self) -> u64 {
        self.limit = self.taken + self.window;
        self.limit
    }

    /// Adds a chunk to the record under way, and gives the record when it is whole.
    pub(super) fn assemble(&mut self, chunk: Chunk) -> Result<Option<Bytes>, DecodeError> {
        if self.partial.is_empty() && chunk.ends_record {
            return Ok(Some(chunk.bytes));
        }
        if self.partial.len() + chunk.bytes.len() > RECORD_BYTES_MAX {
            return Err(DecodeError::OutOfRange("record"));
        }
        self.partial.extend_from_slice(&chunk.bytes);
        Ok(chunk
            .ends_record
            .then(|| core::mem::take(&mut self.partial).into()))
    }

    /// Marks the half done when the end came and all is read; true when that is news.
    pub(super) fn finish(&mut self, pool: &mut Window) -> bool {
        if self.end != End::Ended || self.has_chunks() || self.lent > 0 {
            return false;
        }
        self.end = End::Done;
        self.release(pool);
        true
    }

    /// Drops what waits, and says what it cost, with what is lent out.
    pub(super) fn discard(&mut self, pool: &mut Window) -> u64 {
        self.release(pool);
        self.end = End::Done;
        let waiting: u64 = self.chunks.drain(..).map(|chunk| chunk.cost()).sum();
        waiting + core::mem::take(&mut self.lent)
    }

    fn release(&mut self, pool: &mut Window) {
        pool.release(self.window);
        self.window = STREAM_WINDOW_BYTES_MIN;
    }

    #[cfg(test)]
    pub(super) fn check(&self) -> (u64, u64) {
        let waiting: u64 = self.chunks.iter().map(Chunk::cost).sum();
        let unread = waiting + self.lent;
        assert!(
            self.received - self.taken == unread,
            "chunks and counters part"
        );
        if self.end == End::Open {
            assert!(
                self.limit - self.taken <= self.window,
                "more credit than window"
            );
        }
        (unread, self.window - STREAM_WINDOW_BYTES_MIN)
    }
}
