//! WebSocket framing (RFC 6455) for both roles, without IO: bytes come in as they arrive, messages go
//! out; messages come in, bytes go out.
//!
//! The choice to question: why not a crate? A room's worker reads thousands of sockets through one
//! buffer and writes each player's tick with one contiguous write. That asks for a reader that keeps
//! nothing between two whole messages, unmasks where the bytes lie, and clears no buffer; and for a
//! writer that puts the header before a message that is already in place.
//!
//! `permessage-deflate` is not offered: snapshots are at the entropy of what they say, so deflate would
//! cost a window per connection and microseconds per message and gain nothing.
//!
//! ```
//! use tickwire_protocol::websocket::{Item, Opcode, Reader, Role, Writer};
//!
//! let mut bytes = Vec::new();
//! Writer::client(42).message(Opcode::Binary, b"steer left", &mut bytes);
//!
//! let mut reader = Reader::new(Role::Server, 1024);
//! let mut input = &mut bytes[..];
//! assert_eq!(reader.read(&mut input), Ok(Some(Item::Binary(b"steer left"))));
//! assert_eq!(reader.read(&mut input), Ok(None));
//! ```

mod address;
mod mask;
mod reader;
#[cfg(feature = "upgrade")]
pub mod upgrade;
mod writer;

#[cfg(test)]
mod tests;

pub use self::{
    address::{Address, AddressError},
    reader::{Item, PeerClose, Reader},
    writer::{Begun, Writer},
};

/// The longest header of a frame: two bytes, eight of length, four of mask.
pub const HEADER_BYTES_MAX: usize = 14;

/// What a control frame may carry (section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

/// Which end of the connection we are. A client masks what it sends, a server must not (section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that asked for the upgrade.
    Client,
    /// The end that granted it.
    Server,
}

/// What a frame is (section 5.2). The ten others are reserved and refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// The next piece of a fragmented message.
    Continuation = 0,
    /// A message of UTF-8 text.
    Text = 1,
    /// A message of bytes.
    Binary = 2,
    /// The last frame of an end.
    Close = 8,
    /// Asks for a pong with the same payload.
    Ping = 9,
    /// Answers a ping.
    Pong = 10,
}

impl Opcode {
    const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    const fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// The close code that stands for a close frame without one. It never travels.
pub const CLOSE_NO_STATUS: u16 = 1005;

/// The close code that stands for a connection that broke without a word. It never travels.
pub const CLOSE_ABNORMAL: u16 = 1006;

/// Whether a close code may stand in a close frame (section 7.4 and the registry it founded).
#[must_use]
pub const fn is_close_code_allowed(code: u16) -> bool {
    // 1004 is unassigned; 1005, 1006 and 1015 name events and never travel.
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
