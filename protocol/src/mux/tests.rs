//! Two muxes against each other, over wires that a test delivers message by message.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    coding::Reader,
    error::{DecodeError, PeerError, PeerMisbehaved, Rate},
    frame::Frame,
    limits::{
        CHUNK_BYTES_MAX, CHUNK_COST_BYTES, CONNECTION_WINDOW_BYTES, LIVE_AGE_MICROS_MAX,
        STREAM_EVENTS_MAX, STREAM_UNSENT_BYTES_MAX, STREAM_WINDOW_BYTES_INITIAL,
    },
    stream::{Stream, StreamKind},
};

impl Mux {
    /// What must hold after every operation.
    fn check(&self) {
        let (mut unread, mut lent, mut unsent, mut scheduled, mut own) = (0, 0, 0, 0, 0);
        for (id, state) in &self.streams {
            let (stream_unread, stream_lent) = state.receive.check();
            unread += stream_unread;
            lent += stream_lent;
            unsent += state.send.check();
            scheduled += usize::from(state.send.scheduled);
            own += usize::from(self.is_own(*id));
            assert_eq!(state.send.scheduled, self.schedule.is_scheduled(*id));
            assert!(
                !(state.send.is_done() && state.receive.is_done()),
                "{id} is over and not freed"
            );
        }
        assert_eq!(unread, self.window.unread());
        assert!(unread <= CONNECTION_WINDOW_BYTES);
        assert_eq!(lent, self.window.lent());
        assert_eq!(unsent, self.schedule.unsent_bytes());
        assert_eq!(scheduled, self.schedule.scheduled());
        assert!(self.riding.iter().all(|id| self.contains(*id)));
        assert_eq!(
            (own, self.streams.len() - own),
            (self.own_open, self.theirs_open)
        );
    }

    fn message(&mut self, budget: usize, now: Micros) -> Vec<u8> {
        let mut out = core::mem::take(&mut self.urgent);
        self.on_urgent_sent();
        self.transmit(Class::Bulk, budget, now, &mut out);
        out
    }

    fn handle(&mut self, message: &[u8], now: Micros) -> Result<(), PeerError> {
        let mut reader = Reader::new(message);
        while !reader.is_empty() {
            self.handle_frame(Frame::decode(&mut reader)?, now)?;
        }
        Ok(())
    }
}

/// Both ends, and what is under way between them.
struct Pair {
    ends: [Mux; 2],
    wires: [VecDeque<Vec<u8>>; 2],
    now: Micros,
}

impl Pair {
    fn new() -> Self {
        Self {
            ends: [Mux::new(Side::Client), Mux::new(Side::Server)],
            wires: [VecDeque::new(), VecDeque::new()],
            now: Micros(0),
        }
    }

    fn transmit(&mut self, end: usize, budget: usize) -> usize {
        let message = self.ends[end].message(budget, self.now);
        let len = message.len();
        if len > 0 {
            self.wires[1 - end].push_back(message);
        }
        len
    }

    fn deliver(&mut self, end: usize) -> bool {
        let Some(message) = self.wires[end].pop_front() else {
            return false;
        };
        self.ends[end]
            .handle(&message, self.now)
            .expect("an honest peer");
        true
    }

    /// Sends and delivers until nothing moves.
    fn settle(&mut self) {
        loop {
            let sent = self.transmit(0, 50_000) + self.transmit(1, 50_000);
            let mut moved = sent > 0;
            while self.deliver(0) || self.deliver(1) {
                moved = true;
            }
            if !moved {
                return;
            }
        }
    }

    fn events(&mut self, end: usize) -> Vec<StreamEvent> {
        core::iter::from_fn(|| self.ends[end].poll_event()).collect()
    }

    /// An open stream of `kind` from the client to the server, events drained.
    fn open(&mut self, kind: StreamKind) -> StreamId {
        let id = self.ends[0]
            .open(StreamOptions::new(kind), self.now)
            .unwrap();
        self.settle();
        self.ends[1].accept(id, self.now).unwrap();
        self.settle();
        self.events(0);
        self.events(1);
        id
    }

