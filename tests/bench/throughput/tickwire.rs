//! Tickwire's own streams: a server without a game, and a native client of one socket.
//!
//! Bulk goes through a byte stream, small messages through a typed one, whose records keep their
//! boundaries as BinaryJS's do.

use std::{error::Error, io::BufRead as _, io::ErrorKind, time::Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tests::upgrade::answered;
use tickwire_protocol::{
    id::StreamId,
    limits::{SERVER_MESSAGE_BYTES_MAX, SUBPROTOCOL},
    mux::{StreamEvent, Write},
    session::{ClientEvent, ClientSession, Hello},
    time::Micros,
    websocket::{Item, Opcode, Reader, Role, Writer, upgrade::Upgrade},
};
use tickwire_server::prelude::*;
use tokio::{
    io::{AsyncWriteExt as _, Interest},
    net::{TcpListener, TcpStream},
};

use crate::{
    endpoint::cpu_seconds,
    measure::Taken,
    plan::{BULK_CHUNK, Plan},
};

/// What a client asks of a stream that it opens.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Request {
    down: u64,
    up: u64,
    chunk: u64,
}

/// Bytes that stand before the text in a record of a small message.
const RECORD_HEAD: u64 = 2;

/// Frames that wait for the socket before more are made.
const GATHERED_BYTES: usize = 256 * 1024;

/// Prints the address and serves until the parent ends us.
pub(crate) async fn serve() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("ws://{}/play", listener.local_addr()?);
    let limits = Limits {
        messages_per_second_max: u32::MAX / 4,
        ..Limits::default()
    };
    Server::new(|| Game::new("throughput"))
        .workers(1)
        .limits(limits)
        .on_stream(async |incoming: Incoming| {
            if let Err(error) = answer(incoming).await {
                eprintln!("a stream failed: {error}");
            }
        })
        .serve(listener, std::future::pending())
        .await?;
    Ok(())
}

async fn answer(incoming: Incoming) -> Result<(), Box<dyn Error + Send + Sync>> {
    let request: Request = incoming.metadata()?;
    if request.chunk == BULK_CHUNK {
        let mut stream = incoming.accept();
        let chunk = Bytes::from(vec![7; usize::try_from(request.chunk)?]);
        for _ in 0..request.down / request.chunk {
            stream.send(chunk.clone()).await?;
        }
        let mut bytes = 0;
        while bytes < request.up {
            let Some(piece) = stream.receive().await? else {
                break;
            };
            bytes += piece.len() as u64;
        }
        if request.up > 0 {
            stream
                .send(Bytes::from(bytes.to_be_bytes().to_vec()))
                .await?;
        }
        stream.finished().await?;
    } else {
        let mut stream = incoming.accept_messages::<String>();
        let text = "7".repeat(usize::try_from(request.chunk - RECORD_HEAD)?);
        for _ in 0..request.down / request.chunk {
            stream.send(&text).await?;
        }
        let mut bytes = 0;
        while bytes < request.up {
            let Some(text) = stream.receive().await? else {
                break;
            };
            bytes += text.len() as u64 + RECORD_HEAD;
        }
        if request.up > 0 {
            stream.send(&bytes.to_string()).await?;
        }
        stream.finished().await?;
    }
    Ok(())
}

/// Loads a server: warms up, says so, waits for a line, and prints what the transfer took.
pub(crate) async fn load(url: &str, plan: &Plan) -> Result<(), Box<dyn Error>> {
    let mut client = Client::join(url).await?;
    client.transfer(plan, plan.warm_bytes).await?;
    println!("warm");
    tokio::task::spawn_blocking(|| std::io::stdin().lock().read_line(&mut String::new())).await??;
    let (started, cpu) = (Instant::now(), cpu_seconds());
    client.transfer(plan, plan.bytes).await?;
    let taken = Taken {
        seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds() - cpu,
    };
    println!("{}", serde_json::to_string(&taken)?);
    Ok(())
}

/// The protocol's session on one socket.
struct Client {
    socket: TcpStream,
    reader: Reader,
    writer: Writer,
    session: ClientSession,
    start: Instant,
    input: Vec<u8>,
    out: Vec<u8>,
    out_written: usize,
    events: Vec<StreamEvent>,
}

impl Client {
    async fn join(url: &str) -> Result<Self, Box<dyn Error>> {
        let host = url.trim_start_matches("ws://").trim_end_matches("/play");
        let mut socket = TcpStream::connect(host).await?;
        socket.set_nodelay(true)?;
        let (upgrade, request) = Upgrade::request(host, "/play", Some(SUBPROTOCOL), [7; 16]);
        socket.write_all(request.as_bytes()).await?;
        let mut unread = answered(&mut socket, &upgrade).await?;
        let mut client = Self {
            socket,
            reader: Reader::new(Role::Client, SERVER_MESSAGE_BYTES_MAX),
            writer: Writer::client(7),
            session: ClientSession::new(Hello::default(), 1, Micros(0)),
            start: Instant::now(),
            input: vec![0; 64 * 1024],
            out: Vec::new(),
            out_written: 0,
            events: Vec::new(),
        };
        client.take(&mut unread)?;
        while !client.session.is_open() {
            client.step().await?;
        }
        Ok(client)
    }

    fn now(&self) -> Micros {
        self.start.elapsed().into()
    }

