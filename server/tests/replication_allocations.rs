//! Capture and encode allocate nothing in the steady state: a counting allocator in a process of its own.

use bevy_ecs::prelude::*;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicU64, Ordering},
};
use tickwire_protocol::{id::PlayerId, time::Tick};
use tickwire_server::{replication::*, threads::Alone};

#[path = "replication/components.rs"]
mod components;
#[path = "../../tests/support/reference_world.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "the file is shared with packages that ask for other parts of it"
)]
mod reference_world;
use components::{Heading, Hp, Place, registry};
use reference_world::{Motion, ReferenceWorld};

/// Passes everything on and counts what is asked for.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promised.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Between two of these frames a room learns no codebook, which is allowed to allocate.
const WARM_UP: u32 = 320;
const MEASURED: u32 = 250;

/// Allocations of capture, choose, encode and finish over all measured ticks.
fn allocations(players: u32, settings: Settings) -> u64 {
    let mut world = World::new();
    let mut replication = Replication::new(&mut world, registry(), settings);
    let mut reference = ReferenceWorld::new(1000, Motion::Turning, 3);
    let spawn = |body: &reference_world::Body| {
        let place = Place {
            x: body.x,
            y: body.y,
        };
        world
            .spawn((Replicated, place, Heading(body.angle), Hp(body.hp)))
            .id()
    };
    let entities: Vec<_> = reference.bodies.iter().map(spawn).collect();
    for number in 0..players {
        let entity = entities[number as usize];
        world
            .entity_mut(entity)
            .insert(View::rectangle(1280.0, 720.0));
        replication.add_player(PlayerId(number), entity);
    }
    let mut out = Vec::with_capacity(1 << 20);
    let mut sum = 0;
    for tick in 0..WARM_UP + MEASURED {
        reference.step();
        for (&entity, body) in entities.iter().zip(&reference.bodies) {
            let mut entity = world.entity_mut(entity);
            if let Some(mut place) = entity.get_mut::<Place>() {
                *place = Place {
                    x: body.x,
                    y: body.y,
                };
            }
            if let Some(mut heading) = entity.get_mut::<Heading>() {
                heading.0 = body.angle;
            }
            if let Some(mut hp) = entity.get_mut::<Hp>() {
                hp.0 = body.hp;
            }
        }
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        replication.capture(&mut world, Tick(tick), &Alone);
        replication.choose(&world);
        replication.encode(&Alone);
        for number in 0..players {
            out.clear();
            assert!(replication.encode_snapshot(
                PlayerId(number),
                &PlayerHeader::default(),
                &mut out
            ));
        }
        replication.finish();
        if tick >= WARM_UP {
            sum += ALLOCATIONS.load(Ordering::Relaxed) - before;
        }
    }
    sum
}

// One test, because another one beside it would be counted too.
#[test]
fn a_room_in_its_steady_state_allocates_nothing() {
    assert_eq!(
        allocations(20, Settings::default()),
        0,
        "everyone sees everything"
    );
    let budget = Settings {
        player_bytes_per_second: Some(8000),
        ..Settings::default()
    };
    assert_eq!(allocations(20, budget), 0, "on a budget");
    // Cells fill up beyond what they ever held now and then: memory grows to the fullest they get.
    let grid = Grid::new::<Place>(360.0, |place| [place.x, place.y]);
    let on_a_grid = allocations(
        20,
        Settings {
            grid: Some(grid),
            ..Settings::default()
        },
    );
    let per_tick = on_a_grid as f64 / f64::from(MEASURED);
    println!("{per_tick} allocations a tick with views of a grid");
    assert!(
        per_tick <= 4.0,
        "{per_tick} allocations a tick with views of a grid"
    );
}
