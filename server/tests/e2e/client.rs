//! A native client for these tests: the protocol's own session and replica on a blocking socket.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use tickwire_protocol::{
    event::{self, GameEvent},
    id::NetworkId,
    limits::{SERVER_MESSAGE_BYTES_MAX, SUBPROTOCOL},
    mux::StreamEvent,
    replicate::{SameIds, encode_value},
    schema::Schema,
    session::{ClientEvent, ClientSession, Hello, Welcome},
    snapshot::Replica,
    time::{Micros, Tick},
    websocket::{Item, Opcode, Reader, Role, Writer, upgrade::Upgrade},
};

use crate::game::{Position, Push};

/// A socket that has been upgraded, and frames.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    reader: Reader,
    pub(crate) writer: Writer,
    unread: Vec<u8>,
}

/// What a peer said, without borrowing it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Heard {
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
    /// The socket ended without a close frame.
    End,
    Nothing,
}

/// No server of these tests takes this long for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

impl Wire {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::open_ahead(address, &[])
    }

    /// Writes the request and what stands behind it at once, without waiting for the answer.
    pub(crate) fn open_ahead(address: SocketAddr, behind: &[u8]) -> Self {
        Self::ask(address, "", behind)
    }

    /// Connects as a proxy does for somebody at another address.
    pub(crate) fn open_for(address: SocketAddr, somebody: &str) -> Self {
        Self::ask(address, &format!("X-Forwarded-For: {somebody}\r\n"), &[])
    }

    fn ask(address: SocketAddr, header: &str, behind: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let (upgrade, request) = Upgrade::request("test", "/play", Some(SUBPROTOCOL), [7; 16]);
        let request = request.replace("\r\n\r\n", &format!("\r\n{header}\r\n"));
        stream
            .write_all(&[request.as_bytes(), behind].concat())
            .unwrap();
        let mut answer = Vec::new();
        let frames_at = loop {
            let mut piece = [0; 1024];
            let bytes = stream.read(&mut piece).unwrap();
            assert!(bytes > 0, "the server closed during the upgrade");
            answer.extend_from_slice(&piece[..bytes]);
            if let Some(at) = upgrade.answer(&answer).unwrap() {
                break at;
            }
        };
        stream
            .set_read_timeout(Some(Duration::from_millis(5)))
            .unwrap();
        Self {
            stream,
            reader: Reader::new(Role::Client, SERVER_MESSAGE_BYTES_MAX),
            writer: Writer::client(42),
            unread: answer.split_off(frames_at),
        }
    }

    pub(crate) fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        let mut frames = Vec::new();
        self.writer.message(opcode, payload, &mut frames);
        self.send_raw(&frames);
    }

    /// A server that has closed may refuse the bytes; what it said before is what counts.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Everything that can be heard now.
    pub(crate) fn hear(&mut self) -> Vec<Heard> {
        let mut heard = Vec::new();
        let mut buffer = core::mem::take(&mut self.unread);
        let filled = buffer.len();
        buffer.resize(filled + 64 * 1024, 0);
        let end = match self.stream.read(&mut buffer[filled..]) {
            Ok(0) => Some(Heard::End),
            Ok(bytes) => {
                buffer.truncate(filled + bytes);
                None
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                buffer.truncate(filled);
                None
            }
            Err(_) => Some(Heard::End),
        };
        if end.is_some() {
            buffer.truncate(filled);
        }
        let mut input = &mut buffer[..];
        while let Some(item) = self.reader.read(&mut input).unwrap() {
            heard.push(match item {
                Item::Binary(bytes) => Heard::Binary(bytes.to_vec()),
                Item::Pong(bytes) => Heard::Pong(bytes.to_vec()),
                Item::Close(close) => Heard::Close(close.code),
                Item::Text(_) | Item::Ping(_) => Heard::Nothing,
            });
        }
        heard.extend(end);
        heard
    }

    /// The close code that ends the connection; `None` when it ends without.
    pub(crate) fn close_code(&mut self) -> Option<u16> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            for heard in self.hear() {
                match heard {
                    Heard::Close(code) => return code,
                    Heard::End => return None,
                    _ => {}
                }
            }
        }
        panic!("the server does not close");
    }
}

/// A player.
pub(crate) struct Player {
    pub(crate) wire: Wire,
    pub(crate) session: ClientSession,
    start: Instant,
    pub(crate) welcome: Option<Box<Welcome>>,
    pub(crate) schema: Option<Arc<Schema>>,
    pub(crate) replica: Option<Replica>,
    pub(crate) events: Vec<Vec<u8>>,
    pub(crate) streams: Vec<StreamEvent>,
    pub(crate) said: Vec<String>,
    pub(crate) closed: Option<Option<u16>>,
    own_entity: Option<NetworkId>,
    /// Ticks of the snapshots that came, in order.
    pub(crate) ticks: Vec<Tick>,
    /// Every message that came, if they are kept.
    pub(crate) messages: Vec<Vec<u8>>,
    keeps_messages: bool,
}

impl Player {
    /// Connects and says hello, without waiting for the answer.
    pub(crate) fn connect(address: SocketAddr, hello: Hello) -> Self {
        let mut player = Self {
            wire: Wire::open(address),
            session: ClientSession::new(hello, 1, Micros(0)),
            start: Instant::now(),
            welcome: None,
            schema: None,
            replica: None,
            events: Vec::new(),
            streams: Vec::new(),
            said: Vec::new(),
            closed: None,
            own_entity: None,
            ticks: Vec::new(),
            messages: Vec::new(),
            keeps_messages: false,
        };
        player.transmit();
        player
    }

