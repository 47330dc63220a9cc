//! Scoring and harm: what a hit takes, what a kill gives.

use crate::components::Hull;

/// Points for destroying a ship.
pub const KILL_POINTS: u32 = 100;
/// Points on top for each kill in a row that the victim had: the leader is worth hunting.
pub const BOUNTY_POINTS: u32 = 25;
/// Kills in a row that count for the bounty at most.
const BOUNTY_STREAK_MAX: u32 = 6;
/// Points for a pickup.
pub const PICKUP_POINTS: u32 = 5;
/// Points lost by flying into something too hard to survive.
pub const CRASH_POINTS: u32 = 25;
/// Kills in a row from which a streak is called out.
pub const STREAK_CALLED: u8 = 3;

/// The points for a kill of someone with so many kills in a row.
pub fn kill_points(victim_streak: u8) -> u32 {
    KILL_POINTS + BOUNTY_POINTS * u32::from(victim_streak).min(BOUNTY_STREAK_MAX)
}

impl Hull {
    /// Takes damage, from the shield first. Returns true when the ship is destroyed.
    pub fn harm(&mut self, damage: u8) -> bool {
        let absorbed = damage.min(self.shield);
        self.shield -= absorbed;
        self.hull = self.hull.saturating_sub(damage - absorbed);
        self.hull == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shield_takes_harm_first() {
        let mut hull = Hull {
            hull: 20,
            shield: 10,
        };
        assert!(!hull.harm(15));
        assert_eq!(
            hull,
            Hull {
                hull: 15,
                shield: 0
            }
        );
        assert!(hull.harm(200));
    }

    #[test]
    fn a_long_streak_is_worth_a_bounded_bounty() {
        assert_eq!(kill_points(0), KILL_POINTS);
        assert_eq!(kill_points(200), kill_points(6));
    }
}
