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

    /// A pilot's place, from 1.
    pub(super) fn place(&self, pilot: u16) -> Option<usize> {
        self.by_pilot.get(&pilot).map(|index| index + 1)
    }

    /// The pilot who leads with any points at all: it wears the crown.
    pub(super) fn leader(&self) -> Option<u16> {
        self.lines
            .first()
            .filter(|line| line.score > 0)
            .map(|line| line.pilot)
    }
}
