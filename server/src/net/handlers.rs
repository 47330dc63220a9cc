//! The program's handlers of streams and players, and the runtime that their tasks run on.
//!
//! In: async functions. Out: tasks. The choice to question: the handler itself is called inside its
//! task, so that nothing a program does, a panic included, happens on a worker's thread.

use core::{fmt, pin::Pin};
use std::sync::Arc;

use tokio::runtime::Handle;

use super::ServeError;
use crate::stream::{Incoming, Peer};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
type Handler<T> = Arc<dyn Fn(T) -> Task + Send + Sync>;

/// The handlers of one server.
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    stream: Option<Handler<Incoming>>,
    player: Option<Handler<Peer>>,
    runtime: Option<Handle>,
}

impl Handlers {
    pub(super) fn set_stream<F>(&mut self, handler: impl Fn(Incoming) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.stream = Some(Arc::new(move |incoming| Box::pin(handler(incoming))));
    }

    pub(super) fn set_player<F>(&mut self, handler: impl Fn(Peer) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.player = Some(Arc::new(move |peer| Box::pin(handler(peer))));
    }

    /// Remembers the runtime of this thread, if any handler needs one.
    pub(super) fn find_runtime(&mut self) -> Result<(), ServeError> {
        if self.any() {
            self.runtime = Some(Handle::try_current().map_err(ServeError::NoRuntime)?);
        }
        Ok(())
    }

    /// Whether there is any handler.
    pub(crate) const fn any(&self) -> bool {
        self.stream.is_some() || self.player.is_some()
    }

    /// Runs the handler of streams; gives the stream back if there is none.
    pub(crate) fn on_stream(&self, incoming: Incoming) -> Option<Incoming> {
        self.run(self.stream.as_ref(), incoming)
    }

    /// Runs the handler of players.
    pub(crate) fn on_player(&self, peer: Peer) {
        self.run(self.player.as_ref(), peer);
    }

    fn run<T: Send + 'static>(&self, handler: Option<&Handler<T>>, argument: T) -> Option<T> {
        let (Some(handler), Some(runtime)) = (handler.cloned(), &self.runtime) else {
            return Some(argument);
        };
        runtime.spawn(async move { handler(argument).await });
        None
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers")
            .field("stream", &self.stream.is_some())
            .field("player", &self.player.is_some())
            .finish_non_exhaustive()
    }
}
