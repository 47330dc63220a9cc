//! What a frame of an opened stream does when it comes.
//!
//! In: frames of the peer. Out: changed streams, events, answers. One `match` over kind and phase;
//! whatever it does not name is the peer's fault. Frames for a stream that was open and is gone are an
//! ordinary race (the peer had not heard yet) and are dropped, with their credit given back.

use bytes::Bytes;

use crate::{
    coding::Reader,
    error::{DecodeError, PeerError, PeerMisbehaved, Rate},
    frame::{Frame, FrameKind, header_len},
    id::StreamId,
    limits::{
        CHUNK_BYTES_MAX, REASON_BYTES_MAX, STREAM_EVENTS_MAX, STREAM_WINDOW_BYTES_MIN,
        STREAMS_OPEN_MAX,
    },
    mux::{
        Mux, Phase, REFUSE_CODE_TOO_MANY, StreamEvent, StreamState,
        receive::{Chunk, ReceiveHalf, cost},
        send::SendHalf,
    },
    stream::{Offer, decode_open},
    time::Micros,
};

impl Mux {
    /// Takes a frame of an opened stream, or the connection's credit.
    pub(crate) fn handle_frame(&mut self, frame: Frame<'_>, now: Micros) -> Result<(), PeerError> {
        let id = frame.stream;
        if id == StreamId::CONTROL && frame.kind == FrameKind::Credit {
            self.schedule.on_credit(decode_limit(frame.payload)?);
            return Ok(());
        }
        if frame.kind == FrameKind::Open {
            return self.on_open(id, frame.payload, now);
        }
        if self.events.len() >= STREAM_EVENTS_MAX {
            return Err(PeerMisbehaved::RateExceeded(Rate::StreamFrames).into());
        }
        if !self.streams.contains_key(&id) {
            return self.on_frame_of_the_gone(frame);
        }
        match frame.kind {
            FrameKind::Data => self.on_data(frame),
            FrameKind::End => self.on_end(frame),
            FrameKind::Credit => self.on_credit(frame),
            FrameKind::Consumed => self.on_consumed(frame),
            FrameKind::Accept => self.on_accept(frame),
            FrameKind::Refuse => self.on_refuse(frame),
            FrameKind::Reset => {
                let (code, reason) = decode_farewell(frame.payload)?;
                self.remove(id);
                self.events
                    .push_back(StreamEvent::Reset { id, code, reason });
                Ok(())
            }
            FrameKind::Open => Err(refused(id)),
        }
    }

    fn on_open(&mut self, id: StreamId, payload: &[u8], now: Micros) -> Result<(), PeerError> {
        if self.is_own(id) || id.0 < self.next_theirs || id.0 > u32::MAX - 2 {
            return Err(refused(id));
        }
        if self.events.len() >= STREAM_EVENTS_MAX {
            return Err(PeerMisbehaved::RateExceeded(Rate::StreamFrames).into());
        }
        let (options, credit) = decode_open(payload)?;
        self.next_theirs = id.0 + 2;
        if self.theirs_open == STREAMS_OPEN_MAX {
            self.streams_refused += 1;
            let reason = "too many streams are open";
            self.put_farewell(FrameKind::Refuse, id, REFUSE_CODE_TOO_MANY, reason);
            return Ok(());
        }
        self.theirs_open += 1;
        let state = StreamState {
            phase: Phase::Unanswered,
            kind: options.kind,
            class: options.class,
            send: if options.one_way {
                SendHalf::closed(options.kind, options.weight)
            } else {
                SendHalf::open(options.kind, options.weight, credit)
            },
            receive: ReceiveHalf::open(STREAM_WINDOW_BYTES_MIN, now),
        };
        self.streams.insert(id, state);
        let offer = Box::new(Offer { id, options });
        self.events.push_back(StreamEvent::Opened(offer));
        Ok(())
    }

    fn on_data(&mut self, frame: Frame<'_>) -> Result<(), PeerError> {
        let (id, stream) = (frame.stream, frame.stream.0);
        let cost = check_data(&frame)?;
        if !self.window.on_received(cost) {
            return Err(PeerMisbehaved::CreditExceeded { stream: 0 }.into());
        }
        let state = self.theirs(id)?;
        if !state.receive.is_open() {
            return Err(PeerMisbehaved::DataAfterEnd { stream }.into());
        }
        if !state.receive.on_received(cost) {
            return Err(PeerMisbehaved::CreditExceeded { stream }.into());
        }
        let first = state.receive.push(Chunk {
            bytes: Bytes::copy_from_slice(frame.payload),
            ends_record: !frame.more,
        });
        let place = state.kind.place();
        if first && state.phase != Phase::Unanswered {
            self.events.push_back(StreamEvent::Readable(id));
        }
        let bytes = header_len(id, frame.payload.len()) + frame.payload.len();
        self.carried[place].count_in(bytes);
        Ok(())
    }

