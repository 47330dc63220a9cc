//! One thread's share of the bots: sockets and timers in, one slice of counts a second out.
//!
//! One poll, one read buffer and one heap of timers serve all its connections. A bot's own thread would
//! cost more than its work.
//!
//! The choice to question: the thread sleeps by the clock and not in its poll, and looks at the sockets once
//! in [`LOOK_PERIOD`]. A thread that waits in its poll is woken for nearly every snapshot, which costs as
//! much as reading it, and costs it in the server's `send`. No figure suffers: the kernel says when what is
//! read arrived ([`arrival`](crate::arrival)).

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Poll, Token};
use tickwire_protocol::time::Micros;

use crate::{
    arrival::Look,
    cast::Cast,
    conduct::Conduct,
    limits::{COMPARISON_MICROS_MAX, EVENTS_MAX, LOOK_PERIOD},
    options::Options,
    seat::{Scene, Seat},
    statistics::Slice,
};

/// The thread's one read buffer: a snapshot of the reference world with 1000 entities fits many times.
const READ_BUFFER_BYTES: usize = 256 * 1024;

/// What every thread of a run shares.
pub struct Plan {
    /// The command line.
    pub options: Options,
    /// Where the server is.
    pub address: SocketAddr,
    /// Who behaves how, by number.
    pub conducts: Vec<Conduct>,
    /// Who plays.
    pub cast: Cast,
    /// The run's first moment.
    pub started: Instant,
    /// Set to end the run before its time.
    pub is_called_off: AtomicBool,
}

/// One thread's share of a run.
pub struct Worker {
    plan: Arc<Plan>,
    poll: Poll,
    buffer: Vec<u8>,
    seats: Vec<Seat>,
    timers: BinaryHeap<Reverse<(Micros, usize)>>,
    look: Look,
    slice: Slice,
    second: u64,
    slices: mpsc::Sender<(u64, Slice)>,
}

impl Worker {
    /// The share of thread `thread` of `threads`: every bot whose number leaves that remainder.
    ///
    /// # Errors
    /// When the system gives no poll.
    pub fn new(
        plan: Arc<Plan>,
        thread: usize,
        threads: usize,
        slices: mpsc::Sender<(u64, Slice)>,
    ) -> io::Result<Self> {
        let numbers = (thread..plan.conducts.len()).step_by(threads);
        let seats: Vec<Seat> = numbers.map(|number| Seat::new(number, &plan)).collect();
        let timers = seats
            .iter()
            .enumerate()
            .map(|(index, seat)| Reverse((seat.wake_at(), index)))
            .collect();
        Ok(Self {
            poll: Poll::new()?,
            buffer: vec![0; READ_BUFFER_BYTES],
            seats,
            timers,
            look: Look::now(plan.started),
            slice: Slice::default(),
            second: 0,
            slices,
            plan,
        })
    }

