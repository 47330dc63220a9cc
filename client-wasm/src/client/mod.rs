//! The client core: everything a player's end does, apart from touching the world outside.
//!
//! In come what a WebSocket reports and the time; out come messages, events, and a view of the game to
//! draw. The decision to question: reconnecting is decided in here and not in a shell, so that a bot, a
//! test on virtual time and a browser lose and regain their seats in the same way.
//!
//! ```text
//!              handle_open            Welcome
//! Connecting ─────────────► Joining ───────────► Playing
//!     ▲  │                     │                    │
//!     │  │ handle_close, or silence, or bytes that are no message
//!     │  ▼                     ▼                    ▼
//!     └─ Waiting ◄─────────────┴────────────────────┤  when the close code is worth a retry
//!        Ended   ◄──────────────────────────────────┘  when it is not, or after `leave`
//! ```

mod doors;
mod event;
mod gather;
mod streams;

use std::{collections::VecDeque, sync::Arc};

#[cfg(feature = "browser")]
use tickwire_protocol::asset::AssetHash;
use tickwire_protocol::{
    error::{ApiMisuse, CloseCode, SendError},
    event::{self as wire_event, GameEvent},
    id::PlayerId,
    mux::Mux,
    replicate::{self, Replicate},
    schema::Schema,
    session::{ClientSession, ResumeToken},
    time::{Micros, Tick},
};

#[cfg(feature = "native")]
pub(crate) use event::make_room;
pub use event::{ClientEvent, ReceivedEvent};
use gather::Gather;

use crate::{
    assets::{AssetProgress, AssetStatus, Assets, UnknownAsset},
    inputs::Inputs,
    reconnect::Backoff,
    stats::{Meter, Stats},
    world::{View, World},
};

/// What a client is told before it connects.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The player's name, as others will see it.
    pub name: String,
    /// The room to join; empty for whichever the server picks. With a name of more than
    /// [`ROOM_NAME_BYTES_MAX`](tickwire_protocol::limits::ROOM_NAME_BYTES_MAX) bytes the client ends as if refused.
    pub room: String,
    /// The schema the game was compiled with. With it, a server that runs another version of the game
    /// is refused; without it, whatever the server sends is taken, and components are read whose name and fields are
    /// those of the type.
    pub schema: Option<Schema>,
    /// The game's own payload for its join hook, as MessagePack.
    pub join: Vec<u8>,
    /// Whether assets are fetched, and whether a cache outside is asked before.
    pub assets: AssetPolicy,
    /// Any number, different for every player: it spreads reconnects and pings.
    pub seed: u64,
}

/// What a client does about the game's assets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AssetPolicy {
    /// It fetches none, as a bot does.
    #[default]
    None,
    /// It fetches all.
    Fetch,
    /// It asks [`Client::poll_asset_lookup`]'s caller first, and fetches what is not there.
    LookUpThenFetch,
    /// The same, but only for what [`Client::want_asset`] names or the server pushes.
    LookUpWhenAsked,
}

impl AssetPolicy {
    pub(crate) const fn fetches_all(self) -> bool {
        matches!(self, Self::Fetch | Self::LookUpThenFetch)
    }
}

/// Where a client stands, as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// A socket is being opened.
    Connecting,
    /// The socket is open and the server has not answered yet.
    Joining,
    /// In the room.
    Playing,
    /// The connection was lost; the next attempt is at `retry_at`.
    Waiting {
        /// What to tell the player.
        message: String,
        /// When the next attempt starts.
        retry_at: Micros,
    },
    /// It is over, and nothing is tried any more.
    Ended {
        /// What to tell the player.
        message: String,
    },
}

/// One player's end of the game, without IO.
///
/// Doors in: [`handle_open`](Self::handle_open), [`handle_message`](Self::handle_message),
/// [`handle_close`](Self::handle_close) as the socket reports them
/// ([`handle_no_socket`](Self::handle_no_socket) where none can be had), and
/// [`handle_frame`](Self::handle_frame) once per animation frame (a bot, which draws nothing:
/// [`handle_timeout`](Self::handle_timeout) once per tick or more often).
/// Doors out, to be drained after each of them: [`poll_connect`](Self::poll_connect) says that a socket
/// is to be opened, [`poll_message`](Self::poll_message) what to send, [`poll_close`](Self::poll_close)
/// that it is to be closed, [`poll_event`](Self::poll_event) what happened.
#[derive(Debug)]
pub struct Client {
    config: Config,
    connection: Connection,
    /// Since when the state above holds: an attempt to connect does not last for ever.
    since: Micros,
    wants_socket: bool,
    closing: Option<(u16, String)>,
    last_close: Option<(u16, Box<str>)>,
    /// Whether the server said goodbye, and has not been met again.
    was_told: bool,
    session: Option<Box<ClientSession>>,
    gather: Gather,
    backoff: Backoff,
    resume: Option<ResumeToken>,
    schema: Option<Arc<Schema>>,
    world: Option<Box<World>>,
    inputs: Inputs,
    assets: Assets,
    events: VecDeque<ClientEvent>,
    meter: Meter,
}

