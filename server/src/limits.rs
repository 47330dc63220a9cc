//! Every bound that only a server decides, in one place, with what happens when it is reached.
//!
//! What both ends hold each other to is in [`tickwire_protocol::limits`].

use tickwire_protocol::{
    error::{Awaited, PeerError, PeerMisbehaved, Queue, Rate},
    time::Micros,
};

/// Ticks per second of a room that does not say otherwise.
pub const TICK_RATE_HZ_DEFAULT: u32 = 20;

/// The fastest a room may tick.
pub const TICK_RATE_HZ_MAX: u32 = 240;

/// Players in one room. The next one is refused with `Full`.
pub const PLAYERS_PER_ROOM_MAX: usize = 10_000;

/// How long a seat and its entity wait for a player whose connection broke.
pub const RECONNECT_GRACE: Micros = Micros::from_millis(10_000);

/// How long a room at least keeps the reason of a player whom its game has sent away, for a client that did not
/// read it and comes back; as long as seats wait, if that is longer. A client notices within
/// [`SILENCE_MICROS_MAX`](tickwire_protocol::limits::SILENCE_MICROS_MAX) that its line is dead, and then tries at
/// least every ten seconds.
pub const SENT_AWAY_KEPT: Micros = Micros::from_millis(60_000);

/// Players who were sent away whose reasons a room keeps. Beyond it the oldest is forgotten.
pub const SENT_AWAY_KEPT_MAX: usize = 256;

/// Bytes of snapshots per player and second. What does not fit waits, the most important goes first.
pub const SNAPSHOT_BYTES_PER_SECOND_MAX: u32 = 1_000_000;

/// The least a game may set that to: below it not even headers fit at 240 Hz.
pub const SNAPSHOT_BYTES_PER_SECOND_MIN: u32 = 4_000;

/// Characters of a player's name. A longer one is cut.
pub const PLAYER_NAME_CHARS_MAX: usize = 32;

/// Rooms in one process. A player who asks for one more is refused with `Full`.
pub const ROOMS_MAX: usize = 20_000;

/// How long a room without players is kept before it is dropped.
pub const EMPTY_ROOM_KEPT: Micros = Micros::from_millis(30_000);

/// Ticks that a late room simulates without snapshots to catch up; behind by more, or still after so many in a row, it
/// slows its own clock and says so. Three ticks of 50 ms are what a client's interpolation hides.
pub const CATCH_UP_TICKS_MAX: u32 = 3;

/// Events of one player in a tick. Who sends more is closed with `RateLimited`, as soon as
/// [`EVENTS_BURST_MAX`] are used up.
pub const EVENTS_PER_TICK_MAX: u32 = 64;

/// Events that a player may send at once: forty a second for as long as a link may stand still and its connection
/// live ([`MESSAGES_BURST_SECONDS`]), twice.
pub const EVENTS_BURST_MAX: u32 = 1024;

/// Bytes of control and event frames that may stand before one snapshot in a message.
pub const BYTES_BEFORE_SNAPSHOT_MAX: usize = 16 * 1024;

/// Bytes of sections in one snapshot, whatever a player's budget has room for: what is left of a message beside
/// frames, a new codebook, five bytes for each group that is out of view, and heads. What does not fit waits. A
/// section goes alone if it is longer, so that it is sent at all: clients refuse the message of one group that passes
/// [`SERVER_MESSAGE_BYTES_MAX`](tickwire_protocol::limits::SERVER_MESSAGE_BYTES_MAX) by itself, its texts and opaque
/// values counted in.
pub const SNAPSHOT_SECTIONS_BYTES_MAX: usize = tickwire_protocol::limits::SERVER_MESSAGE_BYTES_MAX
    - BYTES_BEFORE_SNAPSHOT_MAX
    - tickwire_protocol::limits::CODEBOOK_BYTES_MAX
    - 5 * tickwire_protocol::limits::GROUPS_PER_PLAYER_MAX
    - 1024;

