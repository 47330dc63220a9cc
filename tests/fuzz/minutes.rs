//! The fuzz bodies for minutes, by command: `cargo xtask fuzz [BODY] [--seconds N]`.
//!
//! Every case is held to its memory as in the ordinary tests, and the whole program besides: what is resident
//! at the end of a body is compared with what was at its start, which also finds what an allocator's counter
//! for one thread and one case cannot see. The decision to question: it is built without optimisation beyond
//! the tests' own, because overflow checks and assertions find more than five times the cases would.

mod held;
mod watchdog;

use std::{
    io::{IsTerminal as _, Write as _},
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use clap::Parser;
use tests::fuzz::{Target, case, targets};

use self::watchdog::{Case, Number, Watchdog};

/// A body may leave so much more resident than it began with: pages that the allocator keeps, lazily made
/// tables. What grows with the number of cases passes it within a minute.
const GROWTH_ALLOWED_BYTES: usize = 16 << 20;
/// Cases between two looks at the clock.
const BATCH: u64 = 64;

#[derive(Parser)]
#[command(about = "Throws made-up bytes at everything that reads a peer's")]
struct Arguments {
    /// Only bodies whose name contains this; without it, all of them, one after the other.
    body: Option<String>,
    /// Seconds for each body.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The number of the first case. Without it, one that no earlier run began at.
    #[arg(long)]
    from: Option<u64>,
    /// Cases of each body, in place of a time.
    #[arg(long)]
    cases: Option<u64>,
    /// Prints the bodies and does nothing.
    #[arg(long)]
    list: bool,
    /// What `cargo bench` passes.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one body's run came to.
struct Outcome {
    cases: u64,
    took: Duration,
    /// The most memory that one case held.
    held_bytes: usize,
    resident_before_bytes: usize,
    resident_after_bytes: usize,
    /// The case that broke a promise, and how to see it again.
    failed: Option<String>,
}

impl Outcome {
    fn growth_bytes(&self) -> usize {
        self.resident_after_bytes
            .saturating_sub(self.resident_before_bytes)
    }

    fn is_good(&self) -> bool {
        self.failed.is_none() && self.growth_bytes() <= GROWTH_ALLOWED_BYTES
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let wanted = |target: &&Target| {
        let filter = arguments.body.as_deref();
        filter.is_none_or(|filter| target.name.contains(filter))
    };
    let bodies: Vec<_> = targets().filter(wanted).collect();
    if arguments.list || bodies.is_empty() {
        let names: Vec<_> = targets().map(|target| target.name).collect();
        println!("bodies: {}", names.join(", "));
        return ExitCode::from(u8::from(!arguments.list));
    }
    // Seconds since 1970, far enough apart that two runs do not meet.
    let first = arguments.from.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs()) << 20
    });
    println!("{} bodies, cases from number {first} on", bodies.len());
    let watchdog = Watchdog::start();
    let mut is_good = true;
    for target in bodies {
        let outcome = fuzz(target, first, &arguments, &watchdog);
        print(target, &outcome);
        is_good &= outcome.is_good();
    }
    println!("{}", if is_good { "all good" } else { "FAILED" });
    ExitCode::from(u8::from(!is_good))
}

/// Runs one body until its time is over, its cases are used up, or a case breaks a promise.
fn fuzz(target: &Target, first: u64, arguments: &Arguments, watchdog: &Watchdog) -> Outcome {
    let examples = (target.examples)();
    let mut outcome = Outcome {
        cases: 0,
        took: Duration::ZERO,
        held_bytes: 0,
        resident_before_bytes: 0,
        resident_after_bytes: 0,
        failed: None,
    };
    for (number, example) in examples.iter().enumerate() {
        let this = Case::of(target, Number::Example(number));
        if !watchdog.watch(this, || try_case(target, example, &mut outcome)) {
            outcome.failed = Some(this.to_string());
            return outcome;
        }
    }
    // The allocator's pools and whatever is made once are there now.
    outcome.resident_before_bytes = resident_bytes();
    let start = Instant::now();
    let mut shown = start;
    let until = Duration::from_secs(arguments.seconds);
    for number in first.. {
        let cases = number - first;
        if cases.is_multiple_of(BATCH) {
            outcome.took = start.elapsed();
            if arguments.cases.is_none() && outcome.took >= until {
                break;
            }
            if shown.elapsed() >= PROGRESS {
                shown = Instant::now();
                progress(target, &outcome);
            }
        }
        if arguments.cases.is_some_and(|most| cases >= most) {
            break;
        }
        let this = Case::of(target, Number::Made(number));
        let bytes = case(number, &examples);
        if !watchdog.watch(this, || try_case(target, &bytes, &mut outcome)) {
            outcome.failed = Some(this.to_string());
            break;
        }
    }
    outcome.took = start.elapsed();
    outcome.resident_after_bytes = resident_bytes();
    outcome
}

/// How often progress is shown.
const PROGRESS: Duration = Duration::from_secs(5);

/// Whether the body kept its promises. What it said when it did not has gone to the standard error.
fn try_case(target: &Target, bytes: &[u8], outcome: &mut Outcome) -> bool {
    let tried = panic::catch_unwind(AssertUnwindSafe(|| held::run(target, bytes)));
    outcome.cases += 1;
    outcome.held_bytes = outcome.held_bytes.max(*tried.as_ref().unwrap_or(&0));
    tried.is_ok()
}

/// One line that a terminal writes over the last one; a file gets one line each time.
fn progress(target: &Target, outcome: &Outcome) {
    let end = if std::io::stdout().is_terminal() {
        '\r'
    } else {
        '\n'
    };
    print!(
        "{:<22}{:>6} s {:>12} cases, resident {:>7.1} MiB{end}",
        target.name,
        outcome.took.as_secs(),
        outcome.cases,
        mib(resident_bytes()),
    );
    // A terminal that went away is no reason to stop.
    let _ = std::io::stdout().flush();
}

fn print(target: &Target, outcome: &Outcome) {
    let seconds = outcome.took.as_secs_f64();
    println!(
        "{:<22}{:>6.0} s {:>12} cases, {:>8.0} a second; a case held {:>8.1} KiB at most; resident {:.1} → {:.1} MiB  {}",
        target.name,
        seconds,
        outcome.cases,
        outcome.cases as f64 / seconds.max(1e-9),
        outcome.held_bytes as f64 / 1024.0,
        mib(outcome.resident_before_bytes),
        mib(outcome.resident_after_bytes),
        if outcome.is_good() { "ok" } else { "FAILED" },
    );
    if let Some(failed) = &outcome.failed {
        println!("    {failed}");
    } else if !outcome.is_good() {
        println!("    memory grew by {:.1} MiB", mib(outcome.growth_bytes()));
    }
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// What of this program lies in memory; 0 where the system does not say.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split_whitespace().nth(1)?.parse().ok());
    pages.unwrap_or(0) * rustix::param::page_size()
}
