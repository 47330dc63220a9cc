//! A room and a client on virtual time, with a link between them that delays, jitters, stalls and cuts.
//!
//! The room is the protocol's own server end around a world of two entities; every tick it sends them
//! whole. What is tested is the client, so the room does nothing clever.

#![expect(
    clippy::unwrap_used,
    reason = "a room that cannot go on has failed its test"
)]

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tickwire_client::{Client, ClientEvent, Config, Predict, View};
use tickwire_protocol::{
    delta::{Encoder, GroupState},
    entropy::Codebook,
    event::{self, GameEvent},
    id::{NetworkId, PlayerId, SessionId},
    mux::StreamEvent,
    replicate::{Replicate, SameIds, decode_value},
    schema::{EventDirection, EventSchema, Schema},
    session::{Hello, ResumeToken, ServerEvent, ServerSession, Welcome},
    snapshot::{GroupId, Preamble, encode_dropped, encode_section_front},
    stream::Class,
    time::{Micros, RoomTime, Tick},
};

pub(crate) const TICK: u64 = 50_000;
pub(crate) const FRAME: u64 = 16_667;
pub(crate) const OWN: NetworkId = NetworkId(7);
pub(crate) const OTHER: NetworkId = NetworkId(3);

#[derive(Replicate, Clone, Copy, Debug, PartialEq)]
pub(crate) struct Position {
    #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
    pub(crate) x: f32,
}

#[derive(Replicate, Clone, Debug, PartialEq)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) score: u16,
}

#[derive(Replicate, Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Steer {
    #[wire(range(-1.0, 1.0), step = 0.125)]
    pub(crate) right: f32,
    pub(crate) fires: bool,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct Chat {
    pub(crate) text: String,
}

impl GameEvent for Chat {
    const NAME: &'static str = "chat";
}

pub(crate) fn schema() -> Schema {
    let mut schema = Schema::new();
    schema.add_component(Position::schema()).unwrap();
    schema.add_component(Named::schema()).unwrap();
    schema.set_input(Steer::schema()).unwrap();
    schema
        .add_event(EventSchema {
            name: Chat::NAME.into(),
            direction: EventDirection::Both,
        })
        .unwrap();
    schema
}

/// Units per tick at full steering.
pub(crate) const SPEED: f32 = 8.0;

pub(crate) fn step(x: &mut f32, steer: Steer) {
    *x = (*x + steer.right * SPEED).clamp(0.0, 4000.0);
}

/// The rules of the room, for the client.
#[derive(Debug)]
pub(crate) struct Rules;

impl Predict for Rules {
    type Input = Steer;
    type State = f32;

    fn own(&self, view: &View<'_>) -> Option<f32> {
        Some(view.get::<Position>(view.own()?)?.x)
    }

    fn step(&self, x: &mut f32, steer: &Steer, _: &View<'_>) {
        step(x, *steer);
    }

    fn mix(&self, from: &f32, to: &f32, fraction: f32) -> f32 {
        from + (to - from) * fraction
    }

    fn is_jump(&self, from: &f32, to: &f32) -> bool {
        (to - from).abs() > 500.0
    }
}

/// The server's end: one player, two entities.
pub(crate) struct Room {
    pub(crate) schema: Arc<Schema>,
    pub(crate) next_tick: Tick,
    due: u64,
    pub(crate) session: Option<ServerSession>,
    pub(crate) own_x: f32,
    pub(crate) other_x: f32,
    pub(crate) steer: Steer,
    /// The tick each input was stamped for, and the tick it was applied at.
    pub(crate) applied: Vec<(Tick, Tick)>,
    pub(crate) hellos: Vec<Hello>,
    pub(crate) events: Vec<Bytes>,
    pub(crate) streams: Vec<StreamEvent>,
    pub(crate) other_is_there: bool,
    wants_checksum: bool,
    input: Option<Tick>,
    sent: Option<Tick>,
    encoder: Encoder,
    codebook: Codebook,
}

impl Room {
    pub(crate) fn new(schema: Schema) -> Self {
        Self {
            codebook: Codebook::initial(&schema),
            schema: Arc::new(schema),
            next_tick: Tick(u32::MAX - 50),
            due: 0,
            session: None,
            own_x: 1000.0,
            other_x: 0.0,
            steer: Steer::default(),
            applied: vec![],
            hellos: vec![],
            events: vec![],
            streams: vec![],
            other_is_there: true,
            wants_checksum: false,
            input: None,
            sent: None,
            encoder: Encoder::new(),
        }
    }

