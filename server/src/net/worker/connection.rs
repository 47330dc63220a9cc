//! One connection as its worker sees it: a socket, the WebSocket framing of both directions, and where
//! in its life it is.
//!
//! ```text
//!   Greeting ──hello, seat──▶ Seated ──goodbye, error, dismissal──▶ Closing ──▶ (dropped)
//!      └────────────────refusal, error, time-out───────────────────▶┘
//! ```

use std::{io, mem::offset_of};

use slab::Slab;
use tickwire_protocol::{
    error::{CloseCode, PeerError},
    limits::CLIENT_MESSAGE_BYTES_MAX,
    pace::KernelPace,
    session::{ServerSession, Traffic},
    time::Micros,
    websocket::{Opcode, Reader, Role, Writer},
};
use tracing::Span;

use super::{
    Newcomer, pipes::Pipes, rates::Rates, rooms::RoomSlot, socket::Socket, streams::Transfer,
};
use crate::{
    limits::{Limits, PONG_BYTES_WAITING_MAX, STREAMS_ATTENDED},
    net::gate::Permit,
    prefetch::prefetch,
    room::SeatIndex,
};

/// What an emptied queue of unsent bytes may keep.
const PENDING_BYTES_KEPT: usize = 1024;

/// One connection.
///
/// The fields stand in this order in memory: first those that every tick comes by, in as few lines as can be.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Connection {
    pub(super) readiness: Readiness,
    is_writable: bool,
    /// Whether the socket's link is not the player's.
    is_relayed: bool,
    /// Whether the kernel says nothing of the link, and the session finds out by itself.
    pub(super) is_paced_by_marks: bool,
    pub(super) phase: Phase,
    pub(super) socket: Socket,
    pub(super) writer: Writer,
    /// Whole frames, and the rest of one, that the socket has not taken.
    pending: Vec<u8>,
    /// Since when the socket has taken nothing of what waits. Nothing is tried again until the poll says so.
    blocked_since: Option<Micros>,
    pub(super) rates: Rates,
    pub(super) reader: Reader,
    /// Assets on their way.
    pub(super) transfers: Vec<Transfer>,
    /// Streams that tasks and the tick have, if this server has any use for them.
    pub(super) pipes: Option<Box<Pipes>>,
    /// Until when the streams count as moving.
    pub(super) streams_attended: Micros,
    /// Until when bulk counts as under way, in either direction: then every turn of the pump is worth it.
    pub(super) bulk_attended: Micros,
    /// What the kernel says of the link; made with the first bulk, if it says anything.
    pub(super) link: Option<Box<KernelPace>>,
    /// What of the session's traffic is in the metrics already.
    pub(super) counted: Traffic,
    /// What is logged of it belongs to this: its life, never a message.
    pub(super) span: Span,
    /// Dropped with the connection: gives its place in the process back.
    pub(super) permit: Permit,
}

/// Where in its life a connection is.
#[derive(Debug)]
pub(super) enum Phase {
    /// It has not said hello, or its hello has no answer yet.
    Greeting {
        session: Box<ServerSession>,
        until: Micros,
    },
    /// A player of a room.
    Seated { room: usize, seat: SeatIndex },
    /// We have sent our last frame and wait for the peer's.
    Closing { until: Micros, bytes_left: usize },
}

/// What the poll has said and the worker has not acted on. Edges are reported once, so they are kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Readiness {
    pub(super) readable: bool,
    /// The peer sends no more: a short read does not mean that all was read.
    pub(super) read_closed: bool,
    /// The connection stands in the list of those served between ticks.
    pub(super) is_busy: bool,
    /// The connection stands in its room's list of those read with the next tick. Once: what two reads
    /// of one socket gave must not change places.
    pub(super) is_queued: bool,
}

impl Connection {
    pub(super) fn new(newcomer: Newcomer, limits: &Limits, now: Micros) -> Self {
        Self {
            socket: newcomer.socket,
            reader: Reader::new(Role::Server, CLIENT_MESSAGE_BYTES_MAX),
            writer: Writer::server(),
            phase: Phase::Greeting {
                session: Box::new(ServerSession::new(now)),
                until: now + limits.handshake_max,
            },
            rates: Rates::new(limits, now),
            // Bytes may have come before the poll watches.
            readiness: Readiness {
                readable: true,
                ..Readiness::default()
            },
            pending: Vec::new(),
            blocked_since: None,
            is_writable: true,
            transfers: Vec::new(),
            pipes: None,
            streams_attended: now,
            bulk_attended: now,
            is_relayed: newcomer.is_relayed,
            is_paced_by_marks: false,
            link: None,
            counted: Traffic::default(),
            span: newcomer.span,
            permit: newcomer.permit,
        }
    }

