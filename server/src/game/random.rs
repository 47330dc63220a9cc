//! The room's randomness: a seed comes in when the room opens, and the same seed gives the same game.

use bevy_ecs::resource::Resource;

/// The room's source of chance. Same seed, same inputs: same world.
///
/// xoshiro256++ by Blackman and Vigna (2019), seeded through `SplitMix64` as its authors advise. Not for
/// secrets.
///
/// ```
/// use tickwire_server::game::RoomRandom;
///
/// let mut random = RoomRandom::from_seed(7);
/// let x = random.range(0.0, 4000.0);
/// assert!((0.0..4000.0).contains(&x));
/// assert!(random.below(6) < 6);
/// ```
#[derive(Resource, Clone, Debug)]
pub struct RoomRandom {
    state: [u64; 4],
}

impl RoomRandom {
    /// Starts the sequence that belongs to `seed`.
    #[must_use]
    pub fn from_seed(mut seed: u64) -> Self {
        let mut split_mix = || {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = seed;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Self {
            state: [split_mix(), split_mix(), split_mix(), split_mix()],
        }
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        let (b, a) = (b ^ c, a ^ d);
        self.state = [a, b, c ^ (self.state[1] << 17), d.rotate_left(45)];
        result
    }

    /// A number from 0 up to but without `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u32) -> u32 {
        // The high half of a 64-bit product: even to one part in 2^32, without a division.
        let product = (self.bits() >> 32) * u64::from(end);
        u32::try_from(product >> 32).unwrap_or(0)
    }

    /// A number from 0.0 up to but without 1.0.
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit an f32 exactly")]
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1_u32 << 24) as f32
    }

    /// A number from `start` up to `end`.
    pub fn range(&mut self, start: f32, end: f32) -> f32 {
        start + (end - start) * self.unit()
    }

    /// True with probability `probability`.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }
}

#[cfg(test)]
mod tests {
    use super::RoomRandom;

    #[test]
    fn the_same_seed_gives_the_same_sequence_and_another_seed_another() {
        let sequence = |seed| {
            let mut random = RoomRandom::from_seed(seed);
            [random.bits(), random.bits(), random.bits()]
        };
        assert_eq!(sequence(1), sequence(1));
        assert_ne!(sequence(1), sequence(2));
    }

    #[test]
    fn the_state_advances_as_the_authors_published_it() {
        // First outputs of xoshiro256++ from the state 1, 2, 3, 4.
        let mut random = RoomRandom {
            state: [1, 2, 3, 4],
        };
        assert_eq!(random.bits(), 41_943_041);
        assert_eq!(random.bits(), 58_720_359);
        assert_eq!(random.bits(), 3_588_806_011_781_223);
    }

    #[test]
    fn every_face_of_a_die_comes_up_about_as_often() {
        let mut random = RoomRandom::from_seed(3);
        let mut faces = [0_u32; 6];
        for _ in 0..60_000 {
            faces[random.below(6) as usize] += 1;
        }
        assert!(
            faces.iter().all(|&count| (9_500..10_500).contains(&count)),
            "{faces:?}"
        );
    }
}
