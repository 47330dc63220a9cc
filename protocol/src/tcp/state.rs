//! What the kernel knows of a TCP connection: `TCP_INFO` of Linux.
//!
//! In: a socket. Out: a [`TcpState`]. The choice to question: the answer is read by offsets and not as
//! libc's structure, which ends before the fields that matter here. The kernel only ever appends to it
//! (`include/uapi/linux/tcp.h`), and says how much of it there is.

use socket2::SockRef;

use crate::pace::Sample;

/// Bytes of the answer that are asked for: up to `tcpi_bytes_retrans`, of kernel 4.19.
#[cfg(any(target_os = "linux", target_os = "android"))]
const ANSWER_BYTES: usize = 216;

/// What the kernel says.
#[derive(Clone, Copy, Debug)]
pub struct TcpState {
    /// The link, as a pace wants to know it.
    pub sample: Sample,
    /// Payload of a full packet.
    pub segment_bytes: usize,
}

/// Reads it; `None` when the kernel does not say. It names a rate of pacing always, and not whether it paces.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[expect(
    unsafe_code,
    reason = "no safe crate of ours reads TCP_INFO, and one system call with a buffer of ours is all there is to it"
)]
pub(super) fn read(socket: &SockRef<'_>, is_paced: bool) -> Option<TcpState> {
    use std::os::fd::AsRawFd;

    let mut answer = [0_u8; ANSWER_BYTES];
    let mut length = ANSWER_BYTES as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `answer`, which is that long, and both outlive
    // the call.
    let code = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            answer.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    (code == 0 && length as usize == ANSWER_BYTES).then(|| decode(&answer, is_paced))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) const fn read(_: &SockRef<'_>, _: bool) -> Option<TcpState> {
    None
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn decode(answer: &[u8; ANSWER_BYTES], is_paced: bool) -> TcpState {
    use crate::time::Micros;

    let field = |at: usize| {
        let bytes = [answer[at], answer[at + 1], answer[at + 2], answer[at + 3]];
        u64::from(u32::from_ne_bytes(bytes))
    };
    let long_field = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&answer[at..at + 8]);
        u64::from_ne_bytes(bytes)
    };
    let segment = field(16);
    let (unacked, sacked, lost, retransmitted) = (field(24), field(28), field(32), field(36));
    let (acked, sent, sent_again) = (long_field(120), long_field(200), long_field(208));
    let outstanding = sent.saturating_sub(sent_again + acked);
    let in_flight =
        (outstanding + retransmitted * segment).saturating_sub((sacked + lost) * segment);
    let packets = (unacked + retransmitted).saturating_sub(sacked + lost);
    let rtt = field(68);
    let (threshold, window) = (field(76), field(80));
    let sample = Sample {
        // Bytes, and not `tcpi_delivered`, which counts packets: three and a half would be four. What came
        // behind a loss is acknowledged later, with a jump, and known as packets until then.
        delivered: acked + sacked * segment,
        in_flight,
        unsent: field(144),
        rtt: Micros(rtt),
        // All ones before the first measurement.
        rtt_min: Micros(field(148).min(rtt)),
        window_packets: window,
        window_bytes: if window < threshold {
            // It counts packets, and those of snapshots are not full ones.
            in_flight + window.saturating_sub(packets) * segment
        } else {
            u64::MAX
        },
        pacing_bytes_per_second: if is_paced { long_field(104) } else { u64::MAX },
    };
    TcpState {
        sample,
        segment_bytes: segment as usize,
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_packet_takes_as_much_of_the_kernels_window_as_a_full_one() {
        const SEGMENT: u32 = 1448;
        let mut answer = [0; ANSWER_BYTES];
        let sent = u64::from(5 * SEGMENT + 3 * 100);
        answer[200..208].copy_from_slice(&sent.to_ne_bytes());
        let mut set = |at: usize, value: u32| {
            answer[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        };
        let (segment, unacked, threshold, window) = (16, 24, 76, 80);
        set(segment, SEGMENT);
        set(unacked, 8);
        set(threshold, u32::MAX);
        set(window, 10);
        let sample = decode(&answer, false).sample;
        assert_eq!(sample.in_flight, sent);
        assert_eq!(sample.window_bytes, sent + 2 * u64::from(SEGMENT));
    }
}
