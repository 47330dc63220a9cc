//! Rounds: a clock, a winner, a short break, and everyone starts from nothing again.

use bevy_ecs::prelude::*;

use crate::components::{Position, Radar, Round, Ship, Standing};
use crate::events::RoundOver;
use crate::rules::tuning::{BREAK_SECONDS, ROUND_SECONDS, TICK_RATE_HZ};
use crate::server::announce::{Announcement, Announcements};
use crate::server::pilot::Pilot;

/// The first round.
pub fn first_round() -> Round {
    Round {
        number: 1,
        seconds_left: ROUND_SECONDS,
        is_break: false,
    }
}

/// Runs the round's clock.
pub fn keep_time(
    mut rounds: Query<'_, '_, &mut Round>,
    mut standings: Query<'_, '_, &mut Standing>,
    mut announcements: ResMut<'_, Announcements>,
    mut ticks: Local<'_, u16>,
) {
    *ticks += 1;
    if *ticks < TICK_RATE_HZ {
        return;
    }
    *ticks = 0;
    for mut round in &mut rounds {
        round.seconds_left = round.seconds_left.saturating_sub(1);
        if round.seconds_left > 0 {
            continue;
        }
        if round.is_break {
            *round = Round {
                number: round.number.wrapping_add(1),
                ..first_round()
            };
            for mut standing in &mut standings {
                (
                    standing.score,
                    standing.kills,
                    standing.deaths,
                    standing.streak,
                ) = (0, 0, 0, 0);
            }
        } else {
            round.is_break = true;
            round.seconds_left = BREAK_SECONDS;
            announcements
                .0
                .push(Announcement::RoundOver(result(standings.iter())));
        }
    }
}

fn result<'a>(standings: impl Iterator<Item = &'a Standing>) -> RoundOver {
    // Among equals the one who came first, so that the result does not hang on the ECS's order.
    let best = standings.max_by_key(|standing| (standing.score, std::cmp::Reverse(standing.pilot)));
    let best = best.filter(|standing| standing.score > 0);
    RoundOver {
        winner: best
            .map(|standing| standing.name.clone())
            .unwrap_or_default(),
        score: best.map_or(0, |standing| standing.score),
    }
}

/// Shows everyone on the minimap.
pub fn sweep_radar(
    ships: Query<'_, '_, (&Ship, &Pilot, &Position)>,
    mut radars: Query<'_, '_, &mut Radar>,
) {
    for (ship, pilot, position) in &ships {
        if let Ok(mut radar) = radars.get_mut(pilot.standing) {
            let flying = ship.condition.is_flying();
            radar.set_if_neq(Radar {
                x: position.x,
                y: position.y,
                flying,
            });
        }
    }
}
