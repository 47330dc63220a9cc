//! A link with a rate, a delay, a queue and loss, under real kernel TCP.
//!
//! Two network namespaces, each with one TUN device, and between the devices a thread of ours that
//! forwards IP packets late and drops what does not fit. Kernels without netem can be measured like
//! this too. The namespaces need root and Debian's `iproute2`; they are gone when the link is dropped.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::fs::OpenOptionsExt,
    },
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{PORT, arrivals::Arrivals, clock_micros};

/// The largest IP packet a TUN device of the usual MTU hands over.
const PACKET_BYTES_MAX: usize = 1500;

/// What a link does to packets, the same in both directions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Bits per second that leave the queue.
    pub(crate) rate_bits: u64,
    /// Time from leaving one end to arriving at the other; half the round trip.
    pub(crate) one_way: Duration,
    /// Bytes that may wait for the rate; a packet beyond them is dropped.
    pub(crate) queue_bytes: usize,
    /// Packets lost at random, per thousand.
    pub(crate) loss_per_mille: u32,
}

/// The two namespaces and the thread between them.
pub(crate) struct Link {
    namespaces: [String; 2],
    stop: Arc<AtomicBool>,
    late_micros: Arc<AtomicU64>,
    arrivals: Arc<Mutex<Arrivals>>,
    forwarder: Option<JoinHandle<io::Result<()>>>,
}

impl Link {
    /// The addresses of the two ends.
    pub(crate) const ADDRESSES: [&'static str; 2] = ["10.77.0.1", "10.77.0.2"];

    /// Lays a link whose TCP uses `congestion` ("cubic", "bbr") at both ends.
    ///
    /// # Errors
    ///
    /// When `ip` is missing, we are not root, or the kernel has no TUN.
    pub(crate) fn lay(shape: Shape, congestion: &str) -> io::Result<Self> {
        // Of two benches at once each has its own; addresses are the namespace's own anyway.
        let id = std::process::id();
        let namespaces = [format!("tickwire-a-{id}"), format!("tickwire-b-{id}")];
        for namespace in &namespaces {
            // Left by a run that was killed.
            let _ = ip(&["netns", "del", namespace]);
        }
        let mut link = Self {
            namespaces,
            stop: Arc::default(),
            late_micros: Arc::default(),
            arrivals: Arc::new(Mutex::new(Arrivals::new(PORT))),
            forwarder: None,
        };
        let mut ends = Vec::with_capacity(2);
        for (index, namespace) in link.namespaces.iter().enumerate() {
            let device = format!("tw{index}-{id}");
            ip(&["netns", "add", namespace])?;
            ip(&["tuntap", "add", "dev", &device, "mode", "tun"])?;
            ends.push(open_tun(&device)?);
            ip(&["link", "set", &device, "netns", namespace])?;
            let [ours, theirs] = [Self::ADDRESSES[index], Self::ADDRESSES[1 - index]];
            ip(&[
                "-n", namespace, "addr", "add", ours, "peer", theirs, "dev", &device,
            ])?;
            ip(&["-n", namespace, "link", "set", "lo", "up"])?;
            ip(&["-n", namespace, "link", "set", &device, "up"])?;
            let setting = format!("net.ipv4.tcp_congestion_control={congestion}");
            run(
                "ip",
                &["netns", "exec", namespace, "sysctl", "-qw", &setting],
            )?;
        }
        let ends: [File; 2] = ends
            .try_into()
            .expect("one device was opened for each of two ends");
        let forwarder = Forwarder {
            ends,
            directions: [Direction::new(shape, 1), Direction::new(shape, 2)],
            stop: link.stop.clone(),
            late_micros: link.late_micros.clone(),
            arrivals: link.arrivals.clone(),
        };
        link.forwarder = Some(
            std::thread::Builder::new()
                .name("link".into())
                .spawn(|| forwarder.run())?,
        );
        Ok(link)
    }

    /// How much later than it should the link has delivered a packet at most: a thread of ours on a machine that does
    /// more than this.
    pub(crate) fn late_micros(&self) -> u64 {
        self.late_micros.load(Ordering::Relaxed)
    }

    /// When the first `bytes` that a player sent to the server's port had arrived, by [`clock_micros`].
    pub(crate) fn arrived_micros(&self, bytes: u64) -> Option<u64> {
        let arrivals = self.arrivals.lock();
        arrivals.unwrap_or_else(PoisonError::into_inner).when(bytes)
    }

    /// A command that will run at end `index`.
    pub(crate) fn command(&self, index: usize, program: &std::path::Path) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespaces[index]])
            .arg(program);
        command
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(forwarder) = self.forwarder.take() {
            let _ = forwarder.join();
        }
        for namespace in &self.namespaces {
            // A namespace takes its device with it.
            let _ = ip(&["netns", "del", namespace]);
        }
    }
}

