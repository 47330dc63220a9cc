//! Every bound of the wire, in one place, with what happens when it is reached.
//!
//! A bound here is what both ends hold each other to. What only a server decides (players, addresses,
//! rates) is in `tickwire_server`'s `limits`.

use crate::time::Micros;

/// The wire's version. A server answers any other one with [`CloseCode::Version`].
///
/// [`CloseCode::Version`]: crate::error::CloseCode::Version
pub const PROTOCOL_VERSION: u16 = 1;

/// The WebSocket subprotocol both ends ask for and confirm.
pub const SUBPROTOCOL: &str = "tickwire.1";

/// A client's message of fewer bytes is a small one: a server counts it as a message as well as by its bytes.
pub const SMALL_MESSAGE_BYTES: usize = 1024;

/// The largest message a client may send. Beyond it the connection is closed with `TooBig`.
pub const CLIENT_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// The largest message a server sends; a client refuses a larger one.
///
/// A keyframe of 100,000 entities at 10 bytes each fits.
pub const SERVER_MESSAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The smallest limit for messages that a server may announce: a handshake and an event must fit.
pub const MESSAGE_BYTES_MIN: usize = 32 * 1024;

/// The largest piece of a byte stream in one frame: 6.4 ms of a 20 Mbit/s link stand at most between a
/// snapshot and the wire.
pub const CHUNK_BYTES_MAX: usize = 16 * 1024;

/// Bytes of opened streams in one message of bulk: one chunk, so that nothing waits long behind it.
pub const BULK_MESSAGE_BYTES_MAX: usize = CHUNK_BYTES_MAX + 64;

/// The least that is written of a stream's record at once: on a slow link a chunk is about 6 ms of the rate.
pub const BULK_CHUNK_BYTES_MIN: usize = 1024;

/// Metadata that an `OPEN` frame may carry.
pub const METADATA_BYTES_MAX: usize = 4096;

/// The reason that a reset, a refusal or a close may carry, in bytes of UTF-8 (a WebSocket close frame
/// holds 123).
pub const REASON_BYTES_MAX: usize = 120;

/// Streams one end may have opened at a time. The next `OPEN` is refused, the connection stays.
pub const STREAMS_OPEN_MAX: usize = 512;

/// Entities in one replicated group (a block of a room without a grid, or one cell of it). A server leaves the next
/// one out and counts it; a decoder takes more for a broken message.
pub const ENTITIES_PER_GROUP_MAX: usize = 100_000;

/// Entities that one player may see at a time. A decoder takes more for a broken message.
pub const REPLICA_ENTITIES_MAX: usize = 200_000;

/// Groups (cells of the interest grid, blocks of a room) that one player may see at a time. A decoder takes
/// more for a broken message.
pub const GROUPS_PER_PLAYER_MAX: usize = 4096;

/// Bytes of an encoded codebook.
pub const CODEBOOK_BYTES_MAX: usize = 256 * 1024;

/// Integers and blobs in one group's state, all tables and columns together, and 32 for each column of a table that
/// appears: 48 MB at most with their motion. A server leaves out, and counts, the entity that would pass it; a decoder
/// takes more for a broken message.
pub const VALUES_PER_GROUP_MAX: usize = 1 << 22;

/// Sets of components in use in one group. A server leaves out, and counts, the entity that would bring one more; a
/// decoder takes more that appear at once for a broken message.
pub const TABLES_PER_GROUP_MAX: usize = 1024;

/// Replicated components in one schema: a row's components are one `u128` mask.
pub const COMPONENTS_MAX: usize = 128;

/// Integer columns of one component, nested fields and arrays counted out.
pub const COLUMNS_PER_COMPONENT_MAX: usize = 64;

/// Fields without a fixed size (strings, lists, opaque values) of one component.
pub const BLOBS_PER_COMPONENT_MAX: usize = 16;

/// Variants of one enum.
pub const VARIANTS_MAX: usize = 256;

/// Bytes of a component's, field's, variant's or event's name; a field's with the path before it.
pub const SCHEMA_NAME_BYTES_MAX: usize = 128;

/// Elements of one list. Capture leaves out the rest and counts it.
pub const LIST_LEN_MAX: usize = 1024;

/// Bytes of one string, vector or opaque field in a component.
pub const BLOB_BYTES_MAX: usize = 4096;

