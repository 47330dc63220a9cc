//! How players come into a room, come back, and leave it.

use bevy_ecs::entity::Entity;
use tickwire_protocol::{
    coding::clip,
    error::{CloseCode, PeerError},
    id::{PlayerId, SessionId},
    limits::{CLIENT_MESSAGE_BYTES_MAX, REASON_BYTES_MAX, SILENCE_MICROS_MAX},
    session::{Hello, ResumeToken, ServerSession, Welcome},
    stream::Class,
    time::Micros,
};

use super::{
    Room, RoomEvent,
    seat::{Connection, Seat, SeatIndex},
};
use crate::{
    game::{Joining, LeaveReason, Leaving, Player, Refusal},
    limits::{EVENTS_BURST_MAX, Limit, PLAYER_NAME_CHARS_MAX, SENT_AWAY_KEPT},
    replication::Owner,
};

/// A connection that got no seat. Its session holds the answer: send it, and close with the code.
#[derive(Debug)]
pub struct TurnedAway {
    /// The session, its refusal queued.
    pub session: Box<ServerSession>,
    /// What the close frame says.
    pub code: CloseCode,
    /// For a person.
    pub reason: String,
    /// The limit that was reached, if that was why.
    pub limit: Option<Limit>,
}

/// What a connection is told as it ends, and why.
#[derive(Clone, Copy)]
pub(super) struct LastWord<'a> {
    code: CloseCode,
    reason: &'a str,
    limit: Option<Limit>,
}

impl<'a> LastWord<'a> {
    pub(super) const fn new(code: CloseCode, reason: &'a str) -> Self {
        Self {
            code,
            reason,
            limit: None,
        }
    }
}

impl Room {
    /// Takes a connection that has said hello: gives it the seat its token names, or a new one.
    ///
    /// `fresh_token` must be random: whoever knows it can take the seat.
    ///
    /// # Errors
    ///
    /// The room is full, or the game refused, or has sent the player away before.
    pub fn handle_join(
        &mut self,
        session: Box<ServerSession>,
        hello: &Hello,
        fresh_token: ResumeToken,
        now: Micros,
    ) -> Result<SeatIndex, TurnedAway> {
        if let Some(index) = hello.resume.and_then(|token| self.seat_with(token)) {
            self.resume(index, session, hello, now);
            return Ok(index);
        }
        if let Some(reason) = hello.resume.and_then(|token| self.sent_away.reason(token)) {
            let refused = LastWord::new(CloseCode::Refused, reason);
            return Err(turn_away(session, refused));
        }
        self.seat_newcomer(session, hello, fresh_token, now)
    }

    /// Ends a player's connection for what it did. The seat is kept for a while if the error's code says
    /// that the player does right to come back.
    pub fn dismiss(&mut self, index: SeatIndex, error: &PeerError, now: Micros) {
        let last_word = LastWord {
            code: CloseCode::from(error),
            reason: &error.to_string(),
            limit: Limit::of(error),
        };
        if last_word.code.is_worth_retrying() {
            self.say_farewell(index, last_word, now);
            self.handle_disconnect(index, now);
        } else {
            self.vacate(index, LeaveReason::SentAway, Some(last_word), now);
        }
    }

    /// Frees the seat of a player who has said goodbye, and ends its connection.
    pub fn let_go(&mut self, index: SeatIndex, now: Micros) {
        // It may have been dismissed since, and the seat may be another player's.
        let session = self.seats.get_mut(index).and_then(Seat::session);
        if session.is_some_and(|session| !session.is_open()) {
            let last_word = LastWord::new(CloseCode::Normal, "goodbye");
            self.vacate(index, LeaveReason::Left, Some(last_word), now);
        }
    }

