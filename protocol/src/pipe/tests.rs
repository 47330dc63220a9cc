//! Programs at both ends of a connection, over muxes that a test lets talk turn by turn.

use core::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};
use std::{io, sync::Arc};

use bytes::Bytes;

use super::*;
use crate::{
    coding::Reader,
    frame::Frame,
    limits::{CONNECTION_WINDOW_BYTES, PARTIAL_RECORDS_BYTES_MAX, RECORD_BYTES_MAX},
    mux::{Mux, REFUSE_CODE_LET_GO, Side, StreamEvent, Write},
    stream::{Class, StreamKind, StreamOptions},
    time::Micros,
};

mod model;

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

#[test]
fn a_record_without_a_byte_gives_its_credit_back_to_who_reads_into_a_buffer() {
    let mut pair = Pair::new();
    let (mut ours, mut theirs) = pair.bytes();
    let id = ours.id().unwrap();
    let write = |pair: &mut Pair| pair.muxes[0].write(id, Bytes::new(), NOW).unwrap();
    while write(&mut pair) == Write::Taken {
        pair.settle();
    }
    let error = theirs.try_read(&mut [0; 10]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    pair.settle();
    // One more with the end behind it, as of an empty file.
    assert_eq!(write(&mut pair), Write::Taken);
    assert!(upload(&mut pair, &mut ours, 0).is_none());
    assert_eq!(theirs.try_read(&mut [0; 10]).unwrap(), 0);
    pair.settle();
    assert!(now(ours.finished()).unwrap().is_ok(), "all was read");
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
    fn is_reset(result: &Result<(), StreamError>) -> bool {
        matches!(result, Err(StreamError::Reset { code: 300, .. }))
    }

    let mut pair = Pair::new();
    for is_ended in [false, true] {
        let (mut ours, theirs) = pair.bytes();
        ours.try_write(&[1; 1000]).unwrap();
        if is_ended {
            ours.end().unwrap();
        }
        theirs.reset(300, "no");
        pair.settle();
        let pipe = &ours.split().1.pipe;
        assert!(matches!(pipe.poll_flushed(None), Poll::Ready(it) if is_reset(&it)));
        assert!(is_reset(&pipe.end()));
    }

    let (mut ours, mut theirs) = pair.bytes();
    assert!(upload(&mut pair, &mut ours, 1000).is_none());
    assert_eq!(theirs.try_read(&mut [0; 2000]).unwrap(), 1000);
    pair.settle();
    theirs.reset(300, "no");
    pair.settle();
    let pipe = &ours.split().1.pipe;
    assert_eq!(pipe.poll_flushed(None), Poll::Ready(Ok(())));
    assert_eq!(pipe.end(), Ok(()));
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

/// As many streams of values as `count`, which the client has opened, and which the server reads.
fn values(pair: &mut Pair, count: usize) -> Vec<(MessageStream<String>, MessageStream<String>)> {
    let open = |_| {
        let options = StreamOptions::new(StreamKind::Messages);
        let ours = pair.exchanges[0].hub().open_messages(options);
        pair.settle();
        (ours, pair.incoming[1].pop().unwrap().accept_messages())
    };
    (0..count).map(open).collect()
}

#[test]
fn records_under_way_hold_a_bounded_part_of_memory_and_all_arrive() {
    let mut pair = Pair::new();
    let mut streams = values(&mut pair, 48);
    let text = "x".repeat(RECORD_BYTES_MAX - 100);
    for (ours, _) in &mut streams {
        ours.try_send(&text).unwrap();
    }
    let bound = CONNECTION_WINDOW_BYTES as usize + PARTIAL_RECORDS_BYTES_MAX + RECORD_BYTES_MAX;
    let (mut arrived, mut rounds) = (0, 0);
    while arrived < streams.len() {
        pair.settle();
        for (_, theirs) in &mut streams {
            match theirs.try_receive() {
                Ok(record) => {
                    assert_eq!(record.as_ref(), Some(&text));
                    arrived += 1;
                }
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        let partial = streams.iter().map(|(_, theirs)| theirs.partial.len());
        let partial: usize = partial.sum();
        assert!(partial <= bound, "{partial} bytes of records under way");
        rounds += 1;
        assert!(rounds < 100_000, "{arrived} have arrived");
    }
    drop(streams);
    pair.settle();
    assert_eq!(pair.exchanges[1].hub().granted_bytes(), 0);
    assert!(pair.muxes.iter().all(Mux::is_empty));
}

#[test]
fn a_task_that_stops_within_its_record_stops_no_other_ones_short_values() {
    let mut pair = Pair::new();
    let mut streams = values(&mut pair, 40);
    let long = "x".repeat(RECORD_BYTES_MAX - 100);
    let (stalled, others) = streams.split_at_mut(32);
    for (ours, _) in stalled.iter_mut() {
        ours.try_send(&long).unwrap();
    }
    for _ in 0..200 {
        pair.settle();
        for (_, theirs) in stalled.iter_mut() {
            let _ = theirs.try_receive();
        }
        // One that got far, but not to its end: its task does not come back.
        if pair.exchanges[1].hub().granted_bytes() > PARTIAL_RECORDS_BYTES_MAX {
            break;
        }
    }
    let short = "a few words".to_owned();
    for (ours, theirs) in others {
        ours.try_send(&short).unwrap();
        pair.settle();
        assert_eq!(theirs.try_receive().unwrap(), Some(short.clone()));
    }
    // Who gives up makes room.
    drop(streams);
    pair.settle();
    assert_eq!(pair.exchanges[1].hub().granted_bytes(), 0);
}

#[test]
fn a_question_that_is_dropped_while_it_comes_is_refused() {
    let mut pair = Pair::new();
    let hub = pair.exchanges[0].hub().clone();
    let question = "a long one".repeat(50_000);
    let mut asked = pin!(hub.ask::<_, u32>("q", &question));
    let mut context = Context::from_waker(Waker::noop());
    assert!(asked.as_mut().poll(&mut context).is_pending());
    pair.settle();
    let incoming = pair.incoming[1].pop().unwrap();
    assert!(now(incoming.question::<String>()).is_none(), "dropped here");
    pair.settle();
    let Some(Err(error)) = now(asked) else {
        panic!("nobody has answered");
    };
    assert_eq!(code_of(&error), Some(REFUSE_CODE_LET_GO));
}
