//! A bot's end of the protocol, without IO: messages and the time in, messages and counts out.
//!
//! The decision to question: it holds the session and the replica themselves, not the whole client
//! core. Interpolation and prediction draw pictures; thousands of players that nobody watches would
//! spend the machine's time on them that the server under test needs.

use std::{collections::VecDeque, sync::Arc};

use tickwire_protocol::{
    coding::Reader,
    error::{CloseCode, DecodeError, PeerError},
    input::InputLead,
    mux::StreamEvent,
    schema::Schema,
    session::{ClientEvent, ClientSession, Farewell, Hello, ResumeToken},
    snapshot::{Preamble, Replica, SnapshotHeader},
    time::{Micros, Tick},
};

use crate::{
    bot::{Bot, Eyes},
    conduct::Conduct,
    limits::{PRESSED_MAX, SILENCE_MICROS_MAX},
    statistics::Slice,
    voice::{ReceivedEvent, Voice},
};

/// Makes the bot for a player, once its game's schema is known.
pub type MakeBot = dyn Fn(usize, &Schema) -> Result<Box<dyn Bot>, String> + Send + Sync;

/// What outlives a connection: the player's bot, its seat, and the game it plays.
pub struct Person {
    /// The bot's number in the run.
    pub number: usize,
    /// How it behaves.
    pub conduct: Conduct,
    /// Whether it reads in time for what it sees to be timed.
    pub is_timed: bool,
    /// What it says at the door, as MessagePack.
    pub join: Vec<u8>,
    /// The seat it had, to come back to.
    pub resume: Option<ResumeToken>,
    /// The schema, once a server has said it.
    pub schema: Option<Arc<Schema>>,
    bot: Option<Box<dyn Bot>>,
}

impl Person {
    /// A person who has not met the game yet.
    #[must_use]
    pub const fn new(number: usize, conduct: Conduct, is_timed: bool) -> Self {
        Self {
            number,
            conduct,
            is_timed: is_timed && conduct.is_player(),
            join: Vec::new(),
            resume: None,
            schema: None,
            bot: None,
        }
    }
}

/// Where a player stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The handshake is under way.
    Joining,
    /// In the room.
    Playing,
    /// The checksum that ends the run has been asked for.
    Comparing,
    /// The replica was the server's.
    Equal,
    /// The replica was not the server's.
    Different,
    /// The server said goodbye.
    SentAway,
}

/// One connection's player.
pub struct Player {
    session: ClientSession,
    standing: Standing,
    farewell: Option<Farewell>,
    replica: Option<Replica>,
    lead: InputLead,
    /// Tick of the newest snapshot.
    newest: Option<Tick>,
    /// When it arrived; before the first, when the player was welcomed.
    served_at: Micros,
    pressed: VecDeque<(Tick, Micros)>,
    last_input: Option<Tick>,
    next_press: Micros,
    press_period: Option<Micros>,
    input: Vec<u8>,
}

impl Player {
    /// A player on a socket that has just opened. `press_period` overrides one input per tick.
    #[must_use]
    pub fn new(
        person: &Person,
        room: &str,
        press_period: Option<Micros>,
        seed: u64,
        now: Micros,
    ) -> Self {
        let hello = Hello {
            schema_hash: person.schema.as_ref().map_or(0, |schema| schema.hash()),
            resume: person.resume,
            name: format!("Bot {}", person.number),
            room: room.to_owned(),
            join: person.join.clone().into(),
        };
        Self {
            session: ClientSession::new(hello, seed, now),
            standing: Standing::Joining,
            farewell: None,
            replica: None,
            lead: InputLead::default(),
            newest: None,
            served_at: now,
            pressed: VecDeque::new(),
            last_input: None,
            next_press: now,
            press_period,
            input: Vec::new(),
        }
    }

    /// Where it stands.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// What the server said when it sent the player away.
    #[must_use]
    pub const fn farewell(&self) -> Option<&Farewell> {
        self.farewell.as_ref()
    }

    /// Takes one message.
    ///
    /// # Errors
    /// When it does not decode or is not allowed; the connection is of no more use.
    pub fn handle_message(
        &mut self,
        message: &[u8],
        now: Micros,
        person: &mut Person,
        make_bot: &MakeBot,
        slice: &mut Slice,
    ) -> Result<(), PeerError> {
        let snapshot = self.session.handle_message(message, now)?;
        while let Some(event) = self.session.poll_event() {
            self.on_event(event, now, person, make_bot, slice)?;
        }
        match snapshot {
            Some(snapshot) => self.on_snapshot(snapshot, now, person, slice),
            None => Ok(()),
        }
    }

