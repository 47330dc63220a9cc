//! Who left a table, who entered it, and which row of the baseline each row was before.

use super::codec::{Budget, Reading, Writing};
use crate::{entropy::shared, error::DecodeError, id::NetworkId};

/// How the rows of one table relate to those of its baseline.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Rows that stay.
    stay: usize,
    /// Rows that stay: their places before, ascending. Empty when every row is where it was, as it mostly is.
    before: Vec<u32>,
    /// Rows that stay: their places now, ascending; empty when `before` is.
    after: Vec<u32>,
    /// Rows that enter: their places now, ascending.
    entered: Vec<u32>,
    /// Rows that leave: their places before, ascending.
    left: Vec<u32>,
}

impl Rows {
    /// How many rows stay.
    pub(super) const fn stay(&self) -> usize {
        self.stay
    }

    /// Rows that enter: their places now, ascending.
    pub(super) fn entered(&self) -> &[u32] {
        &self.entered
    }

    /// Whether every row is where it was.
    fn are_same(&self) -> bool {
        self.left.is_empty() && self.entered.is_empty()
    }

    /// The place before and now of a row that stays, by its place among them.
    pub(super) fn pair(&self, row: usize) -> (usize, usize) {
        if self.are_same() {
            (row, row)
        } else {
            (self.before[row] as usize, self.after[row] as usize)
        }
    }

    /// The places before and now of the rows that stay.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.stay).map(|row| self.pair(row))
    }

    /// What the rows that stay were: copied to `scratch` only when they are not where they were.
    pub(super) fn gather_before<'a, T: Copy>(
        &self,
        from: &'a [T],
        scratch: &'a mut Vec<T>,
    ) -> &'a [T] {
        self.gather(&self.before, from, scratch)
    }

    /// What the rows that stay are now.
    pub(super) fn gather_after<'a, T: Copy>(
        &self,
        from: &'a [T],
        scratch: &'a mut Vec<T>,
    ) -> &'a [T] {
        self.gather(&self.after, from, scratch)
    }

    fn gather<'a, T: Copy>(
        &self,
        places: &[u32],
        from: &'a [T],
        scratch: &'a mut Vec<T>,
    ) -> &'a [T] {
        if self.are_same() {
            return from;
        }
        scratch.clear();
        scratch.extend(places.iter().map(|&place| from[place as usize]));
        scratch
    }

    /// Where to write what the rows that stay are now: `into` itself when they are where they were, or else
    /// `scratch`, from which [`scatter`](Self::scatter) takes it.
    pub(super) fn room<'a, T: Copy + Default>(
        &self,
        into: &'a mut [T],
        scratch: &'a mut Vec<T>,
    ) -> &'a mut [T] {
        if self.are_same() {
            return into;
        }
        scratch.resize(self.stay, T::default());
        scratch
    }

    /// Puts what was written to the scratch memory of [`room`](Self::room) into its places.
    pub(super) fn scatter<T: Copy>(&self, scratch: &[T], into: &mut [T]) {
        for (&place, &value) in self.after.iter().zip(scratch) {
            into[place as usize] = value;
        }
    }

    fn clear(&mut self) {
        self.stay = 0;
        self.before.clear();
        self.after.clear();
        self.entered.clear();
        self.left.clear();
    }

    /// Compares two ascending lists of ids.
    pub(super) fn compare(&mut self, before: &[NetworkId], after: &[NetworkId]) {
        self.clear();
        if before == after {
            self.stay = after.len();
            return;
        }
        let (mut old, mut new) = (0, 0);
        while old < before.len() || new < after.len() {
            let order = match (before.get(old), after.get(new)) {
                (Some(before), Some(after)) => before.cmp(after),
                (Some(_), None) => core::cmp::Ordering::Less,
                _ => core::cmp::Ordering::Greater,
            };
            match order {
                core::cmp::Ordering::Less => self.left.push(old as u32),
                core::cmp::Ordering::Greater => self.entered.push(new as u32),
                core::cmp::Ordering::Equal => {
                    self.before.push(old as u32);
                    self.after.push(new as u32);
                }
            }
            old += usize::from(order.is_le());
            new += usize::from(order.is_ge());
        }
        self.stay = self.before.len();
    }

    /// Notes who left and who entered.
    pub(super) fn encode(&self, before: &[NetworkId], after: &[NetworkId], to: &mut Writing<'_>) {
        to.number(shared::ROWS, self.left.len() as u32);
        if self.left.len() < before.len() {
            let mut next = 0;
            for &row in &self.left {
                to.number(shared::LEAVE, row - next);
                next = row + 1;
            }
        }
        to.number(shared::ROWS, self.entered.len() as u32);
        let mut next = 0u32;
        for &row in &self.entered {
            let id = after[row as usize].0;
            to.number(shared::ENTER, id.wrapping_sub(next));
            next = id.wrapping_add(1);
        }
    }

    /// Reads what [`encode`](Self::encode) noted, and the ids as they are now.
    pub(super) fn decode(
        &mut self,
        before: &[NetworkId],
        columns: usize,
        after: &mut Vec<NetworkId>,
        budget: &mut Budget,
        from: &mut Reading<'_, '_>,
    ) -> Result<(), DecodeError> {
        self.clear();
        after.clear();
        let left = from.number(shared::ROWS) as usize;
        if left > before.len() {
            return Err(DecodeError::OutOfRange("rows that leave"));
        }
        if left == before.len() {
            self.left.extend(0..left as u32);
        } else {
            let mut next = 0u32;
            for _ in 0..left {
                let row = next.saturating_add(from.number(shared::LEAVE));
                if row as usize >= before.len() {
                    return Err(DecodeError::OutOfRange("a row that leaves"));
                }
                self.left.push(row);
                next = row + 1;
            }
        }
        let entered = from.number(shared::ROWS) as usize;
        // A peer's number: in 32 bits the plain sum could come round to a small one.
        budget.take((before.len() - left).saturating_add(entered), columns)?;
        if left == 0 && entered == 0 {
            after.extend_from_slice(before);
            self.stay = before.len();
            return Ok(());
        }
        self.merge(before, entered, after, from)?;
        self.stay = self.before.len();
        Ok(())
    }

    /// Runs through those who stay and those who enter in order of their ids.
    fn merge(
        &mut self,
        before: &[NetworkId],
        entered: usize,
        after: &mut Vec<NetworkId>,
        from: &mut Reading<'_, '_>,
    ) -> Result<(), DecodeError> {
        let mut left = self.left.iter().copied().peekable();
        let mut old = 0;
        let mut next = Some(0u32);
        for place in 0..=entered {
            let id = if place == entered {
                None
            } else {
                let id = next.and_then(|next| next.checked_add(from.number(shared::ENTER)));
                Some(id.ok_or(DecodeError::OutOfRange("an id that enters"))?)
            };
            while let Some(&stays) = before
                .get(old)
                .filter(|stays| id.is_none_or(|id| stays.0 < id))
            {
                if left.next_if_eq(&(old as u32)).is_none() {
                    self.before.push(old as u32);
                    self.after.push(after.len() as u32);
                    after.push(stays);
                }
                old += 1;
            }
            if let Some(id) = id {
                let twice = before.get(old).is_some_and(|stays| stays.0 == id);
                if twice && left.peek() != Some(&(old as u32)) {
                    return Err(DecodeError::Invalid("an entity that enters twice"));
                }
                self.entered.push(after.len() as u32);
                after.push(NetworkId(id));
                next = id.checked_add(1);
            }
        }
        Ok(())
    }
}
