//! The player's input: held values in, one stamped entry per tick out, and what a replay needs.
//!
//! The decision to question: an input is stamped with the tick it is *for*, ahead of the server's clock
//! by the way there plus a lead, and not with the moment it was made. The room then applies it at that
//! very tick, and a prediction that replays "everything stamped after the snapshot's tick" is exact.

use std::collections::VecDeque;

use tickwire_protocol::{
    clock::ClockSync,
    error::ApiMisuse,
    input::InputLead,
    limits::INPUT_BYTES_MAX,
    session::ClientSession,
    time::{Micros, Tick},
};

use crate::{
    limits::{INPUTS_MAX, INPUTS_PER_FRAME_MAX},
    world::AppliedSnapshot,
};

#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// What is held down now; nothing is sent before it was set.
    held: Option<Vec<u8>>,
    /// Scratch memory: what is to be held down next.
    next: Vec<u8>,
    stamped: VecDeque<(Tick, Vec<u8>)>,
    lead: InputLead,
}

impl Inputs {
    /// Holds down what is encoded, unless it is too large for an input.
    pub(crate) fn hold(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<(), ApiMisuse> {
        self.next.clear();
        encode(&mut self.next);
        let (bytes, max) = (self.next.len(), INPUT_BYTES_MAX);
        if bytes > max {
            return Err(ApiMisuse::TooLarge { bytes, max });
        }
        core::mem::swap(self.held.get_or_insert_default(), &mut self.next);
        Ok(())
    }

    /// A new connection counts its ticks anew. What is held was encoded for the input of the last one's schema:
    /// for another, `is_other`, it is not even an input.
    pub(crate) fn on_welcome(&mut self, is_other: bool) {
        if is_other {
            self.held = None;
        }
        self.stamped.clear();
        self.lead = InputLead::default();
    }

    pub(crate) fn on_snapshot(&mut self, applied: &AppliedSnapshot, rtt_ticks: u32) {
        if let Some(margin) = applied.input_margin_ticks {
            self.lead.on_margin_ticks(margin, rtt_ticks);
        }
        // What the snapshot has seen is kept one tick longer: a replay may start between two.
        while self
            .stamped
            .front()
            .is_some_and(|&(tick, _)| applied.tick.is_after(tick))
        {
            self.stamped.pop_front();
        }
    }

    /// Stamps and queues the held input for every tick that has begun since the last call.
    pub(crate) fn stamp(&mut self, session: &mut ClientSession, now: Micros) {
        let Some(held) = &self.held else { return };
        if session.clock().rtt().is_none() {
            // Stamped by a guess, the first inputs would come late and raise the lead for seconds.
            return;
        }
        let (due, _) = self.lead.due(session.clock(), now);
        if let Some(&(last, _)) = self.stamped.back()
            && InputLead::is_beyond(last, due)
        {
            // The room will hear otherwise of these ticks, so a replay must not see what they were stamped with.
            self.stamped.retain(|&(tick, _)| due.is_after(tick));
        }
        let first = match self.stamped.back() {
            Some(&(last, _)) if !due.is_after(last) => return,
            Some(&(last, _)) if due.since(last).unsigned_abs() <= INPUTS_PER_FRAME_MAX => {
                last.next()
            }
            _ => due,
        };
        let mut tick = first;
        loop {
            if session.push_input(tick, held).is_err() {
                return;
            }
            let mut bytes = match self.stamped.len() {
                INPUTS_MAX => self
                    .stamped
                    .pop_front()
                    .map(|(_, bytes)| bytes)
                    .unwrap_or_default(),
                _ => vec![],
            };
            bytes.clear();
            bytes.extend_from_slice(held);
            self.stamped.push_back((tick, bytes));
            if tick == due {
                return;
            }
            tick = tick.next();
        }
    }

    pub(crate) fn after(&self, tick: Tick) -> impl Iterator<Item = (Tick, &[u8])> {
        self.stamped
            .iter()
            .filter(move |(stamped, _)| stamped.is_after(tick))
            .map(|(tick, bytes)| (*tick, &bytes[..]))
    }

    /// The last stamped tick and how far it is from there to the next.
    pub(crate) fn time(&self, clock: &ClockSync, now: Micros) -> Option<(Tick, f32)> {
        let &(last, _) = self.stamped.back()?;
        let (due, fraction) = self.lead.due(clock, now);
        Some(match due.since(last) {
            0 => (last, fraction),
            behind if behind < 0 => (last, 0.0),
            _ => (last, 1.0),
        })
    }

    pub(crate) fn lead_ticks(&self) -> u8 {
        self.lead.ticks()
    }

    /// When the next input is due.
    pub(crate) fn next(&self, session: &ClientSession, now: Micros) -> Micros {
        let (_, fraction) = self.lead.due(session.clock(), now);
        now + session.clock().until_next_tick(fraction)
    }
}
