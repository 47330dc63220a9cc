//! A player's inputs: one small entry a tick, client to server.
//!
//! In: the game's own bytes and the tick they are for. Out: on the client, frames; on the server, the
//! same bytes in the order of their ticks, as the room comes to each. The wire carries only the low 16
//! bits of the tick: both ends agree on the rest, because nothing is ever as late as 2^15 ticks.
//!
//! Under an ordered and reliable socket an input can be late, never lost. So a late one still counts
//! as the newest word of its player, unless a newer one was taken already or it is more than
//! [`INPUT_TICKS_AHEAD_MAX`] late.

use smallvec::SmallVec;

use crate::{
    clock::ClockSync,
    coding::Reader,
    error::{ApiMisuse, DecodeError, PeerError},
    frame::{FrameKind, first_frame_bytes, put_header},
    id::StreamId,
    limits::{INPUT_BYTES_MAX, INPUT_TICKS_AHEAD_MAX, INPUTS_UNSENT_MAX},
    time::{Micros, Tick},
};

/// Bytes of the tick in front of each input.
const TICK_BYTES: usize = 2;

/// Bytes in front of an entry that waits: the tick and the length.
const ENTRY_HEADER_BYTES: usize = 4 + 2;

/// Bytes of entries that lie in the inbox itself: a few small inputs, the usual rhythm. A step then comes by
/// one line of memory less for each player.
const ENTRIES_INLINE_BYTES: usize = 40;

/// What is kept allocated when nothing waits; a player in the usual rhythm never needs more.
const KEPT_BYTES: usize = 1024;

/// How many inputs were dropped, and why. None of it ends a player: a burst of loss or a room that is slow
/// makes all three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputsDropped {
    /// For a tick that was taken or overtaken, or more than [`INPUT_TICKS_AHEAD_MAX`] before the room's next.
    pub late: u64,
    /// For a tick beyond [`INPUT_TICKS_AHEAD_MAX`].
    pub early: u64,
    /// Replaced by a newer one for the same tick, while it waited.
    pub duplicate: u64,
}

impl InputsDropped {
    pub(crate) const NONE: Self = Self {
        late: 0,
        early: 0,
        duplicate: 0,
    };
}

/// The server's end: inputs that wait for their tick.
///
/// Holds at most one entry for each tick from [`INPUT_TICKS_AHEAD_MAX`] before the room's next to as
/// many after it. In the steady state it allocates nothing.
#[derive(Debug, Default)]
pub struct InputInbox {
    /// Entries in the order of their ticks: tick, length, bytes. One allocation for all.
    entries: SmallVec<[u8; ENTRIES_INLINE_BYTES]>,
    taken: Option<Tick>,
    margin_ticks_min: Option<i8>,
    dropped: InputsDropped,
}

