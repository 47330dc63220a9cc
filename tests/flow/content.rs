//! Content that is made and checked as it goes, so that half a gibibyte of it takes no memory at either end.
//!
//! In: a seed. Out: bytes, and a digest of bytes. `page.js` beside this file does the same in a browser.

use serde::{Deserialize, Serialize};

/// What an end asks of the server for one stream. The server sends `down` bytes made from `seed` and takes
/// `up` bytes, at most `rate` of them a second while the first `paced` come; then it says what it took, as
/// [`Taken`], behind what it sent.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Flow {
    pub(crate) down: u64,
    pub(crate) up: u64,
    pub(crate) seed: u32,
    pub(crate) rate: u64,
    pub(crate) paced: u64,
}

/// Bytes of a [`Taken`].
pub(crate) const TAKEN_BYTES: usize = 16;

/// How much came, and its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) bytes: u64,
    pub(crate) digest: u64,
}

impl Taken {
    pub(crate) fn to_bytes(self) -> [u8; TAKEN_BYTES] {
        let mut out = [0; TAKEN_BYTES];
        out[..8].copy_from_slice(&self.bytes.to_le_bytes());
        out[8..].copy_from_slice(&self.digest.to_le_bytes());
        out
    }

    pub(crate) fn from_bytes(bytes: [u8; TAKEN_BYTES]) -> Self {
        let half = |at: usize| u64::from_le_bytes(core::array::from_fn(|i| bytes[at + i]));
        Self {
            bytes: half(0),
            digest: half(8),
        }
    }
}

/// Bytes without end, the same for the same seed: the words of xorshift32 (Marsaglia 2003).
#[derive(Clone, Debug)]
pub(crate) struct Content {
    word: u32,
    /// Bytes of the present word that are used up.
    used: usize,
}

impl Content {
    pub(crate) fn new(seed: u32) -> Self {
        Self {
            word: seed | 1,
            used: 4,
        }
    }

    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        for byte in out {
            if self.used == 4 {
                self.used = 0;
                self.word ^= self.word << 13;
                self.word ^= self.word >> 17;
                self.word ^= self.word << 5;
            }
            *byte = self.word.to_le_bytes()[self.used];
            self.used += 1;
        }
    }

    /// The digest of the first `bytes`.
    pub(crate) fn taken(seed: u32, bytes: u64) -> Taken {
        let mut content = Self::new(seed);
        let mut digest = Digest::default();
        let mut piece = [0; 4096];
        while digest.bytes < bytes {
            let len = (bytes - digest.bytes).min(piece.len() as u64) as usize;
            content.fill(&mut piece[..len]);
            digest.update(&piece[..len]);
        }
        digest.taken()
    }
}

/// FNV-1a and a polynomial, 32 bits each: what a script reckons as fast as this.
#[derive(Clone, Debug)]
pub(crate) struct Digest {
    pub(crate) bytes: u64,
    fnv: u32,
    sum: u32,
}

impl Default for Digest {
    fn default() -> Self {
        Self {
            bytes: 0,
            fnv: 0x811c_9dc5,
            sum: 0,
        }
    }
}

impl Digest {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        for &byte in bytes {
            self.fnv = (self.fnv ^ u32::from(byte)).wrapping_mul(0x0100_0193);
            self.sum = self.sum.wrapping_mul(31).wrapping_add(u32::from(byte));
        }
    }

    pub(crate) fn taken(&self) -> Taken {
        Taken {
            bytes: self.bytes,
            digest: u64::from(self.fnv) << 32 | u64::from(self.sum),
        }
    }
}
