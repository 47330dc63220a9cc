//! What the kernel knows of a TCP connection: `TCP_INFO` of Linux.
//!
//! In: a socket. Out: a [`Sample`]. The choice to question: the answer is read by offsets and not as
//! libc's structure, which ends before the fields that matter here. The kernel only ever appends to it
//! (`include/uapi/linux/tcp.h`), and says how much of it there is.

use tickwire_protocol::pace::Sample;

/// Bytes of the answer that are asked for: up to `tcpi_delivered`, of kernel 4.18.
#[cfg(any(target_os = "linux", target_os = "android"))]
const ANSWER_BYTES: usize = 196;

/// Reads it; `None` when the kernel does not say.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[expect(
    unsafe_code,
    reason = "no safe crate of ours reads TCP_INFO, and one system call with a buffer of ours is all there is to it"
)]
pub(super) fn read(stream: &mio::net::TcpStream) -> Option<Sample> {
    use std::os::fd::AsRawFd;

    let mut answer = [0_u8; ANSWER_BYTES];
    let mut length = ANSWER_BYTES as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `answer`, which is that long, and both outlive
    // the call.
    let code = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            answer.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    (code == 0 && length as usize == ANSWER_BYTES).then(|| decode(&answer))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) const fn read(_: &mio::net::TcpStream) -> Option<Sample> {
    None
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn decode(answer: &[u8; ANSWER_BYTES]) -> Sample {
    use tickwire_protocol::time::Micros;

    let field = |at: usize| {
        let bytes = [answer[at], answer[at + 1], answer[at + 2], answer[at + 3]];
        u64::from(u32::from_ne_bytes(bytes))
    };
    let segment = field(16);
    let (unacked, sacked, lost, retransmitted) = (field(24), field(28), field(32), field(36));
    let rtt = field(68);
    Sample {
        // Not `tcpi_bytes_acked`: after a loss it stands still and then jumps.
        delivered: field(192) * segment,
        in_flight: (unacked + retransmitted).saturating_sub(sacked + lost) * segment,
        unsent: field(144),
        rtt: Micros(rtt),
        // All ones before the first measurement.
        rtt_min: Micros(field(148).min(rtt)),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;

    #[test]
    fn the_kernel_says_what_is_under_way() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        stream.write_all(&[7; 10_000]).unwrap();
        std::io::Read::read_exact(&mut peer, &mut [0; 10_000]).unwrap();
        peer.write_all(b"seen").unwrap();
        std::io::Read::read_exact(&mut stream, &mut [0; 4]).unwrap();
        stream.set_nonblocking(true).unwrap();
        let sample = super::read(&mio::net::TcpStream::from_std(stream)).unwrap();
        assert!(sample.delivered >= 10_000, "{sample:?}");
        assert_eq!((sample.in_flight, sample.unsent), (0, 0));
        assert!(
            sample.rtt.0 > 0 && sample.rtt_min <= sample.rtt,
            "{sample:?}"
        );
    }
}
