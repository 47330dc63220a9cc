//! Programs at both ends of a connection, over muxes that a test lets talk turn by turn.

use core::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};
use std::{io, sync::Arc};

use super::*;
use crate::{
    coding::Reader,
    frame::Frame,
    mux::{Mux, REFUSE_CODE_LET_GO, Side, StreamEvent},
    stream::{Class, StreamKind, StreamOptions},
    time::Micros,
};

const NOW: Micros = Micros(0);

/// Both ends; the client's is the first.
struct Pair {
    muxes: [Mux; 2],
    exchanges: [Exchange; 2],
    incoming: [Vec<Incoming>; 2],
}

impl Pair {
    fn new() -> Self {
        let pair = Self {
            muxes: [Mux::new(Side::Client), Mux::new(Side::Server)],
            exchanges: [Exchange::default(), Exchange::default()],
            incoming: [vec![], vec![]],
        };
        for exchange in &pair.exchanges {
            exchange.attend(Arc::new(|| {}));
        }
        pair
    }

    /// Does at one end what events and tasks ask for.
    fn hear(&mut self, end: usize) {
        let (mux, exchange) = (&mut self.muxes[end], &mut self.exchanges[end]);
        while let Some(event) = mux.poll_event() {
            match event {
                StreamEvent::Opened(offer) => self.incoming[end].push(exchange.offer(offer)),
                event => assert!(
                    exchange.handle_event(&event, mux, NOW),
                    "{event:?} is of a pipe"
                ),
            }
        }
        exchange.service(mux, NOW);
    }

    /// One message from one end to the other, which does not look at its events yet.
    fn deliver(&mut self, from: usize) -> bool {
        let mux = &mut self.muxes[from];
        let mut message = core::mem::take(mux.urgent());
        mux.on_urgent_sent();
        mux.transmit(Class::Bulk, 60_000, NOW, &mut message);
        let mut reader = Reader::new(&message);
        while !reader.is_empty() {
            let frame = Frame::decode(&mut reader).unwrap();
            self.muxes[1 - from].handle_frame(frame, NOW).unwrap();
        }
        !message.is_empty()
    }

    /// Until nothing moves.
    fn settle(&mut self) {
        loop {
            self.hear(0);
            self.hear(1);
            if !(self.deliver(0) | self.deliver(1)) {
                return;
            }
        }
    }

    /// A stream of bytes that the client has opened and the server accepted.
    fn bytes(&mut self) -> (ByteStream, ByteStream) {
        let ours = self.exchanges[0]
            .hub()
            .open(StreamOptions::new(StreamKind::Bytes));
        self.settle();
        let theirs = self.incoming[1].pop().unwrap().accept();
        self.settle();
        (ours, theirs)
    }
}

/// What a future says without waiting.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn code_of(error: &io::Error) -> Option<u32> {
    match StreamError::of(error) {
        Some(StreamError::Reset { code, .. } | StreamError::Refused { code, .. }) => Some(*code),
        _ => None,
    }
}

#[test]
fn a_reset_behind_an_end_that_was_not_reached_is_no_end() {
    let mut pair = Pair::new();
    let (mut ours, mut theirs) = pair.bytes();
    theirs.try_write(&[1; 5000]).unwrap();
    theirs.end().unwrap();
    pair.settle();
    assert_eq!(ours.try_read(&mut [0; 10]).unwrap(), 10);
    theirs.reset(300, "it was changed meanwhile");
    pair.settle();
    let error = ours.try_read(&mut [0; 10]).unwrap_err();
    assert_eq!(code_of(&error), Some(300));
}

#[test]
fn what_comes_while_the_other_half_gives_up_is_not_read() {
    let mut pair = Pair::new();
    let (mut ours, theirs) = pair.bytes();
    ours.try_write(&[1; 5000]).unwrap();
    pair.settle();
    ours.try_write(&[2; 5000]).unwrap();
    pair.hear(0);
    pair.deliver(0);
    let (mut reader, writer) = theirs.into_split();
    assert_eq!(reader.try_read(&mut [0; 10]).unwrap(), 10);
    writer.reset(300, "the other task gives up");
    pair.hear(1);
    let error = reader.try_read(&mut [0; 10]).unwrap_err();
    assert_eq!(StreamError::of(&error), Some(&StreamError::GivenUp));
}

/// Writes `bytes` and ends, and says what `finished` says when nothing moves any more.
fn upload(pair: &mut Pair, stream: &mut ByteStream, mut bytes: usize) -> Option<io::Result<()>> {
    while bytes > 0 {
        let piece = vec![1; bytes.min(5000)];
        match stream.try_write(&piece) {
            Ok(written) => bytes -= written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => pair.settle(),
            Err(error) => return Some(Err(error)),
        }
    }
    let _ = now(stream.finished());
    pair.settle();
    now(stream.finished())
}

fn is_let_go(finished: Option<io::Result<()>>) -> bool {
    finished.is_some_and(|result| code_of(&result.unwrap_err()) == Some(REFUSE_CODE_LET_GO))
}

#[test]
fn what_was_let_go_unread_never_counts_as_taken() {
    for bytes in [100, 100_000] {
        let mut pair = Pair::new();
        let (mut ours, theirs) = pair.bytes();
        drop(theirs);
        assert!(is_let_go(upload(&mut pair, &mut ours, bytes)), "{bytes}");

        let (mut ours, mut theirs) = pair.bytes();
        assert!(upload(&mut pair, &mut ours, bytes).is_none());
        assert_eq!(theirs.try_read(&mut [0; 10]).unwrap(), 10);
        drop(theirs);
        pair.settle();
        assert!(is_let_go(now(ours.finished())), "{bytes}");

        let mut early = pair.exchanges[0]
            .hub()
            .open(StreamOptions::new(StreamKind::Bytes));
        assert!(upload(&mut pair, &mut early, bytes).is_none());
        drop(pair.incoming[1].pop().unwrap().accept());
        pair.settle();
        assert!(is_let_go(now(early.finished())), "{bytes}");
        drop((ours, early));
        pair.settle();
        assert!(pair.muxes.iter().all(Mux::is_empty));
        assert!(pair.exchanges.iter().all(Exchange::is_empty));
    }
}

