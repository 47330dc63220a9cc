//! One content on its way: the bytes so far and their hash as they come.
//!
//! The hash is kept up with the bytes, so that the last byte of a large file does not stop the game for
//! the time it takes to hash all of it.

use bytes::Bytes;
use tickwire_protocol::asset::AssetHash;

/// Where a content stands; see the diagram of the module above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Listed,
    LookedUp,
    Wanted,
    Fetching,
    Ready,
    Failed,
}

#[derive(Debug)]
pub(super) struct Content {
    pub(super) hash: AssetHash,
    pub(super) bytes: u64,
    pub(super) state: State,
    /// The assets that hold it, as places in the manifest.
    pub(super) assets: Vec<u32>,
    so_far: Vec<u8>,
    hasher: blake3::Hasher,
}

impl Content {
    pub(super) fn new(hash: AssetHash, bytes: u64, state: State) -> Self {
        let (assets, so_far, hasher) = (vec![], vec![], blake3::Hasher::new());
        Self {
            hash,
            bytes,
            state,
            assets,
            so_far,
            hasher,
        }
    }

    /// Adds bytes, or says that they are more than the content has.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        let fits = (self.so_far.len() + bytes.len()) as u64 <= self.bytes;
        if fits {
            self.so_far.extend_from_slice(bytes);
            self.hasher.update(bytes);
        }
        fits
    }

    /// Whether these bytes are this content.
    pub(super) fn is_whole(&self, bytes: &[u8]) -> bool {
        bytes.len() as u64 == self.bytes && *blake3::hash(bytes).as_bytes() == self.hash.0
    }

    /// All its bytes, or what is wrong with them. Leaves nothing behind.
    pub(super) fn take_whole(&mut self) -> Result<Bytes, String> {
        let bytes = core::mem::take(&mut self.so_far);
        let hash = core::mem::take(&mut self.hasher).finalize();
        if (bytes.len() as u64) < self.bytes {
            Err(format!(
                "it ended after {} of {} bytes",
                bytes.len(),
                self.bytes
            ))
        } else if *hash.as_bytes() == self.hash.0 {
            Ok(bytes.into())
        } else {
            Err("its hash is wrong".to_owned())
        }
    }

    /// The content is settled: no bytes are kept here, and all of them count as done.
    pub(super) fn settle(&mut self) -> u64 {
        self.so_far = vec![];
        self.bytes
    }

    /// Bytes that are here before it is whole.
    pub(super) fn bytes_partial(&self) -> u64 {
        self.so_far.len() as u64
    }

    pub(super) fn so_far(&self) -> Option<&[u8]> {
        matches!(self.state, State::Wanted | State::Fetching).then_some(&self.so_far)
    }
}