    pub(crate) fn time(&self, now: u64) -> RoomTime {
        RoomTime {
            now: Micros(now),
            next_tick: self.next_tick,
            next_tick_due: Micros(self.due),
        }
    }

    /// Does nothing for so many micros, and slows its clock by them.
    pub(crate) fn stand_still(&mut self, micros: u64) {
        self.due += micros;
    }

    pub(crate) fn connect(&mut self, now: u64) {
        self.session = Some(ServerSession::new(Micros(now)));
        self.sent = None;
    }

    pub(crate) fn handle_message(&mut self, message: &[u8], now: u64) {
        let time = self.time(now);
        let Some(session) = &mut self.session else {
            return;
        };
        session.handle_message(message, time).unwrap();
        while let Some(event) = session.poll_event() {
            match event {
                ServerEvent::Hello(hello) => {
                    let known = hello.schema_hash == self.schema.hash();
                    let welcome = Welcome {
                        session: SessionId(1),
                        player: PlayerId(5),
                        resume: ResumeToken([9; 16]),
                        resumed: hello.resume == Some(ResumeToken([9; 16])),
                        tick_rate_millihertz: 20_000,
                        next_tick: time.next_tick,
                        next_tick_due: time.next_tick_due,
                        server_time: time.now,
                        message_bytes_max: 65_536,
                        silence_micros_max: Micros::from_millis(30_000),
                        schema: (!known).then(|| {
                            let mut bytes = vec![];
                            self.schema.encode(&mut bytes);
                            bytes.into()
                        }),
                    };
                    session.accept(welcome, time.now).unwrap();
                    self.hellos.push(*hello);
                }
                ServerEvent::Event(bytes) => self.events.push(bytes),
                ServerEvent::Stream(event) => self.streams.push(event),
                ServerEvent::Verify => self.wants_checksum = true,
                ServerEvent::Goodbye(_) => {}
            }
        }
    }

    /// Steps as soon as it is due, and gives the messages for the player.
    pub(crate) fn tick(&mut self, now: u64) -> Vec<Vec<u8>> {
        if now < self.due {
            return vec![];
        }
        let tick = self.next_tick;
        let mut bytes = vec![];
        if let Some(session) = &mut self.session {
            while let Some(stamp) = session.poll_input(tick, &mut bytes) {
                self.steer = decode_value(&bytes).unwrap();
                self.applied.push((stamp, tick));
                self.input = Some(stamp);
            }
        }
        step(&mut self.own_x, self.steer);
        self.other_x = (self.other_x + 4.0) % 4000.0;
        self.next_tick = tick.next();
        self.due += TICK;
        self.messages(tick, now)
    }

    fn messages(&mut self, tick: Tick, now: u64) -> Vec<Vec<u8>> {
        let time = self.time(now);
        let state = self.state();
        let Some(session) = &mut self.session else {
            return vec![];
        };
        let mut message = vec![];
        session.poll_transmit(Class::Bulk, 64 * 1024, time, &mut message);
        if session.is_open() {
            session.begin_snapshot(&mut message);
            let checksum = core::mem::take(&mut self.wants_checksum)
                .then(|| tickwire_protocol::snapshot::group_checksum(GroupId(0), &state));
            let preamble = Preamble {
                ticks: tick.0.wrapping_sub(self.sent.unwrap_or_default().0),
                input: self.input,
                input_margin_ticks: session.take_input_margin_ticks(),
                own_entity: Some(Some(OWN)),
                checksum,
                ..Preamble::default()
            };
            preamble.encode(tick, &mut message);
            encode_dropped(&[], &mut message);
            encode_section_front(GroupId(0), None, &mut message);
            self.encoder
                .encode(&self.schema, &self.codebook, None, &state, &mut message);
            self.sent = Some(tick);
        }
        if message.is_empty() {
            vec![]
        } else {
            vec![message]
        }
    }

    pub(crate) fn state(&self) -> GroupState {
        let mut state = GroupState::new();
        let position = self.schema.component("Position").unwrap();
        let named = self.schema.component("Named").unwrap();
        if self.other_is_there {
            let table = state.table_mut(&self.schema, 1 << position.0);
            let row = table.push(OTHER);
            let x = Position { x: self.other_x };
            x.quantise(table.writer(position, &SameIds).unwrap().at(row));
        }
        let table = state.table_mut(&self.schema, 1 << position.0 | 1 << named.0);
        let row = table.push(OWN);
        Position { x: self.own_x }.quantise(table.writer(position, &SameIds).unwrap().at(row));
        let name = Named {
            name: "Ann".into(),
            score: 12,
        };
        name.quantise(table.writer(named, &SameIds).unwrap().at(row));
        state
    }

