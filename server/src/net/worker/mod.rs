//! A worker: one thread that owns rooms, and the sockets of the players in them.
//!
//! In: commands (a new connection, one that changes worker, the end), and bytes from sockets. Out: bytes
//! to sockets. The choice to question: the worker does not wait *for* its sockets. It sleeps until a
//! room's tick is due (or a command comes), then asks its poll once what is ready, reads each ready
//! socket once, ticks, and writes each player's message with one call. Waking for every packet would
//! double the cost of a player, and the tick is the only reader of what it would read.
//!
//! Between ticks only connections with something under way are served: a handshake, a transfer, a
//! farewell. When there are none, nothing runs.

mod bulk;
mod connection;
mod greet;
mod lend;
mod moves;
mod part;
mod pipes;
mod rates;
mod read;
mod rooms;
mod send;
mod socket;
mod streams;
mod tick;
mod turns;

use core::{ops::Range, time::Duration};
use std::{
    collections::HashMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
};

use bytes::Bytes;
use mio::{Events, Poll, Token};
use slab::Slab;
use tickwire_protocol::{error::CloseCode, session::Hello, time::Micros};

pub(crate) use self::socket::Socket;
use self::{
    connection::{Connection, Phase},
    moves::Moving,
    rooms::RoomSlot,
    tick::Stepped,
    turns::Turns,
};
use super::{
    assets::{Changes, Library},
    clock::Clock,
    directory::{Directory, Place},
    gate::Permit,
    handlers::Handlers,
    metrics::WorkerMetrics,
};
use crate::{
    game::Game,
    limits::{
        BULK_BYTES_PER_PUMP_MAX, BULK_BYTES_PER_TURN_MIN, COMMANDS_PER_TURN_MIN, Limits,
        PUMP_PERIOD, PUMP_PERIOD_BULK, READ_BYTES_MAX, SHUTDOWN_WAIT, SWEEP_PERIOD,
    },
};

/// What a worker is told.
pub(crate) enum Command {
    /// Take a connection that was just upgraded.
    Accept(Newcomer),
    /// Take a connection that said hello to another worker.
    Welcome(Box<Arrival>),
    /// Tasks have done something with the streams of the connection of that number.
    Serve(usize),
    /// Take a room, with its players, that was another worker's.
    TakeRoom(Box<Moving>),
    /// Say goodbye to everyone, and end.
    ShutDown,
}

/// A connection that was just upgraded.
pub(crate) struct Newcomer {
    pub(crate) socket: Socket,
    /// Whether a proxy stands between, and the kernel's word is of the way to it.
    pub(crate) is_relayed: bool,
    /// What came right behind the request for the upgrade.
    pub(crate) read_ahead: Bytes,
    pub(crate) permit: Permit,
    pub(crate) span: tracing::Span,
}

/// A connection on its way to its room.
pub(crate) struct Arrival {
    connection: Connection,
    hello: Hello,
    place: Place,
    /// What was read behind the hello.
    unread: Vec<u8>,
}

/// What all workers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) limits: Arc<Limits>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) make_game: Arc<dyn Fn() -> Game + Send + Sync>,
    pub(crate) assets: Option<Library>,
    pub(crate) handlers: Handlers,
    pub(crate) workers: Arc<[Sender<Command>]>,
}

/// One worker. See the [module's page](self).
pub(crate) struct Worker {
    index: usize,
    shared: Shared,
    metrics: Arc<WorkerMetrics>,
    commands: Receiver<Command>,
    poll: Poll,
    events: Events,
    connections: Slab<Connection>,
    rooms: Slab<RoomSlot>,
    room_by_name: HashMap<Arc<str>, usize>,
    asset_changes: Option<Changes>,
    turns: Turns,
    due_rooms: Vec<usize>,
    stepped: Vec<Stepped>,
    readable: Vec<usize>,
    /// Connections served between ticks.
    busy: Vec<usize>,
    /// Bytes of bulk that each of them may write in this turn of the pump.
    bulk_share_bytes: usize,
    next_pump: Micros,
    next_sweep: Micros,
    busy_micros: u64,
    /// Set when the worker is to end, to when it ends at the latest.
    ending: Option<Micros>,
    read_buffer: Vec<u8>,
    out: Vec<u8>,
    batch_buffer: Vec<u8>,
    batch_reads: Vec<lend::Read>,
    batch_writes: Vec<(usize, Range<usize>)>,
}

