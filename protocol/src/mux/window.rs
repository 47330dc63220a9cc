//! What a receiver allows: the connection's credit, and the pool that streams' windows grow from.
//!
//! In: streams that come, read and go. Out: new limits to tell the peer. A limit is the total cost of
//! data since the start, so that a credit frame means the same whenever it comes. A window doubles when
//! the program empties half of it within two round trips: then the window, and not the program, is what
//! holds the stream back (as in gRPC's and quinn's tuning).

use crate::{
    limits::{
        CONNECTION_CREDIT_HELD_BACK_MAX, CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES_INITIAL,
        STREAM_WINDOW_BYTES_MAX, STREAM_WINDOW_BYTES_MIN, STREAM_WINDOWS_POOL_BYTES,
    },
    time::Micros,
};

/// Before a round trip is known, and the least that is believed: below it the peers' own rhythm, not
/// the link, decides how often credit comes.
const RTT_UNKNOWN: Micros = Micros::from_millis(100);
const RTT_MIN: Micros = Micros::from_millis(25);

/// The receiving side of a connection's flow control.
#[derive(Debug)]
pub(super) struct Window {
    /// Cost of all data that came, and of what the program has taken of it.
    received: u64,
    taken: u64,
    limit: u64,
    /// What windows have beyond the smallest, in all.
    lent: u64,
    rtt: Micros,
}

impl Window {
    pub(super) const fn new() -> Self {
        Self {
            received: 0,
            taken: 0,
            limit: CONNECTION_WINDOW_BYTES,
            lent: 0,
            rtt: RTT_UNKNOWN,
        }
    }

    pub(super) const fn set_rtt(&mut self, rtt: Micros) {
        self.rtt = if rtt.0 == 0 {
            RTT_UNKNOWN
        } else if rtt.0 < RTT_MIN.0 {
            RTT_MIN
        } else {
            rtt
        };
    }

    /// Counts data that came; false when it is beyond the limit.
    pub(super) const fn on_received(&mut self, cost: u64) -> bool {
        self.received += cost;
        self.received <= self.limit
    }

    /// Counts data that is done with, and says the new limit when it is time to tell.
    pub(super) const fn on_taken(&mut self, cost: u64) -> Option<u64> {
        self.taken += cost;
        self.limit_above(CONNECTION_CREDIT_HELD_BACK_MAX)
    }

    /// The new limit for a message that goes anyway, when it is worth telling.
    pub(super) const fn ride(&mut self) -> Option<u64> {
        self.limit_above(CONNECTION_CREDIT_HELD_BACK_MAX / 2)
    }

    const fn limit_above(&mut self, more: u64) -> Option<u64> {
        let limit = self.taken + CONNECTION_WINDOW_BYTES;
        if limit - self.limit < more {
            return None;
        }
        self.limit = limit;
        Some(limit)
    }

    /// A window for a stream that begins.
    pub(super) fn reserve_initial(&mut self) -> u64 {
        self.grow(STREAM_WINDOW_BYTES_MIN, STREAM_WINDOW_BYTES_INITIAL)
    }

    /// Grows a window towards `wanted`, by at most half of what the pool still has: the next stream
    /// finds something too.
    pub(super) fn grow(&mut self, window: u64, wanted: u64) -> u64 {
        let more = wanted.min(STREAM_WINDOW_BYTES_MAX).saturating_sub(window);
        let more = more.min((STREAM_WINDOWS_POOL_BYTES - self.lent) / 2);
        self.lent += more;
        window + more
    }

    /// The window that a stream has from now on, half of whose window was read since `last_credit`.
    pub(super) fn tune(&mut self, window: u64, last_credit: Micros, now: Micros) -> u64 {
        if now.since(last_credit) < self.rtt + self.rtt {
            self.grow(window, window * 2)
        } else {
            window
        }
    }

    /// What a stream must give back when the pool runs low: all above its fair part, but nothing that
    /// the peer may already have used.
    pub(super) fn shrink(&mut self, window: u64, outstanding: u64, streams_open: usize) -> u64 {
        if self.lent < STREAM_WINDOWS_POOL_BYTES / 8 * 7 {
            return window;
        }
        let fair = STREAM_WINDOW_BYTES_MIN + STREAM_WINDOWS_POOL_BYTES / streams_open.max(1) as u64;
        let smaller = window.min(fair.max(outstanding));
        self.lent -= window - smaller;
        smaller
    }

    /// Takes back a window of a stream that is done.
    pub(super) const fn release(&mut self, window: u64) {
        self.lent -= window - STREAM_WINDOW_BYTES_MIN;
    }

    #[cfg(test)]
    pub(super) const fn lent(&self) -> u64 {
        self.lent
    }

    #[cfg(test)]
    pub(super) const fn unread(&self) -> u64 {
        self.received - self.taken
    }
}
