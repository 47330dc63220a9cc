//! The other senders: snapshots before chunks, and the asset alone.
//!
//! Frames are a length and bytes; a snapshot is the clock and 300 bytes of nothing. The choice to
//! question: the socket is the system's own, with its buffers as they are, because that is what a
//! program has that gives priority in its own queue and leaves the rest to the kernel.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Instant,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{ASSET_BYTES, Direction, Seen, clock_micros, player::connect};

const CHUNK_BYTES: usize = 16 * 1024;
const SNAPSHOT_BYTES: usize = 308;

/// The server's end.
pub(crate) fn serve(
    address: SocketAddr,
    direction: Direction,
    is_alone: bool,
) -> Result<(), Box<dyn std::error::Error>> {
    let (mut stream, _) = TcpListener::bind(address)?.accept()?;
    match direction {
        Direction::Down => send(&mut stream, direction, is_alone)?,
        Direction::Up => {
            let seen = receive(&mut stream)?;
            stream.write_all(serde_json::to_string(&seen)?.as_bytes())?;
        }
    }
    Ok(())
}

/// The player's end. What was seen up there is told back.
pub(crate) fn play(address: SocketAddr, direction: Direction, is_alone: bool) -> io::Result<Seen> {
    let mut stream = connect(address)?;
    match direction {
        Direction::Down => receive(&mut stream),
        Direction::Up => {
            send(&mut stream, direction, is_alone)?;
            stream.set_nonblocking(false)?;
            serde_json::from_str(&io::read_to_string(stream)?).map_err(io::Error::other)
        }
    }
}

/// Sends until the asset is gone and, downward, until nobody listens any more.
fn send(stream: &mut TcpStream, direction: Direction, is_alone: bool) -> io::Result<()> {
    let period = 1_000_000 / u64::from(direction.hz());
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let mut due = clock_micros();
    let mut left = ASSET_BYTES;
    // What the socket has not taken, and the snapshot that goes before the next chunk.
    let mut frame: Vec<u8> = Vec::new();
    let mut snapshot: Option<u64> = None;
    loop {
        let now = clock_micros();
        if now >= due && !is_alone {
            // Latest wins.
            snapshot = Some(now);
            due += period;
        }
        if frame.is_empty() {
            if let Some(made) = snapshot.take() {
                frame.extend_from_slice(&(SNAPSHOT_BYTES as u32).to_le_bytes());
                frame.extend_from_slice(&made.to_le_bytes());
                frame.resize(4 + SNAPSHOT_BYTES, 0);
            } else if left > 0 {
                let chunk = CHUNK_BYTES.min(left);
                left -= chunk;
                frame.extend_from_slice(&(chunk as u32).to_le_bytes());
                frame.resize(4 + chunk, 7);
            }
        }
        let is_idle = frame.is_empty();
        if is_idle && direction == Direction::Up {
            return Ok(());
        }
        if !is_idle {
            match stream.write(&frame) {
                Ok(bytes) => {
                    frame.drain(..bytes);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The player has all it wanted.
                Err(_) => return Ok(()),
            }
        }
        let wait = due.saturating_sub(clock_micros()).clamp(100, period);
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: (wait * 1000) as _,
        };
        let wanted = if is_idle {
            PollFlags::empty()
        } else {
            PollFlags::OUT
        };
        poll(&mut [PollFd::new(&stream, wanted)], Some(&wait))?;
    }
}

fn receive(stream: &mut TcpStream) -> io::Result<Seen> {
    let mut stream = io::BufReader::with_capacity(256 * 1024, stream);
    let mut seen = Seen::default();
    let mut begun: Option<Instant> = None;
    let mut left = ASSET_BYTES;
    let mut frame = vec![0; CHUNK_BYTES];
    while left > 0 {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        let frame = frame.get_mut(..length).ok_or(ErrorKind::InvalidData)?;
        if length != SNAPSHOT_BYTES {
            // With its first byte, as for Tickwire: a whole chunk takes two round trips at first.
            begun.get_or_insert_with(Instant::now);
        }
        stream.read_exact(frame)?;
        if let (SNAPSHOT_BYTES, Some(made)) = (length, frame.first_chunk::<8>()) {
            if let Some(begun) = begun {
                let delay = clock_micros() - u64::from_le_bytes(*made);
                seen.delays
                    .push((begun.elapsed().as_micros() as u64, delay));
            }
        } else {
            left -= length;
        }
    }
    let seconds = begun.map_or(f64::NAN, |begun| begun.elapsed().as_secs_f64());
    seen.bulk_mbit_s = ASSET_BYTES as f64 * 8.0 / seconds / 1e6;
    Ok(seen)
}
