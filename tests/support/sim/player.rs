//! One simulated player: a client core, the two directions of its link, and the server's end of its
//! connection. It does what a shell does and nothing else.

use tickwire_client::{Client, ClientEvent, Config};
use tickwire_protocol::{
    id::PlayerId,
    session::ServerSession,
    time::{Micros, Tick},
    websocket::CLOSE_ABNORMAL,
};
use tickwire_server::room::SeatIndex;

use super::game::Steer;
use crate::link::{Link, LinkProfile};

/// What travels on a link: a WebSocket message, or its close frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parcel {
    /// A binary message.
    Message(Vec<u8>),
    /// The close frame.
    Close(u16, String),
}

impl Parcel {
    /// As a link carries it.
    #[must_use]
    pub fn wrap(self) -> Vec<u8> {
        match self {
            Self::Message(mut bytes) => {
                bytes.push(0);
                bytes
            }
            Self::Close(code, reason) => {
                let mut bytes = code.to_le_bytes().to_vec();
                bytes.extend_from_slice(reason.as_bytes());
                bytes.push(1);
                bytes
            }
        }
    }

    /// What a link carried.
    #[must_use]
    pub fn unwrap(mut bytes: Vec<u8>) -> Self {
        if bytes.pop() == Some(0) {
            return Self::Message(bytes);
        }
        let code = u16::from_le_bytes([bytes[0], bytes[1]]);
        Self::Close(code, String::from_utf8_lossy(&bytes[2..]).into_owned())
    }
}

/// The server's end of a connection.
#[derive(Debug)]
pub enum ServerEnd {
    /// No connection.
    None,
    /// The hello has not come yet.
    Greeting(Box<ServerSession>),
    /// In the room.
    Seated(SeatIndex),
    /// Its last word is said.
    Closed,
}

/// A simulated player.
pub struct SimPlayer {
    /// Its end of the game.
    pub client: Client,
    /// Client to server.
    pub up: Link,
    /// Server to client.
    pub down: Link,
    /// The server's end.
    pub server: ServerEnd,
    /// Its number in the room, once it has one.
    pub player: Option<PlayerId>,
    /// How often it was let in.
    pub joined: u32,
    /// How often it got its own seat back.
    pub resumed: u32,
    /// The codes it was closed with, in order.
    pub closes: Vec<u16>,
    /// Checksums that were the server's.
    pub verified: u32,
    /// The tick of the newest snapshot of this connection.
    pub newest: Option<Tick>,
    /// Snapshots it took, over all connections.
    pub snapshots: u64,
    /// When it draws its next frame.
    pub next_frame: Micros,
    /// Whether it presses keys at random.
    pub is_playing_about: bool,
    pub(super) random: fastrand::Rng,
    pub(super) tamper: Option<fn(&mut Vec<u8>)>,
}

/// Time between two animation frames: 60 a second.
pub const FRAME_MICROS: Micros = Micros(16_667);

