//! What both ends of a session have in common: what waits for the socket, and the opened streams.
//!
//! In: control messages and events to send, frames for opened streams. Out: bytes, by class. Queues
//! hold frames as they will stand on the wire: sending is one copy, and a queue that is empty costs no
//! heap.

use crate::{
    error::{ApiMisuse, PeerError, PeerMisbehaved, Queue, SendError},
    frame::{Frame, FrameKind, first_frame_bytes, header_len, put_frame, whole_frames_within},
    id::StreamId,
    input::InputsDropped,
    limits::{CONTROL_UNSENT_BYTES_MAX, EVENT_BYTES_MAX, EVENTS_UNSENT_BYTES_MAX},
    mux::{Mux, Side},
    pace::Sample,
    session::{
        control::{Control, Farewell},
        pacing::Pacing,
        traffic::{StreamTraffic, Traffic},
    },
    stream::Class,
    time::Micros,
};

/// What an emptied queue keeps allocated.
const KEPT_BYTES: usize = 256;

/// In the order of memory, for the session's sake.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Link {
    control: Vec<u8>,
    events: Vec<u8>,
    /// Made with the first opened stream: most players of most games have none open.
    mux: Option<Box<Mux>>,
    /// Holds bulk back to what the link carries, unless the session's owner does.
    pace: Option<Box<Pacing>>,
    /// The peer's newest mark, which waits for its answer: those before it need none.
    marked: Option<u64>,
    pub(crate) traffic: Traffic,
    side: Side,
}

impl Link {
    pub(crate) const fn new(side: Side) -> Self {
        Self {
            side,
            control: Vec::new(),
            events: Vec::new(),
            mux: None,
            pace: None,
            marked: None,
            traffic: Traffic {
                control: StreamTraffic::ZERO,
                input: StreamTraffic::ZERO,
                snapshot: StreamTraffic::ZERO,
                event: StreamTraffic::ZERO,
                opened: StreamTraffic::ZERO,
                streams_refused: 0,
                inputs_dropped: InputsDropped::NONE,
            },
        }
    }

    pub(crate) fn send_control(&mut self, message: &Control) {
        let mut payload = Vec::with_capacity(64);
        message.encode(&mut payload);
        put_frame(
            &mut self.control,
            FrameKind::Data,
            StreamId::CONTROL,
            &payload,
        );
    }

    /// Queues the last message. Nothing is looked at behind it, so the events that wait go before it.
    pub(crate) fn say_goodbye(&mut self, farewell: Farewell) {
        self.control.append(&mut self.events);
        self.send_control(&Control::Goodbye(farewell));
    }

    /// Queues an event, or says that the peer is too slow for it.
    pub(crate) fn send_event(&mut self, event: &[u8]) -> Result<(), SendError> {
        let (bytes, max) = (event.len(), EVENT_BYTES_MAX);
        if bytes > max {
            return Err(ApiMisuse::TooLarge { bytes, max }.into());
        }
        if self.events.len() + bytes > EVENTS_UNSENT_BYTES_MAX {
            return Err(PeerMisbehaved::TooSlow(Queue::Events).into());
        }
        put_frame(&mut self.events, FrameKind::Data, StreamId::EVENT, event);
        Ok(())
    }

    pub(crate) fn mux(&mut self) -> &mut Mux {
        self.mux
            .get_or_insert_with(|| Box::new(Mux::new(self.side)))
    }

    pub(crate) fn mux_if_any(&mut self) -> Option<&mut Mux> {
        self.mux.as_deref_mut()
    }

    /// Holds bulk back by marks from now on.
    pub(crate) fn pace_by_marks(&mut self) {
        self.pace.get_or_insert_default();
    }

    /// Takes what a kernel says of the link: it is believed from now on in place of marks.
    pub(crate) fn handle_sample(&mut self, sample: Sample, segment_bytes: usize, now: Micros) {
        self.pace
            .get_or_insert_default()
            .handle_sample(sample, segment_bytes, now);
    }

    /// Takes a mark of the peer.
    pub(crate) const fn on_mark(&mut self, mark: u64) {
        self.marked = Some(mark);
    }

    /// Takes the peer's answer to a mark.
    pub(crate) fn on_reached(&mut self, mark: u64, now: Micros) -> Result<(), PeerError> {
        let known = self
            .pace
            .as_mut()
            .map(|pace| pace.handle_reached(mark, now));
        match known {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(PeerMisbehaved::UnknownMark { mark }.into()),
        }
    }

