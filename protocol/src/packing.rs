//! Packing: an asset's content as it travels when that is smaller, in raw DEFLATE (RFC 1951).
//!
//! In: content, or pieces of its packed form in order. Out: the other one. The decision to question:
//! DEFLATE, and not brotli or zstd, which pack text a fifth smaller. Their decoders are ten times as
//! large in WASM (brotli's dictionary alone is 122 KB) and every page would download that first;
//! inflating costs a few kilobytes of code and one window of 32 KiB while a download runs.

use miniz_oxide::{
    DataFormat, MZError, MZFlush, MZStatus,
    deflate::compress_to_vec,
    inflate::stream::{InflateState, inflate},
};

use crate::error::DecodeError;

/// The middle of zlib's levels: a tenth of the time of the last one, 1 % larger.
const LEVEL: u8 = 6;

/// What is tried first: enough to see whether the rest is worth the time.
const SAMPLE_BYTES: usize = 64 * 1024;

/// What is unpacked in one go.
const PIECE_BYTES: usize = 32 * 1024;

/// Packs content, if that saves at least an eighth. Pictures, music and archives are packed already,
/// and turned down after their first 64 KiB.
#[must_use]
pub fn pack(content: &[u8]) -> Option<Vec<u8>> {
    let pays = |packed: usize, whole: usize| packed <= whole - whole / 8 && packed < whole;
    let sample = &content[..content.len().min(SAMPLE_BYTES)];
    let packed = compress_to_vec(sample, LEVEL);
    if !pays(packed.len(), sample.len()) {
        return None;
    }
    let packed = if sample.len() == content.len() {
        packed
    } else {
        compress_to_vec(content, LEVEL)
    };
    pays(packed.len(), content.len()).then_some(packed)
}

/// Unpacks content as it comes.
pub struct Unpacker(Box<InflateState>);

impl Default for Unpacker {
    fn default() -> Self {
        Self(InflateState::new_boxed(DataFormat::Raw))
    }
}

impl core::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Unpacker").finish_non_exhaustive()
    }
}

impl Unpacker {
    /// Appends what the next piece unpacks to. `room_bytes` is what may come at most: a small piece can
    /// claim to be a thousand times its size, and no more than that is ever made of it.
    ///
    /// # Errors
    /// [`DecodeError::OutOfRange`] beyond `room_bytes`; [`DecodeError::Invalid`] when the bytes are no
    /// DEFLATE, or go on after its end.
    pub fn unpack(
        &mut self,
        mut piece: &[u8],
        mut room_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        loop {
            let start = out.len();
            // One byte more than fits, so that too much shows.
            let room = PIECE_BYTES.min(room_bytes.saturating_add(1));
            out.resize(start + room, 0);
            let done = inflate(&mut self.0, piece, &mut out[start..], MZFlush::None);
            out.truncate(start + done.bytes_written);
            if done.bytes_written > room_bytes {
                out.truncate(start + room_bytes);
                return Err(DecodeError::OutOfRange("the size of packed content"));
            }
            room_bytes -= done.bytes_written;
            piece = &piece[done.bytes_consumed..];
            match done.status {
                Ok(MZStatus::StreamEnd) if piece.is_empty() => return Ok(()),
                // It wants more input, or nothing is left of what it had: the next piece brings it.
                Ok(MZStatus::Ok) | Err(MZError::Buf)
                    if piece.is_empty() && done.bytes_written < room =>
                {
                    return Ok(());
                }
                Ok(MZStatus::Ok) | Err(MZError::Buf)
                    if done.bytes_written + done.bytes_consumed > 0 => {}
                _ => return Err(DecodeError::Invalid("packed content")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(bytes: usize) -> Vec<u8> {
        (0..bytes as u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 ^ (n >> 9) as u8)
            .scan(1_u32, |state, byte| {
                *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                Some(byte ^ (*state >> 24) as u8)
            })
            .collect()
    }

    fn text() -> Vec<u8> {
        let line = |n: u32| {
            format!(
                "{{\"rock\": {n}, \"at\": [{}, {}]}}\n",
                n * 7 % 1000,
                n * 13
            )
        };
        (0..20_000).flat_map(|n| line(n).into_bytes()).collect()
    }

    #[test]
    fn text_comes_back_whatever_the_pieces() {
        let content = text();
        let packed = pack(&content).expect("text packs well");
        assert!(packed.len() * 3 < content.len(), "{}", packed.len());
        for piece in [1, 7, 1000, 16 * 1024, packed.len()] {
            let (mut unpacker, mut out) = (Unpacker::default(), vec![]);
            for piece in packed.chunks(piece) {
                let room = content.len() - out.len();
                unpacker.unpack(piece, room, &mut out).expect("well packed");
            }
            assert!(out == content, "pieces of {piece}");
        }
    }

    #[test]
    fn what_does_not_shrink_is_left_as_it_is() {
        assert_eq!(pack(b""), None);
        assert_eq!(pack(b"abc"), None);
        assert_eq!(pack(&noise(300_000)), None);
    }

    #[test]
    fn a_bomb_makes_no_more_than_it_may() {
        let packed = compress_to_vec(&vec![0; 50_000_000], LEVEL);
        assert!(packed.len() < 100_000);
        let mut out = vec![];
        let error = Unpacker::default().unpack(&packed, 1000, &mut out);
        assert_eq!(
            error,
            Err(DecodeError::OutOfRange("the size of packed content"))
        );
        assert!(out.len() <= 1000 && out.capacity() <= 2 * PIECE_BYTES);
    }

    #[test]
    fn bytes_that_are_not_packed_or_go_on_after_the_end_are_refused() {
        let invalid = Err(DecodeError::Invalid("packed content"));
        let mut out = vec![];
        let broken = Unpacker::default().unpack(&[0xff; 100], 1 << 20, &mut out);
        assert_eq!(broken, invalid);
        let content = text();
        let mut packed = pack(&content).expect("text packs well");
        packed.extend_from_slice(b"more");
        out.clear();
        let more = Unpacker::default().unpack(&packed, content.len(), &mut out);
        assert_eq!(more, invalid);
    }
}
