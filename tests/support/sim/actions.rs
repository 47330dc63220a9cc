//! What a scenario makes happen to a room and its players.

use tickwire_protocol::time::Micros;

use super::{Simulation, player::ServerEnd};

impl Simulation {
    /// The room's thread does nothing for a while, as on a machine that has no time for it.
    pub fn hold_room(&mut self, span: Micros) {
        self.held_until = self.now + span;
    }

    /// The player cuts its connection without a word; both ends notice at once.
    pub fn cut(&mut self, index: usize) {
        if let ServerEnd::Seated(seat) = self.players[index].server {
            self.room.handle_disconnect(seat, self.now);
            self.act_on_events();
        }
        self.players[index].cut(self.now);
    }

    /// The player reads and writes nothing for a while.
    pub fn stall(&mut self, index: usize, span: Micros) {
        let until = self.now + span;
        self.players[index].down.stall(until);
        self.players[index].up.stall(until);
    }

    /// The player's machine stands still for good: nothing is read, written or drawn.
    pub fn freeze(&mut self, index: usize) {
        self.stall(index, Micros(u64::MAX / 4));
        self.players[index].next_frame = Micros(u64::MAX / 2);
    }

    /// The player says goodbye.
    pub fn leave(&mut self, index: usize) {
        self.players[index].client.leave();
        self.players[index].send(self.now);
    }

    /// Changes the next snapshot to this player on its way.
    pub fn tamper(&mut self, index: usize, how: fn(&mut Vec<u8>)) {
        self.players[index].tamper = Some(how);
    }
}
