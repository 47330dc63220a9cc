//! Rooms that open, and players whose entity dies, who get another, who are told what others are not, who are sent
//! away, and who send inputs to a game that reads none.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bevy_ecs::prelude::*;
use serde::{Deserialize, Serialize};
use tickwire_protocol::{
    event::{self, GameEvent},
    id::NetworkId,
    limits::INPUT_BYTES_MAX,
    replicate::Replicate,
    session::{ClientEvent, ClientSession, ServerEvent},
    snapshot::Replica,
    time::RoomTime,
};

use super::*;
use crate::{
    game::{CurrentInput, FromPlayer, Game, Outbox, Players, RoomName},
    replication::{NetworkIds, Replicated},
    threads::Alone,
};

/// What a client holds down.
#[derive(Replicate, Clone, Copy, Debug, Default, PartialEq)]
struct Push(bool);

#[derive(Component, Replicate, Clone, Debug, PartialEq)]
struct Hull(u8);

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Wave;

impl GameEvent for Wave {
    const NAME: &'static str = "wave";
}

/// What the game's own code came across.
#[derive(Resource, Debug, Default)]
struct Diary {
    began_in: Option<RoomName>,
    left: Vec<(PlayerId, Option<Entity>, LeaveReason)>,
    waved: Vec<Option<Entity>>,
    ids: Vec<Option<NetworkId>>,
    ids_in_hooks: Vec<Option<NetworkId>>,
}

fn note(
    mut waves: MessageReader<'_, '_, FromPlayer<Wave>>,
    hulls: Query<'_, '_, Entity, With<Hull>>,
    ids: Res<'_, NetworkIds>,
    mut diary: ResMut<'_, Diary>,
) {
    diary.ids = hulls.iter().map(|hull| ids.id(hull)).collect();
    let named = diary.ids.iter().flatten().filter_map(|&id| ids.entity(id));
    assert!(named.eq(hulls.iter().filter(|&hull| ids.id(hull).is_some())));
    diary.waved.extend(waves.read().map(|wave| wave.entity));
}

/// What a hook reads of the ships' ids.
fn note_in_hook(world: &mut World) {
    let mut hulls = world.query_filtered::<Entity, With<Hull>>();
    let ids = world.resource::<NetworkIds>();
    let ids: Vec<_> = hulls.iter(world).map(|hull| ids.id(hull)).collect();
    world.resource_mut::<Diary>().ids_in_hooks.extend(ids);
}

fn game() -> Game {
    Game::new("ships")
        .replicate::<Hull>()
        .input::<Push>()
        .event::<Wave>()
        .insert_resource(Diary::default())
        .add_systems(note)
        .on_start(|world| {
            let name = world.resource::<RoomName>().clone();
            world.resource_mut::<Diary>().began_in = Some(name);
        })
        .on_knock(|world, _| {
            note_in_hook(world);
            Ok(())
        })
        .on_join(|world, _| {
            note_in_hook(world);
            world.spawn((Replicated, Hull(100))).id()
        })
        .on_leave(|world, leaving| {
            note_in_hook(world);
            let left = (leaving.player, leaving.entity, leaving.reason);
            world.resource_mut::<Diary>().left.push(left);
        })
}

/// The server's end of a client that has said hello, and what it said.
fn greeted(client: &mut ClientSession) -> (Box<ServerSession>, Box<Hello>) {
    let mut hello = Vec::new();
    client.poll_transmit(60_000, Micros(0), &mut hello);
    let mut session = Box::new(ServerSession::new(Micros(0)));
    session.handle_message(&hello, RoomTime::default()).unwrap();
    let Some(ServerEvent::Hello(hello)) = session.poll_event() else {
        panic!("no hello");
    };
    (session, hello)
}

/// A room with one player in it, both ends.
struct Table {
    room: Room,
    seat: SeatIndex,
    client: ClientSession,
    replica: Replica,
    now: Micros,
}

impl Table {
    fn new() -> Self {
        Self::of(game())
    }

