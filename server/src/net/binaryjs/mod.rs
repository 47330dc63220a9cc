//! An endpoint for BinaryJS clients: unmodified `binary.js` pages and npm `binaryjs` programs.
//!
//! In: WebSocket upgrades, at any path of an axum router. Out: [`Client`]s, whose streams carry values
//! and bytes. The choice to question: these connections stay in tokio, a task each, beside Tickwire's own
//! on their worker threads. A BinaryJS server is a handler that waits for one client's streams; there
//! is no tick that thousands of sockets could share.
//!
//! ```no_run
//! use axum::Router;
//! use tickwire_server::net::binaryjs::BinaryJs;
//! use tokio::io::AsyncReadExt;
//!
//! # async fn run() -> std::io::Result<()> {
//! // `client.send(file, {name: file.name, size: file.size})` in the page; the answers go back on the
//! // same stream.
//! let uploads = BinaryJs::new(async |client| {
//!     while let Some(mut upload) = client.accept().await {
//!         tokio::spawn(async move {
//!             let mut file = Vec::new();
//!             let bytes = upload.read_to_end(&mut file).await?;
//!             upload.write_value(bytes as u64).await
//!         });
//!     }
//! });
//! let router: Router = Router::new().route("/binaryjs", uploads.route());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:9000").await?;
//! axum::serve(listener, router).await
//! # }
//! ```
//!
//! `docs/binaryjs.md` says how to move a BinaryJS server over.

mod client;
mod connection;
mod dial;
pub mod limits;
mod slot;
mod stream;
mod task;

use core::{
    net::SocketAddr,
    pin::Pin,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};
use std::{io, sync::Arc};

use axum::{
    extract::{ConnectInfo, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
pub use tickwire_protocol::binarypack::{Dialect, Value};
use tickwire_protocol::{
    binaryjs::Role,
    error::CloseCode,
    websocket::{self, Writer},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use self::{
    client::Facts,
    connection::Connection,
    limits::{CHUNK_BYTES, Limits},
    task::Task,
};
pub use self::{
    client::{Client, Clients},
    dial::{connect, connect_with},
    stream::{BinaryStream, StreamReader, StreamWriter},
};
use super::answer_upgrade;

type Served = Pin<Box<dyn Future<Output = ()> + Send>>;
type Serve = Box<dyn Fn(Client) -> Served + Send + Sync>;
type Verify = Box<dyn Fn(&Parts) -> bool + Send + Sync>;
type OnFault = Arc<dyn Fn(&Client, &str) + Send + Sync>;

/// A BinaryJS endpoint. See the [module](self) for one in use.
///
/// Cloning it is cheap; every clone is the same endpoint.
#[derive(Clone)]
pub struct BinaryJs {
    shared: Arc<Shared>,
}

struct Shared {
    serve: Serve,
    verify: Verify,
    on_fault: OnFault,
    dialect: Option<Dialect>,
    chunk_bytes: usize,
    limits: Arc<Limits>,
    clients: Clients,
    clients_ever: AtomicU64,
    places: Arc<Semaphore>,
    is_closed: AtomicBool,
}

/// Builds a [`BinaryJs`] with other settings than the defaults.
pub struct Builder {
    verify: Verify,
    on_fault: OnFault,
    dialect: Option<Dialect>,
    chunk_bytes: usize,
    limits: Limits,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            verify: Box::new(|_| true),
            on_fault: Arc::new(|client, fault| tracing::debug!(?client, fault)),
            dialect: None,
            chunk_bytes: CHUNK_BYTES,
            limits: Limits::default(),
        }
    }
}

impl Builder {
    /// Looks at each request before the upgrade, BinaryJS's `verifyClient`: `false` answers 401. All are
    /// let in by default, from any page: check the `Origin` header where cookies give a right.
    #[must_use]
    pub fn verify(mut self, verify: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.verify = Box::new(verify);
        self
    }

    /// Is told what BinaryJS emits as an `error` of its client: messages that are none, streams that
    /// nobody knows; and that streams were refused, beyond the limit: once in a while, however many. The
    /// connection goes on. By default it is logged.
    #[must_use]
    pub fn on_fault(mut self, on_fault: impl Fn(&Client, &str) + Send + Sync + 'static) -> Self {
        self.on_fault = Arc::new(on_fault);
        self
    }

    /// Writes to every client in one dialect. By default it follows from the request: who offers
    /// `permessage-deflate` is a browser, or Node's newer `ws` under the browser bundle; npm
    /// `binaryjs`'s own Node client never does.
    #[must_use]
    pub const fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }

    /// Sets the size of the pieces that bytes are sent in; 40,960 by default, at least 1.
    #[must_use]
    pub const fn chunk_bytes(mut self, chunk_bytes: usize) -> Self {
        self.chunk_bytes = if chunk_bytes == 0 { 1 } else { chunk_bytes };
        self
    }

    /// Sets what clients are held to.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The endpoint. `serve` runs once for every client, in a tokio task. When it returns, the
    /// connection stays, for streams that are open and for [`BinaryJs::clients`]; but streams that the
    /// client opens from then on are closed at once.
    pub fn serve<F, Fut>(self, serve: F) -> BinaryJs
    where
        F: Fn(Client) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let places = self.limits.connections_max.min(Semaphore::MAX_PERMITS);
        BinaryJs {
            shared: Arc::new(Shared {
                serve: Box::new(move |client| Box::pin(serve(client))),
                verify: self.verify,
                on_fault: self.on_fault,
                dialect: self.dialect,
                chunk_bytes: self.chunk_bytes,
                places: Arc::new(Semaphore::new(places)),
                limits: Arc::new(self.limits),
                clients: Clients::default(),
                clients_ever: AtomicU64::new(0),
                is_closed: AtomicBool::new(false),
            }),
        }
    }
}

