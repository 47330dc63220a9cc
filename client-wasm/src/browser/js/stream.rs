//! A stream as a page holds it: WHATWG streams over the mux, with backpressure in both directions.
//!
//! In come a page's pulls and writes, and what the mux reports; out come chunks and settled promises. A
//! chunk is read from the mux only when the page asks for one, which is what gives the server credit for
//! the next; a write is done when the mux has taken it. So neither end of a fast source and a slow reader
//! holds more than a window.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use js_sys::{Promise, Uint8Array};
use tickwire_protocol::{
    id::StreamId,
    limits::CHUNK_BYTES_MAX,
    mux::{Mux, REFUSE_CODE_GAME_MIN},
    stream::StreamKind,
    time::Micros,
};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use web_sys::{
    QueuingStrategy, ReadableStream, ReadableStreamDefaultController, WritableStream,
    WritableStreamDefaultController,
};

use super::{
    Page, error, message_pack, now,
    object::{callback, field, object},
    pending::Pending,
    pump,
    sink::{Writing, sink, write},
};

/// What waits of a stream of bytes is put together up to this before the page gets it: a page that is busy
/// pays more for a chunk than for its bytes.
const CHUNK_TO_PAGE_BYTES: usize = 4 * CHUNK_BYTES_MAX;

/// What a page's stream and the mux's events have in common.
pub(super) struct Pipe {
    pub(super) id: StreamId,
    pub(super) kind: StreamKind,
    controller: Option<ReadableStreamDefaultController>,
    pub(super) sink_controller: Option<WritableStreamDefaultController>,
    opening: Opening,
    pull: Option<Pending>,
    pub(super) writing: Option<Writing>,
    pub(super) closing: Option<Pending>,
    is_read_over: bool,
    pub(super) is_written_over: bool,
    /// It is lost, reset or refused. Its number may be another stream's by now: the next connection begins to
    /// count anew.
    is_gone: bool,
}

impl Pipe {
    /// Whether its number is no longer its own.
    const fn is_over(&self) -> bool {
        self.is_gone || (self.is_read_over && self.is_written_over)
    }
}

/// Whether the server took a stream of ours, and who waits to hear of it.
enum Opening {
    Waiting(Vec<Pending>),
    Taken,
    Gone(JsValue),
}

pub(super) type SharedPipe = Rc<RefCell<Pipe>>;

/// One of many streams on the game's connection.
#[wasm_bindgen]
pub struct TickwireStream {
    pipe: SharedPipe,
    page: Weak<RefCell<Page>>,
    metadata: JsValue,
    readable: ReadableStream,
    writable: WritableStream,
}

#[wasm_bindgen]
impl TickwireStream {
    /// Its number on this connection.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn id(&self) -> u32 {
        self.pipe.borrow().id.0
    }

    /// What the opener said it is about.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn metadata(&self) -> JsValue {
        self.metadata.clone()
    }

    /// Settled when the server has taken the stream or declined it.
    #[wasm_bindgen(getter, unchecked_return_type = "Promise<void>")]
    pub fn opened(&self) -> Promise {
        match &mut self.pipe.borrow_mut().opening {
            Opening::Taken => Promise::resolve(&JsValue::UNDEFINED),
            Opening::Gone(reason) => Promise::reject(reason),
            Opening::Waiting(waiting) => {
                let (promise, pending) = Pending::new();
                waiting.push(pending);
                promise
            }
        }
    }

    /// What the server sends: bytes, or values on a stream of messages. Not reading holds the server back.
    #[wasm_bindgen(getter, unchecked_return_type = "ReadableStream<any>")]
    #[must_use]
    pub fn readable(&self) -> ReadableStream {
        self.readable.clone()
    }

    /// What the server gets: bytes or text, or any value on a stream of messages. `close()` resolves when
    /// the server's program has taken the last byte; at once where the server reads nothing (a one-way stream), and
    /// there a write is an error.
    #[wasm_bindgen(getter, unchecked_return_type = "WritableStream<any>")]
    #[must_use]
    pub fn writable(&self) -> WritableStream {
        self.writable.clone()
    }

    /// Bytes that were written and have not left the page yet. Bounded, because `write` waits beyond
    /// 64 KiB; 0 when the stream is over.
    #[wasm_bindgen(getter, js_name = bufferedAmount)]
    #[must_use]
    pub fn buffered_amount(&self) -> f64 {
        let pipe = self.pipe.borrow();
        let waits = pipe.writing.as_ref().map_or(0, Writing::bytes);
        let unsent = with_streams(&self.page, &pipe, |streams, id, _| streams.unsent_bytes(id));
        (waits + unsent.flatten().unwrap_or(0)) as f64
    }

    /// Gives it up at once, both ways, whoever opened it. The server's program gets the reason, a text or an error's
    /// message, cut to 120 bytes.
    pub fn reset(&self, #[wasm_bindgen(unchecked_optional_param_type = "any")] reason: JsValue) {
        reset(&self.page, &self.pipe, &reason_of(&reason, "reset"));
    }
}

