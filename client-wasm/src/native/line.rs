//! A line to the server: a TCP socket of ours, whose kernel can be asked, or whatever the caller has opened.

use core::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::io;

use socket2::SockRef;
use tickwire_protocol::tcp::{Kernel, TcpState};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

/// Both ways of a line.
pub(super) trait Io: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

pub(super) enum Line {
    Tcp { stream: TcpStream, kernel: Kernel },
    Other(Pin<Box<dyn Io>>),
}

impl Line {
    pub(super) fn of_tcp(stream: TcpStream) -> io::Result<Self> {
        let kernel = Kernel::prepare(&SockRef::from(&stream))?;
        Ok(Self::Tcp { stream, kernel })
    }

    /// Begins bulk, if there was none, and asks what the kernel knows of the link; `None` where nobody says.
    pub(super) fn bulk_state(&mut self) -> Option<TcpState> {
        match self {
            Self::Tcp { stream, kernel } => kernel.bulk_state(&SockRef::from(&*stream)),
            Self::Other(_) => None,
        }
    }

    /// Keeps the kernel from holding much more unsent than `meant_bytes`.
    pub(super) fn bound_unsent(&mut self, meant_bytes: u64) {
        if let Self::Tcp { stream, kernel } = self {
            kernel.bound_unsent(&SockRef::from(&*stream), meant_bytes);
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp { stream, .. } => Pin::new(stream).poll_read(context, buffer),
            Self::Other(line) => line.as_mut().poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let (stream, kernel) = match self.get_mut() {
            Self::Tcp { stream, kernel } => (stream, kernel),
            Self::Other(line) => return line.as_mut().poll_write(context, bytes),
        };
        loop {
            ready!(stream.poll_write_ready(context))?;
            let socket = SockRef::from(&*stream);
            let send = || kernel.send_beside_bulk(&socket, bytes).transpose();
            match stream.try_io(Interest::WRITABLE, send) {
                Ok(Some(sent)) => return Poll::Ready(Ok(sent)),
                Ok(None) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Pin::new(stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp { stream, .. } => Pin::new(stream).poll_flush(context),
            Self::Other(line) => line.as_mut().poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp { stream, .. } => Pin::new(stream).poll_shutdown(context),
            Self::Other(line) => line.as_mut().poll_shutdown(context),
        }
    }
}
