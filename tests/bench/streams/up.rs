//! The other direction: what an upload costs the inputs beside it.
//!
//! Both ends read the same clock. The player notes when it made an input and where that ends among its bytes, and
//! the link when they had arrived: the tick that takes it comes when it comes.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use tickwire_protocol::{
    id::StreamId,
    limits::SERVER_MESSAGE_BYTES_MAX,
    mux::{self, StreamEvent},
    replicate::encode_value,
    session::{ClientEvent, ClientSession, Hello},
    tcp::Kernel,
    time::{Micros, Tick},
    websocket::{self, Item, Opcode, Role},
};
use tickwire_server::prelude::*;

use crate::{
    INPUT_HZ, Input, Seen, asset_bytes, clock_micros,
    player::{Joined, join},
};

/// A tick for each input, and one between.
const TICK_HZ: u32 = 2 * INPUT_HZ;

/// Bytes that may wait in front of the socket, as in the browser's shell and in the native one.
const UNSENT_BYTES_MAX: usize = 32 * 1024;
const UNSENT_BYTES_MAX_NATIVE: u64 = 64 * 1024;

/// How often the kernel is asked at most, as by the native shell.
const SAMPLE_PERIOD: Micros = Micros::from_millis(1);

/// What a player presses.
#[derive(Replicate, Clone, Copy, Default)]
struct Pressed {
    number: u32,
}

fn game() -> Game {
    Game::new("inputs")
        .tick_rate_hz(TICK_HZ)
        .input::<Pressed>()
        .on_join(|world, _| world.spawn_empty().id())
}

/// Takes uploads, and answers each with how fast it came.
pub(crate) fn serve(address: SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::new(game)
        .workers(1)
        .on_stream(async |offer: Incoming| {
            let mut stream = offer.accept();
            let mut begun = None;
            let mut bytes = 0;
            while let Ok(Some(chunk)) = stream.receive().await {
                begun.get_or_insert_with(Instant::now);
                bytes += chunk.len();
            }
            let seconds = begun.map_or(f64::NAN, |at| at.elapsed().as_secs_f64());
            let seen = Seen {
                bulk_mbit_s: bytes as f64 * 8.0 / seconds / 1e6,
                ..Seen::default()
            };
            let said = serde_json::to_vec(&seen).unwrap_or_default();
            if stream.send(said.into()).await.is_ok() {
                let _ = stream.finished().await;
            }
        });
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        server.serve(listener, std::future::pending()).await?;
        Ok(())
    })
}

struct Player {
    stream: TcpStream,
    /// Who is asked of the link, and when that was last done.
    kernel: Option<Kernel>,
    sampled: Micros,
    session: ClientSession,
    writer: websocket::Writer,
    /// What the socket has not taken, and how much it has.
    pending: Vec<u8>,
    sent: u64,
    start: Instant,
    upload: Option<StreamId>,
    /// When its first byte was written, by the clock of both ends.
    upload_begun: Option<u64>,
    left: usize,
    /// Those made beside the upload, in messages and in none yet.
    inputs: Vec<Input>,
    inputs_waiting: Vec<Input>,
    last_tick: Tick,
    /// What the server has seen, as it says, and whether it has said all.
    said: Vec<u8>,
    is_over: bool,
}

