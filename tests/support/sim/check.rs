//! The checkers: what one client holds against what is true. They run after every snapshot it takes.

use tickwire_client::View as ClientView;
use tickwire_protocol::{id::PlayerId, time::Tick};

use super::truth::{Moment, Right, Truth, kinds};

/// Ticks that a row may be behind under a byte budget before it counts as starved.
const STARVED_TICKS: i32 = 100;

/// What a client knows that concerns the checkers.
#[derive(Clone, Copy)]
pub struct Held<'a> {
    /// The player.
    pub player: PlayerId,
    /// The newest state it was sent.
    pub view: ClientView<'a>,
    /// The tick of that state.
    pub tick: Tick,
    /// Whether the server may have left something out for want of bytes.
    pub is_under_budget: bool,
}

/// Checks everything that must hold of what one client holds.
///
/// # Panics
/// When it holds what it may not, lacks what it must have, or holds what was never true.
pub fn check(truth: &Truth, held: &Held<'_>) {
    let moment = truth
        .at(held.tick)
        .expect("a snapshot is of a tick that was captured");
    assert!(
        moment.eyes.contains_key(&held.player),
        "{} gets snapshots and has no entity",
        held.player
    );
    check_own(moment, held);
    check_nothing_secret_and_all_true(truth, held);
    check_nothing_missing(truth, moment, held);
}

fn check_own(moment: &Moment, held: &Held<'_>) {
    let own = moment.eyes[&held.player].own;
    assert_eq!(
        held.view.own(),
        Some(own),
        "{} takes another entity for its own",
        held.player
    );
}

/// Every value it holds was true at some tick up to this one at which it was allowed to know it; without
/// a budget, at this very tick.
fn check_nothing_secret_and_all_true(truth: &Truth, held: &Held<'_>) {
    for &id in held.view.entities() {
        for (kind, number) in kinds().iter().zip(0..) {
            let Some(seen) = kind.seen(&held.view, id) else {
                continue;
            };
            let oldest = if held.is_under_budget {
                STARVED_TICKS
            } else {
                0
            };
            let is_justified = truth
                .back_from(held.tick)
                .take_while(|(tick, _)| held.tick.since(*tick) <= oldest)
                .any(|(_, moment)| {
                    let (Some(thing), Some(eyes)) =
                        (moment.things.get(&id), moment.eyes.get(&held.player))
                    else {
                        return false;
                    };
                    truth.right(eyes, thing, kind.audience) != Right::MustNot
                        && thing.values[number].as_ref() == Some(&seen)
                });
            assert!(
                is_justified,
                "{} holds {} of entity {id} as {seen:?} at tick {}, where the truth is {:?}",
                held.player,
                kind.name,
                held.tick,
                truth
                    .at(held.tick)
                    .and_then(|moment| moment.things.get(&id)),
            );
        }
    }
}

/// Everything it must know, it knows; unless bytes are short.
fn check_nothing_missing(truth: &Truth, moment: &Moment, held: &Held<'_>) {
    if held.is_under_budget {
        return;
    }
    let eyes = &moment.eyes[&held.player];
    for (&id, thing) in &moment.things {
        for (kind, value) in kinds().iter().zip(&thing.values) {
            let Some(value) = value else { continue };
            if truth.right(eyes, thing, kind.audience) != Right::Must {
                continue;
            }
            let seen = kind.seen(&held.view, id);
            assert_eq!(
                seen.as_ref(),
                Some(value),
                "{} lacks {} of entity {id} at tick {}: {eyes:?}, {thing:?}",
                held.player,
                kind.name,
                held.tick
            );
        }
    }
}
