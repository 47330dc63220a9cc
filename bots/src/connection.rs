//! One socket: readiness in, whole WebSocket messages out, and messages in, bytes out.
//!
//! The choice to question: a connection keeps no read buffer. The thread's one buffer serves all its
//! sockets, and the WebSocket reader keeps only what a read cut in two.

use std::{
    fmt,
    io::{self, Write as _},
    net::SocketAddr,
};

use mio::{Interest, Registry, Token, net::TcpStream};
use tickwire_protocol::{
    error::{CloseCode, PeerError, PeerMisbehaved},
    limits::{SERVER_MESSAGE_BYTES_MAX, SUBPROTOCOL},
    time::Micros,
    websocket::{Address, CLOSE_NO_STATUS, Item, Opcode, Reader, Role, Writer, upgrade::Upgrade},
};

use crate::{
    arrival::{self, Look},
    limits::UNSENT_BYTES_MAX,
};

/// What the kernel keeps for a bot that does not read; Linux doubles it. Smaller ones hold up what is read.
#[cfg(any(target_os = "linux", target_os = "android"))]
const STALLING_BUFFER_BYTES: usize = 16 * 1024;

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The server said so in a close frame.
    Closed {
        /// Its code; 1005 when the frame was empty.
        code: u16,
        /// Its reason.
        reason: Box<str>,
    },
    /// The socket failed or was closed without a close frame.
    Lost(String),
    /// The server broke a rule, of WebSocket or of Tickwire.
    Broken(PeerError),
    /// The upgrade was refused.
    Refused(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { code, reason } => {
                write!(f, "closed by the server with {code}: {reason}")
            }
            Self::Lost(why) => write!(f, "lost: {why}"),
            Self::Broken(error) => write!(f, "the server broke a rule: {error}"),
            Self::Refused(why) => write!(f, "{why}"),
        }
    }
}

/// What a connection has to tell, in order.
#[derive(Debug)]
pub enum Happened<'a> {
    /// The WebSocket is open: the handshake may begin.
    Opened,
    /// A binary message came, at that time since the run began.
    Message(&'a [u8], Micros),
}

#[derive(Debug)]
enum Phase {
    Upgrading { upgrade: Upgrade, answer: Vec<u8> },
    Open,
}

/// One WebSocket connection to the server, registered with the thread's poll.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    phase: Phase,
    reader: Reader,
    writer: Writer,
    unsent: Vec<u8>,
    bytes_received: u64,
}

impl Connection {
    /// Begins to connect, and writes the upgrade's request as soon as the socket takes it.
    ///
    /// # Errors
    /// When the system has no socket left.
    pub fn open(
        registry: &Registry,
        token: Token,
        address: SocketAddr,
        target: &Address,
        random: &mut fastrand::Rng,
    ) -> io::Result<Self> {
        let mut socket = TcpStream::connect(address)?;
        // As browsers do: an input must not wait for the acknowledgement of the last one.
        socket.set_nodelay(true)?;
        arrival::stamp(&socket);
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        let nonce = random.u128(..).to_le_bytes();
        let (upgrade, request) =
            Upgrade::request(&target.authority, &target.path, Some(SUBPROTOCOL), nonce);
        Ok(Self {
            socket,
            phase: Phase::Upgrading {
                upgrade,
                answer: Vec::new(),
            },
            reader: Reader::new(Role::Client, SERVER_MESSAGE_BYTES_MAX),
            writer: Writer::client(random.u64(..)),
            unsent: request.into_bytes(),
            bytes_received: 0,
        })
    }

    /// Has the kernel take little for a bot that does not read, or a stall would last minutes before the
    /// server could notice it: snapshots are small. Where it cannot be set, the stall is as long as it is.
    pub fn narrow(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = nix::sys::socket::setsockopt(
            &self.socket,
            nix::sys::socket::sockopt::RcvBuf,
            &STALLING_BUFFER_BYTES,
        );
    }

    /// Bytes received so far, framing included.
    #[must_use]
    pub const fn bytes_received(&self) -> u64 {
        self.bytes_received
    }

    /// Bytes that wait for the socket.
    #[must_use]
    pub const fn unsent_bytes(&self) -> usize {
        self.unsent.len()
    }

