//! A byte budget per player, on the reference world: how far what a player sees is from what is.

use crate::{
    components::Place,
    rooms::{Motion, Room},
};
use tickwire_protocol::{replicate::SameIds, schema::ComponentId, snapshot::Replica};
use tickwire_server::replication::Settings;

const PLACE: ComponentId = ComponentId(0);

/// The distance between where the room's entities are and where a replica shows them.
fn errors(room: &Room, replica: &Replica, into: &mut Vec<f32>) {
    for (&entity, body) in room.entities.iter().zip(&room.reference.bodies) {
        let id = room
            .replication
            .network_id(entity)
            .expect("every entity is replicated");
        let row = replica.row(id, PLACE).expect("every entity is visible");
        let shown: Place = row.restore(PLACE, &SameIds).expect("a place");
        into.push((shown.x - body.x).hypot(shown.y - body.y));
    }
}

/// Ten players on a budget for 18 s; the errors at the end and the bytes each got in a second.
fn on_a_budget(bytes_per_second: u32, motion: Motion) -> (Vec<f32>, f64) {
    let settings = Settings {
        player_bytes_per_second: Some(bytes_per_second),
        ..Settings::default()
    };
    let mut room = Room::new(1000, motion, settings);
    let mut players: Vec<_> = (0..10).map(|number| room.join(number)).collect();
    let (mut bytes, seconds) = (0, 18);
    for _ in 0..seconds * 20 {
        room.step();
        for (player, replica) in &mut players {
            let snapshot = room.snapshot(*player);
            bytes += snapshot.len();
            assert!(replica.apply(&snapshot).is_ok());
        }
        room.replication.finish();
    }
    let mut all = Vec::new();
    players
        .iter()
        .for_each(|(_, replica)| errors(&room, replica, &mut all));
    all.sort_by(f32::total_cmp);
    (all, bytes as f64 / 10.0 / f64::from(seconds))
}

#[test]
fn a_budget_of_32_kb_per_second_keeps_the_reference_world_close() {
    for motion in Motion::ALL {
        let (errors, bytes_per_second) = on_a_budget(32_000, motion);
        let (median, max) = (errors[errors.len() / 2], errors[errors.len() - 1]);
        println!(
            "{}: median {median}, max {max} units at {bytes_per_second:.0} bytes/s",
            motion.name()
        );
        assert!(
            bytes_per_second <= 32_000.0 * 1.05,
            "{bytes_per_second} bytes/s"
        );
        assert!(
            median <= 2.0 && max <= 20.0,
            "{}: median {median}, max {max} units",
            motion.name()
        );
    }
}

#[test]
fn nothing_starves_on_half_the_budget_it_would_take() {
    let (errors, bytes_per_second) = on_a_budget(12_000, Motion::Turning);
    let (median, max) = (errors[errors.len() / 2], errors[errors.len() - 1]);
    println!("median {median}, max {max} units at {bytes_per_second:.0} bytes/s");
    assert!(
        bytes_per_second <= 12_000.0 * 1.1,
        "{bytes_per_second} bytes/s"
    );
    // At 120 units/s, what was not told for two seconds may be 240 units off.
    assert!(
        max <= 240.0,
        "something waited for more than two seconds: {max} units"
    );
}
