//! Frames to messages, as their bytes arrive: any split of the same bytes gives the same messages.
//!
//! The choice to question: a whole message that lies in the caller's buffer is unmasked there and
//! handed out from there; only what a read cut in two, or a sender fragmented, is copied into the
//! reader. Between two messages an idle connection therefore keeps nothing.

use crate::error::PeerMisbehaved;

use super::{CONTROL_BYTES_MAX, HEADER_BYTES_MAX, Opcode, Role, is_close_code_allowed, mask};

/// What a peer said, in order. Control frames appear between the fragments where they came.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A message of text, known to be UTF-8.
    Text(&'a str),
    /// A message of bytes.
    Binary(&'a [u8]),
    /// To be answered with a pong of the same payload. Only the newest needs an answer (5.5.3).
    Ping(&'a [u8]),
    /// An answer to a ping, or a sign of life.
    Pong(&'a [u8]),
    /// The peer's last frame. Everything after it is discarded unread.
    Close(PeerClose),
}

/// What a peer's close frame said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerClose {
    /// Its code; `None` when the frame was empty.
    pub code: Option<u16>,
    /// Its reason, at most 123 bytes.
    pub reason: Box<str>,
}

/// Reads one end's frames.
///
/// ```text
///            header complete           payload complete, final
///   Header ───────────────────▶ Payload ───────────────────▶ item, Header
///     ▲                            │ payload complete, more fragments
///     └────────────────────────────┘            close frame ──▶ Closed
/// ```
///
/// The fields stand in this order in memory: first what every message comes by.
#[derive(Debug)]
#[repr(C)]
pub struct Reader {
    state: State,
    role: Role,
    /// The message under way when it is fragmented, and whether it is text.
    fragmented: Option<Kind>,
    /// Whether `message` was handed out by the last call and is free to be used again.
    is_message_spent: bool,
    message_bytes_max: usize,
    /// How many of its fragments were small.
    small_fragments: usize,
    /// Payload so far, of a message that did not lie in one read.
    message: Vec<u8>,
    /// Bytes at the start of `message` known to be whole characters.
    utf8_bytes: usize,
    control_bytes: usize,
    control: [u8; CONTROL_BYTES_MAX],
}

#[derive(Clone, Copy, Debug)]
enum State {
    Header {
        bytes: [u8; HEADER_BYTES_MAX],
        filled: usize,
    },
    Payload {
        header: Header,
        done: usize,
    },
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Binary,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    is_final: bool,
    opcode: Opcode,
    key: Option<[u8; 4]>,
    length: usize,
}

const START: State = State::Header {
    bytes: [0; HEADER_BYTES_MAX],
    filled: 0,
};

/// What a spent message's memory may keep: larger ones are given back, so that one upload does not
/// make a connection heavy for ever.
const MESSAGE_BYTES_KEPT: usize = 2048;

/// What a small fragment, which has fewer bytes, counts as, and how many of a message are free of that.
const FRAGMENT_BYTES: usize = 64;
const SMALL_FRAGMENTS_FREE: usize = 64;

impl Reader {
    /// Reads as `role` what the other role sends. A message of more than `message_bytes_max` bytes,
    /// all its fragments together, is an error as soon as a header promises it. It counts as 64
    /// bytes for each of its fragments that is smaller, the first 64 left out, if that is more than it has: each costs a
    /// look, and empty ones could go on for ever.
    #[must_use]
    pub const fn new(role: Role, message_bytes_max: usize) -> Self {
        Self {
            role,
            message_bytes_max,
            state: START,
            fragmented: None,
            message: Vec::new(),
            utf8_bytes: 0,
            small_fragments: 0,
            is_message_spent: false,
            control: [0; CONTROL_BYTES_MAX],
            control_bytes: 0,
        }
    }

    /// Takes the next item off the front of `input`, or everything when no item is complete in it.
    ///
    /// Call it until it returns `None`. Payload is unmasked in place. Memory grows only by bytes that
    /// have arrived, never by what a header promises.
    ///
    /// # Errors
    ///
    /// The peer broke a rule of RFC 6455, or sent more than the limit. The connection is to be closed
    /// with the error's code; the reader must not be used any more.
    pub fn read<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i mut [u8],
    ) -> Result<Option<Item<'s>>, PeerMisbehaved> {
        self.forget_spent_message();
        loop {
            let (header, done) = match self.state {
                State::Closed => {
                    core::mem::take(input);
                    return Ok(None);
                }
                // The end of nearly every read, and nothing changes.
                State::Header { .. } if input.is_empty() => return Ok(None),
                State::Header { bytes, filled } => {
                    let Some(header) = self.read_header(bytes, filled, input)? else {
                        return Ok(None);
                    };
                    self.check_against_message(&header)?;
                    (header, 0)
                }
                State::Payload { header, done } => (header, done),
            };
            let available = input.len().min(header.length - done);
            let piece = take(input, available);
            if let Some(key) = header.key {
                mask::apply(key, done, piece);
            }
            let done = done + available;
            if done < header.length {
                self.keep_piece(&header, piece)?;
                self.state = State::Payload { header, done };
                return Ok(None);
            }
            self.state = START;
            if header.opcode.is_control() {
                if header.opcode == Opcode::Close {
                    self.state = State::Closed;
                }
                return control_item(header.opcode, self.whole_control(piece)).map(Some);
            }
            let is_whole_in_input = self.fragmented.is_none() && available == header.length;
            if header.is_final && is_whole_in_input {
                return whole_item(header.opcode, piece).map(Some);
            }
            self.keep_piece(&header, piece)?;
            if header.is_final {
                return self.finish_message(&header).map(Some);
            }
            if let Some(kind) = Kind::of(header.opcode) {
                self.fragmented = Some(kind);
            }
        }
    }

    /// Bytes of memory this reader holds on the heap.
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        self.message.capacity()
    }

    /// Completes a header from the bytes kept of it and the front of `input`.
    fn read_header(
        &mut self,
        mut bytes: [u8; HEADER_BYTES_MAX],
        mut filled: usize,
        input: &mut &mut [u8],
    ) -> Result<Option<Header>, PeerMisbehaved> {
        if filled == 0
            && let Some((header, size)) = Header::parse(self.role, input)?
        {
            take(input, size);
            return Ok(Some(header));
        }
        // A read ended inside the header: byte by byte, at most fourteen times.
        while let [byte, ..] = take(input, input.len().min(1)) {
            bytes[filled] = *byte;
            filled += 1;
            if let Some((header, _)) = Header::parse(self.role, &bytes[..filled])? {
                return Ok(Some(header));
            }
        }
        self.state = State::Header { bytes, filled };
        Ok(None)
    }

    fn check_against_message(&mut self, header: &Header) -> Result<(), PeerMisbehaved> {
        if header.opcode.is_control() {
            self.control_bytes = 0;
            return Ok(());
        }
        match (self.fragmented.is_some(), header.opcode) {
            (false, Opcode::Continuation) => return rule("a continuation of nothing"),
            (true, Opcode::Text | Opcode::Binary) => {
                return rule("a new message between the fragments of another");
            }
            _ => {}
        }
        if self.fragmented.is_none() {
            self.small_fragments = 0;
        }
        self.small_fragments += usize::from(!header.is_final && header.length < FRAGMENT_BYTES);
        let small = self.small_fragments.saturating_sub(SMALL_FRAGMENTS_FREE);
        let bytes = self.message.len().saturating_add(header.length);
        let bytes = bytes.max(small.saturating_mul(FRAGMENT_BYTES));
        if bytes > self.message_bytes_max {
            return Err(PeerMisbehaved::MessageTooBig {
                bytes,
                max: self.message_bytes_max,
            });
        }
        Ok(())
    }

    /// Keeps a piece of payload whose frame or message is not complete in the caller's buffer.
    fn keep_piece(&mut self, header: &Header, piece: &[u8]) -> Result<(), PeerMisbehaved> {
        if header.opcode.is_control() {
            self.control[self.control_bytes..self.control_bytes + piece.len()]
                .copy_from_slice(piece);
            self.control_bytes += piece.len();
            return Ok(());
        }
        self.message.extend_from_slice(piece);
        if self.fragmented.or(Kind::of(header.opcode)) == Some(Kind::Text) {
            self.check_utf8()?;
        }
        Ok(())
    }

    /// Fails at the first byte that cannot belong to any text, wherever reads and frames were cut.
    fn check_utf8(&mut self) -> Result<(), PeerMisbehaved> {
        match core::str::from_utf8(&self.message[self.utf8_bytes..]) {
            Ok(text) => self.utf8_bytes += text.len(),
            Err(error) if error.error_len().is_none() => self.utf8_bytes += error.valid_up_to(),
            Err(_) => return Err(PeerMisbehaved::NotUtf8("a text message")),
        }
        Ok(())
    }

    fn finish_message(&mut self, header: &Header) -> Result<Item<'_>, PeerMisbehaved> {
        self.is_message_spent = true;
        match self.fragmented.take().or(Kind::of(header.opcode)) {
            Some(Kind::Text) => text_item(&self.message),
            _ => Ok(Item::Binary(&self.message)),
        }
    }

    fn forget_spent_message(&mut self) {
        if self.is_message_spent {
            self.is_message_spent = false;
            self.utf8_bytes = 0;
            self.message.clear();
            if self.message.capacity() > MESSAGE_BYTES_KEPT {
                self.message = Vec::new();
            }
        }
    }

    /// The payload of a control frame: where it lies, or put together when a read cut it.
    fn whole_control<'s, 'i: 's>(&'s mut self, piece: &'i [u8]) -> &'s [u8] {
        if self.control_bytes == 0 {
            return piece;
        }
        let end = self.control_bytes + piece.len();
        self.control[self.control_bytes..end].copy_from_slice(piece);
        &self.control[..end]
    }
}

