//! What a real kernel makes of it, over loopback.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd,
};

use socket2::SockRef;

use super::*;

fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    (stream, peer)
}

#[test]
fn the_kernel_says_what_is_under_way() {
    let (mut stream, mut peer) = connected();
    stream.write_all(&[7; 10_000]).unwrap();
    peer.read_exact(&mut [0; 10_000]).unwrap();
    peer.write_all(b"seen").unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    let socket = SockRef::from(&stream);
    let mut kernel = Kernel::prepare(&socket).unwrap();
    let state = kernel.bulk_state(&socket).unwrap();
    let sample = state.sample;
    assert!(state.segment_bytes >= 500, "{state:?}");
    // Who opened the connection had its first packet acknowledged too.
    assert_eq!(sample.delivered, 10_001, "{sample:?}");
    assert_eq!((sample.in_flight, sample.unsent), (0, 0));
    assert!(
        sample.rtt.0 > 0 && sample.rtt_min <= sample.rtt,
        "{sample:?}"
    );
}

/// Which of a socket's buffers do not grow by themselves.
#[expect(unsafe_code, reason = "nothing safe reads SO_BUF_LOCK")]
fn locked(socket: &SockRef<'_>) -> libc::c_int {
    let mut locked: libc::c_int = -1;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to an integer that is so long and outlives the call.
    let code = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BUF_LOCK,
            (&raw mut locked).cast(),
            &raw mut length,
        )
    };
    assert_eq!(code, 0, "{}", io::Error::last_os_error());
    locked
}

#[test]
fn the_send_buffer_is_widened_for_bulk_and_grows_by_itself() {
    let (stream, _peer) = connected();
    let socket = SockRef::from(&stream);
    let granted = std::fs::read_to_string("/proc/sys/net/core/wmem_max").unwrap();
    let granted = granted
        .trim()
        .parse::<usize>()
        .unwrap()
        .min(send_buffer::BYTES);
    Kernel::prepare(&socket).unwrap().begin_bulk(&socket);
    assert_eq!(socket.send_buffer_size().unwrap(), 2 * granted);
    assert_eq!(locked(&socket), 0);
}

#[test]
fn little_may_wait_unsent_and_more_on_a_faster_link() {
    let (stream, _peer) = connected();
    let socket = SockRef::from(&stream);
    let mut kernel = Kernel::prepare(&socket).unwrap();
    let bound = || socket.tcp_notsent_lowat().unwrap();
    assert_eq!(bound(), KERNEL_UNSENT_BYTES);
    kernel.bound_unsent(&socket, 100_000);
    assert_eq!(bound(), 200_000);
    // Not worth a system call.
    kernel.bound_unsent(&socket, 110_000);
    assert_eq!(bound(), 200_000);
    kernel.bound_unsent(&socket, 0);
    assert_eq!(bound(), KERNEL_UNSENT_BYTES);
}

#[test]
fn writes_are_records_while_there_is_bulk() {
    let (stream, mut peer) = connected();
    let socket = SockRef::from(&stream);
    let mut kernel = Kernel::prepare(&socket).unwrap();
    assert!(kernel.send_beside_bulk(&socket, b"before").is_none());
    kernel.begin_bulk(&socket);
    let sent = kernel.send_beside_bulk(&socket, b"beside");
    assert_eq!(sent.unwrap().unwrap(), 6);
    let mut came = [0; 6];
    peer.read_exact(&mut came).unwrap();
    assert_eq!(&came, b"beside");
    kernel.end_bulk();
    assert!(kernel.send_beside_bulk(&socket, b"after").is_none());
}
