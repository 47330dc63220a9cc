//! A socket as a worker owns it: non-blocking, outside tokio's reactor, on the worker's own poll.
//!
//! The choice to question: two kinds. A plain TCP connection is taken out of tokio and read and written
//! directly, which is half the cost of leaving it there. Whatever wraps the bytes (TLS) stays in tokio,
//! which copies between it and one end of a local socket pair; the worker holds the other end and sees
//! no difference.

use std::io::{self, Read, Write};

use mio::{Interest, Registry, Token, event::Source};

use super::{
    send_buffer,
    tcp_state::{self, TcpState},
};
use crate::limits::UNSENT_BYTES_MAX;

/// One end of a connection to a player.
#[derive(Debug)]
pub(crate) enum Socket {
    /// The player's own TCP connection.
    Tcp(Tcp),
    /// A local pair, behind which tokio handles what wraps the bytes.
    #[cfg(unix)]
    Pair(mio::net::UnixStream),
}

/// A TCP connection, and what its kernel has been told.
#[derive(Debug)]
pub(crate) struct Tcp {
    stream: mio::net::TcpStream,
    /// How much unsent the kernel may hold.
    unsent_bytes_max: u32,
    has_bulk: bool,
    /// The kernel's congestion control lets packets go at a rate of its own.
    is_paced: bool,
}

impl Tcp {
    /// Beside bulk each write ends a record, which the kernel sends as soon as its window lets it. Else it would
    /// wait for up to half a round trip for more to come, or for acknowledgements (`tcp_tso_should_defer`).
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.has_bulk {
            let flags = libc::MSG_EOR | libc::MSG_NOSIGNAL;
            return socket2::SockRef::from(&self.stream).send_with_flags(bytes, flags);
        }
        self.stream.write(bytes)
    }
}

impl Socket {
    /// Takes a TCP stream that tokio has let go.
    pub(crate) fn from_tcp(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        // A snapshot is one write and must not wait for the acknowledgement of the last one.
        stream.set_nodelay(true)?;
        let mut socket = Self::Tcp(Tcp {
            stream: mio::net::TcpStream::from_std(stream),
            unsent_bytes_max: 0,
            has_bulk: false,
            is_paced: false,
        });
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
            Self::Tcp(tcp) => tcp.stream.read(buffer),
            #[cfg(unix)]
            Self::Pair(stream) => stream.read(buffer),
        })
    }

    /// Writes what fits; zero when nothing does.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = none_when_blocked(match self {
            Self::Tcp(tcp) => tcp.write(bytes),
            #[cfg(unix)]
            Self::Pair(stream) => stream.write(bytes),
        });
        Ok(written?.unwrap_or(0))
    }

    /// What the kernel knows of the link; `None` where it does not say.
    pub(super) fn tcp_state(&self) -> Option<TcpState> {
        match self {
            Self::Tcp(tcp) => tcp_state::read(&tcp.stream, tcp.is_paced),
            #[cfg(unix)]
            Self::Pair(_) => None,
        }
    }

    /// Prepares the kernel for bulk, if there was none.
    pub(super) fn begin_bulk(&mut self) {
        if let Self::Tcp(tcp) = self
            && !tcp.has_bulk
        {
            send_buffer::widen(&tcp.stream);
            tcp.has_bulk = true;
            #[cfg(any(target_os = "linux", target_os = "android"))]
            {
                let control = socket2::SockRef::from(&tcp.stream).tcp_congestion();
                tcp.is_paced = control.is_ok_and(|name| name.starts_with(b"bbr"));
            }
        }
    }

    /// Bulk is over: what is written from now on stands alone.
    pub(super) const fn end_bulk(&mut self) {
        if let Self::Tcp(tcp) = self {
            tcp.has_bulk = false;
        }
    }

    /// Keeps the kernel from queueing seconds of bulk in front of a snapshot: twice what is meant to
    /// wait unsent, so that snapshots still get in, and never less than [`UNSENT_BYTES_MAX`]. Where the
    /// system cannot, or refuses, the socket works as before: only its latency beside a transfer is worse.
    pub(super) fn bound_unsent(&mut self, meant_bytes: u64) {
        let Self::Tcp(tcp) = self else {
            return;
        };
        let wanted = u32::try_from(meant_bytes.saturating_mul(2)).unwrap_or(u32::MAX);
        let wanted = wanted.max(UNSENT_BYTES_MAX);
        if wanted.abs_diff(tcp.unsent_bytes_max) <= tcp.unsent_bytes_max / 4 {
            return;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = socket2::SockRef::from(&tcp.stream).set_tcp_notsent_lowat(wanted);
        tcp.unsent_bytes_max = wanted;
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(tcp) => &mut tcp.stream,
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
