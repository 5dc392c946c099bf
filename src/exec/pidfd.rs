//! A descriptor that stands for a process.

use rustix::process::Pid;
use std::os::fd::OwnedFd;

/// Readable when the process `pid` has ended; `None` where there is no such thing, or no room for it.
#[cfg(target_os = "linux")]
pub(super) fn open(pid: libc::pid_t) -> Option<OwnedFd> {
    let pid = Pid::from_raw(pid)?;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open(_pid: libc::pid_t) -> Option<OwnedFd> {
    None
}