    /// Plays until the run is over and every bot has been compared, or had its time for it.
    ///
    /// # Errors
    /// When the poll fails.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut end = Micros::from(self.plan.options.duration);
        let mut is_ending = false;
        loop {
            let now = self.now();
            if self.plan.is_called_off.load(Ordering::Relaxed) {
                end = end.min(now);
            }
            // Before the end: who has left by then does not count as playing in the last second.
            if now.0 / Micros::PER_SECOND > self.second {
                self.hand_over(now);
            }
            if now >= end && !is_ending {
                is_ending = true;
                self.for_each_seat(Seat::end);
            }
            let is_over = is_ending
                && (self.seats.iter().all(Seat::is_done) || now >= end + COMPARISON_MICROS_MAX);
            if is_over {
                self.for_each_seat(Seat::abandon);
                self.hand_over(now);
                return Ok(());
            }
            thread::sleep((self.look.time() + LOOK_PERIOD).since(self.now()).into());
            self.look(&mut events)?;
            self.wake_due();
        }
    }

    fn now(&self) -> Micros {
        self.plan.started.elapsed().into()
    }

    /// Lets every bot act whose socket is ready.
    fn look(&mut self, events: &mut Events) -> io::Result<()> {
        self.look = Look::now(self.plan.started);
        loop {
            self.poll.poll(events, Some(Duration::ZERO))?;
            for event in &*events {
                let Token(index) = event.token();
                self.with_seat(index, self.look.time(), Seat::handle_ready);
            }
            if events.iter().count() < EVENTS_MAX {
                return Ok(());
            }
        }
    }

    /// Lets every bot act whose time has come by now.
    fn wake_due(&mut self) {
        let due = self.now();
        while let Some(&Reverse((at, index))) = self.timers.peek() {
            if at > due {
                return;
            }
            self.timers.pop();
            // An entry that is not the seat's newest is left over from before.
            if self.seats[index].wake_at() == at {
                let now = self.now();
                self.with_seat(index, now, Seat::handle_timeout);
            }
        }
    }

    fn for_each_seat(&mut self, act: impl Fn(&mut Seat, &mut Scene<'_>)) {
        for index in 0..self.seats.len() {
            let now = self.now();
            self.with_seat(index, now, &act);
        }
    }

    /// Lets a seat act, and keeps its timer.
    fn with_seat(
        &mut self,
        index: usize,
        now: Micros,
        act: impl FnOnce(&mut Seat, &mut Scene<'_>),
    ) {
        let seat = &mut self.seats[index];
        let before = seat.wake_at();
        let mut scene = Scene {
            plan: &self.plan,
            registry: self.poll.registry(),
            token: Token(index),
            buffer: &mut self.buffer,
            slice: &mut self.slice,
            look: self.look,
            now,
        };
        act(seat, &mut scene);
        let after = seat.wake_at();
        if after != before {
            self.timers.push(Reverse((after, index)));
        }
    }

    /// Closes the second: counts the time that was played in it and hands the slice over.
    fn hand_over(&mut self, now: Micros) {
        for seat in &mut self.seats {
            self.slice.players += u64::from(seat.count_time(now, &mut self.slice));
        }
        let slice = std::mem::take(&mut self.slice);
        let players = slice.players;
        // Nobody listens only when the whole run is being torn down.
        let _ = self.slices.send((self.second, slice));
        let second = now.0 / Micros::PER_SECOND;
        // A second is whole when every thread has told of it. One that was held up tells of those it missed
        // too, or the view would stand still from here on.
        for missed in self.second + 1..second {
            let nothing = Slice {
                players,
                ..Slice::default()
            };
            let _ = self.slices.send((missed, nothing));
        }
        self.second = second;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, atomic::AtomicBool, mpsc},
        time::Duration,
    };

    use super::{Cast, Micros, Options, Plan, Slice, Worker};
    use crate::conduct;

    /// A thread with one bot, which nobody answers, and what it hands over.
    fn worker(duration: Duration, is_called_off: bool) -> (Worker, mpsc::Receiver<(u64, Slice)>) {
        let options = Options {
            bots: 1,
            duration,
            ..Options::for_target("ws://127.0.0.1:1/play")
        };
        let plan = Plan {
            conducts: conduct::assign(&options),
            options,
            address: ([127, 0, 0, 1], 1).into(),
            cast: Cast::new(|_, _| Err("nobody plays".into())),
            started: std::time::Instant::now(),
            is_called_off: AtomicBool::new(is_called_off),
        };
        let (sender, slices) = mpsc::channel();
        let worker = Worker::new(Arc::new(plan), 0, 1, sender).expect("a poll");
        (worker, slices)
    }

    #[test]
    fn a_thread_whose_run_is_called_off_ends_long_before_its_time() {
        let (worker, slices) = worker(Duration::from_secs(3600), true);
        worker.run().expect("the poll works");
        assert_eq!(slices.iter().count(), 1);
    }

    #[test]
    fn a_thread_that_was_held_up_tells_of_every_second_it_missed() {
        let (mut worker, slices) = worker(Duration::from_secs(30), false);
        worker.hand_over(Micros::from_millis(3500));
        worker.hand_over(Micros::from_millis(4000));
        drop(worker);
        let seconds: Vec<u64> = slices.iter().map(|(second, _)| second).collect();
        assert_eq!(seconds, [0, 1, 2, 3]);
    }
}
