//! The reference world that every figure of this project is measured on, and its peers too.
//!
//! E entities in a 4000 × 4000 world at 20 Hz: x, y and angle as f32, hp as u8. Speeds are uniform in
//! [0, 120] units/s and entities bounce at the walls. Every x, y and angle changes every tick, and the
//! hp of one entity in twenty.
//!
//! The file depends on nothing, so that benches of other packages include it by path; all of them then
//! see the same numbers from the same seed.

/// Side of the world, in units.
pub const WORLD_UNITS: f32 = 4000.0;
/// Ticks per second.
pub const RATE_HZ: f32 = 20.0;
/// The fastest an entity moves, in units per second.
pub const SPEED_MAX: f32 = 120.0;
/// The position precision asked for, in units.
pub const POSITION_STEP: f32 = 1.0 / 16.0;
/// The angle precision asked for, in bits.
pub const ANGLE_BITS: u32 = 8;

/// The fastest a turning entity turns, in radians per second.
pub const TURN_RATE_MAX: f32 = 0.145 * core::f32::consts::TAU;

/// How entities of the reference world move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// Constant heading; the angle is the heading plus a slow drift.
    Straight,
    /// The heading changes every tick.
    Turning,
}

impl Motion {
    /// Both, in the order tables show them.
    pub const ALL: [Self; 2] = [Self::Straight, Self::Turning];

    /// The name that tables and JSON rows use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Straight => "straight",
            Self::Turning => "turning",
        }
    }
}

/// One entity of the reference world.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    /// Units from the left wall.
    pub x: f32,
    /// Units from the upper wall.
    pub y: f32,
    /// Radians in [0, 2π).
    pub angle: f32,
    /// Health points.
    pub hp: u8,
    heading: f32,
    speed: f32,
    drift: f32,
}

/// The world: a list of bodies and the random numbers that drive them.
#[derive(Clone, Debug)]
pub struct ReferenceWorld {
    /// The entities, in an order that never changes.
    pub bodies: Vec<Body>,
    motion: Motion,
    random: XorShift,
}

impl ReferenceWorld {
    /// A world of `entities` in the usual square of [`WORLD_UNITS`].
    #[must_use]
    pub fn new(entities: usize, motion: Motion, seed: u64) -> Self {
        let mut random = XorShift::new(seed);
        let bodies = (0..entities)
            .map(|_| {
                let heading = random.below(core::f32::consts::TAU);
                Body {
                    x: random.below(WORLD_UNITS),
                    y: random.below(WORLD_UNITS),
                    angle: heading,
                    hp: 100,
                    heading,
                    speed: random.below(SPEED_MAX),
                    // At most a twentieth of a turn per second, either way.
                    drift: (random.below(1.0) - 0.5) * 0.1 * core::f32::consts::TAU,
                }
            })
            .collect();
        Self {
            bodies,
            motion,
            random,
        }
    }

    /// Moves every body by one tick of 1/20 s.
    pub fn step(&mut self) {
        let dt = 1.0 / RATE_HZ;
        for body in &mut self.bodies {
            match self.motion {
                Motion::Straight => body.angle += body.drift * dt,
                Motion::Turning => {
                    // Drawn anew each tick. The rate is the one at which the residuals of linear
                    // prediction have the order-0 entropy the reference names, 0.94 bytes.
                    let turn = (self.random.below(1.0) - 0.5) * 2.0 * TURN_RATE_MAX * dt;
                    body.heading += turn;
                    body.angle = body.heading;
                }
            }
            let (sin, cos) = body.heading.sin_cos();
            body.x += cos * body.speed * dt;
            body.y += sin * body.speed * dt;
            if body.x < 0.0 || body.x > WORLD_UNITS {
                body.heading = core::f32::consts::PI - body.heading;
                body.x = body.x.clamp(0.0, WORLD_UNITS);
            }
            if body.y < 0.0 || body.y > WORLD_UNITS {
                body.heading = -body.heading;
                body.y = body.y.clamp(0.0, WORLD_UNITS);
            }
            body.angle = body.angle.rem_euclid(core::f32::consts::TAU);
            if self.random.below(1.0) < 0.05 {
                body.hp = (self.random.draw() % 101) as u8;
            }
        }
    }
}

/// Marsaglia's xorshift64*: small, seeded, the same on every machine.
#[derive(Clone, Debug)]
pub struct XorShift(u64);

impl XorShift {
    /// A generator; a seed of zero is taken as one, for zero would stay zero.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(if seed == 0 { 1 } else { seed })
    }

    /// The next 32 bits.
    pub const fn draw(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    /// A number in [0, `bound`).
    pub fn below(&mut self, bound: f32) -> f32 {
        (self.draw() >> 8) as f32 / (1u32 << 24) as f32 * bound
    }
}