fn ip(arguments: &[&str]) -> io::Result<()> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &[&str]) -> io::Result<()> {
    let output = Command::new(program).args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!(
        "{program} {}: {}",
        arguments.join(" "),
        said.trim()
    )))
}

#[expect(
    unsafe_code,
    reason = "attaching to a TUN device is an ioctl that no safe crate of ours wraps"
)]
fn open_tun(device: &str) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")?;
    // SAFETY: an all-zero ifreq is valid, and TUNSETIFF reads one ifreq, which outlives the call.
    let code = unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(device.bytes()) {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
        libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &request)
    };
    if code != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file)
}

/// One direction: packets wait for the rate, then travel for the delay.
struct Direction {
    shape: Shape,
    /// When the last accepted packet has left the queue.
    free_at: Instant,
    /// Packets on their way, with the time each arrives.
    travelling: VecDeque<(Instant, Vec<u8>)>,
    random: u64,
}

impl Direction {
    fn new(shape: Shape, seed: u64) -> Self {
        Self {
            shape,
            free_at: Instant::now(),
            travelling: VecDeque::new(),
            random: seed,
        }
    }

    /// Takes a packet into the queue, or drops it.
    fn accept(&mut self, packet: &[u8], now: Instant) {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let is_lost = (self.random >> 33) % 1000 < u64::from(self.shape.loss_per_mille);
        let wait = self.free_at.saturating_duration_since(now);
        let waiting_bytes = wait.as_secs_f64() * self.shape.rate_bits as f64 / 8.0;
        if is_lost || waiting_bytes + packet.len() as f64 > self.shape.queue_bytes as f64 {
            return;
        }
        let on_the_wire =
            Duration::from_secs_f64(packet.len() as f64 * 8.0 / self.shape.rate_bits as f64);
        self.free_at = now + wait + on_the_wire;
        self.travelling
            .push_back((self.free_at + self.shape.one_way, packet.to_vec()));
    }
}

/// The thread between the two devices.
struct Forwarder {
    ends: [File; 2],
    directions: [Direction; 2],
    stop: Arc<AtomicBool>,
    late_micros: Arc<AtomicU64>,
    arrivals: Arc<Mutex<Arrivals>>,
}

impl Forwarder {
    fn run(mut self) -> io::Result<()> {
        let mut packet = [0; PACKET_BYTES_MAX];
        while !self.stop.load(Ordering::Relaxed) {
            self.wait()?;
            for from in 0..2 {
                while let Some(len) = none_when_blocked(self.ends[from].read(&mut packet))? {
                    self.directions[from].accept(&packet[..len], Instant::now());
                }
                self.deliver(from)?;
            }
        }
        Ok(())
    }

    /// Sleeps until a packet comes, or one that travels arrives, 50 ms at most.
    fn wait(&self) -> io::Result<()> {
        let next = self
            .directions
            .iter()
            .filter_map(|d| d.travelling.front())
            .map(|(at, _)| *at)
            .min();
        let now = Instant::now();
        let wait = next.map_or(Duration::from_millis(50), |at| {
            at.saturating_duration_since(now)
        });
        let wait = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        let mut ends = self
            .ends
            .each_ref()
            .map(|end| PollFd::from_borrowed_fd(end.as_fd(), PollFlags::IN));
        match poll(&mut ends, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    fn deliver(&mut self, from: usize) -> io::Result<()> {
        let now = Instant::now();
        while let Some((at, packet)) = self.directions[from].travelling.front() {
            if *at > now {
                break;
            }
            let late = now.duration_since(*at).as_micros() as u64;
            self.late_micros.fetch_max(late, Ordering::Relaxed);
            none_when_blocked(self.ends[1 - from].write(packet))?;
            let arrivals = self.arrivals.lock();
            let mut arrivals = arrivals.unwrap_or_else(PoisonError::into_inner);
            arrivals.note(packet, clock_micros());
            self.directions[from].travelling.pop_front();
        }
        Ok(())
    }
}

fn none_when_blocked(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(len) => Ok(Some(len)),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
        // The device has no peer while its namespace is being set up or taken down.
        Err(e) if matches!(e.raw_os_error(), Some(libc::EIO | libc::EINVAL)) => Ok(None),
        Err(e) => Err(e),
    }
}
