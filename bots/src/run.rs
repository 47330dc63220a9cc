//! A whole run: options in, threads started and joined, the report out.

use std::{
    fs,
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use clap::Parser as _;
use tickwire_protocol::{schema::Schema, websocket::Address};

use crate::{
    bot::Bot,
    cast::Cast,
    conduct, html,
    limits::UNOPENED_SECONDS_MAX,
    live::Live,
    options::Options,
    report::{Report, Second},
    settings::Settings,
    statistics::Slice,
    worker::{Plan, Worker},
};

/// What a run gave.
#[derive(Debug)]
pub struct Outcome {
    /// The figures.
    pub report: Report,
    /// The same by second, for plots: the whole seconds of the run's duration, or the one piece of a run that is
    /// shorter. The last holds the errors of the comparison that follows too.
    pub seconds: Vec<Second>,
    /// Everything that was counted, as one.
    pub whole: Slice,
}

/// Descriptors that a run needs besides its sockets.
const DESCRIPTORS_SPARE: u64 = 64;

/// How long an address of several is waited for before the next is asked.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// Plays a load test and waits for its end.
///
/// `make_bot` is called once per player, with its number and the game's schema, on the thread that
/// plays it. A run in which no bot could open a connection for [`UNOPENED_SECONDS_MAX`] ends then, and has failed.
///
/// # Errors
/// With a sentence for the user when the run cannot begin: wrong options, an unknown host, no
/// descriptors, no threads.
pub fn run(
    options: Options,
    make_bot: impl Fn(usize, &Schema) -> Result<Box<dyn Bot>, String> + Send + Sync + 'static,
) -> Result<Outcome, String> {
    Cast::new(make_bot).run(options)
}

/// The network address that the host's name stands for.
fn resolve(url: &Address) -> Result<SocketAddr, String> {
    let addresses = (url.host(), url.port())
        .to_socket_addrs()
        .map_err(|error| format!("{}: {error}", url.host()))?;
    choose(&addresses.collect::<Vec<_>>())
        .ok_or_else(|| format!("{}: the name stands for no address", url.host()))
}

/// Of several addresses the first that takes a connection now, for `localhost` stands for two and a server may listen
/// on one; the first of all if none does.
fn choose(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    let answers = |it: &&SocketAddr| TcpStream::connect_timeout(it, ANSWER_WAIT).is_ok();
    let answering = addresses
        .iter()
        .filter(|_| addresses.len() > 1)
        .find(answers);
    answering.or(addresses.first()).copied()
}

/// Whether a run is to be called off after so many whole seconds.
const fn is_hopeless(seconds: usize, whole: &Slice) -> bool {
    seconds >= UNOPENED_SECONDS_MAX && whole.is_unopened()
}

/// Drops the seconds in which bots were compared and left: a plot of them shows a server that has collapsed. Their
/// errors are the last one's.
fn keep_whole(seconds: &mut Vec<Second>, seconds_whole: usize) {
    let rest = seconds.split_off(seconds_whole.min(seconds.len()));
    if let Some(last) = seconds.last_mut() {
        last.errors += rest.iter().map(|second| second.errors).sum::<u64>();
    }
}

/// As [`run`], with every second of it shown to `watch` by its number, for sums over a part of the run.
///
/// # Errors
/// As there.
pub fn run_watched(
    options: Options,
    make_bot: impl Fn(usize, &Schema) -> Result<Box<dyn Bot>, String> + Send + Sync + 'static,
    watch: impl FnMut(usize, &Slice),
) -> Result<Outcome, String> {
    Cast::new(make_bot).run_watched(options, watch)
}

pub(crate) fn run_with(
    cast: Cast,
    options: Options,
    mut watch: impl FnMut(usize, &Slice),
) -> Result<Outcome, String> {
    options.check()?;
    let address = resolve(&options.url)?;
    let wanted = options.bots as u64 + DESCRIPTORS_SPARE;
    let allowed = rlimit::increase_nofile_limit(wanted).map_err(|error| error.to_string())?;
    if allowed < wanted {
        return Err(format!(
            "{} bots need {wanted} descriptors, the system allows {allowed}: ulimit -n",
            options.bots
        ));
    }

    let settings = Settings::new(&options, SystemTime::now());
    let mut seconds_whole = options.duration.as_secs().max(1) as usize;
    let threads = options.thread_count();
    let conducts = conduct::assign(&options);
    let crew = conduct::count(&conducts);
    let mut live = Live::new(options.bots, threads, options.duration, options.quiet);
    let plan = Arc::new(Plan {
        options,
        address,
        conducts,
        cast,
        started: Instant::now(),
        is_called_off: AtomicBool::new(false),
    });
    let (sender, slices) = mpsc::channel();
    let workers = (0..threads).map(|thread| {
        let worker = Worker::new(Arc::clone(&plan), thread, threads, sender.clone())?;
        thread::Builder::new()
            .name(format!("bots {thread}"))
            .spawn(move || worker.run())
    });
    let workers: Vec<_> = workers
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    drop(sender);

    let (mut whole, mut seconds) = (Slice::default(), Vec::new());
    let mut count = |slice: &Slice| {
        watch(seconds.len(), slice);
        whole.add(slice);
        seconds.push(Second::from(slice));
        if is_hopeless(seconds.len(), &whole) {
            plan.is_called_off.store(true, Ordering::Relaxed);
            seconds_whole = seconds_whole.min(seconds.len());
        }
    };
    for (second, slice) in slices {
        live.handle_slice(second, &slice)
            .iter()
            .for_each(&mut count);
    }
    for worker in workers {
        let result = worker
            .join()
            .map_err(|_| "a thread of bots panicked".to_owned())?;
        result.map_err(|error| error.to_string())?;
    }
    live.finish().for_each(|slice| count(&slice));
    keep_whole(&mut seconds, seconds_whole);
    let mut report = Report::new(settings, crew, &whole, plan.started.elapsed().as_secs_f64());
    if plan.is_called_off.load(Ordering::Relaxed) {
        report.called_off = Some(format!(
            "called off after {UNOPENED_SECONDS_MAX} s because no connection to {} could be opened (start the \
             server first, and give the address that it says with --url)",
            plan.options.url
        ));
    }
    Ok(Outcome {
        report,
        seconds,
        whole,
    })
}

/// The command: reads the options, runs, shows the result and writes the files asked for.
///
/// The exit status is 1 when a player was not served or nobody listened, 2 when the run could not begin or its
/// result could not be written.
#[must_use]
pub fn main(
    make_bot: impl Fn(usize, &Schema) -> Result<Box<dyn Bot>, String> + Send + Sync + 'static,
) -> ExitCode {
    Cast::new(make_bot).main()
}

pub(crate) fn main_with(cast: Cast) -> ExitCode {
    let options = Options::parse();
    let (json, html) = (options.json.clone(), options.html.clone());
    // Before the run: an hour of figures is not to be lost to a folder that is not there.
    let files = [&json, &html];
    for path in files.into_iter().flatten() {
        let mut open = fs::OpenOptions::new();
        if let Err(error) = open.append(true).create(true).open(path) {
            eprintln!("tickwire-bots: {}: {error}", path.display());
            return ExitCode::from(2);
        }
    }
    let outcome = match cast.run(options) {
        Ok(outcome) => outcome,
        Err(why) => {
            eprintln!("tickwire-bots: {why}");
            return ExitCode::from(2);
        }
    };
    print!("{}", outcome.report);
    let json = json.map(|path| {
        (
            path,
            serde_json::to_string_pretty(&outcome.report).unwrap_or_default(),
        )
    });
    let html = html.map(|path| (path, html::page(&outcome)));
    let mut is_written = true;
    for (path, text) in json.into_iter().chain(html) {
        if let Err(error) = fs::write(&path, text) {
            eprintln!("tickwire-bots: {}: {error}", path.display());
            is_written = false;
        }
    }
    let failures = outcome.report.failures();
    if !failures.is_empty() {
        eprintln!("failed: {}", failures.join(", "));
        return ExitCode::FAILURE;
    }
    if is_written {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn of_a_names_addresses_the_one_with_a_server_is_taken() {
        let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let taken = server.local_addr().expect("it is bound");
        let other = ([127, 0, 0, 2], taken.port()).into();
        assert_eq!(choose(&[other, taken]), Some(taken));
        assert_eq!(choose(&[other, other]), Some(other));
        assert_eq!(choose(&[]), None);
    }

    #[test]
    fn a_server_that_never_answers_is_named() {
        let mute = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = mute.local_addr().expect("it is bound");
        let options = Options {
            bots: 1,
            duration: Duration::from_millis(500),
            quiet: true,
            ..Options::for_target(&format!("ws://{address}/play"))
        };
        let outcome = run(options, |_, _| Err("nobody plays".into())).expect("it can begin");
        let complaints = outcome.report.complaints;
        assert_eq!(complaints, [format!("no answer from {address}")]);
        assert_eq!(outcome.whole.attempts_failed, 1);
    }

    #[test]
    fn seconds_after_the_duration_leave_their_errors_to_the_last() {
        let slice = |players, disconnects| Slice {
            players,
            disconnects,
            ..Slice::default()
        };
        let slices = [slice(8, 0), slice(8, 1), slice(3, 2), slice(0, 4)];
        let kept = |seconds_whole| {
            let mut seconds = slices.iter().map(Second::from).collect();
            keep_whole(&mut seconds, seconds_whole);
            let kept = seconds.iter();
            kept.map(|second| (second.players, second.errors))
                .collect::<Vec<_>>()
        };
        assert_eq!(kept(2), [(8, 0), (8, 7)]);
        assert_eq!(kept(9).len(), 4, "a thread may have ended early");
    }

    #[test]
    fn a_run_is_called_off_when_nobody_listens_and_only_then() {
        let unheard = Slice {
            unopened: 5,
            ..Slice::default()
        };
        assert!(!is_hopeless(UNOPENED_SECONDS_MAX - 1, &unheard));
        assert!(is_hopeless(UNOPENED_SECONDS_MAX, &unheard));
        let heard = Slice {
            opened: 1,
            ..unheard
        };
        assert!(!is_hopeless(UNOPENED_SECONDS_MAX, &heard));
        assert!(!is_hopeless(UNOPENED_SECONDS_MAX, &Slice::default()));
    }

    #[test]
    fn a_run_without_a_server_ends_in_seconds_and_says_what_to_do() {
        let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = other.local_addr().expect("it is bound").port();
        let address = SocketAddr::from(([127, 0, 0, 2], port));
        let options = Options {
            bots: 2,
            duration: Duration::from_secs(3600),
            quiet: true,
            ..Options::for_target(&format!("ws://{address}/play"))
        };
        let report = run(options, |_, _| Err("nobody plays".into()))
            .expect("it can begin")
            .report;
        assert!(
            report.failures()[0].contains("start the server"),
            "{report}"
        );
        assert!(report.attempts_failed >= 2, "{report}");
        assert!(
            report.complaints[0].contains(&address.to_string()),
            "{report}"
        );
    }
}
