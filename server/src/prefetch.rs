//! Asking for memory ahead of its use.
//!
//! A tick comes by every player's memory in each of its steps. In between the caches have filled with the kernel
//! and with the other players, so each step would wait for each player's memory anew. What is asked for a few
//! players ahead comes while those before are served.

/// How many players ahead each thing is asked for: a connection names its seat, and a seat its session.
pub(crate) const CONNECTIONS_AHEAD: usize = 6;
pub(crate) const SEATS_AHEAD: usize = 4;
pub(crate) const SESSIONS_AHEAD: usize = 2;

/// Has the processor fetch the first `bytes` of a value, and does not wait for them.
///
/// Does nothing on processors for which no stable instruction is known.
#[inline]
pub(crate) fn prefetch<T>(value: &T, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const LINE_BYTES: usize = 64;
        let start = core::ptr::from_ref(value).cast::<i8>();
        for at in (0..bytes).step_by(LINE_BYTES) {
            #[expect(
                unsafe_code,
                reason = "it changes nothing but speed, whatever the address"
            )]
            unsafe {
                _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at));
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (value, bytes);
}