/// A page's stream for a stream of the mux. `is_open` says that nobody need take it any more.
pub(super) fn make(
    page: &Rc<RefCell<Page>>,
    id: StreamId,
    kind: StreamKind,
    metadata: JsValue,
    is_open: bool,
) -> Result<(TickwireStream, SharedPipe), JsValue> {
    let opening = if is_open {
        Opening::Taken
    } else {
        Opening::Waiting(vec![])
    };
    let pipe = Rc::new(RefCell::new(Pipe {
        id,
        kind,
        controller: None,
        sink_controller: None,
        opening,
        pull: None,
        writing: None,
        closing: None,
        is_read_over: false,
        is_written_over: false,
        is_gone: false,
    }));
    let weak = Rc::downgrade(page);
    let (readable, writable) = (source(&weak, &pipe)?, sink(&weak, &pipe)?);
    let stream = TickwireStream {
        pipe: Rc::clone(&pipe),
        page: weak,
        metadata,
        readable,
        writable,
    };
    Ok((stream, pipe))
}

fn source(page: &Weak<RefCell<Page>>, pipe: &SharedPipe) -> Result<ReadableStream, JsValue> {
    let start = callback(pipe, |pipe, controller| {
        pipe.borrow_mut().controller = Some(controller.unchecked_into());
        JsValue::UNDEFINED
    });
    let reader = page.clone();
    let pull = callback(pipe, move |pipe, _| {
        let (promise, pending) = Pending::new();
        pipe.borrow_mut().pull = Some(pending);
        serve(&reader, pipe);
        promise.into()
    });
    let canceller = page.clone();
    let cancel = callback(pipe, move |pipe, reason| {
        reset(&canceller, pipe, &reason_of(&reason, "cancelled"));
        JsValue::UNDEFINED
    });
    let source = object(&[("start", start), ("pull", pull), ("cancel", cancel)]);
    // Nothing is read ahead: what the page has not asked for stays with the server.
    let strategy = QueuingStrategy::new();
    strategy.set_high_water_mark(0.0);
    ReadableStream::new_with_underlying_source_and_strategy(source.unchecked_ref(), &strategy)
}

/// Gives the page what the mux has, and the mux what the page wrote, as far as either takes it.
pub(super) fn serve(page: &Weak<RefCell<Page>>, pipe: &SharedPipe) {
    read(page, pipe);
    write(page, pipe);
    send_out(page);
}

fn read(page: &Weak<RefCell<Page>>, pipe: &SharedPipe) {
    let (controller, value) = {
        let pipe = pipe.borrow();
        let (Some(controller), Some(_)) = (&pipe.controller, &pipe.pull) else {
            return;
        };
        let value = match pipe.kind {
            StreamKind::Bytes | StreamKind::Asset => {
                with_streams(page, &pipe, next_bytes).flatten()
            }
            StreamKind::Messages | StreamKind::Live => {
                let record = with_streams(page, &pipe, |streams, id, now| {
                    streams.read_record(id, now).ok().flatten()
                });
                // Made into a value once the page is let go: that runs in the browser.
                record
                    .flatten()
                    .map(|record| message_pack::decode(&record).unwrap_or(JsValue::NULL))
            }
        };
        (controller.clone(), value)
    };
    let Some(value) = value else { return };
    // It fails when the page has cancelled meanwhile, and then nobody wants the chunk.
    drop(controller.enqueue_with_chunk(&value));
    let pull = pipe.borrow_mut().pull.take();
    pull.into_iter().for_each(Pending::resolve);
}

/// What waits of a stream of bytes, as one array.
fn next_bytes(streams: &mut Mux, id: StreamId, now: Micros) -> Option<JsValue> {
    let mut pieces = vec![];
    let mut bytes = 0;
    while bytes < CHUNK_TO_PAGE_BYTES
        && let Ok(Some(chunk)) = streams.read(id, now)
    {
        bytes += chunk.bytes.len();
        pieces.push(chunk.bytes);
    }
    match &pieces[..] {
        [] => None,
        [piece] => Some(Uint8Array::from(&piece[..]).into()),
        pieces => {
            let array = Uint8Array::new_with_length(bytes as u32);
            let mut at = 0;
            for piece in pieces {
                let end = at + piece.len() as u32;
                array.subarray(at, end).copy_from(piece);
                at = end;
            }
            Some(array.into())
        }
    }
}

