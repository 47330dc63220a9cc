//! Bulk beside the game: marks behind it, and answers to them that do not wait for a tick.

use std::{
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tickwire_protocol::{
    coding::Reader,
    frame::{Frame, FrameKind},
    id::StreamId,
    session::control::Control,
    stream::{StreamKind, StreamOptions},
};
use tickwire_server::{net::Server, prelude::*};
use tokio::io::AsyncReadExt;

use crate::{
    client::Player,
    game::pucks,
    server::{TestServer, WrappingServer},
    streams::{Ends, bytes_stream, end, open, pattern, write},
};

/// So few ticks that whatever waits for one is seen to.
fn slow_pucks() -> Game {
    pucks().tick_rate_hz(2)
}

#[test]
fn the_marks_of_an_upload_are_answered_between_ticks() {
    let (told, whole) = std::sync::mpsc::channel();
    let server = TestServer::start(Server::new(slow_pucks).workers(1).on_stream(
        move |incoming: Incoming| {
            let told = told.clone();
            async move {
                let mut bytes = Vec::new();
                incoming.accept().read_to_end(&mut bytes).await.unwrap();
                told.send(bytes).unwrap();
            }
        },
    ));
    let mut ann = Player::named(server.address, "Ann");
    let mut ends = Ends::default();
    let begun = ann.ticks.len();
    let id = open(&mut ann, bytes_stream());
    let sent = pattern(8_000_000);
    write(&mut ann, &mut ends, id, &sent);
    end(&mut ann, id);
    ends.until(&mut ann, "the confirmation", |ends| {
        ends.consumed.contains(&id)
    });
    assert!(whole.recv().unwrap() == sent);
    // A burst for each tick would be hundreds of them.
    let ticks = ann.ticks.len() - begun;
    assert!(ticks < 40, "{ticks} ticks");
}

/// Marks of the server in a message.
fn marks_in(message: &[u8]) -> usize {
    let mut reader = Reader::new(message);
    let mut marks = 0;
    while !reader.is_empty() {
        let frame = Frame::decode(&mut reader).unwrap();
        let is_control = frame.kind == FrameKind::Data && frame.stream == StreamId::CONTROL;
        if is_control && matches!(Control::decode(frame.payload), Ok(Control::Mark(_))) {
            marks += 1;
        }
    }
    marks
}

/// Enough for the credit of a file, and not for the answers to the marks behind it as well.
const MESSAGES_PER_SECOND: u32 = 60;

/// A server that sends a file to whoever comes. Few messages are allowed: the answers to marks are not
/// counted among them.
fn sender(file: Bytes) -> Server {
    let limits = Limits {
        messages_per_second_max: MESSAGES_PER_SECOND,
        ..Limits::default()
    };
    Server::new(pucks)
        .workers(1)
        .limits(limits)
        .on_player(move |peer: Peer| {
            let file = file.clone();
            async move {
                let mut stream = peer.open(StreamOptions::new(StreamKind::Bytes));
                stream.send(file).await.unwrap();
                stream.finished().await.unwrap();
                peer.closed().await;
            }
        })
}

/// Takes the file, not faster than a slow program would, and counts the marks that came with it.
fn download(ann: &mut Player, file: &[u8]) -> usize {
    let mut ends = Ends::default();
    ann.until("the file", |player| {
        ends.step(player);
        thread::sleep(Duration::from_millis(2));
        ends.over.len() == 1
    });
    assert!(ends.received[&ends.offered[0]] == file);
    ann.messages.iter().map(|message| marks_in(message)).sum()
}

#[test]
fn a_download_over_a_wrapped_connection_goes_by_marks_and_their_answers_are_not_counted() {
    let file = Bytes::from(pattern(20_000_000));
    let server = WrappingServer::start(sender(file.clone()));
    let mut ann = Player::keeping_messages(server.address);
    let start = Instant::now();
    let marks = download(&mut ann, &file);
    // Two seconds' messages may come at once.
    let allowed = MESSAGES_PER_SECOND * (2 + start.elapsed().as_secs() as u32 + 1);
    assert!(marks > allowed as usize, "{marks} marks");
    server.shut_down();
}

#[test]
#[cfg(target_os = "linux")]
fn a_download_whose_kernel_tells_of_the_link_has_no_marks() {
    let file = Bytes::from(pattern(3_000_000));
    let server = TestServer::start(sender(file.clone()));
    let mut ann = Player::keeping_messages(server.address);
    assert_eq!(download(&mut ann, &file), 0);
}

#[test]
fn a_download_through_a_proxy_goes_by_marks_for_the_kernel_knows_the_way_to_the_proxy_only() {
    let file = Bytes::from(pattern(3_000_000));
    let server = sender(file.clone()).proxies([Ipv4Addr::LOCALHOST.into()]);
    let server = TestServer::start(server);
    let mut ann = Player::keeping_messages(server.address);
    assert!(download(&mut ann, &file) > 0);
}