    /// Reads all there is into `buffer` and hands over what is whole. Messages that one read brings
    /// together have the time of the last.
    ///
    /// # Errors
    /// When the connection is over; whatever came before was handed over. An error of `hand_over` ends
    /// it too.
    pub fn handle_readable(
        &mut self,
        buffer: &mut [u8],
        look: &Look,
        mut hand_over: impl FnMut(Happened<'_>) -> Result<(), PeerError>,
    ) -> Result<(), Ended> {
        loop {
            let (count, arrived) = match arrival::read(&mut self.socket, buffer, look) {
                Ok((0, _)) => {
                    return Err(Ended::Lost(
                        "the server closed the socket without a close frame".into(),
                    ));
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Ended::Lost(error.to_string())),
            };
            self.bytes_received += count as u64;
            self.handle_bytes(&mut buffer[..count], arrived, &mut hand_over)?;
            if count < buffer.len() {
                // The kernel's buffer is empty: the next bytes raise readiness anew.
                return Ok(());
            }
        }
    }

    /// Writes what waits, as far as the socket takes it.
    ///
    /// # Errors
    /// When the socket failed, or has not taken anything for too long.
    pub fn flush(&mut self) -> Result<(), Ended> {
        let mut written = 0;
        while written < self.unsent.len() {
            match self.socket.write(&self.unsent[written..]) {
                Ok(count) => written += count,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
                    ) =>
                {
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Ended::Lost(error.to_string())),
            }
        }
        self.unsent.drain(..written);
        if self.unsent.len() > UNSENT_BYTES_MAX {
            return Err(Ended::Lost("the server does not read".into()));
        }
        Ok(())
    }

    /// Puts one binary message behind what waits. [`flush`](Self::flush) sends it.
    pub fn push_message(&mut self, message: &[u8]) {
        self.writer
            .message(Opcode::Binary, message, &mut self.unsent);
    }

    /// Puts bytes behind what waits as they are, framed or not.
    pub fn push_raw(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
    }

    /// Puts a close frame behind what waits.
    pub fn push_close(&mut self, code: CloseCode, reason: &str) {
        self.writer.close(code.number(), reason, &mut self.unsent);
    }

    /// Whether the WebSocket is open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Takes the socket out of the poll. Dropping it then closes it.
    pub fn deregister(&mut self, registry: &Registry) {
        // A socket that is gone already is what was wanted.
        let _ = registry.deregister(&mut self.socket);
    }

    fn handle_bytes(
        &mut self,
        bytes: &mut [u8],
        arrived: Micros,
        hand_over: &mut impl FnMut(Happened<'_>) -> Result<(), PeerError>,
    ) -> Result<(), Ended> {
        let Phase::Upgrading { upgrade, answer } = &mut self.phase else {
            return self.handle_frames(bytes, arrived, hand_over);
        };
        answer.extend_from_slice(bytes);
        let frames_at = upgrade
            .answer(answer)
            .map_err(|error| Ended::Refused(error.to_string()))?;
        let Some(frames_at) = frames_at else {
            return Ok(());
        };
        let mut frames = answer.split_off(frames_at);
        self.phase = Phase::Open;
        hand_over(Happened::Opened).map_err(Ended::Broken)?;
        self.handle_frames(&mut frames, arrived, hand_over)
    }

    fn handle_frames(
        &mut self,
        mut bytes: &mut [u8],
        arrived: Micros,
        hand_over: &mut impl FnMut(Happened<'_>) -> Result<(), PeerError>,
    ) -> Result<(), Ended> {
        while let Some(item) = self.reader.read(&mut bytes).map_err(broken)? {
            match item {
                Item::Binary(message) => {
                    hand_over(Happened::Message(message, arrived)).map_err(Ended::Broken)?;
                }
                Item::Text(_) => {
                    return Err(broken(PeerMisbehaved::WebSocket(
                        "text from a Tickwire server",
                    )));
                }
                Item::Ping(payload) => self.writer.message(Opcode::Pong, payload, &mut self.unsent),
                Item::Pong(_) => {}
                Item::Close(close) => {
                    return Err(Ended::Closed {
                        code: close.code.unwrap_or(CLOSE_NO_STATUS),
                        reason: close.reason,
                    });
                }
            }
        }
        Ok(())
    }
}

fn broken(misbehaved: PeerMisbehaved) -> Ended {
    Ended::Broken(misbehaved.into())
}