/// Bytes of an encoded schema. A server does not start with a game of which there are more.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;

/// How deep nested values may go before they are refused, in anything a peer sends.
pub const DEPTH_MAX: usize = 16;

/// Ticks by which an input may be ahead of the room's next. One further ahead is dropped and counted, as is one
/// that is late by more: at most twice as many, and one, wait for their tick.
pub const INPUT_TICKS_AHEAD_MAX: u32 = 32;

/// Time from the upgrade to a complete handshake. Later the connection is closed with `Timeout`.
pub const HANDSHAKE_MICROS_MAX: Micros = Micros::from_millis(10_000);

/// Time without a whole binary message from a peer before it counts as gone: clients ping far more often. Bytes of one
/// that is not whole yet do not count.
pub const SILENCE_MICROS_MAX: Micros = Micros::from_millis(30_000);

/// Kinds of events in one schema: an event's index is one byte.
pub const EVENTS_MAX: usize = 256;

/// Assets in one manifest. A server refuses to start with more; a client refuses the manifest.
pub const ASSETS_MAX: usize = 16 * 1024;

/// Bytes of an encoded manifest: 256 per asset.
pub const MANIFEST_BYTES_MAX: usize = 256 * ASSETS_MAX;

/// Bytes of an asset's name.
pub const ASSET_NAME_BYTES_MAX: usize = 255;

/// Assets that one asset may depend on.
pub const ASSET_DEPENDS_MAX: usize = 16;

/// The latest time a peer may name: 36,000 years, and sums of several still fit 64 bits.
pub const TIME_MAX: Micros = Micros(1 << 60);

/// A player's name, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 64;

/// A room's name or id as a client asks for it, in bytes of UTF-8.
pub const ROOM_NAME_BYTES_MAX: usize = 64;

/// The game's own payload of the handshake.
pub const JOIN_BYTES_MAX: usize = 4096;

/// One tick's input of one player. A larger one is refused.
pub const INPUT_BYTES_MAX: usize = 256;

/// Inputs that wait in a client for a socket that takes them. The oldest are dropped: the room wants
/// the newest.
pub const INPUTS_UNSENT_MAX: usize = 8;

/// One event of the game.
pub const EVENT_BYTES_MAX: usize = 16 * 1024;

/// Framed events that wait for the socket. Beyond it the peer is too slow, and the session closes.
pub const EVENTS_UNSENT_BYTES_MAX: usize = 128 * 1024;

/// What waits for the socket to open streams of ours, before a program that opens and resets them in a storm is told to
/// wait: as many as may be open, with the longest metadata.
pub const OPENING_UNSENT_BYTES_MAX: usize = STREAMS_OPEN_MAX * METADATA_BYTES_MAX;

/// Framed control messages and stream control frames that a peer may cause to wait for the socket.
/// Beyond it the peer is too slow, and the session closes.
pub const CONTROL_UNSENT_BYTES_MAX: usize = 256 * 1024;

/// Credit that a data frame of an opened stream costs beyond its payload: what a chunk that waits takes
/// in memory. Without it, empty frames would cost a peer nothing and fill the other end.
pub const CHUNK_COST_BYTES: u64 = 64;

/// Credit both ends give each other on the connection: what data of opened streams, received and not
/// yet taken by the program, may cost in all. The memory a peer can fill.
pub const CONNECTION_WINDOW_BYTES: u64 = 4 * 1024 * 1024;

/// Credit of the connection that may have been used up and taken, but not given again yet.
pub const CONNECTION_CREDIT_HELD_BACK_MAX: u64 = CONNECTION_WINDOW_BYTES / 8;

/// Credit that every opened stream has from its first byte, before it is accepted.
///
/// Every stream that can be open at once can hold this much and the sum still fits
/// [`CONNECTION_WINDOW_BYTES`]: a stream that nobody reads then never stops another one.
pub const STREAM_WINDOW_BYTES_MIN: u64 = 1024;

/// Credit that a stream is given when it is opened or accepted, while the connection's window allows it:
/// 20 Mbit/s over 50 ms, so that on such links the first round trips wait for the link and not for credit.
pub const STREAM_WINDOW_BYTES_INITIAL: u64 = 128 * 1024;

