//! Every bound of the client, in one place, with what happens when it is reached.

use tickwire_protocol::time::Micros;

/// States kept to draw between. When more arrive before the drawing gets there, the oldest is dropped
/// and the drawing jumps forward; the one that was drawn from last is kept beside them, to tell what came and
/// went since. At 20 Hz they are 1.6 s.
pub const FRAMES_MAX: usize = 32;

/// Snapshots whose arrival is remembered to tell how late one may be: 6.4 s at 20 Hz, long enough for a
/// rare hiccup to count and short enough to forget a bad minute.
pub const ARRIVALS_MAX: usize = 128;

/// Inputs kept for replay after a snapshot. Older ones are forgotten: at 20 Hz they are 6.4 s, and no
/// playable connection is that far behind.
pub const INPUTS_MAX: usize = 128;

/// Inputs stamped in one call. A page that slept for longer skips ticks instead of sending a burst.
pub const INPUTS_PER_FRAME_MAX: u32 = 8;

/// Events that wait for `poll_event` before one of the game drops the oldest of its kind, which
/// [`Stats::events_dropped`](crate::Stats::events_dropped) counts.
pub const EVENTS_WAITING_MAX: usize = 1024;

/// The largest asset a client takes. A manifest that lists a larger one fails that asset alone.
pub const ASSET_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Downloads under way at one time: enough that the gap between two small files costs nothing, few
/// enough that the urgent one gets most of the link.
pub const DOWNLOADS_MAX: usize = 4;

/// Manifests that a server may push at one time. Further ones are refused until one of them is read.
pub const ASSET_PUSHES_MAX: usize = 16;

/// Small messages that a client sends at once, and in every second after that; beyond it they wait for others to
/// go along with. Less than a server allows by its defaults (1,800 at once, 150 a second), so that there is room for
/// messages that a link has held back and makes arrive at once.
pub const SMALL_MESSAGES_BURST: u64 = 150;
/// See [`SMALL_MESSAGES_BURST`].
pub const SMALL_MESSAGES_PER_SECOND: u64 = 125;

/// The shortest and the longest wait before the next attempt to connect.
pub const RECONNECT_MICROS: core::ops::RangeInclusive<Micros> =
    Micros::from_millis(250)..=Micros::from_millis(10_000);

/// How long a connection must have lasted for the waits to begin at the shortest again.
pub const CONNECTION_LASTED: Micros = Micros::from_millis(2_000);

/// How long one attempt to connect may take before it counts as failed.
pub const CONNECT_MICROS_MAX: Micros = Micros::from_millis(10_000);

/// Bytes that wait in a native client's socket before its core is asked for no more. Bulk stays behind in its
/// streams then, and inputs pass it there.
pub const SOCKET_UNSENT_BYTES_MAX: usize = 64 * 1024;

/// What a native client reads from its socket at a time.
pub const READ_BUFFER_BYTES: usize = 64 * 1024;

/// How long a native client that has said goodbye waits for the server's, before it drops the line.
pub const CLOSE_WAIT: core::time::Duration = core::time::Duration::from_secs(1);
