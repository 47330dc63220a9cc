//! The game that simulations play: small, and with one of everything that players may or may not see.
//!
//! Players walk; walkers roam, are hurt, appear and vanish; things change owner and team. All chance is
//! the room's own, so a seed decides every run.

use tickwire_server::{
    prelude::*,
    replication::{Team, View},
};

/// Side of the world, in units.
pub const WORLD_UNITS: f32 = 1000.0;

/// Side of a grid cell, in units.
pub const CELL_UNITS: f32 = 100.0;

/// What a player sees around itself, in units, when there is a grid.
pub const VIEW_UNITS: [f32; 2] = [320.0, 200.0];

const PLAYER_UNITS_PER_SECOND: f32 = 200.0;
const WALKER_UNITS_PER_SECOND: f32 = 120.0;
const TEAMS: u32 = 3;

/// Where a thing is.
#[derive(Component, Replicate, Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// Units from the left.
    #[wire(range(0.0, 1000.0), step = 0.0625, predict = "linear")]
    pub x: f32,
    /// Units from the top.
    #[wire(range(0.0, 1000.0), step = 0.0625, predict = "linear")]
    pub y: f32,
}

/// How well it is. Everyone sees it.
#[derive(Component, Replicate, Clone, Copy, Debug, PartialEq)]
pub struct Health(pub u8);

/// What it has left. Only its owner may know.
#[derive(Component, Replicate, Clone, Copy, Debug, PartialEq)]
#[replicate(audience = "owner")]
pub struct Ammo(pub u16);

/// Where it is told to go. Only its team may know.
#[derive(Component, Replicate, Clone, Copy, Debug, PartialEq)]
#[replicate(audience = "team")]
pub struct Orders {
    /// A place.
    #[wire(range(0.0, 1000.0), step = 1.0)]
    pub x: f32,
    /// Whether to attack there, and whom.
    pub attack: Option<u8>,
}

/// What it is called.
#[derive(Component, Replicate, Clone, Debug, PartialEq)]
pub struct Label(pub String);

/// What a player holds down.
#[derive(Replicate, Clone, Copy, Debug, Default, PartialEq)]
pub struct Steer {
    /// To the right, at most 1.
    #[wire(range(-1.0, 1.0), step = 0.0625)]
    pub x: f32,
    /// Downwards, at most 1.
    #[wire(range(-1.0, 1.0), step = 0.0625)]
    pub y: f32,
    /// Whether to spend ammunition.
    pub fire: bool,
}

/// What differs between simulated rooms.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Whether players see only what is near.
    pub has_grid: bool,
    /// Snapshot bytes per player and second; `None` is the server's own default.
    pub bytes_per_second: Option<u32>,
    /// Things that roam, on average.
    pub walkers: u32,
    /// Players that have a place.
    pub players_max: usize,
    /// How long a seat waits for its player.
    pub grace: Micros,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            has_grid: true,
            bytes_per_second: None,
            walkers: 40,
            players_max: 64,
            grace: Micros::from_millis(5000),
        }
    }
}

/// Set to make the world stand still: nothing moves, appears, vanishes or changes.
#[derive(Resource, Clone, Copy, Debug, Default)]
pub struct Stillness(pub bool);

/// How many ticks of players were steered: what inputs have done.
#[derive(Resource, Clone, Copy, Debug, Default)]
pub struct Steered(pub u64);

/// Something that roams.
#[derive(Component, Clone, Copy, Debug)]
pub struct Walker {
    x: f32,
    y: f32,
}

/// How many walkers there are to be.
#[derive(Resource, Clone, Copy, Debug)]
struct Population(u32);

/// The game.
#[must_use]
pub fn game(setting: Setting) -> Game {
    let mut game = Game::new("simulated")
        .players_max(setting.players_max)
        .reconnect_grace(setting.grace.into())
        .replicate::<Position>()
        .replicate::<Health>()
        .replicate::<Ammo>()
        .replicate::<Orders>()
        .replicate::<Label>()
        .input::<Steer>()
        .insert_resource(Stillness(false))
        .insert_resource(Steered(0))
        .insert_resource(Population(setting.walkers))
        .on_start(|world| {
            for _ in 0..world.resource::<Population>().0 {
                spawn_walker(world);
            }
        })
        .on_join(|world, joining| {
            let (at, team) = world.resource_scope(|_, mut random: Mut<'_, RoomRandom>| {
                (somewhere(&mut random), random.below(TEAMS) as u8)
            });
            let label = Label(joining.name.to_owned());
            let view = View::rectangle(VIEW_UNITS[0], VIEW_UNITS[1]);
            let orders = Orders {
                x: at.x,
                attack: None,
            };
            world
                .spawn((
                    Replicated,
                    at,
                    Health(100),
                    Ammo(50),
                    orders,
                    label,
                    Team(team),
                    view,
                ))
                .id()
        })
        .add_systems((walk_players, walk_walkers, change_things, renew).chain());
    if setting.has_grid {
        game = game.interest(Grid::new::<Position>(CELL_UNITS, |at| [at.x, at.y]));
    }
    if let Some(bytes) = setting.bytes_per_second {
        game = game.snapshot_bytes_per_second_max(bytes);
    }
    game
}

