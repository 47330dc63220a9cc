//! The delta codec on the reference world: bytes per entity and tick, nanoseconds per entity, and the
//! order-0 entropy of plain linear prediction as the bound to compare with.
//!
//! `cargo bench -p tickwire-protocol --bench delta`. No player, no socket, no ECS: capture, encode and decode of
//! one group that everyone sees. Times are of the fastest tenth of ticks, so that a busy
//! machine blurs them less; the clock it seems to have is printed with them.

mod order0;
#[path = "../../../tests/support/reference_world.rs"]
#[expect(
    unreachable_pub,
    dead_code,
    reason = "it is shared with programs that need more of it"
)]
mod reference_world;

use reference_world::{Motion, ReferenceWorld};
use std::{collections::HashMap, time::Instant};
use tickwire_protocol::{
    coding::Reader,
    delta::{Baseline, Decoder, Encoder, GroupState},
    entropy::Codebook,
    id::NetworkId,
    replicate::{Replicate, SameIds},
    schema::Schema,
};

#[derive(Replicate)]
struct Body {
    #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
    x: f32,
    #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
    y: f32,
    #[wire(angle, bits = 8, predict = "linear")]
    angle: f32,
    hp: u8,
}

const WARM_TICKS: usize = 120;
const TICKS: usize = 200;
/// Two seconds, as a room learns.
const LEARN_TICKS: usize = 40;
const SEED: u64 = 7;

/// What one run measured.
struct Row {
    bytes: f64,
    codebook_bytes: f64,
    keyframe_bytes: f64,
    skipped_bytes: f64,
    encode_ns: f64,
    decode_ns: f64,
    capture_ns: f64,
    entropy_bytes: f64,
}

fn main() {
    println!("bytes per entity and tick, everything included; ns per entity");
    println!(
        "{:<9} {:>8} {:>7} {:>9} {:>9} {:>9} {:>7} {:>7} {:>8} {:>10} {:>6}",
        "world",
        "entities",
        "bytes",
        "codebook",
        "keyframe",
        "8 skipped",
        "encode",
        "decode",
        "capture",
        "order-0 *",
        "GHz"
    );
    for motion in Motion::ALL {
        for entities in [10, 200, 1000, 10_000] {
            let row = run(motion, entities);
            println!(
                "{:<9} {entities:>8} {:>7.3} {:>9.4} {:>9.2} {:>9.2} {:>7.1} {:>7.1} {:>8.1} {:>10.3} {:>6.2}",
                motion.name(),
                row.bytes,
                row.codebook_bytes,
                row.keyframe_bytes,
                row.skipped_bytes,
                row.encode_ns,
                row.decode_ns,
                row.capture_ns,
                row.entropy_bytes,
                clock_ghz(),
            );
        }
    }
    println!(
        "* of the residuals of prediction from the last two values (x, y, angle) and of hp's changes"
    );
}

fn capture(schema: &Schema, world: &ReferenceWorld, before: &GroupState, into: &mut GroupState) {
    let table = into.table_mut(schema, 1);
    table.set_rows((0..world.bodies.len() as u32).map(NetworkId));
    let component = schema.component(Body::NAME).expect("it is registered");
    let mut writer = table.writer(component, &SameIds).expect("the table has it");
    for (row, body) in world.bodies.iter().enumerate() {
        let (x, y, angle, hp) = (body.x, body.y, body.angle, body.hp);
        Body { x, y, angle, hp }.quantise(writer.at(row));
    }
    into.follow(Some(before));
}

fn run(motion: Motion, entities: usize) -> Row {
    let mut schema = Schema::new();
    schema.add_component(Body::schema()).expect("it fits");
    let mut codebook = Codebook::initial(&schema);
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
    let mut world = ReferenceWorld::new(entities, motion, SEED);
    let mut states: Vec<_> = (0..10).map(|_| GroupState::new()).collect();
    let mut decoded = GroupState::new();
    let mut bytes = Vec::new();
    let (mut total, mut codebook_total, mut skipped) = (0, 0, 0);
    let (mut encode, mut decode, mut captured) = (Vec::new(), Vec::new(), Vec::new());
    let mut counts = order0::Order0::default();
    for tick in 0..WARM_TICKS + TICKS {
        world.step();
        // The newest state is last; the oldest gives its memory.
        states.rotate_left(1);
        let (older, newest) = states.split_at_mut(9);
        let start = Instant::now();
        capture(&schema, &world, &older[8], &mut newest[0]);
        captured.push(start.elapsed());
        let state = &newest[0];
        let baseline = Some(Baseline {
            state: &older[8],
            ticks_since: 1,
        });
        bytes.clear();
        let start = Instant::now();
        encoder.encode(&schema, &codebook, baseline, state, &mut bytes);
        encode.push(start.elapsed());
        let start = Instant::now();
        decoder
            .decode(
                &schema,
                &codebook,
                baseline,
                &mut Reader::new(&bytes),
                &mut decoded,
            )
            .expect("it was just encoded");
        decode.push(start.elapsed());
        assert!(decoded.shows_same_as(state), "the codec is broken");
        if tick >= WARM_TICKS {
            total += bytes.len();
            counts.add(&older[7], &older[8], state);
            if tick % 20 == 0 {
                bytes.clear();
                let baseline = Some(Baseline {
                    state: &older[0],
                    ticks_since: 9,
                });
                Encoder::new().encode(&schema, &codebook, baseline, state, &mut bytes);
                skipped += bytes.len();
            }
        }
        if tick % LEARN_TICKS == LEARN_TICKS - 1
            && let Some(learned) = encoder.learn(&schema, &codebook)
        {
            codebook = learned;
            let len = bytes.len();
            codebook.encode(&mut bytes);
            codebook_total += if tick >= WARM_TICKS {
                bytes.len() - len
            } else {
                0
            };
        }
    }
    bytes.clear();
    encoder.encode(&schema, &codebook, None, &states[9], &mut bytes);
    let rows = (TICKS * entities) as f64;
    Row {
        bytes: (total + codebook_total) as f64 / rows,
        codebook_bytes: codebook_total as f64 / rows,
        keyframe_bytes: bytes.len() as f64 / entities as f64,
        skipped_bytes: skipped as f64 / (TICKS / 20 * entities) as f64,
        encode_ns: fast_ns(&mut encode) / entities as f64,
        decode_ns: fast_ns(&mut decode) / entities as f64,
        capture_ns: fast_ns(&mut captured) / entities as f64,
        entropy_bytes: counts.bits() / 8.0 / rows,
    }
}

/// The slowest of the fastest tenth.
fn fast_ns(times: &mut [std::time::Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 10].as_nanos() as f64
}

/// A multiplication and an addition that wait for each other take four cycles on the machines of the last ten
/// years.
fn clock_ghz() -> f64 {
    const MULTIPLICATIONS: u64 = 20_000;
    let mut times = Vec::new();
    let mut product = std::hint::black_box(3u64);
    for _ in 0..100 {
        let start = Instant::now();
        for _ in 0..MULTIPLICATIONS {
            product = product.wrapping_mul(product | 1);
        }
        times.push(start.elapsed());
        product = std::hint::black_box(product);
    }
    4.0 * MULTIPLICATIONS as f64 / fast_ns(&mut times)
}

/// The entropy in bits of all that was counted.
fn entropy_bits(counts: &HashMap<i32, u64>) -> f64 {
    let total: u64 = counts.values().sum();
    counts
        .values()
        .map(|&count| count as f64 * (total as f64 / count as f64).log2())
        .sum()
}
