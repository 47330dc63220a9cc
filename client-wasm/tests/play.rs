//! A client plays on virtual time: what it shows, what it sends, and how it comes back.

mod bounds;
mod room;

use room::{Chat, FRAME, Named, OTHER, OWN, Play, Position, Rules, SPEED, Steer, TICK};
use tickwire_client::{AssetPolicy, Client, ClientEvent, Config, Connection, Prediction};
use tickwire_protocol::{
    asset::{Asset, AssetHash, AssetRequest, Manifest},
    error::ApiMisuse,
    limits::INPUT_BYTES_MAX,
    mux::{StreamEvent, Write},
    replicate::encode_by_name,
    stream::{Class, StreamKind, StreamOptions},
    time::Micros,
};

const SECOND: u64 = 1_000_000;

fn config() -> Config {
    Config {
        name: "Ann".into(),
        schema: Some(room::schema()),
        seed: 1,
        ..Config::default()
    }
}

/// Of a client that learns from the server what the game is.
fn not_compiled_in() -> Config {
    Config {
        schema: None,
        ..config()
    }
}

/// Up to 25 ms more than 30 ms, different at every moment.
fn jittery(now: u64) -> u64 {
    30_000 + (now.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) % 25_000
}

fn drawn(client: &Client) -> Option<f32> {
    Some(client.view()?.get::<Position>(OTHER)?.x)
}

#[test]
fn a_client_joins_and_holds_what_the_room_holds() {
    let mut play = Play::new(config(), |_| 20_000);
    let mut entered = vec![];
    play.run(2 * SECOND, |client, _, _| {
        entered.extend(
            client
                .view()
                .iter()
                .flat_map(|view| view.entered().to_vec()),
        );
    });
    assert!(
        matches!(
            play.events[..],
            [ClientEvent::Joined { resumed: false, .. }]
        ),
        "{:?}",
        play.events
    );
    assert_eq!(entered, [OTHER, OWN]);
    let view = play.client.newest().expect("snapshots came");
    assert_eq!(
        (view.own(), view.entities()),
        (Some(OWN), &[OTHER, OWN][..])
    );
    assert_eq!(
        view.get::<Named>(OWN),
        Some(Named {
            name: "Ann".into(),
            score: 12
        })
    );
    assert!(!view.has::<Named>(OTHER) && view.get::<Named>(OTHER).is_none());
    assert_eq!(
        view.iter::<Position>()
            .map(|(id, _)| id)
            .collect::<Vec<_>>(),
        [OTHER, OWN]
    );
    let stats = play.client.stats(Micros(play.now));
    assert_eq!((stats.entities, stats.snapshots_per_second), (2, 20));
    assert!(
        (40_000..110_000).contains(&stats.ping.0),
        "{:?}",
        stats.ping
    );
    assert!(stats.traffic.snapshot.in_bytes > 0 && stats.snapshot_bytes_per_second > 0);
}

#[test]
fn what_moves_evenly_is_drawn_evenly_on_a_jittery_link() {
    let mut play = Play::new(config(), jittery);
    play.run(5 * SECOND, |_, _, _| {});
    let (mut last, mut steps, mut uneven) = (None, 0, 0);
    play.run(10 * SECOND, |client, _, _| {
        let x = drawn(client);
        if let (Some(before), Some(x)) = (last, x) {
            let step: f32 = x - before;
            // 4 units a tick are 1.33 a frame; the pace may differ by a tenth, and frames by a milli.
            assert!(step >= 0.0, "it went back by {step}");
            steps += 1;
            uneven += usize::from(!(1.0..=1.8).contains(&step));
        }
        last = x;
    });
    assert!(
        steps > 500 && uneven * 50 < steps,
        "{uneven} of {steps} steps were uneven"
    );
    let delay = play.client.stats(Micros(play.now)).interpolation_delay;
    assert!(
        (TICK + 15_000..TICK + 35_000).contains(&delay.0),
        "{delay:?}"
    );
}

#[test]
fn a_late_snapshot_stops_the_drawing_and_never_turns_it_back() {
    let stall = |now: u64| {
        if (6 * SECOND..6 * SECOND + 50_000).contains(&now) {
            300_000
        } else {
            20_000
        }
    };
    let mut play = Play::new(config(), stall);
    play.run(5 * SECOND, |_, _, _| {});
    let (mut last, mut stood) = (0.0, 0);
    play.run(3 * SECOND, |client, _, _| {
        let x = drawn(client).expect("it was seen before");
        assert!(x >= last, "it went back from {last} to {x}");
        stood += usize::from(x == last);
        last = x;
    });
    let stood_micros = stood as u64 * FRAME;
    assert!(
        (100_000..320_000).contains(&stood_micros),
        "it stood for {stood_micros} micros"
    );
    // Afterwards it is as smooth as before.
    let truth = play.room.other_x;
    assert!((truth - last) < 4.0 * 4.0, "{last} is far behind {truth}");
}

