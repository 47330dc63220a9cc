//! Every bound of a BinaryPack value.

/// How deep arrays and maps may nest before a value is refused.
pub const DEPTH_MAX: usize = 64;

/// Values in one value, itself and all that it holds: a list of nulls takes one byte each on the wire
/// and a [`Value`](super::Value) each in memory, 16 MiB at this bound. Larger ones are refused; numbers
/// by the million travel as binary.
pub const VALUES_MAX: usize = 512 * 1024;
