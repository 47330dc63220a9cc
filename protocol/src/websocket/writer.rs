//! Messages to frames: a header is put before bytes that are already in place.
//!
//! The choice to question: [`Writer::begin`] leaves room for the commonest header and
//! [`Writer::finish`] moves the payload when another is needed. Moving a small message costs
//! nanoseconds; a second buffer or a vectored write per player costs more.

use super::{CONTROL_BYTES_MAX, Opcode, Role, mask};

/// Writes one end's frames.
#[derive(Clone, Debug)]
pub struct Writer {
    role: Role,
    mask_state: u64,
}

/// Where a message began. Hand it to [`Writer::finish`].
#[derive(Debug)]
#[must_use = "a message without a header is not one"]
pub struct Begun(usize);

/// The header of an unmasked payload of 126 to 65,535 bytes: most snapshots.
const HEADER_BYTES_COMMON: usize = 4;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;

impl Writer {
    /// Writes as a server: nothing is masked.
    #[must_use]
    pub const fn server() -> Self {
        Self {
            role: Role::Server,
            mask_state: 0,
        }
    }

    /// Writes as a client. The masks follow from `seed`, which a caller outside tests takes from the
    /// system's randomness: masks protect caches between the ends from a script's chosen bytes
    /// (section 10.3), so they must not be guessed.
    #[must_use]
    pub const fn client(seed: u64) -> Self {
        Self {
            role: Role::Client,
            mask_state: seed,
        }
    }

    /// Starts a message at the end of `out`: append its payload, then call [`finish`](Self::finish).
    pub fn begin(&self, out: &mut Vec<u8>) -> Begun {
        let at = out.len();
        out.extend_from_slice(&[0; HEADER_BYTES_COMMON]);
        Begun(at)
    }

    /// Makes one frame of everything that was appended to `out` since [`begin`](Self::begin).
    pub fn finish(&mut self, begun: Begun, opcode: Opcode, out: &mut Vec<u8>) {
        self.frame(begun, opcode, true, out);
    }

    /// Takes back a message that was begun, with all that was appended since.
    #[expect(clippy::needless_pass_by_value, reason = "a message is given up once")]
    pub fn abandon(&self, begun: Begun, out: &mut Vec<u8>) {
        out.truncate(begun.0);
    }

    /// Appends a whole message.
    pub fn message(&mut self, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
        self.fragment(opcode, true, payload, out);
    }

    /// Appends one fragment. The first carries the message's opcode, the others
    /// [`Opcode::Continuation`]; the last is final.
    pub fn fragment(&mut self, opcode: Opcode, is_final: bool, payload: &[u8], out: &mut Vec<u8>) {
        let begun = self.begin(out);
        out.extend_from_slice(payload);
        self.frame(begun, opcode, is_final, out);
    }

    /// Appends a close frame. A reason that is too long is cut at a character.
    pub fn close(&mut self, code: u16, reason: &str, out: &mut Vec<u8>) {
        let begun = self.begin(out);
        out.extend_from_slice(&code.to_be_bytes());
        let end = reason.floor_char_boundary(CONTROL_BYTES_MAX - 2);
        out.extend_from_slice(&reason.as_bytes()[..end]);
        self.frame(begun, Opcode::Close, true, out);
    }

    #[expect(clippy::needless_pass_by_value, reason = "a message is finished once")]
    fn frame(&mut self, begun: Begun, opcode: Opcode, is_final: bool, out: &mut Vec<u8>) {
        let Begun(at) = begun;
        let payload_at = at + HEADER_BYTES_COMMON;
        let length = out.len() - payload_at;
        debug_assert!(!opcode.is_control() || (is_final && length <= CONTROL_BYTES_MAX));

        let mut header = [0_u8; super::HEADER_BYTES_MAX];
        header[0] = opcode as u8 | if is_final { FIN } else { 0 };
        let mut header_bytes = write_length(length, &mut header);
        let key = match self.role {
            Role::Server => None,
            Role::Client => {
                let key = self.next_mask();
                header[1] |= MASKED;
                header[header_bytes..header_bytes + 4].copy_from_slice(&key);
                header_bytes += 4;
                Some(key)
            }
        };

        if header_bytes > HEADER_BYTES_COMMON {
            out.resize(at + header_bytes + length, 0);
        }
        if header_bytes != HEADER_BYTES_COMMON {
            out.copy_within(payload_at..payload_at + length, at + header_bytes);
        }
        out.truncate(at + header_bytes + length);
        out[at..at + header_bytes].copy_from_slice(&header[..header_bytes]);
        if let Some(key) = key {
            mask::apply(key, 0, &mut out[at + header_bytes..]);
        }
    }

    /// `SplitMix64`: as unguessable as its seed, without a dependency.
    fn next_mask(&mut self) -> [u8; 4] {
        self.mask_state = self.mask_state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.mask_state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let [a, b, c, d, ..] = (z ^ (z >> 31)).to_be_bytes();
        [a, b, c, d]
    }
}

/// Writes the shortest length form, as section 5.2 demands, and returns the header's size so far.
#[expect(
    clippy::cast_possible_truncation,
    reason = "each arm holds what its form can"
)]
fn write_length(length: usize, header: &mut [u8]) -> usize {
    match length {
        0..=125 => {
            header[1] = length as u8;
            2
        }
        126..=0xffff => {
            header[1] = 126;
            header[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            4
        }
        _ => {
            header[1] = 127;
            header[2..10].copy_from_slice(&(length as u64).to_be_bytes());
            10
        }
    }
}
