//! Rooms without sockets: what a tick of ours costs, kernel left aside.
//!
//! In: how many rooms of how many players. Out: micros of CPU for a tick and its messages. The choice to
//! question: the rooms take turns, as those of a worker do. Of a thousand rooms none is still in the core's
//! caches when its turn comes again, so the first of two figures is memory and the second is work.

use std::io;

use rustix::time::{ClockId, clock_gettime};
use tickwire_protocol::{
    session::{ClientSession, Hello, ResumeToken, ServerEvent, ServerSession},
    time::{Micros, RoomTime},
};
use tickwire_server::{
    game::Game,
    room::{Room, SeatIndex},
    threads::Alone,
};

/// Ticks before anything counts: tables are learned, buffers have grown, everyone has the keyframe.
const WARM_UP_TICKS: u64 = 60;
const TICKS: u64 = 60;

/// A room, and its players' messages thrown away.
struct Bare {
    room: Room,
    seats: Vec<SeatIndex>,
}

impl Bare {
    fn new(game: Game, players: usize, seed: u64) -> io::Result<Self> {
        let mut room = Room::new(game, "bare", seed, Micros(0)).map_err(io::Error::other)?;
        let seats = (0..players)
            .map(|player| join(&mut room, player as u64))
            .collect::<io::Result<_>>()?;
        while room.poll_event().is_some() {}
        Ok(Self { room, seats })
    }

    fn tick(&mut self, out: &mut Vec<u8>) -> usize {
        let now = self.room.next_due();
        self.room.tick(now, &Alone);
        out.clear();
        for &seat in &self.seats {
            self.room.poll_transmit(seat, now, out);
        }
        out.len()
    }
}

fn join(room: &mut Room, number: u64) -> io::Result<SeatIndex> {
    let mut message = Vec::new();
    let now = Micros(0);
    ClientSession::new(Hello::default(), number, now).poll_transmit(usize::MAX, now, &mut message);
    let mut session = Box::new(ServerSession::new(now));
    session
        .handle_message(&message, RoomTime::default())
        .map_err(io::Error::other)?;
    let Some(ServerEvent::Hello(hello)) = session.poll_event() else {
        return Err(io::Error::other("a hello that is none"));
    };
    let token = ResumeToken(u128::from(number).to_le_bytes());
    room.handle_join(session, &hello, token, now)
        .map_err(|turned_away| io::Error::other(turned_away.reason))
}

/// Micros of CPU for one tick and its messages, and the bytes of one message.
pub(crate) fn tick_micros(
    game: impl Fn() -> Game,
    rooms: usize,
    players: usize,
) -> io::Result<(f64, f64)> {
    let mut rooms = (0..rooms)
        .map(|seed| Bare::new(game(), players, seed as u64))
        .collect::<io::Result<Vec<_>>>()?;
    let mut out = Vec::new();
    let mut play = |ticks: u64| {
        let mut bytes = 0;
        for _ in 0..ticks {
            bytes += rooms
                .iter_mut()
                .map(|room| room.tick(&mut out))
                .sum::<usize>();
        }
        bytes
    };
    play(WARM_UP_TICKS);
    let before = cpu_micros();
    let bytes = play(TICKS);
    let spent = cpu_micros() - before;
    let ticks = (TICKS as usize * rooms.len()) as f64;
    Ok((spent / ticks, bytes as f64 / ticks / players as f64))
}

fn cpu_micros() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