    fn read_all(&mut self, end: usize, id: StreamId) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            self.settle();
            match self.ends[end].read(id, self.now) {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk.bytes),
                Ok(None) | Err(_) => return bytes,
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Open {
        end: usize,
        kind: usize,
        weight: u8,
        one_way: bool,
    },
    Answer {
        end: usize,
        accept: bool,
    },
    Write {
        end: usize,
        pick: usize,
        bytes: usize,
    },
    End {
        end: usize,
        pick: usize,
    },
    Reset {
        end: usize,
        pick: usize,
    },
    Read {
        end: usize,
        pick: usize,
        chunks: usize,
    },
    Transmit {
        end: usize,
        budget: usize,
    },
    Deliver {
        end: usize,
    },
    LetCreditRide {
        end: usize,
    },
    Wait {
        micros: u64,
    },
}

fn any_op() -> impl Strategy<Value = Op> {
    let end = || 0usize..2;
    let pick = || any::<u16>().prop_map(usize::from);
    let bytes = || prop_oneof![0usize..3, 0usize..2000, 0usize..40_000];
    prop_oneof![
        3 => (end(), 0usize..3, 1u8.., any::<bool>())
            .prop_map(|(end, kind, weight, one_way)| Op::Open { end, kind, weight, one_way }),
        3 => (end(), prop::bool::weighted(0.9)).prop_map(|(end, accept)| Op::Answer { end, accept }),
        8 => (end(), pick(), bytes()).prop_map(|(end, pick, bytes)| Op::Write { end, pick, bytes }),
        1 => (end(), pick()).prop_map(|(end, pick)| Op::End { end, pick }),
        1 => (end(), pick()).prop_map(|(end, pick)| Op::Reset { end, pick }),
        6 => (end(), pick(), 1usize..20).prop_map(|(end, pick, chunks)| Op::Read { end, pick, chunks }),
        8 => (end(), bytes()).prop_map(|(end, budget)| Op::Transmit { end, budget }),
        8 => end().prop_map(|end| Op::Deliver { end }),
        2 => end().prop_map(|end| Op::LetCreditRide { end }),
        2 => (0u64..200_000).prop_map(|micros| Op::Wait { micros }),
    ]
}

/// One direction of one stream as the test knows it.
#[derive(Default)]
struct Pipe {
    written: usize,
    record_ends: Vec<usize>,
    read: usize,
    ended: bool,
    end_seen: bool,
    consumed: bool,
}

/// The byte at `offset` of a stream's direction: never stored, always known.
fn byte_at(id: StreamId, from: usize, offset: usize) -> u8 {
    (offset.wrapping_mul(31) ^ (offset >> 8) ^ (id.0 as usize * 7 + from * 101)) as u8
}

/// A [`Pair`] with programs at both ends that remember what they did.
struct World {
    pair: Pair,
    pipes: BTreeMap<(StreamId, usize), Pipe>,
    /// Streams each end may use.
    known: [Vec<StreamId>; 2],
    offers: [VecDeque<StreamId>; 2],
}

impl World {
    fn new() -> Self {
        Self {
            pair: Pair::new(),
            pipes: BTreeMap::new(),
            known: [vec![], vec![]],
            offers: [VecDeque::new(), VecDeque::new()],
        }
    }

    fn picked(&self, end: usize, pick: usize) -> Option<StreamId> {
        let known = &self.known[end];
        (!known.is_empty()).then(|| known[pick % known.len()])
    }

    fn forget(&mut self, end: usize, id: StreamId) {
        self.known[end].retain(|known| *known != id);
        self.offers[end].retain(|offer| *offer != id);
    }

