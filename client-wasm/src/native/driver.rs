//! The connection's task: one loop around the core, the line and the clock.
//!
//! In: bytes of the line, the bell of those who use the connection, time. Out: what the core wants done:
//! connect, send, close. The decision to question: one task does everything, so that nothing of a connection
//! can be left behind: when it is dropped, the line is closed, the streams are lost, and all who wait hear it.

use core::{future::pending, pin::Pin};
use std::{io, sync::Arc};

use tickwire_protocol::{
    error::{CloseCode, PeerError, PeerMisbehaved},
    pipe::Bell,
    time::Micros,
    websocket::{CLOSE_ABNORMAL, CLOSE_NO_STATUS, Item},
};
use tokio::time::{Sleep, sleep_until};

use super::{
    dial::{Dial, Opening},
    error::ConnectError,
    shared::Shared,
    socket::{Socket, Turn},
};
use crate::{client::Connection as Standing, limits::READ_BUFFER_BYTES};

/// How long what is due and cannot be done is left alone: a ping while the line takes nothing, an attempt to connect
/// while the last line still closes. The line wakes the task when it can be done; tokio's timers count in these.
const OVERDUE_WAIT: Micros = Micros::from_millis(1);

pub(super) struct Driver {
    shared: Arc<Shared>,
    bell: Bell,
    dial: Dial,
    stage: Stage,
    /// When the core wants to hear of the time.
    deadline: Micros,
    sleep: Pin<Box<Sleep>>,
    buffer: Box<[u8]>,
    /// Why the last attempt to connect failed, if the core does not know.
    failure: Option<ConnectError>,
}

/// How far the line is.
enum Stage {
    None,
    Opening(Opening),
    Open(Box<Socket>),
    Closing(Pin<Box<dyn Future<Output = ()> + Send>>),
}

