//! In which order a worker's rooms tick, and where in its period each of them stands.
//!
//! In: rooms and the times at which they are due. Out: the next one. The choice to question: entries are
//! never taken back. A room that has changed its mind leaves an old entry behind, which is known by its time
//! when its turn comes; so a tick costs a step down a heap, and not a look at every room.

use std::{cmp::Reverse, collections::BinaryHeap};

use tickwire_protocol::time::Micros;

/// Rooms by the time of their next tick.
#[derive(Debug, Default)]
pub(super) struct Turns {
    heap: BinaryHeap<Reverse<(Micros, usize)>>,
    phases_given: u32,
}

impl Turns {
    /// Where in its period the next new room's ticks stand, as a share of the period.
    pub(super) fn next_phase(&mut self) -> f64 {
        self.phases_given = self.phases_given.wrapping_add(1);
        phase(self.phases_given)
    }

    /// Notes that a room is due then.
    pub(super) fn add(&mut self, due: Micros, room: usize) {
        self.heap.push(Reverse((due, room)));
    }

    /// When the next room is due, going by what each room says of itself.
    pub(super) fn next_due(&mut self, due_of: impl Fn(usize) -> Option<Micros>) -> Option<Micros> {
        while let Some(&Reverse((due, room))) = self.heap.peek() {
            if due_of(room) == Some(due) {
                return Some(due);
            }
            self.heap.pop();
        }
        None
    }

    /// Takes out every room that is due by `now`, the one that has waited longest first.
    pub(super) fn take_due(
        &mut self,
        now: Micros,
        due_of: impl Fn(usize) -> Option<Micros>,
        rooms: &mut Vec<usize>,
    ) {
        while let Some(due) = self.next_due(&due_of)
            && due <= now
            && let Some(Reverse((_, room))) = self.heap.pop()
        {
            // Whoever emptied and filled again within a period has two entries of the same time.
            if rooms.last() != Some(&room) {
                rooms.push(room);
            }
        }
    }
}

/// Parts of a period in which rooms may stand. Rooms of the same part share a wake-up and a look at the
/// poll; the last of them begins as late as the others take. At 20 Hz a part is 1.6 ms, which 24 rooms of
/// 8 players fill.
const PHASES: u32 = 32;

/// Where in its period the ticks of a worker's `number`th room stand, as a share of the period.
///
/// Each lies in the middle of the largest gap that those before it have left (van der Corput's sequence), so
/// few rooms are spread as evenly as many.
fn phase(number: u32) -> f64 {
    let spread = (number % PHASES).reverse_bits() >> (u32::BITS - PHASES.ilog2());
    f64::from(spread) / f64::from(PHASES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_have_their_turn_by_time_and_old_entries_have_none() {
        let mut turns = Turns::default();
        let mut due = [Some(Micros(30)), Some(Micros(10)), None, Some(Micros(20))];
        for (room, at) in [(0, 30), (1, 10), (2, 5), (3, 20), (3, 15)] {
            turns.add(Micros(at), room);
        }
        assert_eq!(turns.next_due(|room| due[room]), Some(Micros(10)));
        let mut rooms = Vec::new();
        turns.take_due(Micros(20), |room| due[room], &mut rooms);
        assert_eq!(rooms, [1, 3]);
        // Room 0 has put off its turn.
        due[0] = Some(Micros(40));
        assert_eq!(turns.next_due(|room| due[room]), None);
        turns.add(Micros(40), 0);
        assert_eq!(turns.next_due(|room| due[room]), Some(Micros(40)));
    }

    #[test]
    fn a_room_that_is_noted_twice_has_one_turn() {
        let mut turns = Turns::default();
        turns.add(Micros(10), 4);
        turns.add(Micros(10), 4);
        let mut rooms = Vec::new();
        turns.take_due(Micros(10), |_| Some(Micros(10)), &mut rooms);
        assert_eq!(rooms, [4]);
    }

    #[test]
    fn every_number_of_rooms_is_spread_over_the_period() {
        for rooms in 1..=PHASES {
            let mut phases: Vec<f64> = (0..rooms).map(phase).collect();
            phases.sort_by(f64::total_cmp);
            phases.push(1.0);
            let widest = phases.windows(2).map(|pair| pair[1] - pair[0]);
            let widest = widest.fold(0.0, f64::max);
            assert!(widest <= 2.0 / f64::from(rooms), "{rooms} rooms: {widest}");
        }
    }
}
