//! A game that lets nobody in who does not say which team it is for, and that begins when every player has said
//! that it is ready: bots play it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tickwire_bots::{Bot, Cast, Eyes, ReceivedEvent, Voice};
use tickwire_protocol::{error::CloseCode, replicate::encode_value};
use tickwire_server::prelude::*;

use super::Running;

/// Players that the game waits for.
const PLAYERS: usize = 4;

/// What a player says at the door.
#[derive(Serialize, Deserialize)]
struct Ticket {
    team: u8,
}

#[derive(Serialize, Deserialize)]
struct Ready {
    team: u8,
}

impl GameEvent for Ready {
    const NAME: &'static str = "ready";
}

#[derive(Serialize, Deserialize)]
struct Begun;

impl GameEvent for Begun {
    const NAME: &'static str = "begun";
}

#[derive(Component, Clone, Copy, PartialEq, Replicate)]
struct Steps(u32);

#[derive(Clone, Copy, Default, PartialEq, Replicate)]
struct Walk(bool);

/// The team that each player said it is for, and how many are ready.
#[derive(Resource, Default)]
struct Lobby {
    teams: Vec<(PlayerId, u8)>,
    ready: usize,
}

fn lobby() -> Game {
    Game::new("lobby")
        .replicate::<Steps>()
        .input::<Walk>()
        .event::<Ready>()
        .event::<Begun>()
        .insert_resource(Lobby::default())
        .on_knock(|world, joining| {
            let ticket: Ticket = joining
                .payload()
                .map_err(|_| Refusal("say your team".into()))?;
            let mut lobby = world.resource_mut::<Lobby>();
            lobby.teams.push((joining.player, ticket.team));
            Ok(())
        })
        .on_join(|world, _| world.spawn((Replicated, Steps(0))).id())
        .add_systems((begin, walk).chain())
}

/// Begins when the last player says that it is ready, and for the team that it said at the door.
fn begin(
    mut said: MessageReader<FromPlayer<Ready>>,
    mut lobby: ResMut<Lobby>,
    mut outbox: ResMut<Outbox>,
) {
    for ready in said.read() {
        let is_theirs = lobby.teams.contains(&(ready.player, ready.event.team));
        lobby.ready += usize::from(is_theirs);
        if lobby.ready == PLAYERS {
            outbox.broadcast(&Begun);
        }
    }
}

fn walk(lobby: Res<Lobby>, mut walkers: Query<(&CurrentInput<Walk>, &mut Steps)>) {
    for (walk, mut steps) in &mut walkers {
        assert!(
            lobby.ready == PLAYERS || !walk.0,
            "nobody walks before it began"
        );
        steps.0 += u32::from(walk.0);
    }
}

/// Says that it is ready, waits for the beginning, and walks.
struct Walker {
    team: u8,
    has_begun: bool,
}

impl Bot for Walker {
    fn press(&mut self, _: &Eyes<'_>, input: &mut Vec<u8>) {
        if self.has_begun {
            encode_value(&Walk(true), input);
        }
    }

    fn enter(&mut self, _: bool, _: &Eyes<'_>, voice: &mut Voice<'_>) {
        voice.send_event(&Ready { team: self.team });
    }

    fn hear(&mut self, event: &ReceivedEvent<'_>, _: &Eyes<'_>, _: &mut Voice<'_>) {
        self.has_begun |= event.read::<Begun>().is_some();
    }
}

const fn team_of(number: usize) -> u8 {
    number as u8 % 2
}

fn walkers() -> Cast {
    Cast::new(|number, _| {
        Ok(Box::new(Walker {
            team: team_of(number),
            has_begun: false,
        }))
    })
}

#[test]
fn bots_say_at_the_door_what_the_game_asks_for_and_that_they_are_ready() {
    let mut server = Running::start_with(|_| Server::new(lobby));
    let options = || server.options(PLAYERS, Duration::from_secs(2));

    let silent = walkers().run(options()).expect("the run can begin").report;
    assert_eq!(silent.connected, 0, "{silent}");
    let refused = CloseCode::Refused.number();
    assert!(silent.closes.contains_key(&refused), "{silent}");
    assert!(silent.attempts_failed >= PLAYERS as u64, "{silent}");
    assert!(silent.called_off.is_none(), "somebody answers: {silent}");
    let why = silent.complaints.iter();
    assert!(
        why.clone().any(|why| why.contains("say your team")),
        "{silent}"
    );

    let cast = walkers().join(|number| Ticket {
        team: team_of(number),
    });
    let report = cast.run(options()).expect("the run can begin").report;
    assert!(report.failures().is_empty(), "{report}");
    let players = PLAYERS as u64;
    assert_eq!(report.connected, players, "{report}");
    assert_eq!(
        (report.events_sent, report.events_heard),
        (players, players),
        "{report}"
    );
    assert!(report.input_to_effect_ms.p50 > 0.0, "they walk: {report}");
    server.stop();
}