/// Uploads, and sends an input 30 times a second.
pub(crate) fn play(address: SocketAddr, asks_the_kernel: bool) -> io::Result<Seen> {
    let Joined {
        stream,
        mut unread,
        sent,
    } = join(address)?;
    let mut buffer = vec![0; 256 * 1024];
    stream.set_nonblocking(true)?;
    let kernel = asks_the_kernel.then(|| Kernel::prepare(&SockRef::from(&stream)));
    let mut player = Player {
        kernel: kernel.transpose()?,
        stream,
        sampled: Micros(0),
        session: ClientSession::new(Hello::default(), 1, Micros(0)),
        writer: websocket::Writer::client(42),
        pending: Vec::new(),
        sent,
        start: Instant::now(),
        upload: None,
        upload_begun: None,
        left: asset_bytes(),
        inputs: Vec::new(),
        inputs_waiting: Vec::new(),
        last_tick: Tick(0),
        said: Vec::new(),
        is_over: false,
    };
    let mut reader = websocket::Reader::new(Role::Client, SERVER_MESSAGE_BYTES_MAX);
    let period = Duration::from_secs(1) / INPUT_HZ;
    let mut due = period;
    while !player.is_over {
        let mut input = &mut unread[..];
        while let Some(item) = reader.read(&mut input).map_err(io::Error::other)? {
            match item {
                Item::Binary(message) => player.take(message)?,
                Item::Close(close) => return Err(io::Error::other(format!("{close:?}"))),
                Item::Text(_) | Item::Ping(_) | Item::Pong(_) => {}
            }
        }
        unread.clear();
        if player.start.elapsed() >= due {
            due += period;
            player.make_input()?;
        }
        let now = player.now();
        let timed_out = player.session.handle_timeout(now);
        timed_out.map_err(io::Error::other)?;
        player.transmit()?;
        let due = player.session.poll_timeout().min(due.into());
        player.wait(due.since(player.now()).max(Micros(100)).into())?;
        match player.stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => unread.extend_from_slice(&buffer[..bytes]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    let seen: Seen = serde_json::from_slice(&player.said).map_err(io::Error::other)?;
    Ok(Seen {
        inputs: player.inputs,
        ..seen
    })
}

impl Player {
    fn now(&self) -> Micros {
        self.start.elapsed().into()
    }

    fn wait(&self, span: Duration) -> io::Result<()> {
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: span.as_nanos().min(999_999_999) as _,
        };
        let wanted = if self.pending.is_empty() {
            PollFlags::IN
        } else {
            PollFlags::IN | PollFlags::OUT
        };
        poll(&mut [PollFd::new(&self.stream, wanted)], Some(&wait))?;
        Ok(())
    }

    fn make_input(&mut self) -> io::Result<()> {
        if !self.session.is_open() {
            return Ok(());
        }
        let tick = self.session.clock().server_tick(self.now()).tick;
        if !tick.is_after(self.last_tick) {
            return Ok(());
        }
        self.last_tick = tick;
        let made_micros = clock_micros();
        let mut input = Vec::new();
        encode_value(&Pressed { number: tick.0 }, &mut input);
        let pushed = self.session.push_input(tick, &input);
        pushed.map_err(io::Error::other)?;
        if let Some(begun) = self.upload_begun
            && (self.left > 0 || self.session.has_bulk())
        {
            self.inputs_waiting.push(Input {
                at_micros: made_micros - begun,
                made_micros,
                end: 0,
            });
        }
        Ok(())
    }

    fn take(&mut self, message: &[u8]) -> io::Result<()> {
        let now = self.now();
        let handled = self.session.handle_message(message, now);
        handled.map_err(io::Error::other)?;
        while let Some(event) = self.session.poll_event() {
            match event {
                ClientEvent::Welcomed(_) => {
                    let streams = self.session.streams().map_err(io::Error::other)?;
                    let options = StreamOptions::new(StreamKind::Bytes);
                    let id = streams.open(options, now).map_err(io::Error::other)?;
                    self.upload = Some(id);
                }
                ClientEvent::Stream(StreamEvent::Readable(id)) => {
                    let streams = self.session.streams().map_err(io::Error::other)?;
                    while let Ok(Some(chunk)) = streams.read(id, now) {
                        self.said.extend_from_slice(&chunk.bytes);
                    }
                }
                ClientEvent::Stream(StreamEvent::Ended(_)) => self.is_over = true,
                ClientEvent::Goodbye(farewell) | ClientEvent::Refused(farewell) => {
                    return Err(io::Error::other(farewell.reason));
                }
                ClientEvent::Event(_) | ClientEvent::Stream(_) => {}
            }
        }
        Ok(())
    }

    /// Writes the file as far as its stream takes it.
    fn feed(&mut self) -> io::Result<()> {
        let now = self.now();
        let (Some(id), Ok(streams)) = (self.upload, self.session.streams()) else {
            return Ok(());
        };
        self.upload_begun.get_or_insert_with(clock_micros);
        while self.left > 0 {
            let chunk = self.left.min(16 * 1024);
            let written = streams.write(id, Bytes::from(vec![7; chunk]), now);
            match written.map_err(io::Error::other)? {
                mux::Write::Taken => self.left -= chunk,
                mux::Write::Full => return Ok(()),
            }
        }
        self.upload = None;
        streams.end(id).map_err(io::Error::other)
    }

    fn sample_link(&mut self) {
        let now = self.now();
        let meant = self.session.unsent_bytes_max();
        let is_due = self.session.has_bulk() && now.since(self.sampled) >= SAMPLE_PERIOD;
        if let Some(kernel) = self.kernel.as_mut().filter(|_| is_due) {
            let socket = SockRef::from(&self.stream);
            kernel.bound_unsent(&socket, meant);
            if let Some(mut state) = kernel.bulk_state(&socket) {
                state.sample.unsent += self.pending.len() as u64;
                self.session
                    .handle_link(state.sample, state.segment_bytes, now);
                self.sampled = now;
            }
        }
    }

    fn transmit(&mut self) -> io::Result<()> {
        let now = self.now();
        let mut message = Vec::new();
        loop {
            self.feed()?;
            self.sample_link();
            self.flush()?;
            let most = match &self.kernel {
                Some(_) => UNSENT_BYTES_MAX_NATIVE.min(self.session.unsent_bytes_max()) as usize,
                None => UNSENT_BYTES_MAX,
            };
            let room = most.saturating_sub(self.pending.len());
            if room < 2048 || !self.session.poll_transmit(room, now, &mut message) {
                return Ok(());
            }
            self.writer
                .message(Opcode::Binary, &message, &mut self.pending);
            message.clear();
            // What is urgent goes with the next message.
            let end = self.sent + self.pending.len() as u64;
            let gone = self.inputs_waiting.drain(..);
            self.inputs.extend(gone.map(|input| Input { end, ..input }));
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            let socket = SockRef::from(&self.stream);
            let kernel = self.kernel.as_ref();
            let sent = kernel.and_then(|it| it.send_beside_bulk(&socket, &self.pending));
            match sent.unwrap_or_else(|| (&self.stream).write(&self.pending)) {
                Ok(bytes) => {
                    self.sent += bytes as u64;
                    self.pending.drain(..bytes);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
