//! The process's clock as the core wants it: micros that never go back.

use std::time::Instant;

use tickwire_protocol::time::Micros;

/// Counts from the server's start. Cheap to copy: every thread has one and they agree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub(super) fn now(self) -> Micros {
        self.start.elapsed().into()
    }
}