    /// Ends a player's connection, if it has one, and frees its seat. A client that comes back without having read
    /// the reason reads it then.
    pub(super) fn send_away(&mut self, player: PlayerId, reason: String, now: Micros) {
        let Some(&index) = self.seat_of.get(&player) else {
            return;
        };
        let last_word = LastWord::new(CloseCode::Refused, &reason);
        if let Some(seat) = self.free_seat(index, Some(last_word), now) {
            let until = now + self.settings.grace.max(SENT_AWAY_KEPT);
            let reason = clip(&reason, REASON_BYTES_MAX).to_owned();
            let oldest = self.sent_away.keep(seat.token, reason, until);
            self.forget(oldest);
            self.see_off(&seat, LeaveReason::SentAway);
        }
    }

    /// Ends every connection and frees every seat: the room is over.
    pub fn close(&mut self, code: CloseCode, reason: &str, now: Micros) {
        let seats: Vec<SeatIndex> = self.seats.iter().map(|(index, _)| index).collect();
        for index in seats {
            let last_word = LastWord::new(code, reason);
            self.vacate(index, LeaveReason::SentAway, Some(last_word), now);
        }
    }

    /// Ends every connection and frees every seat. Runs none of the game's code, which has failed: the players'
    /// entities stay, for what the game does as one goes may fail as well. The room is good for nothing any more.
    pub fn abandon(&mut self, reason: &str, now: Micros) {
        let seats: Vec<SeatIndex> = self.seats.iter().map(|(index, _)| index).collect();
        for index in seats {
            let last_word = LastWord::new(CloseCode::Internal, reason);
            let seat = self.free_seat(index, Some(last_word), now);
            self.forget(seat.map(|seat| seat.token));
        }
    }

    /// The seat that a token takes back.
    #[must_use]
    pub fn seat_with(&self, token: ResumeToken) -> Option<SeatIndex> {
        self.seats
            .iter()
            .find(|(_, seat)| seat.token == token)
            .map(|(index, _)| index)
    }

    fn seat_newcomer(
        &mut self,
        session: Box<ServerSession>,
        hello: &Hello,
        token: ResumeToken,
        now: Micros,
    ) -> Result<SeatIndex, TurnedAway> {
        if !self.has_place() {
            let full = LastWord {
                limit: Some(Limit::Players),
                ..LastWord::new(CloseCode::Full, "the room is full")
            };
            return Err(turn_away(session, full));
        }
        let player = PlayerId(self.players_ever);
        let session_id = SessionId(self.players_ever.into());
        let name = clean_name(&hello.name);
        let joining = Joining {
            player,
            session: session_id,
            name: &name,
            payload: &hello.join,
        };
        let (world, replication) = (&mut self.world, &mut self.replication);
        if let Some(knock) = &mut self.hooks.knock
            && let Err(Refusal(reason)) =
                replication.lend_ids(world, |world| knock(world, &joining))
        {
            let refused = LastWord::new(CloseCode::Refused, &reason);
            return Err(turn_away(session, refused));
        }

        self.players_ever += 1;
        let entity = match &mut self.hooks.join {
            Some(join) => replication.lend_ids(world, |world| join(world, &joining)),
            None => world.spawn_empty().id(),
        };
        let marker = Player {
            id: player,
            name: name.clone(),
            connected: true,
        };
        self.mark(entity, marker);
        let mut seat = Seat {
            player,
            session_id,
            token,
            name,
            entity,
            connection: Connection::Connected(session),
            applied_input: None,
            has_fresh_input: false,
            snapshot_tick: self.captured,
            wants_checksum: false,
            events_left: EVENTS_BURST_MAX,
        };
        self.greet(&mut seat, hello, false, now);
        let index = self.seats.insert(seat);
        self.seat_of.insert(player, index);
        self.replication.add_player(player, entity);
        self.events.push_back(RoomEvent::Seated { token });
        Ok(index)
    }

