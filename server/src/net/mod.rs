//! The shell: HTTP, the upgrade, and the worker threads that own rooms and sockets. The only code of
//! this crate that knows tokio, axum and mio.
//!
//! In: a game, a listener, a shutdown. Out: a server. The choice to question: two kinds of threads. tokio
//! accepts, answers HTTP and upgrades; then the socket leaves it for the worker of its room, which
//! reads and writes thousands of them once per tick without a task, a lock or a wake-up for any.

mod accept;
pub mod assets;
#[cfg(feature = "binaryjs")]
pub mod binaryjs;
mod clock;
mod descriptors;
mod directory;
mod gate;
mod handlers;
mod metrics;
mod proxies;
mod questions;
mod upgrade;
mod worker;

use std::{
    io,
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use axum::{
    Router,
    body::HttpBody as _,
    extract::{ConnectInfo, Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use tickwire_protocol::limits::SUBPROTOCOL;
use tokio::{net::TcpListener, sync::Semaphore};
use tower_http::services::ServeDir;

#[doc(hidden)]
pub use self::metrics::cost::count_ticks;
pub use self::upgrade::answer as answer_upgrade;
use self::{
    accept::Entrance,
    assets::Library,
    clock::Clock,
    directory::Directory,
    gate::Gate,
    handlers::Handlers,
    metrics::Metrics,
    proxies::{Proxies, Visitor},
    worker::{Command, Newcomer, Shared, Worker},
};
use crate::{
    game::Game,
    limits::{Limits, REFUSALS_TOLD_MAX},
    stream::{Incoming, Peer},
};

/// A server about to start.
///
/// See the [crate's page](crate) for a whole one.
pub struct Server {
    make_game: Arc<dyn Fn() -> Game + Send + Sync>,
    limits: Limits,
    workers: usize,
    router: Router,
    files: Option<PathBuf>,
    assets: Option<Library>,
    handlers: Handlers,
    proxies: Proxies,
}

/// Why a server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A worker could not be started.
    #[error("a worker thread could not be started: {0}")]
    Worker(#[source] io::Error),
    /// Handlers of streams or players need a tokio runtime.
    #[error("a server with handlers must be started on a tokio runtime: {0}")]
    NoRuntime(#[source] tokio::runtime::TryCurrentError),
    /// The listener is broken.
    #[error("the listener failed: {0}")]
    Listener(#[source] io::Error),
    /// A game that no room can hold.
    #[error("the game cannot be served: {0}")]
    Game(#[from] tickwire_protocol::error::ApiMisuse),
}

impl Server {
    /// Serves the game that `make_game` builds, once for every room and once when the server starts, to see
    /// that it can be served.
    #[must_use]
    pub fn new(make_game: impl Fn() -> Game + Send + Sync + 'static) -> Self {
        Self {
            make_game: Arc::new(make_game),
            limits: Limits::default(),
            workers: thread::available_parallelism().map_or(1, usize::from),
            router: Router::new(),
            files: None,
            assets: None,
            handlers: Handlers::default(),
            proxies: Proxies::default(),
        }
    }

    /// Sets what the server holds its peers to.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how many threads run rooms; one per core by default, at least one.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// Adds the game's own HTTP routes. `/play`, `/healthz` and `/metrics` are taken. Handlers may ask
    /// for `ConnectInfo<SocketAddr>`.
    #[must_use]
    pub fn router(mut self, router: Router) -> Self {
        self.router = router;
        self
    }

    /// Serves the files below a directory for every path that no route takes: the game's page, say, or the client that
    /// a page loads from `/client/tickwire_client.js`, if it is the `target/dist` of `cargo xtask wasm`. Without it
    /// other paths are not found, and `/` says where players connect.
    #[must_use]
    pub fn files(mut self, directory: impl Into<PathBuf>) -> Self {
        self.files = Some(directory.into());
        self
    }

    /// Delivers these assets over the players' own connections.
    #[must_use]
    pub fn assets(mut self, assets: Library) -> Self {
        self.assets = Some(assets);
        self
    }

    /// Trusts these reverse proxies; none by default. A connection from one of them counts for the address that its
    /// `X-Forwarded-For` names last before a proxy's, or for none. Its bulk is paced by marks that the client answers, for
    /// what the kernel knows of it ends at the proxy.
    ///
    /// Without it all who come through a proxy count as one address, or for none if the proxy is on this machine:
    /// loopback addresses have no limit. And a download queues at the proxy, in front of the snapshots.
    #[must_use]
    pub fn proxies(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.proxies = Proxies::new(addresses);
        self
    }

    /// Runs a task for every stream that a player opens, assets excepted. The task answers the offer; if
    /// it ends or panics without, the stream is refused.
    ///
    /// Tasks run on the tokio runtime on which the server is started. See [`stream`](crate::stream).
    #[must_use]
    pub fn on_stream<F>(mut self, handler: impl Fn(Incoming) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.handlers.set_stream(handler);
        self
    }

    /// Runs a task for every connection that takes a seat, of players who come back too.
    #[must_use]
    pub fn on_player<F>(mut self, handler: impl Fn(Peer) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.handlers.set_player(handler);
        self
    }

    /// Starts the workers, without a listener: for programs that accept connections themselves, for
    /// example with TLS. They serve [`Running::router`].
    ///
    /// Where the system allows too few file descriptors, fewer connections than [`Limits`] say are taken: each is
    /// counted as three, which it holds behind TLS or another wrapper.
    ///
    /// # Errors
    ///
    /// The game does not fit a schema, a thread cannot be started, or the server has handlers and is
    /// not started on a tokio runtime.
    pub fn start(self) -> Result<Running, ServeError> {
        self.begin(descriptors::OF_WRAPPED)
    }

    /// Starts the workers for connections that hold so many file descriptors each.
    fn begin(mut self, descriptors_each: u64) -> Result<Running, ServeError> {
        descriptors::fit(&mut self.limits, descriptors_each);
        // Once, so that a mistake in the game shows now and not when the first player comes. No room is opened
        // for it: what a game does in one is for players to see.
        let game = (self.make_game)();
        game.check()?;
        let players_max = game.players_max_set();

        self.handlers.find_runtime()?;

        let metrics = Arc::new(Metrics::new(self.workers));
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..self.workers).map(|_| mpsc::channel()).unzip();
        let directory = Directory::new(self.workers, self.limits.rooms_max, players_max);
        let shared = Shared {
            clock: Clock::start(),
            limits: Arc::new(self.limits.clone()),
            directory: Arc::new(directory),
            make_game: self.make_game,
            assets: self.assets,
            handlers: self.handlers,
            workers: senders.into(),
        };
        let door = Arc::new(Door {
            gate: Arc::new(Gate::new(&self.limits, metrics.clone())),
            metrics,
            shared,
            proxies: self.proxies,
            refusals: Arc::new(Semaphore::new(REFUSALS_TOLD_MAX)),
        });
        let mut running = Running {
            door,
            threads: Vec::new(),
            router: Router::new(),
        };
        for (index, commands) in receivers.into_iter().enumerate() {
            let door = &running.door;
            let metrics = door.metrics.worker(index).clone();
            let worker = Worker::new(index, door.shared.clone(), metrics, commands);
            let worker = worker.map_err(ServeError::Worker)?;
            let thread = thread::Builder::new().name(format!("tickwire-{index}"));
            let directory = door.shared.directory.clone();
            let thread = thread
                .spawn(move || {
                    if worker::guarded(|| worker.run()).is_none() {
                        tracing::error!(worker = index, "a worker failed, and its rooms with it");
                        directory.retire(index);
                    }
                })
                .map_err(ServeError::Worker)?;
            running.threads.push(thread);
        }
        running.router = routes(self.router, self.files, running.door.clone(), game.name());
        let (workers, connections_max) = (self.workers, self.limits.connections_max);
        tracing::info!(workers, connections_max, "the server has begun");
        Ok(running)
    }

    /// Serves until `shutdown` is done, then tells the players, waits for their farewells for a few
    /// seconds, and ends every thread.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), or the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        let running = self.begin(descriptors::OF_PLAIN)?;
        let entrance = Entrance {
            router: running.router(),
            limits: running.door.shared.limits.clone(),
            gate: running.door.gate.clone(),
            proxies: running.door.proxies.clone(),
        };
        let result = entrance.accept(listener, shutdown).await;
        running.shut_down().await;
        result.map_err(ServeError::Listener)
    }
}

/// A server whose workers run. Dropping it ends them without waiting.
pub struct Running {
    door: Arc<Door>,
    threads: Vec<JoinHandle<()>>,
    router: Router,
}

impl Running {
    /// The HTTP side: `/play`, `/healthz`, `/metrics`, the game's own routes and files.
    ///
    /// Whoever serves it gives each request a `ConnectInfo<SocketAddr>` as an extension: without it the limit of
    /// connections of one address cannot hold. Time-outs and bounds of HTTP are the server's own then.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// What `/metrics` says now.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.door.metrics.to_text()
    }

    /// Tells every player, waits for their farewells for a few seconds, and ends every thread.
    pub async fn shut_down(mut self) {
        let (rooms, seats) = self.door.shared.directory.counts();
        let span = tracing::info_span!(parent: None, "shutdown", rooms, seats);
        span.in_scope(|| tracing::info!("begun"));
        self.tell_workers();
        let threads = core::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // A worker that panicked has said so already.
                let _ = thread.join();
            }
        });
        let _ = joined.await;
        let (rooms, seats) = self.door.shared.directory.counts();
        let connections = self.door.gate.connections();
        span.in_scope(|| tracing::info!(rooms, seats, connections, "ended"));
    }

    fn tell_workers(&self) {
        for worker in &*self.door.shared.workers {
            let _ = worker.send(Command::ShutDown);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tell_workers();
    }
}

/// What the HTTP side needs to bring a player in.
struct Door {
    gate: Arc<Gate>,
    metrics: Arc<Metrics>,
    shared: Shared,
    proxies: Proxies,
    /// Places for connections that are told why there is none for them.
    refusals: Arc<Semaphore>,
}

fn routes(own: Router, files: Option<PathBuf>, door: Arc<Door>, game: &str) -> Router {
    let router = Router::new()
        .route("/play", get(play))
        .route("/healthz", get(async || "ok\n"))
        .route("/metrics", get(show_metrics))
        .with_state(door)
        .merge(own);
    match files {
        Some(directory) => router.fallback_service(ServeDir::new(directory)),
        None => {
            let sentence: Arc<str> = format!(
                "A server of the game {game}, without a page of its own: players connect to /play.\n"
            )
            .into();
            router.layer(from_fn_with_state(sentence, introduce))
        }
    }
}

/// Says at `/` what is here, if the game has nothing there. Whether it has, only its answer tells.
async fn introduce(State(sentence): State<Arc<str>>, request: Request, next: Next) -> Response {
    let is_asked = request.uri().path() == "/" && request.method().is_safe();
    let response = next.run(request).await;
    let is_nothing = response.status() == StatusCode::NOT_FOUND && response.body().is_end_stream();
    if is_asked && is_nothing {
        sentence.to_string().into_response()
    } else {
        response
    }
}

async fn show_metrics(State(door): State<Arc<Door>>) -> Response {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        door.metrics.to_text(),
    )
        .into_response()
}

