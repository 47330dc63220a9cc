//! A replica and nothing around it, for measuring what decoding costs in WebAssembly:
//! `cargo xtask bench replication` builds it and runs it in Node.

use std::sync::Arc;

use tickwire_protocol::{schema::Schema, snapshot::Replica};
use wasm_bindgen::prelude::{JsError, wasm_bindgen};

/// What a client holds of a room.
#[wasm_bindgen]
pub struct Decoder(Replica);

#[wasm_bindgen]
impl Decoder {
    /// An empty replica of rooms with this schema, as the handshake has it.
    ///
    /// # Errors
    ///
    /// The bytes are no schema.
    #[wasm_bindgen(constructor)]
    pub fn new(schema: &[u8]) -> Result<Self, JsError> {
        Ok(Self(Replica::new(Arc::new(Schema::decode(schema)?))))
    }

    /// Takes one snapshot.
    ///
    /// # Errors
    ///
    /// It does not follow the one before.
    pub fn apply(&mut self, snapshot: &[u8]) -> Result<(), JsError> {
        self.0.apply(snapshot)?;
        Ok(())
    }

    /// Of everything it holds.
    #[must_use]
    pub fn checksum(&self) -> u64 {
        self.0.checksum()
    }
}
