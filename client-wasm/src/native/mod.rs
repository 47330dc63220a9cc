//! The native shell: a player's connection for programs outside a browser. The only code of the client that
//! knows a socket and tokio.
//!
//! In: an address, and what the program does with the game and its streams. Out: the same objects that a
//! server's program has ([`ByteStream`], [`MessageStream`], [`Incoming`]), events, and the core to look at.
//! [`Connection`] is one task around a [`Client`]; the core decides, the task waits.
//!
//! ```no_run
//! use tickwire_client::{ClientEvent, Config, native::{Connection, StreamKind, StreamOptions}};
//!
//! # async fn play() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config { name: "Ann".to_owned(), ..Config::default() };
//! let connection = Connection::connect("ws://127.0.0.1:8080/play", config).await?;
//!
//! // A file goes up beside the game, as fast as the server's program takes it.
//! let options = StreamOptions::new(StreamKind::Bytes).with_metadata("map.png")?;
//! let mut upload = connection.open(options);
//! tokio::io::copy(&mut tokio::fs::File::open("map.png").await?, &mut upload).await?;
//! upload.finished().await?;
//!
//! // Which players are near? One question, one answer.
//! let near: Vec<String> = connection.ask("near", &100, std::time::Duration::from_secs(1)).await?;
//!
//! while let Some(event) = connection.next_event().await {
//!     match event {
//!         ClientEvent::Event(event) => println!("{}", event.name()),
//!         ClientEvent::Disconnected { message, .. } => println!("{message} Trying again …"),
//!         ClientEvent::Ended { message } => println!("{message}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **When the line breaks** the connection comes back by itself, with the waits of the core, and takes its seat
//! back while the server keeps it. Streams end with the line they were opened on
//! ([`ConnectionReset`](std::io::ErrorKind::ConnectionReset)); open new ones after
//! [`ClientEvent::Joined`].
//!
//! **What waits is bounded**: for the socket 64 KiB and one message, for a stream of what was written 64 to
//! 512 KiB in its queue, the more the faster it leaves, and 64 KiB behind that, and one window of what came, for
//! [`next_event`](Connection::next_event) 1024 events and for [`accept`](Connection::accept) as many streams as
//! the server may have open.

mod dial;
mod driver;
mod error;
mod line;
mod shared;
mod socket;

