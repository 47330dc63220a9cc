//! One open WebSocket: messages of the core to bytes of the line, and bytes to items.
//!
//! In: readiness of the line. Out: whether bytes came, whether there is room for more. What waits in here
//! is bounded: the core is asked for messages only while little waits, which is what makes it hold back
//! bulk and put inputs first.

use core::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};
use std::io;

use tickwire_protocol::{
    limits::SERVER_MESSAGE_BYTES_MAX,
    tcp::TcpState,
    websocket::{Opcode, Reader, Role, Writer},
};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf};

use super::line::Line;
use crate::limits::{CLOSE_WAIT, SOCKET_UNSENT_BYTES_MAX};

pub(super) struct Socket {
    line: Line,
    pub(super) reader: Reader,
    writer: Writer,
    out: Vec<u8>,
    /// How much of `out` the line has taken.
    written: usize,
    /// Lines that keep bytes to themselves, as TLS does, are to be flushed after the last of them.
    is_flushed: bool,
}

/// What a line has done.
pub(super) enum Turn {
    /// It has taken everything.
    Written,
    /// So many bytes came.
    Read(usize),
    /// It is over, with an error or by its end.
    Lost,
}

impl Socket {
    pub(super) fn new(line: Line, mask_seed: u64) -> Self {
        Self {
            line,
            reader: Reader::new(Role::Client, SERVER_MESSAGE_BYTES_MAX),
            writer: Writer::client(mask_seed),
            out: Vec::new(),
            written: 0,
            is_flushed: true,
        }
    }

    /// Bytes that may be queued now, if so many may wait as the core [means](crate::Client::unsent_bytes_max).
    pub(super) fn room_bytes(&self, meant: u64) -> usize {
        let most = SOCKET_UNSENT_BYTES_MAX.min(usize::try_from(meant).unwrap_or(usize::MAX));
        most.saturating_sub(self.out.len() - self.written)
    }

    /// What is known of the link, with what waits in here; `None` where nobody says. The kernel is to hold no more
    /// unsent than the core [means](crate::Client::unsent_bytes_max).
    pub(super) fn bulk_state(&mut self, meant: u64) -> Option<TcpState> {
        let mut state = self.line.bulk_state()?;
        state.sample.unsent += (self.out.len() - self.written) as u64;
        self.line.bound_unsent(meant);
        Some(state)
    }

    /// Queues the message that `fill` appends, if it says that there is one.
    pub(super) fn push(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let begun = self.writer.begin(&mut self.out);
        let is_any = fill(&mut self.out);
        if is_any {
            self.writer.finish(begun, Opcode::Binary, &mut self.out);
        } else {
            self.writer.abandon(begun, &mut self.out);
        }
        is_any
    }

    /// Answers a ping; not while much waits: only the newest needs an answer.
    pub(super) fn pong(&mut self, payload: &[u8]) {
        if self.room_bytes(u64::MAX) > 0 {
            self.writer.message(Opcode::Pong, payload, &mut self.out);
        }
    }

    /// Writes what waits and reads what comes, and returns when either is done. Nothing is lost when it is
    /// dropped before.
    pub(super) async fn turn(&mut self, buffer: &mut [u8]) -> Turn {
        poll_fn(|context| self.poll_turn(context, buffer)).await
    }

    fn poll_turn(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Turn> {
        let Ok(has_written) = self.poll_write(context) else {
            return Poll::Ready(Turn::Lost);
        };
        let mut buffer = ReadBuf::new(buffer);
        match Pin::new(&mut self.line).poll_read(context, &mut buffer) {
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                Poll::Ready(Turn::Read(buffer.filled().len()))
            }
            Poll::Ready(_) => Poll::Ready(Turn::Lost),
            Poll::Pending if has_written => Poll::Ready(Turn::Written),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Writes as far as the line takes it; says whether that was the last of it.
    fn poll_write(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        let had_any = self.written < self.out.len();
        while self.written < self.out.len() {
            let rest = &self.out[self.written..];
            match Pin::new(&mut self.line).poll_write(context, rest)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(bytes) => self.written += bytes,
                Poll::Pending => return Ok(false),
            }
            self.is_flushed = false;
        }
        self.out.clear();
        self.written = 0;
        if !self.is_flushed {
            self.is_flushed = Pin::new(&mut self.line).poll_flush(context)?.is_ready();
        }
        Ok(had_any)
    }

    /// Says goodbye behind what waits, and waits a moment for the server's.
    pub(super) async fn close(mut self, code: u16, reason: &str) {
        self.writer.close(code, reason, &mut self.out);
        let goodbye = async {
            self.line.write_all(&self.out[self.written..]).await?;
            self.line.shutdown().await?;
            let mut rest = [0; 4096];
            while self.line.read(&mut rest).await? > 0 {}
            io::Result::Ok(())
        };
        // A line that is gone, or a server that does not answer, is not waited for: it is over either way.
        drop(tokio::time::timeout(CLOSE_WAIT, goodbye).await);
    }
}
