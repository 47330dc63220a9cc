//! Reading and writing of the few primitive shapes everything on the wire is made of.
//!
//! In: a peer's bytes, or values. Out: values, or bytes appended to a `Vec`. Reading can fail in every
//! step and says what it was reading; writing cannot fail. Fixed-width integers are little-endian, as
//! every machine this runs on is. A varint has exactly one encoding: a padded one is refused, so that
//! two different messages never mean the same.

use crate::error::DecodeError;

/// Takes values off the front of a peer's bytes.
///
/// Every method names what it reads (`what`), so that an error says where the bytes went wrong. After
/// an error the position is unspecified: give the message up.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the front of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Bytes not yet taken.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Whether every byte was taken.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes all that is left.
    pub const fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes;
        self.bytes = &[];
        rest
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`] when bytes are left.
    pub const fn finish(self, what: &'static str) -> Result<(), DecodeError> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Trailing(what))
        }
    }

    /// Takes the next `len` bytes, without copying them.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when there are fewer.
    #[inline]
    pub const fn bytes(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        match self.bytes.split_at_checked(len) {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(taken)
            }
            None => Err(DecodeError::Truncated(what)),
        }
    }

    /// Takes the next `N` bytes as an array.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub const fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        match self.bytes.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.bytes = rest;
                Ok(*taken)
            }
            None => Err(DecodeError::Truncated(what)),
        }
    }

    /// Takes one byte.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub const fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        match self.bytes.split_first() {
            Some((byte, rest)) => {
                self.bytes = rest;
                Ok(*byte)
            }
            None => Err(DecodeError::Truncated(what)),
        }
    }

    /// Takes two bytes, little-endian.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        self.array(what).map(u16::from_le_bytes)
    }

    /// Takes four bytes, little-endian.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        self.array(what).map(u32::from_le_bytes)
    }

    /// Takes eight bytes, little-endian.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// Takes a varint: seven bits a byte, low bits first, the high bit set on all bytes but the last.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`]; [`DecodeError::OutOfRange`] for more than 64 bits;
    /// [`DecodeError::Invalid`] for one padded with zero bytes.
    #[inline]
    pub const fn varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        match self.bytes.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.bytes = rest;
                Ok(byte as u64)
            }
            _ => self.varint_long(what),
        }
    }

    /// Kept apart so that the one-byte case inlines to a compare.
    const fn varint_long(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        let mut shift = 0u32;
        loop {
            let byte = match self.u8(what) {
                Ok(byte) => byte,
                Err(error) => return Err(error),
            };
            // The tenth byte holds bit 63 alone.
            if shift == 63 && byte > 1 {
                return Err(DecodeError::OutOfRange(what));
            }
            value |= ((byte & 0x7f) as u64) << shift;
            if byte < 0x80 {
                if byte == 0 && shift > 0 {
                    return Err(DecodeError::Invalid(what));
                }
                return Ok(value);
            }
            shift += 7;
        }
    }

    /// Takes a varint that fits 32 bits.
    ///
    /// # Errors
    /// As [`varint`](Self::varint); [`DecodeError::OutOfRange`] from 2^32 on.
    #[inline]
    pub fn varint_u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        u32::try_from(self.varint(what)?).map_err(|_| DecodeError::OutOfRange(what))
    }

    /// Takes a varint that counts something and is at most `max`.
    ///
    /// # Errors
    /// As [`varint`](Self::varint); [`DecodeError::OutOfRange`] above `max`.
    #[inline]
    pub fn count(&mut self, max: usize, what: &'static str) -> Result<usize, DecodeError> {
        match usize::try_from(self.varint(what)?) {
            Ok(count) if count <= max => Ok(count),
            _ => Err(DecodeError::OutOfRange(what)),
        }
    }

    /// Takes a signed varint (zigzag: 0, −1, 1, −2, … as 0, 1, 2, 3, …).
    ///
    /// # Errors
    /// As [`varint`](Self::varint).
    #[inline]
    pub fn signed(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        self.varint(what).map(unzigzag)
    }

    /// Takes a varint length of at most `max` and that many bytes, without copying them.
    ///
    /// # Errors
    /// As [`count`](Self::count) and [`bytes`](Self::bytes).
    #[inline]
    pub fn length_prefixed(
        &mut self,
        max: usize,
        what: &'static str,
    ) -> Result<&'a [u8], DecodeError> {
        let len = self.count(max, what)?;
        self.bytes(len, what)
    }

    /// Takes a varint length of at most `max_bytes` and that much UTF-8.
    ///
    /// # Errors
    /// As [`length_prefixed`](Self::length_prefixed); [`DecodeError::Invalid`] when it is no UTF-8.
    pub fn text(&mut self, max_bytes: usize, what: &'static str) -> Result<&'a str, DecodeError> {
        let bytes = self.length_prefixed(max_bytes, what)?;
        core::str::from_utf8(bytes).map_err(|_| DecodeError::Invalid(what))
    }
}

/// Appends a varint: one byte below 128, at most ten.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that [`put_varint`] appends for `value`.
#[must_use]
pub const fn varint_len(value: u64) -> usize {
    // Seven bits a byte; zero takes one too.
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Appends a signed varint.
#[inline]
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, zigzag(value));
}

/// Appends a varint length and the bytes.
pub fn put_length_prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Folds a signed number so that small magnitudes stay small.
#[must_use]
#[inline]
#[expect(clippy::cast_sign_loss, reason = "the fold is on the bit pattern")]
pub const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Undoes [`zigzag`].
#[must_use]
#[inline]
#[expect(clippy::cast_possible_wrap, reason = "the fold is on the bit pattern")]
pub const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Cuts `text` to at most `max_bytes` of UTF-8 without splitting a character: what a reason that
/// crosses the wire goes through, whoever wrote it.
#[must_use]
pub fn clip(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_varint_comes_back_and_takes_the_bytes_it_says(value: u64, shift in 0u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert_eq!(out.len(), varint_len(value));
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint("value"), Ok(value));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn a_signed_varint_comes_back(value: i64) {
            let mut out = Vec::new();
            put_signed(&mut out, value);
            prop_assert_eq!(Reader::new(&out).signed("value"), Ok(value));
        }

        #[test]
        fn what_a_reader_takes_for_a_varint_is_what_the_writer_writes(bytes: [u8; 11]) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.varint("value") {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                prop_assert_eq!(&out[..], &bytes[..bytes.len() - reader.remaining()]);
            }
        }
    }

    #[test]
    fn a_padded_or_overlong_varint_is_refused() {
        let mut padded = Reader::new(&[0x80, 0x00]);
        assert_eq!(padded.varint("v"), Err(DecodeError::Invalid("v")));
        let mut overlong = Reader::new(&[0xff; 10]);
        assert_eq!(overlong.varint("v"), Err(DecodeError::OutOfRange("v")));
        let mut cut = Reader::new(&[0x80]);
        assert_eq!(cut.varint("v"), Err(DecodeError::Truncated("v")));
    }

    #[test]
    fn a_length_is_checked_before_anything_is_taken() {
        let mut claims = Vec::new();
        put_varint(&mut claims, u64::MAX);
        assert_eq!(
            Reader::new(&claims).length_prefixed(10, "x"),
            Err(DecodeError::OutOfRange("x"))
        );
    }

    #[test]
    fn a_clipped_text_ends_at_a_character() {
        assert_eq!(clip("añb", 2), "a");
        assert_eq!(clip("añb", 9), "añb");
    }
}