enum Happened {
    Opened(Result<(Box<Socket>, Vec<u8>), ConnectError>),
    Turned(Turn),
    Closed,
    /// It is time, or the bell has rung.
    Called,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, dial: Dial) -> Self {
        let ringing = Arc::downgrade(&shared);
        let bell: Bell = Arc::new(move || {
            if let Some(shared) = ringing.upgrade() {
                shared.bell.notify_one();
            }
        });
        Self {
            sleep: Box::pin(sleep_until(shared.instant(Micros(0)))),
            shared,
            bell,
            dial,
            stage: Stage::None,
            deadline: Micros(0),
            buffer: vec![0; READ_BUFFER_BYTES].into(),
            failure: None,
        }
    }

    /// Connects for the first time, and waits until the player is in the room.
    pub(super) async fn join(&mut self) -> Result<(), ConnectError> {
        while self.shared.lock().client.connection() != &Standing::Playing {
            if let Some(refused) = self.refusal() {
                if let Stage::Closing(goodbye) = &mut self.stage {
                    goodbye.as_mut().await;
                }
                return Err(self.failure.take().unwrap_or(refused));
            }
            self.step().await;
        }
        // The streams begin now, not with the task's first turn: the caller may open one at once.
        self.serve();
        Ok(())
    }

    /// What the core says of an attempt that failed.
    fn refusal(&self) -> Option<ConnectError> {
        let state = self.shared.lock();
        let (Standing::Waiting { message, .. } | Standing::Ended { message }) =
            state.client.connection()
        else {
            return None;
        };
        let (code, reason) = state.client.last_close().unwrap_or((CLOSE_ABNORMAL, ""));
        Some(ConnectError::Refused {
            code,
            reason: reason.into(),
            message: message.clone(),
        })
    }

    /// Drives the connection until it is over for good.
    pub(super) async fn run(mut self) {
        while self.step().await {}
    }

    /// Waits for one thing to happen, and takes it in. False when nothing will happen any more.
    async fn step(&mut self) -> bool {
        if !self.serve() {
            return false;
        }
        let wake_at = self.shared.instant(self.deadline);
        if self.sleep.deadline() != wake_at {
            self.sleep.as_mut().reset(wake_at);
        }
        let happened = tokio::select! {
            happened = self.stage.happens(&mut self.buffer) => happened,
            () = self.shared.bell.notified() => Happened::Called,
            () = self.sleep.as_mut() => Happened::Called,
        };
        match happened {
            Happened::Called => {}
            Happened::Closed => self.stage = Stage::None,
            Happened::Opened(Ok((socket, frames))) => self.on_open(socket, frames),
            Happened::Opened(Err(error)) => {
                self.failure = Some(error);
                self.on_lost(CLOSE_ABNORMAL, "");
            }
            Happened::Turned(Turn::Written) => {}
            Happened::Turned(Turn::Lost) => self.on_lost(CLOSE_ABNORMAL, ""),
            Happened::Turned(Turn::Read(bytes)) => {
                let mut buffer = core::mem::take(&mut self.buffer);
                self.on_bytes(&mut buffer[..bytes]);
                self.buffer = buffer;
            }
        }
        true
    }

    /// Does what can be done without waiting. False when the connection is over.
    fn serve(&mut self) -> bool {
        let shared = self.shared.clone();
        let now = shared.now();
        let mut state = shared.lock();
        if now >= self.deadline {
            // What is wrong comes out as an event and a close code.
            let _ = state.client.handle_timeout(now);
        }
        let is_connecting = *state.client.connection() == Standing::Connecting;
        if matches!(self.stage, Stage::Opening(_)) && !is_connecting {
            self.failure = Some(io::Error::from(io::ErrorKind::TimedOut).into());
            self.stage = Stage::None;
        }
        if matches!(self.stage, Stage::None) && state.client.poll_connect(now) {
            match self.dial.begin() {
                Some(opening) => self.stage = Stage::Opening(opening),
                None => state.client.handle_close(CLOSE_ABNORMAL, "", now),
            }
        }
        let socket = match &mut self.stage {
            Stage::Open(socket) => Some(&mut **socket),
            _ => None,
        };
        state.serve(socket, &self.bell, now);
        if let Some((code, reason)) = state.client.poll_close()
            && let Stage::Open(socket) = core::mem::replace(&mut self.stage, Stage::None)
        {
            let mut socket = socket;
            // The last word of a session is bounded, and goes out however full the socket is.
            while socket.push(|out| state.client.poll_message(0, now, out)) {}
            let goodbye = async move { socket.close(code, &reason).await };
            self.stage = Stage::Closing(Box::pin(goodbye));
        }
        let due = state.client.poll_timeout(now);
        self.deadline = if due > now { due } else { now + OVERDUE_WAIT };
        let is_over = match state.client.connection() {
            Standing::Ended { .. } => matches!(self.stage, Stage::None),
            Standing::Waiting { .. } => self.dial.is_single && matches!(self.stage, Stage::None),
            _ => false,
        };
        let has_news = state.take_news();
        drop(state);
        if has_news {
            shared.news.notify_waiters();
        }
        !is_over
    }

    fn on_open(&mut self, socket: Box<Socket>, mut frames: Vec<u8>) {
        self.failure = None;
        self.stage = Stage::Open(socket);
        let now = self.shared.now();
        self.shared.lock().client.handle_open(now);
        self.on_bytes(&mut frames);
    }

    /// Hands what came to the core.
    fn on_bytes(&mut self, mut bytes: &mut [u8]) {
        let Stage::Open(socket) = &mut self.stage else {
            return;
        };
        let shared = self.shared.clone();
        let now = shared.now();
        let mut pong: Option<Vec<u8>> = None;
        let mut state = shared.lock();
        let end = loop {
            match socket.reader.read(&mut bytes) {
                Ok(None) => break None,
                Ok(Some(Item::Binary(message))) => {
                    if state.client.handle_message(message, now).is_err() {
                        // The core wants the line closed, and says so when it is asked.
                        break None;
                    }
                    // The next one may be the last: then there is nothing to read of a stream any more.
                    state.hear(&self.bell, now);
                }
                Ok(Some(Item::Ping(payload))) => pong = Some(payload.to_vec()),
                Ok(Some(Item::Pong(_))) => {}
                Ok(Some(Item::Close(close))) => {
                    let code = close.code.unwrap_or(CLOSE_NO_STATUS);
                    break Some((code, close.reason, None));
                }
                Ok(Some(Item::Text(_))) => break Some(fault(PeerMisbehaved::TextMessage)),
                Err(misbehaved) => break Some(fault(misbehaved)),
            }
        };
        drop(state);
        if let Some(payload) = pong {
            socket.pong(&payload);
        }
        if let Some((code, reason, failure)) = end {
            self.failure = failure.map(ConnectError::from);
            self.on_lost(code, &reason);
        }
    }

    /// The line is of no use any more. What of it is still open, is told why.
    fn on_lost(&mut self, code: u16, reason: &str) {
        let now = self.shared.now();
        self.shared.lock().client.handle_close(code, reason, now);
        self.stage = match core::mem::replace(&mut self.stage, Stage::None) {
            Stage::Open(socket) if code != CLOSE_ABNORMAL => {
                let echoed = if code == CLOSE_NO_STATUS {
                    CloseCode::Normal.number()
                } else {
                    code
                };
                let reason = String::new();
                Stage::Closing(Box::pin(async move { socket.close(echoed, &reason).await }))
            }
            _ => Stage::None,
        };
    }
}

/// How a server's mistake ends the connection.
fn fault(misbehaved: PeerMisbehaved) -> (u16, Box<str>, Option<PeerMisbehaved>) {
    let error = PeerError::from(misbehaved.clone());
    let code = CloseCode::from(&error).number();
    (code, error.to_string().into(), Some(misbehaved))
}

