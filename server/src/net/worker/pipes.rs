//! The streams that tasks and the tick use: where they hang on a connection, and when they are served.
//!
//! In: connections that take a seat, offers of players, the bell of the pipes. Out: tasks, and offers for
//! the room's tick. A connection has none of this if neither the server nor its game asks for streams.

use std::sync::Arc;

use tickwire_protocol::{
    pipe::{Bell, Exchange},
    stream::Offer,
    time::Micros,
};

use super::{Command, Worker, streams::REFUSED_KIND};
use crate::{
    limits::{Limit, STREAMS_ATTENDED},
    room::SeatIndex,
    stream::{Incoming, Peer, Roster, Streams},
};

/// A connection's streams, and who its tasks think it is.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) exchange: Exchange,
    peer: Peer,
    roster: Arc<Roster>,
}

impl Drop for Pipes {
    fn drop(&mut self) {
        self.roster.leave(&self.peer);
    }
}

impl Worker {
    /// Gives a connection that has just taken its seat to those who want to know.
    pub(super) fn begin_pipes(&mut self, key: usize, room: usize, seat: SeatIndex) {
        let slot = &mut self.rooms[room];
        let is_wanted =
            self.shared.handlers.any() || slot.room.world().contains_resource::<Streams>();
        let (Some(player), true) = (slot.room.player(seat), is_wanted) else {
            return;
        };
        let exchange = Exchange::default();
        let peer = Peer::new(
            player,
            slot.room.player_name(seat).unwrap_or_default(),
            slot.name.clone(),
            exchange.hub().clone(),
            slot.roster.clone(),
        );
        slot.roster.join(peer.clone());
        if let Some(mut streams) = slot.room.world_mut().get_resource_mut::<Streams>() {
            streams.join(peer.clone());
        }
        self.connections[key].pipes = Some(Box::new(Pipes {
            exchange,
            peer: peer.clone(),
            roster: slot.roster.clone(),
        }));
        self.attend_pipes(key);
        self.shared.handlers.on_player(peer);
    }

    /// Makes this worker the one that the connection's tasks wake.
    pub(super) fn attend_pipes(&mut self, key: usize) {
        let Some(pipes) = &self.connections[key].pipes else {
            return;
        };
        let worker = self.shared.workers[self.index].clone();
        let bell: Bell = Arc::new(move || {
            // Fails only while the server ends, and the connection with it.
            let _ = worker.send(Command::Serve(key));
        });
        pipes.exchange.attend(bell);
        self.mark_busy(key);
    }

    /// Does what tasks have asked for.
    pub(super) fn serve_pipes(&mut self, key: usize, room: usize, seat: SeatIndex, now: Micros) {
        let (Some(connection), Some(slot)) =
            (self.connections.get_mut(key), self.rooms.get_mut(room))
        else {
            return;
        };
        if let Some(pipes) = &mut connection.pipes
            && pipes.exchange.has_waiting()
            && let Some(mux) = slot.room.streams(seat)
        {
            pipes.exchange.service(mux, now);
            connection.streams_attended = now + STREAMS_ATTENDED;
        }
    }

    /// Whether the streams of a connection are to be served again between ticks. If not, its tasks ring.
    pub(super) fn attends_streams(&self, key: usize, now: Micros) -> bool {
        let Some(connection) = self.connections.get(key) else {
            return false;
        };
        now < connection.streams_attended
            || connection
                .pipes
                .as_ref()
                .is_some_and(|pipes| !pipes.exchange.rest())
    }

    /// Hands a stream that a player has opened to the server's handler, or else to the game's tick.
    pub(super) fn offer(&mut self, room: usize, seat: SeatIndex, offer: Box<Offer>) {
        let slot = &mut self.rooms[room];
        let connection = slot.member(seat.place());
        let Some(pipes) = connection
            .and_then(|key| self.connections.get_mut(key))
            .and_then(|connection| connection.pipes.as_mut())
        else {
            return;
        };
        let kind = offer.options.kind;
        let incoming = Incoming::new(pipes.peer.clone(), pipes.exchange.offer(offer));
        let Some(incoming) = self.shared.handlers.on_stream(incoming) else {
            return;
        };
        match slot.room.world_mut().get_resource_mut::<Streams>() {
            Some(mut streams) => {
                if !streams.offer(incoming) {
                    self.metrics.count_limit(Limit::StreamOffers);
                }
            }
            None => incoming.refuse(
                REFUSED_KIND,
                &format!("this game takes no {kind:?} streams"),
            ),
        }
    }
}