impl SimPlayer {
    /// A player that connects over such a link.
    #[must_use]
    pub fn new(name: &str, profile: LinkProfile, seed: u64, now: Micros) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let config = Config {
            name: name.to_owned(),
            seed: random.u64(..),
            ..Config::default()
        };
        Self {
            client: Client::new(config),
            up: Link::new(profile, random.u64(..)),
            down: Link::new(profile, random.u64(..)),
            server: ServerEnd::None,
            player: None,
            joined: 0,
            resumed: 0,
            closes: Vec::new(),
            verified: 0,
            newest: None,
            snapshots: 0,
            next_frame: now + Micros(random.u64(..FRAME_MICROS.0)),
            is_playing_about: true,
            random,
            tamper: None,
        }
    }

    /// When something happens at this player's end next. What is on its way to a room whose thread is
    /// held up is read when it goes on.
    #[must_use]
    pub fn next_event(&self, held_until: Micros) -> Micros {
        let up = self.up.next_arrival().map(|at| at.max(held_until));
        let arrivals = up.into_iter().chain(self.down.next_arrival());
        arrivals.fold(self.next_frame, Micros::min)
    }

    /// How it stands, in one line for a failure.
    #[must_use]
    pub fn standing(&self) -> String {
        format!(
            "{:?}: {:?}, server {:?}, joined {}, closes {:?}, newest {:?}, verified {}",
            self.player,
            self.client.connection(),
            self.server,
            self.joined,
            self.closes,
            self.newest,
            self.verified
        )
    }

    /// The socket is gone, at both ends and on the way.
    pub fn cut(&mut self, now: Micros) {
        self.up.cut();
        self.down.cut();
        self.server = ServerEnd::None;
        self.newest = None;
        self.client.handle_close(CLOSE_ABNORMAL, "", now);
    }

    /// Draws a frame: presses keys, lets the client's time pass, opens a socket when it wants one.
    pub fn frame(&mut self, now: Micros) {
        self.next_frame = now + FRAME_MICROS;
        if self.is_playing_about && self.random.u8(..12) == 0 {
            let axis = |random: &mut fastrand::Rng| f32::from(random.i8(-1..=1));
            let steer = Steer {
                x: axis(&mut self.random),
                y: axis(&mut self.random),
                fire: self.random.bool(),
            };
            self.client
                .set_input(&steer)
                .expect("it is the game's input");
        }
        // A time-out is the client's own affair: it says in `poll_close` what follows.
        let _ = self.client.handle_frame(now);
        if self.client.poll_connect(now) {
            self.up.cut();
            self.down.cut();
            self.newest = None;
            self.server = ServerEnd::Greeting(Box::new(ServerSession::new(now)));
            self.client.handle_open(now);
        }
        self.send(now);
    }

    /// Takes what has arrived from the server. Says whether a snapshot was among it.
    pub fn receive(&mut self, now: Micros) -> bool {
        let mut any_snapshot = false;
        while let Some(bytes) = self.down.poll_arrival(now) {
            match Parcel::unwrap(bytes) {
                Parcel::Message(message) => {
                    // The client closes by itself after an error; `poll_close` says with what.
                    let _ = self.client.handle_message(&message, now);
                }
                Parcel::Close(code, reason) => {
                    self.closes.push(code);
                    self.client.handle_close(code, &reason, now);
                }
            }
            self.drain_events();
            any_snapshot |= self.notice_snapshot();
        }
        self.send(now);
        any_snapshot
    }

    /// Writes what the client has to say, as far as the link takes it.
    pub fn send(&mut self, now: Micros) {
        let mut message = Vec::new();
        while self.up.is_writable() && self.client.poll_message(usize::MAX, now, &mut message) {
            self.up
                .send(now, Parcel::Message(std::mem::take(&mut message)).wrap());
        }
        if let Some((code, reason)) = self.client.poll_close()
            && self.up.is_writable()
        {
            self.up.send(now, Parcel::Close(code, reason).wrap());
        }
        self.drain_events();
    }

    /// A bad message of its own making.
    pub fn send_raw(&mut self, message: &[u8], now: Micros) {
        self.up.send(now, Parcel::Message(message.to_vec()).wrap());
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Joined { player, resumed } => {
                    self.player = Some(player);
                    self.joined += 1;
                    self.resumed += u32::from(resumed);
                    self.newest = None;
                }
                ClientEvent::Verified { tick, is_equal } => {
                    assert!(
                        is_equal,
                        "{:?} differs from the server's word at tick {tick}",
                        self.player
                    );
                    self.verified += 1;
                }
                _ => {}
            }
        }
    }

    /// Whether the client holds a newer state than before. Ticks only grow.
    fn notice_snapshot(&mut self) -> bool {
        let Some(view) = self.client.newest() else {
            return false;
        };
        let tick = view.time().tick;
        if self.newest == Some(tick) {
            return false;
        }
        let is_newer = self.newest.is_none_or(|before| tick.is_after(before));
        assert!(
            is_newer,
            "{:?} went back from tick {:?} to {tick}",
            self.player, self.newest
        );
        self.newest = Some(tick);
        self.snapshots += 1;
        true
    }
}