#[test]
fn an_entity_that_left_is_told_of_once_and_can_still_be_read() {
    let mut play = Play::new(config(), |_| 20_000);
    play.run(SECOND, |_, _, _| {});
    play.room.other_is_there = false;
    let mut left = vec![];
    play.run(SECOND, |client, _, _| {
        let view = client.view().expect("snapshots came");
        for &id in view.left() {
            let was = view.before().and_then(|before| before.get::<Position>(id));
            left.push((id, was.is_some()));
        }
    });
    assert_eq!(left, [(OTHER, true)]);
}

#[test]
fn every_tick_gets_its_input_in_time() {
    let mut play = Play::new(config(), jittery);
    play.client
        .set_input(&Steer {
            right: 1.0,
            fires: true,
        })
        .unwrap();
    play.run(4 * SECOND, |_, _, _| {});
    play.room.applied.clear();
    play.run(10 * SECOND, |_, _, _| {});
    let applied = &play.room.applied;
    assert!(
        applied.len() >= 195,
        "{} inputs in 200 ticks",
        applied.len()
    );
    let late = applied.iter().filter(|(stamp, at)| stamp != at).count();
    assert!(
        late * 50 <= applied.len(),
        "{late} of {} came too late",
        applied.len()
    );
    assert!(play.client.stats(Micros(play.now)).input_lead_ticks <= 2);
}

#[test]
fn the_own_entity_answers_at_once_and_ends_where_the_server_says() {
    let mut play = Play::new(config(), |_| 60_000);
    let mut prediction = Prediction::new(Rules);
    play.client.set_input(&Steer::default()).unwrap();
    play.run(3 * SECOND, |client, _, now| {
        prediction.handle_frame(client, Micros(now));
    });
    let start = *prediction.shown().expect("it is in the room");
    assert_eq!(start, play.room.own_x);

    play.client
        .set_input(&Steer {
            right: 1.0,
            fires: false,
        })
        .unwrap();
    let mut first_moved = None;
    let pressed = play.now;
    play.run(SECOND, |client, _, now| {
        prediction.handle_frame(client, Micros(now));
        if *prediction.shown().expect("it is in the room") > start + 0.5 {
            first_moved.get_or_insert(now - pressed);
        }
    });
    // A tick and two frames, where the round trip alone is 120 ms and drawing adds 50 more.
    assert!(
        first_moved.expect("it moved") <= TICK + 2 * FRAME,
        "{first_moved:?}"
    );
    // It is ahead of the server by the way up.
    let ahead = prediction.shown().expect("it is in the room") - play.room.own_x;
    assert!((SPEED..4.0 * SPEED).contains(&ahead), "{ahead}");

    play.client.set_input(&Steer::default()).unwrap();
    play.run(SECOND, |client, _, now| {
        prediction.handle_frame(client, Micros(now));
    });
    let shown = prediction.shown().expect("it is in the room");
    assert!(
        (shown - play.room.own_x).abs() < 0.07,
        "{shown} and {}",
        play.room.own_x
    );
}

#[test]
fn a_correction_fades_in_and_a_respawn_does_not() {
    let mut play = Play::new(config(), |_| 40_000);
    let mut prediction = Prediction::new(Rules);
    play.client
        .set_input(&Steer {
            right: 0.5,
            fires: false,
        })
        .unwrap();
    play.run(3 * SECOND, |client, _, now| {
        prediction.handle_frame(client, Micros(now));
    });
    // Something that the client cannot foresee pushes it.
    play.room.own_x += 60.0;
    let (mut last, mut widest) = (*prediction.shown().expect("it is in the room"), 0.0f32);
    play.run(SECOND, |client, _, now| {
        prediction.handle_frame(client, Micros(now));
        let shown = *prediction.shown().expect("it is in the room");
        (widest, last) = (widest.max((shown - last).abs()), shown);
    });
    assert!(
        (2.0..20.0).contains(&widest),
        "one frame moved it by {widest} of 60"
    );
    let ahead = last - play.room.own_x;
    assert!((0.0..4.0 * SPEED).contains(&ahead), "{ahead}");

    play.room.own_x = 3000.0;
    let mut between = 0;
    play.run(SECOND, |client, _, now| {
        prediction.handle_frame(client, Micros(now));
        let shown = *prediction.shown().expect("it is in the room");
        between += usize::from((1500.0..2990.0).contains(&shown));
    });
    assert_eq!(between, 0, "a respawn slid across the map");
}