    /// Takes the passing of time: says and presses what is due.
    ///
    /// # Errors
    /// When the server has been silent for too long, or takes no events.
    pub fn handle_timeout(
        &mut self,
        now: Micros,
        person: &mut Person,
        slice: &mut Slice,
    ) -> Result<(), PeerError> {
        self.session.handle_timeout(now)?;
        if self.standing != Standing::Joining && self.session.is_open() && now >= self.next_press {
            self.press(now, person, slice)?;
        }
        Ok(())
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Micros {
        let session = self.session.poll_timeout();
        if self.session.is_open() {
            session.min(self.next_press)
        } else {
            session
        }
    }

    /// Appends the next message to send, if there is one.
    pub fn poll_message(&mut self, now: Micros, out: &mut Vec<u8>) -> bool {
        self.session.poll_transmit(usize::MAX, now, out)
    }

    /// Asks that the next snapshot says what the replica must add up to.
    pub fn ask_checksum(&mut self) {
        // Refused only while there is no room to compare with.
        let _ = self.session.send_verify();
    }

    /// Asks the same for the last time: the answer ends the run for this player.
    pub fn compare(&mut self) {
        if self.session.send_verify().is_ok() {
            self.standing = Standing::Comparing;
        }
    }

    /// Says goodbye.
    pub fn leave(&mut self) {
        self.session
            .close(CloseCode::Normal, "the load test is over");
    }

    /// Counts what only the end tells: for how long the player has been without a snapshot.
    pub fn finish(&self, now: Micros, person: &Person, slice: &mut Slice) {
        let silence = now.since(self.served_at);
        slice.unserved += u64::from(silence > SILENCE_MICROS_MAX);
        // A shorter one is no interval: the next snapshot was not due.
        let is_overdue = silence.0 as f64 > self.session.clock().tick_period_micros();
        if person.is_timed && self.newest.is_some() && is_overdue {
            slice.interval.record(silence);
        }
    }

    fn on_event(
        &mut self,
        event: ClientEvent,
        now: Micros,
        person: &mut Person,
        make_bot: &MakeBot,
        slice: &mut Slice,
    ) -> Result<(), PeerError> {
        match event {
            ClientEvent::Welcomed(welcome) => {
                person.resume = Some(welcome.resume);
                if let Some(bytes) = &welcome.schema {
                    person.schema = Some(Arc::new(Schema::decode(bytes)?));
                }
                let Some(schema) = &person.schema else {
                    return Err(DecodeError::Invalid("a welcome without a schema").into());
                };
                if person.bot.is_none() {
                    match make_bot(person.number, schema) {
                        Ok(bot) => person.bot = Some(bot),
                        Err(complaint) => {
                            slice.unmade += 1;
                            slice.complain(&complaint);
                        }
                    }
                }
                // Only a bot in full looks inside; the rest check what surrounds a snapshot.
                self.replica =
                    (person.conduct == Conduct::Full).then(|| Replica::new(Arc::clone(schema)));
                self.standing = Standing::Playing;
                self.next_press = now;
                self.served_at = now;
                self.lend(now, person, slice, |bot, eyes, voice| {
                    bot.enter(welcome.resumed, eyes, voice);
                })?;
            }
            ClientEvent::Refused(farewell) | ClientEvent::Goodbye(farewell) => {
                if farewell.code == CloseCode::Refused.number() {
                    // The seat is gone: with its token one would only hear so again.
                    person.resume = None;
                }
                self.standing = Standing::SentAway;
                self.farewell = Some(farewell);
            }
            ClientEvent::Event(bytes) => {
                let Some(schema) = person.schema.clone() else {
                    return Err(DecodeError::Invalid("an event before a schema").into());
                };
                let event = ReceivedEvent::split(&schema, &bytes)?;
                slice.events_heard += u64::from(person.conduct.is_player());
                self.lend(now, person, slice, |bot, eyes, voice| {
                    bot.hear(&event, eyes, voice);
                })?;
            }
            ClientEvent::Stream(StreamEvent::Opened(offer)) => {
                if let Ok(streams) = self.session.streams() {
                    // A stream that is gone already needs no refusal.
                    let _ = streams.refuse(offer.id, 0, "a bot takes no streams");
                }
            }
            ClientEvent::Stream(_) => {}
        }
        Ok(())
    }

    /// Lets the player's bot see and speak, if it has one.
    fn lend(
        &mut self,
        now: Micros,
        person: &mut Person,
        slice: &mut Slice,
        act: impl FnOnce(&mut dyn Bot, &Eyes<'_>, &mut Voice<'_>),
    ) -> Result<(), PeerError> {
        let (Some(bot), Some(schema)) = (&mut person.bot, &person.schema) else {
            return Ok(());
        };
        let (tick, _) = self.lead.due(self.session.clock(), now);
        let eyes = Eyes {
            tick,
            schema,
            replica: self.replica.as_ref(),
        };
        let mut voice = Voice::new(&mut self.session, schema);
        act(&mut **bot, &eyes, &mut voice);
        voice.settle(person.conduct.is_player(), slice)
    }

    fn on_snapshot(
        &mut self,
        snapshot: &[u8],
        now: Micros,
        person: &Person,
        slice: &mut Slice,
    ) -> Result<(), PeerError> {
        let before = self.newest;
        let header = match &mut self.replica {
            Some(replica) => replica.apply(snapshot)?.header,
            None => peek(snapshot, before.unwrap_or_default())?,
        };
        if before.is_some_and(|before| !header.tick.is_after(before)) {
            return Err(DecodeError::Invalid("a snapshot of an old tick").into());
        }
        if let (Some(replica), Some(checksum)) = (&self.replica, header.checksum) {
            let is_equal = replica.checksum() == checksum;
            if !is_equal {
                slice.diverged += 1;
                slice.complain(&format!(
                    "a replica differs from the server's at tick {}",
                    header.tick
                ));
            } else if self.standing == Standing::Comparing {
                slice.verified += 1;
            }
            if self.standing == Standing::Comparing {
                self.standing = if is_equal {
                    Standing::Equal
                } else {
                    Standing::Different
                };
            }
        }
        if let Some(margin) = header.input_margin_ticks {
            self.lead
                .on_margin_ticks(margin, self.session.clock().rtt_smoothed_ticks());
        }
        if person.conduct.is_player() {
            slice.snapshots += 1;
            slice.missed_ticks += before.map_or(0, |before| missed(before, header.tick));
        }
        if person.is_timed && before.is_some() {
            slice.interval.record(now.since(self.served_at));
        }
        self.newest = Some(header.tick);
        self.served_at = now;
        if let Some(taken) = header.input {
            self.on_input_taken(taken, now, person.is_timed, slice);
        }
        Ok(())
    }

    /// The newest state holds the effect of every input up to this one.
    fn on_input_taken(&mut self, taken: Tick, now: Micros, is_timed: bool, slice: &mut Slice) {
        while let Some(&(tick, pressed_at)) = self.pressed.front()
            && !tick.is_after(taken)
        {
            self.pressed.pop_front();
            if is_timed {
                slice.input_to_effect.record(now.since(pressed_at));
            }
        }
    }

    fn press(
        &mut self,
        now: Micros,
        person: &mut Person,
        slice: &mut Slice,
    ) -> Result<(), PeerError> {
        let clock = self.session.clock();
        let (tick, fraction) = self.lead.due(clock, now);
        self.next_press = match self.press_period {
            // From when it was due, not from now: else bots that were late together press together ever after.
            Some(period) => (self.next_press + period).max(now + Micros(period.0 / 2)),
            None => now + clock.until_next_tick(fraction),
        };

        if let Some(last) = self.last_input {
            if InputLead::is_beyond(last, tick) {
                self.pressed.retain(|&(pressed, _)| tick.is_after(pressed));
            } else if !tick.is_after(last) {
                return Ok(());
            }
        }
        let (Some(bot), Some(schema)) = (&mut person.bot, &person.schema) else {
            return Ok(());
        };
        let eyes = Eyes {
            tick,
            schema,
            replica: self.replica.as_ref(),
        };
        let mut voice = Voice::new(&mut self.session, schema);
        bot.speak(&eyes, &mut voice);
        voice.settle(person.conduct.is_player(), slice)?;
        self.input.clear();
        bot.press(&eyes, &mut self.input);
        if self.input.is_empty() {
            return Ok(());
        }
        if let Err(misuse) = self.session.push_input(tick, &self.input) {
            slice.complain(&misuse.to_string());
            return Ok(());
        }
        self.last_input = Some(tick);
        slice.inputs += u64::from(person.conduct.is_player());
        if self.pressed.len() == PRESSED_MAX {
            self.pressed.pop_front();
        }
        self.pressed.push_back((tick, now));
        Ok(())
    }
}

/// Ticks between two snapshots that follow each other.
fn missed(before: Tick, tick: Tick) -> u64 {
    u64::try_from(tick.since(before) - 1).unwrap_or_default()
}

/// What stands at the front of a snapshot that is not decoded further.
fn peek(snapshot: &[u8], before: Tick) -> Result<SnapshotHeader, PeerError> {
    let preamble = Preamble::decode(&mut Reader::new(snapshot), before)?;
    Ok(SnapshotHeader {
        tick: before + preamble.ticks,
        input: preamble.input,
        input_margin_ticks: preamble.input_margin_ticks,
        checksum: preamble.checksum,
        ..SnapshotHeader::default()
    })
}

#[cfg(test)]
mod tests {
    use tickwire_protocol::{
        event::{self, GameEvent},
        id::{PlayerId, SessionId},
        schema::{EventDirection, EventSchema},
        session::{ServerEvent, ServerSession, Welcome},
        stream::Class,
        time::RoomTime,
    };

