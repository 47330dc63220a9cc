//! Threads that a room's tick may be lent.
//!
//! In: pieces of work that do not touch each other. Out: the work, done. The choice to question: the core asks
//! for hands by a trait and starts no thread itself, so it stays without a scheduler of its own, and a test
//! lends it as many threads as it likes. Who does which piece is chance; so a piece writes only what is its own,
//! and what pieces have in common is put together afterwards in their order.

use std::sync::{Mutex, PoisonError};

/// Threads that help for a moment.
pub trait Threads: Sync {
    /// How many there are besides the caller's own.
    fn count(&self) -> usize;

    /// Runs `work` on the caller's thread and on those that help, and returns when all have.
    ///
    /// A panic of any of them is the caller's.
    fn run(&self, work: &(dyn Fn() + Sync));
}

/// Nobody helps.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

impl Threads for Alone {
    fn count(&self) -> usize {
        0
    }

    fn run(&self, work: &(dyn Fn() + Sync)) {
        work();
    }
}

/// Does every piece of work, in order when nobody helps.
pub(crate) fn share<T: Send>(
    threads: &dyn Threads,
    pieces: impl Iterator<Item = T> + Send,
    work: impl Fn(T) + Sync,
) {
    if threads.count() == 0 {
        return pieces.for_each(work);
    }
    let pieces = Mutex::new(pieces);
    let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
    threads.run(&|| {
        while let Some(piece) = next() {
            work(piece);
        }
    });
}