impl InputInbox {
    /// One with nothing in it.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: SmallVec::new_const(),
            taken: None,
            margin_ticks_min: None,
            dropped: InputsDropped::NONE,
        }
    }

    /// Takes the payload of an input frame.
    ///
    /// One for a tick that was taken or overtaken is dropped and counted. So is one beyond
    /// [`INPUT_TICKS_AHEAD_MAX`]: a room that fell behind has slowed its clock, and its players, who cannot
    /// know it yet, are ahead through no fault of theirs. When they know, they stamp the same ticks anew: of
    /// two for one tick the newer stays, and the older is dropped and counted.
    ///
    /// # Errors
    /// [`DecodeError`] when it is cut or too long.
    pub fn receive(&mut self, payload: &[u8], next_tick: Tick) -> Result<(), PeerError> {
        let mut reader = Reader::new(payload);
        let tick = widen(reader.u16("input tick")?, next_tick);
        let input = reader.rest();
        if input.len() > INPUT_BYTES_MAX {
            return Err(DecodeError::OutOfRange("input").into());
        }
        let ahead = tick.since(next_tick);
        let max = INPUT_TICKS_AHEAD_MAX;
        let margin = ahead.clamp(i32::from(i8::MIN), i32::from(i8::MAX)) as i8;
        self.margin_ticks_min = Some(self.margin_ticks_min.map_or(margin, |min| min.min(margin)));

        let overtaken = self.taken.is_some_and(|taken| !tick.is_after(taken));
        if ahead > max.cast_signed() {
            self.dropped.early += 1;
        } else if overtaken || ahead.unsigned_abs() > max {
            self.dropped.late += 1;
        } else {
            let (at, waiting) = self.place_for(tick);
            if waiting > 0 {
                self.entries.drain(at..at + waiting);
                self.dropped.duplicate += 1;
            }
            self.insert(at, tick, input);
        }
        Ok(())
    }

    /// Moves the oldest input for `up_to` or an earlier tick to `out`, replacing what is there, and
    /// says which tick it is for.
    ///
    /// A room calls it until `None` in each step: mostly there is exactly one. After `None`, `out` is
    /// as it was.
    pub fn poll(&mut self, up_to: Tick, out: &mut Vec<u8>) -> Option<Tick> {
        let (tick, end) = entry(&self.entries)?;
        if tick.is_after(up_to) {
            return None;
        }
        out.clear();
        out.extend_from_slice(&self.entries[ENTRY_HEADER_BYTES..end]);
        self.entries.drain(..end);
        if self.entries.is_empty() && self.entries.capacity() > KEPT_BYTES {
            self.entries = SmallVec::new();
        }
        self.taken = Some(tick);
        Some(tick)
    }

    /// By how many ticks the tightest input since the last call came before its step: 0 is just in
    /// time, negative is too late. The client sets its lead by it. `None` when none came.
    pub const fn take_margin_ticks(&mut self) -> Option<i8> {
        self.margin_ticks_min.take()
    }

    /// Inputs that were dropped so far.
    #[must_use]
    pub const fn dropped(&self) -> InputsDropped {
        self.dropped
    }

    /// Bytes of heap in use.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        if self.entries.spilled() {
            self.entries.capacity()
        } else {
            0
        }
    }

    /// Where an entry for `tick` belongs, and the length of the one that waits there: 0 for none.
    fn place_for(&self, tick: Tick) -> (usize, usize) {
        let mut at = 0;
        while let Some((waiting, len)) = entry(&self.entries[at..]) {
            match tick.since(waiting) {
                0 => return (at, len),
                after if after < 0 => break,
                _ => at += len,
            }
        }
        (at, 0)
    }

    fn insert(&mut self, at: usize, tick: Tick, input: &[u8]) {
        let old_len = self.entries.len();
        let header = entry_header(tick, input.len());
        self.entries.extend_from_slice(&header);
        self.entries.extend_from_slice(input);
        // Nearly always nothing: inputs come in order, and the new one is the last.
        self.entries[at..].rotate_left(old_len - at);
    }
}

fn entry_header(tick: Tick, len: usize) -> [u8; ENTRY_HEADER_BYTES] {
    let [t0, t1, t2, t3] = tick.0.to_le_bytes();
    let [l0, l1] = (len as u16).to_le_bytes();
    [t0, t1, t2, t3, l0, l1]
}

/// The first entry's tick and its length, header included.
fn entry(entries: &[u8]) -> Option<(Tick, usize)> {
    let [t0, t1, t2, t3, l0, l1] = *entries.first_chunk::<ENTRY_HEADER_BYTES>()?;
    let tick = Tick(u32::from_le_bytes([t0, t1, t2, t3]));
    let len = usize::from(u16::from_le_bytes([l0, l1]));
    Some((tick, ENTRY_HEADER_BYTES + len))
}

/// The tick nearest to `near` that ends in these 16 bits.
fn widen(low: u16, near: Tick) -> Tick {
    let distance = low.wrapping_sub(near.0 as u16).cast_signed();
    Tick(near.0.wrapping_add_signed(i32::from(distance)))
}

/// The client's end: inputs that wait for the socket.
#[derive(Debug, Default)]
pub struct InputOutbox {
    framed: Vec<u8>,
    waiting: usize,
}

