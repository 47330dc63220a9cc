//! A TCP connection that carries bulk: what its kernel is told, and what it is asked.
//!
//! In: a socket, whoever holds it. Out: samples for a [pace](crate::pace), and a kernel in which little stands in
//! front of what is urgent. All of it is Linux'; elsewhere nothing is known, nothing is told, and bulk is paced by
//! marks.
//!
//! The choice to question: it is here and not in a server or a client, which both need it and do not know each
//! other. Nothing in here reads, waits or knows the time.

mod send_buffer;
mod state;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests;

use std::io;

use socket2::SockRef;

pub use self::state::TcpState;
use crate::limits::KERNEL_UNSENT_BYTES;

/// What the kernel has been told of one connection.
#[derive(Debug)]
pub struct Kernel {
    /// How much unsent it may hold.
    unsent_bytes_max: u32,
    has_bulk: bool,
    /// Its congestion control lets packets go at a rate of its own.
    is_paced: bool,
}

impl Kernel {
    /// Tells it of a connection that has just begun: a small write must not wait for the acknowledgement of the
    /// last one, and little may wait in front of it.
    ///
    /// # Errors
    /// When `TCP_NODELAY` cannot be set: the connection is over.
    pub fn prepare(socket: &SockRef<'_>) -> io::Result<Self> {
        socket.set_tcp_nodelay(true)?;
        let mut kernel = Self {
            unsent_bytes_max: 0,
            has_bulk: false,
            is_paced: false,
        };
        kernel.bound_unsent(socket, 0);
        Ok(kernel)
    }

    /// Begins bulk, if there was none, and says what it knows of the link; `None` where it does not say.
    pub fn bulk_state(&mut self, socket: &SockRef<'_>) -> Option<TcpState> {
        self.begin_bulk(socket);
        state::read(socket, self.is_paced)
    }

    fn begin_bulk(&mut self, socket: &SockRef<'_>) {
        if self.has_bulk {
            return;
        }
        self.has_bulk = true;
        send_buffer::widen(socket);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            let control = socket.tcp_congestion();
            self.is_paced = control.is_ok_and(|name| name.starts_with(b"bbr"));
        }
    }

    /// Bulk is over: what is written from now on stands alone.
    pub const fn end_bulk(&mut self) {
        self.has_bulk = false;
    }

    /// Keeps it from queueing seconds of bulk in front of what is urgent: twice what is meant to wait unsent, so
    /// that small messages still get in, and never less than [`KERNEL_UNSENT_BYTES`]. Where the system cannot, or
    /// refuses, the socket works as before: only its latency beside a transfer is worse.
    pub fn bound_unsent(&mut self, socket: &SockRef<'_>, meant_bytes: u64) {
        let wanted = u32::try_from(meant_bytes.saturating_mul(2)).unwrap_or(u32::MAX);
        let wanted = wanted.max(KERNEL_UNSENT_BYTES);
        if wanted.abs_diff(self.unsent_bytes_max) <= self.unsent_bytes_max / 4 {
            return;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = socket.set_tcp_notsent_lowat(wanted);
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = socket;
        self.unsent_bytes_max = wanted;
    }

    /// Writes beside bulk; `None` without it, and where it makes no difference: write as ever then.
    ///
    /// Such a write ends a record, which the kernel sends as soon as its window lets it. Else it would wait for up
    /// to half a round trip for more to come, or for acknowledgements (`tcp_tso_should_defer`).
    pub fn send_beside_bulk(
        &self,
        socket: &SockRef<'_>,
        bytes: &[u8],
    ) -> Option<io::Result<usize>> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.has_bulk {
            let flags = libc::MSG_EOR | libc::MSG_NOSIGNAL;
            return Some(socket.send_with_flags(bytes, flags));
        }
        let _ = (socket, bytes);
        None
    }
}
