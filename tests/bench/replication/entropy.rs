//! The bound: order-0 entropy of the residuals, as if every column's distribution were known for nothing.

use std::collections::HashMap;

use tests::reference_world::{ANGLE_BITS, Motion, POSITION_STEP, ReferenceWorld};

const TICKS: usize = 200;

/// The quantised columns of every body at one tick: x, y, angle, hp.
type Columns = Vec<[i32; 4]>;

/// Bytes per entity and tick that no code without context between residuals can go below: x and y against
/// a linear prediction, the angle against the better of hold and linear, hp against hold.
pub(crate) fn bytes_per_entity(entities: usize, motion: Motion) -> f64 {
    let mut world = ReferenceWorld::new(entities, motion, 1);
    let mut columns: Vec<Columns> = Vec::with_capacity(TICKS);
    for _ in 0..TICKS {
        world.step();
        columns.push(
            world
                .bodies
                .iter()
                .map(|body| {
                    let angle = body.angle / core::f32::consts::TAU * (1u32 << ANGLE_BITS) as f32;
                    [
                        (body.x / POSITION_STEP).round() as i32,
                        (body.y / POSITION_STEP).round() as i32,
                        angle.round() as i32 & 0xff,
                        i32::from(body.hp),
                    ]
                })
                .collect(),
        );
    }
    let hold = |column: usize| {
        bits(&columns, |three, row| {
            three[2][row][column] - three[1][row][column]
        })
    };
    let linear = |column: usize| {
        bits(&columns, |three, row| {
            three[2][row][column] - 2 * three[1][row][column] + three[0][row][column]
        })
    };
    let wrapped = |order: &dyn Fn(&[Columns], usize) -> i32| {
        bits(&columns, |three, row| i32::from(order(three, row) as i8))
    };
    let angle_hold = wrapped(&|three, row| three[2][row][2] - three[1][row][2]);
    let angle_linear =
        wrapped(&|three, row| three[2][row][2] - 2 * three[1][row][2] + three[0][row][2]);
    (linear(0) + linear(1) + angle_hold.min(angle_linear) + hold(3)) / 8.0
}

/// Entropy of what `residual` gives for every row at every tick, in bits.
fn bits(columns: &[Columns], residual: impl Fn(&[Columns], usize) -> i32) -> f64 {
    let mut counts: HashMap<i32, u64> = HashMap::new();
    for three in columns.windows(3) {
        for row in 0..three[0].len() {
            *counts.entry(residual(three, row)).or_default() += 1;
        }
    }
    let total: u64 = counts.values().sum();
    counts
        .values()
        .map(|count| {
            let share = *count as f64 / total as f64;
            -share * share.log2()
        })
        .sum()
}
