//! One WebSocket: binary messages in and out, and its end told once.
//!
//! In come the browser's events, handed on as [`SocketEvent`]; out go messages. What the browser has not
//! yet sent is ours to bound: it queues without limit and without telling, which puts a file in front of
//! the next input.

use core::cell::RefCell;

use js_sys::{Array, ArrayBuffer};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    BinaryType, CloseEvent, Event, MessageChannel, MessageEvent, MessagePort, WebSocket,
};

use super::devices::Listener;
use tickwire_protocol::limits::SUBPROTOCOL;

/// Bytes that may wait in the browser before nothing more is handed to it: what the link carries in a few
/// milliseconds, within these.
const UNSENT_BYTES_MAX: core::ops::RangeInclusive<u32> = 32 * 1024..=256 * 1024;

/// With less room than this a socket counts as full: pieces of less would be many messages.
const ROOM_BYTES_LEAST: u32 = 2 * 1024;

/// Smaller messages are left to the garbage collector: there are few bytes in them.
const FREED_BYTES_MIN: u32 = 2 * 1024;

/// What a socket reports.
pub(super) enum SocketEvent<'a> {
    Opened,
    Message(&'a [u8]),
    /// It is over, by whom ever. Comes once, and nothing comes after it.
    Closed {
        code: u16,
        reason: String,
    },
}

pub(super) struct Socket {
    socket: WebSocket,
    _listeners: [Listener; 3],
}

impl Socket {
    /// Starts to connect to `url`.
    pub(super) fn open(
        url: &str,
        react: impl Fn(SocketEvent<'_>) + Clone + 'static,
    ) -> Result<Self, JsValue> {
        let socket = WebSocket::new_with_str(url, SUBPROTOCOL)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let on_open = react.clone();
        let on_message = react.clone();
        let mut buffer = vec![];
        let freer = Freer::new();
        let listeners = [
            Listener::new(&socket, "open", move |_| on_open(SocketEvent::Opened))?,
            Listener::new(&socket, "message", move |event: Event| {
                let message = event.unchecked_into::<MessageEvent>().data();
                // Text is not spoken here; an empty message is refused by the core.
                let array = js_sys::Uint8Array::new(&message);
                buffer.resize(array.length() as usize, 0);
                array.copy_to(&mut buffer);
                freer.free(&message);
                on_message(SocketEvent::Message(&buffer));
            })?,
            Listener::new(&socket, "close", move |event: Event| {
                let event = event.unchecked_into::<CloseEvent>();
                react(SocketEvent::Closed {
                    code: event.code(),
                    reason: event.reason(),
                });
            })?,
        ];
        Ok(Self {
            socket,
            _listeners: listeners,
        })
    }

    /// Bytes that may be handed over now, when `meant` are to wait in the browser; 0 until it is open.
    pub(super) fn room_bytes(&self, meant: u64) -> usize {
        if self.socket.ready_state() != WebSocket::OPEN {
            return 0;
        }
        let (least, most) = UNSENT_BYTES_MAX.into_inner();
        let bound = u32::try_from(meant).unwrap_or(most).clamp(least, most);
        match bound.saturating_sub(self.socket.buffered_amount()) {
            0..ROOM_BYTES_LEAST => 0,
            room => room as usize,
        }
    }

    /// Whether it is open and takes nothing now.
    pub(super) fn is_full(&self, meant: u64) -> bool {
        self.socket.ready_state() == WebSocket::OPEN && self.room_bytes(meant) == 0
    }

    /// Bytes that the browser has not sent yet.
    pub(super) fn buffered_bytes(&self) -> u32 {
        self.socket.buffered_amount()
    }

    /// Hands a message to the browser.
    pub(super) fn send(&self, message: &[u8]) {
        // It fails only before the socket is open, and then `room_bytes` is 0.
        drop(self.socket.send_with_u8_array(message));
    }

    /// Begins to close it; `Closed` follows.
    pub(super) fn close(&self, code: u16, reason: &str) {
        // A page may send 1000 and 3000 to 4999 only; anything else is an exception.
        let code = if code == 1000 || (3000..5000).contains(&code) {
            code
        } else {
            1000
        };
        drop(self.socket.close_with_code_and_reason(code, reason));
    }
}

/// Gives the memory of messages back once they are read. Each is a buffer of its own, and a browser lets tens of
/// megabytes of them lie before it collects them.
///
/// What is posted to a port whose other end is closed is gone, and with it the buffers that it takes along. That
/// takes 5 to 17 µs. (`ArrayBuffer.transfer` does not do: Chromium holds the memory of what came by a WebSocket
/// beside JavaScript's heap too.)
struct Freer {
    /// None where it does not help.
    port: RefCell<Option<MessagePort>>,
}

impl Freer {
    fn new() -> Self {
        Self {
            port: RefCell::new(dead_port()),
        }
    }

    fn free(&self, message: &JsValue) {
        let Some(buffer) = message.dyn_ref::<ArrayBuffer>() else {
            return;
        };
        if buffer.byte_length() < FREED_BYTES_MIN || self.take(buffer) {
            return;
        }
        // A port may have noticed that nobody is there, and takes nothing any more.
        self.port.replace(dead_port());
        if !self.take(buffer) {
            self.port.replace(None);
        }
    }

    /// Says whether the buffer is gone, or need not be.
    fn take(&self, buffer: &ArrayBuffer) -> bool {
        self.port.borrow().as_ref().is_none_or(|port| {
            let posted = port.post_message_with_transferable(&JsValue::NULL, &Array::of1(buffer));
            posted.is_ok() && buffer.byte_length() == 0
        })
    }
}

fn dead_port() -> Option<MessagePort> {
    let channel = MessageChannel::new().ok()?;
    channel.port2().close();
    Some(channel.port1())
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Nobody listens any more: the server should not think that somebody does.
        drop(self.socket.close());
    }
}