impl BinaryJs {
    /// An endpoint with the default settings. See [`Builder::serve`] for `serve`.
    pub fn new<F, Fut>(serve: F) -> Self
    where
        F: Fn(Client) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Self::builder().serve(serve)
    }

    /// Settings first.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The handler for a path of a router. Several endpoints may stand in one router; a path that
    /// none has is answered 404.
    pub fn route<S: Clone + Send + Sync + 'static>(&self) -> MethodRouter<S> {
        let endpoint = self.clone();
        get(async move |request: Request| endpoint.answer(request))
    }

    /// Everyone who is connected.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.shared.clients
    }

    /// Closes every connection with 1001 and answers new requests with 503.
    pub fn close(&self) {
        self.shared.is_closed.store(true, Ordering::SeqCst);
        for client in self.shared.clients.all() {
            client.connection.close(CloseCode::GoingAway.number());
        }
    }

    /// Answers one request for an upgrade; the connection runs in a task of its own.
    fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        if !(self.shared.verify)(&parts) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let headers = parts.headers.clone();
        let uri = parts.uri.clone();
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let address = address.map(|ConnectInfo(address)| *address);
        let mut request = Request::from_parts(parts, body);
        let (response, upgrade) = match answer_upgrade(&mut request, None) {
            Ok(answer) => answer,
            Err(refusal) => return refusal,
        };
        let place = Arc::clone(&self.shared.places).try_acquire_owned();
        let (Ok(place), false) = (place, self.shared.is_closed.load(Ordering::SeqCst)) else {
            let reason = "no place is left for another client\n";
            return (StatusCode::SERVICE_UNAVAILABLE, reason).into_response();
        };
        let dialect = self.shared.dialect.unwrap_or_else(|| dialect_of(&headers));
        let facts = Facts {
            id: self.shared.clients_ever.fetch_add(1, Ordering::Relaxed),
            address,
            uri,
            headers,
            clients: self.shared.clients.clone(),
        };
        tokio::spawn(self.clone().run(upgrade, place, dialect, facts));
        response
    }

    async fn run(
        self,
        upgrade: OnUpgrade,
        place: OwnedSemaphorePermit,
        dialect: Dialect,
        facts: Facts,
    ) {
        let outcome = match upgrade.await {
            Ok(upgraded) => self.run_upgraded(upgraded, dialect, facts).await,
            Err(error) => Err(io::Error::other(error)),
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "a BinaryJS upgrade failed");
        }
        drop(place);
    }

    async fn run_upgraded(
        &self,
        upgraded: Upgraded,
        dialect: Dialect,
        facts: Facts,
    ) -> io::Result<()> {
        match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => {
                let socket = parts.io.into_inner();
                socket.set_nodelay(true)?;
                super::accept::bound_unread(&socket, None);
                self.run_socket(socket, parts.read_buf, dialect, facts)
                    .await;
            }
            // TLS, or a test's pipe.
            Err(upgraded) => {
                let socket = TokioIo::new(upgraded);
                self.run_socket(socket, Bytes::new(), dialect, facts).await;
            }
        }
        Ok(())
    }

    async fn run_socket<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: S,
        read_ahead: Bytes,
        dialect: Dialect,
        facts: Facts,
    ) {
        let Shared {
            chunk_bytes,
            limits,
            ..
        } = &*self.shared;
        let connection = Connection::new(Role::Acceptor, dialect, *chunk_bytes, &limits.session);
        let client = Client {
            connection: Arc::new(connection),
            facts: Arc::new(facts),
        };
        let on_fault = Arc::clone(&self.shared.on_fault);
        let faulty = client.clone();
        let mut task = Task::new(
            socket,
            websocket::Role::Server,
            Arc::clone(&client.connection),
            Arc::clone(limits),
            Writer::server(),
            Box::new(move |fault| on_fault(&faulty, fault)),
        );
        task.listed = Some(Listed::new(&client));
        if self.shared.is_closed.load(Ordering::SeqCst) {
            client.connection.close(CloseCode::GoingAway.number());
        }
        let served = (self.shared.serve)(client.clone());
        tokio::spawn(async move {
            // Also when the handler panics, nobody accepts any more.
            let _end = StopAccepting(client);
            served.await;
        });
        task.run(read_ahead).await;
    }
}

/// A client's entry in the map, until its connection is over.
struct Listed(Clients, u64);

impl Listed {
    fn new(client: &Client) -> Self {
        client.clients().add(client.clone());
        Self(client.clients().clone(), client.id())
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.0.remove(self.1);
    }
}

struct StopAccepting(Client);

impl Drop for StopAccepting {
    fn drop(&mut self) {
        self.0.stop_accepting();
    }
}

/// Who offers compression is no streamws.
fn dialect_of(headers: &HeaderMap) -> Dialect {
    let offers = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS);
    let is_offered = |offer: &header::HeaderValue| {
        offer
            .to_str()
            .is_ok_and(|offer| offer.contains("permessage-deflate"))
    };
    if offers.iter().any(is_offered) {
        Dialect::Browser
    } else {
        Dialect::Node
    }
}
