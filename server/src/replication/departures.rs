//! Where a group's members went that left it for another one.
//!
//! In: departures. Out: the groups that took somebody in since a frame. The choice to question: a group is
//! remembered, and not who went there, so a player may be sent a group that brings it nothing new. Exact lists would
//! have to be kept for as long as anybody holds an old state.

use crate::limits::GROUPS_TOGETHER_MAX;
use tickwire_protocol::snapshot::GroupId;

/// A group that took members in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departure {
    pub(super) to: GroupId,
    /// The frame at which it took one in last.
    pub(super) frame: u32,
}

/// The last [`GROUPS_TOGETHER_MAX`] groups that took members in.
#[derive(Debug, Default)]
pub(super) struct Departures(Vec<Departure>);

impl Departures {
    /// Notes that a member went there.
    pub(super) fn note(&mut self, to: GroupId, frame: u32) {
        self.0.retain(|known| known.to != to);
        if self.0.len() == GROUPS_TOGETHER_MAX {
            self.0.remove(0);
        }
        self.0.push(Departure { to, frame });
    }

    /// Those after that frame.
    pub(super) fn since(&self, frame: u32) -> impl Iterator<Item = Departure> {
        let departures = self.0.iter().copied();
        departures.filter(move |departure| departure.frame > frame)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_each_group_is_there_once() {
        let mut departures = Departures::default();
        for frame in 1..100 {
            departures.note(GroupId(frame % 20), frame);
            departures.note(GroupId(77), frame);
        }
        assert_eq!(departures.since(0).count(), GROUPS_TOGETHER_MAX);
        let last: Vec<_> = departures.since(98).map(|last| last.to.0).collect();
        assert_eq!(last, [19, 77]);
    }
}
