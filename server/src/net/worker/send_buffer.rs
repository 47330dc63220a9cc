//! The kernel's send buffer when bulk begins.
//!
//! In: a socket. The kernel's buffer for a new connection holds some 30 KB, and grows with an acknowledgement
//! after a write that did not fit. Then the rest of that write, and the snapshot behind it, wait for the
//! acknowledgement, as long as a round trip. So it is made larger beforehand; it is a bound, and takes no memory.
//!
//! The choice to question: `SO_SNDBUF` turns the kernel's own growing off, and `SO_BUF_LOCK` (Linux 5.14) turns it
//! on again. Where the kernel does not know that, nothing is changed, since a bound that does not grow would hold fast
//! long links back for good.

/// What is asked for. The kernel doubles it, for its own overhead, and grants `net.core.wmem_max` at most, by default 208 KiB.
#[cfg(any(target_os = "linux", target_os = "android"))]
const BYTES: usize = 512 * 1024;

/// Makes room for the start of bulk, where the kernel lets it grow further.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[expect(
    unsafe_code,
    reason = "no safe crate of ours sets SO_BUF_LOCK, and one system call with a number is all there is to it"
)]
pub(super) fn widen(stream: &mio::net::TcpStream) {
    use std::os::fd::AsRawFd;

    let unlock = || {
        let nothing_locked: libc::c_int = 0;
        // SAFETY: the kernel reads an integer of that length, which outlives the call.
        let code = unsafe {
            libc::setsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_BUF_LOCK,
                (&raw const nothing_locked).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        code == 0
    };
    if unlock()
        && socket2::SockRef::from(stream)
            .set_send_buffer_size(BYTES)
            .is_ok()
    {
        let _ = unlock();
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) const fn widen(_: &mio::net::TcpStream) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::fd::AsRawFd;

    /// Which of a socket's buffers do not grow by themselves.
    #[expect(unsafe_code, reason = "nothing safe reads SO_BUF_LOCK")]
    fn locked(stream: &mio::net::TcpStream) -> libc::c_int {
        let mut locked: libc::c_int = -1;
        let mut length = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes to an integer that is so long and outlives the call.
        let code = unsafe {
            libc::getsockopt(
                stream.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_BUF_LOCK,
                (&raw mut locked).cast(),
                &raw mut length,
            )
        };
        assert_eq!(code, 0, "{}", std::io::Error::last_os_error());
        locked
    }

    #[test]
    fn the_buffer_is_as_large_as_asked_for_and_grows_by_itself() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let stream = mio::net::TcpStream::from_std(stream);
        let socket = socket2::SockRef::from(&stream);
        let granted = std::fs::read_to_string("/proc/sys/net/core/wmem_max").unwrap();
        let granted = granted.trim().parse::<usize>().unwrap().min(super::BYTES);
        super::widen(&stream);
        assert_eq!(socket.send_buffer_size().unwrap(), 2 * granted);
        assert_eq!(locked(&stream), 0);
    }
}
