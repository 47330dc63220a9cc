//! A line to the server that is slow in one direction. Upward it takes all it is given: what a page sends faster
//! than the line carries stands in a queue, as in a router with a large buffer.
//!
//! In: a port of the server's. Out: a port, and how long the queue was at most.

use std::{
    collections::VecDeque,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

/// Bytes that cross in one go.
const PIECE_BYTES: usize = 1024;

pub(crate) struct SlowLine {
    pub(crate) port: u16,
    queued_max: Arc<AtomicUsize>,
}

impl SlowLine {
    /// A line that is slow upward.
    pub(crate) fn upward(server_port: u16, bytes_per_second: usize) -> Result<Self> {
        Self::start(server_port, bytes_per_second, usize::MAX)
    }

    /// A line that is slow downward.
    pub(crate) fn downward(server_port: u16, bytes_per_second: usize) -> Result<Self> {
        Self::start(server_port, usize::MAX, bytes_per_second)
    }

    /// Takes connections as long as the test lives.
    fn start(server_port: u16, up_per_second: usize, down_per_second: usize) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let queued_max = Arc::new(AtomicUsize::new(0));
        let most = queued_max.clone();
        thread::spawn(move || {
            for page in listener.incoming().flatten() {
                // A connection that fails is one that the page sees fail.
                let _ = carry(&page, server_port, up_per_second, down_per_second, &most);
            }
        });
        Ok(Self { port, queued_max })
    }

    /// The most bytes that have waited.
    pub(crate) fn queued_max(&self) -> usize {
        self.queued_max.load(Relaxed)
    }
}

/// What waits to cross, and whether more may come.
#[derive(Default)]
struct Queue {
    bytes: Mutex<(VecDeque<u8>, bool)>,
    changed: Condvar,
}

fn carry(
    page: &TcpStream,
    server_port: u16,
    up_per_second: usize,
    down_per_second: usize,
    most: &Arc<AtomicUsize>,
) -> Result<()> {
    let server = TcpStream::connect(("127.0.0.1", server_port))?;
    page.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut down_from, mut down_to) = (server.try_clone()?, page.try_clone()?);
    thread::spawn(move || {
        let mut buffer = [0; 4 * PIECE_BYTES];
        // Ends with either end.
        while let Ok(read @ 1..) = down_from.read(&mut buffer) {
            if down_to.write_all(&buffer[..read]).is_err() {
                break;
            }
            thread::sleep(time_for(read, down_per_second));
        }
        let _ = down_to.shutdown(std::net::Shutdown::Both);
    });
    let queue = Arc::new(Queue::default());
    let (filled, most) = (queue.clone(), most.clone());
    let mut up_from = page.try_clone()?;
    thread::spawn(move || {
        let mut buffer = [0; 64 * 1024];
        loop {
            let read = up_from.read(&mut buffer).unwrap_or(0);
            let mut state = filled.bytes.lock().unwrap_or_else(PoisonError::into_inner);
            state.0.extend(&buffer[..read]);
            state.1 = read == 0;
            most.fetch_max(state.0.len(), Relaxed);
            filled.changed.notify_one();
            if read == 0 {
                return;
            }
        }
    });
    thread::spawn(move || drain(&queue, server, up_per_second));
    Ok(())
}

fn time_for(bytes: usize, bytes_per_second: usize) -> Duration {
    Duration::from_secs_f64(bytes as f64 / bytes_per_second as f64)
}

fn drain(queue: &Queue, mut server: TcpStream, bytes_per_second: usize) {
    let mut free = Instant::now();
    loop {
        let mut state = queue.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = state.0.is_empty();
        while state.0.is_empty() {
            if state.1 {
                let _ = server.shutdown(std::net::Shutdown::Write);
                return;
            }
            state = queue
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let length = state.0.len().min(PIECE_BYTES);
        let piece: Vec<u8> = state.0.drain(..length).collect();
        drop(state);
        // What a late wake-up costs is made up for, as long as there is a queue.
        if was_empty {
            free = Instant::now();
        }
        free += time_for(length, bytes_per_second);
        thread::sleep(free.saturating_duration_since(Instant::now()));
        if server.write_all(&piece).is_err() {
            return;
        }
    }
}
