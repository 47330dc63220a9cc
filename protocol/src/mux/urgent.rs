//! Frames that go before data: what opens, answers, credits and closes streams.
//!
//! In: a frame to send. Out: bytes as they will stand on the wire, and how many of them are the peer's doing. The
//! choice to question: one queue for both. A stream's opening must not be overtaken by its end.

use crate::{
    coding::{clip, put_varint},
    frame::{FrameKind, put_frame},
    id::StreamId,
    limits::REASON_BYTES_MAX,
    mux::Mux,
};

impl Mux {
    pub(crate) const fn urgent(&mut self) -> &mut Vec<u8> {
        &mut self.urgent
    }

    /// Some of what was urgent has gone out.
    pub(crate) fn on_urgent_sent(&mut self) {
        self.opening_bytes = self.opening_bytes.min(self.urgent.len());
    }

    /// What waits because of the peer: answers, credit, ends.
    pub(crate) const fn answer_bytes(&self) -> usize {
        self.urgent.len() - self.opening_bytes
    }

    pub(crate) const fn urgent_bytes(&self) -> usize {
        self.urgent.len()
    }

    /// Puts credit that has not been worth a message to what goes next: for whoever sends one anyway.
    pub(crate) fn let_credit_ride(&mut self) {
        while let Some(id) = self.riding.pop_first() {
            let state = self.streams.get_mut(&id);
            if let Some(limit) = state.and_then(|state| state.receive.ride()) {
                self.put_credit(id, limit);
            }
        }
        if let Some(limit) = self.window.ride() {
            self.put_credit(StreamId::CONTROL, limit);
        }
    }

    pub(super) fn put_credit(&mut self, id: StreamId, limit: u64) {
        let mut payload = Vec::with_capacity(10);
        put_varint(&mut payload, limit);
        self.put_urgent(FrameKind::Credit, id, &payload);
    }

    pub(super) fn put_farewell(&mut self, kind: FrameKind, id: StreamId, code: u32, reason: &str) {
        let mut payload = Vec::with_capacity(5 + reason.len());
        put_varint(&mut payload, u64::from(code));
        payload.extend_from_slice(clip(reason, REASON_BYTES_MAX).as_bytes());
        self.put_urgent(kind, id, &payload);
    }

    pub(super) fn put_urgent(&mut self, kind: FrameKind, id: StreamId, payload: &[u8]) {
        put_frame(&mut self.urgent, kind, id, payload);
    }
}
