//! How much bulk a connection may have under way, so that neither the kernel's queue nor the router's
//! stands in front of what is urgent.
//!
//! In: what is known of a connection, every few milliseconds while bulk waits. Out: bytes that may be
//! written now. The link holds `rate × shortest round trip` by itself; more than that waits in a
//! queue. So bytes in flight and unsent together are held a few milliseconds above it (the idea of BBR,
//! Cardwell et al., 2016), less what the round trip says stands in a queue beyond them (as in Vegas,
//! Brakmo et al., 1994). What stands in a queue is the least that was seen in a whole round trip (as in
//! CoDel, Nichols and Jacobson, 2012): a burst that passes must not be answered a round trip later.
//! What others put in the queue is told from ours in `queued.rs`, and a kernel's own BBR stopping to look at
//! the round trip in `probed.rs`.
//!
//! ```text
//!            ┌── a train shows the rate, the round trip grows, or the rate ceases to ──▶┐
//!   start: each byte delivered lets two go                   settled: rate × round trip + a few ms
//! ```
//!
//! A link that shows no queue for three full round trips has become faster: the rate is raised by an eighth, or by
//! what would queue for some milliseconds if it had not.
//!
//! Who writes asks four doors in a circle, here on a link that delivers at once:
//!
//! ```
//! use tickwire_protocol::{pace::{Pace, Sample}, time::Micros};
//!
//! let mut pace = Pace::default();
//! let mut written = 0;
//! for turn in 0..10 {
//!     let sample = Sample {
//!         delivered: written,
//!         in_flight: 0,
//!         unsent: 0,
//!         rtt: Micros::from_millis(2),
//!         rtt_min: Micros::from_millis(2),
//!         window_packets: u64::MAX,
//!         window_bytes: u64::MAX,
//!         pacing_bytes_per_second: u64::MAX,
//!     };
//!     pace.handle_sample(sample, Micros::from_millis(2 * turn));
//!     while pace.room_bytes() > 0 {
//!         let chunk = pace.room_bytes().min(pace.chunk_bytes());
//!         // Here a socket is given `chunk` bytes.
//!         pace.on_written(chunk);
//!         written += chunk as u64;
//!     }
//! }
//! ```
//!
//! The choice to question: the kernel's congestion control goes on beneath. It answers to loss; this
//! only keeps it from being needed.

mod kernel;
#[cfg(test)]
mod link;
mod marked;
mod marks;
mod probed;
mod queued;
mod rate;
mod start;
#[cfg(test)]
mod tests;
mod turns;

pub use self::kernel::KernelPace;
pub(crate) use self::{
    marked::{MESSAGE_BYTES_LEAST, MarkedPace},
    marks::UnknownMark,
};
use self::{
    probed::Probed,
    queued::Queued,
    rate::{Lower, Rate},
    start::Start,
    turns::Turns,
};
use crate::{
    limits::{BULK_CHUNK_BYTES_MIN, BULK_MESSAGE_BYTES_MAX},
    time::Micros,
};

/// What is known of a connection at one moment: of a kernel that says so, or estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Bytes that the other end has got since the connection began.
    pub delivered: u64,
    /// Bytes sent and neither got nor lost.
    pub in_flight: u64,
    /// Bytes written that have not been sent yet.
    pub unsent: u64,
    /// The round trip, smoothed over the last acknowledgements.
    pub rtt: Micros,
    /// The shortest round trip there was.
    pub rtt_min: Micros,
    /// Packets that the kernel lets be in flight; [`u64::MAX`] where that is not known.
    pub window_packets: u64,
    /// Bytes that it lets be in flight, if packets that are still to come are full ones, while it is in its own
    /// start, when it opens the window without being pressed to; else [`u64::MAX`].
    pub window_bytes: u64,
    /// How fast the kernel lets packets go by itself; [`u64::MAX`] when as fast as it can, and where unknown.
    pub pacing_bytes_per_second: u64,
}

impl Sample {
    /// Whether a kernel says so: marks know of no window.
    const fn is_of_kernel(&self) -> bool {
        self.window_packets < u64::MAX
    }
}