#[test]
fn a_cut_connection_is_taken_up_again_with_its_seat() {
    let mut play = Play::new(config(), |_| 20_000);
    play.run(2 * SECOND, |_, _, _| {});
    play.cut(1006, "");
    let Connection::Waiting { message, .. } = play.client.connection() else {
        panic!("it waits")
    };
    assert_eq!(message, "The connection was lost.");
    assert!(play.client.view().is_some(), "the last picture stays");
    play.run(2 * SECOND, |_, _, _| {});
    assert!(play.client.is_playing());
    let said: Vec<_> = play.events.iter().map(core::mem::discriminant).collect();
    assert_eq!(said.len(), 3, "{:?}", play.events);
    assert!(
        matches!(play.events[2], ClientEvent::Joined { resumed: true, .. }),
        "{:?}",
        play.events
    );
    assert!(play.room.hellos[1].resume.is_some());
    let newest = play.client.newest().expect("snapshots came again");
    assert!(
        (newest.get::<Position>(OTHER).expect("it is there").x - play.room.other_x).abs() < 17.0
    );
}

#[test]
fn a_server_that_stays_away_is_tried_less_and_less_often() {
    let mut play = Play::new(config(), |_| 20_000);
    play.run(SECOND, |_, _, _| {});
    play.is_cut = true;
    play.cut(1001, "");
    let mut attempts = 0;
    for _ in 0..600 {
        play.run(100_000, |_, _, _| {});
        if *play.client.connection() == Connection::Connecting {
            attempts += 1;
            play.cut(1006, "");
            let Connection::Waiting { message, .. } = play.client.connection() else {
                panic!("it waits")
            };
            assert_eq!(message, "The server was shut down, and is not back yet.");
        }
    }
    assert!(
        (6..=14).contains(&attempts),
        "{attempts} attempts in a minute"
    );
    play.is_cut = false;
    play.run(13 * SECOND, |_, _, _| {});
    assert!(play.client.is_playing());
    // Nobody said goodbye this time.
    play.is_cut = true;
    play.cut(1006, "");
    play.run(SECOND, |_, _, _| {});
    play.cut(1006, "");
    let Connection::Waiting { message, .. } = play.client.connection() else {
        panic!("it waits")
    };
    assert_eq!(message, "The server cannot be reached.");
}

#[test]
fn who_is_sent_away_stays_away_and_can_read_why() {
    let mut play = Play::new(config(), |_| 20_000);
    play.run(SECOND, |_, _, _| {});
    play.cut(4009, "That was your last ship.");
    play.run(30 * SECOND, |_, _, _| {});
    let Connection::Ended { message } = play.client.connection() else {
        panic!("it is over")
    };
    assert_eq!(message, "The game sent you away. That was your last ship.");
    assert_eq!(play.room.hellos.len(), 1);
    // Its person may try again: as somebody new.
    play.client.retry(Micros(play.now));
    play.run(SECOND, |_, _, _| {});
    assert_eq!(play.room.hellos[1].resume, None);
}

#[test]
fn a_room_whose_name_is_too_long_is_not_asked_for() {
    let room = "x".repeat(65);
    let mut play = Play::new(Config { room, ..config() }, |_| 20_000);
    play.run(SECOND, |_, _, _| {});
    let Connection::Ended { message } = play.client.connection() else {
        panic!("it is over")
    };
    let why = "The game did not let you in. A room's name has 64 bytes at most.";
    assert_eq!(message, why);
    assert_eq!(play.room.hellos.len(), 0);
}

#[test]
fn a_server_that_falls_silent_is_given_up_and_tried_again() {
    let mut play = Play::new(
        config(),
        |now| if now > SECOND { 3600 * SECOND } else { 20_000 },
    );
    play.run(35 * SECOND, |_, _, _| {});
    let lost = play
        .events
        .iter()
        .any(|event| matches!(event, ClientEvent::Disconnected { .. }));
    assert!(lost, "{:?}", play.events);
    assert!(
        play.client
            .poll_close()
            .is_some_and(|(code, _)| code == 4004)
    );
}