/// Bytes of opened streams that one turn of the pump writes, shared by the connections that it serves: a
/// fraction of a millisecond, so that no tick is late for it, and 500 MB/s.
pub const BULK_BYTES_PER_PUMP_MAX: usize = 1024 * 1024;

/// What a connection may write in a turn of the pump however many there are.
pub const BULK_BYTES_PER_TURN_MIN: usize = 8 * tickwire_protocol::limits::BULK_MESSAGE_BYTES_MAX;

/// Messages of opened streams are gathered up to this before they are written: fewer and larger writes on
/// fast links. It fits the core's second cache.
pub const BULK_WRITE_BYTES: usize = 256 * 1024;

/// How often connections with something under way (a handshake, a transfer, a farewell) are served
/// between ticks.
pub const PUMP_PERIOD: Micros = Micros::from_millis(4);

/// How long a connection is still served between ticks after its streams last moved. Longer than any
/// round trip, so that credit is not waited for at the pace of ticks.
pub const STREAMS_ATTENDED: Micros = Micros::from_millis(250);

/// Streams that players of one room have opened and that wait for its tick to answer. The next one is
/// refused.
pub const STREAM_OFFERS_WAITING_MAX: usize = 4096;

/// How often connections that send bulk are served between ticks: what acknowledgements have made room
/// for meanwhile stays unused, so it is short beside any link's delay.
pub const PUMP_PERIOD_BULK: Micros = Micros::from_millis(2);

/// Commands (a new connection, a word of a stream's task, the end) that a worker takes in a turn though its next
/// tick is due: at 16 turns a second, a thousand connections a second. A tick that is on time waits a few
/// milliseconds for as many newcomers at most.
pub const COMMANDS_PER_TURN_MIN: usize = 64;

/// How often time-outs are looked for and traffic is counted.
pub const SWEEP_PERIOD: Micros = Micros::from_millis(1000);

/// One read takes at most this; the buffer is one per worker.
pub const READ_BYTES_MAX: usize = 64 * 1024;

/// Rooms that are read, stepped and written together at most.
pub const ROOMS_TOGETHER_MAX: usize = 32;

/// How long rooms that go together may take to step, in micros; then what they have to say is written, and the
/// next ones follow. Messages wait for no more than this and one room's step.
pub const TOGETHER_MICROS_MAX: u64 = 500;

/// A room is heavy when its tick takes more of a period than this, in percent. Workers with time to spare
/// then lend it a thread each. At 20 Hz it is 15 ms, three hundred times what starting a thread takes.
pub const HELPED_TICK_PERCENT: u64 = 30;

/// Threads that one room is lent at most. Making the messages is left to one thread, and takes a third of
/// the time that writing them does.
pub const HELPERS_MAX: usize = 4;

/// With fewer entities a heavy room's capture and encoding are not divided: 4096 of them take a millisecond,
/// some ten times what starting and joining the threads does.
pub const HELPED_ENTITIES_MIN: usize = 4096;

/// Batches of a heavy room's messages that may wait for each helper, 40 KiB each. When there are more, the
/// room's own worker writes.
pub const HELPED_BATCHES_WAITING_MAX: usize = 4;

/// How long a closing connection is kept for the peer's own close frame.
pub const CLOSE_WAIT: Micros = Micros::from_millis(2000);

/// Bytes that a closing connection may still send before it is cut: what its streams may have under way, twice. A
/// socket that is dropped with bytes unread is reset, and its peer may lose what it was told before.
pub const CLOSING_BYTES_MAX: usize =
    2 * tickwire_protocol::limits::CONNECTION_WINDOW_BYTES as usize;

/// How long a shutdown waits for farewells to be read.
pub const SHUTDOWN_WAIT: Micros = Micros::from_millis(3000);

/// Time for the head of an HTTP request. Slower ones are dropped.
pub const HTTP_HEAD_WAIT: Micros = Micros::from_millis(10_000);

