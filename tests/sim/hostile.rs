//! Peers that send what no client sends: each is closed with its own code, and the others play on.

use tests::{
    fuzz::{case, sessions},
    link::LinkProfile,
    seeds::for_each_seed,
    sim::{Simulation, game::Setting, player::ServerEnd},
};
use tickwire_protocol::{error::CloseCode, session::ServerSession};

use crate::{room_with, seconds};

/// A connection that sends these messages, one each 50 ms. Gives the code it was closed with.
fn send_from_outside(simulation: &mut Simulation, messages: &[Vec<u8>]) -> Option<u16> {
    let index = simulation.join(LinkProfile::LAN);
    let player = &mut simulation.players[index];
    player.client.leave();
    player.client.poll_connect(simulation.now);
    player.client.poll_close();
    player.server = ServerEnd::Greeting(Box::new(ServerSession::new(simulation.now)));
    for message in messages {
        let now = simulation.now;
        simulation.players[index].send_raw(message, now);
        simulation.run(tickwire_protocol::time::Micros::from_millis(50));
    }
    simulation.run(seconds(1));
    let code = simulation.players[index].closes.first().copied();
    simulation.cut(index);
    code
}

fn hello() -> Vec<u8> {
    let mut transcript = sessions::transcript(1).into_iter();
    transcript
        .find(|(sender, _)| *sender == sessions::Sender::Client)
        .expect("a client speaks first")
        .1
}

#[test]
fn each_fault_has_its_own_code_and_the_others_play_on() {
    let mut simulation = room_with(
        3,
        1,
        Setting {
            grace: seconds(0),
            ..Setting::default()
        },
    );
    let mut other_version = hello();
    // Behind the frame's kind, stream and length, and the message's number.
    other_version[4] ^= 0x40;
    let cases: [(&[Vec<u8>], CloseCode); 5] = [
        (&[vec![0x3f, 0, 0]], CloseCode::Malformed),
        (&[Vec::new()], CloseCode::Malformed),
        (&[other_version], CloseCode::Version),
        (&[vec![0, 3, 1, 0]], CloseCode::Protocol),
        (&[hello(), hello()], CloseCode::Protocol),
    ];
    for (messages, code) in cases {
        let before = simulation.players[0].snapshots;
        assert_eq!(
            send_from_outside(&mut simulation, messages),
            Some(code.number()),
            "{messages:?}"
        );
        assert!(simulation.players[0].snapshots > before);
    }
    simulation.settle();
    assert!(
        simulation.players[..3]
            .iter()
            .all(|player| player.joined == 1)
    );
    assert_eq!(simulation.room.players(), 3, "a hostile peer kept a seat");
}

#[test]
fn whatever_a_peer_sends_the_others_converge() {
    let honest: Vec<Vec<u8>> = sessions::transcript(20)
        .into_iter()
        .filter(|(sender, _)| *sender == sessions::Sender::Client)
        .map(|(_, message)| message)
        .collect();
    for_each_seed(20, |seed| {
        let mut simulation = room_with(
            2,
            seed,
            Setting {
                grace: seconds(0),
                ..Setting::default()
            },
        );
        let mut messages = vec![hello()];
        messages.extend((0..12).map(|number| case(seed * 100 + number, &honest)));
        send_from_outside(&mut simulation, &messages);
        simulation.settle();
        assert!(
            simulation.players[..2]
                .iter()
                .all(|player| player.joined == 1)
        );
    });
}