/// A full packet's payload on the usual path.
const SEGMENT_BYTES: u64 = 1448;

/// The header that the WebSocket puts in front of a message of some packets, and the mask of a client's.
const HEADER_BYTES: usize = 4;
const MASK_BYTES: usize = 4;

/// What may be under way before anything is known: the kernel's own initial window.
const INITIAL_BYTES: u64 = 10 * SEGMENT_BYTES;

/// The shortest span that a rate is measured over, and the shortest round: shorter ones see bursts.
const SPAN_MIN: Micros = Micros::from_millis(20);

/// After so long without a sample what was delivered in between says nothing about the link.
const SAMPLE_AGE_KEPT: Micros = Micros::from_millis(200);

/// What is under way beyond the link's own on links whose round trip is shorter than a turn of the pump.
const AHEAD_NEAR: Micros = Micros::from_millis(8);
const NEAR: Micros = Micros::from_millis(3);

/// A round trip this far above what is meant is the link's and the kernels' own jitter.
const JITTER: Micros = Micros::from_millis(2);

/// Packets whose own time on the link is no queue: one, and the second that its acknowledgement waits for.
const PACKETS_PER_ACK: u64 = 2;

/// Time of the link that may wait in the kernel in front of what is urgent.
const UNSENT: Micros = Micros::from_millis(6);

/// Messages of what is under way in the start, so that its answers show how it arrives.
const MESSAGES_PER_START: u64 = 8;

/// Time for which a kernel that paces may have packets in the start: a turn, and a little.
const PACED: Micros = Micros(2500);

/// What is left of a kernel's window for what is urgent, which else waits for an acknowledgement.
const WINDOW_LEFT_BYTES: u64 = SEGMENT_BYTES;

/// The queue that a rate raised in vain makes at most.
const RAISE_QUEUE: Micros = Micros::from_millis(4);

/// Rounds that show the same before it is believed.
const ROUNDS_BELIEVED: u32 = 3;

/// How long a way is believed to have become longer, before it is looked at again.
const LONGER_BELIEVED: Micros = Micros::from_millis(10_000);

/// One connection's pace.
#[derive(Debug, Default)]
pub struct Pace {
    last: Option<(Micros, Sample)>,
    rate: Rate,
    turns: Turns,
    round: Round,
    phase: Phase,
    /// The shortest round trip as it is with the queue of others, and since when that is believed.
    longer: Option<(Micros, Micros)>,
    probed: Probed,
    /// What the kernel sent in the last turn.
    turn_bytes: u64,
    sent: u64,
    /// What is under way is filled up, hardly faster than the link.
    refills: bool,
    /// What may be written before the next sample.
    budget_bytes: u64,
}

/// Whether the link has been filled.
#[derive(Debug)]
enum Phase {
    Start(Start),
    Settled {
        /// Rounds since, until they are enough to measure over.
        rounds: u32,
        /// Rounds in a row that were full and saw no queue: the link must have become faster.
        empty_rounds: u32,
        /// A queue that stands longer than one of ours could.
        queued: Option<Queued>,
    },
}

/// The link has just been filled.
const JUST_SETTLED: Phase = Phase::Settled {
    rounds: 0,
    empty_rounds: 0,
    queued: None,
};

impl Default for Phase {
    fn default() -> Self {
        Self::Start(Start::default())
    }
}

/// One round trip's time.
#[derive(Debug, Default)]
struct Round {
    began: Micros,
    /// The least smoothed round trip in it, and in the round before.
    least: Option<Micros>,
    least_before: Option<Micros>,
    /// All that was allowed was used in each turn of it, and of the one before: what arrives in this one was let
    /// go in that.
    is_full: bool,
    was_full: bool,
}