/// Bytes of the head of an HTTP request.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;

/// Errors in a row after which the listener counts as broken, and the server ends. A lack of file
/// descriptors or memory is none: it passes.
pub const ACCEPT_ERRORS_MAX: u32 = 200;

/// Bytes that a refused connection may still send before it is cut.
pub const REFUSED_BYTES_MAX: u64 = 64 * 1024;

/// At least so many addresses can have HTTP connections at a time: one address gets at most this part of
/// [`Limits::http_connections_max`], loopback excepted. The next one is closed unanswered.
pub const HTTP_ADDRESSES_LEAST: usize = 4;

/// Connections at a time that are upgraded only to be told by a close code that there is no place. Further
/// ones get the HTTP status 503 instead, and hold nothing.
pub const REFUSALS_TOLD_MAX: usize = 256;

/// Pongs that may wait behind a full socket, in bytes. Further pings get no answer: only the newest needs
/// one.
pub const PONG_BYTES_WAITING_MAX: usize = 1024;

/// File descriptors that the process needs besides its connections.
pub const DESCRIPTORS_SPARE: u64 = 128;

/// How many ticks a group's state is kept for a player who holds it. Who is further behind gets the group
/// whole.
pub const BASELINE_FRAMES_MAX: u32 = 32;

/// Older states kept of one group. Beyond it the oldest is forgotten, and who holds it gets the group whole.
pub const BASELINES_PER_GROUP_MAX: usize = 32;

/// Sets of components that a group keeps memory for though no member has them now, besides as many as are in
/// use.
pub const UNUSED_TABLES_PER_GROUP_MAX: usize = 16;

/// Entities that were left out of a full group and are tried again in a tick. Each takes a look at all sets of
/// components in its group.
pub const REFUSED_TRIED_MAX: usize = 64;

/// Groups that ended and whose memory is kept for the next ones.
pub const RETIRED_GROUPS_MAX: usize = 256;

/// Cells that one view may touch. A larger view is cut around its centre, and the room's log says so once.
pub const VIEW_CELLS_MAX: usize = 1024;

/// Cells around a view that its hysteresis may keep, those of the view included. A wider hysteresis is cut.
///
/// A cell shows a player two groups at most, everyone's and its team's. So this leaves room for hundreds of
/// groups of the room itself before a client takes more for a broken message.
pub const VIEW_CELLS_KEPT_MAX: usize = 1600;
const _: () = assert!(VIEW_CELLS_MAX <= VIEW_CELLS_KEPT_MAX);
const _: () = assert!(2 * VIEW_CELLS_KEPT_MAX < tickwire_protocol::limits::GROUPS_PER_PLAYER_MAX);

/// The outermost cell of a grid, in cells from the origin. What lies beyond counts as in it.
pub const CELL_NUMBER_MAX: i32 = 1 << 20;

/// How many snapshots' waiting something new or gone is ahead of what merely changed, under a byte budget.
pub const URGENT_FRAMES: f32 = 8.0;

/// How many ticks' waiting a group is ahead that the player holds as of the last tick, under a byte budget: its
/// delta costs about a tenth of that of a group that waited, whose motion must be told too. Fewer, and in a
/// room that moves much everything ends up late.
pub const PROMPT_ADVANTAGE: f32 = 48.0;

/// Groups that are sent together at most, under a byte budget, so that what went from one to another is not told
/// as gone before it is told where it is. In a world that moves much, all that is late hangs together: without
/// a bound a player on a short budget would get everything at once and then nothing for seconds. With six, a third
/// fewer vanish for a moment than with none, and what is shown is as near to the truth; with sixteen it is half, and the
/// worst tenth is twice as far off.
pub const GROUPS_TOGETHER_MAX: usize = 6;

/// Ticks whose unused byte budget a player may use at once.
pub const BUDGET_BURST_FRAMES: u32 = 4;