impl Kind {
    const fn of(opcode: Opcode) -> Option<Self> {
        match opcode {
            Opcode::Text => Some(Self::Text),
            Opcode::Binary => Some(Self::Binary),
            _ => None,
        }
    }
}

impl Header {
    /// Reads a header and its size, or `None` while bytes are missing. Section 5.2, top to bottom.
    fn parse(role: Role, bytes: &[u8]) -> Result<Option<(Self, usize)>, PeerMisbehaved> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return rule("a reserved bit is set and no extension was agreed");
        }
        let Some(opcode) = Opcode::from_bits(first & 0x0f) else {
            return rule("a reserved opcode");
        };
        let is_final = first & 0x80 != 0;
        if opcode.is_control() && !is_final {
            return rule("a control frame in fragments");
        }

        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        let is_masked = second & 0x80 != 0;
        match role {
            Role::Server if !is_masked => return rule("a client's frame without a mask"),
            Role::Client if is_masked => return rule("a server's frame with a mask"),
            _ => {}
        }
        let Some((length, length_end)) = Self::parse_length(second & 0x7f, bytes)? else {
            return Ok(None);
        };
        if opcode.is_control() && length > CONTROL_BYTES_MAX {
            return rule("a control frame of more than 125 bytes");
        }

        let (key, end) = if is_masked {
            let Some(key) = bytes[length_end..].first_chunk::<4>() else {
                return Ok(None);
            };
            (Some(*key), length_end + 4)
        } else {
            (None, length_end)
        };
        let header = Self {
            is_final,
            opcode,
            key,
            length,
        };
        Ok(Some((header, end)))
    }

    /// The payload's length and where its form ends. A longer form than needed is an error.
    fn parse_length(short: u8, bytes: &[u8]) -> Result<Option<(usize, usize)>, PeerMisbehaved> {
        let rest = &bytes[2..];
        let (length, end, least) = match short {
            126 => match rest.first_chunk::<2>() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 4, 126),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(length) => (u64::from_be_bytes(*length), 10, 0x1_0000),
                None => return Ok(None),
            },
            short => return Ok(Some((usize::from(short), 2))),
        };
        if length < least {
            return rule("a length in a longer form than it needs");
        }
        if length >> 63 != 0 {
            return rule("a length with its highest bit set");
        }
        // Where it does not fit a usize, it exceeds every limit as well.
        Ok(Some((usize::try_from(length).unwrap_or(usize::MAX), end)))
    }
}

