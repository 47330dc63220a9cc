//! What the pipes of one connection share: the list of those that want their owner, and its bell.
//!
//! ```text
//!   pipe wants something ─▶ list ─▶ bell, unless the owner attends already
//!   owner: attend ─▶ service … service ─▶ rest (only while the list is empty)
//! ```

use core::{
    fmt,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    task::{Context, Poll, Waker},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{ByteStream, MessageStream, StreamError, state::Pipe};
use crate::stream::StreamOptions;

/// Tells a connection's owner that a pipe wants something. It is called from any thread and must not
/// wait.
pub type Bell = Arc<dyn Fn() + Send + Sync>;

/// The end of a connection's pipes that tasks hold.
#[derive(Default)]
pub struct Hub {
    desk: Mutex<Desk>,
    /// Bytes that wait in all pipes together.
    pub(super) unsent: AtomicUsize,
    /// Cost of what tasks have of records under way, and the peer has credit for again.
    pub(super) granted: AtomicUsize,
}

#[derive(Default)]
struct Desk {
    waiting: Vec<Arc<Pipe>>,
    /// The owner will look at the list without being told.
    attended: bool,
    is_closed: bool,
    bell: Option<Bell>,
    /// Who waits for the end, by a number of its own.
    watchers: BTreeMap<u64, Waker>,
    next_watcher: u64,
}

/// Waits for the end of a connection.
struct Closed<'h> {
    hub: &'h Hub,
    number: Option<u64>,
}

impl Future for Closed<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut desk = self.hub.desk();
        if desk.is_closed {
            return Poll::Ready(());
        }
        let number = self.number.unwrap_or(desk.next_watcher);
        desk.next_watcher = desk.next_watcher.max(number + 1);
        desk.watchers.insert(number, context.waker().clone());
        drop(desk);
        self.number = Some(number);
        Poll::Pending
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.hub.desk().watchers.remove(&number);
        }
    }
}

impl Hub {
    /// Opens a stream. It can be written at once; if it cannot be opened, or is refused, its methods say
    /// so.
    #[must_use]
    pub fn open(self: &Arc<Self>, options: StreamOptions) -> ByteStream {
        ByteStream::of(Pipe::ours(self, options))
    }

    /// Opens a stream of values: options of kind [`Messages`] or [`Live`].
    ///
    /// [`Messages`]: crate::stream::StreamKind::Messages
    /// [`Live`]: crate::stream::StreamKind::Live
    #[must_use]
    pub fn open_messages<T>(self: &Arc<Self>, options: StreamOptions) -> MessageStream<T> {
        MessageStream::of(Pipe::ours(self, options))
    }

    /// Waits until the connection is over.
    pub async fn closed(&self) {
        let (hub, number) = (self, None);
        Closed { hub, number }.await;
    }

    /// Whether the connection is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.desk().is_closed
    }

    /// Puts a pipe on the list and rings, once.
    pub(super) fn call(&self, pipe: Arc<Pipe>) {
        let mut desk = self.desk();
        if desk.is_closed {
            drop(desk);
            return pipe.fail(StreamError::Lost);
        }
        desk.waiting.push(pipe);
        let bell = (!core::mem::replace(&mut desk.attended, true))
            .then(|| desk.bell.clone())
            .flatten();
        drop(desk);
        if let Some(bell) = bell {
            bell();
        }
    }

    /// Gives the list an owner, who must look at it next.
    pub(super) fn attend(&self, bell: Bell) {
        let mut desk = self.desk();
        desk.bell = Some(bell);
        desk.attended = true;
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.desk().waiting.is_empty()
    }

    /// Takes the list.
    pub(super) fn take_waiting(&self, into: &mut Vec<Arc<Pipe>>) {
        core::mem::swap(&mut self.desk().waiting, into);
    }

    /// Lets the owner rest until the bell rings; false when somebody waits already.
    pub(super) fn rest(&self) -> bool {
        let mut desk = self.desk();
        desk.attended = !desk.waiting.is_empty();
        !desk.attended
    }

    /// Ends the connection, and gives the pipes that wait.
    pub(super) fn close(&self) -> Vec<Arc<Pipe>> {
        let mut desk = self.desk();
        desk.is_closed = true;
        desk.bell = None;
        let watchers = core::mem::take(&mut desk.watchers);
        let waiting = core::mem::take(&mut desk.waiting);
        drop(desk);
        watchers.into_values().for_each(Waker::wake);
        waiting
    }

    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent.load(Relaxed)
    }

    pub(super) fn granted_bytes(&self) -> usize {
        self.granted.load(Relaxed)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("unsent", &self.unsent)
            .finish_non_exhaustive()
    }
}