/// Readiness reports taken from the kernel at a time.
const EVENTS_AT_A_TIME: usize = 1024;

/// Reads of one socket in one go; what is left waits until others were served.
const READS_AT_A_TIME: usize = 4;

/// A worker without rooms sleeps this long at most.
const NAP: Duration = Duration::from_secs(1);

impl Worker {
    pub(crate) fn new(
        index: usize,
        shared: Shared,
        metrics: Arc<WorkerMetrics>,
        commands: Receiver<Command>,
    ) -> io::Result<Self> {
        let now = shared.clock.now();
        Ok(Self {
            index,
            asset_changes: shared.assets.clone().map(Changes::new),
            shared,
            metrics,
            commands,
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_AT_A_TIME),
            connections: Slab::new(),
            rooms: Slab::new(),
            room_by_name: HashMap::new(),
            turns: Turns::default(),
            due_rooms: Vec::new(),
            stepped: Vec::new(),
            readable: Vec::new(),
            busy: Vec::new(),
            bulk_share_bytes: BULK_BYTES_PER_TURN_MIN,
            next_pump: now,
            next_sweep: now + SWEEP_PERIOD,
            busy_micros: 0,
            ending: None,
            read_buffer: vec![0; READ_BYTES_MAX],
            out: Vec::new(),
            batch_buffer: Vec::new(),
            batch_reads: Vec::new(),
            batch_writes: Vec::new(),
        })
    }

    /// Runs until told to end.
    pub(crate) fn run(mut self) {
        loop {
            self.sleep_until_due();
            if self.is_over() {
                self.take_the_last_commands();
                if self.is_over() {
                    return;
                }
            }
            let now = self.now();
            self.take_readiness();
            self.tick_due_rooms(now);
            self.pump(now);
            self.sweep(now);
            self.busy_micros += self.now().since(now).0;
        }
    }

    fn now(&self) -> Micros {
        self.shared.clock.now()
    }

    /// Sleeps until the next thing is due. Commands are taken as they come. They never make it late, but a few are
    /// taken when it is: a worker that is always late would otherwise let nobody in, and never end.
    fn sleep_until_due(&mut self) {
        for taken in 1.. {
            if self.is_over() {
                return;
            }
            let now = self.now();
            let span = self.next_due().since(now);
            let command = if span > Micros(0) {
                self.commands.recv_timeout(Duration::from(span).min(NAP))
            } else {
                self.commands
                    .try_recv()
                    .map_err(|_| RecvTimeoutError::Timeout)
            };
            match command {
                Ok(command) => self.on_command(command),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => {
                    // The server is gone without a word: a worker must not outlive it.
                    self.begin_ending();
                    std::thread::sleep(span.into());
                    return;
                }
            }
            if span == Micros(0) && taken >= COMMANDS_PER_TURN_MIN {
                return;
            }
        }
    }

    /// Takes what others have sent before they knew of the end: players of a room among it have to be told.
    fn take_the_last_commands(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            self.on_command(command);
        }
    }

    /// Whether the worker was told to end and has nobody left to tell.
    fn is_over(&self) -> bool {
        self.ending
            .is_some_and(|at| self.connections.is_empty() || at <= self.now())
    }

    fn next_due(&mut self) -> Micros {
        let due_of = |key| self.rooms.get(key).and_then(RoomSlot::next_due);
        let tick = self.turns.next_due(due_of);
        let pump = (!self.busy.is_empty()).then_some(self.next_pump);
        [tick, pump, self.ending]
            .into_iter()
            .flatten()
            .fold(self.next_sweep, Micros::min)
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Accept(newcomer) => self.on_newcomer(newcomer),
            Command::Welcome(arrival) => self.on_arrival(*arrival),
            // It may be another connection's number by now: one look too many.
            Command::Serve(key) => self.mark_busy(key),
            Command::TakeRoom(moving) => self.on_moving(*moving),
            Command::ShutDown => self.begin_ending(),
        }
    }

    /// Says goodbye to everyone. The thread ends when they have answered, or after a while.
    fn begin_ending(&mut self) {
        if self.ending.is_some() {
            return;
        }
        let now = self.now();
        self.ending = Some(now + SHUTDOWN_WAIT);
        let (rooms, connections) = (self.rooms.len(), self.connections.len());
        tracing::info!(worker = self.index, rooms, connections, "saying goodbye");
        let reason = "the server shuts down";
        let rooms: Vec<usize> = self.rooms.iter().map(|(key, _)| key).collect();
        for room in rooms {
            self.end_room(room, CloseCode::GoingAway, reason, now);
        }
        let rest: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in rest {
            if matches!(self.connections[key].phase, Phase::Greeting { .. }) {
                self.close(key, &[], CloseCode::GoingAway, reason, now);
            }
        }
    }

    /// Asks the poll once what is ready, and keeps it for when it is wanted.
    fn take_readiness(&mut self) {
        loop {
            if self
                .poll
                .poll(&mut self.events, Some(Duration::ZERO))
                .is_err()
            {
                // Interrupted by a signal: what is ready is still ready next time.
                return;
            }
            let mut reports = 0;
            for event in &self.events {
                reports += 1;
                let Token(key) = event.token();
                let Some(connection) = self.connections.get_mut(key) else {
                    continue;
                };
                if event.is_readable() || event.is_error() {
                    connection.readiness.read_closed |= event.is_read_closed() || event.is_error();
                    connection.readiness.readable = true;
                    connection.queue_read(key, &mut self.rooms);
                }
                if event.is_writable() {
                    connection.set_writable();
                    if connection.has_pending() {
                        connection.mark_busy(key, &mut self.busy);
                    }
                }
            }
            if reports < EVENTS_AT_A_TIME {
                return;
            }
        }
    }

    /// Serves the connections with something under way, if it is time.
    fn pump(&mut self, now: Micros) {
        if self.busy.is_empty() || now < self.next_pump {
            return;
        }
        let mut period = PUMP_PERIOD;
        let mut busy = core::mem::take(&mut self.busy);
        self.bulk_share_bytes = (BULK_BYTES_PER_PUMP_MAX / busy.len()).max(BULK_BYTES_PER_TURN_MIN);
        busy.retain(|&key| {
            let stays = self.serve_busy(key, now);
            if let Some(connection) = self.connections.get_mut(key) {
                connection.readiness.is_busy = stays;
                if now >= connection.bulk_attended {
                    connection.socket.end_bulk();
                } else if stays {
                    period = PUMP_PERIOD_BULK;
                }
            }
            stays
        });
        self.next_pump = now + period;
        // Serving may have made others busy.
        busy.append(&mut self.busy);
        self.busy = busy;
    }

    /// Has a player's socket read with its room's next tick, if there is something to read.
    fn queue_read(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.queue_read(key, &mut self.rooms);
        }
    }

    fn mark_busy(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.mark_busy(key, &mut self.busy);
        }
    }

    /// Whether the connection has to be served again between ticks.
    fn serve_busy(&mut self, key: usize, now: Micros) -> bool {
        let Some(connection) = self.connections.get_mut(key) else {
            return false;
        };
        if connection.flush(now).is_err() {
            self.on_write_failed(key, now);
            return false;
        }
        if self.connections[key].readiness.readable {
            self.read(key, now);
        }
        let Some(connection) = self.connections.get(key) else {
            return false;
        };
        match connection.phase {
            Phase::Greeting { .. } => true,
            Phase::Closing { until, .. } if until <= now => {
                self.drop_connection(key);
                false
            }
            Phase::Closing { .. } => true,
            Phase::Seated { room, seat } => {
                let has_transfers = !connection.transfers.is_empty();
                self.act_on_room_events(room, now);
                let waits_for_disk = has_transfers && self.continue_transfers(room, seat, now);
                let has_more = self.transmit_bulk(key, room, seat, now);
                let is_closing = self
                    .connections
                    .get(key)
                    .is_some_and(Connection::is_closing);
                has_more || waits_for_disk || is_closing || self.attends_streams(key, now)
            }
        }
    }

    /// Looks after what needs no better than a second: time-outs, stalls, empty rooms, counts.
    fn sweep(&mut self, now: Micros) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + SWEEP_PERIOD;
        let busy = core::mem::take(&mut self.busy_micros);
        self.metrics.busy_micros.add(busy);
        self.shared.directory.report_load(self.index, busy);
        self.sweep_rooms(now);
        self.sweep_connections(now);
        self.announce_assets(now);
        self.lighten(busy, now);
    }
}

