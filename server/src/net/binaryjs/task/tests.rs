//! The task on sockets that take little, hold back or stand still.
//!
//! In: messages of a client, and what the socket does. Out: what the task writes, and when it is over. The
//! decision to question: most tests call the steps of a pass by hand, so that none waits for a clock.

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

/// Has nothing to read, and takes so many bytes of each write: none, or waits. It keeps them to itself until it may be
/// flushed.
struct Stopped {
    taken_bytes_max: usize,
    is_flushing: bool,
}

impl Stopped {
    /// Takes nothing.
    const SHUT: Self = Self {
        taken_bytes_max: 0,
        is_flushing: false,
    };
    /// Takes a little of each write.
    const SLOW: Self = Self {
        taken_bytes_max: 1000,
        is_flushing: true,
    };
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
        match bytes.len().min(self.taken_bytes_max) {
            0 => Poll::Pending,
            taken => Poll::Ready(Ok(taken)),
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
    let task = task(Stopped::SLOW, limits);
    task.connection.close(1000);
    let cut = tokio::time::timeout(hour / 60, task.run(Bytes::new()));
    assert!(cut.await.is_ok());
}

#[tokio::test]
async fn what_the_socket_holds_back_is_flushed_and_counts_as_stalled_until_then() {
    let socket = Stopped {
        taken_bytes_max: usize::MAX,
        ..Stopped::SHUT
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
    let mut task = task(Stopped::SHUT, Limits::default());
    let connection = Arc::clone(&task.connection);
    connection.open(&Value::Nil).unwrap();
    connection.close(1000);
    let mut over = pin!(connection.over());
    let mut context = Context::from_waker(Waker::noop());
    for (taken_bytes_max, is_flushing) in [(0, false), (usize::MAX, false), (usize::MAX, true)] {
        assert!(over.as_mut().poll(&mut context).is_pending());
        task.socket.taken_bytes_max = taken_bytes_max;
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
    let task = task(Stopped::SHUT, limits);
    task.connection.close(1000);
    task.run(Bytes::new()).await;
}

#[tokio::test]
async fn streams_beyond_the_limit_never_end_the_connection_and_are_reported_once() {
    let mut limits = Limits::default();
    limits.session.streams_max = 1;
    let mut task = task(Stopped::SLOW, limits);
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
        let mut task = task(Stopped::SLOW, limits.clone());
        take(&mut task, messages);
        task.gather(&Context::from_waker(Waker::noop()));
        // However late it is, first it is asked.
        tick(&mut task).await;
        assert_eq!(task.out, [0x89, 0]);
        task.out.clear();
        tick(&mut task).await;
        let (code, said) = task.out.split_at(4);
        assert_eq!(code[2..], CloseCode::Timeout.number().to_be_bytes());
        assert_eq!(said, reason.as_bytes());
    }
}

#[tokio::test]
async fn a_source_that_is_faster_than_its_link_keeps_nothing_that_was_written() {
    let mut task = task(Stopped::SLOW, Limits::default());
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