/// The frame after which a room learns its first codebook; each later one takes twice as long.
pub const CODEBOOK_FRAMES_FIRST: u32 = 20;

/// The longest time between two attempts to learn a better codebook.
pub const CODEBOOK_FRAMES_MAX: u32 = 1200;

/// An asset of at most this size is kept in memory, as long as all of them fit into
/// [`ASSETS_BYTES_KEPT_MAX`]; a larger one is read from disk for each download.
pub const ASSET_BYTES_KEPT_MAX: u64 = 4 * 1024 * 1024;

/// Memory for the content of assets. What does not fit is read from disk for each download.
pub const ASSETS_BYTES_KEPT_MAX: u64 = 256 * 1024 * 1024;

/// Bytes of a large asset that one download reads ahead: four chunks.
pub const ASSET_READ_AHEAD_BYTES: usize = 64 * 1024;

/// Files that are read for one player at a time. Its other downloads of large assets wait; one whose stream has taken
/// nothing for [`ASSET_STALL`] lets the next one read.
pub const ASSET_FILES_READ_MAX: usize = 8;

/// How long a download may keep what was read ahead, and take nothing of it, while others wait.
pub const ASSET_STALL: Micros = Micros::from_millis(1000);

/// Seconds of the rate of messages that a player may use at once. A link may stand still for ten
/// ([`Limits::stall_max`]), and then it brings all that the client has sent meanwhile.
pub const MESSAGES_BURST_SECONDS: u64 = 12;

/// Seconds of the rate of bytes that a player may use at once: nobody plays at the whole of it.
pub const BYTES_BURST_SECONDS: u64 = 2;

/// What an operator may set. What a peer reaches of it has a counter in `/metrics`, and a close code if that ends the
/// connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of the whole process; 20,000 by default. The next one is closed with `Full`.
    pub connections_max: usize,
    /// Connections of one address; 64 by default, which leaves room for a school behind one router.
    /// Loopback addresses are not counted. The next one is closed with `RateLimited`.
    pub connections_per_address_max: usize,
    /// Connections of the whole process that were upgraded and have no seat yet; 2,048 by default. The
    /// next one is closed with `Full`.
    pub handshakes_max: usize,
    /// HTTP connections that have not been upgraded or answered yet; 1,024 by default, at least 1. New ones wait.
    pub http_connections_max: usize,
    /// Messages of less than 1 KiB per second and player; 150 by default, twelve times that in a burst. More
    /// closes with `RateLimited`. Larger messages count by their bytes alone.
    pub messages_per_second_max: u32,
    /// Bytes per second and player besides the data of streams in messages of 1 KiB or more, which credit holds back;
    /// 4 MiB by default, twice that in a burst. More closes with `RateLimited`.
    pub bytes_per_second_max: u32,
    /// How long a socket may refuse to take anything; 10 s by default. Longer closes with `TooSlow`; an HTTP
    /// connection is cut, where the system can (Linux).
    pub stall_max: Micros,
    /// Time from the upgrade to a complete handshake; 10 s by default. Longer closes with `Timeout`.
    pub handshake_max: Micros,
    /// Rooms of the process; 20,000 by default. The next one is refused with `Full`.
    pub rooms_max: usize,
    /// How long a room without players is kept before it is dropped; 30 s by default.
    pub empty_room_kept: Micros,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            connections_per_address_max: 64,
            handshakes_max: 2048,
            http_connections_max: 1024,
            messages_per_second_max: 150,
            bytes_per_second_max: 4 * 1024 * 1024,
            stall_max: Micros::from_millis(10_000),
            handshake_max: tickwire_protocol::limits::HANDSHAKE_MICROS_MAX,
            rooms_max: ROOMS_MAX,
            empty_room_kept: EMPTY_ROOM_KEPT,
        }
    }
}

