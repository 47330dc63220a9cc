//! What the server says the game is like, kept so that any moment of the last second can be drawn.
//!
//! In come snapshots and the time; out comes a [`View`]. The replica holds only the newest states, in the
//! layout the codec wants; what is drawn lies behind it by the connection's jitter. So each snapshot is
//! copied once into a frame, component by component: cheaper than decoding late, and prediction gets
//! the newest state at once.

mod field;
mod frame;
mod view;

use std::{collections::VecDeque, sync::Arc};

use tickwire_protocol::{
    error::DecodeError,
    id::{NetworkId, PlayerId},
    schema::Schema,
    snapshot::Replica,
    time::{Micros, Tick},
};

pub use field::FieldKind;
pub use view::View;

use crate::{
    limits::FRAMES_MAX,
    playout::{GameTime, Playout},
};
use frame::Frame;

/// What the rest of the client wants to know of a snapshot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AppliedSnapshot {
    pub(crate) tick: Tick,
    pub(crate) input_margin_ticks: Option<i8>,
    /// The answer to `verify`, if this snapshot carries it.
    pub(crate) is_equal: Option<bool>,
}

/// One connection's game.
#[derive(Debug)]
pub(crate) struct World {
    player: PlayerId,
    replica: Replica,
    /// Whether the program's own schema was compared with the server's.
    is_compared: bool,
    playout: Playout,
    /// States by tick, ascending. The first is the one being drawn from.
    frames: VecDeque<Frame>,
    /// Frames to be filled again.
    spare: Vec<Frame>,
    drawn: Option<GameTime>,
    /// What was drawn from last, if so many came since that it is none of `frames` any more.
    passed: Option<Frame>,
    /// What was drawn from before the last `advance`, when that is another frame.
    before: Option<Frame>,
    entered: Vec<NetworkId>,
    left: Vec<NetworkId>,
}

impl World {
    pub(crate) fn new(
        schema: Arc<Schema>,
        is_compared: bool,
        player: PlayerId,
        tick_rate_hz: f64,
    ) -> Self {
        Self {
            player,
            replica: Replica::new(schema),
            is_compared,
            playout: Playout::new(tick_rate_hz),
            frames: VecDeque::new(),
            spare: vec![],
            drawn: None,
            passed: None,
            before: None,
            entered: vec![],
            left: vec![],
        }
    }

    pub(crate) fn player(&self) -> PlayerId {
        self.player
    }

    /// Takes in a snapshot.
    pub(crate) fn apply(
        &mut self,
        snapshot: &[u8],
        now: Micros,
    ) -> Result<AppliedSnapshot, DecodeError> {
        let header = self.replica.apply(snapshot)?.header;
        self.playout.on_snapshot(header.tick, now);
        let is_equal = header
            .checksum
            .map(|theirs| theirs == self.replica.checksum());
        if self.frames.len() == FRAMES_MAX {
            let dropped = self.frames.pop_front();
            // The first to go was drawn from, if anything was.
            if self.drawn.is_some() && self.passed.is_none() {
                self.passed = dropped;
            } else {
                self.spare.extend(dropped);
            }
        }
        let mut frame = self.spare.pop().unwrap_or_default();
        frame.fill(&self.replica);
        self.frames.push_back(frame);
        let (tick, input_margin_ticks) = (header.tick, header.input_margin_ticks);
        Ok(AppliedSnapshot {
            tick,
            input_margin_ticks,
            is_equal,
        })
    }

    /// Moves the drawing on to `now`.
    pub(crate) fn advance(&mut self, now: Micros) {
        self.spare.extend(self.before.take());
        self.entered.clear();
        self.left.clear();
        let Some(time) = self.playout.advance(now) else {
            return;
        };
        let is_first = self.drawn.is_none();
        self.drawn = Some(time);
        self.before = self.passed.take();
        while self.frames.len() > 1 && !self.frames[1].tick().is_after(time.tick) {
            let passed = self.frames.pop_front();
            self.spare.extend(match self.before {
                None => core::mem::replace(&mut self.before, passed),
                Some(_) => passed,
            });
        }
        let Some(first) = self.frames.front() else {
            return;
        };
        match &self.before {
            Some(before) => first.compare(before, &mut self.entered, &mut self.left),
            None if is_first => self.entered.extend_from_slice(first.entities()),
            None => {}
        }
    }

    /// The game at the moment to draw.
    pub(crate) fn view(&self) -> Option<View<'_>> {
        let (from, time) = (self.frames.front()?, self.drawn?);
        let to = self.frames.get(1).unwrap_or(from);
        // Before the first state there is, and after the newest, the drawing stands still.
        let ahead = time.tick.since(from.tick()) as f32 + time.fraction;
        let between = to.tick().since(from.tick()) as f32;
        let fraction = if between > 0.0 {
            (ahead / between).clamp(0.0, 1.0)
        } else {
            0.0
        };
        Some(self.view_between(from, to, fraction))
    }

    /// The game as the newest snapshot says.
    pub(crate) fn newest(&self) -> Option<View<'_>> {
        let newest = self.frames.back()?;
        Some(self.view_between(newest, newest, 0.0))
    }

    fn view_between<'a>(&'a self, from: &'a Frame, to: &'a Frame, fraction: f32) -> View<'a> {
        View {
            schema: self.replica.schema(),
            is_compared: self.is_compared,
            from,
            to,
            fraction,
            before: self.before.as_ref(),
            entered: &self.entered,
            left: &self.left,
            player: self.player,
        }
    }

    pub(crate) fn jitter(&self) -> Micros {
        self.playout.jitter()
    }

    pub(crate) fn interpolation_delay(&self) -> Micros {
        self.playout.delay()
    }
}
