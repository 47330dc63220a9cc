//! Which bots behave and which do not: shares in, one conduct for each bot's number out.

use crate::{options::Options, report::Crew};

/// How a connection behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduct {
    /// Plays, decodes everything, and is compared with the server at the end.
    Full,
    /// Plays, and checks frames, order and ticks only.
    Light,
    /// Plays, and stops reading again and again.
    Stalls,
    /// Plays, drops the socket without a word every second, and comes back.
    Flaps,
    /// Joins, then sends bytes that are no protocol, and comes back when it is thrown out.
    Garbage,
    /// Joins, then sends far more than a player may, and comes back when it is thrown out.
    Floods,
}

impl Conduct {
    /// Whether the server owes it what it owes a player.
    #[must_use]
    pub const fn is_player(self) -> bool {
        matches!(self, Self::Full | Self::Light)
    }
}

/// The conduct of every bot of a run, by number.
///
/// Spread evenly over the numbers, so that each thread gets its share of every kind.
#[must_use]
pub fn assign(options: &Options) -> Vec<Conduct> {
    let shares = [
        (Conduct::Stalls, options.stall),
        (Conduct::Flaps, options.flap),
        (Conduct::Garbage, options.garbage),
        (Conduct::Floods, options.flood),
    ];
    let playing = (1.0 - options.stall - options.flap - options.garbage - options.flood).max(0.0);
    let kinds = shares.into_iter().chain([
        (Conduct::Light, playing * (1.0 - options.decode)),
        (Conduct::Full, playing * options.decode),
    ]);
    // The largest debt is paid first, as in weighted round robin.
    let mut debts: Vec<(Conduct, f64, f64)> =
        kinds.map(|(kind, share)| (kind, share, 0.0)).collect();
    (0..options.bots)
        .map(|_| {
            debts
                .iter_mut()
                .for_each(|(_, share, debt)| *debt += *share);
            let largest = debts.iter_mut().max_by(|a, b| a.2.total_cmp(&b.2));
            largest.map_or(Conduct::Full, |(kind, _, debt)| {
                *debt -= 1.0;
                *kind
            })
        })
        .collect()
}

/// How many there are of each.
#[must_use]
pub fn count(conducts: &[Conduct]) -> Crew {
    let mut crew = Crew::default();
    for conduct in conducts {
        *match conduct {
            Conduct::Full => &mut crew.full,
            Conduct::Light => &mut crew.light,
            Conduct::Stalls => &mut crew.stalling,
            Conduct::Flaps => &mut crew.flapping,
            Conduct::Garbage => &mut crew.garbage,
            Conduct::Floods => &mut crew.flooding,
        } += 1;
    }
    crew
}

#[cfg(test)]
mod tests {
    use super::{Conduct, assign, count};
    use crate::options::Options;
    use clap::Parser as _;

    fn crew(rest: &str) -> Vec<Conduct> {
        let line = format!("tickwire-bots --url ws://h/ {rest}");
        assign(&Options::parse_from(line.split_whitespace()))
    }

    #[test]
    fn without_shares_every_bot_plays_in_full() {
        assert!(
            crew("--bots 50")
                .iter()
                .all(|conduct| *conduct == Conduct::Full)
        );
    }

    #[test]
    fn shares_are_met_and_spread() {
        let all =
            crew("--bots 1000 --stall 0.1 --flap 0.1 --garbage 0.1 --flood 0.1 --decode 0.25");
        let whole = count(&all);
        assert_eq!(
            (
                whole.stalling,
                whole.flapping,
                whole.garbage,
                whole.flooding
            ),
            (100, 100, 100, 100)
        );
        assert_eq!((whole.full, whole.light), (150, 450));
        let first_tenth = count(&all[..100]);
        assert!(
            (8..=12).contains(&first_tenth.stalling) && (8..=12).contains(&first_tenth.garbage)
        );
    }
}
