//! The tick: inputs in, the world one step on, what changed captured.

use tickwire_protocol::{
    error::{PeerError, SendError},
    time::Micros,
};

use super::{
    Room, TickTiming,
    seat::{Seat, SeatIndex},
};
use crate::{
    game::{Order, Outbox, Players, Recipient, TickClock},
    limits::{EVENTS_BURST_MAX, EVENTS_PER_TICK_MAX},
    threads::Threads,
};

impl Room {
    /// Advances the world by one tick.
    ///
    /// The snapshots of this tick are put together by [`poll_transmit`](Self::poll_transmit), each when its
    /// socket takes it; what they leave behind is finished at the next capture.
    ///
    /// Threads that help change nothing but how long it takes.
    pub fn tick(&mut self, now: Micros, threads: &dyn Threads) -> TickTiming {
        let timing = self.timer.begin(now);
        self.apply_inputs(timing, now);
        self.step();
        self.send_events(now);
        self.carry_out_orders(now);
        if !timing.skips_snapshots {
            self.capture(timing, threads);
            self.choose();
            self.replication.encode(threads);
        }
        timing
    }

    /// Forgets what no player holds of earlier ticks, and takes the state of this one.
    fn capture(&mut self, timing: TickTiming, threads: &dyn Threads) {
        self.replication.finish();
        self.replication
            .capture(&mut self.world, timing.tick, threads);
        self.captured = Some(timing.tick);
    }

    /// Works out what each player sees.
    fn choose(&mut self) {
        self.replication.choose(&self.world);
    }

    /// Gives each player's entity what its player holds down in this tick.
    fn apply_inputs(&mut self, timing: TickTiming, now: Micros) {
        self.world.resource_mut::<TickClock>().tick = timing.tick;
        let mut broken: Vec<(SeatIndex, PeerError)> = Vec::new();
        for index in self.seats.places() {
            self.seats.prefetch_after(index);
            let Some(seat) = self.seats.get_mut(index) else {
                continue;
            };
            seat.events_left = (seat.events_left + EVENTS_PER_TICK_MAX).min(EVENTS_BURST_MAX);
            let mut newest = None;
            if let Some(session) = seat.session() {
                while let Some(tick) = session.poll_input(timing.tick, &mut self.input_bytes) {
                    newest = Some(tick);
                }
            }
            // Inputs that the game does not read are taken all the same: nothing else bounds how many wait.
            let Some(door) = &self.input else { continue };
            // Who presses nothing new keeps what it holds down; that it is not fresh is said once.
            if newest.is_none() && !seat.has_fresh_input {
                continue;
            }
            seat.has_fresh_input = newest.is_some();
            seat.applied_input = newest.or(seat.applied_input);
            let bytes = newest.map(|_| &self.input_bytes[..]);
            if let Err(error) = door.set(
                &mut self.world,
                seat.entity,
                bytes,
                self.replication.entity_map(),
            ) {
                broken.push((index, error.into()));
            }
        }
        self.dismiss_all(broken, now);
    }

    /// Runs the game's systems.
    fn step(&mut self) {
        self.replication
            .lend_ids(&mut self.world, |world| self.schedule.run(world));
        self.doors.clear(&mut self.world);
        self.world.clear_trackers();
    }

    /// Hands what the game has put into its outbox to the sessions.
    fn send_events(&mut self, now: Micros) {
        if self.world.resource::<Outbox>().is_empty() {
            return;
        }
        let mut slow: Vec<(SeatIndex, PeerError)> = Vec::new();
        let (seats, seat_of) = (&mut self.seats, &self.seat_of);
        self.world
            .resource_mut::<Outbox>()
            .drain(|to, bytes| match to {
                Recipient::One(player) => {
                    if let Some(&index) = seat_of.get(&player)
                        && let Some(seat) = seats.get_mut(index)
                    {
                        send(index, seat, bytes, &mut slow);
                    }
                }
                Recipient::EveryoneBut(player) => {
                    for (index, seat) in seats.iter_mut().filter(|(_, seat)| seat.player != player)
                    {
                        send(index, seat, bytes, &mut slow);
                    }
                }
                Recipient::Everyone => {
                    for (index, seat) in seats.iter_mut() {
                        send(index, seat, bytes, &mut slow);
                    }
                }
            });
        self.dismiss_all(slow, now);
    }

    /// Does what the game has decided about its players.
    fn carry_out_orders(&mut self, now: Micros) {
        if self.world.resource::<Players>().is_empty() {
            return;
        }
        for order in self.world.resource_mut::<Players>().take() {
            match order {
                Order::GiveEntity(player, entity) => self.give_entity(player, entity),
                Order::SendAway(player, reason) => self.send_away(player, reason, now),
            }
        }
    }

    fn dismiss_all(&mut self, players: Vec<(SeatIndex, PeerError)>, now: Micros) {
        for (index, error) in players {
            self.dismiss(index, &error, now);
        }
    }
}

fn send(index: SeatIndex, seat: &mut Seat, event: &[u8], slow: &mut Vec<(SeatIndex, PeerError)>) {
    match seat.session().map(|session| session.send_event(event)) {
        Some(Err(SendError::Peer(error))) => slow.push((index, error)),
        Some(Err(SendError::Misuse(misuse))) => tracing::warn!(%misuse, "an event was dropped"),
        Some(Ok(())) | None => {}
    }
}
