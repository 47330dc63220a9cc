//! The owner's end of a connection's pipes: between them and the mux.
//!
//! In: events of the mux, and the list of pipes whose tasks have done something. Out: calls of the mux,
//! and bytes and wake-ups for the tasks.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{
    Bell, Hub, Incoming, StreamError,
    queues::End,
    state::{Pipe, Stage, State},
};
use crate::{
    error::ApiMisuse,
    id::StreamId,
    limits::{LIVE_AGE_MICROS_MAX, PARTIAL_RECORDS_BYTES_MAX},
    mux::{Lent, Mux, REFUSE_CODE_LET_GO, StreamEvent, Write},
    stream::{Offer, StreamKind},
    time::Micros,
};

/// The pipes of one connection, as its owner has them. Dropping it ends them all: readers get what came,
/// then an error.
///
/// The owner's part of the contract: [`attend`](Self::attend) with a bell before anything else, then
/// [`service`](Self::service) whenever the bell has rung and after every [`handle_event`](Self::handle_event),
/// when all events that were taken from the mux are handed in, until [`rest`](Self::rest) says that nothing waits.
#[derive(Debug, Default)]
pub struct Exchange {
    hub: Arc<Hub>,
    pipes: BTreeMap<StreamId, Arc<Pipe>>,
    /// Streams that are over, of which events may still wait.
    over: Vec<StreamId>,
    /// Streams whose record under way is longer than their window, and which wait for credit beyond it.
    starving: VecDeque<StreamId>,
    /// The one of them that has it though others have had their share of it.
    favoured: Option<StreamId>,
    /// An emptied list, kept for its memory.
    spare: Vec<Arc<Pipe>>,
}

impl Exchange {
    /// The tasks' end.
    #[must_use]
    pub const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Says whom to wake. Call it again when the connection gets another owner; the old bell is not rung
    /// any more, and what was asked for in between is in the list.
    pub fn attend(&self, bell: Bell) {
        self.hub.attend(bell);
    }

    /// Whether no stream goes through a pipe.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pipes.is_empty()
    }

    /// Makes a pipe for a stream that the peer has opened.
    pub fn offer(&mut self, offer: Box<Offer>) -> Incoming {
        let pipe = Pipe::theirs(&self.hub, &offer);
        self.pipes.insert(offer.id, pipe.clone());
        Incoming::new(offer, pipe)
    }

    /// Takes what happened to a stream; false when the stream is not a pipe's.
    pub fn handle_event(&mut self, event: &StreamEvent, mux: &mut Mux, now: Micros) -> bool {
        let (id, fault) = match event {
            StreamEvent::Opened(_) => return false,
            StreamEvent::Accepted(id)
            | StreamEvent::Readable(id)
            | StreamEvent::Ended(id)
            | StreamEvent::Writable(id)
            | StreamEvent::Consumed(id) => (*id, None),
            StreamEvent::Refused { id, code, reason } => {
                let (code, reason) = (*code, reason.clone());
                (*id, Some(StreamError::Refused { code, reason }))
            }
            StreamEvent::Reset { id, code, reason } => {
                let (code, reason) = (*code, reason.clone());
                (*id, Some(StreamError::Reset { code, reason }))
            }
        };
        let Some(pipe) = self.pipes.get(&id).cloned() else {
            return false;
        };
        if let Some(error) = fault {
            self.pipes.remove(&id);
            pipe.fail(error);
            return true;
        }
        let is_over = pipe.serve(|state| {
            match event {
                StreamEvent::Accepted(_) => {
                    state.stage = Stage::Open;
                    state.wake_writer();
                }
                StreamEvent::Readable(_) => bring(state, id, mux),
                StreamEvent::Ended(_) => {
                    state.inbound.has_ended = true;
                    state.wake_reader();
                }
                StreamEvent::Consumed(_) => {
                    state.outbound.end = End::Done;
                    state.wake_writer();
                }
                _ => {}
            }
            serve(state, mux, now);
            is_over(state, id, mux)
        });
        if is_over {
            self.over.push(id);
        }
        true
    }

    /// Whether tasks have asked for something since the last [`service`](Self::service), or have not got it.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        !self.starving.is_empty() || self.hub.has_waiting()
    }

    /// Does what tasks have asked for since the last time.
    pub fn service(&mut self, mux: &mut Mux, now: Micros) {
        let mut waiting = core::mem::take(&mut self.spare);
        self.hub.take_waiting(&mut waiting);
        for pipe in waiting.drain(..) {
            let before = pipe.id();
            let (id, is_over, is_starving) = pipe.serve(|state| {
                serve(state, mux, now);
                let is_over = state.id.is_some_and(|id| is_over(state, id, mux));
                let is_partial = state.inbound.partial_cost() > 0;
                let is_starving = is_partial && state.id.is_some_and(|id| mux.is_short(id));
                (state.id, is_over, is_starving)
            });
            let Some(id) = id else { continue };
            if before.is_none() {
                self.pipes.insert(id, pipe);
            }
            if is_over {
                self.over.push(id);
            }
            if is_starving {
                let has_turn = self.starving.is_empty() || self.favoured == Some(id);
                let is_fed = has_turn && self.feed(id, mux, now);
                if !is_fed && !self.starving.contains(&id) {
                    self.starving.push_back(id);
                }
            }
        }
        while let Some(&id) = self.starving.front()
            && self.feed(id, mux, now)
        {
            self.starving.pop_front();
        }
        self.spare = waiting;
        // Before, an event of theirs would look like one of a stream that is no pipe's.
        if !mux.has_event() {
            for id in self.over.drain(..) {
                self.pipes.remove(&id);
            }
        }
    }

    /// Gives the peer credit for a record that is longer than its stream's window. False if others hold too much
    /// of theirs: the stream has to wait.
    fn feed(&mut self, id: StreamId, mux: &mut Mux, now: Micros) -> bool {
        let Some(pipe) = self.pipes.get(&id) else {
            return true;
        };
        let room = PARTIAL_RECORDS_BYTES_MAX.saturating_sub(self.hub.granted_bytes());
        let granted = pipe.grant(room as u64).or_else(|| {
            // Nobody could finish a record if all had got a part of one.
            let other = self.favoured.filter(|favoured| *favoured != id);
            let other = other.and_then(|other| self.pipes.get(&other));
            if other.is_some_and(|other| other.has_grant()) {
                return None;
            }
            self.favoured = Some(id);
            pipe.grant(u64::MAX)
        });
        let Some(cost) = granted else { return false };
        let _ = mux.confirm(id, cost, now);
        true
    }

    /// Lets the owner rest until the bell rings; false when somebody waits already.
    #[must_use]
    pub fn rest(&self) -> bool {
        self.hub.rest()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        for pipe in self.hub.close() {
            pipe.fail(StreamError::Lost);
        }
        for pipe in self.pipes.values() {
            pipe.fail(StreamError::Lost);
        }
    }
}

