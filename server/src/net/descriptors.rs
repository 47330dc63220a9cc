//! The process's file descriptors, divided before the first connection comes.
//!
//! In: what an operator allows, and what the system does. Out: limits that fit. The choice to question: fewer
//! connections instead of an error. A server that has run out of descriptors cannot accept, so a player
//! would wait for an answer that never comes; one that takes fewer connections says so to each that is
//! one too many.

use tokio::sync::Semaphore;

use crate::limits::{DESCRIPTORS_SPARE, Limits, REFUSALS_TOLD_MAX};

/// What a process needs besides players' and HTTP connections.
const OTHERS: u64 = DESCRIPTORS_SPARE + REFUSALS_TOLD_MAX as u64;

/// HTTP connections get at most one in so many descriptors when there are too few for all.
const HTTP_SHARE: u64 = 8;

/// Of a player's connection over plain TCP: its socket.
pub(super) const OF_PLAIN: u64 = 1;

/// Of a player's connection that must stay in tokio: its socket, and the pair between there and its worker.
pub(super) const OF_WRAPPED: u64 = 3;

/// Raises the process's limit of file descriptors, and lowers the limits of connections if that is not
/// enough for players' connections of so many descriptors each.
pub(super) fn fit(limits: &mut Limits, descriptors_each: u64) {
    limits.http_connections_max = limits.http_connections_max.clamp(1, Semaphore::MAX_PERMITS);
    let (connections, http) = (limits.connections_max, limits.http_connections_max);
    let of_players = (connections as u64).saturating_mul(descriptors_each);
    let wanted = of_players.saturating_add(http as u64 + OTHERS);
    match rlimit::increase_nofile_limit(wanted) {
        Ok(allowed) if allowed < wanted => {
            divide(allowed, limits, descriptors_each);
            tracing::warn!(
                allowed,
                connections = limits.connections_max,
                connections_wanted = connections,
                http_connections = limits.http_connections_max,
                http_connections_wanted = http,
                "the system allows too few file descriptors (ulimit -n): fewer connections are taken"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of file descriptors is not known"),
    }
}

fn divide(allowed: u64, limits: &mut Limits, descriptors_each: u64) {
    let left = allowed.saturating_sub(OTHERS);
    let at_most = |wanted: usize, most: u64| {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        wanted.min(most.max(1))
    };
    limits.http_connections_max = at_most(limits.http_connections_max, left / HTTP_SHARE);
    let http = limits.http_connections_max as u64;
    let of_players = left.saturating_sub(http);
    limits.connections_max = at_most(limits.connections_max, of_players / descriptors_each);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided(
        allowed: u64,
        connections_max: usize,
        http_connections_max: usize,
        descriptors_each: u64,
    ) -> Limits {
        let mut limits = Limits {
            connections_max,
            http_connections_max,
            ..Limits::default()
        };
        divide(allowed, &mut limits, descriptors_each);
        limits
    }

    #[test]
    fn all_that_may_be_open_at_once_fits() {
        for allowed in [512, 1024, 4096, 20_000] {
            for each in [OF_PLAIN, OF_WRAPPED] {
                let limits = divided(allowed, 20_000, 1024, each);
                let of_players = limits.connections_max as u64 * each;
                let open = of_players + limits.http_connections_max as u64;
                assert!(open + OTHERS <= allowed, "{allowed}: {limits:?}");
                assert!(limits.connections_max > limits.http_connections_max);
            }
        }
    }

    #[test]
    fn as_many_as_possible_and_none_are_limits_too() {
        for (wanted, most) in [(0, 1), (usize::MAX, Semaphore::MAX_PERMITS)] {
            let mut limits = Limits {
                connections_max: wanted,
                http_connections_max: wanted,
                ..Limits::default()
            };
            fit(&mut limits, OF_WRAPPED);
            assert!((1..=most).contains(&limits.http_connections_max));
            assert!(limits.connections_max <= wanted);
        }
    }

    #[test]
    fn nothing_is_raised_and_something_is_always_left() {
        let limits = divided(100_000, 50, 10, OF_WRAPPED);
        assert_eq!(
            (limits.connections_max, limits.http_connections_max),
            (50, 10)
        );
        let limits = divided(10, 50, 10, OF_PLAIN);
        assert_eq!(
            (limits.connections_max, limits.http_connections_max),
            (1, 1)
        );
    }
}
