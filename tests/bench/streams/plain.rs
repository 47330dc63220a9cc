//! The other senders, which have no pace: from the asset as one message to a second connection for it.
//!
//! Frames are a length and bytes; a snapshot is the clock and 300 bytes of nothing. The choice to
//! question: the socket is the system's own, with its buffers as they are, but for the one that a [`Manner`]
//! changes, because that is what a program has that leaves the rest to the kernel.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;

use crate::{Direction, Seen, System, asset_bytes, clock_micros, player::connect};

const SNAPSHOT_BYTES: usize = 308;

/// How long snapshots alone are looked at.
const NO_ASSET: Duration = Duration::from_secs(3);

/// How a program sends an asset beside snapshots.
#[derive(Clone, Copy)]
struct Manner {
    /// Bytes of the asset; none of it when 0.
    asset_bytes: usize,
    chunk_bytes: usize,
    /// Chunks that wait in one queue with the snapshots, and in front of them; 0 where a snapshot goes before the
    /// next chunk.
    queued_chunks: usize,
    has_snapshots: bool,
    send_buffer_bytes: Option<usize>,
    unsent_bytes: Option<u32>,
}

impl Manner {
    fn of(system: System) -> Self {
        let first = Self {
            asset_bytes: asset_bytes(),
            chunk_bytes: 16 * 1024,
            queued_chunks: 0,
            has_snapshots: true,
            send_buffer_bytes: None,
            unsent_bytes: None,
        };
        match system {
            System::NoAsset | System::SecondConnection => Self {
                asset_bytes: 0,
                ..first
            },
            System::OneMessage => Self {
                chunk_bytes: asset_bytes(),
                queued_chunks: 1,
                ..first
            },
            // As a channel to a task that writes has it.
            System::Fifo => Self {
                chunk_bytes: 64 * 1024,
                queued_chunks: 64,
                ..first
            },
            System::Interleave => Self {
                chunk_bytes: 64 * 1024,
                ..first
            },
            System::SendBuffer => Self {
                send_buffer_bytes: Some(64 * 1024),
                ..first
            },
            System::Unsent => Self {
                unsent_bytes: Some(16 * 1024),
                ..first
            },
            System::Alone => Self {
                has_snapshots: false,
                ..first
            },
            System::Priority | System::Tickwire | System::Marks => first,
        }
    }

    fn prepare(self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let socket = SockRef::from(stream);
        if let Some(bytes) = self.send_buffer_bytes {
            // The kernel doubles what it is asked for.
            socket.set_send_buffer_size(bytes / 2)?;
        }
        if let Some(bytes) = self.unsent_bytes {
            socket.set_tcp_notsent_lowat(bytes)?;
        }
        Ok(())
    }
}

/// The server's end.
pub(crate) fn serve(
    address: SocketAddr,
    direction: Direction,
    system: System,
) -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(address)?;
    let (mut stream, _) = listener.accept()?;
    match direction {
        Direction::Down if system == System::SecondConnection => {
            let (mut second, _) = listener.accept()?;
            thread::spawn(move || send(&mut second, direction, Manner::of(System::Alone)));
            send(&mut stream, direction, Manner::of(system))?;
        }
        Direction::Down => send(&mut stream, direction, Manner::of(system))?,
        Direction::Up => {
            let seen = receive(&mut stream, Ends::WithTheAsset)?;
            stream.write_all(serde_json::to_string(&seen)?.as_bytes())?;
        }
    }
    Ok(())
}

/// The player's end. What was seen up there is told back.
pub(crate) fn play(address: SocketAddr, direction: Direction, system: System) -> io::Result<Seen> {
    let mut stream = connect(address)?;
    match (direction, system) {
        (Direction::Down, System::SecondConnection) => {
            let mut second = connect(address)?;
            let asset = thread::spawn(move || receive(&mut second, Ends::WithTheAsset));
            let mut seen = receive(&mut stream, Ends::When(&|| asset.is_finished()))?;
            let asset = asset.join().map_err(|_| ErrorKind::Other)??;
            seen.bulk_mbit_s = asset.bulk_mbit_s;
            Ok(seen)
        }
        (Direction::Down, System::NoAsset) => {
            let begun = Instant::now();
            receive(&mut stream, Ends::When(&|| begun.elapsed() >= NO_ASSET))
        }
        (Direction::Down, System::Alone) => receive(&mut stream, Ends::WithTheAsset),
        (Direction::Down, _) => receive(&mut stream, Ends::WithASnapshot),
        (Direction::Up, _) => {
            send(&mut stream, direction, Manner::of(system))?;
            stream.set_nonblocking(false)?;
            serde_json::from_str(&io::read_to_string(stream)?).map_err(io::Error::other)
        }
    }
}