    fn of(game: Game) -> Self {
        let mut room = Room::new(game, "den", 1, Micros(0)).unwrap();
        let mut client = ClientSession::new(Hello::default(), 1, Micros(0));
        let (session, hello) = greeted(&mut client);
        let seat = room.handle_join(session, &hello, ResumeToken([1; 16]), Micros(0));
        let mut table = Self {
            replica: Replica::new(room.replication().schema().clone()),
            seat: seat.unwrap(),
            client,
            room,
            now: Micros(0),
        };
        table.tick();
        table
    }

    /// A tick, and the message that the player gets.
    fn tick(&mut self) {
        self.now = self.room.next_due();
        self.room.tick(self.now, &Alone);
        let mut message = Vec::new();
        self.room.poll_transmit(self.seat, self.now, &mut message);
        if !message.is_empty()
            && let Some(snapshot) = self.client.handle_message(&message, self.now).unwrap()
        {
            self.replica.apply(snapshot).unwrap();
        }
    }

    /// A client comes on another connection, with that token.
    fn join(
        &mut self,
        resume: Option<ResumeToken>,
    ) -> Result<(SeatIndex, ClientSession), TurnedAway> {
        let hello = Hello {
            resume,
            ..Hello::default()
        };
        let mut client = ClientSession::new(hello, 1, Micros(0));
        let (session, hello) = greeted(&mut client);
        let seat = self
            .room
            .handle_join(session, &hello, ResumeToken([2; 16]), self.now)?;
        Ok((seat, client))
    }

    /// The player's client comes back. Gives the refusal, if it is one.
    fn come_back(&mut self) -> Option<(CloseCode, String)> {
        let joined = self.join(Some(ResumeToken([1; 16])));
        joined.err().map(|away| (away.code, away.reason))
    }

    /// The tokens that are worth nothing any more, as the shell learns of them.
    fn forgotten(&mut self) -> Vec<ResumeToken> {
        let events = core::iter::from_fn(|| self.room.poll_event());
        let forgotten = events.filter_map(|event| match event {
            RoomEvent::Forgotten { token } => Some(token),
            _ => None,
        });
        forgotten.collect()
    }

    fn wave(&mut self) {
        let (mut bytes, mut message) = (Vec::new(), Vec::new());
        event::encode(0, &Wave, &mut bytes);
        self.client.send_event(&bytes).unwrap();
        while self.client.poll_transmit(60_000, self.now, &mut message) {
            let taken = self.room.handle_message(self.seat, &message, self.now);
            assert_eq!(taken, Ok(()));
            message.clear();
        }
    }

    fn entity(&self) -> Entity {
        self.room.seats.get(self.seat).unwrap().entity
    }

    fn players(&mut self) -> Mut<'_, Players> {
        self.room.world.resource_mut()
    }

    fn diary(&self) -> &Diary {
        self.room.world.resource()
    }

    /// What the player shows as its own entity's hull.
    fn own_hull(&self) -> Option<u8> {
        let entity = self
            .room
            .replication
            .entity(self.replica.applied().header.own_entity?)?;
        self.room.world.get::<Hull>(entity).map(|hull| hull.0)
    }
}

#[test]
fn a_game_knows_the_name_of_its_room_from_the_start() {
    let table = Table::new();
    assert_eq!(table.diary().began_in, Some(RoomName("den".into())));
}

#[test]
fn systems_name_entities_as_clients_know_them() {
    let mut table = Table::new();
    assert_eq!(table.diary().ids, [None], "no tick has shown it yet");
    table.tick();
    let own = table.replica.applied().header.own_entity;
    assert!(own.is_some());
    assert_eq!(table.diary().ids, [own]);
}

#[test]
fn hooks_name_entities_as_systems_do() {
    let mut table = Table::new();
    table.tick();
    let own = table.replica.applied().header.own_entity;
    assert_eq!(table.diary().ids_in_hooks, [], "it was the first");
    assert!(table.join(None).is_ok());
    table.room.settings.grace = Micros(0);
    table.room.handle_disconnect(table.seat, table.now);
    // A knock, a join, and a leave after a second ship has come.
    assert_eq!(table.diary().ids_in_hooks, [own, own, own, None]);
}

