//! One content on its way: the bytes so far and their hash as they come.
//!
//! The hash is kept up with the bytes, so that the last byte of a large file does not stop the game for
//! the time it takes to hash all of it. Packed content is unpacked as it comes, for the same reason and
//! so that a page can show what is there already.

use bytes::Bytes;
use tickwire_protocol::{
    asset::{AssetHash, AssetRequest},
    packing::Unpacker,
};

use crate::limits::ASSET_BYTES_MAX;

/// Where a content stands; see the diagram of the module above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    Listed,
    LookedUp,
    Wanted,
    Fetching,
    Ready,
    Failed,
}

impl State {
    /// Whether its bytes are asked for, and it is not decided yet what becomes of them.
    pub(super) const fn is_pending(self) -> bool {
        matches!(
            self,
            Self::Listed | Self::LookedUp | Self::Wanted | Self::Fetching
        )
    }

    /// Whether it is decided what has become of it.
    pub(super) const fn is_settled(self) -> bool {
        matches!(self, Self::Ready | Self::Failed)
    }

    /// Whether it is here, or is to be.
    pub(super) const fn is_of_use(self) -> bool {
        self.is_pending() || matches!(self, Self::Ready)
    }
}

#[derive(Debug)]
pub(super) struct Content {
    pub(super) hash: AssetHash,
    pub(super) bytes: u64,
    pub(super) state: State,
    /// The assets that hold it, as places in the manifest.
    pub(super) assets: Vec<u32>,
    /// How long its packed form is, as was listed last; 0 if it has none.
    pub(super) packed_bytes: u64,
    /// The same of the form that has come so far, or comes.
    packed_bytes_begun: u64,
    /// Bytes that came over the network: what the next request begins after.
    received: u64,
    so_far: Vec<u8>,
    hasher: blake3::Hasher,
    unpacker: Option<Unpacker>,
}

impl Content {
    pub(super) fn new(hash: AssetHash, bytes: u64, packed_bytes: u64) -> Self {
        Self {
            hash,
            bytes,
            state: State::Idle,
            assets: vec![],
            packed_bytes,
            packed_bytes_begun: packed_bytes,
            received: 0,
            so_far: vec![],
            hasher: blake3::Hasher::new(),
            unpacker: None,
        }
    }

    /// Whether it is more than a client takes.
    pub(super) const fn is_too_large(&self) -> bool {
        self.bytes > ASSET_BYTES_MAX
    }

    /// The bytes that progress counts. None of what never comes, so that no claims of a server add up to
    /// more than a number holds.
    pub(super) const fn bytes_counted(&self) -> u64 {
        if self.is_too_large() { 0 } else { self.bytes }
    }

    /// What to ask the server for: all that is missing. If it is packed otherwise than what has come, that is of no
    /// use, and it begins anew.
    pub(super) fn request(&mut self) -> AssetRequest {
        if self.packed_bytes_begun != self.packed_bytes {
            self.forget();
            self.packed_bytes_begun = self.packed_bytes;
        }
        AssetRequest::Content {
            hash: self.hash,
            offset: self.received,
            packed: self.packed_bytes > 0,
        }
    }

    /// Adds bytes as they came.
    ///
    /// # Errors
    /// A sentence, when they cannot be this content.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), String> {
        let start = self.so_far.len();
        let room = (self.bytes - start as u64) as usize;
        let too_long = || "it is longer than the manifest says".to_owned();
        if self.packed_bytes_begun > 0 {
            let unpacker = self.unpacker.get_or_insert_default();
            unpacker
                .unpack(bytes, room, &mut self.so_far)
                .map_err(|error| error.to_string())?;
        } else if bytes.len() <= room {
            self.so_far.extend_from_slice(bytes);
        } else {
            return Err(too_long());
        }
        self.received += bytes.len() as u64;
        self.hasher.update(&self.so_far[start..]);
        Ok(())
    }

    /// Whether these bytes are this content.
    pub(super) fn is_whole(&self, bytes: &[u8]) -> bool {
        bytes.len() as u64 == self.bytes && *blake3::hash(bytes).as_bytes() == self.hash.0
    }

    /// All its bytes, or what is wrong with them. Leaves nothing behind.
    pub(super) fn take_whole(&mut self) -> Result<Bytes, String> {
        let bytes = core::mem::take(&mut self.so_far);
        let hash = core::mem::take(&mut self.hasher).finalize();
        self.forget();
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

    /// Keeps nothing of what came.
    pub(super) fn forget(&mut self) {
        self.so_far = vec![];
        self.hasher = blake3::Hasher::new();
        self.unpacker = None;
        self.received = 0;
    }

    /// Bytes that are here before it is whole.
    pub(super) fn bytes_partial(&self) -> u64 {
        self.so_far.len() as u64
    }

    pub(super) fn so_far(&self) -> Option<&[u8]> {
        matches!(self.state, State::Wanted | State::Fetching).then_some(&self.so_far)
    }
}
