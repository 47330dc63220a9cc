//! What hostile bots send: bytes that no player's program sends, and far too many of them.

use tickwire_protocol::{frame::FrameKind, limits::CLIENT_MESSAGE_BYTES_MAX, time::Micros};

use crate::connection::Connection;

/// How long a hostile bot plays before it shows what it is: it must be in the room for that.
pub const DELAY_MICROS: Micros = Micros::from_millis(200);

/// How long one kind of garbage may go unanswered before the next is sent.
pub const PATIENCE_MICROS: Micros = Micros::from_millis(1000);

/// How often a flooding bot sends its burst.
pub const FLOOD_PERIOD_MICROS: Micros = Micros::from_millis(100);

/// Messages in a burst: 20,000 a second, where a player sends some 30.
const FLOOD_MESSAGES: usize = 2000;

/// Sends the kind of garbage whose turn it is.
pub fn garbage(turn: u32, random: &mut fastrand::Rng, connection: &mut Connection) {
    match turn % 5 {
        // A frame without a mask, as only a server may send.
        0 => connection.push_raw(&[0x82, 0x01, 0x00]),
        // Reserved bits without an extension.
        1 => connection.push_raw(&[0xf2, 0x80, 0, 0, 0, 0]),
        // A frame of a kind that does not exist.
        2 => connection.push_message(&[FrameKind::ALL.len() as u8 | 0x30; 16]),
        // A message that is larger than any may be, by its header alone.
        3 => {
            let too_many = (CLIENT_MESSAGE_BYTES_MAX as u64 + 1).to_be_bytes();
            connection.push_raw(&[&[0x82, 0xff][..], &too_many, &[0; 4]].concat());
        }
        // Noise in a proper frame.
        _ => {
            let noise: Vec<u8> = (0..random.usize(1..400)).map(|_| random.u8(..)).collect();
            connection.push_message(&noise);
        }
    }
}

/// Sends a burst of empty input frames.
pub fn flood(connection: &mut Connection) {
    for _ in 0..FLOOD_MESSAGES {
        connection.push_message(&[FrameKind::Data as u8, 1, 2, 0, 0]);
    }
}