#[test]
fn a_player_whose_entity_the_game_has_despawned_leaves_like_others() {
    let mut table = Table::new();
    let ship = table.entity();
    table.wave();
    table.tick();
    table.room.world.despawn(ship);
    table.wave();
    table.tick();
    assert_eq!(table.diary().waved, [Some(ship), None]);
    assert_eq!(table.own_hull(), None);
    table.room.settings.grace = Micros(0);
    table.room.handle_disconnect(table.seat, table.now);
    let left = [(PlayerId(0), None, LeaveReason::Lost)];
    assert_eq!(table.diary().left, left);
}

#[test]
fn a_player_is_given_another_entity_if_it_is_there_and_nobodys() {
    let mut table = Table::new();
    let (ship, player) = (table.entity(), PlayerId(0));
    assert_eq!(table.own_hull(), Some(100));
    let next = table.room.world.spawn((Replicated, Hull(50))).id();
    table.players().give_entity(player, next);
    table.tick();
    assert_eq!(table.own_hull(), Some(50));
    let world = &table.room.world;
    assert!(world.get::<Player>(ship).is_none(), "nobody's any more");
    assert!(world.get::<CurrentInput<Push>>(ship).is_none());
    assert_eq!(world.get::<Player>(next).unwrap().id, player);
    assert_eq!(world.get::<Owner>(next), Some(&Owner(player)));
    assert!(world.get::<CurrentInput<Push>>(next).is_some());

    table.room.handle_disconnect(table.seat, table.now);
    assert!(!table.room.world.get::<Player>(next).unwrap().connected);
    // What is gone, and what is another's, cannot be given.
    let gone = table.room.world.spawn_empty().id();
    table.room.world.despawn(gone);
    let other = table.room.world.spawn_empty().id();
    let marker = Player {
        id: PlayerId(9),
        name: String::new(),
        connected: true,
    };
    table.room.world.entity_mut(other).insert(marker);
    for entity in [gone, other] {
        table.players().give_entity(player, entity);
        table.players().give_entity(PlayerId(9), next);
    }
    table.tick();
    assert_eq!(table.entity(), next);
}

#[test]
fn a_player_who_says_nothing_for_half_a_minute_is_closed_with_4004() {
    let mut table = Table::new();
    let mut dismissals = |now| {
        table.room.handle_timeout(now);
        let events = core::iter::from_fn(|| table.room.poll_event());
        let dismissal = |event| match event {
            RoomEvent::Dismissed { code, limit, .. } => Some((code.number(), limit)),
            _ => None,
        };
        events.filter_map(dismissal).collect::<Vec<_>>()
    };
    assert_eq!(dismissals(Micros(SILENCE_MICROS_MAX.0 - 1)), []);
    let silent = [(4004, Some(Limit::Silence))];
    assert_eq!(dismissals(SILENCE_MICROS_MAX), silent);
}

#[test]
fn a_seat_that_is_kept_for_ever_is_kept() {
    let mut table = Table::new();
    table.room.settings.grace = core::time::Duration::MAX.into();
    table.room.handle_disconnect(table.seat, table.now);
    table.room.handle_timeout(table.now + Micros(1 << 60));
    assert_eq!(table.room.players(), 1);
}

#[test]
fn an_event_for_all_but_one_goes_to_all_but_one() {
    let mut table = Table::new();
    let (second, mut bob) = table.join(None).unwrap();
    for except in [0, 1] {
        let mut outbox = table.room.world.resource_mut::<Outbox>();
        outbox.broadcast_except(PlayerId(except), &Wave);
        table.tick();
        let mut message = Vec::new();
        table.room.poll_transmit(second, table.now, &mut message);
        bob.handle_message(&message, table.now).unwrap();
        let heard = [&mut table.client, &mut bob].map(|client| {
            let events = core::iter::from_fn(|| client.poll_event());
            events
                .filter(|event| matches!(event, ClientEvent::Event(_)))
                .count()
        });
        assert_eq!(heard, if except == 0 { [0, 1] } else { [1, 0] });
    }
}

