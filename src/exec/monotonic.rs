//! The monotonic clock, read by a plain system call.

/// Nanoseconds of a clock that only goes forward. May be called in a signal handler.
#[expect(unsafe_code, reason = "called inside a signal handler")]
pub(super) fn now() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the structure.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}
