//! The mux: many streams in one connection.

use crate::{
    error::PeerError,
    frame::Frame,
    id::StreamId,
    stream::{Class, Offer},
    time::Micros,
};

/// Which end this is: it decides whose ids are even.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Opens even ids.
    Client,
    /// Opens odd ids.
    Server,
}

/// Something that happened to an opened stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// The peer opened a stream: accept or refuse it. Data may have come with it; it is kept.
    Opened(Box<Offer>),
    /// The peer took a stream of ours.
    Accepted(StreamId),
    /// The peer declined a stream of ours. It is gone.
    Refused {
        /// The stream.
        id: StreamId,
        /// The game's or [`RefuseCode`]'s number.
        code: u32,
        /// For a person.
        reason: Box<str>,
    },
    /// There is something to read. Comes once; read until there is no more.
    Readable(StreamId),
    /// The peer's data was read to its end.
    Ended(StreamId),
    /// A write that was put off may be tried again.
    Writable(StreamId),
    /// The peer's program has taken all we wrote, up to the end.
    Consumed(StreamId),
    /// The peer gave the stream up. It is gone.
    Reset {
        /// The stream.
        id: StreamId,
        /// The game's own number.
        code: u32,
        /// For a person.
        reason: Box<str>,
    },
}

/// The streams of one end of a connection.
#[derive(Debug)]
pub struct Mux {
    urgent: Vec<u8>,
}

impl Mux {
    pub(crate) fn new(_side: Side) -> Self {
        Self { urgent: Vec::new() }
    }
    pub(crate) fn handle_frame(&mut self, frame: Frame<'_>, _now: Micros) -> Result<(), PeerError> {
        let stream = frame.stream.0;
        Err(crate::error::PeerMisbehaved::UnknownStream { stream }.into())
    }
    pub(crate) fn set_rtt(&mut self, _rtt: Micros) {}
    pub(crate) fn urgent(&mut self) -> &mut Vec<u8> {
        &mut self.urgent
    }
    pub(crate) fn urgent_bytes(&self) -> usize {
        self.urgent.len()
    }
    pub(crate) fn poll_event(&mut self) -> Option<StreamEvent> {
        None
    }
    pub(crate) fn wants_transmit(&self, _up_to: Class) -> bool {
        false
    }
    pub(crate) fn transmit(
        &mut self,
        _up_to: Class,
        _budget: usize,
        _now: Micros,
        _out: &mut Vec<u8>,
    ) {
    }
}
