//! The task of one connection: between its socket and its session.
//!
//! In: bytes of the socket, wake-ups by the streams' handles. Out: bytes for the socket. The choice to
//! question: one future that is polled for everything, instead of a task per direction. Whatever woke
//! it, one pass writes what can be written, reads what can be read and looks at the clock; so it needs
//! no locks of its own, and a connection that sleeps holds no buffer.

use core::{
    cell::RefCell,
    pin::Pin,
    task::{Context, Poll},
};
use std::{io, sync::Arc};

use bytes::Bytes;
use tickwire_protocol::{
    error::{CloseCode, PeerError},
    websocket::{Item, Opcode, Reader, Role, Writer},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Interval, MissedTickBehavior},
};

use super::{
    Listed,
    connection::{Connection, Taken},
    limits::{CLOSING_BYTES_MAX, FAULTS_MAX, GATHERED_BYTES, Limits},
};
use crate::limits::{CLOSE_WAIT, READ_BYTES_MAX};

/// The code of a connection that did too much that is wrong (RFC 6455, section 7.4.1).
const POLICY_VIOLATION: u16 = 1008;

/// What a spent buffer for the socket may keep.
const GATHERED_BYTES_KEPT: usize = 2 * GATHERED_BYTES;

/// Told of everything that the peer does wrong.
pub(super) type OnFault = Box<dyn Fn(&str) + Send + Sync>;

/// See the [module](self). Run it with [`Task::run`].
pub(super) struct Task<S> {
    connection: Arc<Connection>,
    limits: Arc<Limits>,
    on_fault: OnFault,
    socket: S,
    reader: Reader,
    writer: Writer,
    /// Frames for the socket, and how many of their bytes it has taken.
    out: Vec<u8>,
    out_written: usize,
    /// Whether nothing that the socket took waits inside it, as under TLS.
    is_flushed: bool,
    /// The payload of the newest ping that is not answered yet.
    pong: Option<Vec<u8>>,
    /// When time-outs are looked for; once the peer alone is waited for, when it is over.
    clock: Interval,
    last_read: Instant,
    last_written: Instant,
    /// When the peer was asked whether it is there, if it has said nothing since.
    pinged: Option<Instant>,
    faults: u32,
    /// Whether a refusal was reported since the last look at the clock.
    is_refusal_told: bool,
    closing: Option<Closing>,
    /// The place among the endpoint's clients, given back when the connection is over.
    pub(super) listed: Option<Listed>,
}

/// After our close frame: the rest is written, and what still comes is thrown away until the peer closes,
/// because closing with unread bytes would reset the connection and lose that frame.
struct Closing {
    /// Whether the peer alone is waited for, and not for long. When a program closes, only once all is out.
    is_limited: bool,
    bytes_left: usize,
    is_shut_down: bool,
}

/// What one step could do.
#[derive(PartialEq, Eq)]
enum Step {
    Progress,
    Nothing,
    Over,
}

thread_local! {
    /// Where sockets are read into: one per thread, because a pass leaves nothing behind in it.
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES_MAX]);
}

impl<S: AsyncRead + AsyncWrite + Unpin> Task<S> {
    pub(super) fn new(
        socket: S,
        role: Role,
        connection: Arc<Connection>,
        limits: Arc<Limits>,
        writer: Writer,
        on_fault: OnFault,
    ) -> Self {
        let period = limits.idle_max.min(limits.stall_max) / 4;
        let mut clock = tokio::time::interval(period);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let now = Instant::now();
        Self {
            reader: Reader::new(role, limits.session.message_bytes_max),
            connection,
            limits,
            on_fault,
            socket,
            writer,
            out: Vec::new(),
            out_written: 0,
            is_flushed: true,
            pong: None,
            clock,
            last_read: now,
            last_written: now,
            pinged: None,
            faults: 0,
            is_refusal_told: false,
            closing: None,
            listed: None,
        }
    }

