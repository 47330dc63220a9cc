//! A room and its players on virtual time. What happens next is whatever is due first; after every step
//! the checkers look at everybody whom it touched.
//!
//! The decision to question: the simulation is its own shell. It passes messages between the sans-IO
//! cores and does nothing a shell would not, so what holds here holds for the real one as far as that
//! one does the same; the end-to-end tests see to that.

mod actions;
pub mod check;
pub mod game;
pub mod player;
mod settle;
pub mod truth;

use tickwire_protocol::{
    error::{CloseCode, PeerError},
    session::{ResumeToken, ServerEvent, ServerSession},
    stream::Class,
    time::{Micros, RoomTime, Tick},
};
use tickwire_server::{
    limits::{BASELINES_PER_GROUP_MAX, BUDGET_BURST_FRAMES, SNAPSHOT_BYTES_PER_SECOND_MAX},
    room::{Room, RoomEvent, SeatIndex},
    threads::Alone,
};

use self::{
    check::{Held, check},
    game::{Setting, game},
    player::{Parcel, ServerEnd, SimPlayer},
    truth::Truth,
};
use crate::link::LinkProfile;

/// Ticks a second of the simulated room.
pub const TICK_RATE_HZ: u64 = 20;

/// How often the room is asked to look for silent and absent players.
const SWEEP_MICROS: Micros = Micros::from_millis(1000);

/// Bytes that an entity of these worlds takes at most in a keyframe.
const ENTITY_BYTES_MAX: u64 = 64;

/// A room, its players, and what is true.
pub struct Simulation {
    /// The room.
    pub room: Room,
    /// The players, in order of joining.
    pub players: Vec<SimPlayer>,
    /// The time.
    pub now: Micros,
    /// What is true, tick by tick.
    pub truth: Truth,
    /// A fingerprint of all bytes that the room has sent.
    pub sent_hash: u64,
    setting: Setting,
    random: fastrand::Rng,
    next_sweep: Micros,
    /// The room's thread is held up until then.
    held_until: Micros,
    last_tick: Option<Tick>,
    /// The snapshot bytes and the ticks since, per player, for the budget.
    spent: Vec<(u64, Tick)>,
    tokens: u64,
}

