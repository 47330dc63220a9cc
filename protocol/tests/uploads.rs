//! Both ends of a session over a link with a rate and a delay: an upload fills it and does not stand in
//! front of inputs. On virtual time.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its body does")]

use std::collections::VecDeque;

use tickwire_protocol::{
    id::StreamId,
    limits::HANDSHAKE_MICROS_MAX,
    mux::{StreamEvent, Write},
    session::{
        ClientEvent, ClientSession, Hello, ResumeToken, ServerEvent, ServerSession, Welcome,
    },
    stream::{Class, StreamKind, StreamOptions},
    time::{Micros, RoomTime, Tick},
};

const STEP: Micros = Micros(250);

/// How often the server looks at a socket with bulk under way.
const PUMP: Micros = Micros::from_millis(2);

const TICK: Micros = Micros(33_333);

/// What a message has besides: WebSocket's header, and its part of the packets'.
fn on_the_link(bytes: usize) -> u64 {
    (bytes + 14 + bytes / 1448 * 52) as u64
}

/// One direction of a link: a rate, a queue without an end, and a delay.
struct Way {
    bytes_per_second: u64,
    delay: Micros,
    free: Micros,
    under_way: VecDeque<(Micros, Vec<u8>)>,
    carried: u64,
}

impl Way {
    fn new(bits_per_second: u64, delay: Micros) -> Self {
        Self {
            bytes_per_second: bits_per_second / 8,
            delay,
            free: Micros(0),
            under_way: VecDeque::new(),
            carried: 0,
        }
    }

    fn send(&mut self, message: Vec<u8>, now: Micros) {
        let bytes = on_the_link(message.len());
        self.carried += bytes;
        let takes = Micros(bytes * Micros::PER_SECOND / self.bytes_per_second);
        self.free = self.free.max(now) + takes;
        self.under_way.push_back((self.free + self.delay, message));
    }

    fn receive(&mut self, now: Micros) -> Option<Vec<u8>> {
        match self.under_way.front() {
            Some((at, _)) if *at <= now => self.under_way.pop_front().map(|(_, message)| message),
            _ => None,
        }
    }
}

struct Game {
    client: ClientSession,
    server: ServerSession,
    up: Way,
    down: Way,
    now: Micros,
    /// Which end sends the file, and on which stream.
    server_sends: bool,
    stream: Option<StreamId>,
    taken: u64,
    /// When each input was made, by its tick; and how old each was when the server had it.
    made: VecDeque<(Tick, Micros)>,
    ages: Vec<Micros>,
    next_tick: Tick,
}

impl Game {
    /// A session that is open, with a file under way that never ends.
    fn begin(bits_per_second: u64, rtt: Micros, server_sends: bool) -> Self {
        let one_way = Micros(rtt.0 / 2);
        let now = Micros(0);
        let mut game = Self {
            client: ClientSession::new(Hello::default(), 1, now),
            server: ServerSession::new(now),
            up: Way::new(bits_per_second, one_way),
            down: Way::new(bits_per_second, one_way),
            now,
            server_sends,
            stream: None,
            taken: 0,
            made: VecDeque::new(),
            ages: Vec::new(),
            next_tick: Tick(1),
        };
        while game.stream.is_none() {
            game.step();
            assert!(game.now < HANDSHAKE_MICROS_MAX, "the handshake went on");
        }
        game
    }

    fn run(&mut self, span: Micros) {
        let end = self.now + span;
        while self.now < end {
            self.step();
        }
    }

    /// Runs, and says what share of the sender's way was used and how old the oldest input or, where the
    /// server sends, how late the slowest message was.
    fn measure(&mut self, span: Micros) -> (f64, Micros) {
        let way = |game: &Self| {
            let way = if game.server_sends {
                &game.down
            } else {
                &game.up
            };
            (way.carried, way.bytes_per_second)
        };
        let (before, rate) = way(self);
        self.ages.clear();
        let taken = self.taken;
        self.run(span);
        assert!(self.taken > taken, "nothing has arrived");
        let used = (way(self).0 - before) as f64 / (rate as f64 * span.as_seconds());
        (used, self.ages.iter().copied().max().unwrap_or_default())
    }

    fn step(&mut self) {
        self.now = self.now + STEP;
        while let Some(message) = self.down.receive(self.now) {
            self.client.handle_message(&message, self.now).unwrap();
            self.on_client_events();
            self.client_sends();
        }
        if self.now.0 % TICK.0 < STEP.0 {
            self.next_tick = self.next_tick.next();
            if self.client.is_open() {
                let tick = self.next_tick + 2;
                self.client.push_input(tick, &[7; 8]).unwrap();
                self.made.push_back((tick, self.now));
            }
            self.client_sends();
        }
        if self.client.poll_timeout() <= self.now {
            self.client.handle_timeout(self.now).unwrap();
            self.client_sends();
        }
        if self.now.0 % PUMP.0 < STEP.0 {
            self.server_turn();
        }
    }

