//! How much bulk a session hands out, and by what it knows that.
//!
//! In: bulk that waits and that was handed out, answers to marks, and what a kernel says if there is one to ask. Out:
//! room, and marks to write while there is none.

use crate::{
    pace::{KernelPace, MESSAGE_BYTES_LEAST, MarkedPace, Sample, UnknownMark},
    time::Micros,
};

/// How often bulk that waits is looked at again, answers or not: as a server's pump.
const TURN: Micros = Micros::from_millis(2);

/// What holds a session's bulk back.
#[derive(Debug, Default)]
pub(crate) struct Pacing {
    marked: MarkedPace,
    /// Believed in place of marks, once there is one.
    kernel: Option<KernelPace>,
    /// When to look again at bulk that was held back.
    turn_due: Option<Micros>,
}

impl Pacing {
    /// Takes what a kernel says: it is believed from now on in place of marks.
    pub(crate) fn handle_sample(&mut self, sample: Sample, segment_bytes: usize, now: Micros) {
        let kernel = self
            .kernel
            .get_or_insert_with(|| KernelPace::of_client(MESSAGE_BYTES_LEAST));
        kernel.handle_sample(sample, segment_bytes, now);
    }

    /// Takes an answer to a mark.
    pub(crate) fn handle_reached(&mut self, mark: u64, now: Micros) -> Result<(), UnknownMark> {
        self.marked.handle_reached(mark, now)
    }

    /// Bytes of bulk that may go now, in one message.
    pub(crate) fn room_bytes(&mut self, now: Micros) -> usize {
        let room = match &self.kernel {
            Some(kernel) => kernel.message_bytes(),
            None => self.marked.room_bytes(now),
        };
        self.turn_due = (room == 0).then_some(now + TURN);
        room
    }

    /// Counts bulk that was handed out.
    pub(crate) fn on_written(&mut self, bytes: usize) {
        match &mut self.kernel {
            Some(kernel) => kernel.on_written(bytes),
            None => self.marked.on_written(bytes),
        }
    }

    /// The mark to write now, behind what was handed out. `waits` says whether more bulk does.
    pub(crate) fn poll_mark(&mut self, waits: bool, now: Micros) -> Option<u64> {
        match &self.kernel {
            Some(_) => None,
            None => self.marked.poll_mark(waits, now),
        }
    }

    /// Takes note that no bulk waits.
    pub(crate) const fn rest(&mut self) {
        self.turn_due = None;
    }

    /// When bulk that was held back is to be looked at again, if there is any.
    pub(crate) const fn turn_due(&self) -> Option<Micros> {
        self.turn_due
    }

    /// Takes note that the time has come: whoever looks again is told when next.
    pub(crate) fn handle_timeout(&mut self, now: Micros) {
        self.turn_due = self.turn_due.filter(|at| now < *at);
    }

    /// Bytes that may wait unsent.
    pub(crate) fn unsent_bytes_max(&self) -> u64 {
        match &self.kernel {
            Some(kernel) => kernel.unsent_bytes_max(),
            None => self.marked.unsent_bytes_max(),
        }
    }

    /// Answers to marks that have come.
    pub(crate) const fn answered(&self) -> u64 {
        self.marked.answered()
    }
}