impl Stage {
    async fn happens(&mut self, buffer: &mut [u8]) -> Happened {
        match self {
            Self::None => pending().await,
            Self::Opening(opening) => Happened::Opened(opening.await),
            Self::Open(socket) => Happened::Turned(socket.turn(buffer).await),
            Self::Closing(goodbye) => {
                goodbye.await;
                Happened::Closed
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.end();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tickwire_protocol::{
        id::{PlayerId, SessionId},
        mux::Write,
        schema::Schema,
        session::{ResumeToken, ServerSession, Welcome},
        stream::{Class, StreamKind, StreamOptions},
        time::{RoomTime, Tick},
        websocket::{Opcode, Writer},
    };
    use tokio::time::timeout;

    use super::*;
    use crate::{client::Config, limits::SOCKET_UNSENT_BYTES_MAX, native::line};

    /// Has the core say hello, and tells it that it is in the room. Gives the server's end.
    fn welcome(shared: &Shared) -> (ServerSession, RoomTime) {
        let now = shared.now();
        let time = RoomTime {
            now,
            next_tick: Tick(1),
            next_tick_due: now,
        };
        let client = &mut shared.lock().client;
        let mut message = vec![];
        assert!(client.poll_connect(now));
        client.handle_open(now);
        assert!(client.poll_message(usize::MAX, now, &mut message));
        let mut session = ServerSession::new(now);
        session.handle_message(&message, time).expect("a hello");
        let mut schema = vec![];
        Schema::new().encode(&mut schema);
        let welcome = Welcome {
            session: SessionId(1),
            player: PlayerId(1),
            resume: ResumeToken([0; 16]),
            resumed: false,
            tick_rate_millihertz: 20_000,
            next_tick: time.next_tick,
            next_tick_due: now,
            server_time: now,
            message_bytes_max: 65_536,
            silence_micros_max: Micros::from_millis(30_000),
            schema: Some(schema.into()),
        };
        session.accept(welcome, now).expect("it said hello");
        message.clear();
        assert!(session.poll_transmit(Class::Bulk, usize::MAX, time, &mut message));
        client.handle_message(&message, now).expect("a welcome");
        (session, time)
    }

    #[tokio::test]
    async fn what_a_server_says_before_its_goodbye_is_read_though_both_come_at_once() {
        let shared = Shared::new(Config::default());
        let address = "ws://localhost/play".parse().expect("an address");
        let mut driver = Driver::new(shared.clone(), Dial::over(address, tokio::io::empty()));
        let (near, _far) = tokio::io::duplex(1 << 20);
        driver.stage = Stage::Open(Box::new(Socket::new(line::Line::Other(Box::pin(near)), 1)));
        let (mut session, time) = welcome(&shared);
        driver.serve();

        let mut writer = Writer::server();
        let mut say = |session: &mut ServerSession, frames: &mut Vec<u8>| {
            let mut message = vec![];
            assert!(session.poll_transmit(Class::Bulk, usize::MAX, time, &mut message));
            writer.message(Opcode::Binary, &message, frames);
        };
        let mut frames = vec![];
        let streams = session.streams().expect("it is open");
        let options = StreamOptions::new(StreamKind::Bytes);
        let id = streams.open(options, time.now).expect("the first");
        say(&mut session, &mut frames);
        driver.on_bytes(&mut frames);
        driver.serve();
        let offer = shared.lock().next_offer().expect("it came");
        let mut stream = offer.accept();
        driver.serve();

        frames.clear();
        let streams = session.streams().expect("it is open");
        let words = Bytes::from_static(b"last words");
        assert_eq!(streams.write(id, words, time.now), Ok(Write::Taken));
        say(&mut session, &mut frames);
        session.close(CloseCode::GoingAway, "over");
        say(&mut session, &mut frames);
        driver.on_bytes(&mut frames);
        driver.serve();
        let mut buffer = [0; 100];
        let bytes = stream.try_read(&mut buffer).expect("it had come");
        assert_eq!(buffer[..bytes], *b"last words");
        let error = stream
            .try_read(&mut buffer)
            .expect_err("the server is gone");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_line_that_takes_nothing_does_not_keep_the_task_awake() {
        let shared = Shared::new(Config::default());
        let address = "ws://localhost/play".parse().expect("an address");
        let mut driver = Driver::new(shared.clone(), Dial::over(address, tokio::io::empty()));
        let (near, _far) = tokio::io::duplex(1024);
        let mut socket = Socket::new(line::Line::Other(Box::pin(near)), 1);
        socket.push(|out| {
            out.resize(out.len() + SOCKET_UNSENT_BYTES_MAX, 0);
            true
        });
        driver.stage = Stage::Open(Box::new(socket));
        // The first ping is due at once, and there is no room for it.
        welcome(&shared);

        let (mut steps, begun) = (0, shared.now());
        let run = async {
            while driver.step().await {
                steps += 1;
            }
        };
        let span = core::time::Duration::from_millis(50);
        assert!(timeout(span, run).await.is_err(), "the connection ended");
        let millis = shared.now().since(begun).0 / 1000;
        assert!(steps <= millis + 8, "{steps} in {millis} ms");
    }
}