impl Pace {
    /// Takes what is known now. Call it every few milliseconds while bulk waits.
    pub fn handle_sample(&mut self, sample: Sample, now: Micros) {
        let last = self
            .last
            .filter(|(at, _)| now.since(*at) <= SAMPLE_AGE_KEPT);
        let (at, before) = last.unwrap_or((now, sample));
        let is_full = self.is_full(before);
        let turn = if last.is_some() {
            self.turns.note(now.since(at), sample.rtt_min)
        } else {
            self.rate.interrupt();
            self.round = Round::begin(now);
            Micros(0)
        };
        self.turn_bytes = sent(sample).saturating_sub(self.sent);
        self.sent = sent(sample);
        self.last = Some((now, sample));
        let drain = sample.rtt + self.ahead(sample);
        if self.probed.note(sample.window_packets, drain, now) {
            self.begin_refill();
        } else {
            // While the rate grows, each sample makes room for more than the link carries.
            self.refills &= !is_full || self.rate_grows();
        }
        if self.probed.holds() {
            // What arrives while little is let go says nothing about the link.
            self.rate.interrupt();
        }
        let is_full = is_full && !self.probed.holds();
        self.round.note(sample.rtt, is_full);
        self.longer = self
            .longer
            .filter(|(_, since)| now.since(*since) <= LONGER_BELIEVED)
            .map(|(rtt, since)| (rtt.min(sample.rtt), since));
        self.measure(sample, now, is_full);
        self.go_on_starting(before, sample, now);
        self.budget_bytes = self.next_budget(sample, turn);
        if now.since(self.round.began) >= sample.rtt_min.max(SPAN_MIN) {
            self.end_round(sample, now);
            self.round = self.round.next(now);
        }
    }

    /// Whether the program had written all that it was allowed.
    fn is_full(&self, sample: Sample) -> bool {
        self.target_bytes(sample) < under_way(sample).saturating_add(2 * SEGMENT_BYTES)
    }

    /// Whether the rate grows under its measurement.
    const fn rate_grows(&self) -> bool {
        matches!(
            self.phase,
            Phase::Start(_)
                | Phase::Settled {
                    rounds: 0..ROUNDS_BELIEVED,
                    ..
                }
        )
    }

    fn measure(&mut self, sample: Sample, now: Micros, is_full: bool) {
        let over = if self.rate_grows() {
            Micros(sample.rtt_min.0 / 2)
        } else {
            // Acknowledgements come in bursts that look like a faster link.
            sample.rtt_min + sample.rtt_min
        };
        let lower = if sample.unsent > 0 || self.excess(sample) > Micros(0) {
            Lower::Held
        } else if !is_full {
            Lower::ForWantOfBytes
        } else {
            Lower::Allowed
        };
        self.rate
            .measure(sample.delivered, now, over.max(SPAN_MIN), lower);
    }

    /// Lets more go, until the link's rate is seen.
    fn go_on_starting(&mut self, before: Sample, sample: Sample, now: Micros) {
        let most = self.in_span(Micros(sample.rtt_min.0 * 9 / 4));
        if let Phase::Start(start) = &mut self.phase
            && let Some(rate) = start.go_on(before, sample, most, now)
        {
            self.rate.raise(rate);
            self.phase = JUST_SETTLED;
            self.begin_refill();
        }
    }

    const fn begin_refill(&mut self) {
        self.refills = true;
        self.budget_bytes = 0;
    }

    /// What may be written until the next sample.
    fn next_budget(&self, sample: Sample, turn: Micros) -> u64 {
        match self.phase {
            // All at once it would wait in the router; no faster than the link it would never become full.
            _ if self.refills => self
                .budget_bytes
                .saturating_add(self.in_span(Micros(turn.0 + turn.0 / 4)))
                .min(self.unsent_bytes_max()),
            Phase::Start(_) => {
                in_span(sample.pacing_bytes_per_second, PACED).saturating_sub(sample.unsent)
            }
            Phase::Settled { .. } => u64::MAX,
        }
    }

