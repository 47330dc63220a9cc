//! The command line in, a checked plan of the load test out.

use std::{path::PathBuf, time::Duration};

use tickwire_protocol::{
    time::Micros,
    websocket::{Address, AddressError},
};

use crate::{
    conduct::Conduct,
    limits::{BOTS_MAX, LOOK_PERIOD},
    payload::Payload,
};

/// Load-tests a Tickwire server with bots that speak its real protocol.
///
/// Every bot joins, sends input, decodes every snapshot and compares its replica with the server's
/// checksum at the end. Exits with 1 when a bot was not served as a player should be, or when nobody listens.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "tickwire-bots", version)]
pub struct Options {
    /// Where to play, as ws://127.0.0.1:8080/play
    #[arg(long, value_parser = parse_url)]
    pub url: Address,

    /// How many connections
    #[arg(long, default_value_t = 10, value_parser = parse_bots)]
    pub bots: usize,

    /// How long to play once the first bot starts, as 30s, 5m or 500ms
    #[arg(long, default_value = "30s", value_parser = parse_span)]
    pub duration: Duration,

    /// Connections opened per second
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub ramp: u32,

    /// Threads that share the connections; 0 means one per core, up to four
    #[arg(long, default_value_t = 0)]
    pub threads: usize,

    /// Decides every bot's behaviour: the same seed plays the same inputs
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// The room to join
    #[arg(long, default_value = "")]
    pub room: String,

    /// Spread over this many rooms: --room with a number behind it
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub rooms: u32,

    /// What every bot says at the door, as JSON: the game's own part of the handshake, for a game that reads it
    /// when a player knocks or joins, as '{"team":"red"}'
    #[arg(long, value_name = "JSON")]
    pub join: Option<Payload>,

    /// What the bots press
    #[arg(long, value_enum, default_value_t = Play::Random)]
    pub play: Play,

    /// Inputs a second and bot; 0 means one each tick
    #[arg(long, default_value_t = 0)]
    pub input_hz: u32,

    /// Share of the playing bots that decode everything (0 to 1); the others check frames, order and ticks only
    #[arg(long, default_value_t = 1.0, value_parser = parse_share)]
    pub decode: f64,

    /// How often a bot that does not decode everything reads its socket, as 200ms. Beyond 1ms it costs the
    /// machine less, and is not timed: the intervals and latencies are then those of the bots that decode
    #[arg(long, default_value = "1ms", value_parser = parse_span)]
    pub light_read: Duration,

    /// Share of bots that stop reading for --stall-for, again and again
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    pub stall: f64,

    /// How long a stalling bot does not read
    #[arg(long, default_value = "5s", value_parser = parse_span)]
    pub stall_for: Duration,

    /// How long a stalling bot reads before it stops, each time
    #[arg(long, default_value = "1s", value_parser = parse_span)]
    pub stall_after: Duration,

    /// Share of bots that drop their connection every second and come back
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    pub flap: f64,

    /// Share of bots that send bytes that are no protocol
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    pub garbage: f64,

    /// Share of bots that send far more than a player may
    #[arg(long, default_value_t = 0.0, value_parser = parse_share)]
    pub flood: f64,

    /// Write the result as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write a report with plots as one HTML page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// No progress bar
    #[arg(long)]
    pub quiet: bool,
}

/// What the bots press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Play {
    /// Any value that the game's input type allows, held for a moment, then another.
    Random,
    /// A fixed cycle: every field sweeps through its range, the same for every bot and run.
    Scripted,
    /// Nothing: the neutral input.
    Idle,
}

impl Options {
    /// The defaults, aimed at `url`.
    ///
    /// # Panics
    /// When `url` is no `ws://` address.
    #[must_use]
    pub fn for_target(url: &str) -> Self {
        use clap::Parser as _;
        let line = ["tickwire-bots", "--url", url];
        Self::try_parse_from(line).expect("a ws:// address")
    }

    /// What is wrong with the options taken together, if anything.
    ///
    /// # Errors
    /// With the sentence for the user.
    pub fn check(&self) -> Result<(), String> {
        let misbehaving = self.stall + self.flap + self.garbage + self.flood;
        if misbehaving > 1.0 {
            return Err(format!(
                "--stall, --flap, --garbage and --flood together ask for {misbehaving:.2} of the bots"
            ));
        }
        if self.duration.is_zero() {
            return Err("--duration must be longer than nothing".into());
        }
        let last = self.ramp_moment(self.bots.saturating_sub(1));
        if last >= self.duration.into() {
            let seconds = Duration::from(last).as_secs() + 1;
            let per_second = (self.bots as f64 / self.duration.as_secs_f64()).ceil();
            return Err(format!(
                "the last of {} bots would not connect before the end: --duration {seconds}s or --ramp {per_second}, \
                 or more",
                self.bots
            ));
        }
        Ok(())
    }

    /// When a bot connects, from the run's start on.
    #[must_use]
    pub fn ramp_moment(&self, number: usize) -> Micros {
        Micros(number as u64 * Micros::PER_SECOND / u64::from(self.ramp))
    }

