//! When bytes arrived, as the kernel says.
//!
//! In: sockets. Out: bytes, and the time at which the kernel had them. The choice to question: what a bot
//! sees is not timed by when its thread gets round to it. A thread with thousands of bots always has
//! others before this one, and that delay is its own and not the server's. Linux stamps what arrives
//! (`SO_TIMESTAMPNS`); elsewhere, the time of the look at the sockets stands in, and is late by up to
//! [`LOOK_PERIOD`](crate::limits::LOOK_PERIOD) and the thread's delays.

use std::{
    io,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use mio::net::TcpStream;
use tickwire_protocol::time::Micros;

/// The time of one look at the sockets, by the run's clock and by the kernel's.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    now: Micros,
    since_epoch: Micros,
}

impl Look {
    /// A look now, in a run that began at `started`.
    #[must_use]
    pub fn now(started: Instant) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            now: started.elapsed().into(),
            since_epoch: since_epoch.unwrap_or_default().into(),
        }
    }

    /// The moment as time since the run began.
    #[must_use]
    pub const fn time(&self) -> Micros {
        self.now
    }

    /// A stamp of the kernel as time since the run began. Bytes may have come since the look.
    fn time_of(&self, stamp: Micros) -> Micros {
        let later = stamp.since(self.since_epoch);
        let earlier = self.since_epoch.since(stamp);
        Micros(self.now.0.saturating_sub(earlier.0) + later.0)
    }
}

/// Has the kernel stamp what arrives from now on. Where it cannot, nothing is stamped.
pub fn stamp(socket: &TcpStream) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ =
        nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::ReceiveTimestampns, &true);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = socket;
}

/// Reads what is there into `buffer`, and says when the last byte of it arrived.
///
/// # Errors
/// As reading does: `WouldBlock` when nothing is there.
pub fn read(socket: &mut TcpStream, buffer: &mut [u8], look: &Look) -> io::Result<(usize, Micros)> {
    let (count, stamp) = read_stamped(socket, buffer)?;
    Ok((count, stamp.map_or(look.now, |stamp| look.time_of(stamp))))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn read_stamped(socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<(usize, Option<Micros>)> {
    use nix::sys::{
        socket::{ControlMessageOwned, MsgFlags, recvmsg},
        time::TimeSpec,
    };
    use std::{io::IoSliceMut, os::fd::AsRawFd, time::Duration};

    let mut pieces = [IoSliceMut::new(buffer)];
    let mut space = nix::cmsg_space!(TimeSpec);
    let message = recvmsg::<()>(
        socket.as_raw_fd(),
        &mut pieces,
        Some(&mut space),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let stamp = message.cmsgs()?.find_map(|said| match said {
        ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at).into()),
        _ => None,
    });
    Ok((message.bytes, stamp))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn read_stamped(socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<(usize, Option<Micros>)> {
    io::Read::read(socket, buffer).map(|count| (count, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_becomes_the_runs_own_time() {
        let look = Look {
            now: Micros(500),
            since_epoch: Micros(1_000_000),
        };
        assert_eq!(look.time_of(Micros(999_900)), Micros(400));
        assert_eq!(look.time_of(Micros(1_000_030)), Micros(530));
        // A kernel's clock that was set forward in between gives the run's first moment, not nonsense.
        assert_eq!(look.time_of(Micros(1)), Micros(0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn bytes_have_the_time_at_which_they_came_and_not_that_of_the_look() {
        use std::{io::Write, thread::sleep, time::Duration};

        let started = Instant::now();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        stamp(&ours);
        let mut arrive = || {
            let before = Micros::from(started.elapsed());
            theirs.write_all(b"snapshot").unwrap();
            let after = Micros::from(started.elapsed());
            sleep(Duration::from_millis(30));
            let look = Look::now(started);
            let (count, at) = read(&mut ours, &mut [0; 64], &look).unwrap();
            assert_eq!(count, 8);
            (before, at, after, look.time())
        };
        // The first socket that asks has the kernel begin to stamp, a moment later.
        let is_stamped = (0..100).any(|_| {
            let (_, at, _, look) = arrive();
            at != look
        });
        assert!(is_stamped);
        let (before, at, after, _) = arrive();
        let slack = Micros(2_000);
        assert!(
            at + slack >= before && at <= after + slack,
            "{before:?} {at:?} {after:?}"
        );
    }
}
