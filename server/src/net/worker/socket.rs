//! A socket as a worker owns it: non-blocking, outside tokio's reactor, on the worker's own poll.
//!
//! The choice to question: two kinds. A plain TCP connection is taken out of tokio and read and written
//! directly, which is half the cost of leaving it there. Whatever wraps the bytes (TLS) stays in tokio,
//! which copies between it and one end of a local socket pair; the worker holds the other end and sees
//! no difference.

use std::io::{self, Read, Write};

use mio::{Interest, Registry, Token, event::Source};
use socket2::SockRef;
use tickwire_protocol::tcp::{Kernel, TcpState};
#[cfg(unix)]
use tokio::sync::oneshot;

/// One end of a connection to a player.
#[derive(Debug)]
pub(crate) enum Socket {
    /// The player's own TCP connection.
    Tcp(Tcp),
    /// A local pair, behind which tokio handles what wraps the bytes.
    #[cfg(unix)]
    Pair(Pair),
}

/// One end of a local pair.
#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct Pair {
    stream: mio::net::UnixStream,
    /// Dropped with it, which tells whoever has the other end.
    _held: Option<oneshot::Sender<()>>,
}

/// A TCP connection, and what its kernel has been told.
#[derive(Debug)]
pub(crate) struct Tcp {
    stream: mio::net::TcpStream,
    kernel: Kernel,
}

impl Tcp {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let socket = SockRef::from(&self.stream);
        match self.kernel.send_beside_bulk(&socket, bytes) {
            Some(sent) => sent,
            None => self.stream.write(bytes),
        }
    }
}

impl Socket {
    /// Takes a TCP stream that tokio has let go.
    pub(crate) fn from_tcp(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let stream = mio::net::TcpStream::from_std(stream);
        let kernel = Kernel::prepare(&SockRef::from(&stream))?;
        Ok(Self::Tcp(Tcp { stream, kernel }))
    }

    /// Takes the worker's end of a local pair, and what tells the other end when it is dropped.
    #[cfg(unix)]
    pub(crate) fn from_pair(
        stream: std::os::unix::net::UnixStream,
        held: Option<oneshot::Sender<()>>,
    ) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let stream = mio::net::UnixStream::from_std(stream);
        Ok(Self::Pair(Pair {
            stream,
            _held: held,
        }))
    }

    /// Watches the socket for both directions. Edges only: what was reported is not reported again.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(
            self.source(),
            token,
            Interest::READABLE | Interest::WRITABLE,
        )
    }

    pub(super) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(self.source())
    }

    /// Reads what is there; `Ok(None)` when nothing is.
    pub(super) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        none_when_blocked(match self {
            Self::Tcp(tcp) => tcp.stream.read(buffer),
            #[cfg(unix)]
            Self::Pair(pair) => pair.stream.read(buffer),
        })
    }

    /// Writes what fits; zero when nothing does.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = none_when_blocked(match self {
            Self::Tcp(tcp) => tcp.write(bytes),
            #[cfg(unix)]
            Self::Pair(pair) => pair.stream.write(bytes),
        });
        Ok(written?.unwrap_or(0))
    }

    /// Begins bulk, if there was none, and asks what the kernel knows of the link; `None` where it does not say.
    pub(super) fn bulk_state(&mut self) -> Option<TcpState> {
        match self {
            Self::Tcp(Tcp { stream, kernel }) => kernel.bulk_state(&SockRef::from(&*stream)),
            #[cfg(unix)]
            Self::Pair(_) => None,
        }
    }

    /// Bulk is over: what is written from now on stands alone.
    pub(super) const fn end_bulk(&mut self) {
        if let Self::Tcp(tcp) = self {
            tcp.kernel.end_bulk();
        }
    }

    /// Keeps the kernel from holding much more unsent than `meant_bytes`.
    pub(super) fn bound_unsent(&mut self, meant_bytes: u64) {
        if let Self::Tcp(Tcp { stream, kernel }) = self {
            kernel.bound_unsent(&SockRef::from(&*stream), meant_bytes);
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(tcp) => &mut tcp.stream,
            #[cfg(unix)]
            Self::Pair(pair) => &mut pair.stream,
        }
    }
}

fn none_when_blocked(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