    /// The room that a bot joins.
    #[must_use]
    pub fn room_of(&self, number: usize) -> String {
        if self.rooms == 1 {
            self.room.clone()
        } else {
            format!("{}{}", self.room, number % self.rooms as usize)
        }
    }

    /// How often bots with that conduct read by the clock, if they do not wait for their sockets.
    #[must_use]
    pub fn read_period(&self, conduct: Conduct) -> Option<Micros> {
        let period = Micros::from(self.light_read);
        (conduct == Conduct::Light && period > LOOK_PERIOD).then_some(period)
    }

    /// The threads that will share the connections.
    #[must_use]
    pub fn thread_count(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let asked = if self.threads == 0 {
            cores.min(4)
        } else {
            self.threads
        };
        asked.min(self.bots)
    }
}

/// TLS is refused: a load test measures the server behind its proxy.
fn parse_url(text: &str) -> Result<Address, String> {
    let url: Address = text
        .parse()
        .map_err(|error: AddressError| error.to_string())?;
    if url.is_secure {
        return Err(
            "bots speak plain ws:// only: aim them at the server behind its TLS proxy".into(),
        );
    }
    Ok(url)
}

fn parse_bots(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bots) if (1..=BOTS_MAX).contains(&bots) => Ok(bots),
        _ => Err(format!("a number from 1 to {BOTS_MAX}")),
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share from 0 to 1, as 0.1 for a tenth".into()),
    }
}

/// A span with its unit: `500ms`, `30s`, `5m`; a bare number counts seconds.
fn parse_span(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds_per_unit = match &text[digits.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("a span ends with ms, s, m or h".into()),
    };
    let amount: f64 = digits
        .parse()
        .map_err(|_| "a span is a number with a unit, as 30s".to_owned())?;
    Duration::try_from_secs_f64(amount * seconds_per_unit).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Options, parse_span, parse_url};
    use clap::Parser as _;
    use std::time::Duration;

    fn parse(rest: &[&str]) -> Result<Options, String> {
        let line = ["tickwire-bots", "--url", "ws://127.0.0.1:1/play"]
            .iter()
            .chain(rest);
        let options = Options::try_parse_from(line).map_err(|error| error.to_string())?;
        options.check().map(|()| options)
    }

    #[test]
    fn only_plain_addresses_are_taken() {
        let url = parse_url("ws://127.0.0.1:8080/play?room=a").expect("a plain one");
        assert_eq!(url.path, "/play?room=a");
        assert!(parse_url("wss://host/play").is_err_and(|reason| reason.contains("TLS")));
        assert!(parse_url("http://host/play").is_err_and(|reason| reason.contains("ws://")));
    }

    #[test]
    fn a_span_carries_its_unit() {
        assert_eq!(parse_span("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_span("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_span("7"), Ok(Duration::from_secs(7)));
        assert!(parse_span("7 weeks").is_err());
        assert!(parse_span("-1s").is_err());
        assert!(parse_span("s").is_err());
    }

    #[test]
    fn options_that_cannot_be_met_are_refused() {
        assert!(parse(&["--bots", "0"]).is_err());
        assert!(parse(&["--stall", "1.5"]).is_err());
        assert!(parse(&["--stall", "0.6", "--flap", "0.6"]).is_err());
        assert!(parse(&["--duration", "0s"]).is_err());
        assert!(parse(&["--ramp", "0"]).is_err());
    }

    #[test]
    fn a_ramp_that_is_longer_than_the_run_is_refused_with_what_would_do() {
        let slow = ["--bots", "600", "--ramp", "10", "--duration"];
        let refused = parse(&[&slow[..], &["30s"]].concat()).unwrap_err();
        assert!(refused.contains("--duration 60s"), "{refused}");
        assert!(refused.contains("--ramp 20"), "{refused}");
        assert!(parse(&[&slow[..], &["60s"]].concat()).is_ok());
        assert!(parse(&["--bots", "600", "--ramp", "20"]).is_ok());
    }

    #[test]
    fn bots_take_turns_at_the_rooms_there_are() {
        let options = parse(&["--room", "hall-", "--rooms", "2"]).unwrap();
        let rooms: Vec<String> = (0..3).map(|number| options.room_of(number)).collect();
        assert_eq!(rooms, ["hall-0", "hall-1", "hall-0"]);
        assert_eq!(parse(&["--room", "hall"]).unwrap().room_of(7), "hall");
        assert!(parse(&["--rooms", "0"]).is_err());
    }

    #[test]
    fn what_is_said_at_the_door_is_json() {
        let options = parse(&["--join", r#"{"team":"red"}"#]).unwrap();
        assert_eq!(options.join.unwrap().value()["team"], "red");
        assert!(parse(&["--join", "{team:red}"]).is_err());
        assert!(parse(&[]).unwrap().join.is_none());
    }

    #[test]
    fn there_are_never_more_threads_than_bots() {
        assert_eq!(
            parse(&["--bots", "3", "--threads", "8"])
                .unwrap()
                .thread_count(),
            3
        );
    }
}
