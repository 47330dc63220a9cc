//! The ground plan: the wall around the arena and the rocks in it, made from a seed alike on both ends.
//!
//! Rocks lie in rows of a coarse index, so a ship or a shot tests a handful of them rather than all.

use crate::rules::random::Random;
use crate::rules::tuning::{
    ARENA_SEED, ARENA_SIZE, ROCK_GAP, ROCK_LOOKS, ROCK_RADIUS, ROCKS, WALL_GAP,
};
use crate::rules::vector::{Vec2, sweep_hits_circle};

/// Side of one square of the rock index; larger than the largest rock's diameter, so that a rock lies in
/// at most four squares.
const SQUARE: f32 = 400.0;
const SQUARES: usize = (ARENA_SIZE / SQUARE) as usize;
/// Tries to place one rock. A full arena stays one rock short rather than searching for ever.
const TRIES_MAX: usize = 200;

/// A rock: a circle that nothing passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rock {
    /// Its centre.
    pub centre: Vec2,
    /// Its radius, a whole number of units.
    pub radius: f32,
    /// Which picture shows it.
    pub look: u8,
    /// How the picture is turned, radians.
    pub turn: f32,
}

/// How a moving circle met something solid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contact {
    /// Direction away from what was met.
    pub normal: Vec2,
    /// How deep the circle is in it.
    pub depth: f32,
}

/// The ground plan.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "server", derive(bevy_ecs::resource::Resource))]
pub struct Arena {
    rocks: Vec<Rock>,
    squares: Vec<Vec<u16>>,
}

impl Default for Arena {
    fn default() -> Self {
        Self::new(ARENA_SEED)
    }
}

impl Arena {
    /// Makes the plan of a seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut rocks: Vec<Rock> = Vec::with_capacity(ROCKS);
        for _ in 0..ROCKS {
            for _ in 0..TRIES_MAX {
                let rock = random_rock(&mut random);
                if rocks.iter().all(|other| apart(&rock, other)) {
                    rocks.push(rock);
                    break;
                }
            }
        }
        let squares = index(&rocks);
        Self { rocks, squares }
    }

    /// All rocks.
    pub fn rocks(&self) -> &[Rock] {
        &self.rocks
    }

    /// The rocks that may touch a circle; a few that do not may be among them.
    pub fn rocks_near(&self, centre: Vec2, radius: f32) -> impl Iterator<Item = &Rock> {
        let (left, right) = squares_of(centre.x - radius, centre.x + radius);
        let (top, bottom) = squares_of(centre.y - radius, centre.y + radius);
        (top..=bottom)
            .flat_map(move |row| (left..=right).map(move |column| row * SQUARES + column))
            .flat_map(|square| &self.squares[square])
            .map(|rock| &self.rocks[usize::from(*rock)])
    }

    /// What a circle touches first, rocks before walls.
    pub fn contact(&self, centre: Vec2, radius: f32) -> Option<Contact> {
        self.rocks_near(centre, radius)
            .find_map(|rock| {
                let away = centre - rock.centre;
                let depth = rock.radius + radius - away.length();
                (depth > 0.0).then(|| Contact {
                    normal: away.normalised(),
                    depth,
                })
            })
            .or_else(|| wall_contact(centre, radius))
    }

    /// How far along its way a flying circle meets a rock or the wall, as a share 0 ..= 1.
    pub fn sweep(&self, from: Vec2, to: Vec2, radius: f32) -> Option<f32> {
        let middle = from.lerp(to, 0.5);
        let reach = from.distance(to) * 0.5 + radius;
        let rock = self
            .rocks_near(middle, reach)
            .filter_map(|rock| sweep_hits_circle(from, to, rock.centre, rock.radius + radius))
            .min_by(f32::total_cmp);
        rock.or_else(|| wall_contact(to, radius).map(|_| 1.0))
    }

    /// True when nothing solid lies within `radius` of a point.
    pub fn is_free(&self, centre: Vec2, radius: f32) -> bool {
        self.contact(centre, radius).is_none()
    }

    /// A random place with nothing solid within `radius`; the centre of the arena when luck fails.
    pub fn free_place(&self, random: &mut Random, radius: f32) -> Vec2 {
        for _ in 0..TRIES_MAX {
            let place = Vec2::new(
                random.between(radius, ARENA_SIZE - radius),
                random.between(radius, ARENA_SIZE - radius),
            );
            if self.is_free(place, radius) {
                return place;
            }
        }
        Vec2::new(ARENA_SIZE * 0.5, ARENA_SIZE * 0.5)
    }
}

