//! What the coder knows about each column's residuals before it sees them.

use crate::{coding::Reader, error::DecodeError, schema::Schema};

/// The statistics both ends code with: one version for all groups of a room.
///
/// The server learns it from what it has coded ([`Encoder::learn`](crate::delta::Encoder::learn)) and sends it
/// ahead of the first snapshot that uses it. Version 0 is the one both ends start with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codebook {
    version: u32,
}

impl Codebook {
    /// The one to start with: the same on both ends, from the schema alone.
    #[must_use]
    pub fn initial(_schema: &Schema) -> Self {
        Self { version: 0 }
    }

    /// Its number; a snapshot names the one it was coded with.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Appends it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        crate::coding::put_varint(out, self.version.into());
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`DecodeError`] when it is none for this schema.
    pub fn decode(_schema: &Schema, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            version: reader.varint_u32("a codebook's version")?,
        })
    }
}