/// A limit that a peer has reached, for the counter `tickwire_limits_reached_total`. Each closes the
/// connection with the code of its error, unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Limit {
    /// [`Limits::handshake_max`].
    Handshake,
    /// [`SILENCE_MICROS_MAX`](tickwire_protocol::limits::SILENCE_MICROS_MAX).
    Silence,
    /// [`Limits::messages_per_second_max`].
    Messages,
    /// [`Limits::bytes_per_second_max`].
    Bytes,
    /// [`EVENTS_PER_TICK_MAX`] and [`EVENTS_BURST_MAX`].
    Events,
    /// What one message does to streams, of which opening and resetting one are two:
    /// [`STREAM_EVENTS_MAX`](tickwire_protocol::limits::STREAM_EVENTS_MAX).
    StreamFrames,
    /// [`CLIENT_MESSAGE_BYTES_MAX`](tickwire_protocol::limits::CLIENT_MESSAGE_BYTES_MAX).
    MessageBytes,
    /// [`EVENTS_UNSENT_BYTES_MAX`](tickwire_protocol::limits::EVENTS_UNSENT_BYTES_MAX).
    EventsUnsent,
    /// [`CONTROL_UNSENT_BYTES_MAX`](tickwire_protocol::limits::CONTROL_UNSENT_BYTES_MAX).
    ControlUnsent,
    /// [`Limits::stall_max`].
    Stall,
    /// Players of one room: `Full`.
    Players,
    /// [`Limits::rooms_max`]: `Full`.
    Rooms,
    /// [`STREAMS_OPEN_MAX`](tickwire_protocol::limits::STREAMS_OPEN_MAX): the stream is refused with code 1,
    /// the connection stays.
    Streams,
    /// [`STREAM_OFFERS_WAITING_MAX`]: the stream is refused with code 3, the connection stays.
    StreamOffers,
}

impl Limit {
    /// Every limit, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Handshake,
        Self::Silence,
        Self::Messages,
        Self::Bytes,
        Self::Events,
        Self::StreamFrames,
        Self::MessageBytes,
        Self::EventsUnsent,
        Self::ControlUnsent,
        Self::Stall,
        Self::Players,
        Self::Rooms,
        Self::Streams,
        Self::StreamOffers,
    ];

    /// How the counter calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Silence => "silence",
            Self::Messages => "messages",
            Self::Bytes => "bytes",
            Self::Events => "events",
            Self::StreamFrames => "stream_frames",
            Self::MessageBytes => "message_bytes",
            Self::EventsUnsent => "events_unsent",
            Self::ControlUnsent => "control_unsent",
            Self::Stall => "stall",
            Self::Players => "players",
            Self::Rooms => "rooms",
            Self::Streams => "streams",
            Self::StreamOffers => "stream_offers",
        }
    }

    /// The limit behind what a peer did wrong; `None` for what is wrong in any amount.
    #[must_use]
    pub fn of(error: &PeerError) -> Option<Self> {
        let PeerError::Misbehaved(misbehaved) = error else {
            return None;
        };
        Some(match misbehaved {
            PeerMisbehaved::TimedOut(Awaited::Handshake) => Self::Handshake,
            PeerMisbehaved::TimedOut(
                Awaited::Connection | Awaited::Server | Awaited::Client | Awaited::Farewell,
            ) => Self::Silence,
            PeerMisbehaved::RateExceeded(Rate::Messages) => Self::Messages,
            PeerMisbehaved::RateExceeded(Rate::Bytes) => Self::Bytes,
            PeerMisbehaved::RateExceeded(Rate::Events) => Self::Events,
            PeerMisbehaved::RateExceeded(Rate::StreamFrames) => Self::StreamFrames,
            PeerMisbehaved::MessageTooBig { .. } => Self::MessageBytes,
            PeerMisbehaved::TooSlow(Queue::Events) => Self::EventsUnsent,
            PeerMisbehaved::TooSlow(Queue::Control) => Self::ControlUnsent,
            PeerMisbehaved::TooSlow(Queue::Socket) => Self::Stall,
            _ => return None,
        })
    }
}