    /// Judges a round trip's time as a whole.
    fn end_round(&mut self, sample: Sample, now: Micros) {
        let standing = self.standing(sample);
        let queue = self.queue(sample, standing);
        let is_queued = self.excess(sample) > Micros(0);
        let rate = self.rate.bytes_per_second();
        let newest = self.rate.newest();
        let Round {
            is_full, was_full, ..
        } = self.round;
        match &mut self.phase {
            Phase::Start(start) if rate > 0 => {
                if start.is_flat(rate) || queue.min(start.risen(standing)) > JITTER {
                    self.phase = JUST_SETTLED;
                }
            }
            Phase::Start(_) => {}
            Phase::Settled {
                rounds,
                empty_rounds,
                queued,
            } => {
                *rounds = rounds.saturating_add(1);
                let is_empty = is_full && was_full && queue < Micros(JITTER.0 / 4);
                *empty_rounds = if is_empty { *empty_rounds + 1 } else { 0 };
                if *empty_rounds >= ROUNDS_BELIEVED {
                    *empty_rounds = 0;
                    let queued_at_most =
                        rate.saturating_mul(RAISE_QUEUE.0) / sample.rtt_min.0.max(1);
                    self.rate.raise(rate + queued_at_most.min(rate / 8));
                } else if !is_queued {
                    *queued = None;
                } else if queued
                    .get_or_insert(Queued::begin(standing, newest, now))
                    .is_foreign(standing, newest, now)
                {
                    *queued = None;
                    self.longer = Some((standing, now));
                }
            }
        }
    }

