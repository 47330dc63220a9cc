//! Players whom the game has sent away and who may not know it: their connection was broken, or broke before they
//! had read why.
//!
//! In: whose token it was, and the reason. Out: the same reason, for a client that comes back by itself with the
//! token. The choice to question: whether the reason was read is not asked. A client that has read it throws its
//! token away, and one that could not needs the answer.

use std::collections::VecDeque;

use tickwire_protocol::{session::ResumeToken, time::Micros};

use crate::limits::SENT_AWAY_KEPT_MAX;

/// What is kept of a player who was sent away.
#[derive(Debug)]
struct Kept {
    token: ResumeToken,
    reason: String,
    until: Micros,
}

/// The players of a room who were sent away lately, the oldest first.
#[derive(Debug, Default)]
pub(super) struct SentAway {
    kept: VecDeque<Kept>,
}

impl SentAway {
    /// Keeps a player's reason. Gives the token of the oldest when there are too many: it is forgotten.
    pub(super) fn keep(
        &mut self,
        token: ResumeToken,
        reason: String,
        until: Micros,
    ) -> Option<ResumeToken> {
        let is_full = self.kept.len() >= SENT_AWAY_KEPT_MAX;
        let oldest = self.kept.pop_front_if(|_| is_full);
        self.kept.push_back(Kept {
            token,
            reason,
            until,
        });
        oldest.map(|oldest| oldest.token)
    }

    /// Why the player with that token was sent away; `None` when it was not, or long ago.
    pub(super) fn reason(&self, token: ResumeToken) -> Option<&str> {
        let kept = self.kept.iter().find(|kept| kept.token == token)?;
        Some(&kept.reason)
    }

    /// Forgets the next one whose time is over.
    pub(super) fn forget_overdue(&mut self, now: Micros) -> Option<ResumeToken> {
        // All are kept equally long.
        let overdue = self.kept.pop_front_if(|oldest| oldest.until <= now)?;
        Some(overdue.token)
    }

    /// The tokens that are kept.
    pub(super) fn tokens(&self) -> impl Iterator<Item = ResumeToken> {
        self.kept.iter().map(|kept| kept.token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_who_were_sent_away_the_oldest_is_forgotten() {
        let token = |number: usize| ResumeToken((number as u128).to_le_bytes());
        let mut sent_away = SentAway::default();
        let mut keep = |number| sent_away.keep(token(number), "why".into(), Micros(1));
        assert!((0..SENT_AWAY_KEPT_MAX).all(|number| keep(number).is_none()));
        assert_eq!(keep(SENT_AWAY_KEPT_MAX), Some(token(0)));
        assert_eq!(sent_away.reason(token(0)), None);
        assert_eq!(sent_away.reason(token(1)), Some("why"));
        assert_eq!(sent_away.tokens().count(), SENT_AWAY_KEPT_MAX);
    }
}