    /// Serves until the connection is over, beginning with bytes that were read with the upgrade.
    pub(super) async fn run(mut self, read_ahead: Bytes) {
        let mut read_ahead = Vec::from(read_ahead);
        self.take(&mut read_ahead);
        let ended = core::future::poll_fn(|context| self.poll(context)).await;
        if let Err(error) = ended {
            tracing::debug!(%error, "a BinaryJS connection broke");
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let wants_read = self.gather(context);
            let steps = [
                self.write(context)?,
                if wants_read || self.closing.is_some() {
                    self.read(context)?
                } else {
                    Step::Nothing
                },
                self.look_at_the_clock(context),
            ];
            if steps.contains(&Step::Over) {
                return Poll::Ready(Ok(()));
            }
            if !steps.contains(&Step::Progress) {
                return Poll::Pending;
            }
        }
    }

    /// Frames what waits in the session, and says whether the socket should be read.
    fn gather(&mut self, context: &Context<'_>) -> bool {
        if self.closing.is_some() {
            return true;
        }
        if let Some(payload) = self.pong.take_if(|_| self.out.is_empty()) {
            self.writer.message(Opcode::Pong, &payload, &mut self.out);
        }
        // A source that is faster than its link never lets `out` run empty, where it is cleared; moving
        // what is left costs less than what was written.
        let unwritten = self.out.len() - self.out_written;
        if self.out_written >= GATHERED_BYTES && unwritten < GATHERED_BYTES {
            self.out.drain(..self.out_written);
            self.out_written = 0;
        }
        let connection = Arc::clone(&self.connection);
        let mut state = connection.lock();
        while self.out.len() - self.out_written < GATHERED_BYTES {
            let Some(message) = state.session.poll_message() else {
                break;
            };
            self.writer.message(Opcode::Binary, &message, &mut self.out);
        }
        state.wake_writers();
        if let Some(code) = state.close_code
            && state.session.unsent_bytes() == 0
        {
            drop(state);
            self.begin_closing(code, "");
            return true;
        }
        let wants_read = state.wants_read();
        state.is_reading_stopped = !wants_read;
        state.sleep(context.waker());
        wants_read
    }

    fn write(&mut self, context: &mut Context<'_>) -> io::Result<Step> {
        if self.out_written == self.out.len() {
            return self.flush(context);
        }
        let unwritten = &self.out[self.out_written..];
        match Pin::new(&mut self.socket).poll_write(context, unwritten)? {
            Poll::Pending => Ok(Step::Nothing),
            Poll::Ready(0) => Ok(Step::Over),
            Poll::Ready(bytes) => {
                self.last_written = Instant::now();
                self.is_flushed = false;
                self.out_written += bytes;
                if self.out_written == self.out.len() {
                    self.out_written = 0;
                    self.out.clear();
                    self.out.shrink_to(GATHERED_BYTES_KEPT);
                }
                Ok(Step::Progress)
            }
        }
    }

    /// Sees to it that all is out: TLS takes more than its own socket has room for.
    fn flush(&mut self, context: &mut Context<'_>) -> io::Result<Step> {
        if !self.is_flushed {
            if Pin::new(&mut self.socket).poll_flush(context)?.is_pending() {
                return Ok(Step::Nothing);
            }
            self.is_flushed = true;
        }
        // Nothing waits for the socket, so it does not stall either.
        self.last_written = Instant::now();
        if self.closing.is_some() {
            self.limit_closing();
        }
        self.shut_down(context)
    }

    /// Tells the peer that nothing follows, once the close frame is out.
    fn shut_down(&mut self, context: &mut Context<'_>) -> io::Result<Step> {
        let Some(closing) = self.closing.as_mut().filter(|it| !it.is_shut_down) else {
            return Ok(Step::Nothing);
        };
        match Pin::new(&mut self.socket).poll_shutdown(context)? {
            Poll::Pending => Ok(Step::Nothing),
            Poll::Ready(()) => {
                closing.is_shut_down = true;
                Ok(Step::Progress)
            }
        }
    }