    /// Makes another entity a player's own.
    pub(super) fn give_entity(&mut self, player: PlayerId, entity: Entity) {
        let Some(&index) = self.seat_of.get(&player) else {
            return;
        };
        let Ok(wanted) = self.world.get_entity(entity) else {
            return;
        };
        // Two seats with one entity would both end it.
        let is_free = wanted.get::<Player>().is_none_or(|at| at.id == player);
        let Some(seat) = self.seats.get_mut(index).filter(|_| is_free) else {
            return;
        };
        let before = core::mem::replace(&mut seat.entity, entity);
        if before == entity {
            return;
        }
        let marker = Player {
            id: player,
            name: seat.name.clone(),
            connected: seat.session().is_some(),
        };
        if let Ok(mut before) = self.world.get_entity_mut(before) {
            before.remove::<Player>();
        }
        if let Some(input) = &self.input {
            input.remove(&mut self.world, before);
        }
        self.mark(entity, marker);
        self.replication.set_own_entity(player, entity);
    }

    /// Puts on an entity what a player's own has.
    fn mark(&mut self, entity: Entity, marker: Player) {
        let owner = Owner(marker.id);
        if let Ok(mut entity) = self.world.get_entity_mut(entity) {
            entity.insert((marker, owner));
        }
        if let Some(input) = &self.input {
            input.insert(&mut self.world, entity);
        }
    }

    /// Gives a seat back. A connection that still holds it has been given up by its own player.
    fn resume(
        &mut self,
        index: SeatIndex,
        session: Box<ServerSession>,
        hello: &Hello,
        now: Micros,
    ) {
        let reason = "the player came back on another connection";
        self.say_farewell(index, LastWord::new(CloseCode::Replaced, reason), now);
        let Some(mut seat) = self.seats.take_out(index) else {
            return;
        };
        seat.connection = Connection::Connected(session);
        seat.applied_input = None;
        seat.snapshot_tick = self.captured;
        self.greet(&mut seat, hello, true, now);
        // The new connection's replica is empty: its first snapshot is a keyframe.
        self.replication.add_player(seat.player, seat.entity);
        self.seats.put_back(index, seat);
        self.set_connected(index, true);
    }

    fn greet(&self, seat: &mut Seat, hello: &Hello, resumed: bool, now: Micros) {
        let time = self.timer.time(now);
        let is_schema_known = hello.schema_hash == self.replication.schema().hash();
        let welcome = Welcome {
            session: seat.session_id,
            player: seat.player,
            resume: seat.token,
            resumed,
            tick_rate_millihertz: self.settings.tick_rate_hz * 1000,
            next_tick: time.next_tick,
            next_tick_due: time.next_tick_due,
            server_time: now,
            message_bytes_max: u32::try_from(CLIENT_MESSAGE_BYTES_MAX).unwrap_or(u32::MAX),
            silence_micros_max: SILENCE_MICROS_MAX,
            schema: (!is_schema_known).then(|| self.schema_bytes.clone()),
        };
        let accepted = seat.session().map(|session| session.accept(welcome, now));
        if let Some(Err(misuse)) = accepted {
            tracing::error!(%misuse, "a session took a seat without a hello");
        }
    }

    /// A player's connection broke. Its seat waits for it, as long as the game says.
    pub fn handle_disconnect(&mut self, index: SeatIndex, now: Micros) {
        if self.settings.grace == Micros(0) {
            self.vacate(index, LeaveReason::Lost, None, now);
            return;
        }
        if let Some(seat) = self.seats.get_mut(index) {
            seat.connection = Connection::Away {
                until: now + self.settings.grace,
            };
            self.replication.remove_player(seat.player);
            self.set_connected(index, false);
        }
    }

    /// Looks for players who have been silent or away for too long. Once a second is enough.
    pub fn handle_timeout(&mut self, now: Micros) {
        let mut silent: Vec<(SeatIndex, PeerError)> = Vec::new();
        let mut overdue: Vec<SeatIndex> = Vec::new();
        for (index, seat) in self.seats.iter_mut() {
            match &mut seat.connection {
                Connection::Connected(session) => {
                    if let Err(error) = session.handle_timeout(now) {
                        silent.push((index, error));
                    }
                }
                Connection::Away { until } if *until <= now => overdue.push(index),
                Connection::Away { .. } => {}
            }
        }
        for (index, error) in silent {
            self.dismiss(index, &error, now);
        }
        for index in overdue {
            self.vacate(index, LeaveReason::Lost, None, now);
        }
        while let Some(token) = self.sent_away.forget_overdue(now) {
            self.forget(Some(token));
        }
    }