/// What waits to be written.
#[derive(Default)]
struct Queue {
    frames: VecDeque<Vec<u8>>,
    /// How much of the first has been written.
    written: usize,
}

impl Queue {
    fn push_snapshot(&mut self, made: u64) {
        let mut frame = (SNAPSHOT_BYTES as u32).to_le_bytes().to_vec();
        frame.extend_from_slice(&made.to_le_bytes());
        frame.resize(4 + SNAPSHOT_BYTES, 0);
        self.frames.push_back(frame);
    }

    fn push_chunk(&mut self, bytes: usize) {
        let mut frame = (bytes as u32).to_le_bytes().to_vec();
        frame.resize(4 + bytes, 7);
        self.frames.push_back(frame);
    }

    /// Writes as far as the socket takes it. False when nobody listens any more.
    fn write(&mut self, stream: &mut TcpStream) -> bool {
        while let Some(frame) = self.frames.front() {
            match stream.write(&frame[self.written..]) {
                Ok(bytes) => self.written += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
            if self.written == frame.len() {
                self.frames.pop_front();
                self.written = 0;
                return true;
            }
        }
        true
    }
}

/// Sends until the asset is gone and, downward, until nobody listens any more.
fn send(stream: &mut TcpStream, direction: Direction, manner: Manner) -> io::Result<()> {
    let period = 1_000_000 / u64::from(direction.hz());
    manner.prepare(stream)?;
    let mut due = clock_micros();
    let mut left = manner.asset_bytes;
    let mut queue = Queue::default();
    // The one that goes before the next chunk: the latest wins.
    let mut snapshot: Option<u64> = None;
    loop {
        let now = clock_micros();
        if now >= due && manner.has_snapshots {
            due += period;
            if manner.queued_chunks > 0 {
                queue.push_snapshot(now);
            } else {
                snapshot = Some(now);
            }
        }
        if queue.frames.is_empty()
            && let Some(made) = snapshot.take()
        {
            queue.push_snapshot(made);
        }
        while left > 0 && queue.frames.len() < manner.queued_chunks.max(1) {
            let chunk = manner.chunk_bytes.min(left);
            left -= chunk;
            queue.push_chunk(chunk);
        }
        let waiting = queue.frames.len();
        if waiting == 0 && direction == Direction::Up {
            return Ok(());
        }
        if !queue.write(stream) {
            // The player has all it wanted.
            return Ok(());
        }
        if queue.frames.len() < waiting {
            continue;
        }
        let wait = due.saturating_sub(clock_micros()).clamp(100, period);
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: (wait * 1000) as _,
        };
        let wanted = if waiting == 0 {
            PollFlags::empty()
        } else {
            PollFlags::OUT
        };
        poll(&mut [PollFd::new(&*stream, wanted)], Some(&wait))?;
    }
}

/// When the player has seen enough.
enum Ends<'a> {
    WithTheAsset,
    /// That was made when the asset had come: those before it stood behind the asset.
    WithASnapshot,
    When(&'a dyn Fn() -> bool),
}

fn receive(stream: &mut TcpStream, ends: Ends<'_>) -> io::Result<Seen> {
    let mut stream = io::BufReader::with_capacity(256 * 1024, stream);
    let mut seen = Seen::default();
    let mut begun = match ends {
        Ends::When(_) => Some(Instant::now()),
        _ => None,
    };
    let mut left = asset_bytes();
    let mut ended = None;
    let mut frame = Vec::new();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > asset_bytes() {
            return Err(ErrorKind::InvalidData.into());
        }
        if length != SNAPSHOT_BYTES {
            // With its first byte, as for Tickwire: a whole chunk takes two round trips at first.
            begun.get_or_insert_with(Instant::now);
        }
        frame.resize(length, 0);
        stream.read_exact(&mut frame)?;
        if let (SNAPSHOT_BYTES, Some(made)) = (length, frame.first_chunk::<8>()) {
            let made = u64::from_le_bytes(*made);
            let is_over = match ends {
                Ends::When(is_over) => is_over(),
                _ => ended.is_some_and(|ended| made >= ended),
            };
            if is_over {
                return Ok(seen);
            }
            if let Some(begun) = begun {
                let delay = clock_micros() - made;
                let at = begun.elapsed().as_micros() as u64;
                seen.delays.push((at, delay));
            }
        } else {
            left = left.saturating_sub(length);
            if left == 0 {
                let seconds = begun.map_or(f64::NAN, |begun| begun.elapsed().as_secs_f64());
                seen.bulk_mbit_s = asset_bytes() as f64 * 8.0 / seconds / 1e6;
                ended = Some(clock_micros());
                if let Ends::WithTheAsset = ends {
                    return Ok(seen);
                }
            }
        }
    }
}
