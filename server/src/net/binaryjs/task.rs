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
    is_pinged: bool,
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
            is_pinged: false,
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
            self.is_pinged = false;
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
        let idle = now - self.last_read;
        if idle > self.limits.idle_max {
            let is_unread = self.connection.lock().is_reading_stopped;
            let reason = if is_unread {
                "too much was left unread for too long"
            } else {
                "nothing was heard for too long"
            };
            self.cut(CloseCode::Timeout.number(), reason);
        } else if idle > self.limits.idle_max / 2 && !self.is_pinged {
            self.is_pinged = true;
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
mod tests {
    use core::{
        pin::pin,
        sync::atomic::{AtomicU32, Ordering::Relaxed},
        task::Waker,
        time::Duration,
    };

    use tickwire_protocol::{
        binaryjs::{self, limits::CHUNK_BYTES},
        binarypack::{Dialect, Value, write_value},
    };
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Takes a little of each write, and has nothing to read.
    struct Slow;

    impl AsyncRead for Slow {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Slow {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len().min(1000)))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Takes what is written as long as it is open, and keeps it to itself until it may be flushed.
    #[derive(Default)]
    struct Stopped {
        is_open: bool,
        is_flushing: bool,
    }

    impl AsyncRead for Stopped {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Stopped {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.is_open {
                Poll::Ready(Ok(bytes.len()))
            } else {
                Poll::Pending
            }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            if self.is_flushing {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// The task of a server's connection, under limits.
    fn task<S: AsyncRead + AsyncWrite + Unpin>(socket: S, limits: Limits) -> Task<S> {
        let connection = Connection::new(
            binaryjs::Role::Acceptor,
            Dialect::Node,
            CHUNK_BYTES,
            &limits.session,
        );
        Task::new(
            socket,
            Role::Server,
            Arc::new(connection),
            Arc::new(limits),
            Writer::server(),
            Box::new(|_| {}),
        )
    }

    /// Brings messages of a client to the task.
    fn take<S: AsyncRead + AsyncWrite + Unpin>(task: &mut Task<S>, messages: &[&[u8]]) {
        let mut writer = Writer::client(7);
        let mut frames = Vec::new();
        for message in messages {
            writer.message(Opcode::Binary, message, &mut frames);
        }
        task.take(&mut frames);
    }

    /// Waits for the clock.
    async fn tick<S: AsyncRead + AsyncWrite + Unpin>(task: &mut Task<S>) {
        core::future::poll_fn(|context| match task.look_at_the_clock(context) {
            Step::Nothing => Poll::Pending,
            Step::Progress | Step::Over => Poll::Ready(()),
        })
        .await;
    }

    #[tokio::test]
    async fn what_a_peer_still_sends_when_we_close_does_not_break_its_connection() {
        let (socket, mut peer) = tokio::io::duplex(GATHERED_BYTES);
        let task = task(socket, Limits::default());
        task.connection.close(1000);
        let served = tokio::spawn(task.run(Bytes::new()));
        // More than one message, as of a peer that has written one beyond the limit.
        let sent = vec![0; 20 << 20];
        peer.write_all(&sent).await.expect("it is thrown away");
        peer.shutdown().await.unwrap();
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, [0x88, 2, 0x03, 0xe8]);
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_never_closes_is_cut_soon_whatever_its_time_outs_are() {
        let hour = Duration::from_secs(3600);
        let limits = Limits {
            idle_max: hour,
            stall_max: hour,
            ..Limits::default()
        };
        let task = task(Slow, limits);
        task.connection.close(1000);
        let cut = tokio::time::timeout(hour / 60, task.run(Bytes::new()));
        assert!(cut.await.is_ok());
    }

    #[tokio::test]
    async fn what_the_socket_holds_back_is_flushed_and_counts_as_stalled_until_then() {
        let socket = Stopped {
            is_open: true,
            ..Stopped::default()
        };
        let mut task = task(socket, Limits::default());
        task.connection.open(&Value::Nil).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        task.gather(&context);
        assert!(task.write(&mut context).unwrap() == Step::Progress);
        let written = task.last_written;
        for is_flushing in [false, true] {
            task.socket.is_flushing = is_flushing;
            while Instant::now() == written {}
            task.write(&mut context).unwrap();
            assert_eq!(task.is_flushed, is_flushing);
            assert_eq!(task.last_written > written, is_flushing);
        }
    }

    #[tokio::test]
    async fn a_program_that_closes_has_all_written_before_the_connection_is_over() {
        let mut task = task(Stopped::default(), Limits::default());
        let connection = Arc::clone(&task.connection);
        connection.open(&Value::Nil).unwrap();
        connection.close(1000);
        let mut over = pin!(connection.over());
        let mut context = Context::from_waker(Waker::noop());
        for (is_open, is_flushing) in [(false, false), (true, false), (true, true)] {
            assert!(over.as_mut().poll(&mut context).is_pending());
            task.socket.is_open = is_open;
            task.socket.is_flushing = is_flushing;
            assert!(task.poll(&mut context).is_pending());
            let is_timed = task.clock.period() == Duration::from(CLOSE_WAIT);
            assert_eq!(is_timed, is_flushing);
        }
        assert!(over.as_mut().poll(&mut context).is_ready());
    }

    #[tokio::test]
    async fn a_program_that_closes_is_kept_up_by_a_stalled_peer_for_so_long_and_no_longer() {
        let limits = Limits {
            stall_max: Duration::from_nanos(4),
            ..Limits::default()
        };
        let task = task(Stopped::default(), limits);
        task.connection.close(1000);
        task.run(Bytes::new()).await;
    }

    #[tokio::test]
    async fn streams_beyond_the_limit_never_end_the_connection_and_are_reported_once() {
        let mut limits = Limits::default();
        limits.session.streams_max = 1;
        let mut task = task(Slow, limits);
        let reports = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&reports);
        task.on_fault = Box::new(move |_| {
            counter.fetch_add(1, Relaxed);
        });
        for number in 0..2 * u64::from(FAULTS_MAX) {
            let id = &Value::from(2 * number);
            let mut tag = Vec::new();
            write_value(id, Dialect::Reference, &mut tag);
            let frame = |kind| [&[0x93, kind, 0xc0], &tag[..]].concat();
            take(&mut task, &[&frame(1), &frame(2), &frame(5)]);
        }
        assert!(task.closing.is_none());
        assert_eq!(task.connection.lock().session.streams_open(), 1);
        assert_eq!(reports.load(Relaxed), 1);
        // The clock's first tick comes at once.
        tick(&mut task).await;
        take(&mut task, &[&[0x93, 1, 0xc0, 0x7e]]);
        assert_eq!(reports.load(Relaxed), 2);
    }

    #[tokio::test]
    async fn a_peer_that_is_not_read_is_told_so_when_its_time_is_over() {
        let mut limits = Limits {
            idle_max: Duration::from_nanos(4),
            ..Limits::default()
        };
        limits.session.unread_bytes_max = 1;
        for (messages, reason) in [
            (&[][..], "nothing was heard for too long"),
            (
                &[&[0x93, 1, 0xc0, 0][..]],
                "too much was left unread for too long",
            ),
        ] {
            let mut task = task(Slow, limits.clone());
            take(&mut task, messages);
            task.gather(&Context::from_waker(Waker::noop()));
            tick(&mut task).await;
            let (code, said) = task.out.split_at(4);
            assert_eq!(code[2..], CloseCode::Timeout.number().to_be_bytes());
            assert_eq!(said, reason.as_bytes());
        }
    }

    #[tokio::test]
    async fn a_source_that_is_faster_than_its_link_keeps_nothing_that_was_written() {
        let mut task = task(Slow, Limits::default());
        let connection = Arc::clone(&task.connection);
        let (index, _) = connection.open(&Value::Nil).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let mut taken = 0;
        while taken < 16 * GATHERED_BYTES {
            let mut state = connection.lock();
            while state.poll_writable(index, &context).is_ready() {
                state.write_bytes(index, &[7; CHUNK_BYTES]).unwrap();
            }
            drop(state);
            task.gather(&context);
            task.write(&mut context).unwrap();
            taken += 1000;
            assert!(task.out.len() < 3 * GATHERED_BYTES, "{}", task.out.len());
        }
    }
}
