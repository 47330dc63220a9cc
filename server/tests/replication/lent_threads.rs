//! A room that threads help, beside the same one alone: its players must not be able to tell.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use tickwire_server::{
    limits::HELPED_ENTITIES_MIN,
    replication::{Grid, ReplicationStats, Settings},
    threads::{Alone, Threads},
};

use crate::{
    components::Place,
    rooms::{Motion, Room},
};

const PLAYERS: u32 = 12;
const VIEW_UNITS: f32 = 700.0;
/// A codebook is learnt twice meanwhile.
const TICKS: u32 = 70;
/// Every third player gets one snapshot in so many ticks.
const SLOW: u32 = 4;

/// Threads of a room, and how often they were asked.
struct Started {
    count: usize,
    asked: AtomicUsize,
}

impl Started {
    const fn new(count: usize) -> Self {
        Self {
            count,
            asked: AtomicUsize::new(0),
        }
    }
}

impl Threads for Started {
    fn count(&self) -> usize {
        self.count
    }

    fn run(&self, work: &(dyn Fn() + Sync)) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        thread::scope(|scope| {
            for _ in 0..self.count {
                scope.spawn(work);
            }
            work();
        });
    }
}

/// Every snapshot of every player, and what was counted.
fn outcome(
    entities: usize,
    settings: &Settings,
    threads: &dyn Threads,
) -> (Vec<Vec<u8>>, ReplicationStats) {
    let mut room = Room::new(entities, Motion::Turning, settings.clone());
    let players: Vec<_> = (0..PLAYERS)
        .map(|number| room.join_at(number, number as usize, VIEW_UNITS))
        .collect();
    let mut snapshots = Vec::new();
    for tick in 0..TICKS {
        room.step_with(threads);
        for (&player, number) in players.iter().zip(0..) {
            if number % 3 > 0 || (tick + number) % SLOW == 0 {
                snapshots.push(room.snapshot(player));
            }
        }
        room.replication.finish();
    }
    (snapshots, room.replication.stats())
}

#[test]
fn a_room_that_is_helped_says_what_it_says_alone() {
    let grid = Grid::new::<Place>(256.0, |place| [place.x, place.y]);
    let with_views = Settings {
        grid: Some(grid),
        ..Settings::default()
    };
    let with_a_budget = Settings {
        player_bytes_per_second: Some(20_000),
        ..with_views.clone()
    };
    for settings in [Settings::default(), with_views, with_a_budget] {
        let alone = outcome(HELPED_ENTITIES_MIN, &settings, &Alone);
        for count in [1, 3] {
            let threads = Started::new(count);
            let helped = outcome(HELPED_ENTITIES_MIN, &settings, &threads);
            assert!(threads.asked.into_inner() >= 3 * TICKS as usize);
            assert!(alone == helped, "{count} threads, {settings:?}");
        }
    }
}

#[test]
fn a_small_room_asks_nobody() {
    let threads = Started::new(2);
    let (snapshots, _) = outcome(HELPED_ENTITIES_MIN - 1, &Settings::default(), &threads);
    assert!(!snapshots.is_empty());
    assert_eq!(threads.asked.into_inner(), 0);
}