/// The most a stream's window grows to: 1 MiB carries 84 Mbit/s over 100 ms.
pub const STREAM_WINDOW_BYTES_MAX: u64 = 1024 * 1024;

/// What the windows of all streams together may have beyond their smallest.
pub const STREAM_WINDOWS_POOL_BYTES: u64 = CONNECTION_WINDOW_BYTES
    - CONNECTION_CREDIT_HELD_BACK_MAX
    - 2 * STREAMS_OPEN_MAX as u64 * STREAM_WINDOW_BYTES_MIN;

/// One record (one `write`, one typed value) of a stream.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of one stream that wait for credit and the socket before a write is put off.
pub const STREAM_UNSENT_BYTES_MAX: usize = 64 * 1024;

/// Bytes of all opened streams of a connection that wait; beyond it only a stream of which nothing
/// waits takes a write.
pub const STREAMS_UNSENT_BYTES_MAX: usize = 1024 * 1024;

/// Unsent bytes that a kernel may hold in front of a snapshot or an input, where the system can bound them
/// (`TCP_NOTSENT_LOWAT`), before a connection's rate is known and on slow links: 6.4 ms of 20 Mbit/s. On
/// faster links it follows the rate.
pub const KERNEL_UNSENT_BYTES: u32 = 16 * 1024;

/// Cost of records that tasks are putting together and for which the peer has credit again, in all streams of a
/// connection: a record may be longer than its stream's window. Beyond it only one stream at a time gets credit
/// before its record is whole. A piece of [`CHUNK_BYTES_MAX`] for each stream that an end can have open.
pub const PARTIAL_RECORDS_BYTES_MAX: usize = STREAMS_OPEN_MAX * CHUNK_BYTES_MAX;

/// Bytes of one stream that wait between a program's task and the connection, with [`CHUNK_COST_BYTES`] for each
/// record: beyond it the task's writes wait. A live stream drops its oldest record instead.
pub const PIPE_UNSENT_BYTES_MIN: usize = 64 * 1024;

/// The same on a connection that empties that queue within milliseconds: then the queue, and not the link,
/// is what holds the stream back, and waking the task for every 32 KiB costs more than sending them.
pub const PIPE_UNSENT_BYTES_MAX: usize = 512 * 1024;

/// Bytes that wait in the pipes of one connection in all: beyond it only a pipe in which nothing waits
/// takes a write. Behind it the mux does the same with [`STREAMS_UNSENT_BYTES_MAX`]. So where a peer takes
/// nothing, a connection holds 2 MiB, and two writes for each stream: [`PIPE_WRITE_BYTES_MAX`] each where bytes are
/// copied, [`PIPE_UNSENT_BYTES_MIN`] where they are not, and a whole record, up to [`RECORD_BYTES_MAX`], of values.
pub const PIPES_UNSENT_BYTES_MAX: usize = 1024 * 1024;

/// Bytes that one write to a pipe copies.
pub const PIPE_WRITE_BYTES_MAX: usize = 16 * 1024;

/// Things that happened to streams and that the program has not asked for yet. More come only from a
/// peer that opens and resets streams in a storm.
pub const STREAM_EVENTS_MAX: usize = 8 * 1024;

/// Marks behind bulk that may wait for their answer. While so many do, none is set: bulk goes on, and is
/// confirmed by later ones.
pub const MARKS_UNANSWERED_MAX: usize = 256;

/// Turns that the start of bulk looks back over: half a second of a pump of 2 ms. A peer whose answers take a
/// minute would have it keep a minute's.
pub(crate) const TRAIN_TURNS_MAX: usize = 256;

/// Parts of the span over which a rate is measured; of each, two moments are kept at most. A peer can make a round trip,
/// and so the span, as long as it likes.
pub(crate) const RATE_MOMENTS_MAX: u64 = 1024;

/// How old a chunk of a live stream may get before it is dropped instead of sent.
pub const LIVE_AGE_MICROS_MAX: Micros = Micros::from_millis(250);

/// Time between two pings of a client once its clock has settled.
pub const PING_PERIOD_MICROS: Micros = Micros::from_millis(500);

const _: () = assert!(
    STREAM_WINDOWS_POOL_BYTES >= STREAM_WINDOW_BYTES_MAX,
    "one stream alone must be able to grow to its largest window"
);