/// Runs code of the game, or code that calls it. A panic there ends its room, never the worker.
pub(super) fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    //! What tests of this folder begin with.

    #[cfg(unix)]
    use std::os::unix::net::UnixStream;
    use std::{io::Write, slice, sync::mpsc::channel};

    use tickwire_protocol::{
        session::{ClientSession, Hello},
        websocket::{Opcode, Writer},
    };

    use super::*;
    use crate::net::{gate::Gate, metrics::Metrics};

    /// What the workers of a server have in common.
    pub(super) fn shared(
        make_game: fn() -> Game,
        limits: Limits,
        directory: Directory,
        workers: &[Sender<Command>],
    ) -> Shared {
        Shared {
            clock: Clock::start(),
            limits: Arc::new(limits),
            directory: Arc::new(directory),
            make_game: Arc::new(make_game),
            assets: None,
            handlers: Handlers::default(),
            workers: workers.into(),
        }
    }

    /// A connection from nowhere.
    pub(super) fn newcomer(socket: Socket) -> Newcomer {
        let gate = Arc::new(Gate::new(&Limits::default(), Arc::new(Metrics::new(1))));
        Newcomer {
            socket,
            is_relayed: false,
            read_ahead: Bytes::new(),
            permit: gate.enter(None).unwrap(),
            span: tracing::Span::none(),
        }
    }

    /// A connection that has said nothing yet, and its peer.
    #[cfg(unix)]
    pub(super) fn connection() -> (Connection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let newcomer = newcomer(Socket::from_pair(ours, None).unwrap());
        let connection = Connection::new(newcomer, &Limits::default(), Micros(0));
        (connection, theirs)
    }

    /// Seats a player: its connection here, its session and its end of the line there.
    #[cfg(unix)]
    pub(super) fn seat_one(worker: &mut Worker) -> (usize, ClientSession, UnixStream) {
        let (connection, mut peer) = connection();
        let key = worker.adopt(connection).unwrap();
        let mut client = ClientSession::new(Hello::default(), 1, Micros(0));
        say(&mut client, &mut peer);
        worker.read(key, Micros(0));
        (key, client, peer)
    }

    /// Sends what a client has to say.
    #[cfg(unix)]
    pub(super) fn say(client: &mut ClientSession, peer: &mut UnixStream) {
        let (mut message, mut frames) = (Vec::new(), Vec::new());
        client.poll_transmit(usize::MAX, Micros(0), &mut message);
        Writer::client(1).message(Opcode::Binary, &message, &mut frames);
        peer.write_all(&frames).unwrap();
    }

    /// The only worker of a server with so many rooms, and what commands it.
    pub(super) fn lone_worker(
        make_game: fn() -> Game,
        rooms_max: usize,
    ) -> (Worker, Sender<Command>) {
        let (sender, commands) = channel();
        let metrics = Metrics::new(1);
        let directory = Directory::new(1, rooms_max, 8);
        let workers = slice::from_ref(&sender);
        let shared = shared(make_game, Limits::default(), directory, workers);
        let worker = Worker::new(0, shared, metrics.worker(0).clone(), commands).unwrap();
        (worker, sender)
    }

    #[test]
    fn what_a_worker_was_busy_is_counted_by_its_sweeps() {
        let (mut worker, _sender) = lone_worker(|| Game::new("nothing"), 8);
        for busy_micros in [700_000, 50_000] {
            worker.busy_micros = busy_micros;
            worker.sweep(worker.next_sweep);
        }
        assert_eq!(worker.metrics.busy_micros.read(), 750_000);
        assert_eq!(worker.busy_micros, 0);
    }

    #[test]
    fn a_worker_that_is_late_takes_some_commands_and_not_all() {
        let (mut worker, sender) = lone_worker(|| Game::new("nothing"), 8);
        worker.next_sweep = Micros(0);
        let mut left_of = |sent| {
            for _ in 0..sent {
                sender.send(Command::Serve(0)).unwrap();
            }
            worker.sleep_until_due();
            worker.commands.try_iter().count()
        };
        assert_eq!(left_of(COMMANDS_PER_TURN_MIN), 0);
        assert_eq!(left_of(COMMANDS_PER_TURN_MIN + 2), 2);
    }
}
