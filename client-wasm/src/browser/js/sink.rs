//! What a page writes on a stream: a WHATWG sink over the mux.
//!
//! In come chunks; out go records, as far as the mux takes them. A write is done when all of it was taken, which is
//! what makes `pipeTo` wait.

use std::{cell::RefCell, rc::Weak};

use bytes::{Buf as _, Bytes};
use js_sys::{ArrayBuffer, Uint8Array};
use tickwire_protocol::{limits::CHUNK_BYTES_MAX, mux::Write, stream::StreamKind};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{EventTarget, QueuingStrategy, WritableStream};

use super::{
    Page, error, message_pack,
    object::{callback, field, object},
    pending::Pending,
    stream::{SharedPipe, reason_of, reset, send_out, serve, with_streams},
};

/// How much of a large write is copied at a time. What WASM takes for memory it never gives back.
const COPIED_BYTES: usize = 4 * CHUNK_BYTES_MAX;

/// What the mux has not taken yet of a write, and whom to tell when it has.
pub(super) struct Writing {
    copied: Bytes,
    /// The page's own memory, which it is told to leave alone meanwhile.
    rest: Option<Uint8Array>,
    rest_bytes: usize,
    pub(super) pending: Pending,
}

impl Writing {
    /// What a page may write: on a stream of messages anything, else bytes or text.
    fn of(kind: StreamKind, chunk: &JsValue, pending: Pending) -> Result<Self, JsValue> {
        let (mut copied, mut rest) = (vec![], None);
        if matches!(kind, StreamKind::Messages | StreamKind::Live) {
            message_pack::encode(chunk, &mut copied)?;
        } else if let Some(text) = chunk.as_string() {
            copied = text.into_bytes();
        } else if chunk.is_instance_of::<ArrayBuffer>() || ArrayBuffer::is_view(chunk) {
            rest = Some(message_pack::bytes_under(chunk));
        } else {
            return Err(error("a stream of bytes takes bytes and text"));
        }
        Ok(Self {
            copied: copied.into(),
            rest_bytes: rest.as_ref().map_or(0, |rest| rest.length() as usize),
            rest,
            pending,
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.copied.len() + self.rest_bytes
    }

    /// Copies what comes next, unless something is copied already.
    fn copy(&mut self) -> Result<(), JsValue> {
        let (true, Some(rest)) = (self.copied.is_empty(), &self.rest) else {
            return Ok(());
        };
        let length = rest.length();
        if length as usize != self.rest_bytes {
            return Err(error("what was written was taken away before it was sent"));
        }
        let bytes = length.min(COPIED_BYTES as u32);
        self.rest_bytes -= bytes as usize;
        self.copied = rest.subarray(0, bytes).to_vec().into();
        self.rest = (bytes < length).then(|| rest.subarray(bytes, length));
        Ok(())
    }
}

pub(super) fn sink(
    page: &Weak<RefCell<Page>>,
    pipe: &SharedPipe,
) -> Result<WritableStream, JsValue> {
    let signalled = page.clone();
    let on_signal = callback(pipe, move |pipe, event| {
        let signal = field(&event, "target").unwrap_or_default();
        abort(
            &signalled,
            pipe,
            &field(&signal, "reason").unwrap_or_default(),
        );
        JsValue::UNDEFINED
    });
    let start = callback(pipe, move |pipe, controller| {
        // Before it calls `abort` a browser waits for the write under way, which may wait for ever.
        if let Some(signal) = field(&controller, "signal") {
            let signal: &EventTarget = signal.unchecked_ref();
            drop(signal.add_event_listener_with_callback("abort", on_signal.unchecked_ref()));
        }
        pipe.borrow_mut().sink_controller = Some(controller.unchecked_into());
        JsValue::UNDEFINED
    });
    let aborter = page.clone();
    let on_abort = callback(pipe, move |pipe, reason| {
        abort(&aborter, pipe, &reason);
        JsValue::UNDEFINED
    });
    let writer = page.clone();
    let write = callback(pipe, move |pipe, chunk| {
        let (promise, pending) = Pending::new();
        if pipe.borrow().is_written_over {
            // What comes goes on: no more than this half has ended, and it never began.
            pending.reject(&error("the stream is one-way: the server reads nothing"));
            return promise.into();
        }
        let kind = pipe.borrow().kind;
        match Writing::of(kind, &chunk, pending.clone()) {
            Ok(writing) => {
                pipe.borrow_mut().writing = Some(writing);
                serve(&writer, pipe);
            }
            Err(error) => give_up(&writer, pipe, pending, &error),
        }
        promise.into()
    });
    let closer = page.clone();
    let close = callback(pipe, move |pipe, _| {
        if pipe.borrow().is_written_over {
            return JsValue::UNDEFINED;
        }
        let (promise, pending) = Pending::new();
        let ended = with_streams(&closer, &pipe.borrow(), |streams, id, _| streams.end(id));
        match ended {
            Some(Ok(())) => {
                pipe.borrow_mut().closing = Some(pending);
                send_out(&closer);
            }
            _ => pending.reject(&error("the stream is gone")),
        }
        promise.into()
    });
    let sink = object(&[
        ("start", start),
        ("write", write),
        ("close", close),
        ("abort", on_abort),
    ]);
    // With room for one chunk only, a page that waits for each write makes the browser change its mind, and make
    // a promise for it, with every chunk.
    let strategy = QueuingStrategy::new();
    strategy.set_high_water_mark(2.0);
    WritableStream::new_with_underlying_sink_and_strategy(sink.unchecked_ref(), &strategy)
}

pub(super) fn write(page: &Weak<RefCell<Page>>, pipe: &SharedPipe) {
    loop {
        let Some(mut writing) = pipe.borrow_mut().writing.take() else {
            return;
        };
        if let Err(gone) = writing.copy() {
            return give_up(page, pipe, writing.pending, &gone);
        }
        let piece = match pipe.borrow().kind {
            StreamKind::Bytes | StreamKind::Asset => {
                let bytes = writing.copied.len().min(CHUNK_BYTES_MAX);
                writing.copied.slice(..bytes)
            }
            StreamKind::Messages | StreamKind::Live => writing.copied.clone(),
        };
        let piece_bytes = piece.len();
        let written = with_streams(page, &pipe.borrow(), |streams, id, now| {
            streams.write(id, piece, now)
        });
        match written {
            Some(Ok(Write::Taken)) => {
                writing.copied.advance(piece_bytes);
                if writing.bytes() == 0 {
                    return writing.pending.resolve();
                }
                pipe.borrow_mut().writing = Some(writing);
            }
            Some(Ok(Write::Full)) => {
                // The mux says when there is room.
                pipe.borrow_mut().writing = Some(writing);
                return;
            }
            Some(Err(misuse)) => return give_up(page, pipe, writing.pending, &error(misuse)),
            None => return writing.pending.reject(&error("there is no connection")),
        }
    }
}

/// The page gives it up. The browser errors its half by itself.
fn abort(page: &Weak<RefCell<Page>>, pipe: &SharedPipe, reason: &JsValue) {
    pipe.borrow_mut().sink_controller = None;
    reset(page, pipe, &reason_of(reason, "aborted"));
}

/// A write that cannot be done is the end of the stream, both ways: WHATWG streams take no more after it, and tell
/// nobody of it who could.
fn give_up(page: &Weak<RefCell<Page>>, pipe: &SharedPipe, pending: Pending, error: &JsValue) {
    pending.reject(error);
    reset(page, pipe, &reason_of(error, "a write failed"));
}
