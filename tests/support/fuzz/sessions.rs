//! Bodies for the two session machines: honest ones that do anything in any order, and each against a
//! peer that sends whatever it likes.

use std::collections::VecDeque;

use tickwire_protocol::{
    error::CloseCode,
    id::{PlayerId, SessionId},
    limits::{CLIENT_MESSAGE_BYTES_MAX, SILENCE_MICROS_MAX},
    session::{
        ClientEvent, ClientSession, Hello, ResumeToken, ServerEvent, ServerSession, Welcome,
    },
    stream::Class,
    time::{Micros, RoomTime, Tick},
};

use super::{Target, choices::Choices};

/// Every session body.
pub const TARGETS: [Target; 3] = [
    Target {
        name: "honest_sessions",
        examples: operations,
        body: honest,
        memory_per_byte: 512,
        memory_fixed: 1 << 20,
    },
    Target {
        name: "hostile_client",
        examples: client_messages,
        body: hostile_client,
        memory_per_byte: 64,
        memory_fixed: 64 * 1024,
    },
    Target {
        name: "hostile_server",
        examples: server_messages,
        body: hostile_server,
        memory_per_byte: 64,
        memory_fixed: 64 * 1024,
    },
];

/// Which end sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The client did.
    Client,
    /// The server did.
    Server,
}

const TICK_MICROS: u64 = 50_000;

/// Both ends of one connection, and what is under way between them.
struct Pair {
    client: ClientSession,
    server: ServerSession,
    up: VecDeque<Vec<u8>>,
    down: VecDeque<Vec<u8>>,
    now: Micros,
    is_client_in: bool,
    events_sent: [VecDeque<Vec<u8>>; 2],
    inputs_sent: VecDeque<(Tick, Vec<u8>)>,
    /// An end has said goodbye: what was still on its way to it is not read any more.
    is_closing: bool,
    is_over: bool,
}

impl Pair {
    fn new() -> Self {
        let now = Micros(1_000_000);
        let hello = Hello {
            name: "Ann".into(),
            ..Hello::default()
        };
        Self {
            client: ClientSession::new(hello, 1, now),
            server: ServerSession::new(now),
            up: VecDeque::new(),
            down: VecDeque::new(),
            now,
            is_client_in: false,
            events_sent: [VecDeque::new(), VecDeque::new()],
            inputs_sent: VecDeque::new(),
            is_closing: false,
            is_over: false,
        }
    }

    fn at(&self) -> RoomTime {
        let next_tick = Tick((self.now.0 / TICK_MICROS) as u32 + 1);
        let next_tick_due = Micros(u64::from(next_tick.0) * TICK_MICROS);
        RoomTime {
            now: self.now,
            next_tick,
            next_tick_due,
        }
    }

    fn send_up(&mut self) {
        let mut message = Vec::new();
        while self
            .client
            .poll_transmit(usize::MAX, self.now, &mut message)
        {
            assert!(
                message.len() <= CLIENT_MESSAGE_BYTES_MAX,
                "a client's message of {} bytes",
                message.len()
            );
            self.up.push_back(std::mem::take(&mut message));
        }
    }

    fn send_down(&mut self, with_snapshot: bool) {
        let mut message = Vec::new();
        self.server
            .poll_transmit(Class::Bulk, 16 * 1024, self.at(), &mut message);
        if with_snapshot && self.server.is_open() {
            self.server.begin_snapshot(&mut message);
            message.extend_from_slice(b"snapshot");
            self.server.end_snapshot(8);
        }
        if !message.is_empty() {
            self.down.push_back(message);
        }
    }

    fn deliver_up(&mut self) {
        let Some(message) = self.up.pop_front() else {
            return;
        };
        self.server
            .handle_message(&message, self.at())
            .expect("an honest client is never wrong");
        while let Some(event) = self.server.poll_event() {
            match event {
                ServerEvent::Hello(hello) => {
                    assert_eq!(hello.name, "Ann");
                    let welcome = welcome(self.at());
                    let answered = self.server.accept(welcome, self.now);
                    assert!(
                        answered.is_ok() || self.is_closing,
                        "it asked: {answered:?}"
                    );
                }
                ServerEvent::Event(bytes) => {
                    assert_eq!(self.events_sent[0].pop_front().as_deref(), Some(&bytes[..]));
                }
                ServerEvent::Goodbye(_) => self.is_over = true,
                ServerEvent::Stream(_) | ServerEvent::Verify => {}
            }
        }
    }