#[test]
fn another_version_of_the_game_asks_for_a_reload() {
    let mut other = room::schema();
    other
        .add_component(tickwire_protocol::schema::ComponentSchema {
            name: "Extra".into(),
            ..<Named as tickwire_protocol::replicate::Replicate>::schema()
        })
        .expect("a new name");
    let mut client = Client::new(Config {
        schema: Some(other),
        ..config()
    });
    let mut room = room::Room::new(room::schema());
    room.connect(0);
    assert!(client.poll_connect(Micros(0)));
    client.handle_open(Micros(0));
    let mut message = vec![];
    assert!(client.poll_message(16 * 1024, Micros(0), &mut message));
    room.handle_message(&message, 0);
    let answer = room.tick(0);
    assert!(client.handle_message(&answer[0], Micros(0)).is_err());
    let Connection::Ended { message } = client.connection() else {
        panic!("it is over")
    };
    assert_eq!(message, "The game was updated. Please reload the page.");
    assert_eq!(client.poll_close().map(|(code, _)| code), Some(4002));
}

#[test]
fn a_game_that_was_not_compiled_in_is_read_and_steered_by_name() {
    let mut play = Play::new(not_compiled_in(), |_| 20_000);
    play.run(SECOND, |_, _, _| {});
    let schema = play.client.schema().expect("the server sent it").clone();
    let mut input = vec![];
    let shape = &schema.input().expect("it has an input").shape;
    encode_by_name(
        shape,
        |column| (column.path == "right").then_some(1.0),
        &mut input,
    );
    play.client.set_input_bytes(&input).unwrap();
    play.run(2 * SECOND, |_, _, _| {});
    assert_eq!(
        play.room.steer,
        Steer {
            right: 1.0,
            fires: false
        }
    );

    let view = play.client.newest().expect("snapshots came");
    let (mut ids, mut numbers) = (vec![], vec![]);
    assert!(view.entities_with("Position", &mut ids));
    assert_eq!(ids, [OTHER.0, OWN.0]);
    assert!(view.field("Position", "x", &mut numbers).is_some());
    let typed: Vec<f64> = view.iter::<Position>().map(|(_, at)| at.x.into()).collect();
    assert_eq!(numbers, typed);
    assert_eq!(view.text("Named", "name", OWN.0), Some("Ann"));
    assert!(view.field("Named", "score", &mut numbers).is_some());
    assert_eq!(numbers, [12.0]);
    assert!(view.field("Position", "z", &mut numbers).is_none());

    let view = play.client.view().expect("snapshots came");
    view.field("Position", "x", &mut numbers);
    let typed = view.get::<Position>(OTHER).expect("it is there").x;
    assert!(
        (numbers[0] - f64::from(typed)).abs() < 1e-3,
        "{numbers:?} and {typed}"
    );
}

/// Types of another game that have the names of this one's.
mod other {
    use tickwire_protocol::replicate::Replicate;

    #[derive(Replicate)]
    pub(crate) struct Position {
        #[wire(range(0.0, 8000.0), step = 0.0625, predict = "linear")]
        pub(crate) x: f32,
    }

    #[derive(Replicate)]
    pub(crate) struct Named {
        pub(crate) name: String,
    }

    #[derive(Replicate)]
    pub(crate) struct Steer {
        pub(crate) fires: bool,
    }
}

#[test]
fn a_type_is_read_and_held_down_only_if_its_fields_are_the_games() {
    let mut play = Play::new(not_compiled_in(), |_| 20_000);
    play.run(SECOND, |_, _, _| {});
    let view = play.client.newest().expect("snapshots came");
    assert!(view.get::<Position>(OTHER).is_some());
    assert!(view.get::<other::Position>(OTHER).is_none());
    assert_eq!(view.iter::<other::Position>().count(), 0);
    let why = view.schema().component_of::<other::Position>().unwrap_err();
    assert!(why.to_string().contains("Position.x"), "{why}");
    // Some of the first fields are enough.
    let named = view.get::<other::Named>(OWN).expect("its name is there");
    assert_eq!(named.name, "Ann");

    let held = Steer {
        right: 1.0,
        fires: false,
    };
    play.client.set_input(&held).unwrap();
    let other = play.client.set_input(&other::Steer { fires: true });
    assert!(matches!(other, Err(ApiMisuse::Schema(_))), "{other:?}");
    let large = play.client.set_input_bytes(&[0; INPUT_BYTES_MAX + 1]);
    assert!(
        matches!(large, Err(ApiMisuse::TooLarge { .. })),
        "{large:?}"
    );
    play.run(SECOND, |_, _, _| {});
    assert_eq!(play.room.steer, held);
}

