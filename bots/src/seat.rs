//! One bot over all its connections: readiness and timers in, bytes to its socket and counts out.
//!
//! ```text
//!   Waiting ──its time──▶ Connected ──the run ends──▶ Connected, leaving ──closed──▶ Done
//!      ▲                      │ closed, lost or broken
//!      └──a second, or less───┘
//! ```

use mio::{Registry, Token};
use tickwire_protocol::{
    error::{CloseCode, PeerError, PeerMisbehaved},
    time::Micros,
};

use crate::{
    arrival::Look,
    conduct::Conduct,
    connection::{Connection, Ended, Happened},
    mischief,
    player::{Person, Player, Standing},
    statistics::Slice,
    worker::Plan,
};

/// How long a bot waits before it connects again, unless it flaps.
const RETRY_MICROS: Micros = Micros::from_millis(1000);

/// How long a flapping bot plays, and then is away: it drops its connection every second.
const FLAP_MICROS: Micros = Micros::from_millis(750);
const FLAP_PAUSE_MICROS: Micros = Micros::from_millis(250);

/// How often a bot in full compares its replica during the run.
const COMPARE_MICROS: Micros = Micros::from_millis(5000);

/// How soon a bot asks again at the end: while a part of what it sees waits for bytes, the server has no
/// word on it.
const COMPARE_AGAIN_MICROS: Micros = Micros::from_millis(1000);

/// The least span between two wake-ups: a deadline that has passed must not become a busy loop.
const WAKE_MICROS_MIN: Micros = Micros(500);

/// Never, for a run of any length.
const NEVER: Micros = Micros(u64::MAX);

/// What a seat acts on, for the time of one call.
pub struct Scene<'a> {
    /// The run's plan.
    pub plan: &'a Plan,
    /// The thread's poll.
    pub registry: &'a Registry,
    /// The seat's own token.
    pub token: Token,
    /// The thread's read buffer.
    pub buffer: &'a mut [u8],
    /// Where the thread counts.
    pub slice: &'a mut Slice,
    /// When the thread looked at its sockets last.
    pub look: Look,
    /// The time since the run began.
    pub now: Micros,
}

struct Line {
    connection: Connection,
    player: Option<Player>,
    bytes_counted: u64,
    is_leaving: bool,
}

/// The place of one bot in a thread.
pub struct Seat {
    person: Person,
    random: fastrand::Rng,
    line: Option<Line>,
    /// When to connect; [`NEVER`] while connected and when done.
    connect_at: Micros,
    /// When to do what the conduct asks for next.
    act_at: Micros,
    /// When to read; [`NEVER`] while the poll says when.
    read_at: Micros,
    /// A stalling bot does not read before then.
    reads_from: Micros,
    wake_at: Micros,
    /// Since when its playing time has not been counted.
    playing_since: Option<Micros>,
    was_welcomed: bool,
    is_ending: bool,
    mischief_done: u32,
}

impl Seat {
    /// The seat of bot `number`, which connects when the ramp comes to it.
    #[must_use]
    pub fn new(number: usize, plan: &Plan) -> Self {
        let conduct = plan.conducts[number];
        let connect_at = plan.options.ramp_moment(number);
        Self {
            person: Person::new(number, conduct, plan.options.read_period(conduct).is_none()),
            random: fastrand::Rng::with_seed(plan.options.seed.wrapping_add(number as u64)),
            line: None,
            connect_at,
            act_at: NEVER,
            read_at: NEVER,
            reads_from: Micros(0),
            wake_at: connect_at,
            playing_since: None,
            was_welcomed: false,
            is_ending: false,
            mischief_done: 0,
        }
    }

    /// When it wants to be woken.
    #[must_use]
    pub const fn wake_at(&self) -> Micros {
        self.wake_at
    }