    fn apply(&mut self, op: Op) {
        let now = self.pair.now;
        match op {
            Op::Open {
                end,
                kind,
                weight,
                one_way,
            } => {
                let kinds = [StreamKind::Messages, StreamKind::Bytes, StreamKind::Asset];
                let mut options = StreamOptions::new(kinds[kind]);
                options.weight = weight.try_into().unwrap();
                options.one_way = one_way;
                let id = self.pair.ends[end].open(options, now).unwrap();
                self.known[end].push(id);
                self.pipes.insert((id, end), Pipe::default());
                self.pipes.insert(
                    (id, 1 - end),
                    Pipe {
                        ended: one_way,
                        end_seen: one_way,
                        ..Pipe::default()
                    },
                );
            }
            Op::Answer { end, accept } => {
                if let Some(id) = self.offers[end].pop_front() {
                    if accept {
                        self.pair.ends[end].accept(id, now).unwrap();
                        self.known[end].push(id);
                    } else {
                        self.pair.ends[end].refuse(id, 300, "no").unwrap();
                    }
                }
            }
            Op::Write { end, pick, bytes } => self.write(end, pick, bytes),
            Op::End { end, pick } => {
                if let Some(id) = self.picked(end, pick)
                    && self.pair.ends[end].end(id).is_ok()
                {
                    self.pipes.get_mut(&(id, end)).unwrap().ended = true;
                }
            }
            Op::Reset { end, pick } => {
                if let Some(id) = self.picked(end, pick)
                    && self.pair.ends[end].reset(id, 301, "enough").is_ok()
                {
                    self.forget(end, id);
                }
            }
            Op::Read { end, pick, chunks } => {
                if let Some(id) = self.picked(end, pick) {
                    for _ in 0..chunks {
                        self.read(end, id);
                    }
                }
            }
            Op::Transmit { end, budget } => {
                self.pair.transmit(end, budget);
            }
            Op::Deliver { end } => {
                self.pair.deliver(end);
            }
            Op::LetCreditRide { end } => self.pair.ends[end].let_credit_ride(),
            Op::Wait { micros } => self.pair.now = now + Micros(micros),
        }
        for end in [0, 1] {
            self.drain_events(end);
            self.pair.ends[end].check();
        }
    }

    fn write(&mut self, end: usize, pick: usize, bytes: usize) {
        let Some(id) = self.picked(end, pick) else {
            return;
        };
        let pipe = self.pipes.get_mut(&(id, end)).unwrap();
        let record: Vec<u8> = (0..bytes)
            .map(|i| byte_at(id, end, pipe.written + i))
            .collect();
        match self.pair.ends[end].write(id, record.into(), self.pair.now) {
            Ok(Write::Taken) => {
                assert!(!pipe.ended);
                pipe.written += bytes;
                pipe.record_ends.push(pipe.written);
            }
            Ok(Write::Full) => {
                assert!(self.pair.ends[end].unsent_bytes(id).unwrap() > 0);
            }
            Err(_) => assert!(pipe.ended || self.pair.ends[end].unsent_bytes(id).is_none()),
        }
    }

    fn read(&mut self, end: usize, id: StreamId) -> bool {
        let Ok(Some(chunk)) = self.pair.ends[end].read(id, self.pair.now) else {
            return false;
        };
        let pipe = self.pipes.get_mut(&(id, 1 - end)).unwrap();
        assert!(!pipe.end_seen, "data after the end");
        for (i, byte) in chunk.bytes.iter().enumerate() {
            assert_eq!(*byte, byte_at(id, 1 - end, pipe.read + i), "order of {id}");
        }
        pipe.read += chunk.bytes.len();
        assert!(pipe.read <= pipe.written);
        if chunk.ends_record {
            assert_eq!(
                pipe.record_ends.remove(0),
                pipe.read,
                "a record's end moved"
            );
        } else {
            assert!(pipe.read < pipe.record_ends[0]);
        }
        true
    }

    fn drain_events(&mut self, end: usize) {
        for event in self.pair.events(end) {
            match event {
                StreamEvent::Opened(offer) => self.offers[end].push_back(offer.id),
                StreamEvent::Refused { id, .. } | StreamEvent::Reset { id, .. } => {
                    self.forget(end, id);
                }
                StreamEvent::Ended(id) => {
                    let pipe = self.pipes.get_mut(&(id, 1 - end)).unwrap();
                    assert!(pipe.ended && !pipe.end_seen && pipe.read == pipe.written);
                    pipe.end_seen = true;
                }
                StreamEvent::Consumed(id) => {
                    let pipe = self.pipes.get_mut(&(id, end)).unwrap();
                    assert!(pipe.end_seen && !pipe.consumed, "confirmed and not read");
                    pipe.consumed = true;
                }
                StreamEvent::Accepted(_) | StreamEvent::Readable(_) | StreamEvent::Writable(_) => {}
            }
        }
    }

