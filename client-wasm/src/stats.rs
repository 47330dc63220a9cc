//! Figures for an overlay: what the connection and the drawing are like right now.

use std::collections::VecDeque;

use tickwire_protocol::{
    session::{ClientSession, Traffic},
    time::{Micros, Tick},
};

use crate::{inputs::Inputs, world::World};

/// The span over which rates are taken.
const RATE_SPAN: Micros = Micros::from_millis(1_000);

/// Snapshots counted within the span; more are only ever sent by a server gone mad.
const SNAPSHOTS_MAX: usize = 512;

/// What an overlay shows. All zero while there is no connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// The round trip as it is felt, with queues and the server's wait for its tick.
    pub ping: Micros,
    /// The link's own round trip: the shortest lately.
    pub ping_shortest: Micros,
    /// By how much snapshots stray.
    pub jitter: Micros,
    /// The tick of the newest snapshot.
    pub tick: Tick,
    /// How far behind the newest snapshot's moment the drawing is.
    pub interpolation_delay: Micros,
    /// Ticks that inputs are stamped ahead beyond the way to the server.
    pub input_lead_ticks: u8,
    /// Snapshots within the last second.
    pub snapshots_per_second: u32,
    /// Bytes of snapshots within the last second.
    pub snapshot_bytes_per_second: u32,
    /// Bytes of the last snapshot.
    pub snapshot_bytes: u32,
    /// Entities in view.
    pub entities: u32,
    /// Events of the game that were dropped because too many waited, since the client was made. See
    /// [`EVENTS_WAITING_MAX`](crate::limits::EVENTS_WAITING_MAX).
    pub events_dropped: u64,
    /// Bytes of each stream since the connection began.
    pub traffic: Traffic,
}

impl Stats {
    pub(crate) fn of(
        session: Option<&ClientSession>,
        world: Option<&World>,
        inputs: &Inputs,
        meter: &Meter,
        now: Micros,
    ) -> Self {
        let mut stats = Self {
            input_lead_ticks: inputs.lead_ticks(),
            ..meter.rates(now)
        };
        if let Some(session) = session {
            stats.ping = session.clock().rtt_smoothed().unwrap_or_default();
            stats.ping_shortest = session.clock().rtt().unwrap_or_default();
            stats.traffic = *session.traffic();
        }
        if let Some(world) = world {
            stats.jitter = world.jitter();
            stats.interpolation_delay = world.interpolation_delay();
            if let Some(newest) = world.newest() {
                stats.tick = newest.time().tick;
                stats.entities = newest.entities().len() as u32;
            }
        }
        stats
    }
}

/// Sizes and times of the snapshots of the last second, and what was dropped.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    snapshots: VecDeque<(Micros, u32)>,
    events_dropped: u64,
}

impl Meter {
    pub(crate) fn on_snapshot(&mut self, bytes: usize, now: Micros) {
        while self.snapshots.len() == SNAPSHOTS_MAX
            || self
                .snapshots
                .front()
                .is_some_and(|&(at, _)| now.since(at) > RATE_SPAN)
        {
            self.snapshots.pop_front();
        }
        self.snapshots.push_back((now, bytes as u32));
    }

    pub(crate) fn on_event_dropped(&mut self) {
        self.events_dropped += 1;
    }

    fn rates(&self, now: Micros) -> Stats {
        let recent = self
            .snapshots
            .iter()
            .filter(|&&(at, _)| now.since(at) <= RATE_SPAN);
        let (count, bytes) =
            recent.fold((0, 0), |(count, sum), (_, bytes)| (count + 1, sum + bytes));
        Stats {
            snapshots_per_second: count,
            snapshot_bytes_per_second: bytes,
            events_dropped: self.events_dropped,
            snapshot_bytes: self.snapshots.back().map_or(0, |&(_, bytes)| bytes),
            ..Stats::default()
        }
    }
}