fn somewhere(random: &mut RoomRandom) -> Position {
    Position {
        x: random.range(0.0, WORLD_UNITS),
        y: random.range(0.0, WORLD_UNITS),
    }
}

fn spawn_walker(world: &mut World) {
    world.resource_scope(|world, mut random: Mut<'_, RoomRandom>| {
        let (at, walker) = new_walker(&mut random);
        let team = Team(random.below(TEAMS) as u8);
        let orders = Orders {
            x: at.x,
            attack: random.chance(0.5).then(|| random.below(256) as u8),
        };
        let mut entity = world.spawn((Replicated, at, walker, Health(100), orders, team));
        if random.chance(0.3) {
            let label = Label(format!("walker {}", random.below(1000)));
            entity.insert(label);
        }
    });
}

fn new_walker(random: &mut RoomRandom) -> (Position, Walker) {
    let angle = random.range(0.0, core::f32::consts::TAU);
    let speed = random.range(0.0, WALKER_UNITS_PER_SECOND);
    (
        somewhere(random),
        Walker {
            x: angle.cos() * speed,
            y: angle.sin() * speed,
        },
    )
}

fn walk_players(
    clock: Res<'_, TickClock>,
    stillness: Res<'_, Stillness>,
    mut steered: ResMut<'_, Steered>,
    mut players: Query<'_, '_, (&CurrentInput<Steer>, &mut Position, &mut Ammo)>,
) {
    if stillness.0 {
        return;
    }
    for (steer, mut at, mut ammo) in &mut players {
        steered.0 += u64::from(**steer != Steer::default());
        let step = PLAYER_UNITS_PER_SECOND * clock.dt_seconds;
        let to = Position {
            x: (at.x + steer.x * step).clamp(0.0, WORLD_UNITS),
            y: (at.y + steer.y * step).clamp(0.0, WORLD_UNITS),
        };
        at.set_if_neq(to);
        if steer.fire {
            ammo.0 = ammo.0.checked_sub(1).unwrap_or(50);
        }
    }
}

fn walk_walkers(
    clock: Res<'_, TickClock>,
    stillness: Res<'_, Stillness>,
    mut random: ResMut<'_, RoomRandom>,
    mut walkers: Query<'_, '_, (&mut Walker, &mut Position)>,
) {
    if stillness.0 {
        return;
    }
    for (mut walker, mut at) in &mut walkers {
        at.x += walker.x * clock.dt_seconds;
        at.y += walker.y * clock.dt_seconds;
        if !(0.0..=WORLD_UNITS).contains(&at.x) {
            walker.x = -walker.x;
            at.x = at.x.clamp(0.0, WORLD_UNITS);
        }
        if !(0.0..=WORLD_UNITS).contains(&at.y) {
            walker.y = -walker.y;
            at.y = at.y.clamp(0.0, WORLD_UNITS);
        }
        if random.chance(0.02) {
            *walker = new_walker(&mut random).1;
        }
        // A jump now and then: prediction must never be trusted.
        if random.chance(0.003) {
            *at = somewhere(&mut random);
        }
    }
}

fn change_things(
    mut commands: Commands<'_, '_>,
    stillness: Res<'_, Stillness>,
    mut random: ResMut<'_, RoomRandom>,
    mut things: Query<'_, '_, (Entity, &mut Health, &mut Orders, &mut Team, Option<&Label>)>,
    players: Query<'_, '_, &Player>,
) {
    if stillness.0 {
        return;
    }
    let ids: Vec<PlayerId> = players.iter().map(|player| player.id).collect();
    for (entity, mut health, mut orders, mut team, label) in &mut things {
        if random.chance(0.05) {
            health.0 = random.below(256) as u8;
        }
        if random.chance(0.03) {
            orders.attack = random.chance(0.5).then(|| random.below(256) as u8);
        }
        if random.chance(0.005) {
            team.0 = random.below(TEAMS) as u8;
        }
        let is_walker = !players.contains(entity);
        // Components come and go: the entity moves from one table to another.
        if is_walker && random.chance(0.01) {
            match label {
                Some(_) => commands.entity(entity).remove::<Label>(),
                None => commands
                    .entity(entity)
                    .insert(Label(format!("named {}", random.below(1000)))),
            };
        }
        // A walker that is taken, or given away: its ammunition becomes another's secret.
        if is_walker && !ids.is_empty() && random.chance(0.01) {
            let owner = ids[random.below(ids.len() as u32) as usize];
            commands
                .entity(entity)
                .insert((Owner(owner), Ammo(random.below(1000) as u16)));
        }
    }
}

/// Some walkers vanish, others appear: around the population asked for.
fn renew(world: &mut World) {
    if world.resource::<Stillness>().0 {
        return;
    }
    let wanted = world.resource::<Population>().0 as usize;
    let walkers: Vec<Entity> = world
        .query_filtered::<Entity, With<Walker>>()
        .iter(world)
        .collect();
    if let Some(&first) = walkers.first()
        && world.resource_mut::<RoomRandom>().chance(0.1)
    {
        world.despawn(first);
    }
    if walkers.len() < wanted && world.resource_mut::<RoomRandom>().chance(0.2) {
        spawn_walker(world);
    }
}
