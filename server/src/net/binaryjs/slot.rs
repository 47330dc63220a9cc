//! One stream of a connection, with what has come for its reader.

use core::task::Waker;
use std::collections::VecDeque;

use tickwire_protocol::{binaryjs::StreamKey, binarypack::Value};

/// One stream as its handles see it. It lives until both halves are dropped, longer than the
/// session's stream, so that what came before an end or a close can still be read.
pub(super) struct Slot {
    pub(super) key: StreamKey,
    pub(super) metadata: Value,
    pub(super) metadata_bytes: usize,
    pub(super) values: VecDeque<(Value, usize)>,
    /// Whether the session still knows the stream under this key.
    pub(super) is_live: bool,
    pub(super) we_ended: bool,
    pub(super) they_ended: bool,
    pub(super) has_reader: bool,
    pub(super) has_writer: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Slot {
    pub(super) fn new(key: StreamKey, metadata: Value, metadata_bytes: usize) -> Self {
        Self {
            key,
            metadata,
            metadata_bytes,
            values: VecDeque::new(),
            is_live: true,
            we_ended: false,
            they_ended: false,
            has_reader: true,
            has_writer: true,
            reader: None,
            writer: None,
        }
    }

    pub(super) fn wake(&mut self) {
        [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
            .for_each(Waker::wake);
    }
}
