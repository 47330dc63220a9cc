//! bevy_replicon on Tickwire's reference world: bytes and CPU, one JSON array of rows on standard output.
//!
//! Server and clients are apps of one process that pass messages by hand, so what is measured is
//! replication alone: no socket, no kernel. Components are sent with replicon's default serde
//! functions, once as plain f32 and once quantised by hand to the precision the reference world asks for.

use bevy::{app::App, prelude::*, state::app::StatesPlugin};
use bevy_replicon::{prelude::*, test_app::ServerTestAppExt};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

#[path = "../../../support/reference_world.rs"]
mod reference_world;
use reference_world::{ANGLE_BITS, Body, Motion, POSITION_STEP, ReferenceWorld};

const WARM_UP_TICKS: u32 = 20;
const MEASURED_TICKS: u32 = 100;
const EXTRA_PLAYERS: usize = 20;

/// How a body is put into components.
trait Flavour: 'static {
    const NAME: &'static str;
    fn register(app: &mut App);
    fn spawn(world: &mut World, body: &Body) -> Entity;
    fn write(world: &mut World, entity: Entity, body: &Body);
}

#[derive(Component, Serialize, Deserialize, PartialEq)]
struct Position {
    x: f32,
    y: f32,
}
#[derive(Component, Serialize, Deserialize, PartialEq)]
struct Angle(f32);
#[derive(Component, Serialize, Deserialize, PartialEq)]
struct Hp(u8);

struct Floats;
impl Flavour for Floats {
    const NAME: &'static str = "bevy_replicon";
    fn register(app: &mut App) {
        app.replicate::<Position>().replicate::<Angle>().replicate::<Hp>();
    }
    fn spawn(world: &mut World, b: &Body) -> Entity {
        world.spawn((Replicated, Position { x: b.x, y: b.y }, Angle(b.angle), Hp(b.hp))).id()
    }
    fn write(world: &mut World, entity: Entity, b: &Body) {
        let mut entity = world.entity_mut(entity);
        *entity.get_mut::<Position>().unwrap() = Position { x: b.x, y: b.y };
        *entity.get_mut::<Angle>().unwrap() = Angle(b.angle);
        entity.get_mut::<Hp>().unwrap().set_if_neq(Hp(b.hp));
    }
}

#[derive(Component, Serialize, Deserialize, PartialEq)]
struct SmallPosition {
    x: u16,
    y: u16,
}
#[derive(Component, Serialize, Deserialize, PartialEq)]
struct SmallAngle(u8);

struct Quantised;
impl Quantised {
    fn position(b: &Body) -> SmallPosition {
        SmallPosition { x: (b.x / POSITION_STEP) as u16, y: (b.y / POSITION_STEP) as u16 }
    }
    fn angle(b: &Body) -> SmallAngle {
        let turns = b.angle / core::f32::consts::TAU;
        SmallAngle((turns * (1u32 << ANGLE_BITS) as f32) as u32 as u8)
    }
}
impl Flavour for Quantised {
    const NAME: &'static str = "bevy_replicon_quantised";
    fn register(app: &mut App) {
        app.replicate::<SmallPosition>().replicate::<SmallAngle>().replicate::<Hp>();
    }
    fn spawn(world: &mut World, b: &Body) -> Entity {
        world.spawn((Replicated, Self::position(b), Self::angle(b), Hp(b.hp))).id()
    }
    fn write(world: &mut World, entity: Entity, b: &Body) {
        let mut entity = world.entity_mut(entity);
        entity.get_mut::<SmallPosition>().unwrap().set_if_neq(Self::position(b));
        entity.get_mut::<SmallAngle>().unwrap().set_if_neq(Self::angle(b));
        entity.get_mut::<Hp>().unwrap().set_if_neq(Hp(b.hp));
    }
}

#[derive(Serialize)]
struct Row {
    world: &'static str,
    entities: usize,
    system: &'static str,
    bytes_per_entity: f64,
    encode_ns_per_entity: f64,
    decode_ns_per_entity: f64,
    us_per_extra_player: Option<f64>,
    entropy_bytes_per_entity: Option<f64>,
}

#[derive(Default)]
struct Cost {
    bytes: f64,
    encode_ns: f64,
    decode_ns: f64,
}

fn cpu_ns() -> f64 {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    t.tv_sec as f64 * 1e9 + t.tv_nsec as f64
}

fn app<F: Flavour>() -> App {
    let mut app = App::new();
    app.add_plugins((MinimalPlugins, StatesPlugin, RepliconPlugins.set(ServerPlugin::new(PostUpdate))));
    F::register(&mut app);
    app.finish();
    app
}

/// Cost per tick of one client's bytes, the whole server update, and one client's update.
fn measure<F: Flavour>(entities: usize, motion: Motion, players: usize) -> Cost {
    let mut world = ReferenceWorld::new(entities, motion, 1);
    let mut server = app::<F>();
    let ids: Vec<Entity> = world.bodies.iter().map(|b| F::spawn(server.world_mut(), b)).collect();
    let mut clients: Vec<App> = (0..players).map(|_| app::<F>()).collect();
    for client in &mut clients {
        server.connect_client(client);
    }
    let mut cost = Cost::default();
    for tick in 0..WARM_UP_TICKS + MEASURED_TICKS {
        world.step();
        for (entity, body) in ids.iter().zip(&world.bodies) {
            F::write(server.world_mut(), *entity, body);
        }
        let start = cpu_ns();
        server.update();
        let encode_ns = cpu_ns() - start;
        let sent: usize =
            server.world().resource::<ServerMessages>().iter_sent().map(|(_, _, bytes)| bytes.len()).sum();
        for client in &mut clients {
            server.exchange_with_client(client);
        }
        let start = cpu_ns();
        clients[0].update();
        let decode_ns = cpu_ns() - start;
        for client in &mut clients[1..] {
            client.update();
        }
        for client in &mut clients {
            server.exchange_with_client(client);
        }
        if tick >= WARM_UP_TICKS {
            cost.bytes += sent as f64 / players as f64;
            cost.encode_ns += encode_ns;
            cost.decode_ns += decode_ns;
        }
    }
    let ticks = f64::from(MEASURED_TICKS);
    Cost { bytes: cost.bytes / ticks, encode_ns: cost.encode_ns / ticks, decode_ns: cost.decode_ns / ticks }
}

fn rows<F: Flavour>(rows: &mut Vec<Row>) {
    for motion in Motion::ALL {
        for entities in [200, 1000, 10_000] {
            let one = measure::<F>(entities, motion, 1);
            // More than a thousand entities for twenty players takes minutes and says nothing new.
            let us_per_extra_player = (entities <= 1000).then(|| {
                let many = measure::<F>(entities, motion, 1 + EXTRA_PLAYERS);
                (many.encode_ns - one.encode_ns) / EXTRA_PLAYERS as f64 / 1000.0
            });
            rows.push(Row {
                world: motion.name(),
                entities,
                system: F::NAME,
                bytes_per_entity: one.bytes / entities as f64,
                encode_ns_per_entity: one.encode_ns / entities as f64,
                decode_ns_per_entity: one.decode_ns / entities as f64,
                us_per_extra_player,
                entropy_bytes_per_entity: None,
            });
        }
    }
}

fn main() {
    let mut all = Vec::new();
    rows::<Floats>(&mut all);
    rows::<Quantised>(&mut all);
    println!("{}", serde_json::to_string_pretty(&all).expect("rows of numbers and names"));
}