#[test]
fn events_go_both_ways_and_a_checksum_is_compared() {
    let mut play = Play::new(config(), |_| 20_000);
    play.run(SECOND, |_, _, _| {});
    let hello = Chat {
        text: "hello".into(),
    };
    play.room.send_event(&hello);
    play.client.send_event(&hello).expect("it is in the room");
    play.client.verify().expect("it is in the room");
    play.run(SECOND, |_, _, _| {});
    let [_, ref rest @ ..] = play.events[..] else {
        panic!("nothing happened")
    };
    assert!(rest.iter().any(|event| {
        matches!(event, ClientEvent::Event(event) if event.read::<Chat>() == Some(hello.clone()))
    }));
    assert!(
        rest.iter()
            .any(|event| matches!(event, ClientEvent::Verified { is_equal: true, .. }))
    );
    let (index, payload) = tickwire_protocol::event::split(&play.room.events[0]).expect("an event");
    assert_eq!(
        (index, tickwire_protocol::event::decode::<Chat>(payload)),
        (0, Ok(hello))
    );
}

#[test]
fn assets_come_over_their_streams() {
    let content = vec![7u8; 50_000];
    let hash = AssetHash(*blake3::hash(&content).as_bytes());
    let asset = Asset {
        name: "hull.png".into(),
        bytes: content.len() as u64,
        mime: "image/png".into(),
        hash,
        priority: 0,
        depends: vec![],
        packed_bytes: 0,
    };
    let manifest = Manifest::from(vec![asset]).encode();
    let mut play = Play::new(
        Config {
            assets: AssetPolicy::Fetch,
            ..config()
        },
        |_| 20_000,
    );
    // What was asked for, and how much of it has been written.
    let mut open: Vec<(tickwire_protocol::id::StreamId, Vec<u8>, usize)> = vec![];
    play.run(3 * SECOND, |_, room, now| {
        let events = core::mem::take(&mut room.streams);
        let Some(session) = room.session.as_mut().filter(|session| session.is_open()) else {
            return;
        };
        let streams = session.streams().expect("it is open");
        for event in events {
            if let StreamEvent::Opened(offer) = event {
                let body = match AssetRequest::decode(&offer.options.metadata).expect("a request") {
                    AssetRequest::Manifest => manifest.clone(),
                    AssetRequest::NewerManifest { .. } => panic!("nobody has come back"),
                    AssetRequest::Content {
                        hash: wanted,
                        offset,
                        packed,
                    } => {
                        assert_eq!((wanted, offset, packed), (hash, 0, false));
                        content.clone()
                    }
                };
                streams
                    .accept(offer.id, Micros(now))
                    .expect("it was offered");
                open.push((offer.id, body, 0));
            }
        }
        for (id, body, written) in &mut open {
            while *written < body.len() {
                let end = body.len().min(*written + 10_000);
                let record = bytes::Bytes::copy_from_slice(&body[*written..end]);
                match streams.write(*id, record, Micros(now)).expect("it is open") {
                    Write::Taken => *written = end,
                    Write::Full => break,
                }
                if *written == body.len() {
                    streams.end(*id).expect("it is open");
                }
            }
        }
    });
    let names: Vec<String> = play
        .events
        .iter()
        .filter_map(|event| match event {
            ClientEvent::Asset(event) => Some(format!("{event:?}").chars().take(28).collect()),
            _ => None,
        })
        .collect();
    assert_eq!(
        names,
        ["Listed", "Ready { name: \"hull.png\", mi", "Complete"],
        "{:?}",
        play.events
    );
    let progress = play.client.asset_progress();
    assert_eq!(
        (progress.bytes, progress.bytes_fetched, progress.assets),
        (50_000, 50_000, 1)
    );
}

#[test]
fn who_waits_for_room_in_a_stream_hears_of_it_when_it_is_sent() {
    let mut play = Play::new(config(), |_| 20_000);
    play.run(SECOND, |_, _, _| {});
    let now = Micros(play.now);
    let options = StreamOptions {
        class: Class::Event,
        ..StreamOptions::new(StreamKind::Bytes)
    };
    let streams = play.client.streams().expect("it is open");
    let id = streams.open(options, now).expect("the first");
    play.run(SECOND, |_, room, now| room.accept_streams(now));
    let now = Micros(play.now);
    let streams = play.client.streams().expect("it is open");
    while streams.write(id, vec![0; 16_384].into(), now) == Ok(Write::Taken) {}
    while play.client.poll_event().is_some() {}
    let mut message = vec![];
    while play.client.poll_message(64 * 1024, now, &mut message) {
        message.clear();
    }
    // No message has come since.
    let event = play.client.poll_event();
    assert_eq!(
        event,
        Some(ClientEvent::Stream(StreamEvent::Writable(id))),
        "{event:?}"
    );
}