    /// Frees a seat, with a last word to whoever sits there. Its token is worth nothing any more.
    pub(super) fn vacate(
        &mut self,
        index: SeatIndex,
        reason: LeaveReason,
        last_word: Option<LastWord<'_>>,
        now: Micros,
    ) {
        if let Some(seat) = self.free_seat(index, last_word, now) {
            self.forget(Some(seat.token));
            self.see_off(&seat, reason);
        }
    }

    fn forget(&mut self, token: Option<ResumeToken>) {
        let forgotten = token.map(|token| RoomEvent::Forgotten { token });
        self.events.extend(forgotten);
    }

    /// Frees a seat, with a last word to whoever sits there, and gives what it was. Runs none of the game's code.
    fn free_seat(
        &mut self,
        index: SeatIndex,
        last_word: Option<LastWord<'_>>,
        now: Micros,
    ) -> Option<Seat> {
        if let Some(last_word) = last_word {
            self.say_farewell(index, last_word, now);
        }
        let seat = self.seats.remove(index)?;
        self.seat_of.remove(&seat.player);
        self.replication.remove_player(seat.player);
        self.events.push_back(RoomEvent::Vacated);
        Some(seat)
    }

    /// Lets the game see a player off, and despawns its entity. The last thing done for a seat: the game's code may
    /// panic, and what the shell must know has been said by then.
    fn see_off(&mut self, seat: &Seat, reason: LeaveReason) {
        if let Some(leave) = &mut self.hooks.leave {
            let is_alive = self.world.get_entity(seat.entity).is_ok();
            let leaving = Leaving {
                player: seat.player,
                entity: is_alive.then_some(seat.entity),
                name: &seat.name,
                reason,
            };
            self.replication
                .lend_ids(&mut self.world, |world| leave(world, &leaving));
        }
        // The game may have despawned it already.
        let _ = self.world.try_despawn(seat.entity);
    }

    /// Hands the last bytes of a connection to the shell. The seat has no session afterwards.
    fn say_farewell(&mut self, index: SeatIndex, last_word: LastWord<'_>, now: Micros) {
        let time = self.timer.time(now);
        let Some(seat) = self.seats.get_mut(index) else {
            return;
        };
        let Connection::Connected(session) = &mut seat.connection else {
            return;
        };
        let LastWord {
            code,
            reason,
            limit,
        } = last_word;
        session.close(code, reason);
        let mut farewell = Vec::new();
        session.poll_transmit(Class::Control, usize::MAX, time, &mut farewell);
        let traffic = Box::new(session.traffic());
        let carried = session.take_carried().map(Box::new);
        seat.connection = Connection::Away { until: now };
        self.events.push_back(RoomEvent::Dismissed {
            seat: index,
            code,
            reason: reason.to_owned(),
            farewell,
            limit,
            traffic,
            carried,
        });
    }

    fn set_connected(&mut self, index: SeatIndex, connected: bool) {
        if let Some(seat) = self.seats.get(index)
            && let Some(mut player) = self.world.get_mut::<Player>(seat.entity)
        {
            player.connected = connected;
        }
    }
}

fn turn_away(mut session: Box<ServerSession>, last_word: LastWord<'_>) -> TurnedAway {
    let LastWord {
        code,
        reason,
        limit,
    } = last_word;
    if let Err(misuse) = session.refuse(code, reason) {
        tracing::error!(%misuse, "a session was turned away without a hello");
    }
    TurnedAway {
        session,
        code,
        reason: reason.to_owned(),
        limit,
    }
}

/// A name as others may see it: no control characters, no white space at the ends, not too long.
fn clean_name(name: &str) -> String {
    let visible: String = name.chars().filter(|c| !c.is_control()).collect();
    visible.trim().chars().take(PLAYER_NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