    /// Accepts the streams that the client has offered since the last time.
    pub(crate) fn accept_streams(&mut self, now: u64) {
        for event in core::mem::take(&mut self.streams) {
            if let StreamEvent::Opened(offer) = event {
                let streams = self.session.as_mut().unwrap().streams().unwrap();
                streams.accept(offer.id, Micros(now)).unwrap();
            }
        }
    }

    pub(crate) fn send_event(&mut self, chat: &Chat) {
        let mut bytes = vec![];
        event::encode(0, chat, &mut bytes);
        self.session.as_mut().unwrap().send_event(&bytes).unwrap();
    }
}

/// One direction: messages with the time they arrive, in order.
#[derive(Default)]
pub(crate) struct Pipe {
    under_way: VecDeque<(u64, Vec<u8>)>,
}

impl Pipe {
    fn send(&mut self, message: Vec<u8>, arrives: u64) {
        let last = self.under_way.back().map_or(0, |&(at, _)| at);
        self.under_way.push_back((arrives.max(last), message));
    }

    fn receive(&mut self, now: u64) -> Option<Vec<u8>> {
        let is_here = self.under_way.front().is_some_and(|&(at, _)| at <= now);
        if is_here {
            self.under_way.pop_front().map(|(_, message)| message)
        } else {
            None
        }
    }
}

/// A client, a room and the link between them.
pub(crate) struct Play {
    pub(crate) now: u64,
    pub(crate) room: Room,
    pub(crate) client: Client,
    pub(crate) up: Pipe,
    pub(crate) down: Pipe,
    /// One way, in micros, at a given time.
    pub(crate) delay: Box<dyn Fn(u64) -> u64>,
    pub(crate) events: Vec<ClientEvent>,
    pub(crate) is_cut: bool,
    connected: bool,
    next_frame: u64,
}

impl Play {
    pub(crate) fn new(config: Config, delay: impl Fn(u64) -> u64 + 'static) -> Self {
        Self {
            now: 0,
            room: Room::new(schema()),
            client: Client::new(config),
            up: Pipe::default(),
            down: Pipe::default(),
            delay: Box::new(delay),
            events: vec![],
            is_cut: false,
            connected: false,
            next_frame: 0,
        }
    }

    /// The link is gone without a word, for both ends.
    pub(crate) fn cut(&mut self, code: u16, reason: &str) {
        self.connected = false;
        self.up = Pipe::default();
        self.down = Pipe::default();
        self.room.session = None;
        self.client.handle_close(code, reason, Micros(self.now));
    }

    /// Runs for so many micros; calls `each_frame` after the client's work of each frame.
    pub(crate) fn run(
        &mut self,
        micros: u64,
        mut each_frame: impl FnMut(&mut Client, &mut Room, u64),
    ) {
        let end = self.now + micros;
        while self.now < end {
            self.now += 1_000;
            let now = self.now;
            while let Some(message) = self.up.receive(now) {
                self.room.handle_message(&message, now);
            }
            for message in self.room.tick(now) {
                let arrives = now + (self.delay)(now);
                self.down.send(message, arrives);
            }
            while let Some(message) = self.down.receive(now) {
                self.client.handle_message(&message, Micros(now)).unwrap();
                self.drain();
            }
            if now >= self.next_frame {
                self.next_frame = now + FRAME;
                // A client that gave its server up says so by its events.
                let _ = self.client.handle_frame(Micros(now));
                self.drain();
                each_frame(&mut self.client, &mut self.room, now);
            }
        }
    }

    fn drain(&mut self) {
        let now = Micros(self.now);
        if self.client.poll_connect(now) && !self.is_cut {
            self.connected = true;
            self.room.connect(self.now);
            self.client.handle_open(now);
        }
        let mut message = vec![];
        while self.connected && self.client.poll_message(16 * 1024, now, &mut message) {
            let arrives = self.now + (self.delay)(self.now);
            self.up.send(core::mem::take(&mut message), arrives);
        }
        while let Some(event) = self.client.poll_event() {
            self.events.push(event);
        }
    }
}
