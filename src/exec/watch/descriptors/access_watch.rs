//! Watches for reads of a file, by any process, with `inotify`.

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A watch for nothing yet; `None` where the system refuses one.
#[expect(unsafe_code, reason = "inotify is not wrapped here")]
pub(super) fn create() -> Option<OwnedFd> {
    // SAFETY: takes flags only; a non-negative answer is a new descriptor that is nobody else's.
    unsafe {
        let number = libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK);
        (number >= 0).then(|| OwnedFd::from_raw_fd(number))
    }
}

/// Watches for reads of what is at `path`. Whether that is possible.
#[expect(unsafe_code, reason = "inotify is not wrapped here")]
pub(super) fn add(watch: &OwnedFd, path: &[u8]) -> bool {
    let Ok(path) = CString::new(path) else { return false };
    // SAFETY: the path ends with a zero byte.
    unsafe { libc::inotify_add_watch(watch.as_raw_fd(), path.as_ptr(), libc::IN_ACCESS) >= 0 }
}

/// Whether something was read since then.
pub(super) fn is_readable(watch: &OwnedFd) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let mut asked = [PollFd::new(watch.as_fd(), PollFlags::POLLIN)];
    !matches!(poll(&mut asked, PollTimeout::ZERO), Ok(0))
}
