//! Chat: a player's line goes to everyone, cleaned, cut and no faster than one can read.

use bevy_ecs::prelude::*;
use tickwire_server::game::FromPlayer;

use crate::components::{Ship, Standing};
use crate::events::{Said, Say};
use crate::rules::tuning::{CHAT_BURST, CHAT_CHARS_MAX, TICK_RATE_HZ};
use crate::server::announce::{Announcement, Announcements};
use crate::server::pilot::Pilot;

/// Ticks until a speaker regains one line.
const LINE_TICKS: u16 = 2 * TICK_RATE_HZ;

/// How many lines a player may say right now.
#[derive(Component, Debug)]
pub struct Breath {
    lines: u8,
    ticks: u16,
}

impl Default for Breath {
    fn default() -> Self {
        Self {
            lines: CHAT_BURST,
            ticks: 0,
        }
    }
}

/// Gives speakers their breath back.
pub fn breathe(mut speakers: Query<'_, '_, &mut Breath>) {
    for mut breath in &mut speakers {
        breath.ticks += 1;
        if breath.ticks >= LINE_TICKS {
            breath.ticks = 0;
            breath.lines = (breath.lines + 1).min(CHAT_BURST);
        }
    }
}

/// Passes on what players say. Lines said without breath are dropped: chat must not drown the game.
pub fn pass_on(
    mut said: MessageReader<'_, '_, FromPlayer<Say>>,
    mut speakers: Query<'_, '_, (&Ship, &Pilot, &mut Breath)>,
    standings: Query<'_, '_, &Standing>,
    mut announcements: ResMut<'_, Announcements>,
) {
    for line in said.read() {
        let speaker = line.entity.and_then(|entity| speakers.get_mut(entity).ok());
        let Some((ship, pilot, mut breath)) = speaker else {
            continue;
        };
        let Some(text) = tidy(&line.event.text, CHAT_CHARS_MAX) else {
            continue;
        };
        if breath.lines == 0 {
            continue;
        }
        breath.lines -= 1;
        let name = standings
            .get(pilot.standing)
            .map(|standing| standing.name.clone());
        announcements.0.push(Announcement::Said(Said {
            pilot: ship.pilot,
            name: name.unwrap_or_default(),
            text,
        }));
    }
}

/// A text of a player fit to show: no control characters, and so long at most. Nothing when nothing is left of it.
pub fn tidy(text: &str, chars_max: usize) -> Option<String> {
    let line: String = text
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(chars_max)
        .collect();
    (!line.trim().is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_empty_ones_are_dropped() {
        assert_eq!(tidy(" \n\t ", CHAT_CHARS_MAX), None);
        assert_eq!(tidy("hi\u{0}\n", CHAT_CHARS_MAX), Some("hi".into()));
        let long = tidy(&"ä".repeat(500), CHAT_CHARS_MAX).expect("something is left");
        assert_eq!(long.chars().count(), CHAT_CHARS_MAX);
    }
}
