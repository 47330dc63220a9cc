//! How a line to the server is opened: a TCP socket of ours, or whatever the caller opens.
//!
//! In: an address. Out: a socket on which the upgrade is done, or why not. The decision to question: TLS
//! is the caller's. Which library, which roots and whose certificates are a program's choice, and any
//! [`AsyncRead`] and [`AsyncWrite`] will do.

use core::{future::Future, pin::Pin};
use std::io;

use tickwire_protocol::{
    limits::SUBPROTOCOL,
    websocket::{Address, upgrade::Upgrade},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{error::ConnectError, line::Line, socket::Socket};

type Dialing<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A socket that is being opened.
pub(super) type Opening = Dialing<Result<(Box<Socket>, Vec<u8>), ConnectError>>;

/// Opens lines, as often as one is wanted.
pub(super) struct Dial {
    address: Address,
    open: Box<dyn FnMut() -> Option<Dialing<io::Result<Line>>> + Send>,
    /// Whether there is one line only, and so no coming back.
    pub(super) is_single: bool,
}

impl Dial {
    /// By TCP.
    pub(super) fn tcp(address: Address) -> Self {
        let target = address.clone();
        let open = move || {
            let target = target.clone();
            let open = async move {
                let stream = TcpStream::connect((target.host(), target.port())).await?;
                Line::of_tcp(stream)
            };
            Some(Box::pin(open) as Dialing<_>)
        };
        Self {
            address,
            open: Box::new(open),
            is_single: false,
        }
    }

    /// By what the caller gives.
    pub(super) fn by<F, Fut, T>(address: Address, mut dial: F) -> Self
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = io::Result<T>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        let open = move || {
            let line = dial();
            let open = async move { Ok(Line::Other(Box::pin(line.await?))) };
            Some(Box::pin(open) as Dialing<_>)
        };
        Self {
            address,
            open: Box::new(open),
            is_single: false,
        }
    }

    /// A line that is open already.
    pub(super) fn over<T>(address: Address, line: T) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        let mut line = Some(Line::Other(Box::pin(line)));
        let open = move || {
            let line = line.take()?;
            Some(Box::pin(async move { Ok(line) }) as Dialing<_>)
        };
        Self {
            address,
            open: Box::new(open),
            is_single: true,
        }
    }

    /// Begins to open a socket; `None` when there is no line any more.
    pub(super) fn begin(&mut self) -> Option<Opening> {
        let line = (self.open)()?;
        let address = self.address.clone();
        Some(Box::pin(
            async move { upgrade(line.await?, &address).await },
        ))
    }
}

/// Asks for the upgrade and waits for the answer. Frames may follow it at once: they are given along.
async fn upgrade(
    mut line: Line,
    address: &Address,
) -> Result<(Box<Socket>, Vec<u8>), ConnectError> {
    let mut nonce = [0; 16];
    let mut seed = [0; 8];
    for bytes in [&mut nonce[..], &mut seed[..]] {
        getrandom::fill(bytes).map_err(io::Error::other)?;
    }
    let Address {
        authority, path, ..
    } = address;
    let (upgrade, request) = Upgrade::request(authority, path, Some(SUBPROTOCOL), nonce);
    line.write_all(request.as_bytes()).await?;
    line.flush().await?;
    let mut answer = Vec::with_capacity(1024);
    loop {
        if line.read_buf(&mut answer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Some(at) = upgrade.answer(&answer)? {
            let frames = answer.split_off(at);
            let socket = Socket::new(line, u64::from_le_bytes(seed));
            return Ok((Box::new(socket), frames));
        }
    }
}
