//! One heavy room: how long its tick takes one thread, and two.
//!
//! In: how many players, and how many workers the server has. Out: the mean time from a tick's beginning to
//! the write of its last message. The choice to question: the players do not read while it counts. On two
//! cores a load that reads takes the second one, which is what is to be measured; for a few seconds the
//! kernel keeps what is written to them.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use tickwire_protocol::{
    session::{ClientSession, Hello},
    time::Micros,
    websocket::{Opcode, Writer},
};

use crate::{handshake, measure::Running, plan::Plan, scrape::Scrape};

/// How long nobody reads: 60 messages of a socket's hundred or so.
const WINDOW: Duration = Duration::from_secs(3);

/// The mean duration of a tick in ms, with so many workers.
pub(crate) fn tick_millis(plan: &Plan, workers: usize) -> io::Result<f64> {
    let plan = Plan {
        workers,
        ..plan.clone()
    };
    let mut server = Running::start(&[vec!["serve".to_owned()], plan.arguments()].concat())?;
    let address = server.line()?;
    let mut players = (0..plan.players as u64)
        .map(|number| join(&address, number))
        .collect::<io::Result<Vec<_>>>()?;
    // Until the last keyframe is written and the workers know how busy they are.
    for _ in 0..3 {
        thread::sleep(Duration::from_secs(1));
        drain(&mut players)?;
    }
    let before = Scrape::of(&address)?;
    thread::sleep(WINDOW);
    let after = Scrape::of(&address)?;
    let grown = |name: &str| after.value(name) - before.value(name);
    let blocked = grown("tickwire_would_block_total");
    if blocked > 0.0 {
        return Err(io::Error::other(format!(
            "{blocked} writes were cut short: the window is too long"
        )));
    }
    let ticks = grown("tickwire_tick_seconds_count");
    if after.value("tickwire_players") < plan.players as f64 || ticks < 1.0 {
        return Err(io::Error::other("not everyone was in a room that ticks"));
    }
    Ok(grown("tickwire_tick_seconds_sum") * 1000.0 / ticks)
}

fn join(address: &str, number: u64) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    handshake::connect(&mut stream, "/play")?;
    let mut hello = Vec::new();
    let now = Micros(0);
    ClientSession::new(Hello::default(), number, now).poll_transmit(usize::MAX, now, &mut hello);
    let mut frame = Vec::new();
    Writer::client(number).message(Opcode::Binary, &hello, &mut frame);
    stream.write_all(&frame)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Reads away what has come.
fn drain(players: &mut [TcpStream]) -> io::Result<()> {
    let mut scratch = vec![0; 256 * 1024];
    for player in players {
        loop {
            match player.read(&mut scratch) {
                Ok(0) => return Err(io::Error::other("the server has closed a player")),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
