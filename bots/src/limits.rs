//! Every bound of a load test, with what happens when it is reached.

use tickwire_protocol::time::Micros;

/// Connections that one run may ask for. More are refused before the run.
pub const BOTS_MAX: usize = 200_000;

/// Bytes that may wait for a socket that does not take them. Beyond it the server counts as one that
/// does not read, and the connection as lost.
pub const UNSENT_BYTES_MAX: usize = 1024 * 1024;

/// Inputs whose effect has not been seen yet. Beyond it the oldest are given up: a server that never
/// says which input it took is measured by nothing.
pub const PRESSED_MAX: usize = 256;

/// Sentences kept about what went wrong: the first show the cause, the rest repeat it.
pub const COMPLAINTS_MAX: usize = 10;

/// Whole seconds after which a run is called off if no bot could open a connection by then. A server that is
/// still starting has that long to listen.
pub const UNOPENED_SECONDS_MAX: usize = 5;

/// The longest time that is told apart from a longer one.
pub const SPAN_MICROS_MAX: Micros = Micros::from_millis(120_000);

/// How long after the run's end bots may wait for their comparison. Then they count as not compared.
pub const COMPARISON_MICROS_MAX: Micros = Micros::from_millis(10_000);

/// How long a player may be without a snapshot when it leaves. Beyond it the player counts as unserved.
pub const SILENCE_MICROS_MAX: Micros = Micros::from_millis(3000);

/// How often a thread looks at its sockets and timers. An input is pressed late by at most that, and by what
/// the thread's other bots take.
pub const LOOK_PERIOD: Micros = Micros::from_millis(1);

/// Readiness taken from the system at once; the rest is taken by the next call.
pub const EVENTS_MAX: usize = 1024;