fn rule<T>(rule: &'static str) -> Result<T, PeerMisbehaved> {
    Err(PeerMisbehaved::WebSocket(rule))
}

fn take<'i>(input: &mut &'i mut [u8], bytes: usize) -> &'i mut [u8] {
    let (front, rest) = core::mem::take(input).split_at_mut(bytes);
    *input = rest;
    front
}

fn whole_item(opcode: Opcode, payload: &[u8]) -> Result<Item<'_>, PeerMisbehaved> {
    if opcode == Opcode::Text {
        text_item(payload)
    } else {
        Ok(Item::Binary(payload))
    }
}

fn text_item(payload: &[u8]) -> Result<Item<'_>, PeerMisbehaved> {
    let text = core::str::from_utf8(payload);
    text.map(Item::Text)
        .map_err(|_| PeerMisbehaved::NotUtf8("a text message"))
}

fn control_item(opcode: Opcode, payload: &[u8]) -> Result<Item<'_>, PeerMisbehaved> {
    Ok(match opcode {
        Opcode::Ping => Item::Ping(payload),
        Opcode::Close => Item::Close(PeerClose::parse(payload)?),
        _ => Item::Pong(payload),
    })
}

impl PeerClose {
    fn parse(payload: &[u8]) -> Result<Self, PeerMisbehaved> {
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            return if payload.is_empty() {
                Ok(Self {
                    code: None,
                    reason: Box::default(),
                })
            } else {
                rule("a close frame with half a code")
            };
        };
        let code = u16::from_be_bytes(*code);
        if !is_close_code_allowed(code) {
            return rule("a close code that may not travel");
        }
        let reason = core::str::from_utf8(reason);
        let reason = reason.map_err(|_| PeerMisbehaved::NotUtf8("a close reason"))?;
        Ok(Self {
            code: Some(code),
            reason: reason.into(),
        })
    }
}
