//! A link, the kernels at its ends and a pump that are no better than real ones, for the tests.
//!
//! Packets have headers and wait in a queue; the receiver acknowledges every second one; both the way
//! back and the pump stand still now and then, as on a busy machine, so that acknowledgements come in
//! bursts and turns come late. Everything follows from a seed.

use std::collections::VecDeque;

use super::{Pace, Sample};
use crate::time::Micros;

/// Payload of a full packet, and what each packet has besides.
const SEGMENT: u64 = 1448;
const HEADERS: u64 = 52;

/// A receiver waits so long for a second packet before it acknowledges one.
const ACK_DELAY: u64 = 40_000;

const TURN: u64 = 2000;
const SNAPSHOT_PERIOD: u64 = 50_000;
const SNAPSHOT_BYTES: u64 = 400;

/// How often on average, and for how long, something stands still.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stalls {
    pub(super) every: Micros,
    pub(super) up_to: Micros,
}

impl Stalls {
    /// A machine that does nothing else.
    pub(super) const NONE: Self = Self {
        every: Micros(u64::MAX),
        up_to: Micros(0),
    };
    /// A machine with other work.
    pub(super) const BUSY: Self = Self {
        every: Micros::from_millis(40),
        up_to: Micros::from_millis(6),
    };
}

/// An acknowledgement on its way.
struct Ack {
    at: u64,
    bytes: u64,
    /// When the first packet it speaks of was sent.
    sent: u64,
    newest_sent: u64,
}

pub(super) struct Link {
    pub(super) bytes_per_second: u64,
    pub(super) rtt: u64,
    stalls: Stalls,
    random: u64,
    now: u64,
    /// When the bottleneck has carried all it was given.
    free_at: u64,
    /// A packet that arrived and is not acknowledged yet.
    unacknowledged: Option<Ack>,
    returning: VecDeque<Ack>,
    written: u64,
    delivered: u64,
    smoothed: u64,
    shortest: u64,
    next_snapshot: u64,
    /// Until when acknowledgements stand still.
    still_until: u64,
    next_still: u64,
    /// Payload of bulk that the bottleneck has taken, with when it leaves it.
    leaving: VecDeque<(u64, u64)>,
    delays: Vec<u64>,
}

/// What a while on a link was like.
#[derive(Debug)]
pub(super) struct Lived {
    /// What snapshots waited beyond the link's own delay, at the median and in the worst of a hundred.
    pub(super) wait_p50: Micros,
    pub(super) wait_p99: Micros,
    pub(super) wait_max: Micros,
    /// Share of what bulk would get alone.
    pub(super) share: f64,
}

impl Link {
    pub(super) fn new(mbit: u64, rtt: Micros, stalls: Stalls, seed: u64) -> Self {
        Self {
            bytes_per_second: mbit * 125_000,
            rtt: rtt.0,
            stalls,
            random: seed,
            now: 0,
            free_at: 0,
            unacknowledged: None,
            returning: VecDeque::new(),
            written: 0,
            delivered: 0,
            smoothed: rtt.0,
            shortest: rtt.0,
            next_snapshot: 0,
            still_until: 0,
            next_still: 0,
            leaving: VecDeque::new(),
            delays: Vec::new(),
        }
    }

    fn random_up_to(&mut self, most: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % (most + 1)
    }

    /// Time until the next of events that come so often on average.
    fn random_gap(&mut self, every: Micros) -> u64 {
        if every.0 == u64::MAX {
            return u64::MAX / 2;
        }
        self.random_up_to(2 * every.0)
    }

    /// Sends a packet; says when it arrives.
    fn send(&mut self, payload: u64) -> u64 {
        let took = (payload + HEADERS) * Micros::PER_SECOND / self.bytes_per_second;
        self.free_at = self.free_at.max(self.now) + took;
        let arrives = self.free_at + self.rtt / 2;
        self.written += payload;
        let ack = Ack {
            at: arrives,
            bytes: payload,
            sent: self.now,
            newest_sent: self.now,
        };
        match self.unacknowledged.take() {
            Some(first) if first.at + ACK_DELAY >= arrives => self.acknowledge(Ack {
                bytes: first.bytes + payload,
                sent: first.sent,
                ..ack
            }),
            Some(first) => {
                self.acknowledge(Ack {
                    at: first.at + ACK_DELAY,
                    ..first
                });
                self.unacknowledged = Some(ack);
            }
            None => self.unacknowledged = Some(ack),
        }
        arrives
    }