    /// Writes and reads what can be, and waits when neither can.
    async fn step(&mut self) -> Result<(), Box<dyn Error>> {
        let now = self.now();
        let mut message = Vec::new();
        while self.out.len() < GATHERED_BYTES
            && self.session.poll_transmit(60_000, now, &mut message)
        {
            self.writer.message(Opcode::Binary, &message, &mut self.out);
            message.clear();
        }
        let mut has_moved = false;
        if self.out_written < self.out.len() {
            match self.socket.try_write(&self.out[self.out_written..]) {
                Ok(bytes) => {
                    self.out_written += bytes;
                    has_moved = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            if self.out_written == self.out.len() {
                self.out.clear();
                self.out_written = 0;
            }
        }
        let mut input = std::mem::take(&mut self.input);
        match self.socket.try_read(&mut input) {
            Ok(0) => return Err("the server closed".into()),
            Ok(bytes) => {
                self.take(&mut input[..bytes])?;
                has_moved = true;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        self.input = input;
        if !has_moved {
            let waits_to_write = !self.out.is_empty();
            let interest = if waits_to_write {
                Interest::READABLE | Interest::WRITABLE
            } else {
                Interest::READABLE
            };
            self.socket.ready(interest).await?;
        }
        Ok(())
    }

    fn take(&mut self, mut input: &mut [u8]) -> Result<(), Box<dyn Error>> {
        let now = self.now();
        while let Some(item) = self.reader.read(&mut input)? {
            match item {
                Item::Binary(message) => {
                    self.session.handle_message(message, now)?;
                    while let Some(event) = self.session.poll_event() {
                        match event {
                            ClientEvent::Stream(event) => self.events.push(event),
                            ClientEvent::Refused(farewell) | ClientEvent::Goodbye(farewell) => {
                                return Err(farewell.reason.into());
                            }
                            _ => {}
                        }
                    }
                }
                Item::Close(close) => return Err(format!("closed: {close:?}").into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// One stream, opened by us and ended by both.
    async fn transfer(&mut self, plan: &Plan, bytes: u64) -> Result<(), Box<dyn Error>> {
        let is_down = plan.direction == "down";
        let request = Request {
            down: if is_down { bytes } else { 0 },
            up: if is_down { 0 } else { bytes },
            chunk: plan.chunk,
        };
        let is_bulk = plan.chunk == BULK_CHUNK;
        let kind = if is_bulk {
            StreamKind::Bytes
        } else {
            StreamKind::Messages
        };
        let options = StreamOptions::new(kind).with_metadata(&request)?;
        let now = self.now();
        let id = self.session.streams()?.open(options, now)?;
        let record = record(plan.chunk, is_bulk)?;
        let mut to_write = if is_down { 0 } else { bytes / plan.chunk };
        let mut received = Received::default();
        let mut has_ended = false;
        while !received.is_over {
            let now = self.now();
            while to_write > 0
                && self.session.streams()?.write(id, record.clone(), now)? == Write::Taken
            {
                to_write -= 1;
            }
            if to_write == 0 && !has_ended {
                has_ended = true;
                self.session.streams()?.end(id)?;
            }
            for event in std::mem::take(&mut self.events) {
                received.on_event(&event, id, &mut self.session, now, is_bulk)?;
            }
            if !received.is_over {
                self.step().await?;
            }
        }
        let moved = if is_down {
            received.bytes
        } else if is_bulk {
            u64::from_be_bytes(received.last.as_ref().try_into()?)
        } else {
            std::str::from_utf8(&received.last[1..])?.parse()?
        };
        if moved == bytes {
            Ok(())
        } else {
            Err(format!("{moved} of {bytes} bytes were moved").into())
        }
    }
}

/// What came of one stream.
#[derive(Default)]
struct Received {
    bytes: u64,
    last: Bytes,
    is_over: bool,
}

impl Received {
    fn on_event(
        &mut self,
        event: &StreamEvent,
        of: StreamId,
        session: &mut ClientSession,
        now: Micros,
        is_bulk: bool,
    ) -> Result<(), Box<dyn Error>> {
        match event {
            StreamEvent::Readable(id) if *id == of => {
                let mux = session.streams()?;
                loop {
                    let piece = if is_bulk {
                        mux.read(of, now).ok().flatten().map(|chunk| chunk.bytes)
                    } else {
                        mux.read_record(of, now).ok().flatten()
                    };
                    let Some(piece) = piece else {
                        return Ok(());
                    };
                    self.bytes += piece.len() as u64;
                    self.last = piece;
                }
            }
            StreamEvent::Ended(id) if *id == of => self.is_over = true,
            StreamEvent::Refused { reason, .. } | StreamEvent::Reset { reason, .. } => {
                return Err(format!("the stream was given up: {reason}").into());
            }
            _ => {}
        }
        Ok(())
    }
}

/// One write: a piece of bulk, or a message as its typed stream encodes it.
fn record(chunk: u64, is_bulk: bool) -> Result<Bytes, Box<dyn Error>> {
    let chunk = usize::try_from(chunk)?;
    if is_bulk {
        return Ok(Bytes::from(vec![7; chunk]));
    }
    let head = usize::try_from(RECORD_HEAD)?;
    let mut record = vec![0xd9, u8::try_from(chunk - head)?];
    record.resize(chunk, b'7');
    Ok(Bytes::from(record))
}
