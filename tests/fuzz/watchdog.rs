//! A watchdog: a case that does not end is named, and ends the program.
//!
//! In: which case runs. Out: nothing, or the process's abort with a message. The choice to question: a
//! thread that looks at a lock. The case itself cannot look at the clock, for it is the case that hangs.

use std::{
    fmt, process,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tests::{fuzz::Target, seeds::SEED_VARIABLE};

/// How long one case may take. They take some milliseconds, where the machine has nothing else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A case, and in its text how to see it again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// The name of its body.
    pub(crate) body: &'static str,
    /// Which of the body's cases it is.
    pub(crate) number: Number,
}

/// How the cases of a body are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    /// Its examples as they are.
    Example(usize),
    /// What is made from a number.
    Made(u64),
}

impl Case {
    /// A case of `target`.
    pub(crate) const fn of(target: &Target, number: Number) -> Self {
        Self {
            body: target.name,
            number,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = format!("cargo test -p tests --test fuzz -- {}", self.body);
        match self.number {
            Number::Example(number) => {
                write!(f, "example {number}; to see it again: {command}")
            }
            Number::Made(number) => write!(
                f,
                "case {number}; to see it again: {SEED_VARIABLE}={number} {command}"
            ),
        }
    }
}

/// The case that runs, watched by a thread for as long as the program lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watchdog(Arc<Mutex<Option<(Case, Instant)>>>);

impl Watchdog {
    /// Begins to watch.
    pub(crate) fn start() -> Self {
        let watchdog = Self::default();
        let watching = watchdog.clone();
        thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_secs(1));
                if let Some(case) = watching.overdue(Instant::now()) {
                    eprintln!("{}: no end after {PATIENCE:?}: {case}", case.body);
                    process::abort();
                }
            }
        });
        watchdog
    }

    /// Watches `body` until it ends, by a panic too.
    pub(crate) fn watch<T>(&self, case: Case, body: impl FnOnce() -> T) -> T {
        self.set(Some((case, Instant::now())));
        let _unwatch = Unwatch(self);
        body()
    }

    fn set(&self, running: Option<(Case, Instant)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = running;
    }

    /// The case that has run for too long by `now`.
    pub(crate) fn overdue(&self, now: Instant) -> Option<Case> {
        let running = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (case, since) = running?;
        (now.duration_since(since) > PATIENCE).then_some(case)
    }
}

struct Unwatch<'a>(&'a Watchdog);

impl Drop for Unwatch<'_> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}
