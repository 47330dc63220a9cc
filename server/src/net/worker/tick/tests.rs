//! A heavy room twice on virtual time: by its worker alone, and with all the threads that it may be lent.
//!
//! In: a seed for the room and the players' inputs. Out: what each player's socket got. The decision to question:
//! a worker without its loop. The loop reads the real clock, and no two runs of it are the same.

use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
};

use socket2::SockRef;
use tickwire_protocol::{
    input::InputOutbox,
    replicate::encode_value,
    session::{ClientSession, Hello, ResumeToken, ServerEvent},
    time::RoomTime,
    websocket::{Opcode, Writer},
};

use super::*;
use crate::{
    limits::{HELPED_ENTITIES_MIN, HELPERS_MAX},
    net::{
        descriptors,
        directory::Directory,
        metrics::{Counter, Metrics},
        worker::{
            Command, Connection, Newcomer, Socket,
            read::HELPED_READS,
            tests::{newcomer, shared},
        },
    },
    prelude::*,
    room::Room,
};

const SEED: u64 = 7;

const TICKS: u32 = 60;

/// So many that reads are lent as well.
const PLAYERS: usize = HELPED_READS + 76;

/// One in so many players reads only every so many ticks, from a socket that holds a few messages.
const SLOW: usize = 20;

/// What a small socket is asked to hold; Linux gives it twice that.
const SMALL_BUFFER_BYTES: usize = 4096;

#[derive(Component, Replicate, Clone, Copy)]
struct Place {
    #[wire(range(0.0, 4000.0), step = 0.0625, predict = "linear")]
    x: f32,
}

/// Only its owner knows it, so no two players get the same bytes.
#[derive(Component, Replicate, Clone, Copy)]
#[replicate(audience = "owner")]
struct Steps(u16);

#[derive(Replicate, Clone, Copy, Default)]
struct Push {
    #[wire(range(-1.0, 1.0), step = 0.25)]
    x: f32,
}

fn push(mut pucks: Query<'_, '_, (&CurrentInput<Push>, &mut Place, &mut Steps)>) {
    for (push, mut place, mut steps) in &mut pucks {
        if push.x != 0.0 {
            place.x = (place.x + push.x * 10.0).clamp(0.0, 4000.0);
            steps.0 += 1;
        }
    }
}

/// Entities that are nobody's, and so many that capture and encoding are divided too.
fn drift(mut crowd: Query<'_, '_, &mut Place, Without<Steps>>) {
    for mut place in &mut crowd {
        place.x = (place.x + 1.0) % 4000.0;
    }
}

fn game() -> Game {
    Game::new("heavy")
        .players_max(PLAYERS)
        .replicate::<Place>()
        .replicate::<Steps>()
        .input::<Push>()
        .add_systems((push, drift))
        .on_start(|world| {
            for number in 0..HELPED_ENTITIES_MIN {
                let x = (number % 4000) as f32;
                world.spawn((Replicated, Place { x }));
            }
        })
        .on_join(|world, _| {
            let x = world.resource_mut::<RoomRandom>().range(0.0, 4000.0);
            world.spawn((Replicated, Place { x }, Steps(0))).id()
        })
}

/// A player's end of its socket, and what came by it.
struct End {
    socket: UnixStream,
    writer: Writer,
    inputs: InputOutbox,
    heard: Vec<u8>,
}

impl End {
    fn press(&mut self, tick: Tick, push: Push) {
        let (mut input, mut message, mut frames) = (Vec::new(), Vec::new(), Vec::new());
        encode_value(&push, &mut input);
        self.inputs.push(tick, &input).unwrap();
        self.inputs.flush(&mut message);
        self.writer.message(Opcode::Binary, &message, &mut frames);
        self.socket.write_all(&frames).unwrap();
    }

    fn hear(&mut self) {
        match self.socket.read_to_end(&mut self.heard) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            other => panic!("the server has closed: {other:?}"),
        }
    }
}

/// One room, its worker, and its players.
struct Run {
    worker: Worker,
    metrics: Arc<Metrics>,
    room: usize,
    ends: Vec<End>,
    _commands: Sender<Command>,
}

impl Run {
    /// As one of so many workers, of whom the others have nothing to do.
    fn new(workers: usize) -> Self {
        let mut limits = Limits::default();
        descriptors::fit(&mut limits, descriptors::OF_PLAIN);
        let metrics = Arc::new(Metrics::new(1));
        let (sender, commands) = channel();
        let directory = Directory::new(workers, 1, PLAYERS);
        let shared = shared(game, limits, directory, std::slice::from_ref(&sender));
        let place = shared.directory.place_in("heavy".into()).unwrap();
        let mut worker = Worker::new(0, shared, metrics.worker(0).clone(), commands).unwrap();
        let room = Room::new(game(), "heavy", SEED, Micros(0)).unwrap();
        let mut slot = RoomSlot::new(room, &place, 0.0, Micros(0));
        // As if each of its ticks took a second.
        slot.tick_micros = Micros::PER_SECOND;
        let room = worker.put_room(slot);
        let mut run = Self {
            worker,
            metrics,
            room,
            ends: Vec::new(),
            _commands: sender,
        };
        for number in 0..PLAYERS {
            let (ours, theirs) = UnixStream::pair().unwrap();
            theirs.set_nonblocking(true).unwrap();
            if number.is_multiple_of(SLOW) {
                let ours = SockRef::from(&ours);
                ours.set_send_buffer_size(SMALL_BUFFER_BYTES).unwrap();
            }
            let newcomer = newcomer(Socket::from_pair(ours, None).unwrap());
            run.seat(newcomer, number as u64);
            run.ends.push(End {
                socket: theirs,
                writer: Writer::client(number as u64),
                inputs: InputOutbox::default(),
                heard: Vec::new(),
            });
        }
        run
    }