    fn acknowledge(&mut self, ack: Ack) {
        self.returning.push_back(Ack {
            at: ack.at + self.rtt / 2,
            ..ack
        });
    }

    /// Takes the acknowledgements that have come by now.
    fn take_acks(&mut self) {
        if let Some(first) = &self.unacknowledged
            && first.at + ACK_DELAY <= self.now
            && let Some(first) = self.unacknowledged.take()
        {
            self.acknowledge(Ack {
                at: first.at + ACK_DELAY,
                ..first
            });
        }
        while let Some(ack) = self.returning.front() {
            let due = ack.at;
            if due >= self.next_still {
                let lasts = self.random_up_to(self.stalls.up_to.0);
                self.still_until = self.next_still + lasts;
                self.next_still = self.still_until + self.random_gap(self.stalls.every);
            }
            let comes = due.max(self.still_until);
            if comes > self.now {
                return;
            }
            if let Some(ack) = self.returning.pop_front() {
                self.delivered += ack.bytes;
                let rtt = comes - ack.sent;
                self.smoothed = (self.smoothed * 7 + rtt) / 8;
                self.shortest = self.shortest.min(comes - ack.newest_sent);
            }
        }
    }

    pub(super) fn sample(&self) -> Sample {
        Sample {
            delivered: self.delivered,
            in_flight: self.written - self.delivered,
            unsent: 0,
            rtt: Micros(self.smoothed),
            rtt_min: Micros(self.shortest),
            window_packets: u64::from(u32::MAX),
            window_bytes: u64::MAX,
            pacing_bytes_per_second: u64::MAX,
        }
    }

    /// One turn of the pump: what it writes goes out at once.
    fn turn(&mut self, pace: &mut Pace) {
        let late = if self.stalls.up_to.0 > 0 && self.random_up_to(20) == 0 {
            self.random_up_to(self.stalls.up_to.0)
        } else {
            self.random_up_to(150)
        };
        self.now += TURN + late;
        self.take_acks();
        if self.now >= self.next_snapshot {
            self.next_snapshot += SNAPSHOT_PERIOD;
            let arrives = self.send(SNAPSHOT_BYTES);
            self.delays.push(arrives - self.now);
        }
        pace.handle_sample(self.sample(), Micros(self.now));
        loop {
            let room = pace.room_bytes().min(pace.chunk_bytes());
            // Whole packets: half ones cost as much of headers.
            let segment = SEGMENT as usize;
            let piece = if pace.chunk_bytes() < segment {
                room
            } else {
                room - room % segment
            };
            if piece < crate::limits::BULK_CHUNK_BYTES_MIN {
                return;
            }
            pace.on_written(piece);
            let mut left = piece as u64;
            while left > 0 {
                let payload = left.min(SEGMENT);
                self.send(payload);
                self.leaving.push_back((self.free_at, payload));
                left -= payload;
            }
        }
    }

    pub(super) const fn now(&self) -> Micros {
        Micros(self.now)
    }

    /// Runs for a while.
    pub(super) fn run(&mut self, pace: &mut Pace, span: Micros) -> Lived {
        let start = self.now;
        self.delays.clear();
        self.leaving.retain(|(at, _)| *at > start);
        while self.now < start + span.0 {
            self.turn(pace);
        }
        let carried: u64 = self
            .leaving
            .iter()
            .filter(|(at, _)| *at <= self.now)
            .map(|(_, payload)| payload)
            .sum();
        let alone = self.bytes_per_second as f64 * SEGMENT as f64 / (SEGMENT + HEADERS) as f64;
        let seconds = Micros(self.now - start).as_seconds();
        let own =
            self.rtt / 2 + (SNAPSHOT_BYTES + HEADERS) * Micros::PER_SECOND / self.bytes_per_second;
        self.delays.sort_unstable();
        let wait = |share: f64| {
            let place = (self.delays.len() as f64 * share).ceil() as usize;
            Micros(self.delays[place.clamp(1, self.delays.len()) - 1].saturating_sub(own))
        };
        Lived {
            wait_p50: wait(0.5),
            wait_p99: wait(0.99),
            wait_max: wait(1.0),
            share: carried as f64 / (alone * seconds),
        }
    }
}
