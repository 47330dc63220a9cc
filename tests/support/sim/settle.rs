//! The end of a scenario: the world stands still and everybody holds exactly it, or everybody has gone
//! and nothing of them is left.

use tickwire_protocol::time::Micros;

use super::{Simulation, game::Stillness};

/// Ticks after which a world that stands still has reached everybody, under a byte budget too.
const SETTLE_TICKS: u32 = 40;

/// Seconds in which everybody must have been compared once the world stands still.
const VERIFY_SECONDS_MAX: u32 = 10;

impl Simulation {
    /// Stops the world, waits until every player who plays holds exactly the room's newest state, and
    /// compares all checksums.
    ///
    /// # Panics
    /// When that does not come about within 30 s, or a checksum differs.
    pub fn settle(&mut self) {
        self.room.world_mut().resource_mut::<Stillness>().0 = true;
        let still_from = self.last_tick.expect("the room has ticked").next();
        self.run_until(
            Micros::from_millis(30_000),
            "everybody holds what stands still",
            |simulation| {
                simulation.in_the_room().all(|index| {
                    let newest = simulation.players[index].newest;
                    newest.is_some_and(|newest| newest.is_after(still_from + SETTLE_TICKS))
                })
            },
        );
        let present: Vec<usize> = self.in_the_room().collect();
        assert!(
            !present.is_empty(),
            "nobody is in the room who could be compared"
        );
        for &index in &present {
            self.players[index].verified = 0;
        }
        // While a part of what a player sees waits for bytes, the server has no word on it: ask again.
        for _ in 0..VERIFY_SECONDS_MAX {
            for &index in &present {
                let player = &mut self.players[index];
                if player.verified == 0 {
                    player.client.verify().expect("a player who plays may ask");
                }
            }
            self.run(Micros::from_millis(1000));
        }
        for &index in &present {
            let player = &self.players[index];
            assert!(
                player.verified > 0,
                "it was never compared: {}",
                player.standing()
            );
        }
        for index in present {
            self.check_player(index, false);
        }
        self.room.world_mut().resource_mut::<Stillness>().0 = false;
    }

    /// Players who are in the room as both ends see it.
    fn in_the_room(&self) -> impl Iterator<Item = usize> {
        (0..self.players.len()).filter(|&index| {
            self.seat_of(index).is_some() && self.players[index].client.is_playing()
        })
    }

    /// Checks that nothing of any player is left, once all have gone.
    ///
    /// # Panics
    /// When something is.
    pub fn expect_nobody_left(&mut self) {
        assert_eq!(self.room.players(), 0, "a seat is left behind");
        self.run(Micros::from_millis(200));
        let stats = self.room.replication().stats();
        assert_eq!(
            stats.baselines, 0,
            "states are kept for players who are gone"
        );
        let truth = self
            .truth
            .at(self.last_tick.expect("it ticked"))
            .expect("it was captured");
        assert!(
            truth.eyes.is_empty(),
            "an entity of a player is left behind"
        );
        assert!(
            self.room.poll_event().is_none(),
            "an event nobody asked for is left"
        );
    }
}
