//! What is measured: who serves, who loads, which way, in pieces of which size.

use serde::{Deserialize, Serialize};

/// Whose server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum System {
    /// npm `binaryjs` in Node.
    BinaryJs,
    /// Our endpoint for BinaryJS clients.
    Endpoint,
    /// Tickwire's own streams.
    Tickwire,
}

impl System {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BinaryJs => "npm binaryjs",
            Self::Endpoint => "/binaryjs",
            Self::Tickwire => "tickwire",
        }
    }
}

/// Whose client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Load {
    /// npm `binaryjs`'s client in Node.
    Node,
    /// The Rust client.
    Rust,
    /// The unmodified bundle in Chromium.
    Chromium,
}

impl Load {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Rust => "rust",
            Self::Chromium => "chromium",
        }
    }
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// `down` from the server, or `up`.
    pub(crate) direction: String,
    /// Bytes of data, a multiple of `chunk`.
    pub(crate) bytes: u64,
    /// Bytes in each message.
    pub(crate) chunk: u64,
    /// Bytes transferred before the measurement, for compilers and buffers.
    pub(crate) warm_bytes: u64,
}

/// BinaryJS's own chunk.
pub(crate) const BULK_CHUNK: u64 = 40_960;
const SMALL: u64 = 64;

/// A page is given this part of the small messages down, and up: the bundle sends each as a `Blob` of its
/// own, and needs more than a millisecond for it.
const CHROMIUM_PARTS: [u64; 2] = [4, 20];

impl Plan {
    /// The same for a client: fewer small messages for a page.
    pub(crate) fn for_client(&self, client: Load) -> Self {
        let mut plan = self.clone();
        if client == Load::Chromium && plan.chunk != BULK_CHUNK {
            let [down, up] = CHROMIUM_PARTS;
            let part = if plan.direction == "down" { down } else { up };
            plan.bytes = plan.bytes / part / plan.chunk * plan.chunk;
            plan.warm_bytes = plan.warm_bytes / part / plan.chunk * plan.chunk;
        }
        plan
    }

    /// 64 MiB in BinaryJS's chunks, then small messages, each down and up.
    pub(crate) fn all(small_messages: u64) -> Vec<Self> {
        let bulk = (64 << 20) / BULK_CHUNK * BULK_CHUNK;
        let cases = [(BULK_CHUNK, bulk), (SMALL, small_messages * SMALL)];
        let plans = cases.into_iter().flat_map(|(chunk, bytes)| {
            ["down", "up"].map(|direction| Self {
                direction: direction.to_owned(),
                bytes,
                chunk,
                warm_bytes: bytes / 4 / chunk * chunk,
            })
        });
        plans.collect()
    }

    pub(crate) const fn case(&self) -> &'static str {
        if self.chunk == BULK_CHUNK {
            "64 MiB in one stream"
        } else {
            "64-byte messages"
        }
    }

    pub(crate) const fn messages(&self) -> u64 {
        self.bytes / self.chunk
    }
}
