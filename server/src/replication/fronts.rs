//! What nearly every player needs of a group, small enough for those of all groups to stay in a core's cache.
//!
//! In: groups that were rebuilt and the sections encoded ahead for them. Out: for a player who holds the state of
//! the frame before, that section; and whether a player holds the newest state already. The choice to question:
//! who took a section is only counted here, and the groups learn of it once a frame. A group is five lines
//! of a cache and its front half a one, and a player looks at dozens of them.

use super::{sections::SectionAt, viewer::Held};
use tickwire_protocol::snapshot::GroupId;

/// What a group shows of itself.
#[derive(Clone, Copy, Debug, Default)]
struct Front {
    version: u32,
    is_empty: bool,
    /// The frame of [`ahead`](Self::ahead); 0 before the first.
    frame: u32,
    /// The version that players hold who need the section.
    before: u32,
    ahead: SectionAt,
    /// Players who took the section, and of whom the group does not know.
    taken: u32,
}

/// What a player has to learn of a group.
#[derive(Clone, Copy, Debug)]
pub(super) enum News {
    /// Nothing.
    None,
    /// That section.
    Ahead(SectionAt),
    /// What the group must say.
    Other,
}

/// The fronts of all groups, by number.
#[derive(Debug, Default)]
pub(super) struct Fronts {
    fronts: Vec<Front>,
}

impl Fronts {
    /// Shows a group as it is now.
    pub(super) fn show(&mut self, id: GroupId, version: u32, is_empty: bool) {
        let place = id.0 as usize;
        let front = Front {
            version,
            is_empty,
            ..Front::default()
        };
        match self.fronts.get_mut(place) {
            Some(known) => *known = front,
            None => self.fronts.resize(place + 1, front),
        }
    }

    /// Shows a section that brings from the version `before` to the newest, at this frame.
    pub(super) fn show_ahead(&mut self, id: GroupId, before: u32, ahead: SectionAt, frame: u32) {
        if let Some(front) = self.fronts.get_mut(id.0 as usize) {
            (front.before, front.ahead, front.frame) = (before, ahead, frame);
        }
    }

    /// What a player who holds `held` has to learn.
    #[inline]
    pub(super) fn news(&self, id: GroupId, held: Held, frame: u32) -> News {
        let Some(front) = self.fronts.get(id.0 as usize) else {
            return News::None;
        };
        match held {
            Held::Version(version) if version == front.version => News::None,
            Held::Version(version) if version == front.before && front.frame == frame => {
                News::Ahead(front.ahead)
            }
            Held::Version(_) => News::Other,
            Held::Nothing if front.is_empty => News::None,
            Held::Nothing => News::Other,
        }
    }

    /// Counts the section ahead as taken once more, and says what that player holds now.
    #[inline]
    pub(super) fn take(&mut self, id: GroupId) -> Option<Held> {
        let front = self.fronts.get_mut(id.0 as usize)?;
        front.taken += 1;
        Some(Held::Version(front.version))
    }

    /// How many players took a group's section, and from which version. From now on nobody takes it: who comes
    /// late is the group's own affair.
    pub(super) fn settle(&mut self, id: GroupId) -> (u32, u32) {
        let Some(front) = self.fronts.get_mut(id.0 as usize) else {
            return (0, 0);
        };
        front.frame = 0;
        (core::mem::take(&mut front.taken), front.before)
    }
}
