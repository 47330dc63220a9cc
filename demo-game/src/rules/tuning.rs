//! Every number that gives the game its feel, in one place, and every bound of it.
//!
//! Lengths are arena units (one is one CSS pixel at zoom 1), times are seconds or ticks as named.

use std::f32::consts::TAU;

/// Ticks per second of the arena.
pub const TICK_RATE_HZ: u16 = 20;
/// Length of one tick.
pub const TICK_SECONDS: f32 = 1.0 / TICK_RATE_HZ as f32;

/// Side of the square arena.
pub const ARENA_SIZE: f32 = 4000.0;
/// Seed of the ground plan. Both ends make the plan from it, so it never travels.
pub const ARENA_SEED: u64 = 0x71c4_0a2e;
/// Rocks in the arena.
pub const ROCKS: usize = 52;
/// Smallest and largest radius of a rock.
pub const ROCK_RADIUS: (f32, f32) = (38.0, 150.0);
/// Free way between two rocks: two ships abreast and some air.
pub const ROCK_GAP: f32 = 130.0;
/// Free way between rocks and the wall of the arena.
pub const WALL_GAP: f32 = 140.0;
/// Kinds of rock pictures.
pub const ROCK_LOOKS: u8 = 4;

/// What a player sees: width and height of its view. The camera never shows more than this.
pub const VIEW: (f32, f32) = (1600.0, 1000.0);
/// How much is sent beyond each edge of the screen: the camera looks ahead of a fast ship.
pub const VIEW_MARGIN: f32 = 150.0;
/// Side of one cell of the interest grid: a view with its margins touches 20 to 30 of them.
pub const INTEREST_CELL: f32 = 400.0;

/// Precision of positions on the wire, and so in the rules.
pub const POSITION_STEP: f32 = 1.0 / 16.0;
/// Precision of speeds, units per second.
pub const VELOCITY_STEP: f32 = 1.0 / 8.0;
/// Precision of headings, as steps per turn.
pub const HEADING_STEPS: f32 = 1024.0;

/// Radius of a ship for every collision.
pub const SHIP_RADIUS: f32 = 22.0;
/// Acceleration at full thrust, units per second squared.
pub const THRUST: f32 = 640.0;
/// Share of full thrust that braking gives.
pub const BRAKE_SHARE: f32 = 0.6;
/// Acceleration with boost, as a multiple of full thrust.
pub const BOOST_THRUST: f32 = 2.0;
/// Share of its speed that a ship keeps over one tick of coasting: it glides, but comes to rest.
pub const COAST_KEPT: f32 = 0.965;
/// Fastest flight, units per second.
pub const SPEED_MAX: f32 = 400.0;
/// Fastest flight with boost.
pub const BOOST_SPEED_MAX: f32 = 640.0;
/// Above its top speed a ship sheds this share of the excess per tick.
pub const EXCESS_SHED: f32 = 0.12;
/// Fastest turn, radians per second.
pub const TURN_RATE: f32 = TAU * 0.78;
/// Share of its speed that a ship keeps when it bounces.
pub const BOUNCE_KEPT: f32 = 0.55;
/// Impact speed below which a bounce does no harm, units per second.
pub const IMPACT_SAFE: f32 = 230.0;
/// Damage per unit per second of impact above the safe speed.
pub const IMPACT_DAMAGE: f32 = 0.08;

/// Boost that a full tank holds, in ticks of boosting.
pub const BOOST_MAX: u8 = 30;
/// Ticks until one tick of boost has come back.
pub const BOOST_REFILL_TICKS: u8 = 4;