/// Upgrades a player's connection and hands it to the least loaded worker.
async fn play(State(door): State<Arc<Door>>, mut request: Request) -> Response {
    let peer = request
        .extensions()
        .get::<ConnectInfo<std::net::SocketAddr>>();
    let peer = peer.map(|ConnectInfo(address)| address.ip());
    let Visitor {
        address,
        is_relayed,
    } = door.proxies.visitor(peer, request.headers());
    let (response, upgrade) = match answer_upgrade(&mut request, Some(SUBPROTOCOL)) {
        Ok(answer) => answer,
        Err(refusal) => return refusal,
    };
    let permit = match door.gate.enter(address) {
        Ok(permit) => permit,
        Err(refusal) => {
            tracing::debug!(?address, ?refusal, "refused at the door");
            let Ok(place) = door.refusals.clone().try_acquire_owned() else {
                return (StatusCode::SERVICE_UNAVAILABLE, refusal.reason()).into_response();
            };
            // The client learns the code, so that it can tell its player and come back later.
            tokio::spawn(async move {
                upgrade::refuse(upgrade, refusal).await;
                drop(place);
            });
            return response;
        }
    };
    let span = tracing::debug_span!(
        parent: None,
        "connection",
        number = permit.number(),
        address = address.map(tracing::field::display),
    );
    tokio::spawn(async move {
        let newcomer = upgrade
            .await
            .map_err(io::Error::other)
            .and_then(upgrade::take_socket);
        match newcomer {
            Ok((socket, read_ahead)) => {
                let worker = door.shared.directory.least_loaded();
                let newcomer = Newcomer {
                    socket,
                    is_relayed,
                    read_ahead,
                    permit,
                    span,
                };
                // Fails only while the server ends: then the connection ends with it.
                let _ = door.shared.workers[worker].send(Command::Accept(newcomer));
            }
            Err(error) => span.in_scope(|| tracing::debug!(%error, "the upgrade failed")),
        }
    });
    response
}