    /// Whether opened streams have something to send.
    pub(crate) fn has_bulk(&self) -> bool {
        let mux = self.mux.as_ref();
        mux.is_some_and(|mux| mux.wants_transmit(Class::Bulk))
    }

    /// When bulk that is held back is to be looked at again.
    pub(crate) fn bulk_due(&self) -> Option<Micros> {
        self.pace.as_ref()?.turn_due()
    }

    /// Takes the passing of time.
    pub(crate) fn handle_timeout(&mut self, now: Micros) {
        if let Some(pace) = &mut self.pace {
            pace.handle_timeout(now);
        }
    }

    /// Bytes of bulk that may wait unsent; none matter where bulk is not held back.
    pub(crate) fn unsent_bytes_max(&self) -> u64 {
        let pace = self.pace.as_ref();
        pace.map_or(u64::MAX, |pace| pace.unsent_bytes_max())
    }

    /// Answers to marks of ours that have come.
    pub(crate) fn marks_answered(&self) -> u64 {
        self.pace.as_ref().map_or(0, |pace| pace.answered())
    }

    /// Takes a frame that is none of the session's own.
    pub(crate) fn on_stream_frame(
        &mut self,
        frame: Frame<'_>,
        now: Micros,
    ) -> Result<(), PeerError> {
        self.mux().handle_frame(frame, now)?;
        self.traffic.streams_refused = self.mux().streams_refused();
        if self.control.len() + self.mux().answer_bytes() > CONTROL_UNSENT_BYTES_MAX {
            return Err(PeerMisbehaved::TooSlow(Queue::Control).into());
        }
        Ok(())
    }

    /// Lets credit go along with the next message, though it is not worth one: for whoever sends one anyway.
    pub(crate) fn let_credit_ride(&mut self) {
        if let Some(mux) = &mut self.mux {
            mux.let_credit_ride();
        }
    }

    /// Appends what waits in the classes up to `up_to`, whole frames, within the budget.
    pub(crate) fn transmit(
        &mut self,
        up_to: Class,
        budget_bytes: usize,
        now: Micros,
        out: &mut Vec<u8>,
    ) {
        let budget = Budget {
            start: out.len(),
            bytes: budget_bytes,
        };
        if self.wants_transmit(up_to.min(Class::Event)) {
            self.let_credit_ride();
        }
        if let Some(mark) = self.marked.take() {
            self.send_control(&Control::Reached(mark));
        }
        flush(&mut self.control, &mut self.traffic.control, budget, out);
        if let Some(mux) = &mut self.mux
            && self.control.is_empty()
        {
            flush(mux.urgent(), &mut self.traffic.control, budget, out);
            mux.on_urgent_sent();
        }
        if up_to < Class::Event {
            return;
        }
        flush(&mut self.events, &mut self.traffic.event, budget, out);
        if let Some(mux) = &mut self.mux
            && self.events.is_empty()
            && mux.urgent_bytes() == 0
        {
            let before = out.len();
            match &mut self.pace {
                Some(pace) if up_to >= Class::Bulk => {
                    mux.transmit(Class::Event, budget.left(out), now, out);
                    let marked = transmit_paced(mux, pace, budget, now, out);
                    let (data, mark) = out[before..].split_at(out.len() - before - marked);
                    self.traffic.opened.count_frames_out(data);
                    self.traffic.control.count_frames_out(mark);
                }
                _ => {
                    mux.transmit(up_to, budget.left(out), now, out);
                    self.traffic.opened.count_frames_out(&out[before..]);
                }
            }
        }
    }

    /// Whether [`transmit`](Self::transmit) would append anything.
    pub(crate) fn wants_transmit(&self, up_to: Class) -> bool {
        !self.control.is_empty()
            || self.marked.is_some()
            || self.mux.as_ref().is_some_and(|mux| mux.urgent_bytes() > 0)
            || (up_to >= Class::Event
                && (!self.events.is_empty()
                    || self
                        .mux
                        .as_ref()
                        .is_some_and(|mux| mux.wants_transmit(up_to))))
    }

