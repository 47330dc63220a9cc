//! Rooms that change worker while they are played in.

use std::time::{Duration, Instant};

use tickwire_server::net::Server;

use crate::{
    client::Player,
    game::{Chat, Order, pucks},
    server::TestServer,
};

/// Two rooms that take 20 of 50 ms each are more than one worker should have.
const LINGER_MILLIS: u64 = 20;

fn rooms_moved(server: &TestServer) -> f64 {
    server.metric("tickwire_rooms_moved_total")
}

/// Makes two rooms slow for a while; says whether one of them was moved.
fn are_parted(server: &TestServer, players: &mut [Player], pair: [usize; 2]) -> bool {
    for room in pair {
        players[room].send_event(&Order::Linger(LINGER_MILLIS));
    }
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) && rooms_moved(server) < 1.0 {
        players.iter_mut().for_each(Player::step);
    }
    for room in pair {
        players[room].send_event(&Order::Linger(0));
    }
    rooms_moved(server) >= 1.0
}

#[test]
fn a_room_moves_from_a_busy_worker_to_an_idle_one_and_its_players_miss_nothing() {
    let names = ["red", "green", "blue", "grey"];
    let server = TestServer::start(Server::new(pucks).workers(2));
    let mut players = Player::one_in_each(server.address, &names);
    // Of four rooms, two at least share a worker.
    let pairs = [[0, 2], [1, 3], [0, 1], [2, 3], [0, 3], [1, 2]];
    let is_parted = pairs
        .into_iter()
        .any(|pair| are_parted(&server, &mut players, pair));
    assert!(is_parted, "{}", server.get("/metrics"));

    for (player, room) in players.iter_mut().zip(names) {
        let seen = player.ticks.len();
        player.until("ticks after the move", |player| {
            player.ticks.len() > seen + 10
        });
        server.assert_saw_every_tick(player);
        // Events and inputs arrive, newcomers find the room where it is now, and the seats are the same.
        player.send_event(&Chat { text: room.into() });
        player.until("the own word", |player| {
            player
                .events_of::<Chat>()
                .iter()
                .any(|chat| chat.text == room)
        });
        let mut friend = Player::in_room(server.address, room);
        friend.until("two pucks", |friend| {
            friend.replica.as_ref().unwrap().len() == 2
        });
        let (own, before) = (player.own().unwrap(), player.ticks.len());
        let at = player.position(own).unwrap().x;
        player.until("movement", |player| {
            player.push(1.0);
            player.position(own).is_some_and(|now| now.x > at + 20.0)
        });
        assert!(player.ticks.len() > before);
    }
    server.until_metric("tickwire_connections", 4.0);
    assert!((server.metric("tickwire_rooms") - 4.0).abs() < f64::EPSILON);
    drop(players);
    server.until_metric("tickwire_connections", 0.0);
}

#[test]
fn a_heavy_room_is_lent_hands_and_its_players_miss_nothing() {
    let server = TestServer::start(Server::new(pucks).workers(2));
    let mut players: Vec<Player> = (0..8)
        .map(|_| Player::in_room(server.address, "red"))
        .collect();
    players[0].send_event(&Order::Linger(LINGER_MILLIS));
    let helped = || server.metric("tickwire_ticks_helped_total");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) && helped() < 5.0 {
        players.iter_mut().for_each(Player::step);
    }
    assert!(helped() >= 5.0, "{}", server.get("/metrics"));
    players[0].send_event(&Order::Linger(0));
    for player in &mut players {
        let seen = player.ticks.len();
        player.until("ticks after it", |player| player.ticks.len() > seen + 5);
        server.assert_saw_every_tick(player);
        assert_eq!(player.replica.as_ref().unwrap().len(), 8);
    }
    let one = players[0].own().unwrap();
    let at = players[0].position(one).unwrap();
    assert!(
        players
            .iter()
            .all(|player| player.position(one).unwrap() == at)
    );
}
