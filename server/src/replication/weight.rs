//! How much a group matters: as much as the weightiest of its members.
//!
//! In: members' priorities as they come, change and go. Out: the highest, and whether it is to be looked for among
//! the members. The choice to question: who has the highest is only counted, so that nobody looks while all weigh
//! the same.

/// The highest priority of some members.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Weight {
    /// The highest, not below zero.
    pub(super) highest: f32,
    /// Members who have it. When none is left, the highest is to be looked for.
    members: u32,
}

impl Weight {
    /// Takes a member's priority into account.
    pub(super) fn add(&mut self, weight: f32) {
        if weight > self.highest {
            (self.highest, self.members) = (weight, 0);
        }
        self.members += u32::from(weight == self.highest);
    }

    /// Takes a member's priority out of account. Whether the highest is to be looked for.
    #[must_use]
    pub(super) fn remove(&mut self, weight: f32) -> bool {
        let is_highest = weight == self.highest && self.members > 0;
        self.members -= u32::from(is_highest);
        is_highest && self.members == 0
    }

    /// Changes a member's priority. Whether the highest is to be looked for.
    #[must_use]
    pub(super) fn change(&mut self, before: f32, after: f32) -> bool {
        let is_lost = self.remove(before);
        self.add(after);
        is_lost
    }
}

#[cfg(test)]
mod tests {
    use super::Weight;

    #[test]
    fn the_highest_is_looked_for_when_the_last_of_them_is_gone() {
        let mut weight = Weight::default();
        for member in [1.0, 5.0, 5.0, 2.0] {
            weight.add(member);
        }
        assert_eq!(weight.highest, 5.0);
        assert!(!weight.remove(5.0), "there is another");
        assert!(!weight.change(1.0, 0.0), "it was not the highest");
        assert!(weight.change(5.0, 0.5), "it was the last");
        assert!(!weight.remove(0.5), "that is known already");
        assert!(!weight.change(2.0, 7.0));
        assert_eq!(weight.highest, 7.0);
        assert!(weight.remove(7.0));
    }
}