/// Whether nothing will happen to a pipe any more.
///
/// A stream may be gone from the mux while events of it still wait, when its last frames came together: the
/// task is yet to hear that the peer has consumed everything, or has ended.
fn is_over(state: &State, id: StreamId, mux: &Mux) -> bool {
    let has_ended = state.inbound.has_ended && state.outbound.end == End::Done;
    let has_heard = has_ended || state.fault.is_some();
    has_heard && !mux.contains(id)
}

/// Brings what came to the task.
fn bring(state: &mut State, id: StreamId, mux: &mut Mux) {
    loop {
        match mux.lend(id) {
            Ok(Lent::Chunk(chunk)) => state.inbound.chunks.push_back(chunk),
            Ok(Lent::End) => {
                state.inbound.has_ended = true;
                break;
            }
            Ok(Lent::Nothing) | Err(_) => break,
        }
    }
    // Of a stream that was given up the mux is yet to hear. What came before is dropped, and a reader must
    // not take this for its continuation.
    if state.inbound.let_go || state.fault.is_some() {
        state.inbound.drop_all();
    }
    state.wake_reader();
}

/// Does everything that a pipe wants of the mux.
fn serve(state: &mut State, mux: &mut Mux, now: Micros) {
    if let Some((code, reason)) = state.farewell.take()
        && let Some(id) = state.id
    {
        // Gone by the peer's doing already: then there is nobody to tell.
        let _ = match state.stage {
            Stage::Unanswered | Stage::Accepting => mux.refuse(id, code, &reason),
            _ => mux.reset(id, code, &reason),
        };
    }
    if state.fault.is_some() {
        return;
    }
    if let Err(error) = answer(state, mux, now) {
        return state.fail(error);
    }
    let Some(id) = state.id else { return };
    if matches!(state.stage, Stage::Unanswered) {
        return;
    }
    // From here on a stream that is gone is gone by the peer's doing, and an event that says why is on
    // its way.
    let (inbound, outbound) = (&mut state.inbound, &state.outbound);
    let is_over = matches!(outbound.end, End::Done);
    let is_unread = !inbound.has_ended || inbound.was_dropped;
    if inbound.let_go && outbound.let_go && is_over && is_unread {
        let _ = mux.reset(id, REFUSE_CODE_LET_GO, "nobody reads this any more");
        return state.fail(StreamError::GivenUp);
    }
    // Who writes and waits until all is taken must not hear that it was. Our reset waits for the end of our
    // own half, and so does this, unless that half brings the peer an answer: it may read that only when it
    // has heard.
    let keeps_back = inbound.was_dropped && (is_over || !outbound.was_written);
    let cost = inbound.tell_taken(keeps_back);
    if cost > 0 {
        let _ = mux.confirm(id, cost, now);
    }
    send(state, id, mux, now);
}