    /// Bytes of bulk that may be written now.
    #[must_use]
    pub fn room_bytes(&self) -> usize {
        let Some((_, sample)) = self.last else {
            return BULK_MESSAGE_BYTES_MAX;
        };
        let window = sample.window_bytes.saturating_sub(WINDOW_LEFT_BYTES);
        let target = self.target_bytes(sample).min(window);
        let room = target.saturating_sub(under_way(sample));
        let room = room
            .min(self.unsent_room_bytes(sample))
            .min(self.budget_bytes);
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    /// Counts what was written since the last sample, framing included.
    pub fn on_written(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        if let Some((_, sample)) = &mut self.last {
            sample.in_flight = sample.in_flight.saturating_add(bytes);
        }
        self.budget_bytes = self.budget_bytes.saturating_sub(bytes);
    }

    /// What may be under way.
    fn target_bytes(&self, sample: Sample) -> u64 {
        if self.probed.holds() {
            return SEGMENT_BYTES;
        }
        match &self.phase {
            Phase::Start(start) => start.bytes(),
            Phase::Settled { .. } => {
                let span = self.shortest(sample) + self.ahead(sample);
                let meant = self.in_span(Micros(span.since(self.excess(sample)).0));
                // Never so little that the acknowledgements stop, which the rate is measured by.
                let least = self.in_span(Micros(sample.rtt_min.0 / 2));
                let packets = PACKETS_PER_ACK * SEGMENT_BYTES;
                meant.saturating_add(packets).max(least).max(2 * packets)
            }
        }
    }

    /// What is under way beyond the link's own, as time.
    fn ahead(&self, sample: Sample) -> Micros {
        if sample.rtt_min < NEAR {
            AHEAD_NEAR
        } else {
            self.turns.ahead(sample.rtt_min)
        }
    }

    /// The least round trip of the last one or two rounds: what stands in a queue and does not pass.
    fn standing(&self, sample: Sample) -> Micros {
        [self.round.least, self.round.least_before]
            .into_iter()
            .flatten()
            .fold(sample.rtt, Micros::min)
    }

    /// The round trip without a queue of ours.
    fn shortest(&self, sample: Sample) -> Micros {
        let longer = self.longer.map_or(Micros(0), |(rtt, _)| rtt);
        sample.rtt_min.max(longer)
    }

    /// How long a packet of this round trip has waited in queues.
    fn queue(&self, sample: Sample, rtt: Micros) -> Micros {
        let own = PACKETS_PER_ACK * SEGMENT_BYTES * Micros::PER_SECOND;
        let own = own / self.rate.bytes_per_second().max(1);
        let own = Micros(own.min(sample.rtt_min.0 / 4)).min(SPAN_MIN);
        rtt.since(self.shortest(sample)).since(own)
    }

    /// How much longer a queue stands than is meant.
    fn excess(&self, sample: Sample) -> Micros {
        let meant = self.ahead(sample) + JITTER;
        self.queue(sample, self.standing(sample)).since(meant)
    }

    /// Bytes that a write may leave in the kernel without being sent.
    #[must_use]
    pub fn unsent_bytes_max(&self) -> u64 {
        match &self.phase {
            Phase::Start(start) => start.bytes().max(self.burst_bytes_max()),
            Phase::Settled { .. } => self.burst_bytes_max(),
        }
    }

    /// Bytes worth writing at once where nobody says how many of them the kernel has sent.
    pub(crate) fn burst_bytes_max(&self) -> u64 {
        let least = match self.phase {
            Phase::Start(_) => INITIAL_BYTES,
            Phase::Settled { .. } => PACKETS_PER_ACK * SEGMENT_BYTES,
        };
        self.in_span(UNSENT).max(least)
    }

    /// Bytes that may be left there besides what already waits. While what is under way grows, nothing may when
    /// more waits than the kernel sent in the last turn: it waits for its window, in front of what is urgent.
    fn unsent_room_bytes(&self, sample: Sample) -> u64 {
        match self.phase {
            Phase::Settled { .. } if !self.refills => {
                self.unsent_bytes_max().saturating_sub(sample.unsent)
            }
            _ if sample.unsent >= self.turn_bytes.max(PACKETS_PER_ACK * SEGMENT_BYTES) => 0,
            _ => u64::MAX,
        }
    }

    /// The largest piece worth writing at once: small on a slow link. From [`BULK_CHUNK_BYTES_MIN`] to
    /// [`BULK_MESSAGE_BYTES_MAX`].
    #[must_use]
    pub fn chunk_bytes(&self) -> usize {
        let bytes = usize::try_from(self.in_span(UNSENT)).unwrap_or(usize::MAX);
        bytes.clamp(BULK_CHUNK_BYTES_MIN, BULK_MESSAGE_BYTES_MAX)
    }

    /// The largest message worth writing where an answer confirms no less than a message.
    pub(crate) fn message_bytes(&self) -> u64 {
        match &self.phase {
            Phase::Start(start) => start.bytes() / MESSAGES_PER_START,
            Phase::Settled { .. } => self.unsent_bytes_max() / 2,
        }
    }

    /// Of what may be under way, the part of which nobody need say that it has arrived. Each answer is a message,
    /// and of a sender that does not fill its link it says nothing; but it is missing when more is written. In the
    /// start every answer counts.
    pub(crate) fn unconfirmed_bytes_max(&self) -> u64 {
        match (&self.phase, self.last) {
            (Phase::Settled { .. }, Some((_, sample))) => self.target_bytes(sample) / 4,
            _ => 0,
        }
    }

    const fn in_span(&self, span: Micros) -> u64 {
        in_span(self.rate.bytes_per_second(), span)
    }
}

const fn in_span(bytes_per_second: u64, span: Micros) -> u64 {
    bytes_per_second.saturating_mul(span.0) / Micros::PER_SECOND
}

/// What of the room fills packets, less what stands around it: a message of a packet and a half costs two packets'
/// headers.
const fn whole_packets(room: usize, packet: usize, framing: usize) -> usize {
    (room - room % packet).saturating_sub(framing)
}

const fn sent(sample: Sample) -> u64 {
    sample.delivered.saturating_add(sample.in_flight)
}

const fn under_way(sample: Sample) -> u64 {
    sample.in_flight.saturating_add(sample.unsent)
}

impl Round {
    const fn begin(now: Micros) -> Self {
        Self {
            began: now,
            least: None,
            least_before: None,
            is_full: true,
            was_full: false,
        }
    }

    const fn next(&self, now: Micros) -> Self {
        Self {
            least_before: self.least,
            was_full: self.is_full,
            ..Self::begin(now)
        }
    }

    fn note(&mut self, rtt: Micros, is_full: bool) {
        self.least = Some(self.least.map_or(rtt, |least| least.min(rtt)));
        self.is_full &= is_full;
    }
}