    /// Counts a frame that came, header included.
    #[inline]
    pub(crate) const fn count_in(&mut self, frame: &Frame<'_>, bytes: usize) {
        let stream = match frame.kind {
            FrameKind::Data => frame.stream,
            _ => StreamId::CONTROL,
        };
        let traffic = self.traffic.of(stream);
        traffic.in_bytes += bytes as u64;
        traffic.in_messages += 1;
    }

    /// Bytes of heap in use, apart from the streams'.
    pub(crate) const fn heap_bytes(&self) -> usize {
        self.control.capacity() + self.events.capacity()
    }
}

#[derive(Clone, Copy)]
struct Budget {
    start: usize,
    bytes: usize,
}

impl Budget {
    fn left(self, out: &[u8]) -> usize {
        self.bytes.saturating_sub(out.len() - self.start)
    }
}

/// Moves the whole frames that fit to `out`. One that alone is over the budget goes alone: else it
/// would wait for ever.
fn flush(queue: &mut Vec<u8>, traffic: &mut StreamTraffic, budget: Budget, out: &mut Vec<u8>) {
    if queue.is_empty() {
        return;
    }
    let mut fitting = whole_frames_within(queue, budget.left(out));
    if fitting == 0 && out.len() == budget.start {
        fitting = first_frame_bytes(queue);
    }
    traffic.count_frames_out(&queue[..fitting]);
    out.extend_from_slice(&queue[..fitting]);
    queue.drain(..fitting);
    if queue.is_empty() && queue.capacity() > KEPT_BYTES {
        *queue = Vec::new();
    }
}

/// Appends bulk as far as the link has room for it, and a mark behind it. Says how long the mark is.
fn transmit_paced(
    mux: &mut Mux,
    pace: &mut Pacing,
    budget: Budget,
    now: Micros,
    out: &mut Vec<u8>,
) -> usize {
    if !mux.wants_transmit(Class::Bulk) {
        pace.rest();
        return 0;
    }
    let before = out.len();
    let left = budget.left(out).saturating_sub(MARK_ROOM);
    mux.transmit(Class::Bulk, left.min(pace.room_bytes(now)), now, out);
    let end = out.len();
    pace.on_written(end - before);
    let waits = mux.wants_transmit(Class::Bulk);
    // What is more urgent may have filled the message: then the mark goes with the next one.
    if budget.left(out) >= MARK_ROOM
        && let Some(mark) = pace.poll_mark(waits, now)
    {
        let mut payload = Vec::with_capacity(MARK_ROOM);
        Control::Mark(mark).encode(&mut payload);
        put_frame(out, FrameKind::Data, StreamId::CONTROL, &payload);
    }
    out.len() - end
}

/// The largest frame with a mark.
const MARK_ROOM: usize = header_len(StreamId::CONTROL, 11) + 11;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{StreamKind, StreamOptions};

    const NOW: Micros = Micros(1_000_000);

    /// A client's mux with bulk for many messages.
    fn mux_with_bulk() -> Mux {
        let mut mux = Mux::new(Side::Client);
        let id = mux.open(StreamOptions::new(StreamKind::Bytes), NOW);
        let stream = id.expect("the first stream");
        let credit = [0x80, 0x80, 0x08];
        let accepted = Frame {
            kind: FrameKind::Accept,
            more: false,
            stream,
            payload: &credit,
        };
        mux.handle_frame(accepted, NOW).expect("it was offered");
        let record = vec![1; 100_000].into();
        let _ = mux.write(stream, record, NOW).expect("it is open");
        mux
    }

    #[test]
    fn a_mark_goes_with_the_next_message_when_this_one_is_full() {
        let (mut mux, mut pace) = (mux_with_bulk(), Pacing::default());
        let mut transmit = |bytes, now| {
            let (budget, mut out) = (Budget { start: 0, bytes }, Vec::new());
            let marked = transmit_paced(&mut mux, &mut pace, budget, now, &mut out);
            assert!(out.len() <= bytes, "{} bytes in {bytes}", out.len());
            marked > 0
        };
        assert!(transmit(8000, NOW));
        assert!(!transmit(2000, NOW), "a mark in each message");
        let later = NOW + Micros::from_millis(3);
        for bytes in 0..MARK_ROOM {
            assert!(!transmit(bytes, later));
        }
        assert!(transmit(MARK_ROOM, later), "the mark that was put off");
    }
}
