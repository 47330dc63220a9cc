//! When the room's codebook is learnt anew.
//!
//! In: frames that go by, and the encoder's counts. Out: now and then a better codebook. Every player must get
//! it before the next section, so it is learnt often while the room is young and seldom later.

use super::sections::Sections;
use crate::limits::{CODEBOOK_FRAMES_FIRST, CODEBOOK_FRAMES_MAX};
use tickwire_protocol::schema::Schema;

/// The rhythm of learning, and the newest codebook as it is sent.
#[derive(Debug)]
pub(super) struct Learning {
    /// What a player gets whose codebook is another.
    pub(super) bytes: Vec<u8>,
    due: u32,
    interval: u32,
}

impl Learning {
    pub(super) const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            due: CODEBOOK_FRAMES_FIRST,
            interval: CODEBOOK_FRAMES_FIRST,
        }
    }

    /// Begins a frame, with a new codebook if it is time and there is a better one.
    pub(super) fn begin(&mut self, schema: &Schema, sections: &mut Sections) {
        if sections.frame < self.due {
            return;
        }
        self.interval = (self.interval * 2).min(CODEBOOK_FRAMES_MAX);
        self.due = sections.frame + self.interval;
        if let Some(codebook) = sections.learn(schema) {
            self.bytes.clear();
            codebook.encode(&mut self.bytes);
            sections.codebook = codebook;
        }
    }
}