    fn on_client_events(&mut self) {
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Welcomed(_) if !self.server_sends => {
                    let options = StreamOptions::new(StreamKind::Bytes);
                    let streams = self.client.streams().unwrap();
                    self.stream = Some(streams.open(options, self.now).unwrap());
                }
                ClientEvent::Stream(StreamEvent::Opened(offer)) => {
                    let streams = self.client.streams().unwrap();
                    streams.accept(offer.id, self.now).unwrap();
                }
                ClientEvent::Stream(StreamEvent::Readable(id)) => {
                    let streams = self.client.streams().unwrap();
                    while let Some(chunk) = streams.read(id, self.now).unwrap() {
                        self.taken += chunk.bytes.len() as u64;
                    }
                }
                _ => {}
            }
        }
    }

    fn client_sends(&mut self) {
        let mut message = Vec::new();
        loop {
            if let (Some(id), false) = (self.stream, self.server_sends) {
                let streams = self.client.streams().unwrap();
                while streams.write(id, vec![1; 16_384].into(), self.now).unwrap() == Write::Taken {
                }
            }
            if !self.client.poll_transmit(60_000, self.now, &mut message) {
                return;
            }
            self.up.send(core::mem::take(&mut message), self.now);
        }
    }

    fn time(&self) -> RoomTime {
        RoomTime {
            now: self.now,
            next_tick: self.next_tick,
            next_tick_due: self.now,
        }
    }

    fn server_turn(&mut self) {
        while let Some(message) = self.up.receive(self.now) {
            self.server.handle_message(&message, self.time()).unwrap();
        }
        let mut input = Vec::new();
        while let Some(tick) = self.server.poll_input(self.next_tick + 32, &mut input) {
            while let Some((made_for, made)) = self.made.pop_front() {
                if made_for == tick {
                    self.ages.push(self.now.since(made));
                    break;
                }
            }
        }
        while let Some(event) = self.server.poll_event() {
            self.on_server_event(event);
        }
        let mut message = Vec::new();
        for _ in 0..8 {
            if let (Some(id), true) = (self.stream, self.server_sends) {
                let streams = self.server.streams().unwrap();
                while streams.write(id, vec![1; 16_384].into(), self.now).unwrap() == Write::Taken {
                }
            }
            let at = self.time();
            if !self
                .server
                .poll_transmit(Class::Bulk, 16_384, at, &mut message)
            {
                return;
            }
            self.down.send(core::mem::take(&mut message), self.now);
        }
    }

    fn on_server_event(&mut self, event: ServerEvent) {
        match event {
            ServerEvent::Hello(_) => {
                self.server.accept(welcome(self.time()), self.now).unwrap();
                if self.server_sends {
                    self.server.pace_by_marks();
                    let options = StreamOptions::new(StreamKind::Bytes);
                    let streams = self.server.streams().unwrap();
                    self.stream = Some(streams.open(options, self.now).unwrap());
                }
            }
            ServerEvent::Stream(StreamEvent::Opened(offer)) => {
                let streams = self.server.streams().unwrap();
                streams.accept(offer.id, self.now).unwrap();
            }
            ServerEvent::Stream(StreamEvent::Readable(id)) => {
                let streams = self.server.streams().unwrap();
                while let Some(chunk) = streams.read(id, self.now).unwrap() {
                    self.taken += chunk.bytes.len() as u64;
                }
            }
            _ => {}
        }
    }
}

fn welcome(time: RoomTime) -> Welcome {
    Welcome {
        session: tickwire_protocol::id::SessionId(1),
        player: tickwire_protocol::id::PlayerId(1),
        resume: ResumeToken([0; 16]),
        resumed: false,
        tick_rate_millihertz: 30_000,
        next_tick: time.next_tick,
        next_tick_due: time.next_tick_due,
        server_time: time.now,
        message_bytes_max: 65_536,
        silence_micros_max: Micros::from_millis(30_000),
        schema: None,
    }
}

const LINKS: [(u64, u64); 4] = [(5, 80), (20, 40), (100, 20), (20, 100)];

#[test]
fn an_upload_fills_its_link_and_inputs_do_not_wait_behind_it() {
    for (mbit, millis) in LINKS {
        let mut game = Game::begin(mbit * 1_000_000, Micros::from_millis(millis), false);
        let (_, start) = game.measure(Micros::from_millis(2000));
        let (used, age) = game.measure(Micros::from_millis(28_000));
        let name = format!("{mbit} Mbit/s, {millis} ms");
        let late = |age: Micros| age.since(Micros(millis * 500));
        println!("{name}: {used:.3} used, {start:?} at the start, {age:?} then");
        assert!(used >= 0.95, "{name}: {used} of the link");
        assert!(late(age).0 <= 10_000 + millis * 250, "{name}: {age:?}");
        assert!(late(start).0 <= 10_000 + millis * 1000, "{name}: {start:?}");
    }
}

#[test]
fn a_download_over_a_connection_without_a_kernel_to_ask_fills_its_link() {
    for (mbit, millis) in LINKS {
        let mut game = Game::begin(mbit * 1_000_000, Micros::from_millis(millis), true);
        game.run(Micros::from_millis(2000));
        let (used, _) = game.measure(Micros::from_millis(8000));
        let queue = game.down.free.since(game.now);
        let name = format!("{mbit} Mbit/s, {millis} ms");
        println!("{name}: {used:.3} used, {queue:?} queued");
        assert!(used >= 0.95, "{name}: {used} of the link");
        assert!(queue.0 <= 10_000 + millis * 100, "{name}: {queue:?}");
    }
}

#[test]
fn an_upload_follows_a_link_that_changes() {
    let mut game = Game::begin(20_000_000, Micros::from_millis(40), false);
    game.run(Micros::from_millis(3000));
    game.up.bytes_per_second /= 4;
    game.run(Micros::from_millis(4000));
    let (used, age) = game.measure(Micros::from_millis(4000));
    assert!(used >= 0.95 && age <= Micros(45_000), "{used} {age:?}");
    game.up.bytes_per_second *= 4;
    game.run(Micros::from_millis(4000));
    let (used, age) = game.measure(Micros::from_millis(4000));
    assert!(used >= 0.95 && age <= Micros(40_000), "{used} {age:?}");
    // A longer way is at first taken for a queue.
    game.up.delay = Micros::from_millis(40);
    game.run(Micros::from_millis(45_000));
    let (used, age) = game.measure(Micros::from_millis(4000));
    assert!(used >= 0.9 && age <= Micros(60_000), "{used} {age:?}");
}
