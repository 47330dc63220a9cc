//! Pickups: what each kind does to the ship that takes it, and how often each lies about.

use crate::components::{Hull, PickupKind, Weapons};
use crate::rules::random::Random;
use crate::rules::tuning::{
    ENERGY_MAX, HULL_MAX, POWER_TICKS, REPAIR, SEEKERS_MAX, SEEKERS_PER_PICKUP, SHIELD_MAX,
};

impl PickupKind {
    /// All kinds, in the order of the wire.
    pub const ALL: [Self; 5] = [
        Self::Repair,
        Self::Shield,
        Self::Rapid,
        Self::Spread,
        Self::Seekers,
    ];

    /// A random kind; weapons are rarer than repair.
    pub fn random(random: &mut Random) -> Self {
        match random.below(20) {
            0..=6 => Self::Repair,
            7..=10 => Self::Shield,
            11..=13 => Self::Rapid,
            14..=16 => Self::Spread,
            _ => Self::Seekers,
        }
    }

    /// True when it would do this ship any good; a ship leaves the rest lying for others.
    pub fn is_useful(self, hull: &Hull, weapons: &Weapons) -> bool {
        match self {
            Self::Repair => hull.hull < HULL_MAX,
            Self::Shield => hull.shield < SHIELD_MAX,
            Self::Seekers => weapons.seekers < SEEKERS_MAX,
            Self::Rapid | Self::Spread => true,
        }
    }

    /// Gives its effect to a ship.
    pub fn apply(self, hull: &mut Hull, weapons: &mut Weapons) {
        match self {
            Self::Repair => hull.hull = hull.hull.saturating_add(REPAIR).min(HULL_MAX),
            Self::Shield => hull.shield = SHIELD_MAX,
            Self::Rapid => {
                weapons.rapid_ticks = POWER_TICKS;
                weapons.energy = ENERGY_MAX;
            }
            Self::Spread => weapons.spread_ticks = POWER_TICKS,
            Self::Seekers => {
                weapons.seekers = (weapons.seekers + SEEKERS_PER_PICKUP).min(SEEKERS_MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_turns_up() {
        let mut random = Random::new(1);
        let draws: Vec<PickupKind> = (0..500).map(|_| PickupKind::random(&mut random)).collect();
        assert!(PickupKind::ALL.iter().all(|kind| draws.contains(kind)));
    }

    #[test]
    fn a_repair_never_lifts_the_hull_over_its_most() {
        let mut hull = Hull {
            hull: 90,
            shield: 0,
        };
        let mut weapons = Weapons::default();
        assert!(PickupKind::Repair.is_useful(&hull, &weapons));
        PickupKind::Repair.apply(&mut hull, &mut weapons);
        assert_eq!(hull.hull, HULL_MAX);
        assert!(!PickupKind::Repair.is_useful(&hull, &weapons));
    }
}
