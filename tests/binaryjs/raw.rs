//! A peer that writes what it likes: WebSocket frames around bytes that need not be BinaryJS.

use std::io;

use tests::upgrade::answered;
use tickwire_protocol::{
    binaryjs::Frame,
    websocket::{Item, Opcode, Reader, Role, Writer, upgrade::Upgrade},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// One connection.
pub(crate) struct Raw {
    pub(crate) socket: TcpStream,
    writer: Writer,
    reader: Reader,
    /// What has come and was not looked at.
    unread: Vec<u8>,
}

/// What came.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    Frame(Frame),
    Closed(Option<u16>),
}

impl Raw {
    /// Connects and upgrades.
    pub(crate) async fn connect(url: &str) -> Self {
        let (host, path) = url
            .trim_start_matches("ws://")
            .split_once('/')
            .expect("an address has a path");
        let mut socket = TcpStream::connect(host).await.expect("it listens");
        socket.set_nodelay(true).expect("it is connected");
        let (upgrade, request) = Upgrade::request(host, &format!("/{path}"), None, [7; 16]);
        socket
            .write_all(request.as_bytes())
            .await
            .expect("it reads");
        let unread = answered(&mut socket, &upgrade).await.expect("it upgrades");
        Self {
            socket,
            writer: Writer::client(7),
            reader: Reader::new(Role::Client, 64 << 20),
            unread,
        }
    }

    /// Sends one message, whatever it holds.
    pub(crate) async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.send_as(Opcode::Binary, message).await
    }

    pub(crate) async fn send_as(&mut self, opcode: Opcode, message: &[u8]) -> io::Result<()> {
        let mut frames = Vec::new();
        self.writer.message(opcode, message, &mut frames);
        self.socket.write_all(&frames).await
    }

    /// The next frame of BinaryJS, or the end. Pings are left unanswered.
    pub(crate) async fn hear(&mut self) -> Heard {
        loop {
            let mut input = &mut self.unread[..];
            let before = input.len();
            let heard = match self.reader.read(&mut input).expect("a WebSocket server") {
                Some(Item::Binary(message)) => {
                    Some(Heard::Frame(Frame::decode(message).expect("BinaryJS")))
                }
                Some(Item::Close(close)) => Some(Heard::Closed(close.code)),
                Some(_) => None,
                None => {
                    self.unread.clear();
                    match self.socket.read_buf(&mut self.unread).await {
                        Ok(0) | Err(_) => return Heard::Closed(None),
                        Ok(_) => continue,
                    }
                }
            };
            let used = before - input.len();
            self.unread.drain(..used);
            if let Some(heard) = heard {
                return heard;
            }
        }
    }
}