fn random_rock(random: &mut Random) -> Rock {
    // Cubed, so that most rocks are small and a few are landmarks.
    let size = random.unit().powi(3);
    let radius = (ROCK_RADIUS.0 + (ROCK_RADIUS.1 - ROCK_RADIUS.0) * size).round();
    let low = radius + WALL_GAP;
    let mut coordinate = || random.between(low, ARENA_SIZE - low).round();
    let centre = Vec2::new(coordinate(), coordinate());
    let look = random.below(usize::from(ROCK_LOOKS)) as u8;
    Rock {
        centre,
        radius,
        look,
        turn: random.between(0.0, std::f32::consts::TAU),
    }
}

fn apart(rock: &Rock, other: &Rock) -> bool {
    rock.centre.distance(other.centre) >= rock.radius + other.radius + ROCK_GAP
}

fn index(rocks: &[Rock]) -> Vec<Vec<u16>> {
    let mut squares = vec![Vec::new(); SQUARES * SQUARES];
    for (number, rock) in rocks.iter().enumerate() {
        // A rock is filed where its own circle lies; whoever asks adds its own radius to the question.
        let (left, right) = squares_of(rock.centre.x - rock.radius, rock.centre.x + rock.radius);
        let (top, bottom) = squares_of(rock.centre.y - rock.radius, rock.centre.y + rock.radius);
        for row in top..=bottom {
            for column in left..=right {
                squares[row * SQUARES + column].push(number as u16);
            }
        }
    }
    squares
}

fn squares_of(low: f32, high: f32) -> (usize, usize) {
    let square = |at: f32| ((at / SQUARE).max(0.0) as usize).min(SQUARES - 1);
    (square(low), square(high))
}

fn wall_contact(centre: Vec2, radius: f32) -> Option<Contact> {
    let sides = [
        (Vec2::new(1.0, 0.0), radius - centre.x),
        (Vec2::new(-1.0, 0.0), centre.x + radius - ARENA_SIZE),
        (Vec2::new(0.0, 1.0), radius - centre.y),
        (Vec2::new(0.0, -1.0), centre.y + radius - ARENA_SIZE),
    ];
    let (normal, depth) = sides.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    (depth > 0.0).then_some(Contact { normal, depth })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::tuning::SHIP_RADIUS;

    #[test]
    fn the_same_seed_gives_the_same_plan_and_another_seed_another() {
        assert_eq!(Arena::new(5).rocks(), Arena::new(5).rocks());
        assert_ne!(Arena::new(5).rocks(), Arena::new(6).rocks());
    }

    #[test]
    fn rocks_leave_room_to_fly_between_them_and_along_the_wall() {
        let arena = Arena::default();
        assert!(arena.rocks().len() > ROCKS / 2);
        for (number, rock) in arena.rocks().iter().enumerate() {
            assert!(
                arena.rocks()[number + 1..]
                    .iter()
                    .all(|other| apart(rock, other))
            );
            assert!(wall_contact(rock.centre, rock.radius + WALL_GAP - 1.0).is_none());
        }
    }

    #[test]
    fn the_index_finds_every_rock_that_a_search_of_all_finds() {
        let arena = Arena::default();
        let mut random = Random::new(3);
        for _ in 0..5_000 {
            let place = Vec2::new(random.between(-50.0, 4050.0), random.between(-50.0, 4050.0));
            let touches = |rock: &&Rock| rock.centre.distance(place) < rock.radius + SHIP_RADIUS;
            let all = arena.rocks().iter().filter(touches).count();
            let mut near: Vec<_> = arena
                .rocks_near(place, SHIP_RADIUS)
                .filter(touches)
                .collect();
            near.sort_by(|a, b| a.centre.x.total_cmp(&b.centre.x));
            near.dedup();
            assert_eq!(near.len(), all);
        }
    }

    #[test]
    fn a_shot_stops_at_the_wall() {
        let arena = Arena::new(1);
        let from = Vec2::new(30.0, 30.0);
        assert_eq!(arena.sweep(from, Vec2::new(-10.0, 30.0), 5.0), Some(1.0));
    }

    #[test]
    fn free_places_are_free() {
        let arena = Arena::default();
        let mut random = Random::new(11);
        for _ in 0..500 {
            let place = arena.free_place(&mut random, 60.0);
            assert!(arena.is_free(place, 60.0));
        }
    }
}
