//! A socket as a worker owns it: non-blocking, outside tokio's reactor, on the worker's own poll.
//!
//! The choice to question: two kinds. A plain TCP connection is taken out of tokio and read and written
//! directly, which is half the cost of leaving it there. Whatever wraps the bytes (TLS) stays in tokio,
//! which copies between it and one end of a local socket pair; the worker holds the other end and sees
//! no difference.

use std::io::{self, Read, Write};

use mio::{Interest, Registry, Token, event::Source};

use super::tcp_state::{self, TcpState};
use crate::limits::UNSENT_BYTES_MAX;

/// One end of a connection to a player.
#[derive(Debug)]
pub(crate) enum Socket {
    /// The player's own TCP connection, and how much unsent it lets the kernel hold.
    Tcp(mio::net::TcpStream, u32),
    /// A local pair, behind which tokio handles what wraps the bytes.
    #[cfg(unix)]
    Pair(mio::net::UnixStream),
}

impl Socket {
    /// Takes a TCP stream that tokio has let go.
    pub(crate) fn from_tcp(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        // A snapshot is one write and must not wait for the acknowledgement of the last one.
        stream.set_nodelay(true)?;
        let mut socket = Self::Tcp(mio::net::TcpStream::from_std(stream), 0);
        socket.bound_unsent(0);
        Ok(socket)
    }

    /// Takes the worker's end of a local pair.
    #[cfg(unix)]
    pub(crate) fn from_pair(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self::Pair(mio::net::UnixStream::from_std(stream)))
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
            Self::Tcp(stream, _) => stream.read(buffer),
            #[cfg(unix)]
            Self::Pair(stream) => stream.read(buffer),
        })
    }

    /// Writes what fits; zero when nothing does.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = none_when_blocked(match self {
            Self::Tcp(stream, _) => stream.write(bytes),
            #[cfg(unix)]
            Self::Pair(stream) => stream.write(bytes),
        });
        Ok(written?.unwrap_or(0))
    }

    /// What the kernel knows of the link; `None` where it does not say.
    pub(super) fn tcp_state(&self) -> Option<TcpState> {
        match self {
            Self::Tcp(stream, _) => tcp_state::read(stream),
            #[cfg(unix)]
            Self::Pair(_) => None,
        }
    }

    /// Keeps the kernel from queueing seconds of bulk in front of a snapshot: twice what is meant to
    /// wait unsent, so that snapshots still get in, and never less than [`UNSENT_BYTES_MAX`]. Where the
    /// system cannot, or refuses, the socket works as before: only its latency beside a transfer is worse.
    pub(super) fn bound_unsent(&mut self, meant_bytes: u64) {
        let Self::Tcp(stream, bound) = self else {
            return;
        };
        let wanted = u32::try_from(meant_bytes.saturating_mul(2)).unwrap_or(u32::MAX);
        let wanted = wanted.max(UNSENT_BYTES_MAX);
        if wanted.abs_diff(*bound) <= *bound / 4 {
            return;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = socket2::SockRef::from(&*stream).set_tcp_notsent_lowat(wanted);
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = stream;
        *bound = wanted;
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(stream, _) => stream,
            #[cfg(unix)]
            Self::Pair(stream) => stream,
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
