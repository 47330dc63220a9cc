//! What leaves a room: one message a tick for each player, and pieces of streams between ticks.

use tickwire_protocol::{
    limits::{BULK_CHUNK_BYTES_MIN, BULK_MESSAGE_BYTES_MAX},
    mux::{Mux, StreamEvent},
    session::{ServerSession, Traffic, TrafficByKind},
    stream::Class,
    time::{Micros, RoomTime},
};

use super::{
    Room,
    seat::{Connection, Seat, SeatIndex},
};
use crate::{limits::BYTES_BEFORE_SNAPSHOT_MAX, replication::PlayerHeader};

/// What [`Room::poll_transmit`] has put into a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transmitted {
    /// Whether there is anything to send.
    pub any: bool,
    /// Whether a snapshot is in it.
    pub snapshot: bool,
}

impl Room {
    /// Appends a player's message of this tick: control, events, and the newest snapshot if the player
    /// has not got it. Call it only when the socket takes the message: the player's next snapshot
    /// builds on this one.
    pub fn poll_transmit(
        &mut self,
        index: SeatIndex,
        now: Micros,
        out: &mut Vec<u8>,
    ) -> Transmitted {
        let time: RoomTime = self.timer.time(now);
        let Some(seat) = self.seats.get_mut(index) else {
            return Transmitted::default();
        };
        let Connection::Connected(session) = &mut seat.connection else {
            return Transmitted::default();
        };
        session.let_credit_ride();
        let any = session.poll_transmit(Class::Event, BYTES_BEFORE_SNAPSHOT_MAX, time, out);
        if self.captured.is_none() || seat.snapshot_tick == self.captured {
            return Transmitted {
                any,
                snapshot: false,
            };
        }
        let message_end = out.len();
        session.begin_snapshot(out);
        let snapshot_at = out.len();
        let header = PlayerHeader {
            input: seat.applied_input,
            input_margin_ticks: session.take_input_margin_ticks(),
            verify: core::mem::take(&mut seat.wants_checksum),
        };
        let snapshot = self.replication.encode_snapshot(seat.player, &header, out);
        if snapshot {
            session.end_snapshot(out.len() - snapshot_at);
            seat.snapshot_tick = self.captured;
        } else {
            out.truncate(message_end);
        }
        Transmitted {
            any: any || snapshot,
            snapshot,
        }
    }

    /// Appends one message with the next pieces of a player's opened streams, without a snapshot.
    /// `bulk_bytes` is what the link has room for; with none, only what goes before bulk is sent.
    pub fn poll_transmit_bulk(
        &mut self,
        index: SeatIndex,
        bulk_bytes: usize,
        now: Micros,
        out: &mut Vec<u8>,
    ) -> bool {
        let (up_to, budget) = if bulk_bytes < BULK_CHUNK_BYTES_MIN {
            (Class::Event, BULK_MESSAGE_BYTES_MAX)
        } else {
            (Class::Bulk, bulk_bytes.min(BULK_MESSAGE_BYTES_MAX))
        };
        let time = self.timer.time(now);
        let session = self.seats.get_mut(index).and_then(Seat::session);
        session.is_some_and(|session| session.poll_transmit(up_to, budget, time, out))
    }

    /// Whether a player's streams have something to send between ticks.
    #[must_use]
    pub fn wants_transmit(&self, index: SeatIndex) -> bool {
        self.session(index)
            .is_some_and(|session| session.wants_transmit(Class::Bulk))
    }

    /// Holds a player's bulk back by marks that the client answers. See [`ServerSession::pace_by_marks`].
    pub fn pace_by_marks(&mut self, index: SeatIndex) {
        if let Some(session) = self.seats.get_mut(index).and_then(Seat::session) {
            session.pace_by_marks();
        }
    }

    /// Answers of a player to marks of ours.
    #[must_use]
    pub fn marks_answered(&self, index: SeatIndex) -> u64 {
        self.session(index).map_or(0, ServerSession::marks_answered)
    }

    /// The streams of a connected player.
    pub fn streams(&mut self, index: SeatIndex) -> Option<&mut Mux> {
        self.seats.get_mut(index)?.session()?.streams().ok()
    }

    /// What sending has caused on a player's streams: those that were full have room again.
    pub fn poll_stream_event(&mut self, index: SeatIndex) -> Option<StreamEvent> {
        self.seats.get_mut(index)?.session()?.poll_stream_event()
    }

    /// What a connected player's session has carried.
    #[must_use]
    pub fn traffic(&self, index: SeatIndex) -> Option<Traffic> {
        self.session(index).map(ServerSession::traffic)
    }

    /// What a connected player's opened streams have carried since this was asked last.
    pub fn take_carried(&mut self, index: SeatIndex) -> Option<TrafficByKind> {
        self.seats.get_mut(index)?.session()?.take_carried()
    }

    fn session(&self, index: SeatIndex) -> Option<&ServerSession> {
        match &self.seats.get(index)?.connection {
            Connection::Connected(session) => Some(session),
            Connection::Away { .. } => None,
        }
    }
}