impl Client {
    /// A client that wants to connect at once.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            connection: Connection::Connecting,
            since: Micros(0),
            wants_socket: true,
            closing: None,
            last_close: None,
            was_told: false,
            session: None,
            gather: Gather::default(),
            backoff: Backoff::new(config.seed),
            resume: None,
            schema: config.schema.clone().map(Arc::new),
            world: None,
            inputs: Inputs::default(),
            assets: Assets::new(config.assets),
            events: VecDeque::new(),
            meter: Meter::default(),
            config,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The code and the reason with which the last connection ended, for a program. A player is told what
    /// [`connection`](Self::connection) says.
    #[must_use]
    pub fn last_close(&self) -> Option<(u16, &str)> {
        let (code, reason) = self.last_close.as_ref()?;
        Some((*code, reason))
    }

    /// Whether it is in the room.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        self.connection == Connection::Playing
    }

    /// The game at the moment to draw: between two states of the server, as far behind the newest as
    /// the connection's jitter asks. `None` until the first snapshot came; during a reconnect it stands
    /// still.
    #[must_use]
    pub fn view(&self) -> Option<View<'_>> {
        self.world.as_ref()?.view()
    }

    /// The game as the newest snapshot says. For what reckons rather than draws.
    #[must_use]
    pub fn newest(&self) -> Option<View<'_>> {
        self.world.as_ref()?.newest()
    }

    /// What both ends agreed on; the server's, once it is known.
    #[must_use]
    pub fn schema(&self) -> Option<&Arc<Schema>> {
        self.schema.as_ref()
    }

    /// The number this player has in the room.
    #[must_use]
    pub fn player(&self) -> Option<PlayerId> {
        self.world.as_ref().map(|world| world.player())
    }

    /// Sets what the player holds down from now on. It is stamped and sent once per tick by
    /// [`handle_timeout`](Self::handle_timeout), however often it is set.
    ///
    /// # Errors
    /// [`ApiMisuse::TooLarge`] beyond [`INPUT_BYTES_MAX`](tickwire_protocol::limits::INPUT_BYTES_MAX) encoded bytes,
    /// [`ApiMisuse::Schema`] when it is not the game's input. What was held down before stays.
    pub fn set_input<I: Replicate>(&mut self, input: &I) -> Result<(), ApiMisuse> {
        if let Some(schema) = &self.schema {
            let taken = schema
                .input()
                .ok_or_else(|| ApiMisuse::Schema("the game takes no input".into()))?;
            if self.config.schema.is_none() {
                taken.check_is::<I>()?;
            }
        }
        self.inputs
            .hold(|bytes| replicate::encode_value(input, bytes))
    }

    /// As [`set_input`](Self::set_input), for an input that was encoded by the schema. A server that comes back
    /// with another input drops it: encode it again after [`ClientEvent::Joined`].
    ///
    /// # Errors
    /// [`ApiMisuse::TooLarge`], as there.
    pub fn set_input_bytes(&mut self, input: &[u8]) -> Result<(), ApiMisuse> {
        self.inputs.hold(|bytes| bytes.extend_from_slice(input))
    }

    /// The inputs stamped for ticks after `tick`, oldest first: what a snapshot of `tick` has not seen.
    pub fn inputs_after(&self, tick: Tick) -> impl Iterator<Item = (Tick, &[u8])> {
        self.inputs.after(tick)
    }

    /// The last tick an input was stamped for, and how far it is to the next.
    #[must_use]
    pub fn input_time(&self, now: Micros) -> Option<(Tick, f32)> {
        self.inputs.time(self.session.as_ref()?.clock(), now)
    }

    /// Sends an event of the game.
    ///
    /// # Errors
    /// [`ApiMisuse::Schema`] for an event the game does not have; otherwise as
    /// [`ClientSession::send_event`].
    pub fn send_event<E: GameEvent>(&mut self, event: &E) -> Result<(), SendError> {
        let index = self.event_index(E::NAME)?;
        let mut bytes = vec![];
        wire_event::encode(index, event, &mut bytes);
        self.send_event_bytes(&bytes)
    }

    /// Sends an event whose payload is MessagePack already.
    ///
    /// # Errors
    /// As [`send_event`](Self::send_event).
    pub fn send_event_payload(&mut self, name: &str, payload: &[u8]) -> Result<(), SendError> {
        let index = u8::try_from(self.event_index(name)?)
            .map_err(|_| ApiMisuse::Schema(format!("the event {name} has no number")))?;
        self.send_event_bytes(&[&[index], payload].concat())
    }

    fn event_index(&self, name: &str) -> Result<usize, ApiMisuse> {
        let schema = self.schema.as_ref().ok_or(ApiMisuse::SessionNot("open"))?;
        let event = schema.event(name).map(|(index, _)| usize::from(index));
        event.ok_or_else(|| ApiMisuse::Schema(format!("no event is named {name}")))
    }

    fn send_event_bytes(&mut self, bytes: &[u8]) -> Result<(), SendError> {
        self.session()?.send_event(bytes)
    }

    fn session(&mut self) -> Result<&mut ClientSession, ApiMisuse> {
        let session = self.session.as_deref_mut();
        session.ok_or(ApiMisuse::SessionNot("open"))
    }

    /// The streams of this connection.
    ///
    /// # Errors
    /// [`ApiMisuse::SessionNot`] while not in the room.
    pub fn streams(&mut self) -> Result<&mut Mux, ApiMisuse> {
        self.session()?.streams()
    }

    /// Asks the server for a checksum of what this player may see; the answer is
    /// [`ClientEvent::Verified`].
    ///
    /// # Errors
    /// [`ApiMisuse::SessionNot`] while not in the room.
    pub fn verify(&mut self) -> Result<(), ApiMisuse> {
        self.session()?.send_verify()
    }

    /// How far the assets are.
    #[must_use]
    pub fn asset_progress(&self) -> AssetProgress {
        self.assets.progress()
    }

    /// The bytes of an asset so far, while it arrives. They begin anew after [`AssetEvent::Replaced`].
    ///
    /// [`AssetEvent::Replaced`]: crate::assets::AssetEvent::Replaced
    #[must_use]
    pub fn asset_partial(&self, name: &str) -> Option<&[u8]> {
        self.assets.partial(name)
    }

    /// Every asset that is known and where it stands; none before [`AssetEvent::Listed`].
    ///
    /// [`AssetEvent::Listed`]: crate::assets::AssetEvent::Listed
    pub fn assets(&self) -> impl Iterator<Item = AssetStatus<'_>> {
        self.assets.statuses()
    }

    /// Fetches an asset and what it depends on, if it is not on its way: under
    /// [`AssetPolicy::LookUpWhenAsked`], or once more after it was here, failed or was cancelled.
    ///
    /// # Errors
    /// [`UnknownAsset`], also before [`AssetEvent::Listed`].
    ///
    /// [`AssetEvent::Listed`]: crate::assets::AssetEvent::Listed
    pub fn want_asset(&mut self, name: &str) -> Result<(), UnknownAsset> {
        self.assets.want(name)
    }

    /// Gives an asset another priority than the manifest's: lower comes first. It stays with the name when that
    /// comes to stand for another content. When as many downloads
    /// are under way as may be, the least urgent one makes room for a more urgent one and goes on later
    /// from the byte it had come to.
    ///
    /// # Errors
    /// [`UnknownAsset`].
    pub fn prioritise_asset(&mut self, name: &str, priority: u8) -> Result<(), UnknownAsset> {
        self.assets.prioritise(name, priority)
    }

    /// Fetches an asset no more, nor others of the same content: they fail as cancelled, unless they are
    /// here.
    ///
    /// # Errors
    /// [`UnknownAsset`].
    pub fn cancel_asset(&mut self, name: &str) -> Result<(), UnknownAsset> {
        if let Some(stream) = self.assets.cancel(name)?
            && let Ok(streams) = self.streams()
        {
            // It may have ended this moment, and then there is nothing to reset.
            drop(streams.reset(stream, streams::RESET_UNWANTED, "cancelled"));
        }
        Ok(())
    }

    /// What the names that are known stand for.
    #[cfg(feature = "browser")]
    pub(crate) fn asset_hashes(&self) -> impl Iterator<Item = AssetHash> {
        self.assets.hashes()
    }

    /// Whether two names stand for one content, which comes once for both and is cancelled for both.
    #[cfg(feature = "browser")]
    pub(crate) fn is_one_content(&self, name: &str, other: &str) -> bool {
        self.assets.is_one_content(name, other)
    }

    /// What an overlay shows.
    #[must_use]
    pub fn stats(&self, now: Micros) -> Stats {
        Stats::of(
            self.session.as_deref(),
            self.world.as_deref(),
            &self.inputs,
            &self.meter,
            now,
        )
    }

    /// Says goodbye and gives the seat up. Nothing is tried any more: [`ClientEvent::Ended`] follows.
    pub fn leave(&mut self) {
        if let Some(session) = &mut self.session {
            session.close(CloseCode::Normal, "");
        }
        self.resume = None;
        self.wants_socket = false;
        self.assets.on_disconnected();
        self.closing = Some((CloseCode::Normal.number(), String::new()));
        if matches!(self.connection, Connection::Ended { .. }) {
            return;
        }
        let message = "You have left the game.".to_owned();
        self.connection = Connection::Ended {
            message: message.clone(),
        };
        self.events.push_back(ClientEvent::Ended { message });
    }

    /// Tries again now, whatever it was waiting for.
    pub fn retry(&mut self, now: Micros) {
        if matches!(
            self.connection,
            Connection::Waiting { .. } | Connection::Ended { .. }
        ) {
            self.connect(now);
        }
    }
}