    /// Asks for the memory that every tick comes by.
    pub(super) fn prefetch(&self) {
        prefetch(self, offset_of!(Self, transfers));
    }

    /// Whether it waits for the peer's last frame.
    pub(super) const fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing { .. })
    }

    /// Has the socket read with its room's next tick, if there is something to read and a room.
    pub(super) fn queue_read(&mut self, key: usize, rooms: &mut Slab<RoomSlot>) {
        if let Phase::Seated { room, .. } = self.phase
            && self.readiness.readable
            && !self.readiness.is_queued
        {
            self.readiness.is_queued = true;
            rooms[room].readable.push(key);
        }
    }

    /// Has the connection served between ticks.
    pub(super) fn mark_busy(&mut self, key: usize, busy: &mut Vec<usize>) {
        if !self.readiness.is_busy {
            self.readiness.is_busy = true;
            busy.push(key);
        }
    }

    /// Whether nothing waits in front of a new message, after writing what does.
    pub(super) fn clear_the_way(&mut self, now: Micros) -> io::Result<bool> {
        match self.blocked_since {
            None => Ok(true),
            Some(_) => self.flush(now),
        }
    }

    /// Since when the socket has taken nothing, while something waits.
    pub(super) fn blocked_for(&self, now: Micros) -> Micros {
        self.blocked_since
            .map_or(Micros(0), |since| now.since(since))
    }

    /// The poll says that the socket takes bytes again.
    pub(super) const fn set_writable(&mut self) {
        self.is_writable = true;
    }

    /// Writes whole frames. What the socket does not take waits; says whether it took all.
    pub(super) fn write(&mut self, frames: &[u8], now: Micros) -> io::Result<bool> {
        if !self.pending.is_empty() {
            self.pending.extend_from_slice(frames);
            return self.flush(now);
        }
        let written = write_all(&mut self.socket, frames)?;
        if written < frames.len() {
            self.pending.extend_from_slice(&frames[written..]);
            self.blocked_since = Some(now);
            self.is_writable = false;
        }
        Ok(written == frames.len())
    }

    /// Writes what waits; says whether nothing waits any more.
    pub(super) fn flush(&mut self, now: Micros) -> io::Result<bool> {
        if self.pending.is_empty() || !self.is_writable {
            return Ok(self.pending.is_empty());
        }
        let written = write_all(&mut self.socket, &self.pending)?;
        if written < self.pending.len() {
            self.pending.drain(..written);
            // Who reads, however slowly, is not stalled.
            if written > 0 || self.blocked_since.is_none() {
                self.blocked_since = Some(now);
            }
            self.is_writable = false;
            return Ok(false);
        }
        self.pending.clear();
        self.pending.shrink_to(PENDING_BYTES_KEPT);
        self.blocked_since = None;
        Ok(true)
    }

    /// Asks the kernel how the link is; false when it does not say.
    pub(super) fn sample_link(&mut self, now: Micros) -> bool {
        if self.is_relayed {
            return false;
        }
        let Some(state) = self.socket.bulk_state() else {
            return false;
        };
        let link = self
            .link
            .get_or_insert_with(|| Box::new(KernelPace::of_server()));
        link.handle_sample(state.sample, state.segment_bytes, now);
        self.socket.bound_unsent(link.unsent_bytes_max());
        true
    }

    /// Bulk moves: the connection is served between ticks, and often.
    pub(super) fn attend_bulk(&mut self, now: Micros) {
        self.bulk_attended = now + STREAMS_ATTENDED;
        self.streams_attended = self.streams_attended.max(self.bulk_attended);
    }

    /// Bytes of bulk that may go out in the next message.
    pub(super) fn bulk_bytes(&self) -> usize {
        self.link
            .as_ref()
            .map_or(usize::MAX, |link| link.message_bytes())
    }

    /// Counts a message of opened streams.
    pub(super) fn count_bulk(&mut self, bytes: usize) {
        if let Some(link) = &mut self.link {
            link.on_written(bytes);
        }
    }

    /// Whether anything waits to be written.
    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Answers a ping with the next write.
    pub(super) fn queue_pong(&mut self, payload: &[u8]) {
        if self.pending.len() < PONG_BYTES_WAITING_MAX {
            self.writer
                .message(Opcode::Pong, payload, &mut self.pending);
        }
    }

    /// Queues the session's last message and the close frame, and begins to wait for the peer's.
    pub(super) fn begin_closing(
        &mut self,
        farewell: &[u8],
        code: CloseCode,
        reason: &str,
        now: Micros,
    ) {
        if !farewell.is_empty() {
            self.writer
                .message(Opcode::Binary, farewell, &mut self.pending);
        }
        self.writer.close(code.number(), reason, &mut self.pending);
        self.permit.end_handshake();
        let code = code.number();
        self.span
            .in_scope(|| tracing::debug!(code, reason, "closing"));
        // Their tasks hear of it now, and not when the peer has answered.
        self.pipes = None;
        self.phase = Phase::Closing {
            until: now + crate::limits::CLOSE_WAIT,
            bytes_left: crate::limits::CLOSING_BYTES_MAX,
        };
    }
}