    /// Seats a player as the worker does, but with a token that is the same in every run.
    fn seat(&mut self, newcomer: Newcomer, number: u64) {
        let now = Micros(0);
        let hello = Hello {
            name: format!("player {number}"),
            ..Hello::default()
        };
        let mut message = Vec::new();
        ClientSession::new(hello, number, now).poll_transmit(usize::MAX, now, &mut message);
        let limits = self.worker.shared.limits.clone();
        let mut connection = Connection::new(newcomer, &limits, now);
        let nothing = Phase::Closing {
            until: now,
            bytes_left: 0,
        };
        let Phase::Greeting { mut session, .. } =
            core::mem::replace(&mut connection.phase, nothing)
        else {
            panic!("it is new");
        };
        session
            .handle_message(&message, RoomTime::default())
            .unwrap();
        let Some(ServerEvent::Hello(hello)) = session.poll_event() else {
            panic!("it has said hello");
        };
        let slot = &mut self.worker.rooms[self.room];
        let token = ResumeToken(u128::from(number).to_le_bytes());
        let joined = slot.room.handle_join(session, &hello, token, now);
        let seat = joined.unwrap_or_else(|refused| panic!("{}", refused.reason));
        let room = self.room;
        connection.phase = Phase::Seated { room, seat };
        let key = self.worker.adopt(connection).unwrap();
        self.worker.rooms[room].set_member(seat, Some(key));
        self.worker.act_on_room_events(room, now);
    }

    /// One tick, with the inputs that came before it, as [`Worker::tick_together`] does it; says how many
    /// threads were lent.
    fn tick(&mut self, tick: u32, inputs: &mut fastrand::Rng) -> usize {
        for end in &mut self.ends {
            let push = Push {
                x: inputs.i32(-1..=1) as f32,
            };
            end.press(Tick(tick), push);
        }
        let worker = &mut self.worker;
        let now = worker.rooms[self.room].room.next_due();
        worker.take_readiness();
        let helpers = worker.helpers_for(self.room);
        worker.read_rooms(&[self.room], helpers, now);
        let mut stepped = Vec::new();
        worker.step_room(self.room, helpers, now, &mut stepped);
        worker.deliver(&mut stepped, helpers, now);
        for (number, end) in self.ends.iter_mut().enumerate() {
            if !number.is_multiple_of(SLOW) || tick.is_multiple_of(SLOW as u32) {
                end.hear();
            }
        }
        helpers
    }
}

/// What each player heard, what the worker counted on the way, and how many threads were lent.
fn outcome(workers: usize) -> (Vec<Vec<u8>>, [u64; 4], usize) {
    let mut run = Run::new(workers);
    let mut inputs = fastrand::Rng::with_seed(SEED);
    let mut lent = Vec::new();
    for tick in 1..=TICKS {
        lent.push(run.tick(tick, &mut inputs));
    }
    lent.dedup();
    let [lent] = lent[..] else {
        panic!("once lent, once not: {lent:?}");
    };
    let counted = run.metrics.worker(0);
    let counted = [
        &counted.messages_in,
        &counted.messages_out,
        &counted.snapshots_skipped_socket,
        &counted.would_block,
    ];
    let counted = counted.map(Counter::read);
    let heard = run.ends.into_iter().map(|end| end.heard).collect();
    (heard, counted, lent)
}

#[test]
fn a_socket_that_is_full_counts_once_and_not_each_time_it_is_looked_at() {
    let mut run = Run::new(1);
    let (key, connection) = run.worker.connections.iter_mut().next().unwrap();
    let Phase::Seated { room, seat } = connection.phase else {
        panic!("it is seated");
    };
    assert!(!connection.write(&vec![7; 4 << 20], Micros(0)).unwrap());
    for _ in 0..3 {
        run.worker.transmit_bulk(key, room, seat, Micros(0));
    }
    assert_eq!(
        run.metrics.worker(0).would_block.read(),
        0,
        "no more was tried"
    );
}

#[test]
fn a_room_that_is_lent_threads_writes_the_bytes_that_it_writes_alone() {
    let (alone, counted_alone, none) = outcome(1);
    let (helped, counted, lent) = outcome(HELPERS_MAX + 1);
    assert_eq!((none, lent), (0, HELPERS_MAX));
    assert_eq!(counted, counted_alone);
    let [messages_in, _, skipped, blocked] = counted;
    assert_eq!(messages_in, u64::from(TICKS) * PLAYERS as u64);
    assert!(skipped > 0 && blocked > 0, "nobody was slow: {counted:?}");
    for (number, (alone, helped)) in alone.iter().zip(&helped).enumerate() {
        assert!(
            alone == helped,
            "player {number} got other bytes (seed {SEED})"
        );
    }
    let mut different = helped.iter().collect::<Vec<_>>();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), PLAYERS);
}
