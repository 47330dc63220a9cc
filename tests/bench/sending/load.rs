//! The players: one thread, as light as it can be, the same for every server under test.
//!
//! Towards Tickwire each player runs the real client session without a replica: it shakes hands, keeps
//! the clock, stamps its inputs with ticks. Towards the floor and axum it sends inputs of the same size.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use tickwire_protocol::{
    limits::SERVER_MESSAGE_BYTES_MAX,
    session::{ClientSession, Hello},
    time::Micros,
    websocket::{Item, Opcode, Reader, Role, Writer},
};

use crate::{
    handshake,
    plan::{Plan, System},
};

/// What an input of the raw load weighs: a frame head, a tick and a few quantised fields.
const RAW_INPUT: [u8; 8] = [0x5a; 8];

/// What the players saw while it counted.
#[derive(Default, Debug)]
pub(crate) struct Seen {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    intervals_us: Vec<u32>,
}

impl Seen {
    /// The 99th percentile of the time between two messages to one player, in ms.
    pub(crate) fn interval_p99_ms(&mut self) -> f64 {
        self.intervals_us.sort_unstable();
        let index = self.intervals_us.len() * 99 / 100;
        self.intervals_us
            .get(index)
            .map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    }
}

struct Player {
    stream: TcpStream,
    reader: Reader,
    writer: Writer,
    /// None towards the floor and axum.
    session: Option<ClientSession>,
    last_message: Option<Instant>,
}

impl Player {
    /// Sends what its session has to say, if it has one.
    fn say(&mut self, now: Micros, out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        let begun = self.writer.begin(out);
        if session.poll_transmit(usize::MAX, now, out) {
            self.writer.finish(begun, Opcode::Binary, out);
        } else {
            self.writer.abandon(begun, out);
        }
        self.stream.write_all(out)
    }
}

/// Connects all players, tells the parent, plays for the plan's seconds, and reports what was seen.
pub(crate) fn run(plan: &Plan, address: SocketAddr, start: Instant) -> io::Result<Seen> {
    let mut load = Load::connect(plan, address, start)?;
    println!("ready");
    // A second for caches and windows, then what counts, then a second so that the parent samples first.
    load.play(Duration::from_secs(1))?;
    load.seen = Some(Seen::default());
    load.play(Duration::from_secs(u64::from(plan.seconds)))?;
    let seen = load.seen.take().unwrap_or_default();
    load.play(Duration::from_secs(1))?;
    Ok(seen)
}

struct Load {
    poll: Poll,
    players: Vec<Player>,
    input_period: Duration,
    start: Instant,
    scratch: Vec<u8>,
    out: Vec<u8>,
    seen: Option<Seen>,
}

impl Load {
    fn connect(plan: &Plan, address: SocketAddr, start: Instant) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut players: Vec<Player> = Vec::with_capacity(plan.players);
        let mut out = Vec::new();
        for index in 0..plan.players {
            let mut stream = std::net::TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            handshake::connect(&mut stream, "/play")?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry()
                .register(&mut stream, Token(index), Interest::READABLE)?;
            let now = Micros::from(start.elapsed());
            let session = (plan.system == System::Tickwire)
                .then(|| ClientSession::new(hello(index, plan), index as u64, now));
            players.push(Player {
                stream,
                reader: Reader::new(Role::Client, SERVER_MESSAGE_BYTES_MAX),
                writer: Writer::client(index as u64),
                session,
                last_message: None,
            });
            // Its hello goes at once: a server bounds connections that have not said it.
            players[index].say(now, &mut out)?;
        }
        let input_period = Duration::from_secs(1) / plan.input_hz;
        Ok(Self {
            poll,
            players,
            input_period,
            start,
            scratch: vec![0; 64 * 1024],
            out,
            seen: None,
        })
    }

    /// Sends every player's input once a period, spread over it, and reads what comes.
    fn play(&mut self, time: Duration) -> io::Result<()> {
        const SLICES: usize = 8;
        let mut events = Events::with_capacity(self.players.len().max(64));
        let begin = Instant::now();
        for slice in 0usize.. {
            let due = begin + self.input_period * slice as u32 / SLICES as u32;
            // Once at least: a thread that cannot keep up with sending reads all the same.
            loop {
                let wait = due.saturating_duration_since(Instant::now());
                self.poll.poll(&mut events, Some(wait))?;
                for event in &events {
                    self.read(event.token().0)?;
                }
                if Instant::now() >= due {
                    break;
                }
            }
            if begin.elapsed() >= time {
                return Ok(());
            }
            for index in (slice % SLICES..self.players.len()).step_by(SLICES) {
                self.send_input(index)?;
            }
        }
        Ok(())
    }

    fn send_input(&mut self, index: usize) -> io::Result<()> {
        let player = &mut self.players[index];
        let now = Micros::from(self.start.elapsed());
        match &mut player.session {
            None => {
                self.out.clear();
                player
                    .writer
                    .message(Opcode::Binary, &RAW_INPUT, &mut self.out);
                player.stream.write_all(&self.out)
            }
            Some(session) => {
                if session.is_open() {
                    // On loopback an input is there before the tick after next.
                    let tick = session.clock().server_tick(now).tick + 2;
                    session
                        .push_input(tick, &[0; 4])
                        .map_err(io::Error::other)?;
                }
                player.say(now, &mut self.out)
            }
        }
    }

    fn read(&mut self, index: usize) -> io::Result<()> {
        let player = &mut self.players[index];
        loop {
            let len = match player.stream.read(&mut self.scratch) {
                Ok(0) => {
                    return Err(io::Error::new(
                        ErrorKind::UnexpectedEof,
                        "the server hung up",
                    ));
                }
                Ok(len) => len,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            };
            let now = Instant::now();
            let mut bytes = &mut self.scratch[..len];
            while let Some(item) = player.reader.read(&mut bytes).map_err(io::Error::other)? {
                let Item::Binary(message) = item else {
                    continue;
                };
                if let Some(session) = &mut player.session {
                    let micros = Micros::from(self.start.elapsed());
                    let snapshot = session
                        .handle_message(message, micros)
                        .map_err(io::Error::other)?;
                    if snapshot.is_none() {
                        continue;
                    }
                }
                if let Some(seen) = &mut self.seen {
                    seen.messages += 1;
                    seen.bytes += message.len() as u64;
                    if let Some(last) = player.last_message {
                        seen.intervals_us.push((now - last).as_micros() as u32);
                    }
                }
                player.last_message = Some(now);
            }
            if len < self.scratch.len() {
                return Ok(());
            }
        }
    }
}

fn hello(index: usize, plan: &Plan) -> Hello {
    Hello {
        name: format!("load-{index}"),
        room: format!("room-{}", index % plan.rooms),
        ..Hello::default()
    }
}