impl InputOutbox {
    /// Queues the input for `tick`. When [`INPUTS_UNSENT_MAX`] wait, the oldest is dropped.
    ///
    /// # Errors
    /// [`ApiMisuse::TooLarge`] beyond [`INPUT_BYTES_MAX`].
    pub fn push(&mut self, tick: Tick, input: &[u8]) -> Result<(), ApiMisuse> {
        let (bytes, max) = (input.len(), INPUT_BYTES_MAX);
        if bytes > max {
            return Err(ApiMisuse::TooLarge { bytes, max });
        }
        if self.waiting == INPUTS_UNSENT_MAX {
            let oldest = first_frame_bytes(&self.framed);
            self.framed.drain(..oldest);
            self.waiting -= 1;
        }
        put_header(
            &mut self.framed,
            FrameKind::Data,
            false,
            StreamId::INPUT,
            TICK_BYTES + bytes,
        );
        self.framed
            .extend_from_slice(&(tick.0 as u16).to_le_bytes());
        self.framed.extend_from_slice(input);
        self.waiting += 1;
        Ok(())
    }

    /// Appends all that waits, the newest last. Each says how long it is: events and pieces of streams may follow
    /// in the same message.
    ///
    /// Returns whether there was any.
    pub fn flush(&mut self, out: &mut Vec<u8>) -> bool {
        if self.framed.is_empty() {
            return false;
        }
        out.append(&mut self.framed);
        self.waiting = 0;
        true
    }

    /// Whether anything waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.framed.is_empty()
    }
}

/// Reports of the server over which the lead is lowered: two seconds of snapshots at 20 Hz.
const CALM_REPORTS: u32 = 40;

/// The least margin at which nothing changes. A whole tick more than needed is given back.
const MARGIN_TICKS_KEPT: i8 = 1;

/// Ticks by which the newest stamp may lie ahead of the tick that is due. A room that is late slows its clock by
/// three at a time, a calm lead falls by few, and two are a client's own correction at 20 Hz: these are waited for,
/// because what was stamped may be applied already.
const AHEAD_TICKS_KEPT: i32 = 4;

/// How many ticks ahead of its best guess a client stamps its inputs.
///
/// The server says in each snapshot by how much the tightest input made it. One that came late raises
/// the lead at once; a margin that stayed ample for two seconds lowers it. So the lead follows the
/// link's jitter, whatever the clock believes.
#[derive(Clone, Copy, Debug, Default)]
pub struct InputLead {
    ticks: u8,
    calm_reports: u32,
    tightest: Option<i8>,
    /// Reports to ignore after a change: they speak of inputs stamped before it.
    deaf_reports: u32,
}

impl InputLead {
    /// Takes the server's report. `round_trip_ticks` is how long a change takes to show.
    pub fn on_margin_ticks(&mut self, margin: i8, round_trip_ticks: u32) {
        if self.deaf_reports > 0 {
            self.deaf_reports -= 1;
            return;
        }
        if margin < 0 {
            self.change(margin.unsigned_abs(), true, round_trip_ticks);
            return;
        }
        let tightest = self.tightest.map_or(margin, |before| before.min(margin));
        self.tightest = Some(tightest);
        self.calm_reports += 1;
        if self.calm_reports < CALM_REPORTS {
            return;
        }
        if tightest > MARGIN_TICKS_KEPT {
            self.change(tightest.unsigned_abs() - 1, false, round_trip_ticks);
        } else {
            self.calm_reports = 0;
            self.tightest = None;
        }
    }

    /// The lead in ticks. At most half of what the server keeps ahead.
    #[must_use]
    pub const fn ticks(&self) -> u8 {
        self.ticks
    }

    /// The tick an input made now is for: the one the server steps next when it arrives, and the lead. And how far
    /// it is there from the tick before, 0 to 1.
    #[must_use]
    pub fn due(&self, clock: &ClockSync, now: Micros) -> (Tick, f32) {
        let way = Micros(clock.rtt().unwrap_or_default().0 / 2);
        let moment = clock.server_tick(now + way);
        (moment.tick + 1 + u32::from(self.ticks), moment.fraction)
    }

