//! A small seeded random source: the same seed gives the same ground plan, match and sparks.
//!
//! SplitMix64 (Steele, Lea and Flood, 2014): one addition and three mixes per draw, any seed is good.

/// A stream of random numbers that depends on nothing but its seed.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "server", derive(bevy_ecs::resource::Resource))]
pub struct Random {
    state: u64,
}

impl Random {
    /// Starts the stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in 0 .. 1.
    pub fn unit(&mut self) -> f32 {
        // 24 bits fill the mantissa of an f32 exactly; one more could round up to 1.
        (self.bits() >> 40) as f32 / (1_u32 << 24) as f32
    }

    /// A number in `low .. high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// An index below `count`; 0 when `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((self.unit() * count as f32) as usize).min(count.saturating_sub(1))
    }

    /// True in a share of the draws.
    pub fn chance(&mut self, share: f32) -> bool {
        self.unit() < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_their_range_and_reach_its_ends() {
        let mut random = Random::new(7);
        let draws: Vec<f32> = (0..10_000).map(|_| random.between(-2.0, 3.0)).collect();
        assert!(draws.iter().all(|draw| (-2.0..3.0).contains(draw)));
        assert!(draws.iter().any(|draw| *draw < -1.9) && draws.iter().any(|draw| *draw > 2.9));
        assert!((0..1000).all(|_| random.below(3) < 3));
        assert_eq!(random.below(0), 0);
    }
}