#[test]
fn a_reader_that_is_let_go_alone_stops_no_upload() {
    let mut pair = Pair::new();
    let (mut ours, theirs) = pair.bytes();
    let (reader, mut writer) = theirs.into_split();
    drop(reader);
    // More than any window: what is dropped gives its credit back.
    assert!(upload(&mut pair, &mut ours, 5_000_000).is_none());
    writer.try_write(b"too large").unwrap();
    pair.settle();
    assert!(now(ours.finished()).unwrap().is_ok(), "it was answered");
    drop(writer);
    pair.settle();
    let mut answer = [0; 20];
    assert_eq!(ours.try_read(&mut answer).unwrap(), 9);
    assert_eq!(ours.try_read(&mut answer).unwrap(), 0);
    drop(ours);
    pair.settle();
    assert!(pair.muxes.iter().all(Mux::is_empty));

    let (mut ours, theirs) = pair.bytes();
    let (reader, writer) = theirs.into_split();
    drop(reader);
    assert!(upload(&mut pair, &mut ours, 100_000).is_none());
    drop(writer);
    pair.settle();
    assert!(is_let_go(now(ours.finished())));
}

#[test]
fn a_task_that_fails_with_the_reading_half_resets_the_stream() {
    let mut pair = Pair::new();
    let (mut ours, theirs) = pair.bytes();
    let (mut reader, mut writer) = theirs.into_split();
    assert!(upload(&mut pair, &mut ours, 1000).is_none());
    let task = std::thread::spawn(move || {
        let read = reader.try_read(&mut [0; 2000]).unwrap();
        assert_eq!(read, 2000, "planned");
    });
    assert!(task.join().is_err());
    pair.settle();
    assert!(is_let_go(now(ours.finished())));
    let error = writer.end().unwrap_err();
    assert_eq!(StreamError::of(&error), Some(&StreamError::GivenUp));
}

#[cfg(feature = "tokio")]
#[test]
fn a_stream_that_was_reset_neither_flushes_nor_ends() {
    use futures_sink::Sink;
    use tokio::io::AsyncWrite;

    let mut context = Context::from_waker(Waker::noop());
    let mut pair = Pair::new();
    for is_ended in [false, true] {
        let (mut ours, theirs) = pair.bytes();
        ours.try_write(&[1; 1000]).unwrap();
        if is_ended {
            ours.end().unwrap();
        }
        theirs.reset(300, "no");
        pair.settle();
        let flushed = pin!(&mut ours).poll_flush(&mut context);
        assert!(matches!(flushed, Poll::Ready(Err(error)) if code_of(&error) == Some(300)));
        let ended = pin!(&mut ours).poll_shutdown(&mut context);
        assert!(matches!(ended, Poll::Ready(Err(error)) if code_of(&error) == Some(300)));
    }

    let mut ours = pair.exchanges[0]
        .hub()
        .open_messages::<u32>(StreamOptions::new(StreamKind::Messages));
    pin!(&mut ours).start_send(7).unwrap();
    pair.settle();
    pair.incoming[1].pop().unwrap().refuse(404, "no");
    pair.settle();
    let flushed = Sink::<u32>::poll_flush(pin!(&mut ours), &mut context);
    assert!(matches!(flushed, Poll::Ready(Err(error)) if code_of(&error) == Some(404)));
    let closed = Sink::<u32>::poll_close(pin!(&mut ours), &mut context);
    assert!(matches!(closed, Poll::Ready(Err(error)) if code_of(&error) == Some(404)));

    let (mut ours, mut theirs) = pair.bytes();
    assert!(upload(&mut pair, &mut ours, 1000).is_none());
    assert_eq!(theirs.try_read(&mut [0; 2000]).unwrap(), 1000);
    pair.settle();
    theirs.reset(300, "no");
    pair.settle();
    assert!(matches!(
        pin!(&mut ours).poll_shutdown(&mut context),
        Poll::Ready(Ok(()))
    ));
}

#[test]
fn the_last_events_of_a_stream_are_of_a_pipe_still() {
    let mut pair = Pair::new();
    let hub = pair.exchanges[0].hub().clone();
    let mut asked = pin!(hub.ask::<_, u32>("double", &7));
    let mut context = Context::from_waker(Waker::noop());
    assert!(asked.as_mut().poll(&mut context).is_pending());
    pair.settle();
    let incoming = pair.incoming[1].pop().unwrap();
    let mut asking = pin!(incoming.question::<u32>());
    assert!(asking.as_mut().poll(&mut context).is_pending());
    pair.settle();
    let Poll::Ready(Ok((question, reply))) = asking.poll(&mut context) else {
        panic!("no question");
    };
    reply.send(&(2 * question)).unwrap();
    pair.settle();
    assert!(matches!(asked.poll(&mut context), Poll::Ready(Ok(14))));
    pair.settle();

    // Given up while something of it waits to be heard.
    let (mut ours, theirs) = pair.bytes();
    ours.try_write(&[1; 1000]).unwrap();
    pair.hear(0);
    pair.deliver(0);
    ours.end().unwrap();
    theirs.reset(300, "no");
    pair.exchanges[1].service(&mut pair.muxes[1], NOW);
    pair.settle();
    assert!(pair.exchanges.iter().all(Exchange::is_empty));
}
