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

/// The largest message a client may send. Beyond it the connection is closed with `TooBig`.
pub const CLIENT_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// The largest message a server sends; a client refuses a larger one.
///
/// A keyframe of 100,000 entities at 10 bytes each fits.
pub const SERVER_MESSAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The largest piece of a byte stream in one frame: 6.4 ms of a 20 Mbit/s link stand at most between a
/// snapshot and the wire.
pub const CHUNK_BYTES_MAX: usize = 16 * 1024;

/// Metadata that an `OPEN` frame may carry.
pub const METADATA_BYTES_MAX: usize = 4096;

/// The reason that a reset, a refusal or a close may carry, in bytes of UTF-8 (a WebSocket close frame
/// holds 123).
pub const REASON_BYTES_MAX: usize = 120;

/// Streams one end may have opened at a time. The next `OPEN` is refused, the connection stays.
pub const STREAMS_OPEN_MAX: usize = 1024;

/// Entities in one replicated group (a room without a grid, or one cell of it). The registry refuses
/// the next one; a decoder takes more for a broken message.
pub const ENTITIES_PER_GROUP_MAX: usize = 100_000;

/// Replicated components in one schema: a row's components are one `u128` mask.
pub const COMPONENTS_MAX: usize = 128;

/// Integer columns of one component, nested fields and arrays counted out.
pub const COLUMNS_PER_COMPONENT_MAX: usize = 64;

/// Bytes of one string, vector or opaque field in a component.
pub const BLOB_BYTES_MAX: usize = 4096;

/// Bytes of an encoded schema.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;

/// How deep nested values may go before they are refused, in anything a peer sends.
pub const DEPTH_MAX: usize = 16;

/// Inputs of one player that wait for their tick. A tick further ahead is refused.
pub const INPUT_TICKS_AHEAD_MAX: u32 = 32;

/// Time from the upgrade to a complete handshake. Later the connection is closed with `Timeout`.
pub const HANDSHAKE_MICROS_MAX: Micros = Micros::from_millis(10_000);

/// Time without any byte from a peer before it counts as gone: clients ping far more often.
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