/// The mux has more to read, or room to write.
pub(super) fn on_ready(page: &Rc<RefCell<Page>>, pipe: &SharedPipe) {
    serve(&Rc::downgrade(page), pipe);
}

/// The server took the stream.
pub(super) fn on_accepted(pipe: &SharedPipe) {
    let opening = core::mem::replace(&mut pipe.borrow_mut().opening, Opening::Taken);
    if let Opening::Waiting(waiting) = opening {
        waiting.into_iter().for_each(Pending::resolve);
    }
}

/// The server's half was read to its end. Says whether the other one is over too.
pub(super) fn on_ended(pipe: &SharedPipe) -> bool {
    let (controller, pull, is_over) = {
        let mut pipe = pipe.borrow_mut();
        pipe.is_read_over = true;
        (
            pipe.controller.take(),
            pipe.pull.take(),
            pipe.is_written_over,
        )
    };
    if let Some(controller) = controller {
        // It fails when the page has cancelled it meanwhile.
        drop(controller.close());
    }
    pull.into_iter().for_each(Pending::resolve);
    is_over
}

/// The server's program has taken everything. Says whether the other half is over too.
pub(super) fn on_consumed(pipe: &SharedPipe) -> bool {
    let (closing, is_over) = {
        let mut pipe = pipe.borrow_mut();
        pipe.is_written_over = true;
        pipe.sink_controller = None;
        (pipe.closing.take(), pipe.is_read_over)
    };
    closing.into_iter().for_each(Pending::resolve);
    is_over
}

/// The stream is gone: refused, reset, or with its connection.
pub(super) fn on_gone(pipe: &SharedPipe, reason: &str) {
    let error = error(reason);
    let (controller, sink_controller, pending, opening) = {
        let mut pipe = pipe.borrow_mut();
        pipe.is_gone = true;
        let writing = pipe.writing.take().map(|writing| writing.pending);
        let pending = [pipe.pull.take(), writing, pipe.closing.take()];
        let gone = Opening::Gone(error.clone());
        (
            pipe.controller.take(),
            pipe.sink_controller.take(),
            pending,
            core::mem::replace(&mut pipe.opening, gone),
        )
    };
    if let Some(controller) = controller {
        controller.error_with_e(&error);
    }
    if let Some(controller) = sink_controller {
        controller.error_with_e(&error);
    }
    let waiting = if let Opening::Waiting(waiting) = opening {
        waiting
    } else {
        vec![]
    };
    let pending = pending.into_iter().flatten().chain(waiting);
    pending.for_each(|pending| pending.reject(&error));
}

/// What a page says why, if it says so: an error or a text.
pub(super) fn reason_of(value: &JsValue, otherwise: &str) -> String {
    let message = field(value, "message").unwrap_or_else(|| value.clone());
    match (message.as_string(), message.as_f64()) {
        (Some(text), _) if !text.is_empty() => text,
        (_, Some(number)) => number.to_string(),
        _ => otherwise.to_owned(),
    }
}

pub(super) fn reset(page: &Weak<RefCell<Page>>, pipe: &SharedPipe, reason: &str) {
    if pipe.borrow().is_over() {
        return;
    }
    // Not taken yet: then it is declined.
    with_streams(page, &pipe.borrow(), |streams, id, _| {
        streams
            .refuse(id, REFUSE_CODE_GAME_MIN, reason)
            .or_else(|_| streams.reset(id, REFUSE_CODE_GAME_MIN, reason))
    });
    let id = pipe.borrow().id;
    if let Some(page) = page.upgrade()
        && let Ok(mut page) = page.try_borrow_mut()
    {
        page.pipes.remove(&id);
    }
    on_gone(pipe, reason);
    send_out(page);
}

/// Acts on a pipe's stream of the mux; `None` without a connection, or when the stream is over.
pub(super) fn with_streams<R>(
    page: &Weak<RefCell<Page>>,
    pipe: &Pipe,
    act: impl FnOnce(&mut Mux, StreamId, Micros) -> R,
) -> Option<R> {
    if pipe.is_over() {
        return None;
    }
    let page = page.upgrade()?;
    let mut page = page.try_borrow_mut().ok()?;
    let streams = page.driver.client.streams().ok()?;
    Some(act(streams, pipe.id, now()))
}

pub(super) fn send_out(page: &Weak<RefCell<Page>>) {
    if let Some(page) = page.upgrade() {
        pump(&page, now());
    }
}