    fn deliver_down(&mut self) {
        let Some(message) = self.down.pop_front() else {
            return;
        };
        let snapshot = self
            .client
            .handle_message(&message, self.now)
            .expect("an honest server is never wrong");
        assert!(snapshot.is_none_or(|snapshot| snapshot == b"snapshot"));
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Welcomed(_) => self.is_client_in = true,
                ClientEvent::Event(bytes) => {
                    assert_eq!(self.events_sent[1].pop_front().as_deref(), Some(&bytes[..]));
                }
                ClientEvent::Goodbye(_) => self.is_over = true,
                ClientEvent::Refused(_) => panic!("nobody refused"),
                ClientEvent::Stream(_) => {}
            }
        }
    }

    fn press(&mut self, input: &[u8], ahead: u32) {
        if !self.client.is_open() {
            return;
        }
        let tick = self.at().next_tick + ahead;
        let is_newer = self
            .inputs_sent
            .back()
            .is_none_or(|(last, _)| tick.is_after(*last));
        if is_newer && self.client.push_input(tick, input).is_ok() {
            self.inputs_sent.push_back((tick, input.to_vec()));
        }
    }

    /// The room steps: every input it takes is one that was pressed, for that tick.
    fn step(&mut self) {
        let mut out = Vec::new();
        while let Some(tick) = self.server.poll_input(self.at().next_tick, &mut out) {
            while self
                .inputs_sent
                .front()
                .is_some_and(|(sent, _)| tick.is_after(*sent))
            {
                self.inputs_sent.pop_front();
            }
            let pressed = self.inputs_sent.pop_front();
            assert_eq!(
                pressed.as_ref().map(|(sent, input)| (*sent, &input[..])),
                Some((tick, &out[..]))
            );
        }
        self.now = Micros(self.now.0 + TICK_MICROS);
    }

    fn send_event(&mut self, sender: Sender, event: &[u8]) {
        let (is_taken, sent) = match sender {
            Sender::Client => (
                self.client.send_event(event).is_ok(),
                &mut self.events_sent[0],
            ),
            Sender::Server => (
                self.server.send_event(event).is_ok(),
                &mut self.events_sent[1],
            ),
        };
        if is_taken {
            sent.push_back(event.to_vec());
        }
    }

    fn close(&mut self, sender: Sender) {
        self.is_closing = true;
        match sender {
            Sender::Client => self.client.close(CloseCode::Normal, "enough"),
            Sender::Server => self.server.close(CloseCode::GoingAway, "shutting down"),
        }
    }

    /// Delivers everything, until both ends are quiet.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.send_up();
            self.send_down(false);
            if self.up.is_empty() && self.down.is_empty() {
                return;
            }
            self.deliver_up();
            self.deliver_down();
        }
        panic!("two ends that never grow quiet");
    }
}

fn welcome(at: RoomTime) -> Welcome {
    Welcome {
        session: SessionId(1),
        player: PlayerId(1),
        resume: ResumeToken([7; 16]),
        resumed: false,
        tick_rate_millihertz: 20_000,
        next_tick: at.next_tick,
        next_tick_due: at.next_tick_due,
        server_time: at.now,
        message_bytes_max: CLIENT_MESSAGE_BYTES_MAX as u32,
        silence_micros_max: SILENCE_MICROS_MAX,
        schema: None,
    }
}

fn run(bytes: &[u8]) -> Pair {
    let mut choices = Choices::new(bytes);
    let mut pair = Pair::new();
    while !choices.is_empty() && !pair.is_over {
        match choices.byte() % 10 {
            0 => pair.send_up(),
            1 => pair.send_down(choices.coin()),
            2 => pair.deliver_up(),
            3 => pair.deliver_down(),
            4 => {
                let ahead = choices.below(16) as u32;
                pair.press(choices.bytes(24), ahead);
            }
            5 => pair.step(),
            6 => pair.send_event(Sender::Client, choices.bytes(200)),
            7 => pair.send_event(Sender::Server, choices.bytes(200)),
            8 => drop(pair.client.send_verify()),
            _ => match choices.byte() {
                0 => pair.close(Sender::Client),
                1 => pair.close(Sender::Server),
                _ => pair.settle(),
            },
        }
    }
    pair
}