#[test]
fn who_is_sent_away_reads_why_and_its_seat_is_free() {
    let mut table = Table::new();
    let ship = table.entity();
    while table.room.poll_event().is_some() {}
    table
        .players()
        .send_away(PlayerId(0), "that was your last ship");
    table
        .players()
        .send_away(PlayerId(7), "nobody has that number");
    table.tick();
    let Some(RoomEvent::Dismissed {
        seat,
        code,
        farewell,
        ..
    }) = table.room.poll_event()
    else {
        panic!("nobody was dismissed");
    };
    assert_eq!((seat, code), (table.seat, CloseCode::Refused));
    assert!(
        !code.is_worth_retrying(),
        "a client would come back by itself"
    );
    table.client.handle_message(&farewell, table.now).unwrap();
    let events = core::iter::from_fn(|| table.client.poll_event());
    let said = events.filter_map(|event| match event {
        ClientEvent::Goodbye(farewell) => Some(farewell.reason),
        _ => None,
    });
    assert_eq!(said.collect::<Vec<_>>(), ["that was your last ship"]);
    assert_eq!(table.room.players(), 0);
    let left = [(PlayerId(0), Some(ship), LeaveReason::SentAway)];
    assert_eq!(table.diary().left, left);
    assert!(table.room.world.get_entity(ship).is_err());
}

#[test]
fn a_room_whose_game_fails_as_players_leave_is_abandoned_without_asking_it() {
    let game = game()
        .on_leave(|_, _| panic!("on purpose"))
        .on_start(|world| {
            world.add_observer(|_: On<'_, '_, Remove<Hull>>| panic!("on purpose"));
        });
    let mut table = Table::of(game);
    table.join(None).unwrap_or_else(|away| panic!("{away:?}"));
    let closed = catch_unwind(AssertUnwindSafe(|| {
        table.room.close(CloseCode::GoingAway, "over", table.now);
    }));
    assert!(closed.is_err());
    assert_eq!(table.room.players(), 1, "the first seat was freed");
    // What the shell keeps for that seat goes, whatever became of the game's part of it.
    assert_eq!(table.forgotten(), [ResumeToken([1; 16])]);
    table.room.abandon("the room failed", table.now);
    assert_eq!(table.room.players(), 0);
    assert_eq!(table.forgotten(), [ResumeToken([2; 16])]);
}

#[test]
fn inputs_to_a_game_that_reads_none_do_not_pile_up() {
    let mut table = Table::of(Game::new("watched"));
    let mut after = |ticks| {
        for _ in 0..ticks {
            let next = table.room.time(table.now).next_tick;
            table
                .client
                .push_input(next, &[7; INPUT_BYTES_MAX])
                .unwrap();
            let mut message = Vec::new();
            table.client.poll_transmit(60_000, table.now, &mut message);
            let taken = table.room.handle_message(table.seat, &message, table.now);
            assert_eq!(taken, Ok(()));
            table.tick();
        }
        let seat = table.room.seats.get_mut(table.seat).unwrap();
        seat.session().unwrap().memory_bytes()
    };
    assert_eq!(after(10), after(200));
}

#[test]
fn who_comes_back_without_having_read_that_it_was_sent_away_reads_it_then() {
    for is_cut_before in [true, false] {
        let mut table = Table::new();
        if is_cut_before {
            table.room.handle_disconnect(table.seat, table.now);
        }
        table.players().send_away(PlayerId(0), "no cheating");
        table.tick();
        assert_eq!(table.room.players(), 0);
        let refused = Some((CloseCode::Refused, "no cheating".to_owned()));
        // As often as it takes: this answer, too, may get lost.
        assert_eq!(table.come_back(), refused);
        assert_eq!(table.come_back(), refused);
        assert_eq!(table.room.players(), 0);
        // The shell leads the token here until the room forgets it.
        let tokens: Vec<_> = table.room.tokens_sent_away().collect();
        assert_eq!(tokens, [ResumeToken([1; 16])]);
        assert_eq!(table.forgotten(), []);
        table.now = table.now + SENT_AWAY_KEPT;
        table.room.handle_timeout(table.now);
        assert_eq!(table.forgotten(), tokens);
        assert_eq!(table.come_back(), None, "long ago");
    }
}