    fn read(&mut self, context: &mut Context<'_>) -> io::Result<Step> {
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            let polled = Pin::new(&mut self.socket).poll_read(context, &mut read);
            let bytes = match polled {
                Poll::Pending => return Ok(Step::Nothing),
                Poll::Ready(result) => result.map(|()| read.filled().len())?,
            };
            if bytes == 0 {
                return Ok(Step::Over);
            }
            self.last_read = Instant::now();
            self.pinged = None;
            if let Some(closing) = &mut self.closing {
                if !closing.is_limited {
                    return Ok(Step::Progress);
                }
                let left = closing.bytes_left.checked_sub(bytes);
                closing.bytes_left = left.unwrap_or_default();
                return Ok(left.map_or(Step::Over, |_| Step::Progress));
            }
            self.take(&mut buffer[..bytes]);
            Ok(Step::Progress)
        })
    }

    /// Brings bytes of the socket to the session.
    fn take(&mut self, mut input: &mut [u8]) {
        let connection = Arc::clone(&self.connection);
        let mut taken = Taken::default();
        let mut state = connection.lock();
        let close = loop {
            match self.reader.read(&mut input) {
                Ok(None) => break None,
                Ok(Some(Item::Binary(message))) => state.session.handle_message(message),
                Ok(Some(Item::Text(_))) => state.session.handle_text(),
                Ok(Some(Item::Ping(payload))) => self.pong = Some(payload.to_vec()),
                Ok(Some(Item::Pong(_))) => {}
                Ok(Some(Item::Close(close))) => {
                    break Some((close.code.unwrap_or(1000), String::new()));
                }
                Err(error) => {
                    let reason = error.to_string();
                    let code = CloseCode::from(&PeerError::from(error)).number();
                    break Some((code, reason));
                }
            }
            state.on_events(&mut taken);
        };
        drop(state);
        if taken.has_arrivals {
            connection.arrival.notify_one();
        }
        self.faults += u32::try_from(taken.faults.len()).unwrap_or(u32::MAX);
        for fault in &taken.faults {
            (self.on_fault)(fault);
        }
        // Nothing ends a peer for its refused streams: it must not call the program as often as it likes.
        if let Some(refused) = taken.refused
            && !core::mem::replace(&mut self.is_refusal_told, true)
        {
            (self.on_fault)(&refused);
        }
        match close {
            Some((code, reason)) => self.cut(code, &reason),
            None if self.faults > FAULTS_MAX => {
                self.cut(POLICY_VIOLATION, "too much that is no BinaryJS");
            }
            None => {}
        }
    }

    /// Writes our close frame, behind what waits.
    fn begin_closing(&mut self, code: u16, reason: &str) {
        if self.closing.is_none() {
            self.writer.close(code, reason, &mut self.out);
            self.closing = Some(Closing {
                is_limited: false,
                bytes_left: CLOSING_BYTES_MAX,
                is_shut_down: false,
            });
        }
    }

    /// Closes without waiting for long until all is out.
    fn cut(&mut self, code: u16, reason: &str) {
        self.begin_closing(code, reason);
        self.limit_closing();
    }

    /// Ends every stream, and gives the peer a moment to close as well.
    fn limit_closing(&mut self) {
        if let Some(closing) = &mut self.closing
            && !core::mem::replace(&mut closing.is_limited, true)
        {
            let wait = CLOSE_WAIT.into();
            self.clock = tokio::time::interval_at(Instant::now() + wait, wait);
            self.finish();
        }
    }

    fn look_at_the_clock(&mut self, context: &mut Context<'_>) -> Step {
        if self.clock.poll_tick(context).is_pending() {
            return Step::Nothing;
        }
        if self.closing.as_ref().is_some_and(|it| it.is_limited) {
            return Step::Over;
        }
        self.faults = 0;
        self.is_refusal_told = false;
        let now = Instant::now();
        if now - self.last_written > self.limits.stall_max {
            tracing::debug!("a BinaryJS peer takes nothing: cut");
            return Step::Over;
        }
        if self.closing.is_some() {
            return Step::Progress;
        }
        let patience = self.limits.idle_max / 2;
        if let Some(pinged) = self.pinged {
            if now - pinged <= patience {
                return Step::Progress;
            }
            let is_unread = self.connection.lock().is_reading_stopped;
            let reason = if is_unread {
                "too much was left unread for too long"
            } else {
                "nothing was heard for too long"
            };
            self.cut(CloseCode::Timeout.number(), reason);
        } else if now - self.last_read > patience {
            // Who was never asked is not late: this process itself may have stood still.
            self.pinged = Some(now);
            self.writer.message(Opcode::Ping, &[], &mut self.out);
        }
        Step::Progress
    }
}

impl<S> Task<S> {
    fn finish(&mut self) {
        // First, so that who waits for the end does not find this client among the others.
        self.listed = None;
        self.connection.finish();
    }
}

impl<S> Drop for Task<S> {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests;