/// Two honest ends, whatever they do in whatever order: nobody is accused, events arrive once and in
/// order, inputs keep their ticks, and when everything is delivered both are quiet.
fn honest(bytes: &[u8]) {
    let mut pair = run(bytes);
    if pair.is_over {
        return;
    }
    pair.settle();
    if !pair.is_closing {
        assert!(
            pair.events_sent.iter().all(VecDeque::is_empty),
            "an event was lost"
        );
    }
}

fn operations() -> Vec<Vec<u8>> {
    let play = [
        9, 9, 4, 1, 0, 3, 0, 1, 2, 3, 0, 2, 5, 1, 1, 3, 6, 5, 0, 1, 2, 3, 4, 5, 0, 2, 7, 2, 0, 9,
        9, 1, 0, 3,
    ];
    vec![play.repeat(4), [&[9, 9][..], &play, &[9, 1, 9, 9]].concat()]
}

/// Every message of an honest game of so many ticks, and who sent it.
#[must_use]
pub fn transcript(ticks: u32) -> Vec<(Sender, Vec<u8>)> {
    let mut pair = Pair::new();
    let mut messages = Vec::new();
    for tick in 0..ticks {
        pair.press(&[tick as u8, 2, 3], 2);
        if tick % 7 == 3 {
            pair.send_event(Sender::Client, b"\x00\x81\xa4text\xa2hi");
            pair.send_event(Sender::Server, b"\x00\x81\xa4text\xa2ho");
        }
        pair.send_up();
        pair.send_down(true);
        messages.extend(
            pair.up
                .iter()
                .map(|message| (Sender::Client, message.clone())),
        );
        messages.extend(
            pair.down
                .iter()
                .map(|message| (Sender::Server, message.clone())),
        );
        while !pair.up.is_empty() || !pair.down.is_empty() {
            pair.deliver_up();
            pair.deliver_down();
        }
        pair.step();
    }
    messages
}

/// One end's messages as a fuzz case: each after its length.
fn pack(of: Sender) -> Vec<Vec<u8>> {
    let messages: Vec<_> = transcript(30)
        .into_iter()
        .filter(|(sender, _)| *sender == of)
        .map(|(_, message)| message)
        .collect();
    let packed = |messages: &[Vec<u8>]| {
        messages.iter().fold(Vec::new(), |mut bytes, message| {
            bytes.extend_from_slice(&(message.len() as u16).to_le_bytes());
            bytes.extend_from_slice(message);
            bytes
        })
    };
    (1..messages.len())
        .map(|count| packed(&messages[..count]))
        .collect()
}

fn client_messages() -> Vec<Vec<u8>> {
    pack(Sender::Client)
}

fn server_messages() -> Vec<Vec<u8>> {
    pack(Sender::Server)
}

/// A server's session survives any client, and tells it off at once.
fn hostile_client(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut pair = Pair::new();
    let mut out = Vec::new();
    while !choices.is_empty() {
        let message = choices.bytes(usize::from(u16::MAX) - 1);
        if let Err(error) = pair.server.handle_message(message, pair.at()) {
            assert!(
                CloseCode::from(&error).number() >= 1002,
                "a fault without a code of its own"
            );
            return;
        }
        while let Some(event) = pair.server.poll_event() {
            if matches!(event, ServerEvent::Hello(_)) {
                let welcome = welcome(pair.at());
                pair.server.accept(welcome, pair.now).expect("it asked");
            }
        }
        pair.step_freely();
        pair.server
            .poll_transmit(Class::Bulk, 16 * 1024, pair.at(), &mut out);
        out.clear();
    }
}

/// A client's session survives any server.
fn hostile_server(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut pair = Pair::new();
    let mut out = Vec::new();
    while !choices.is_empty() {
        let message = choices.bytes(usize::from(u16::MAX) - 1);
        if pair.client.handle_message(message, pair.now).is_err() {
            return;
        }
        while pair.client.poll_event().is_some() {}
        pair.now = Micros(pair.now.0 + TICK_MICROS);
        pair.client.poll_transmit(usize::MAX, pair.now, &mut out);
        out.clear();
        let clock = pair.client.clock();
        let moment = clock.server_tick(pair.now);
        assert!(
            (0.0..=1.0).contains(&moment.fraction),
            "a tick of which {} has passed",
            moment.fraction
        );
    }
}

impl Pair {
    /// The room steps and takes whatever inputs there are.
    fn step_freely(&mut self) {
        let mut out = Vec::new();
        while self
            .server
            .poll_input(self.at().next_tick, &mut out)
            .is_some()
        {}
        self.now = Micros(self.now.0 + TICK_MICROS);
    }
}