    /// Whether inputs stamped up to `last` reach so far beyond the tick that is `due` that all from there on are to
    /// be stamped anew: the room stood still and has slowed its clock, while the client went on. Else nothing
    /// that is pressed would count until the room comes to `last`.
    #[must_use]
    pub const fn is_beyond(last: Tick, due: Tick) -> bool {
        last.since(due) > AHEAD_TICKS_KEPT
    }

    fn change(&mut self, by: u8, raise: bool, round_trip_ticks: u32) {
        const TICKS_MAX: u8 = INPUT_TICKS_AHEAD_MAX as u8 / 2;
        self.ticks = if raise {
            self.ticks.saturating_add(by).min(TICKS_MAX)
        } else {
            self.ticks.saturating_sub(by)
        };
        self.calm_reports = 0;
        self.tightest = None;
        self.deaf_reports = round_trip_ticks + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;

    fn payload(tick: Tick, input: &[u8]) -> Vec<u8> {
        [&(tick.0 as u16).to_le_bytes()[..], input].concat()
    }

    fn drain(inbox: &mut InputInbox, up_to: Tick) -> Vec<(u32, Vec<u8>)> {
        let mut out = Vec::new();
        core::iter::from_fn(|| inbox.poll(up_to, &mut out).map(|t| (t.0, out.clone()))).collect()
    }

    #[test]
    fn inputs_wait_for_their_tick_and_come_in_its_order() {
        let mut inbox = InputInbox::default();
        let next = Tick(u32::MAX);
        for (ahead, input) in [(2, "c"), (0, "a"), (1, "b")] {
            inbox
                .receive(&payload(next + ahead, input.as_bytes()), next)
                .unwrap();
        }
        assert_eq!(drain(&mut inbox, next), [(u32::MAX, b"a".to_vec())]);
        assert_eq!(
            drain(&mut inbox, next + 2),
            [(0, b"b".to_vec()), (1, b"c".to_vec())]
        );
        assert_eq!(inbox.take_margin_ticks(), Some(0));
        assert_eq!(inbox.take_margin_ticks(), None);
    }

    #[test]
    fn a_late_input_counts_until_a_newer_one_was_taken() {
        let mut inbox = InputInbox::default();
        inbox
            .receive(&payload(Tick(10), b"late"), Tick(12))
            .unwrap();
        assert_eq!(inbox.take_margin_ticks(), Some(-2));
        assert_eq!(drain(&mut inbox, Tick(12)), [(10, b"late".to_vec())]);
        for tick in [9, 10] {
            inbox.receive(&payload(Tick(tick), b"x"), Tick(12)).unwrap();
        }
        let mut dropped = InputsDropped {
            late: 2,
            ..InputsDropped::NONE
        };
        assert_eq!(inbox.dropped(), dropped);
        inbox
            .receive(&payload(Tick(14), b"first"), Tick(12))
            .unwrap();
        inbox
            .receive(&payload(Tick(14), b"again"), Tick(12))
            .unwrap();
        dropped.duplicate = 1;
        assert_eq!(inbox.dropped(), dropped);
        assert_eq!(drain(&mut inbox, Tick(14)), [(14, b"again".to_vec())]);
    }

    #[test]
    fn a_newer_input_for_a_tick_takes_the_place_of_the_one_that_waits() {
        let mut inbox = InputInbox::default();
        let next = Tick(5);
        let pressed = ["a", "b", "c", "longer", "", "same"];
        for (ahead, input) in [0, 1, 2, 1, 0, 2].into_iter().zip(pressed) {
            inbox
                .receive(&payload(next + ahead, input.as_bytes()), next)
                .unwrap();
        }
        let waiting = ["", "longer", "same"].map(|input| input.as_bytes().to_vec());
        let taken = (5..).zip(waiting).collect::<Vec<_>>();
        assert_eq!(drain(&mut inbox, next + 9), taken);
        assert_eq!(inbox.dropped().duplicate, 3);
    }

    #[test]
    fn a_room_that_does_not_ask_holds_a_bounded_number() {
        let mut inbox = InputInbox::default();
        let next = Tick(40_000);
        for tick in next.0 - 30_000..=next.0 + INPUT_TICKS_AHEAD_MAX {
            inbox
                .receive(&payload(Tick(tick), &[7; INPUT_BYTES_MAX]), next)
                .unwrap();
        }
        let waiting = 2 * INPUT_TICKS_AHEAD_MAX as usize + 1;
        let bytes = waiting * (ENTRY_HEADER_BYTES + INPUT_BYTES_MAX);
        assert_eq!(inbox.entries.len(), bytes);
        let dropped = InputsDropped {
            late: 30_000 - u64::from(INPUT_TICKS_AHEAD_MAX),
            ..InputsDropped::NONE
        };
        assert_eq!(inbox.dropped(), dropped);
        assert_eq!(drain(&mut inbox, next + 99).len(), waiting);
        assert_eq!(inbox.heap_bytes(), 0, "a storm leaves nothing behind");
    }

    #[test]
    fn an_input_too_far_ahead_is_dropped_because_the_room_may_have_fallen_behind() {
        let mut inbox = InputInbox::default();
        let next = Tick(5);
        for ahead in [INPUT_TICKS_AHEAD_MAX + 1, 200, 30_000] {
            inbox
                .receive(&payload(next + ahead, b"early"), next)
                .unwrap();
        }
        let dropped = InputsDropped {
            early: 3,
            ..InputsDropped::NONE
        };
        assert_eq!((inbox.dropped(), inbox.heap_bytes()), (dropped, 0));
        inbox
            .receive(&payload(next + INPUT_TICKS_AHEAD_MAX, b"last"), next)
            .unwrap();
        assert_eq!(drain(&mut inbox, next + 99).len(), 1);
    }

    #[test]
    fn an_input_that_is_too_large_or_cut_is_the_peers_fault() {
        let mut inbox = InputInbox::default();
        let large = payload(Tick(5), &[0; INPUT_BYTES_MAX + 1]);
        assert!(inbox.receive(&large, Tick(5)).is_err());
        assert!(inbox.receive(&[1], Tick(5)).is_err());
    }

    #[test]
    fn a_full_outbox_keeps_the_newest_and_saves_the_last_length() {
        let mut outbox = InputOutbox::default();
        for tick in 0..INPUTS_UNSENT_MAX as u32 + 2 {
            outbox.push(Tick(tick), &[tick as u8]).unwrap();
        }
        let mut out = Vec::new();
        assert!(outbox.flush(&mut out));
        assert!(!outbox.flush(&mut out));
        let mut reader = Reader::new(&out);
        let mut inbox = InputInbox::default();
        while !reader.is_empty() {
            let frame = Frame::decode(&mut reader).unwrap();
            inbox.receive(frame.payload, Tick(0)).unwrap();
        }
        let ticks: Vec<u32> = drain(&mut inbox, Tick(99)).iter().map(|i| i.0).collect();
        assert_eq!(ticks, (2..10).collect::<Vec<_>>());

        out.clear();
        outbox.push(Tick(0x1234), &[9]).unwrap();
        outbox.flush(&mut out);
        assert_eq!(out, [0x00, 0x01, 3, 0x34, 0x12, 9]);
    }

    #[test]
    fn stamps_are_beyond_when_the_room_has_slowed_its_clock_by_more_than_it_does_in_passing() {
        let due = Tick(u32::MAX);
        assert!(!InputLead::is_beyond(due - 100, due));
        assert!(!InputLead::is_beyond(due + 4, due));
        assert!(InputLead::is_beyond(due + 5, due));
    }

    #[test]
    fn the_lead_rises_at_once_and_falls_after_calm() {
        let mut lead = InputLead::default();
        lead.on_margin_ticks(-2, 3);
        assert_eq!(lead.ticks(), 2);
        for _ in 0..4 {
            lead.on_margin_ticks(-2, 3);
        }
        assert_eq!(lead.ticks(), 2, "reports of older inputs change nothing");
        for _ in 0..CALM_REPORTS {
            lead.on_margin_ticks(2, 3);
        }
        assert_eq!(lead.ticks(), 1);
        for _ in 0..200 {
            lead.on_margin_ticks(1, 3);
        }
        assert_eq!(lead.ticks(), 1, "one tick of margin is kept");
    }
}