use core::{future::Future, time::Duration};
use std::{fmt, io, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use tickwire_protocol::{
    error::{ApiMisuse, SendError},
    event::GameEvent,
    replicate::Replicate,
    time::Micros,
    websocket::Address,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinHandle,
};

pub use self::error::ConnectError;
pub use tickwire_protocol::{
    pipe::{ByteStream, Incoming, MessageStream, ReadHalf, Reply, StreamError, WriteHalf},
    stream::{Class, StreamKind, StreamOptions},
};

use self::{dial::Dial, driver::Driver, shared::Shared};
use crate::client::{Client, ClientEvent, Config};

/// A player's connection to a server, with its streams and its game.
///
/// Its methods take `&self`: put it into an [`Arc`] for several tasks. Dropped, it cuts the line, ends its
/// streams and leaves no task behind; the server keeps the seat for its grace period, as after any cut. To give
/// the seat up, [`leave`](Self::leave).
pub struct Connection {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Connection {
    /// Connects to a server at `url`, as `ws://127.0.0.1:8080/play`, and waits until the player is in the room.
    ///
    /// A [`Config::seed`] of 0 is replaced by a random one. Call it inside a tokio runtime with its IO and time
    /// enabled. It gives up after 10 s for the socket and 10 s for the server's welcome.
    ///
    /// # Errors
    /// [`ConnectError`]; nothing is tried again before the first success.
    pub async fn connect(url: &str, config: Config) -> Result<Self, ConnectError> {
        let address: Address = url.parse()?;
        if address.is_secure {
            return Err(ConnectError::NeedsTls(url.to_owned()));
        }
        Self::begin(Dial::tcp(address), config).await
    }

    /// The same over lines that `dial` opens: TLS, a proxy, a Unix socket, a test's pipe. It is called once now,
    /// and once for every attempt to come back. `url` says what is asked for: its host and path go into the
    /// request.
    ///
    /// With `tokio-rustls`, for one:
    ///
    /// ```ignore
    /// let tls = TlsConnector::from(Arc::new(rustls_config));
    /// let connection = Connection::connect_by("wss://example.org/play", config, move || {
    ///     let tls = tls.clone();
    ///     async move {
    ///         let socket = TcpStream::connect(("example.org", 443)).await?;
    ///         socket.set_nodelay(true)?;
    ///         tls.connect("example.org".try_into().map_err(io::Error::other)?, socket).await
    ///     }
    /// })
    /// .await?;
    /// ```
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_by<F, Fut, T>(
        url: &str,
        config: Config,
        dial: F,
    ) -> Result<Self, ConnectError>
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = io::Result<T>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        Self::begin(Dial::by(url.parse()?, dial), config).await
    }

    /// The same over one line that is open already. When it breaks, the connection is over.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn over<T>(line: T, url: &str, config: Config) -> Result<Self, ConnectError>
    where
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        Self::begin(Dial::over(url.parse()?, line), config).await
    }

    async fn begin(dial: Dial, mut config: Config) -> Result<Self, ConnectError> {
        if config.seed == 0 {
            config.seed = getrandom::u64().map_err(io::Error::other)?;
        }
        let shared = Shared::new(config);
        let mut driver = Driver::new(shared.clone(), dial);
        driver.join().await?;
        Ok(Self {
            shared,
            task: tokio::spawn(driver.run()),
        })
    }

    /// Opens a stream of bytes to the server. It can be written at once; if it cannot be opened, or is refused,
    /// its methods say so.
    #[must_use]
    pub fn open(&self, options: StreamOptions) -> ByteStream {
        self.shared.lock().hub().open(options)
    }

    /// Opens a stream of values to the server: of kind [`Messages`](StreamKind::Messages) or
    /// [`Live`](StreamKind::Live).
    #[must_use]
    pub fn open_messages<T>(&self, options: StreamOptions) -> MessageStream<T> {
        self.shared.lock().hub().open_messages(options)
    }

    /// The next stream that the server offers: accept it, take it as a [question](Incoming::question), or
    /// refuse it. `None` when the connection is over.
    ///
    /// Those that nobody takes wait, and are lost with their line.
    pub async fn accept(&self) -> Option<Incoming> {
        self.shared.wait(shared::State::next_offer).await
    }

    /// Asks the server's program, and waits for its answer at most as long as `patience`. Up to 512 questions and
    /// other streams of this end may be under way, and one more fails at once; one that is given up is reset, so
    /// that nobody works on it any longer.
    ///
    /// # Errors
    /// [`TimedOut`](io::ErrorKind::TimedOut); [`QuotaExceeded`](io::ErrorKind::QuotaExceeded) for want of a stream;
    /// other [`StreamError`]s, for one the refusal;
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a question that cannot be encoded or is too large.
    pub async fn ask<Q, A>(&self, topic: &str, question: &Q, patience: Duration) -> io::Result<A>
    where
        Q: Serialize + ?Sized,
        A: DeserializeOwned,
    {
        let hub = self.shared.lock().hub();
        let answer = tokio::time::timeout(patience, hub.ask(topic, question)).await;
        answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// What happened next, in order, from [`ClientEvent::Joined`] on. `None` when the connection is over.
    ///
    /// Of more than 1024 that nobody asks for the oldest are dropped, those of the game first; assets' events are
    /// not among them.
    pub async fn next_event(&self) -> Option<ClientEvent> {
        self.shared.wait(shared::State::next_event).await
    }

    /// The same, if something has happened.
    pub fn try_next_event(&self) -> Option<ClientEvent> {
        self.shared.lock().next_event()
    }

    /// Sends an event of the game.
    ///
    /// # Errors
    /// As [`Client::send_event`], for one while the line is down or when too much waits already.
    pub fn send_event<E: GameEvent>(&self, event: &E) -> Result<(), SendError> {
        self.with(|client, _| client.send_event(event))
    }

    /// Sets what the player holds down from now on; it is stamped and sent once per tick.
    ///
    /// # Errors
    /// As [`Client::set_input`].
    pub fn set_input<I: Replicate>(&self, input: &I) -> Result<(), ApiMisuse> {
        self.with(|client, _| client.set_input(input))
    }

    /// Looks at the core or changes it: the newest state, assets, stats, where the connection stands. The second
    /// argument is the time by the connection's clock.
    ///
    /// The connection waits meanwhile, so be brief, and call no method of the connection in here. The core's
    /// doors (`handle_…`, `poll_…`) are the connection's to call.
    pub fn with<R>(&self, act: impl FnOnce(&mut Client, Micros) -> R) -> R {
        let now = self.shared.now();
        let result = act(&mut self.shared.lock().client, now);
        self.shared.bell.notify_one();
        result
    }

    /// The same for a program that draws: once per frame, with the view moved on to this moment. Move a
    /// [`Prediction`](crate::Prediction) in here.
    pub fn frame<R>(&self, act: impl FnOnce(&mut Client, Micros) -> R) -> R {
        self.with(|client, now| {
            // What is wrong comes as an event.
            let _ = client.handle_frame(now);
            act(client, now)
        })
    }

    /// Whether the player is in the room.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        self.shared.lock().client.is_playing()
    }

    /// Waits until the connection is over for good.
    pub async fn closed(&self) {
        self.shared.wait(|_| None::<()>).await;
    }

    /// Says goodbye, gives the seat up, and waits until the line is closed: a second at most.
    ///
    /// What streams have not sent is lost: [`finished`](ByteStream::finished) waits for that.
    pub async fn leave(self) {
        self.with(|client, _| client.leave());
        self.closed().await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.end();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("standing", self.shared.lock().client.connection())
            .finish_non_exhaustive()
    }
}