/// Opens or accepts the stream, if the task wants that.
fn answer(state: &mut State, mux: &mut Mux, now: Micros) -> Result<(), StreamError> {
    match &state.stage {
        Stage::Unopened(options) => {
            let opened = mux.open((**options).clone(), now);
            let id = opened.map_err(|misuse| StreamError::NotOpened(misuse.to_string().into()))?;
            state.id = Some(id);
            state.stage = Stage::Offered;
        }
        Stage::Accepting => {
            let id = state.id.ok_or(StreamError::Lost)?;
            mux.accept(id, now)
                .map_err(|_: ApiMisuse| StreamError::Lost)?;
            state.stage = Stage::Open;
        }
        Stage::Offered | Stage::Unanswered | Stage::Open => {}
    }
    Ok(())
}

/// Passes on what the mux takes, and makes room for more.
fn send(state: &mut State, id: StreamId, mux: &mut Mux, now: Micros) {
    let outbound = &mut state.outbound;
    outbound.gather();
    let is_live = outbound.kind() == StreamKind::Live;
    if is_live {
        for record in &mut outbound.records {
            record.seen.get_or_insert(now);
        }
    }
    while let Some(record) = outbound.records.front() {
        let seen = record.seen.unwrap_or(now);
        if is_live && now.since(seen) > LIVE_AGE_MICROS_MAX {
            outbound.pop();
            continue;
        }
        match mux.write(id, record.bytes.clone(), seen) {
            Ok(Write::Taken) => outbound.pop(),
            Ok(Write::Full) => break,
            Err(_) => return,
        }
    }
    if outbound.records.is_empty() && outbound.end == End::Ending && mux.end(id).is_ok() {
        outbound.end = End::Sent;
    }
    state.wake_writer_if_room(now);
}

#[cfg(test)]
mod tests {
    use core::{
        future::Future,
        pin::pin,
        task::{Context, Poll},
    };

    use bytes::Bytes;

    use super::*;
    use crate::{
        coding::Reader,
        frame::Frame,
        mux::Side,
        stream::{Class, StreamOptions},
    };

    const NOW: Micros = Micros(0);

    fn deliver(from: &mut Mux, to: &mut Mux) {
        let mut message = core::mem::take(from.urgent());
        from.on_urgent_sent();
        from.transmit(Class::Bulk, 100_000, NOW, &mut message);
        let mut reader = Reader::new(&message);
        while !reader.is_empty() {
            to.handle_frame(Frame::decode(&mut reader).unwrap(), NOW)
                .unwrap();
        }
    }

    fn hear(exchange: &mut Exchange, mux: &mut Mux) {
        while let Some(event) = mux.poll_event() {
            exchange.handle_event(&event, mux, NOW);
        }
        exchange.service(mux, NOW);
    }

    /// The peer takes everything and ends its half in one message: the mux has forgotten the stream before
    /// its events are heard.
    #[test]
    fn who_waits_for_the_end_hears_of_it_when_all_comes_at_once() {
        let (mut ours, mut theirs) = (Mux::new(Side::Server), Mux::new(Side::Client));
        let mut exchange = Exchange::default();
        exchange.attend(Arc::new(|| {}));
        let mut stream = exchange.hub().open(StreamOptions::new(StreamKind::Bytes));
        let mut context = Context::from_waker(core::task::Waker::noop());
        {
            let sent = pin!(stream.send(Bytes::from_static(b"all there is")));
            assert!(sent.poll(&mut context).is_ready());
        }
        {
            let finished = pin!(stream.finished());
            assert!(finished.poll(&mut context).is_pending());
        }
        exchange.service(&mut ours, NOW);
        deliver(&mut ours, &mut theirs);

        let Some(StreamEvent::Opened(offer)) = theirs.poll_event() else {
            panic!("no offer");
        };
        theirs.accept(offer.id, NOW).unwrap();
        assert!(theirs.read(offer.id, NOW).unwrap().is_some());
        theirs.end(offer.id).unwrap();
        deliver(&mut theirs, &mut ours);
        hear(&mut exchange, &mut ours);
        deliver(&mut ours, &mut theirs);
        deliver(&mut theirs, &mut ours);
        hear(&mut exchange, &mut ours);

        {
            let finished = pin!(stream.finished());
            assert!(finished.poll(&mut context).is_ready(), "it was all taken");
        }
        let end = pin!(stream.receive());
        assert!(
            matches!(end.poll(&mut context), Poll::Ready(Ok(None))),
            "the peer has ended"
        );
        assert!(ours.is_empty() && exchange.is_empty());
    }
}
