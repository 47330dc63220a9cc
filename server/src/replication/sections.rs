//! The sections of a frame: what was encoded once, and is copied for each player who needs it.
//!
//! In: the states of groups. Out: bytes, by [`SectionAt`]. The choice to question: every thread that encodes
//! has bytes of its own, and they stay where they are. Who reads them asks for a place and never learns who
//! wrote there.

use tickwire_protocol::{
    delta::{Baseline, Encoder, GroupState},
    entropy::Codebook,
    schema::Schema,
    snapshot::{GroupId, encode_section_front},
};

/// Where in a frame's bytes a section is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SectionAt {
    scribe: u32,
    start: u32,
    end: u32,
}

impl SectionAt {
    pub(super) const fn len(self) -> usize {
        (self.end - self.start) as usize
    }
}

/// What all who encode at a frame have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coding<'a> {
    pub(super) schema: &'a Schema,
    pub(super) codebook: &'a Codebook,
    pub(super) frame: u32,
}

/// Who encodes: an encoder, and what it has written at this frame, one section after the other.
#[derive(Debug)]
pub(super) struct Scribe {
    number: u32,
    encoder: Encoder,
    bytes: Vec<u8>,
}

impl Scribe {
    fn new(number: u32) -> Self {
        Self {
            number,
            encoder: Encoder::new(),
            bytes: Vec::new(),
        }
    }

    /// Encodes a section.
    pub(super) fn section(
        &mut self,
        group: GroupId,
        to: Coding<'_>,
        baseline: Option<Baseline<'_>>,
        state: &GroupState,
    ) -> SectionAt {
        let start = self.bytes.len() as u32;
        let ticks = baseline.map(|baseline| baseline.ticks_since);
        encode_section_front(group, ticks, &mut self.bytes);
        self.encoder
            .encode(to.schema, to.codebook, baseline, state, &mut self.bytes);
        SectionAt {
            scribe: self.number,
            start,
            end: self.bytes.len() as u32,
        }
    }
}

/// The scribe from whose sections the room's codebook is learnt.
const LEARNING: usize = 0;
/// Encodes, without learning, what only a slow or new player needs: it must not even change what a symbol costs
/// others.
const CATCHING_UP: usize = 1;
/// The first of those whose threads are lent.
const LENT: usize = 2;

/// The sections of a frame, and who writes them.
#[derive(Debug)]
pub(super) struct Sections {
    scribes: Vec<Scribe>,
    /// Whether late and new groups are usual, because of views or a budget, and so to be learnt from too.
    learns_from_all: bool,
    pub(super) codebook: Codebook,
    pub(super) frame: u32,
    /// Sections encoded since the room began.
    pub(super) encoded: u64,
    /// Sections written since the room began; what goes beyond `encoded` cost a copy only.
    pub(super) written: u64,
}

impl Sections {
    pub(super) fn new(schema: &Schema, learns_from_all: bool) -> Self {
        Self {
            scribes: (0..LENT as u32).map(Scribe::new).collect(),
            learns_from_all,
            codebook: Codebook::initial(schema),
            frame: 0,
            encoded: 0,
            written: 0,
        }
    }

    /// Begins a frame without sections.
    pub(super) fn begin(&mut self) {
        self.frame += 1;
        for scribe in &mut self.scribes {
            scribe.bytes.clear();
        }
    }

    /// A better codebook, if there is one.
    pub(super) fn learn(&mut self, schema: &Schema) -> Option<Codebook> {
        self.scribes[LEARNING].encoder.learn(schema, &self.codebook)
    }

    pub(super) fn bytes(&self, at: SectionAt) -> &[u8] {
        &self.scribes[at.scribe as usize].bytes[at.start as usize..at.end as usize]
    }

    /// What all who encode have in common, and who they are.
    fn parts<'a>(&'a mut self, schema: &'a Schema) -> (Coding<'a>, &'a mut [Scribe]) {
        let to = Coding {
            schema,
            codebook: &self.codebook,
            frame: self.frame,
        };
        (to, &mut self.scribes)
    }

    /// Who encodes a section that a player asks for.
    pub(super) fn scribe<'a>(
        &'a mut self,
        schema: &'a Schema,
        is_prompt: bool,
    ) -> (Coding<'a>, &'a mut Scribe) {
        let learns = is_prompt || self.learns_from_all;
        let scribe = if learns { LEARNING } else { CATCHING_UP };
        let (to, scribes) = self.parts(schema);
        (to, &mut scribes[scribe])
    }

    /// Scribes for so many shares of `share_len` sections each.
    ///
    /// What is learnt from them, once they are [gathered](Self::gather), is the same as if one scribe had
    /// encoded all, one share after the other.
    pub(super) fn hand_out<'a>(
        &'a mut self,
        schema: &'a Schema,
        shares: usize,
        share_len: usize,
    ) -> (Coding<'a>, impl Iterator<Item = &'a mut Scribe> + Send) {
        let lent = shares.saturating_sub(1);
        while self.scribes.len() < LENT + lent {
            self.scribes.push(Scribe::new(self.scribes.len() as u32));
        }
        let (to, scribes) = self.parts(schema);
        let (own, others) = scribes.split_at_mut(LENT);
        let first = &mut own[LEARNING];
        for (number, scribe) in others[..lent].iter_mut().enumerate() {
            let before = (number + 1) * share_len;
            scribe.encoder.go_on_after(&first.encoder, before as u32);
        }
        (to, core::iter::once(first).chain(&mut others[..lent]))
    }

    /// Takes in what so many shares, of so many sections in all, have to teach.
    pub(super) fn gather(&mut self, shares: usize, sections: usize) {
        let (own, others) = self.scribes.split_at_mut(LENT);
        for scribe in &mut others[..shares.saturating_sub(1)] {
            own[LEARNING].encoder.absorb(&mut scribe.encoder);
        }
        self.encoded += sections as u64;
    }
}