    use super::*;

    struct Presser;

    impl Bot for Presser {
        fn press(&mut self, _: &Eyes<'_>, input: &mut Vec<u8>) {
            input.push(1);
        }
    }

    const fn time(now: Micros) -> RoomTime {
        RoomTime {
            now,
            next_tick: Tick(1),
            next_tick_due: now,
        }
    }

    /// The server's next message.
    fn next_of(server: &mut ServerSession, now: Micros) -> Vec<u8> {
        let mut message = Vec::new();
        assert!(server.poll_transmit(Class::Bulk, usize::MAX, time(now), &mut message));
        message
    }

    /// A server that lets the player in before tick 1, and the message in which it does.
    fn welcome(player: &mut Player, schema: &Schema, now: Micros) -> (ServerSession, Vec<u8>) {
        let mut message = Vec::new();
        assert!(player.poll_message(now, &mut message));
        let mut session = ServerSession::new(now);
        session
            .handle_message(&message, time(now))
            .expect("a hello");
        let mut bytes = Vec::new();
        schema.encode(&mut bytes);
        let welcome = Welcome {
            session: SessionId(1),
            player: PlayerId(1),
            resume: ResumeToken([0; 16]),
            resumed: false,
            tick_rate_millihertz: 20_000,
            next_tick: Tick(1),
            next_tick_due: now,
            server_time: now,
            message_bytes_max: 65_536,
            silence_micros_max: Micros::from_millis(30_000),
            schema: Some(bytes.into()),
        };
        session.accept(welcome, now).expect("it said hello");
        let message = next_of(&mut session, now);
        (session, message)
    }

