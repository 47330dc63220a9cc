//! The physical floor: one thread, one read of each ready socket and one `write` to each socket a tick.
//!
//! Nothing is parsed and nothing is decided; what is left is the kernel. A server that does real work is
//! measured as a multiple of it.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpListener,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};

use crate::{handshake, lateness::Lateness, plan::Plan};

/// Serves `plan.players` players until the parent closes our standard input, then reports.
pub(crate) fn serve(plan: &Plan, listener: &TcpListener) -> std::io::Result<Lateness> {
    let mut poll = Poll::new()?;
    let mut players = Vec::with_capacity(plan.players);
    for index in 0..plan.players {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        handshake::accept(&mut stream)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry()
            .register(&mut stream, Token(index), Interest::READABLE)?;
        players.push(stream);
    }

    let message = handshake::server_message(&vec![0x5a; plan.snapshot_bytes]);
    let mut events = Events::with_capacity(plan.players.max(16));
    let mut scratch = vec![0; 16 * 1024];
    let mut lateness = Lateness::new(plan.rate_hz);
    let mut is_there = vec![true; plan.players];
    loop {
        std::thread::sleep(
            lateness
                .next_due()
                .saturating_duration_since(Instant::now()),
        );
        lateness.record();
        poll.poll(&mut events, Some(Duration::ZERO))?;
        for event in &events {
            let Token(player) = event.token();
            let is_over = match players[player].read(&mut scratch) {
                Ok(0) => true,
                // Behind what a player said last there may be its end, of which the poll tells once.
                Ok(_) => event.is_read_closed(),
                Err(e) => e.kind() != ErrorKind::WouldBlock,
            };
            is_there[player] &= !is_over;
        }
        if !is_there.contains(&true) {
            break;
        }
        for player in &mut players {
            // A socket that would block or is gone costs the tick nothing more.
            let _ = player.write(&message);
        }
    }
    Ok(lateness)
}