/// Hull of an unharmed ship.
pub const HULL_MAX: u8 = 100;
/// Largest shield.
pub const SHIELD_MAX: u8 = 75;
/// Ticks without harm until the hull mends itself.
pub const MEND_AFTER_TICKS: u32 = 7 * TICK_RATE_HZ as u32;
/// Ticks per point of hull while it mends.
pub const MEND_EVERY_TICKS: u32 = 5;
/// Ticks for which a fresh ship cannot be hurt, unless it fires.
pub const GUARD_TICKS: u16 = 2 * TICK_RATE_HZ + TICK_RATE_HZ / 2;
/// Ticks from destruction to the next ship.
pub const RESPAWN_TICKS: u16 = 3 * TICK_RATE_HZ;

/// Energy that the blaster's cell holds.
pub const ENERGY_MAX: u8 = 100;
/// Energy one volley takes.
pub const ENERGY_PER_VOLLEY: u8 = 7;
/// Energy that comes back per tick.
pub const ENERGY_PER_TICK: u8 = 1;
/// Ticks between volleys.
pub const COOLDOWN_TICKS: u8 = 4;
/// Ticks between volleys with rapid fire.
pub const RAPID_COOLDOWN_TICKS: u8 = 2;
/// Ticks that rapid fire and spread last.
pub const POWER_TICKS: u16 = 12 * TICK_RATE_HZ;
/// Most seekers a ship carries.
pub const SEEKERS_MAX: u8 = 6;
/// Hull that one repair gives back.
pub const REPAIR: u8 = 45;
/// Seekers in one pickup.
pub const SEEKERS_PER_PICKUP: u8 = 2;
/// Ticks between two seekers.
pub const SEEKER_COOLDOWN_TICKS: u8 = 14;

/// Speed of a blaster bolt over its ship's, units per second.
pub const BOLT_SPEED: f32 = 760.0;
/// Ticks a bolt flies.
pub const BOLT_TICKS: u16 = 21;
/// Radius of a bolt.
pub const BOLT_RADIUS: f32 = 5.0;
/// Damage of a bolt.
pub const BOLT_DAMAGE: u8 = 11;
/// Half the angle of a spread of three.
pub const SPREAD_ANGLE: f32 = 0.16;
/// Where shots leave the ship, ahead of its centre.
pub const MUZZLE: f32 = 24.0;
/// Speed of a seeker, units per second.
pub const SEEKER_SPEED: f32 = 470.0;
/// Ticks a seeker flies.
pub const SEEKER_TICKS: u16 = 64;
/// Fastest turn of a seeker, radians per second: a ship that turns hard shakes it off.
pub const SEEKER_TURN_RATE: f32 = 2.6;
/// How far a seeker sees.
pub const SEEKER_SIGHT: f32 = 620.0;
/// Damage of a seeker.
pub const SEEKER_DAMAGE: u8 = 38;
/// Share of a shot's speed that its target takes on, as a push.
pub const HIT_PUSH: f32 = 0.06;

/// Pickups lying about.
pub const PICKUPS: usize = 26;
/// Radius within which a ship takes a pickup.
pub const PICKUP_REACH: f32 = 44.0;
/// Ticks between two new pickups while some are missing.
pub const PICKUP_EVERY_TICKS: u32 = 2 * TICK_RATE_HZ as u32;
/// Ticks for which what a destroyed ship left lies about.
pub const LOOT_TICKS: u16 = 15 * TICK_RATE_HZ;
/// Chance that a destroyed ship leaves something.
pub const LOOT_CHANCE: f32 = 0.6;

/// Ships in the arena while computer opponents fill it up: they give way to people one for one.
pub const POPULATION: usize = 8;
/// Colours of ships; the twenty that are easy to tell apart come round again.
pub const HUES: u8 = 20;
/// Seconds of one round.
pub const ROUND_SECONDS: u16 = 300;
/// Seconds for which the result stands before the next round.
pub const BREAK_SECONDS: u16 = 12;

/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 16;
/// Longest line of chat, in characters.
pub const CHAT_CHARS_MAX: usize = 120;
/// Chat lines a player may send in a burst; one comes back every two seconds.
pub const CHAT_BURST: u8 = 5;