    #[test]
    fn ticks_between_two_snapshots_are_missed() {
        assert_eq!(missed(Tick(7), Tick(8)), 0);
        assert_eq!(missed(Tick(7), Tick(10)), 2);
        assert_eq!(missed(Tick(u32::MAX), Tick(2)), 2);
    }

    #[test]
    fn a_player_without_a_snapshot_for_seconds_is_unserved_and_its_interval_counts() {
        let person = Person::new(0, Conduct::Full, true);
        let mut player = Player::new(&person, "", None, 1, Micros(0));
        let mut slice = Slice::default();
        player.finish(SILENCE_MICROS_MAX, &person, &mut slice);
        assert_eq!((slice.unserved, slice.interval.count()), (0, 0));
        let later = SILENCE_MICROS_MAX + Micros(1);
        player.finish(later, &person, &mut slice);
        assert_eq!((slice.unserved, slice.interval.count()), (1, 0));
        player.newest = Some(Tick(7));
        player.finish(later, &person, &mut slice);
        assert_eq!((slice.unserved, slice.interval.count()), (2, 1));
        player.served_at = later;
        player.finish(later + Micros(1000), &person, &mut slice);
        assert_eq!((slice.unserved, slice.interval.count()), (2, 1));
    }

    #[test]
    fn a_player_says_at_the_door_what_it_has_to_say() {
        let mut person = Person::new(0, Conduct::Full, true);
        person.join = vec![0xa1, b'r'];
        let mut message = Vec::new();
        let mut player = Player::new(&person, "", None, 1, Micros(0));
        assert!(player.poll_message(Micros(0), &mut message));
        let mut server = ServerSession::new(Micros(0));
        server
            .handle_message(&message, time(Micros(0)))
            .expect("a hello");
        let said = server.poll_event();
        assert!(
            matches!(&said, Some(ServerEvent::Hello(hello)) if hello.join == person.join),
            "{said:?}"
        );
    }

    #[derive(serde::Serialize, serde::Deserialize, Debug, PartialEq)]
    struct Ready {
        team: u8,
    }

    impl GameEvent for Ready {
        const NAME: &'static str = "ready";
    }

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Begun;

    impl GameEvent for Begun {
        const NAME: &'static str = "begun";
    }

    /// Says that it is ready, once more for each beginning, and something that the game does not know.
    struct Talker;

