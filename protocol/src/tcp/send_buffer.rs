//! The kernel's send buffer when bulk begins.
//!
//! In: a socket. The kernel's buffer for a new connection holds some 30 KB, and grows with an acknowledgement
//! after a write that did not fit. Then the rest of that write, and the snapshot behind it, wait for the
//! acknowledgement, as long as a round trip. So it is made larger beforehand; it is a bound, and takes no memory.
//!
//! The choice to question: `SO_SNDBUF` turns the kernel's own growing off, and `SO_BUF_LOCK` (Linux 5.14) turns it
//! on again. Where the kernel does not know that, nothing is changed, since a bound that does not grow would hold fast
//! long links back for good.

use socket2::SockRef;

/// What is asked for. The kernel doubles it, for its own overhead, and grants `net.core.wmem_max` at most, by default 208 KiB.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) const BYTES: usize = 512 * 1024;

/// Makes room for the start of bulk, where the kernel lets it grow further.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[expect(
    unsafe_code,
    reason = "no safe crate of ours sets SO_BUF_LOCK, and one system call with a number is all there is to it"
)]
pub(super) fn widen(socket: &SockRef<'_>) {
    use std::os::fd::AsRawFd;

    let unlock = || {
        let nothing_locked: libc::c_int = 0;
        // SAFETY: the kernel reads an integer of that length, which outlives the call.
        let code = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_BUF_LOCK,
                (&raw const nothing_locked).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        code == 0
    };
    if unlock() && socket.set_send_buffer_size(BYTES).is_ok() {
        let _ = unlock();
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) const fn widen(_: &SockRef<'_>) {}