    /// Connects, and waits until the first snapshot has come.
    pub(crate) fn join(address: SocketAddr, hello: Hello) -> Self {
        let mut player = Self::connect(address, hello);
        player.until("the first snapshot", |player| !player.ticks.is_empty());
        player
    }

    /// Connects, and keeps every message that comes from now on.
    pub(crate) fn keeping_messages(address: SocketAddr) -> Self {
        let mut player = Self::connect(address, Hello::default());
        player.keeps_messages = true;
        player
    }

    pub(crate) fn named(address: SocketAddr, name: &str) -> Self {
        Self::join(
            address,
            Hello {
                name: name.into(),
                ..Hello::default()
            },
        )
    }

    /// Joins the room of that name.
    pub(crate) fn in_room(address: SocketAddr, room: &str) -> Self {
        Self::join(
            address,
            Hello {
                room: room.into(),
                ..Hello::default()
            },
        )
    }

    /// Joins one player in each of these rooms.
    pub(crate) fn one_in_each(address: SocketAddr, rooms: &[&str]) -> Vec<Self> {
        let join = |room: &&str| Self::in_room(address, room);
        rooms.iter().map(join).collect()
    }

    pub(crate) fn now(&self) -> Micros {
        self.start.elapsed().into()
    }

    /// Sends what the session has to say.
    pub(crate) fn transmit(&mut self) {
        let now = self.now();
        let mut message = Vec::new();
        while self.session.poll_transmit(60_000, now, &mut message) {
            self.wire.send(Opcode::Binary, &message);
            message.clear();
        }
    }

    /// Takes what has come, and answers.
    pub(crate) fn step(&mut self) {
        for heard in self.wire.hear() {
            match heard {
                Heard::Binary(message) => {
                    self.take(&message);
                    if self.keeps_messages {
                        self.messages.push(message);
                    }
                }
                Heard::Close(code) => self.closed = Some(code),
                Heard::End if self.closed.is_none() => self.closed = Some(None),
                Heard::End | Heard::Pong(_) | Heard::Nothing => {}
            }
        }
        self.transmit();
    }

    fn take(&mut self, message: &[u8]) {
        let now = self.now();
        let snapshot = self.session.handle_message(message, now).unwrap();
        while let Some(event) = self.session.poll_event() {
            match event {
                ClientEvent::Welcomed(welcome) => {
                    let bytes = welcome.schema.as_ref().expect("we know no schema");
                    let schema = Arc::new(Schema::decode(bytes).unwrap());
                    self.replica = Some(Replica::new(schema.clone()));
                    self.schema = Some(schema);
                    self.welcome = Some(welcome);
                }
                ClientEvent::Event(bytes) => self.events.push(bytes.to_vec()),
                ClientEvent::Stream(event) => self.streams.push(event),
                ClientEvent::Refused(farewell) | ClientEvent::Goodbye(farewell) => {
                    self.said.push(farewell.reason);
                }
            }
        }
        if let Some(snapshot) = snapshot {
            let replica = self.replica.as_mut().expect("the welcome comes first");
            let applied = replica.apply(snapshot).unwrap();
            self.own_entity = applied.header.own_entity;
            self.ticks.push(applied.header.tick);
        }
    }

    /// Steps until a condition holds.
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
            assert!(
                self.closed.is_none(),
                "closed with {:?} {:?} before {what}",
                self.closed,
                self.said
            );
            self.step();
        }
    }

    /// Waits for the close frame.
    pub(crate) fn until_closed(&mut self) -> Option<u16> {
        let start = Instant::now();
        while self.closed.is_none() {
            assert!(start.elapsed() < PATIENCE, "waited in vain for the end");
            self.step();
        }
        self.closed.unwrap()
    }

    /// Holds an input down for the tick that comes next.
    pub(crate) fn push(&mut self, x: f32) {
        let mut bytes = Vec::new();
        encode_value(&Push { x }, &mut bytes);
        let tick = self.ticks.last().copied().unwrap_or_default() + 3;
        let _ = self.session.push_input(tick, &bytes);
        self.transmit();
    }

    pub(crate) fn send_event<E: GameEvent>(&mut self, event: &E) {
        let schema = self.schema.as_ref().unwrap();
        let (index, _) = schema.event(E::NAME).unwrap();
        let mut bytes = Vec::new();
        event::encode(index.into(), event, &mut bytes);
        self.session.send_event(&bytes).unwrap();
        self.transmit();
    }

    pub(crate) fn events_of<E: GameEvent>(&self) -> Vec<E> {
        let (number, _) = self.schema.as_ref().unwrap().event(E::NAME).unwrap();
        let of_that_kind = |bytes: &Vec<u8>| {
            let (index, rest) = event::split(bytes).unwrap();
            (index == usize::from(number)).then(|| event::decode(rest).unwrap())
        };
        self.events.iter().filter_map(of_that_kind).collect()
    }

    pub(crate) fn own(&self) -> Option<NetworkId> {
        self.own_entity
    }

    pub(crate) fn position(&self, id: NetworkId) -> Option<Position> {
        let component = self.schema.as_ref()?.component("Position")?;
        let row = self.replica.as_ref()?.row(id, component)?;
        row.restore::<Position>(component, &SameIds)
    }

    /// Whether no tick was left out between the snapshots that came.
    pub(crate) fn missed_ticks(&self) -> usize {
        self.ticks
            .windows(2)
            .filter(|pair| pair[1].since(pair[0]) != 1)
            .count()
    }
}
