//! When to try again after a connection is lost, and what to tell the player meanwhile.
//!
//! In comes how a connection ended; out come a wait and a sentence. The wait doubles with each failure, until
//! a connection has lasted for a while, and is drawn at random from its upper half: when a server restarts, its
//! players must not come back in one wave.

use tickwire_protocol::{
    error::CloseCode,
    time::Micros,
    websocket::{CLOSE_ABNORMAL, CLOSE_NO_STATUS},
};

use crate::limits::{CONNECTION_LASTED, RECONNECT_MICROS};

/// Waits between attempts: 250 ms at first, doubled each time up to 10 s, each shortened by up to half.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    failures: u32,
    random: u64,
}

impl Backoff {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            failures: 0,
            random: seed | 1,
        }
    }

    /// An attempt failed, or a connection was lost that had worked for so long: how long to wait before the next
    /// attempt. A server that fails as soon as players have come must not be asked more and more often.
    pub(crate) fn on_failure(&mut self, worked_for: Micros) -> Micros {
        if worked_for >= CONNECTION_LASTED {
            self.failures = 0;
        }
        let (shortest, longest) = (RECONNECT_MICROS.start().0, RECONNECT_MICROS.end().0);
        let wait = longest.min(shortest << self.failures.min(16));
        self.failures += 1;
        // xorshift64 (Marsaglia 2003): spreading waits needs no better.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        Micros(wait / 2 + self.random % (wait / 2 + 1))
    }
}

/// Whether to come back by itself after this close code.
///
/// A code that is not Tickwire's, from a proxy or a browser, counts as an accident.
pub(crate) fn is_worth_retrying(code: u16) -> bool {
    CloseCode::from_number(code).is_none_or(CloseCode::is_worth_retrying)
}

/// What to tell the player, as one or two plain sentences without the wait.
///
/// The server's own reason is shown only where it was written for players: a refusal by the game, a
/// full room, a version that differs.
pub(crate) fn message(code: u16, reason: &str) -> String {
    let reason = reason.trim();
    let with_reason = |sentence: &str| match reason {
        "" => sentence.to_owned(),
        _ => format!("{sentence} {reason}"),
    };
    match CloseCode::from_number(code) {
        Some(CloseCode::Normal) => with_reason("The game is over."),
        Some(CloseCode::GoingAway) => "The server is restarting.".to_owned(),
        Some(CloseCode::Full) => "The game is full.".to_owned(),
        Some(CloseCode::Replaced) => "You are playing in another window.".to_owned(),
        Some(CloseCode::Refused) => with_reason("The game did not let you in."),
        Some(CloseCode::Version | CloseCode::Schema) => {
            "The game was updated. Please reload the page.".to_owned()
        }
        Some(CloseCode::Timeout | CloseCode::TooSlow) => {
            "The connection is too slow or was interrupted.".to_owned()
        }
        Some(CloseCode::Internal) => "The server has a problem.".to_owned(),
        Some(CloseCode::RateLimited) => {
            "The server closed the connection: too much was sent.".to_owned()
        }
        Some(
            CloseCode::WebSocket
            | CloseCode::Unsupported
            | CloseCode::NotUtf8
            | CloseCode::TooBig
            | CloseCode::Malformed
            | CloseCode::Protocol,
        ) => with_reason(
            "The server and this page do not understand each other. Please reload the page.",
        ),
        None if matches!(code, CLOSE_NO_STATUS | CLOSE_ABNORMAL) => {
            "The connection was lost.".to_owned()
        }
        None => with_reason("The connection was closed."),
    }
}

/// What to tell a player whom the game has sent away, with the game's own reason.
pub(crate) fn sent_away(reason: &str) -> String {
    format!("The game sent you away. {reason}")
        .trim()
        .to_owned()
}

/// What to tell the player when an attempt did not even get a socket. `was_told` says that the server had
/// said goodbye before: a shutdown that the player was told of is no lost connection.
pub(crate) fn unreachable(was_told: bool) -> String {
    if was_told {
        "The server was shut down, and is not back yet.".to_owned()
    } else {
        "The server cannot be reached.".to_owned()
    }
}

/// What to tell the player when no attempt can be made at all, with the browser's own reason.
pub(crate) fn impossible(reason: &str) -> String {
    format!("This page cannot connect to the server. {reason}")
        .trim()
        .to_owned()
}

/// Whether this close code tells that the server ends by its own will.
pub(crate) fn is_goodbye(code: u16) -> bool {
    CloseCode::from_number(code) == Some(CloseCode::GoingAway)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_ten_seconds_and_start_again_after_a_connection_that_lasted() {
        let mut backoff = Backoff::new(7);
        for round in 0..40 {
            let longest = (250_000u64 << round.min(10)).min(10_000_000);
            // It fails at once, or as soon as a room has been joined.
            let wait = backoff.on_failure(Micros::from_millis(round % 2 * 100)).0;
            assert!(
                (longest / 2..=longest).contains(&wait),
                "round {round}: {wait}"
            );
        }
        assert!(backoff.on_failure(CONNECTION_LASTED).0 <= 250_000);
    }

    #[test]
    fn two_players_do_not_come_back_at_the_same_moment() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            [(); 6].map(|()| backoff.on_failure(Micros(0)))
        };
        assert_ne!(waits(1), waits(2));
    }

    #[test]
    fn a_lost_connection_is_tried_again_and_a_refusal_is_not() {
        for code in [1001, 1006, 1011, 1005, 4007, 3000] {
            assert!(is_worth_retrying(code), "{code}");
        }
        for code in [1000, 4000, 4001, 4002, 4008, 4009] {
            assert!(!is_worth_retrying(code), "{code}");
        }
    }

    #[test]
    fn every_close_code_has_a_sentence_for_the_player() {
        for code in CloseCode::ALL {
            assert!(message(code.number(), "").ends_with('.'), "{code:?}");
        }
        assert_eq!(
            message(CloseCode::Refused.number(), "You are not on the list."),
            "The game did not let you in. You are not on the list."
        );
        assert_eq!(sent_away(""), "The game sent you away.");
    }
}