    impl Bot for Talker {
        fn press(&mut self, _: &Eyes<'_>, _: &mut Vec<u8>) {}

        fn enter(&mut self, is_resumed: bool, _: &Eyes<'_>, voice: &mut Voice<'_>) {
            assert!(!is_resumed, "it is new");
            voice.send_event(&Ready { team: 1 });
            voice.send_event_payload("nothing", &[0xc0]);
        }

        fn hear(&mut self, event: &ReceivedEvent<'_>, eyes: &Eyes<'_>, voice: &mut Voice<'_>) {
            assert_eq!((event.name(), event.payload()), ("begun", &[0x90][..]));
            assert!(event.read::<Begun>().is_some() && event.read::<Ready>().is_none());
            assert!(eyes.tick().is_after(Tick(0)));
            voice.send_event_value("ready", &Ready { team: 2 });
        }

        fn speak(&mut self, _: &Eyes<'_>, voice: &mut Voice<'_>) {
            voice.send_event_payload("ready", b"\x81\xa4team\x03");
        }
    }

    #[test]
    fn a_bot_hears_the_games_events_and_sends_its_own() {
        let mut schema = Schema::new();
        for name in [Ready::NAME, Begun::NAME] {
            let event = EventSchema {
                name: name.to_owned(),
                direction: EventDirection::Both,
            };
            schema.add_event(event).expect("there is room for two");
        }
        let make_bot = |_: usize, _: &Schema| Ok(Box::new(Talker) as Box<dyn Bot>);
        let now = Micros::from_millis(1000);
        let mut person = Person::new(0, Conduct::Light, true);
        let mut player = Player::new(&person, "", None, 1, now);
        let mut slice = Slice::default();
        let (mut server, message) = welcome(&mut player, &schema, now);
        let mut begun = Vec::new();
        event::encode(1, &Begun, &mut begun);
        server.send_event(&begun).expect("it is open");
        for message in [message, next_of(&mut server, now)] {
            player
                .handle_message(&message, now, &mut person, &make_bot, &mut slice)
                .expect("what a server says");
        }
        player
            .handle_timeout(now, &mut person, &mut slice)
            .expect("no silence");
        let mut message = Vec::new();
        while player.poll_message(now, &mut message) {
            let said = server.handle_message(&message, time(now));
            said.expect("what a client says");
            message.clear();
        }
        let said = core::iter::from_fn(|| server.poll_event());
        let teams = said.filter_map(|event| match event {
            ServerEvent::Event(bytes) => Some(event::decode::<Ready>(&bytes[1..]).ok()?.team),
            _ => None,
        });
        assert_eq!(teams.collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((slice.events_sent, slice.events_heard), (3, 1));
        assert!(slice.complaints[0].contains("no event is named nothing"));
        assert_eq!(slice.complaints.len(), 1);
    }

    #[test]
    fn who_is_sent_away_comes_back_as_somebody_new() {
        let make_bot = |_: usize, _: &Schema| Err("nobody plays".to_owned());
        for (code, keeps) in [(CloseCode::GoingAway, true), (CloseCode::Refused, false)] {
            let mut person = Person::new(0, Conduct::Light, true);
            person.resume = Some(ResumeToken([7; 16]));
            let mut player = Player::new(&person, "", None, 1, Micros(0));
            let event = ClientEvent::Goodbye(Farewell::new(code, "the round is over"));
            player
                .on_event(
                    event,
                    Micros(0),
                    &mut person,
                    &make_bot,
                    &mut Slice::default(),
                )
                .expect("a farewell");
            assert_eq!(person.resume.is_some(), keeps, "{code:?}");
        }
    }

    #[test]
    fn who_has_pressed_for_ticks_that_the_room_put_off_presses_anew() {
        let mut person = Person::new(0, Conduct::Light, true);
        let now = Micros::from_millis(1000);
        let mut player = Player::new(&person, "", None, 1, now);
        let mut slice = Slice::default();
        let (_, message) = welcome(&mut player, &Schema::new(), now);
        let make_bot = |_: usize, _: &Schema| Ok(Box::new(Presser) as Box<dyn Bot>);
        player
            .handle_message(&message, now, &mut person, &make_bot, &mut slice)
            .expect("a welcome");
        for (last, inputs) in [(Tick(200), 1), (Tick(3), 1)] {
            player.last_input = Some(last);
            player.pressed = [(last, now)].into();
            player.next_press = now;
            player
                .handle_timeout(now, &mut person, &mut slice)
                .expect("no silence");
            assert_eq!(slice.inputs, inputs, "{last}");
        }
        assert_eq!(
            player.pressed,
            [(Tick(3), now)],
            "it waits for a room that is near"
        );
    }
}