/// Writes until all is written or the socket takes no more. Only then does the poll report when it does
/// again.
fn write_all(socket: &mut Socket, bytes: &[u8]) -> io::Result<usize> {
    let mut written = socket.try_write(bytes)?;
    while written < bytes.len() {
        match socket.try_write(&bytes[written..])? {
            0 => break,
            more => written += more,
        }
    }
    Ok(written)
}

/// The code and the line of a close frame for what a peer did.
pub(super) fn verdict(error: &PeerError) -> (CloseCode, String) {
    (CloseCode::from(error), error.to_string())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    use std::net::{TcpListener, TcpStream};
    use std::{io::Read, os::unix::net::UnixStream};

    use super::*;
    use crate::net::worker::tests::newcomer;

    fn connection(socket: Socket, is_relayed: bool) -> Connection {
        let newcomer = Newcomer {
            is_relayed,
            ..newcomer(socket)
        };
        Connection::new(newcomer, &Limits::default(), Micros(0))
    }

    #[test]
    fn only_a_socket_that_takes_nothing_is_blocked_for_long() {
        let second = |number: u64| Micros(number * Micros::PER_SECOND);
        let (ours, mut peer) = UnixStream::pair().unwrap();
        let mut connection = connection(Socket::from_pair(ours, None).unwrap(), false);
        let all = connection.write(&vec![7; 4 << 20], second(1)).unwrap();
        assert!(!all, "the kernel holds less");
        for now in 2..5 {
            peer.read_exact(&mut vec![0; 64 << 10]).unwrap();
            connection.set_writable();
            assert!(!connection.flush(second(now)).unwrap());
            assert_eq!(connection.blocked_for(second(now)), Micros(0));
        }
        connection.set_writable();
        assert!(!connection.flush(second(9)).unwrap());
        assert_eq!(connection.blocked_for(second(9)), second(5));
    }

    /// Our end of a connection over loopback, and the peer's.
    #[cfg(target_os = "linux")]
    fn over_tcp(is_relayed: bool) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (ours, _) = listener.accept().unwrap();
        (
            connection(Socket::from_tcp(ours).unwrap(), is_relayed),
            peer,
        )
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn bulk_is_held_to_what_the_kernel_says_of_the_link() {
        const NOW: Micros = Micros(1_000_000);
        let (mut connection, _peer) = over_tcp(false);
        assert!(connection.sample_link(NOW));
        let mut written = 0;
        while connection.bulk_bytes() > 0 {
            written += connection.bulk_bytes();
            connection.count_bulk(connection.bulk_bytes());
            assert!(written < 1 << 20, "the first round trip is not over");
        }
        assert!(written > 0);
        // The kernel still says that nothing is under way, so there is room again.
        assert!(connection.sample_link(NOW + Micros::from_millis(50)));
        assert!(connection.bulk_bytes() > 0);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_kernel_is_not_asked_of_a_link_that_ends_at_a_proxy() {
        let (mut connection, _peer) = over_tcp(true);
        assert!(!connection.sample_link(Micros(1_000_000)));
        assert_eq!(connection.bulk_bytes(), usize::MAX);
    }
}
