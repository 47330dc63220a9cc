//! Slices in as the threads hand them over, a line on the terminal that is true each second, and whole
//! seconds out, one by one.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::statistics::{Slice, Spans};

/// Puts the threads' slices together into seconds, and shows the newest whole one.
#[derive(Debug)]
pub struct Live {
    bar: ProgressBar,
    started: Instant,
    threads: usize,
    bots: usize,
    is_quiet: bool,
    /// Seconds that some threads have handed over and others not yet, with how many have.
    partial: BTreeMap<u64, (usize, Slice)>,
    errors: u64,
    /// Keeps the complaints that have been shown.
    shown: Slice,
}

impl Live {
    /// A view of a run of `bots` on `threads` for `duration`; `is_quiet` shows nothing.
    #[must_use]
    pub fn new(bots: usize, threads: usize, duration: Duration, is_quiet: bool) -> Self {
        let bar = if is_quiet {
            ProgressBar::hidden()
        } else {
            ProgressBar::new(duration.as_secs().max(1))
        };
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} s  {msg}") {
            bar.set_style(style);
        }
        bar.set_message("connecting");
        Self {
            bar,
            started: Instant::now(),
            threads,
            bots,
            is_quiet,
            partial: BTreeMap::new(),
            errors: 0,
            shown: Slice::default(),
        }
    }

    /// Takes what one thread counted in the run's second number `second`, and gives the seconds that are
    /// whole by that, the oldest first.
    pub fn handle_slice(&mut self, second: u64, slice: &Slice) -> Vec<Slice> {
        let (threads, sum) = self.partial.entry(second).or_default();
        *threads += 1;
        sum.add(slice);
        let mut seconds = Vec::new();
        while let Some(whole) = self
            .partial
            .first_entry()
            .filter(|entry| entry.get().0 == self.threads)
        {
            let (_, slice) = whole.remove();
            self.show(&slice);
            seconds.push(slice);
        }
        seconds
    }

    /// What a second complains of that no second before it did.
    fn new_complaints(&mut self, slice: &Slice) -> Vec<String> {
        let complaints = slice.complaints.iter();
        let new = complaints.filter(|complaint| self.shown.complain(complaint));
        new.cloned().collect()
    }

    /// The seconds at the end that not every thread lived to see.
    pub fn finish(self) -> impl Iterator<Item = Slice> {
        self.bar.finish_and_clear();
        self.partial.into_values().map(|(_, slice)| slice)
    }

    fn show(&mut self, slice: &Slice) {
        self.errors += slice.errors();
        let complaints = self.new_complaints(slice);
        // Above the bar, and also where there is no terminal to draw one on.
        if !self.is_quiet && !complaints.is_empty() {
            self.bar.suspend(|| eprintln!("{}", complaints.join("\n")));
        }
        let spread = |spans: &Spans| {
            format!(
                "{:.0}/{:.0}/{:.0}",
                spans.millis_at(0.5),
                spans.millis_at(0.99),
                spans.millis_at(0.999)
            )
        };
        self.bar.set_position(self.started.elapsed().as_secs());
        self.bar.set_message(format!(
            "{}/{} play, {} snapshots/s, p50/p99/p99.9 ms: interval {}, input {}; {} errors",
            slice.players,
            self.bots,
            slice.snapshots,
            spread(&slice.interval),
            spread(&slice.input_to_effect),
            self.errors,
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::Live;
    use crate::statistics::Slice;
    use std::time::Duration;

    #[test]
    fn a_complaint_is_shown_when_it_comes_and_once() {
        let mut live = Live::new(4, 1, Duration::from_secs(3), true);
        let mut slice = Slice::default();
        slice.complain("no connection");
        assert_eq!(live.new_complaints(&slice), ["no connection"]);
        slice.complain("the room is full");
        assert_eq!(live.new_complaints(&slice), ["the room is full"]);
        assert!(live.new_complaints(&slice).is_empty());
    }

    #[test]
    fn a_second_is_whole_when_every_thread_has_handed_it_over() {
        let mut live = Live::new(4, 2, Duration::from_secs(3), true);
        let slice = Slice {
            snapshots: 10,
            ..Slice::default()
        };
        let snapshots = |second: Slice| second.snapshots;
        assert!(live.handle_slice(0, &slice).is_empty());
        assert!(live.handle_slice(1, &slice).is_empty());
        let whole = live.handle_slice(0, &slice).into_iter().map(snapshots);
        assert_eq!(whole.collect::<Vec<_>>(), [20]);
        let rest = live.finish().map(snapshots);
        assert_eq!(rest.collect::<Vec<_>>(), [10]);
    }
}