    /// Answers, sends, delivers and reads until nothing moves; streams that `paused` names are not read.
    fn run(&mut self, paused: impl Fn(StreamId) -> bool) {
        loop {
            let mut moved = false;
            for end in [0, 1] {
                while !self.offers[end].is_empty() {
                    self.apply(Op::Answer { end, accept: true });
                }
                moved |= self.pair.transmit(end, 30_000) > 0;
                while self.pair.deliver(end) {
                    moved = true;
                }
                self.drain_events(end);
                for id in self.known[end].clone() {
                    while !paused(id) && self.read(end, id) {
                        moved = true;
                    }
                }
                self.drain_events(end);
                self.pair.ends[end].check();
            }
            if !moved && self.offers.iter().all(VecDeque::is_empty) {
                return;
            }
        }
    }

    /// Pipes of streams that both ends still have.
    fn alive(&self) -> impl Iterator<Item = (&(StreamId, usize), &Pipe)> {
        let both = |id: &StreamId| self.known.iter().all(|known| known.contains(id));
        self.pipes.iter().filter(move |((id, _), _)| both(id))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_interleaving_keeps_order_credit_and_bounds_and_deadlocks_nowhere(
        ops in prop::collection::vec(any_op(), 1..400),
    ) {
        let mut world = World::new();
        for op in ops {
            world.apply(op);
        }
        // A third of the streams is left unread: all others must come to their end.
        let paused = |id: StreamId| id.0.is_multiple_of(3);
        world.run(paused);
        for ((id, _), pipe) in world.alive().filter(|((id, _), _)| !paused(*id)) {
            prop_assert_eq!(pipe.read, pipe.written, "{} is stuck", id);
        }
        world.run(|_| false);
        for (_, pipe) in world.alive() {
            prop_assert_eq!(pipe.read, pipe.written);
        }
        for end in [0, 1] {
            for id in world.known[end].clone() {
                if world.pair.ends[end].end(id).is_ok() {
                    world.pipes.get_mut(&(id, end)).unwrap().ended = true;
                }
            }
        }
        world.run(|_| false);
        for (_, pipe) in world.alive() {
            prop_assert!(pipe.end_seen && (pipe.consumed || pipe.written == 0));
        }
        for end in &world.pair.ends {
            end.check();
            prop_assert!(end.is_empty(), "streams are left: {:?}", end.streams.keys());
            prop_assert_eq!(end.window.lent(), 0);
        }
    }

    #[test]
    fn any_frames_are_taken_or_refused_and_leave_the_mux_sound(
        frames in prop::collection::vec((0usize..8, any::<bool>(), 0u32..24, prop::collection::vec(any::<u8>(), 0..40)), 0..60),
    ) {
        let mut mux = Mux::new(Side::Server);
        mux.open(StreamOptions::new(StreamKind::Bytes), Micros(0)).unwrap();
        for (kind, more, id, payload) in frames {
            let kind = FrameKind::ALL[kind];
            let frame = Frame { kind, more, stream: StreamId(id), payload: &payload };
            if mux.handle_frame(frame, Micros(0)).is_err() {
                break;
            }
            mux.check();
            while let Some(event) = mux.poll_event() {
                if let StreamEvent::Opened(offer) = event {
                    mux.accept(offer.id, Micros(0)).unwrap();
                }
            }
        }
    }
}

#[test]
fn the_checks_notice_a_credit_frame_that_is_lost() {
    let mut pair = Pair::new();
    let id = pair.open(StreamKind::Bytes);
    let (mut written, mut read) = (0, 0);
    for _ in 0..20 {
        if pair.ends[0].write(id, vec![0; CHUNK_BYTES_MAX].into(), pair.now) == Ok(Write::Taken) {
            written += CHUNK_BYTES_MAX;
        }
        pair.transmit(0, 50_000);
        while pair.deliver(1) {}
        while let Ok(Some(chunk)) = pair.ends[1].read(id, pair.now) {
            read += chunk.bytes.len();
        }
        pair.ends[1].urgent.clear();
    }
    assert!(read < written, "the writer went on without credit");
    assert!(read <= STREAM_WINDOW_BYTES_INITIAL as usize);
}

#[test]
fn data_that_comes_before_the_answer_is_kept() {
    let mut pair = Pair::new();
    let id = pair.ends[0]
        .open(StreamOptions::new(StreamKind::Messages), pair.now)
        .unwrap();
    assert_eq!(
        pair.ends[0].write(id, "early".into(), pair.now),
        Ok(Write::Taken)
    );
    pair.ends[0].end(id).unwrap();
    pair.settle();
    let StreamEvent::Opened(offer) = &pair.events(1)[0] else {
        panic!("no offer");
    };
    assert_eq!(offer.id, id);
    assert!(
        pair.ends[1].read(id, pair.now).is_err(),
        "not before it is accepted"
    );
    pair.ends[1].accept(id, pair.now).unwrap();
    assert_eq!(pair.read_all(1, id), b"early");
    assert_eq!(
        pair.events(1),
        [StreamEvent::Readable(id), StreamEvent::Ended(id)]
    );
    pair.settle();
    assert_eq!(
        pair.events(0),
        [StreamEvent::Accepted(id), StreamEvent::Consumed(id)]
    );
}

#[test]
fn a_refusal_says_why_and_drops_what_came() {
    let mut pair = Pair::new();
    let id = pair.ends[0]
        .open(StreamOptions::new(StreamKind::Bytes), pair.now)
        .unwrap();
    assert_eq!(
        pair.ends[0].write(id, vec![1; 5000].into(), pair.now),
        Ok(Write::Taken)
    );
    pair.settle();
    pair.ends[1].refuse(id, 404, "no such file").unwrap();
    pair.settle();
    let reason = "no such file".into();
    assert_eq!(
        pair.events(0),
        [StreamEvent::Refused {
            id,
            code: 404,
            reason
        }]
    );
    for end in &pair.ends {
        end.check();
        assert!(end.is_empty());
    }
}

#[test]
fn a_stream_that_is_not_read_stops_its_writer_and_nobody_else() {
    let mut pair = Pair::new();
    let paused = pair.open(StreamKind::Bytes);
    let mut taken = 0;
    loop {
        match pair.ends[0].write(paused, vec![0; CHUNK_BYTES_MAX].into(), pair.now) {
            Ok(Write::Taken) => taken += CHUNK_BYTES_MAX,
            other => break assert_eq!(other, Ok(Write::Full)),
        }
        pair.settle();
    }
    let most = STREAM_WINDOW_BYTES_INITIAL as usize + STREAM_UNSENT_BYTES_MAX + CHUNK_BYTES_MAX;
    assert!(taken <= most, "{taken} bytes are under way");
    let other = pair.open(StreamKind::Bytes);
    assert_eq!(
        pair.ends[0].write(other, "hello".into(), pair.now),
        Ok(Write::Taken)
    );
    assert_eq!(pair.read_all(1, other), b"hello");

    assert_eq!(pair.read_all(1, paused).len(), taken);
    assert!(pair.events(0).contains(&StreamEvent::Writable(paused)));
}

#[test]
fn a_connection_full_of_unread_streams_still_carries_another() {
    let mut pair = Pair::new();
    let mut unread = 0;
    for _ in 0..STREAMS_OPEN_MAX - 1 {
        let id = pair.open(StreamKind::Bytes);
        while pair.ends[0].write(id, vec![0; 4096].into(), pair.now) == Ok(Write::Taken) {
            pair.settle();
        }
        unread += 1;
    }
    assert_eq!(pair.ends[1].len(), unread);
    pair.ends[1].check();
    assert!(
        pair.ends[1].window.unread() > CONNECTION_WINDOW_BYTES / 2,
        "they hold most of it"
    );
    let id = pair.open(StreamKind::Bytes);
    let mut read = 0;
    while read < 1_000_000 {
        let _ = pair.ends[0]
            .write(id, vec![1; 4096].into(), pair.now)
            .unwrap();
        let more = pair.read_all(1, id).len();
        assert!(more > 0, "stuck after {read} bytes");
        read += more;
    }
}

#[test]
fn credit_goes_along_with_a_quarter_of_the_window_and_alone_with_half() {
    let mut pair = Pair::new();
    let id = pair.open(StreamKind::Bytes);
    let chunk_cost = receive::cost(CHUNK_BYTES_MAX);
    let chunks_per_quarter = STREAM_WINDOW_BYTES_INITIAL.div_ceil(4 * chunk_cost);
    let take_a_quarter = |pair: &mut Pair| {
        // A program that takes its time: the window stays as it is.
        pair.now = pair.now + Micros::from_millis(1000);
        for _ in 0..chunks_per_quarter {
            let record = vec![0; CHUNK_BYTES_MAX].into();
            assert_eq!(pair.ends[0].write(id, record, pair.now), Ok(Write::Taken));
            pair.settle();
            pair.ends[1].read(id, pair.now).unwrap().unwrap();
        }
    };
    pair.ends[1].let_credit_ride();
    assert_eq!(pair.ends[1].urgent_bytes(), 0, "nothing was taken yet");
    take_a_quarter(&mut pair);
    assert_eq!(pair.ends[1].urgent_bytes(), 0, "not worth a message");
    pair.ends[1].let_credit_ride();
    let taken = chunks_per_quarter * chunk_cost;
    let limit = STREAM_WINDOW_BYTES_INITIAL + taken;
    let mut credit = vec![];
    put_varint(&mut credit, limit);
    let mut frame = vec![];
    put_frame(&mut frame, FrameKind::Credit, id, &credit);
    assert_eq!(*pair.ends[1].urgent(), frame);
    take_a_quarter(&mut pair);
    assert_eq!(pair.ends[1].urgent_bytes(), 0, "sent, and no more since");
    take_a_quarter(&mut pair);
    assert!(pair.ends[1].urgent_bytes() > 0, "half of it is taken");
    pair.ends[1].urgent.clear();
    pair.ends[1].let_credit_ride();
    assert_eq!(pair.ends[1].urgent_bytes(), 0, "and told");
}

#[test]
fn a_window_grows_while_the_link_and_not_the_program_is_slow() {
    for rides in [false, true] {
        let mut pair = Pair::new();
        let id = pair.open(StreamKind::Bytes);
        let lent = pair.ends[1].window.lent();
        for _ in 0..400 {
            let _ = pair.ends[0]
                .write(id, vec![0; CHUNK_BYTES_MAX].into(), pair.now)
                .unwrap();
            pair.settle();
            pair.now = pair.now + Micros::from_millis(2);
            while let Ok(Some(_)) = pair.ends[1].read(id, pair.now) {}
            if rides {
                pair.ends[1].let_credit_ride();
            }
        }
        assert!(pair.ends[1].window.lent() > 4 * lent, "{rides}");
    }

    let mut slow = Pair::new();
    let id = slow.open(StreamKind::Bytes);
    let lent = slow.ends[1].window.lent();
    for _ in 0..400 {
        let _ = slow.ends[0]
            .write(id, vec![0; CHUNK_BYTES_MAX].into(), slow.now)
            .unwrap();
        slow.settle();
        slow.now = slow.now + Micros::from_millis(200);
        let _ = slow.ends[1].read(id, slow.now);
    }
    assert_eq!(slow.ends[1].window.lent(), lent);
}

/// Bytes that each stream gets out of a budget that is far too small for both.
fn shares(classes: [Class; 2], weights: [u8; 2]) -> [u64; 2] {
    let mut pair = Pair::new();
    let ids = [0, 1].map(|i| {
        let mut options = StreamOptions::new(StreamKind::Bytes);
        options.class = classes[i];
        options.weight = weights[i].try_into().unwrap();
        pair.ends[0].open(options, pair.now).unwrap()
    });
    pair.settle();
    for id in ids {
        pair.ends[1].accept(id, pair.now).unwrap();
        let _ = pair.ends[0]
            .write(id, vec![0; 60_000].into(), pair.now)
            .unwrap();
    }
    for wire in [1, 0] {
        let answers = pair.ends[wire].message(0, pair.now);
        pair.ends[1 - wire].handle(&answers, pair.now).unwrap();
    }
    for _ in 0..50 {
        pair.transmit(0, 1000);
    }
    ids.map(|id| {
        let unsent = pair.ends[0].unsent_bytes(id).unwrap() as u64;
        60_000 + CHUNK_COST_BYTES - unsent
    })
}

#[test]
fn a_lower_class_goes_first_and_inside_one_weight_decides() {
    let [events, bulk] = shares([Class::Event, Class::Bulk], [1, 255]);
    assert!(events > 40_000 && bulk == 0, "{events} {bulk}");
    let [light, heavy] = shares([Class::Bulk; 2], [1, 3]);
    let ratio = heavy as f64 / light as f64;
    assert!((2.5..3.6).contains(&ratio), "{light} {heavy}");
}

#[test]
fn a_live_record_that_waited_too_long_is_dropped_whole() {
    let mut pair = Pair::new();
    let id = pair.open(StreamKind::Live);
    let _ = pair.ends[0]
        .write(id, vec![1; 3000].into(), pair.now)
        .unwrap();
    let _ = pair.ends[0]
        .write(id, vec![2; 100].into(), pair.now)
        .unwrap();
    // The first is begun; the second waits too long.
    pair.transmit(0, 1000);
    pair.now = pair.now + LIVE_AGE_MICROS_MAX + Micros(1);
    let _ = pair.ends[0]
        .write(id, vec![3; 100].into(), pair.now)
        .unwrap();
    let bytes = pair.read_all(1, id);
    assert_eq!(bytes.iter().filter(|b| **b == 1).count(), 3000);
    assert_eq!(bytes[3000..], [3; 100]);
    pair.ends[0].check();
}

#[test]
fn a_typed_stream_carries_values_larger_than_a_window() {
    let mut pair = Pair::new();
    let id = pair.open(StreamKind::Messages);
    let stream = Stream::<Vec<u32>>::new(id);
    let large: Vec<u32> = (0..50_000).collect();
    assert_eq!(
        stream.write(&mut pair.ends[0], &large, pair.now),
        Ok(Write::Taken)
    );
    assert_eq!(
        stream.write(&mut pair.ends[0], &vec![7], pair.now),
        Ok(Write::Full)
    );
    pair.ends[0].end(id).unwrap();
    pair.ends[1].end(id).unwrap();
    let value = loop {
        pair.settle();
        if let Some(value) = stream.read(&mut pair.ends[1], pair.now).unwrap() {
            break value;
        }
    };
    assert_eq!(value, large);
    pair.settle();
    assert!(
        pair.ends.iter().all(Mux::is_empty),
        "ended both ways, and freed"
    );
}

#[test]
fn a_record_that_never_ends_is_the_peers_fault() {
    let mut mux = Mux::new(Side::Server);
    let mut open = Vec::new();
    encode_open(&mut open, &StreamOptions::new(StreamKind::Messages), 0);
    let frame = |kind, more, payload| Frame {
        kind,
        more,
        stream: StreamId(8),
        payload,
    };
    mux.handle_frame(frame(FrameKind::Open, false, &open), Micros(0))
        .unwrap();
    mux.accept(StreamId(8), Micros(0)).unwrap();
    let chunk = [0; CHUNK_BYTES_MAX];
    let failed = (0..100).find_map(|_| {
        mux.handle_frame(frame(FrameKind::Data, true, &chunk), Micros(0))
            .unwrap();
        mux.read_record(StreamId(8), Micros(0)).err()
    });
    assert_eq!(failed, Some(DecodeError::OutOfRange("record").into()));
}

fn misbehaves(mux: &mut Mux, kind: FrameKind, id: u32, payload: &[u8]) -> PeerMisbehaved {
    let frame = Frame {
        kind,
        more: false,
        stream: StreamId(id),
        payload,
    };
    match mux.handle_frame(frame, Micros(0)) {
        Err(PeerError::Misbehaved(misbehaved)) => misbehaved,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_wrong_frame_has_its_own_error() {
    let mut pair = Pair::new();
    let id = pair.open(StreamKind::Bytes);
    let mux = &mut pair.ends[1];
    let stream = id.0;
    let unknown = |stream| PeerMisbehaved::UnknownStream { stream };
    assert_eq!(misbehaves(mux, FrameKind::Data, 10, b""), unknown(10));
    assert_eq!(misbehaves(mux, FrameKind::Data, 9, b""), unknown(9));
    assert_eq!(misbehaves(mux, FrameKind::End, 4, b""), unknown(4));
    let mut open = Vec::new();
    encode_open(&mut open, &StreamOptions::new(StreamKind::Bytes), 0);
    for id in [8, 11, 4] {
        let refused = PeerMisbehaved::StreamIdRefused { stream: id };
        assert_eq!(misbehaves(mux, FrameKind::Open, id, &open), refused);
    }
    let chunk = [0; CHUNK_BYTES_MAX];
    for _ in 0..STREAM_WINDOW_BYTES_INITIAL as usize / CHUNK_BYTES_MAX - 1 {
        let frame = Frame {
            kind: FrameKind::Data,
            more: false,
            stream: id,
            payload: &chunk,
        };
        mux.handle_frame(frame, Micros(0)).unwrap();
    }
    let exceeded = PeerMisbehaved::CreditExceeded { stream };
    assert_eq!(misbehaves(mux, FrameKind::Data, stream, &chunk), exceeded);

    pair.ends[0].end(id).unwrap();
    pair.settle();
    let after_end = PeerMisbehaved::DataAfterEnd { stream };
    assert_eq!(
        misbehaves(&mut pair.ends[1], FrameKind::Data, stream, b"x"),
        after_end
    );
    assert_eq!(
        misbehaves(&mut pair.ends[1], FrameKind::End, stream, b""),
        after_end
    );
    // The reader of a one-way stream has nothing to say on it.
    let mut options = StreamOptions::new(StreamKind::Live);
    options.one_way = true;
    let id = pair.ends[1].open(options, pair.now).unwrap();
    pair.settle();
    pair.ends[0].accept(id, pair.now).unwrap();
    assert!(pair.ends[0].write(id, "x".into(), pair.now).is_err());
    pair.settle();
    let after_end = PeerMisbehaved::DataAfterEnd { stream: id.0 };
    assert_eq!(
        misbehaves(&mut pair.ends[1], FrameKind::Data, id.0, b"x"),
        after_end
    );
}

#[test]
fn too_many_streams_are_refused_and_the_connection_stays() {
    let mut pair = Pair::new();
    for _ in 0..STREAMS_OPEN_MAX {
        pair.ends[0]
            .open(StreamOptions::new(StreamKind::Bytes), pair.now)
            .unwrap();
    }
    let one_more = pair.ends[0].open(StreamOptions::new(StreamKind::Bytes), pair.now);
    assert_eq!(one_more, Err(ApiMisuse::StreamsExhausted(STREAMS_OPEN_MAX)));
    pair.settle();
    // A peer that does not hold itself to it:
    let mut open = Vec::new();
    encode_open(&mut open, &StreamOptions::new(StreamKind::Bytes), 0);
    let id = StreamId(8 + 2 * STREAMS_OPEN_MAX as u32);
    let frame = Frame {
        kind: FrameKind::Open,
        more: false,
        stream: id,
        payload: &open,
    };
    pair.ends[1].handle_frame(frame, pair.now).unwrap();
    let answer = pair.ends[1].message(1000, pair.now);
    let refusal = Frame::decode(&mut Reader::new(&answer)).unwrap();
    assert_eq!((refusal.kind, refusal.stream), (FrameKind::Refuse, id));
    assert_eq!(pair.ends[1].streams_refused(), 1);
    pair.ends[1].check();
}

#[test]
fn a_storm_of_opens_and_resets_ends_in_an_error() {
    let mut mux = Mux::new(Side::Server);
    let mut open = Vec::new();
    encode_open(&mut open, &StreamOptions::new(StreamKind::Bytes), 0);
    let mut frames = 0;
    let error = loop {
        let stream = StreamId(8 + 2 * frames);
        frames += 1;
        let frame = |kind, payload| Frame {
            kind,
            more: false,
            stream,
            payload,
        };
        if let Err(error) = mux
            .handle_frame(frame(FrameKind::Open, &open), Micros(0))
            .and_then(|()| mux.handle_frame(frame(FrameKind::Reset, &[0]), Micros(0)))
        {
            break error;
        }
    };
    assert_eq!(
        error,
        PeerMisbehaved::RateExceeded(Rate::StreamFrames).into()
    );
    assert!(mux.events.len() <= STREAM_EVENTS_MAX);
}