    fn on_end(&mut self, frame: Frame<'_>) -> Result<(), PeerError> {
        Reader::new(frame.payload).finish("end frame")?;
        let stream = frame.stream.0;
        let state = self.theirs(frame.stream)?;
        if !state.receive.is_open() {
            return Err(PeerMisbehaved::DataAfterEnd { stream }.into());
        }
        state.receive.on_end();
        if state.receive.lent() > 0 && state.receive.is_lent_out() {
            // Who borrows learns of the end before it has confirmed all.
            self.events.push_back(StreamEvent::Readable(frame.stream));
        }
        self.settle(frame.stream);
        Ok(())
    }

    fn on_credit(&mut self, frame: Frame<'_>) -> Result<(), PeerError> {
        let limit = decode_limit(frame.payload)?;
        if let Some(state) = self.streams.get_mut(&frame.stream) {
            state.send.on_credit(limit);
            self.schedule.activate(frame.stream, state);
        }
        Ok(())
    }

    fn on_consumed(&mut self, frame: Frame<'_>) -> Result<(), PeerError> {
        Reader::new(frame.payload).finish("consumed frame")?;
        let state = self.theirs(frame.stream)?;
        if !state.send.on_consumed() {
            return Err(DecodeError::Invalid("consumed frame").into());
        }
        self.events.push_back(StreamEvent::Consumed(frame.stream));
        self.settle(frame.stream);
        Ok(())
    }

    fn on_accept(&mut self, frame: Frame<'_>) -> Result<(), PeerError> {
        let limit = decode_limit(frame.payload)?;
        let id = frame.stream;
        match self.streams.get_mut(&id) {
            Some(state) if state.phase == Phase::Offered => {
                state.phase = Phase::Open;
                state.send.on_credit(limit);
                self.schedule.activate(id, state);
                self.events.push_back(StreamEvent::Accepted(id));
                Ok(())
            }
            _ => Err(DecodeError::Invalid("accept frame").into()),
        }
    }

    fn on_refuse(&mut self, frame: Frame<'_>) -> Result<(), PeerError> {
        let (code, reason) = decode_farewell(frame.payload)?;
        let id = frame.stream;
        match self.streams.get(&id) {
            Some(state) if state.phase == Phase::Offered => {
                self.remove(id);
                self.events
                    .push_back(StreamEvent::Refused { id, code, reason });
                Ok(())
            }
            _ => Err(DecodeError::Invalid("refuse frame").into()),
        }
    }

    /// A frame for a stream that is not in the table: late, or for one that never was.
    fn on_frame_of_the_gone(&mut self, frame: Frame<'_>) -> Result<(), PeerError> {
        let id = frame.stream;
        let next = if self.is_own(id) {
            self.next_own
        } else {
            self.next_theirs
        };
        if id < StreamId::FIRST_OPENED || id.0 >= next {
            return Err(PeerMisbehaved::UnknownStream { stream: id.0 }.into());
        }
        if frame.kind == FrameKind::Data {
            let cost = check_data(&frame)?;
            if !self.window.on_received(cost) {
                return Err(PeerMisbehaved::CreditExceeded { stream: 0 }.into());
            }
            self.on_connection_taken(cost);
        }
        Ok(())
    }

    /// The stream of a frame that the peer may send once it is open at its end: on an offer of ours,
    /// only after its answer.
    fn theirs(&mut self, id: StreamId) -> Result<&mut StreamState, PeerError> {
        match self.streams.get_mut(&id) {
            Some(state) if state.phase != Phase::Offered => Ok(state),
            _ => Err(PeerMisbehaved::UnknownStream { stream: id.0 }.into()),
        }
    }
}

fn refused(id: StreamId) -> PeerError {
    PeerMisbehaved::StreamIdRefused { stream: id.0 }.into()
}

/// What a data frame costs, if it is not too large.
fn check_data(frame: &Frame<'_>) -> Result<u64, DecodeError> {
    if frame.payload.len() > CHUNK_BYTES_MAX {
        return Err(DecodeError::OutOfRange("data frame"));
    }
    Ok(cost(frame.payload.len()))
}

fn decode_limit(payload: &[u8]) -> Result<u64, DecodeError> {
    let mut reader = Reader::new(payload);
    let limit = reader.varint("credit")?;
    reader.finish("credit")?;
    Ok(limit)
}

fn decode_farewell(payload: &[u8]) -> Result<(u32, Box<str>), DecodeError> {
    let mut reader = Reader::new(payload);
    let code = reader.varint_u32("stream code")?;
    let reason = reader.rest();
    if reason.len() > REASON_BYTES_MAX {
        return Err(DecodeError::OutOfRange("stream reason"));
    }
    let reason = core::str::from_utf8(reason).map_err(|_| DecodeError::Invalid("stream reason"))?;
    Ok((code, reason.into()))
}