    /// Whether it will never do anything again.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.is_ending && self.line.is_none()
    }

    /// Counts the time it has played since the last count, and says whether it plays.
    pub fn count_time(&mut self, now: Micros, slice: &mut Slice) -> bool {
        let Some(since) = self.playing_since.as_mut() else {
            return false;
        };
        slice.playing += now.since(*since).into();
        *since = now;
        true
    }

    /// Its socket is ready for something.
    pub fn handle_ready(&mut self, scene: &mut Scene<'_>) {
        let read = if scene.now < self.reads_from {
            Ok(())
        } else {
            self.read(scene)
        };
        let result = read.and_then(|()| self.write(scene));
        self.conclude(result, scene);
    }

    /// Its time has come.
    pub fn handle_timeout(&mut self, scene: &mut Scene<'_>) {
        if scene.now >= self.connect_at {
            self.connect(scene);
        }
        let result = self.pass_time(scene).and_then(|()| self.write(scene));
        self.conclude(result, scene);
    }

    /// The run is over: compares what is to be compared, and leaves.
    pub fn end(&mut self, scene: &mut Scene<'_>) {
        self.is_ending = true;
        self.connect_at = NEVER;
        self.act_at = NEVER;
        self.reads_from = Micros(0);
        // What a bot left unread raises no readiness anew, and belongs to the run.
        let read = self.read(scene);
        if read.is_ok() {
            let is_full = self.person.conduct == Conduct::Full;
            match self.line.as_mut().and_then(|line| line.player.as_mut()) {
                Some(player) if is_full && player.standing() == Standing::Playing => {
                    player.compare();
                    self.act_at = scene.now + COMPARE_AGAIN_MICROS;
                }
                _ => self.leave(scene),
            }
        }
        let result = read.and_then(|()| self.write(scene));
        self.conclude(result, scene);
    }

    /// Drops the connection, whatever it still waits for.
    pub fn abandon(&mut self, scene: &mut Scene<'_>) {
        self.stop_playing(scene);
        if let Some(mut line) = self.line.take() {
            line.connection.deregister(scene.registry);
        }
    }

    /// Counts the rest of what it played.
    fn stop_playing(&mut self, scene: &mut Scene<'_>) {
        let player = self.line.as_ref().and_then(|line| line.player.as_ref());
        if self.playing_since.is_some()
            && let Some(player) = player
        {
            player.finish(scene.now, &self.person, scene.slice);
        }
        self.count_time(scene.now, scene.slice);
        self.playing_since = None;
    }

    fn connect(&mut self, scene: &mut Scene<'_>) {
        self.connect_at = NEVER;
        let plan = scene.plan;
        match plan.cast.joining(self.person.number, &plan.options) {
            Ok(join) => self.person.join = join,
            Err(complaint) => {
                // It would be no other the next time.
                scene.slice.unmade += 1;
                scene.slice.complain(&complaint);
                return;
            }
        }
        let target = &plan.options.url;
        match Connection::open(
            scene.registry,
            scene.token,
            plan.address,
            target,
            &mut self.random,
        ) {
            Ok(connection) => {
                if self.person.conduct == Conduct::Stalls {
                    connection.narrow();
                }
                self.line = Some(Line {
                    connection,
                    player: None,
                    bytes_counted: 0,
                    is_leaving: false,
                });
            }
            Err(error) => {
                scene.slice.complain(&format!("no socket: {error}"));
                scene.slice.unopened += 1;
                scene.slice.attempts_failed += u64::from(self.person.conduct.is_player());
                self.connect_at = scene.now + RETRY_MICROS;
            }
        }
    }

    fn read(&mut self, scene: &mut Scene<'_>) -> Result<(), Ended> {
        let Some(Line {
            connection,
            player,
            bytes_counted,
            ..
        }) = &mut self.line
        else {
            return Ok(());
        };
        if scene.now >= self.read_at {
            let period = scene.plan.options.read_period(self.person.conduct);
            self.read_at = period.map_or(NEVER, |period| scene.now + period);
        }
        let (person, random, now) = (&mut self.person, &mut self.random, scene.now);
        let (plan, slice) = (scene.plan, &mut *scene.slice);
        let result = connection.handle_readable(scene.buffer, &scene.look, |happened| {
            match (happened, player.as_mut()) {
                (Happened::Opened, _) => {
                    slice.opened += 1;
                    let hz = u64::from(plan.options.input_hz);
                    let press_period = Micros::PER_SECOND.checked_div(hz).map(Micros);
                    *player = Some(Player::new(
                        person,
                        &plan.options.room_of(person.number),
                        press_period,
                        random.u64(..),
                        now,
                    ));
                    Ok(())
                }
                (Happened::Message(message, arrived), Some(player)) => {
                    player.handle_message(message, arrived, person, plan.cast.make_bot(), slice)
                }
                (Happened::Message(..), None) => Ok(()),
            }
        });
        if self.person.conduct.is_player() {
            scene.slice.bytes += connection.bytes_received() - *bytes_counted;
            *bytes_counted = connection.bytes_received();
        }
        self.notice(scene);
        result
    }

    /// Draws the consequences of what the player was told.
    fn notice(&mut self, scene: &mut Scene<'_>) {
        let Some(line) = &mut self.line else { return };
        let Some(player) = &mut line.player else {
            return;
        };
        let is_new = self.act_at == NEVER && self.playing_since.is_none() && !self.is_ending;
        match player.standing() {
            Standing::Playing if is_new => {
                if self.person.conduct.is_player() {
                    self.playing_since = Some(scene.now);
                    scene.slice.connected += u64::from(!self.was_welcomed);
                }
                self.was_welcomed = true;
                if let Some(period) = scene.plan.options.read_period(self.person.conduct) {
                    // To be woken for every snapshot costs the bot more than reading it, and the server too.
                    line.connection.deregister(scene.registry);
                    self.read_at = scene.now + Micros(self.random.u64(..period.0));
                }
                self.act_at = match self.person.conduct {
                    // Dithered, so that not all replicas are summed in one tick.
                    Conduct::Full => scene.now + Micros(self.random.u64(..COMPARE_MICROS.0)),
                    Conduct::Light => NEVER,
                    Conduct::Stalls => scene.now + scene.plan.options.stall_after.into(),
                    Conduct::Flaps => scene.now + FLAP_MICROS,
                    Conduct::Garbage | Conduct::Floods => scene.now + mischief::DELAY_MICROS,
                };
            }
            Standing::Equal | Standing::Different => self.leave(scene),
            _ => {}
        }
    }

    fn pass_time(&mut self, scene: &mut Scene<'_>) -> Result<(), Ended> {
        if scene.now >= self.read_at {
            self.read(scene)?;
        }
        let Some(line) = &mut self.line else {
            return Ok(());
        };
        if let Some(player) = &mut line.player {
            player
                .handle_timeout(scene.now, &mut self.person, scene.slice)
                .map_err(Ended::Broken)?;
        }
        if scene.now < self.act_at {
            return Ok(());
        }
        let Some(player) = &mut line.player else {
            return Ok(());
        };
        match self.person.conduct {
            Conduct::Full => {
                player.ask_checksum();
                let period = if self.is_ending {
                    COMPARE_AGAIN_MICROS
                } else {
                    COMPARE_MICROS
                };
                self.act_at = scene.now + period;
            }
            Conduct::Light => self.act_at = NEVER,
            Conduct::Stalls if scene.now >= self.reads_from && self.reads_from.0 > 0 => {
                self.reads_from = Micros(0);
                self.act_at = scene.now + scene.plan.options.stall_after.into();
                self.read(scene)?;
            }
            Conduct::Stalls => {
                self.reads_from = scene.now + scene.plan.options.stall_for.into();
                self.act_at = self.reads_from;
            }
            Conduct::Flaps => return Err(Ended::Lost("it flaps".into())),
            Conduct::Garbage => {
                mischief::garbage(self.mischief_done, &mut self.random, &mut line.connection);
                self.mischief_done += 1;
                self.act_at = scene.now + mischief::PATIENCE_MICROS;
            }
            Conduct::Floods => {
                mischief::flood(&mut line.connection);
                self.act_at = scene.now + mischief::FLOOD_PERIOD_MICROS;
            }
        }
        Ok(())
    }

    fn write(&mut self, scene: &mut Scene<'_>) -> Result<(), Ended> {
        let Some(line) = &mut self.line else {
            return Ok(());
        };
        if let Some(player) = &mut line.player {
            let mut message = Vec::new();
            while player.poll_message(scene.now, &mut message) {
                line.connection.push_message(&message);
                message.clear();
            }
        }
        if line.connection.unsent_bytes() > 0 {
            line.connection.flush()
        } else {
            Ok(())
        }
    }

    fn leave(&mut self, scene: &mut Scene<'_>) {
        self.stop_playing(scene);
        let Some(line) = &mut self.line else { return };
        if line.is_leaving {
            return;
        }
        line.is_leaving = true;
        if let Some(player) = &mut line.player {
            player.leave();
            let mut message = Vec::new();
            while player.poll_message(scene.now, &mut message) {
                line.connection.push_message(&message);
                message.clear();
            }
            line.connection
                .push_close(CloseCode::Normal, "the load test is over");
        } else {
            if self.person.conduct.is_player() {
                let address = scene.plan.address;
                scene.slice.complain(&format!("no answer from {address}"));
                scene.slice.attempts_failed += 1;
            }
            // Nothing was agreed that a farewell could end.
            self.abandon(scene);
        }
    }

    /// Ends the connection when that is the result, and sets the next timer.
    fn conclude(&mut self, result: Result<(), Ended>, scene: &mut Scene<'_>) {
        if let Err(ended) = result {
            self.on_ended(&ended, scene);
        }
        let player = self.line.as_ref().and_then(|line| line.player.as_ref());
        let is_reading = scene.now >= self.reads_from;
        let timer = player
            .filter(|_| is_reading)
            .map_or(NEVER, Player::poll_timeout);
        self.wake_at = timer
            .min(self.act_at)
            .min(self.read_at)
            .min(self.connect_at)
            .max(scene.now + WAKE_MICROS_MIN);
    }

    fn on_ended(&mut self, ended: &Ended, scene: &mut Scene<'_>) {
        let was_leaving = self.line.as_ref().is_some_and(|line| line.is_leaving);
        let was_playing = self.playing_since.is_some();
        let was_open = self.line.as_ref().is_some_and(|line| line.player.is_some());
        scene.slice.unopened += u64::from(!was_open);
        if let Ended::Closed { code, .. } = ended {
            *scene.slice.closes.entry(*code).or_default() += 1;
        }
        if self.person.conduct.is_player() && !was_leaving {
            scene.slice.disconnects += u64::from(was_playing);
            scene.slice.attempts_failed += u64::from(!was_playing);
            // A server that is late, or does not read, says nothing wrong.
            let is_broken = match ended {
                Ended::Broken(PeerError::Misbehaved(
                    PeerMisbehaved::TimedOut(_) | PeerMisbehaved::TooSlow(_),
                )) => false,
                Ended::Broken(PeerError::Decode(_) | PeerError::Misbehaved(_)) => true,
                _ => false,
            };
            scene.slice.decode_errors += u64::from(is_broken);
            let farewell = self
                .line
                .as_ref()
                .and_then(|line| line.player.as_ref())
                .and_then(Player::farewell);
            let farewell =
                farewell.map_or_else(String::new, |farewell| format!(" ({})", farewell.reason));
            let address = scene.plan.address;
            scene.slice.complain(&match ended {
                Ended::Lost(why) if !was_open => format!("no connection to {address}: {why}"),
                _ => format!("{ended}{farewell}"),
            });
        }
        let has_flapped = self.person.conduct == Conduct::Flaps && scene.now >= self.act_at;
        let pause = if has_flapped {
            FLAP_PAUSE_MICROS
        } else {
            RETRY_MICROS
        };
        self.abandon(scene);
        self.act_at = NEVER;
        self.read_at = NEVER;
        self.reads_from = Micros(0);
        self.connect_at = if self.is_ending {
            NEVER
        } else {
            scene.now + pause
        };
    }
}