impl Simulation {
    /// A room without players.
    #[must_use]
    pub fn new(seed: u64, setting: Setting) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let now = Micros(1_000_000);
        let room = Room::new(game(setting), "simulated", random.u64(..), now)
            .expect("the game is well-formed");
        Self {
            room,
            players: Vec::new(),
            now,
            truth: Truth::new(setting.has_grid),
            sent_hash: 0,
            setting,
            random,
            next_sweep: now,
            held_until: Micros(0),
            last_tick: None,
            spent: Vec::new(),
            tokens: 0,
        }
    }

    /// Adds a player, who connects at once. Gives its index.
    pub fn join(&mut self, profile: LinkProfile) -> usize {
        let index = self.players.len();
        let name = format!("player {index}");
        self.players.push(SimPlayer::new(
            &name,
            profile,
            self.random.u64(..),
            self.now,
        ));
        self.spent.push((0, Tick(0)));
        index
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Micros) {
        let until = self.now + span;
        while self.next_event() <= until {
            self.step();
        }
        self.now = until;
    }

    /// Runs until a condition holds.
    ///
    /// # Panics
    /// When it does not hold within `span`.
    pub fn run_until(&mut self, span: Micros, what: &str, condition: impl Fn(&Self) -> bool) {
        let until = self.now + span;
        while !condition(self) {
            let standing: Vec<String> = match self.next_event() <= until {
                true => Vec::new(),
                false => self.players.iter().map(SimPlayer::standing).collect(),
            };
            assert!(
                self.next_event() <= until,
                "after {} s still not: {what}\n{}",
                span.as_seconds(),
                standing.join("\n")
            );
            self.step();
        }
    }

    /// When something happens next.
    fn next_event(&self) -> Micros {
        let players = self
            .players
            .iter()
            .map(|player| player.next_event(self.held_until));
        let room = self
            .room
            .next_due()
            .min(self.next_sweep)
            .max(self.held_until);
        players.fold(room, Micros::min)
    }

    /// Does whatever is due first.
    pub fn step(&mut self) {
        self.now = self.now.max(self.next_event());
        let is_held = self.now < self.held_until;
        if self.now >= self.next_sweep && !is_held {
            self.next_sweep = self.now + SWEEP_MICROS;
            self.room.handle_timeout(self.now);
            self.act_on_events();
        }
        for index in 0..self.players.len() {
            self.serve(index);
        }
        if self.now >= self.room.next_due() && !is_held {
            self.tick();
        }
    }

    /// One player's part of a step.
    fn serve(&mut self, index: usize) {
        while self.now >= self.held_until
            && let Some(bytes) = self.players[index].up.poll_arrival(self.now)
        {
            self.handle_parcel(index, Parcel::unwrap(bytes));
        }
        if self.players[index].receive(self.now) {
            self.check_player(index, self.setting.bytes_per_second.is_some());
        }
        if self.now >= self.players[index].next_frame {
            let before = self.seat_of(index);
            self.players[index].frame(self.now);
            // A client that connects anew has closed its old socket.
            if let Some(seat) = before.filter(|_| self.seat_of(index).is_none()) {
                self.room.handle_disconnect(seat, self.now);
                self.act_on_events();
            }
        }
    }

    fn handle_parcel(&mut self, index: usize, parcel: Parcel) {
        let message = match parcel {
            Parcel::Message(message) => message,
            Parcel::Close(..) => {
                if let ServerEnd::Seated(seat) = self.players[index].server {
                    self.room.handle_disconnect(seat, self.now);
                }
                self.players[index].server = ServerEnd::None;
                self.act_on_events();
                return;
            }
        };
        match std::mem::replace(&mut self.players[index].server, ServerEnd::None) {
            ServerEnd::Greeting(session) => self.greet(index, session, &message),
            ServerEnd::Seated(seat) => {
                self.players[index].server = ServerEnd::Seated(seat);
                if let Err(error) = self.room.handle_message(seat, &message, self.now) {
                    self.room.dismiss(seat, &error, self.now);
                }
                self.act_on_events();
            }
            gone @ (ServerEnd::None | ServerEnd::Closed) => self.players[index].server = gone,
        }
    }

    /// Brings a newcomer to the room, as the shell's worker does.
    fn greet(&mut self, index: usize, mut session: Box<ServerSession>, message: &[u8]) {
        let time = RoomTime {
            now: self.now,
            ..RoomTime::default()
        };
        if let Err(error) = session.handle_message(message, time) {
            self.close_unseated(index, &error);
            return;
        }
        let Some(ServerEvent::Hello(hello)) = session.poll_event() else {
            self.players[index].server = ServerEnd::Greeting(session);
            return;
        };
        self.tokens += 1;
        let token = ResumeToken(u128::from(self.tokens).to_le_bytes());
        match self.room.handle_join(session, &hello, token, self.now) {
            Ok(seat) => {
                // Whoever held the seat on another connection has lost it.
                self.act_on_events();
                self.players[index].server = ServerEnd::Seated(seat);
                let mut welcome = Vec::new();
                if self
                    .room
                    .poll_transmit_bulk(seat, usize::MAX, self.now, &mut welcome)
                {
                    self.players[index]
                        .down
                        .send(self.now, Parcel::Message(welcome).wrap());
                }
            }
            Err(mut turned_away) => {
                let mut last = Vec::new();
                let time = self.room.time(self.now);
                turned_away
                    .session
                    .poll_transmit(Class::Control, usize::MAX, time, &mut last);
                self.say_last(index, last, turned_away.code, turned_away.reason);
            }
        }
        self.act_on_events();
    }

    fn close_unseated(&mut self, index: usize, error: &PeerError) {
        self.say_last(index, Vec::new(), CloseCode::from(error), error.to_string());
    }

    /// Sends the last message and the close frame of a connection.
    fn say_last(&mut self, index: usize, farewell: Vec<u8>, code: CloseCode, reason: String) {
        let player = &mut self.players[index];
        player.server = ServerEnd::Closed;
        if !farewell.is_empty() && player.down.is_writable() {
            player.down.send(self.now, Parcel::Message(farewell).wrap());
        }
        if player.down.is_writable() {
            player
                .down
                .send(self.now, Parcel::Close(code.number(), reason).wrap());
        }
    }

    fn act_on_events(&mut self) {
        while let Some(event) = self.room.poll_event() {
            match event {
                RoomEvent::Dismissed {
                    seat,
                    code,
                    reason,
                    farewell,
                    ..
                } => {
                    let index = self
                        .index_of(seat)
                        .expect("somebody sits where one is dismissed");
                    self.say_last(index, farewell, code, reason);
                }
                RoomEvent::SaidGoodbye { seat } => self.room.let_go(seat, self.now),
                RoomEvent::Seated { .. }
                | RoomEvent::Vacated
                | RoomEvent::Forgotten { .. }
                | RoomEvent::Stream { .. } => {}
            }
        }
    }

    fn index_of(&self, wanted: SeatIndex) -> Option<usize> {
        self.players
            .iter()
            .position(|player| matches!(player.server, ServerEnd::Seated(seat) if seat == wanted))
    }

    /// One tick of the room, and a message to everybody whose socket takes one.
    fn tick(&mut self) {
        let pace = self.room.tick(self.now, &Alone);
        let is_next = self.last_tick.is_none_or(|last| pace.tick == last.next());
        assert!(is_next, "tick {} after {:?}", pace.tick, self.last_tick);
        self.last_tick = Some(pace.tick);
        self.act_on_events();
        if !pace.skips_snapshots {
            self.truth
                .record(pace.tick, self.room.world(), self.room.replication());
        }
        for index in 0..self.players.len() {
            self.transmit(index);
        }
        self.check_bounds();
    }

    fn transmit(&mut self, index: usize) {
        let ServerEnd::Seated(seat) = self.players[index].server else {
            return;
        };
        if !self.players[index].down.is_writable() {
            return;
        }
        let before = self
            .room
            .traffic(seat)
            .map_or(0, |traffic| traffic.snapshot.out_bytes);
        let mut message = Vec::new();
        let sent = self.room.poll_transmit(seat, self.now, &mut message);
        if !sent.any {
            return;
        }
        let snapshot_bytes = self
            .room
            .traffic(seat)
            .map_or(0, |traffic| traffic.snapshot.out_bytes)
            - before;
        self.charge(index, snapshot_bytes);
        for byte in &message {
            self.sent_hash = (self.sent_hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
        let player = &mut self.players[index];
        if sent.snapshot
            && let Some(tamper) = player.tamper.take()
        {
            tamper(&mut message);
        }
        if !message.is_empty() {
            player.down.send(self.now, Parcel::Message(message).wrap());
        }
    }

    /// Bytes stay in budget: what was saved up, and at most one group beyond it.
    fn charge(&mut self, index: usize, snapshot_bytes: u64) {
        let Some(tick) = self.last_tick else { return };
        let per_second = self
            .setting
            .bytes_per_second
            .unwrap_or(SNAPSHOT_BYTES_PER_SECOND_MAX);
        let per_tick = u64::from(per_second) / TICK_RATE_HZ;
        let (debt, since) = &mut self.spent[index];
        let ticks = u64::try_from(tick.since(*since)).unwrap_or(0);
        *debt = debt.saturating_sub(per_tick * ticks) + snapshot_bytes;
        *since = tick;
        // One group may go beyond it, and without a grid that is everything.
        let group = ENTITY_BYTES_MAX * self.room.replication().stats().entities as u64;
        let allowed = per_tick * u64::from(BUDGET_BURST_FRAMES) + group;
        assert!(
            *debt <= allowed,
            "player {index} is {debt} bytes over its budget, {allowed} are a burst"
        );
    }

    /// Every queue within its limit.
    fn check_bounds(&self) {
        let stats = self.room.replication().stats();
        let baselines_max = stats.groups * BASELINES_PER_GROUP_MAX;
        assert!(
            stats.baselines <= baselines_max,
            "{} baselines for {} groups",
            stats.baselines,
            stats.groups
        );
        assert!(
            self.room.players() <= self.setting.players_max,
            "more players than places"
        );
    }

    fn check_player(&self, index: usize, is_under_budget: bool) {
        let player = &self.players[index];
        let (Some(view), Some(tick), Some(number)) =
            (player.client.newest(), player.newest, player.player)
        else {
            return;
        };
        check(
            &self.truth,
            &Held {
                player: number,
                view,
                tick,
                is_under_budget,
            },
        );
    }

    /// How a player stands in the room.
    #[must_use]
    pub fn seat_of(&self, index: usize) -> Option<SeatIndex> {
        match self.players[index].server {
            ServerEnd::Seated(seat) => Some(seat),
            _ => None,
        }
    }
}
