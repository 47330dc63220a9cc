//! Who is who: names, colours and places, read from the standings a few times a second.

use std::collections::HashMap;

use crate::components::Standing;

/// The standings, best first.
#[derive(Default)]
pub(super) struct Board {
    pub(super) lines: Vec<Standing>,
    by_pilot: HashMap<u16, usize>,
}

impl Board {
    /// Takes new standings.
    pub(super) fn update(&mut self, standings: impl Iterator<Item = Standing>) {
        self.lines.clear();
        self.lines.extend(standings);
        self.lines
            .sort_by_key(|line| (std::cmp::Reverse(line.score), line.pilot));
        self.by_pilot = self
            .lines
            .iter()
            .enumerate()
            .map(|(i, line)| (line.pilot, i))
            .collect();
    }

    /// A pilot's standing.
    pub(super) fn of(&self, pilot: u16) -> Option<&Standing> {
        self.by_pilot.get(&pilot).map(|index| &self.lines[*index])
    }

    /// A pilot's name.
    pub(super) fn name(&self, pilot: u16) -> &str {
        self.of(pilot).map_or("somebody", |line| &line.name)
    }

    /// A pilot's colour.
    pub(super) fn hue(&self, pilot: u16) -> u8 {
        self.of(pilot).map_or(0, |line| line.hue)
    }

    /// Which of the lines is a pilot's.
    pub(super) fn row(&self, pilot: u16) -> Option<usize> {
        self.by_pilot.get(&pilot).copied()
    }

    /// A pilot's place, from 1. Equal points are an equal place.
    pub(super) fn place(&self, pilot: u16) -> Option<usize> {
        let score = self.of(pilot)?.score;
        let better = self.lines.iter().take_while(|line| line.score > score);
        Some(better.count() + 1)
    }

    /// The pilot who leads with any points at all: it wears the crown.
    pub(super) fn leader(&self) -> Option<u16> {
        self.lines
            .first()
            .filter(|line| line.score > 0)
            .map(|line| line.pilot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_points_are_an_equal_place() {
        let mut board = Board::default();
        let standings = [(1, 0), (2, 7), (3, 0), (4, 7), (5, 3)];
        board.update(standings.into_iter().map(|(pilot, score)| Standing {
            pilot,
            score,
            name: String::new(),
            hue: 0,
            kills: 0,
            deaths: 0,
            streak: 0,
            is_bot: false,
        }));
        let places = [1, 2, 3, 4, 5, 6].map(|pilot| board.place(pilot));
        assert_eq!(places, [Some(4), Some(1), Some(4), Some(1), Some(3), None]);
    }
}
