//! The end of a server: everyone is told, and nothing stays behind.

use std::time::Instant;

use tickwire_server::net::Server;

use crate::{
    client::{PATIENCE, Player, Wire},
    game::pucks,
    server::TestServer,
};

#[test]
fn a_shutdown_tells_every_player_and_every_connection_that_has_not_said_hello() {
    let mut server = TestServer::start(Server::new(pucks).workers(2));
    let mut players = Player::one_in_each(server.address, &["red", "green", "blue"]);
    let mut stranger = Wire::open(server.address);
    server.until_metric("tickwire_connections", 4.0);
    server.begin_shutdown();
    for player in &mut players {
        assert_eq!(player.until_closed(), Some(1001));
        assert_eq!(player.said, ["the server shuts down"]);
    }
    assert_eq!(stranger.close_code(), Some(1001));
    server.shut_down();
}

/// Threads of a server that live in this process, whichever test they belong to.
#[cfg(target_os = "linux")]
fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|comm| comm.trim() == name).count()
}

/// Sockets of this process that are connected to or listen on a port.
#[cfg(target_os = "linux")]
fn sockets_on_port(port: u16) -> usize {
    let port = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    // 06 is TIME_WAIT, which the kernel keeps and no file descriptor holds.
    table
        .lines()
        .filter(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields.len() > 3 && fields[1].ends_with(&port) && fields[3] != "06"
        })
        .count()
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_of_a_server_is_left_when_it_has_ended() {
    // No other test has as many workers: the last one's name is this test's alone.
    let mut server = TestServer::start(Server::new(pucks).workers(5));
    let port = server.address.port();
    let players = Player::one_in_each(server.address, &["0", "1", "2", "3", "4"]);
    assert_eq!(threads_named("tickwire-4"), 1);
    assert!(sockets_on_port(port) >= 6);
    // Some leave without a word, some are there until the end.
    drop(players);
    let mut last = Player::named(server.address, "last");
    server.begin_shutdown();
    assert_eq!(last.until_closed(), Some(1001));
    drop(last);
    server.shut_down();
    // A thread that was joined may still stand in the list for a moment.
    let begun = Instant::now();
    while (threads_named("tickwire-4"), sockets_on_port(port)) != (0, 0) {
        assert!(begun.elapsed() < PATIENCE, "something is left");
        std::thread::yield_now();
    }
}
