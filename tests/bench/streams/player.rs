//! A player's end: the protocol's own session on a blocking socket.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use tickwire_protocol::{
    limits::{SERVER_MESSAGE_BYTES_MAX, SUBPROTOCOL},
    mux::StreamEvent,
    replicate::SameIds,
    schema::{ComponentId, Schema},
    session::{ClientEvent, ClientSession, Hello},
    snapshot::Replica,
    time::Micros,
    websocket::{Item, Opcode, Reader, Role, Writer, upgrade::Upgrade},
};

use crate::{Seen, asset_bytes, clock_micros, server::Stamp};

struct Player {
    stream: TcpStream,
    writer: Writer,
    session: ClientSession,
    replica: Option<Replica>,
    stamp: Option<ComponentId>,
    start: Instant,
    seen: Seen,
    /// When the asset's first byte came, and how many have.
    begun: Option<Instant>,
    bytes: usize,
}

/// Takes the asset, and notes how old each snapshot is that comes meanwhile.
pub(crate) fn play(address: SocketAddr) -> io::Result<Seen> {
    let Joined {
        stream, mut unread, ..
    } = join(address)?;
    let mut buffer = vec![0; 256 * 1024];
    // For pings that are due while nothing comes.
    stream.set_read_timeout(Some(Duration::from_millis(10)))?;
    let mut player = Player {
        stream,
        writer: Writer::client(42),
        session: ClientSession::new(Hello::default(), 1, Micros(0)),
        replica: None,
        stamp: None,
        start: Instant::now(),
        seen: Seen::default(),
        begun: None,
        bytes: 0,
    };
    let mut reader = Reader::new(Role::Client, SERVER_MESSAGE_BYTES_MAX);
    while player.bytes < asset_bytes() {
        player.transmit()?;
        let mut input = &mut unread[..];
        while let Some(item) = reader.read(&mut input).map_err(io::Error::other)? {
            match item {
                Item::Binary(message) => player.take(message)?,
                Item::Close(close) => return Err(io::Error::other(format!("{close:?}"))),
                Item::Text(_) | Item::Ping(_) | Item::Pong(_) => {}
            }
        }
        unread.clear();
        match player.stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => unread.extend_from_slice(&buffer[..bytes]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(player.seen)
}

/// A line on which frames come next.
pub(crate) struct Joined {
    pub(crate) stream: TcpStream,
    /// What has come of them already.
    pub(crate) unread: Vec<u8>,
    /// Bytes that the request took.
    pub(crate) sent: u64,
}

/// Connects, and has the line upgraded to a WebSocket.
pub(crate) fn join(address: SocketAddr) -> io::Result<Joined> {
    let mut stream = connect(address)?;
    stream.set_nodelay(true)?;
    let (upgrade, request) = Upgrade::request("bench", "/play", Some(SUBPROTOCOL), [7; 16]);
    stream.write_all(request.as_bytes())?;
    let mut unread = Vec::new();
    let mut buffer = [0; 4096];
    let frames_at = loop {
        let bytes = stream.read(&mut buffer)?;
        if bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        unread.extend_from_slice(&buffer[..bytes]);
        if let Some(at) = upgrade.answer(&unread).map_err(io::Error::other)? {
            break at;
        }
    };
    unread.drain(..frames_at);
    Ok(Joined {
        stream,
        unread,
        sent: request.len() as u64,
    })
}

/// Waits for the server's end to listen.
pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let start = Instant::now();
    loop {
        match TcpStream::connect(address) {
            Err(_) if start.elapsed() < Duration::from_secs(10) => {
                std::thread::sleep(Duration::from_millis(50));
            }
            result => return result,
        }
    }
}

impl Player {
    fn now(&self) -> Micros {
        self.start.elapsed().into()
    }

    fn transmit(&mut self) -> io::Result<()> {
        let now = self.now();
        let mut message = Vec::new();
        let mut frames = Vec::new();
        while self.session.poll_transmit(60_000, now, &mut message) {
            self.writer.message(Opcode::Binary, &message, &mut frames);
            message.clear();
        }
        self.stream.write_all(&frames)
    }

    fn take(&mut self, message: &[u8]) -> io::Result<()> {
        let now = self.now();
        let snapshot = self
            .session
            .handle_message(message, now)
            .map_err(io::Error::other)?;
        while let Some(event) = self.session.poll_event() {
            match event {
                ClientEvent::Welcomed(welcome) => {
                    let bytes = welcome.schema.as_ref().ok_or(ErrorKind::InvalidData)?;
                    let schema = Schema::decode(bytes).map_err(io::Error::other)?;
                    self.stamp = schema.component("Stamp");
                    self.replica = Some(Replica::new(Arc::new(schema)));
                }
                ClientEvent::Stream(event) => self.on_stream(&event, now)?,
                _ => {}
            }
        }
        if let (Some(snapshot), Some(replica)) = (snapshot, &mut self.replica) {
            replica.apply(snapshot).map_err(io::Error::other)?;
            self.note_delay();
        }
        Ok(())
    }

    fn on_stream(&mut self, event: &StreamEvent, now: Micros) -> io::Result<()> {
        let streams = self.session.streams().map_err(io::Error::other)?;
        match event {
            StreamEvent::Opened(offer) => {
                streams.accept(offer.id, now).map_err(io::Error::other)?;
            }
            StreamEvent::Readable(id) => {
                while let Ok(Some(chunk)) = streams.read(*id, now) {
                    self.bytes += chunk.bytes.len();
                }
                let begun = *self.begun.get_or_insert_with(Instant::now);
                if self.bytes == asset_bytes() {
                    let seconds = begun.elapsed().as_secs_f64();
                    self.seen.bulk_mbit_s = self.bytes as f64 * 8.0 / seconds / 1e6;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// How old the newest snapshot is.
    fn note_delay(&mut self) {
        let (Some(begun), Some(replica), Some(component)) = (self.begun, &self.replica, self.stamp)
        else {
            return;
        };
        let made = replica.rows(component).next();
        if let Some(made) = made.and_then(|(_, row)| row.restore::<Stamp>(component, &SameIds)) {
            let delay = (clock_micros() as u32).wrapping_sub(made.micros);
            let at = begun.elapsed().as_micros() as u64;
            self.seen.delays.push((at, delay.into()));
        }
    }
}
