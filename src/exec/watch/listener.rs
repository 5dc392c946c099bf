//! The listener of a filter: it receives stopped calls and sends the answer that continues each.

use crate::exec::bystander::Bystander;
use crate::exec::takeover::{self, LastCall};
use crate::exec::withheld::Withheld;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`: the caller is woken on our processor, since we go to sleep at once.
const SYNC_WAKE_UP: u64 = 1;

/// The result of waiting for a call.
pub(super) enum Waited {
    /// A call waits.
    Call,
    /// Every process with the filter is gone.
    Gone,
    /// The caller asked to stop.
    Stop,
    /// The time is over.
    Idle,
}

/// The descriptor at which calls arrive.
#[derive(Debug)]
pub(super) struct Listener {
    /// A child that also held the descriptor would keep calls waiting after our end.
    _withheld: Withheld,
    descriptor: OwnedFd,
    /// Where the number of each call is noted for the process that continues calls if we are killed.
    last: OnceLock<Arc<LastCall>>,
}

impl Listener {
    /// Takes over the descriptor that installing the filter gave.
    pub(super) fn new(descriptor: OwnedFd) -> Self {
        let listener =
            Self { _withheld: Withheld::new(descriptor.as_fd()), descriptor, last: OnceLock::new() };
        // Older kernels do not know this flag, which only improves speed.
        let _ = listener.control_value(libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP);
        listener
    }

    /// Waits for a call, the end of all processes, or `stop`, at most `milliseconds`.
    pub(super) fn wait(&self, stop: BorrowedFd<'_>, milliseconds: u16) -> Waited {
        let mut asked =
            [PollFd::new(self.descriptor.as_fd(), PollFlags::POLLIN), PollFd::new(stop, PollFlags::POLLIN)];
        if !matches!(poll(&mut asked, PollTimeout::from(milliseconds)), Ok(1..)) {
            return Waited::Idle;
        }
        let [calls, stop] = asked.map(|asked| asked.revents().unwrap_or(PollFlags::empty()));
        if calls.contains(PollFlags::POLLIN) {
            Waited::Call
        } else if calls.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
            Waited::Gone
        } else if stop.is_empty() {
            Waited::Idle
        } else {
            Waited::Stop
        }
    }

    /// Takes the next call; `None` if its caller is gone meanwhile.
    ///
    /// # Errors
    /// The system's.
    #[expect(unsafe_code, reason = "the kernel fills a structure")]
    pub(super) fn receive(&self) -> io::Result<Option<libc::seccomp_notif>> {
        // SAFETY: the structure is all numbers; the kernel demands that it be zero.
        let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the request fills exactly one such structure, whose size was checked.
        let answer = unsafe {
            libc::ioctl(self.descriptor.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call)
        };
        match Errno::result(answer) {
            Ok(_) => {
                if let Some(last) = self.last.get() {
                    last.set(call.id);
                }
                Ok(Some(call))
            }
            Err(Errno::ENOENT | Errno::EINTR | Errno::EAGAIN) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether the caller still waits.
    #[expect(unsafe_code, reason = "the kernel reads a number")]
    pub(super) fn is_waiting(&self, id: u64) -> bool {
        // SAFETY: the request reads one number of 64 bits.
        unsafe {
            libc::ioctl(self.descriptor.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const id) == 0
        }
    }

    /// Continues the call. A caller that is gone needs no answer.
    pub(super) fn resume(&self, id: u64) {
        takeover::resume(self.descriptor.as_raw_fd(), id);
    }

    /// Answers the call with `value`, instead of the kernel.
    pub(super) fn resume_with(&self, id: u64, value: i64) {
        let answer = libc::seccomp_notif_resp { id, val: value, error: 0, flags: 0 };
        // Nothing is left to do where that fails.
        let _ = takeover::send(self.descriptor.as_raw_fd(), &answer);
    }

    /// If we are killed, the bystander continues the calls.
    pub(super) fn entrust_to(&self, bystander: &Bystander) {
        if let Some(last) = bystander.entrust(self.descriptor.as_fd()) {
            let _ = self.last.set(last);
        }
    }

    /// A duplicate of the descriptor.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.descriptor.try_clone()
    }

    #[expect(unsafe_code, reason = "the request takes a plain number")]
    fn control_value(&self, request: libc::Ioctl, value: u64) -> bool {
        // SAFETY: this request takes its argument by value.
        unsafe { libc::ioctl(self.descriptor.as_raw_fd(), request, value) == 0 }
    }
}

/// Checks that listeners work as required.
///
/// # Errors
/// When the kernel cannot continue a call (before 5.5), or its structures have another size.
pub(super) fn check() -> io::Result<()> {
    check_version()?;
    check_sizes()
}

/// A call that an older kernel cannot continue would wait forever.
fn check_version() -> io::Result<()> {
    const FIRST: (u32, u32) = (5, 5);
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok());
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if version >= FIRST { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ENOSYS)) }
}

#[expect(unsafe_code, reason = "the kernel fills a structure")]
fn check_sizes() -> io::Result<()> {
    let mut sizes = libc::seccomp_notif_sizes { seccomp_notif: 0, seccomp_notif_resp: 0, seccomp_data: 0 };
    // SAFETY: the operation fills one such structure.
    let answer =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_NOTIF_SIZES, 0, &raw mut sizes) };
    Errno::result(answer)?;
    let known = size_of::<libc::seccomp_notif>() == usize::from(sizes.seccomp_notif)
        && size_of::<libc::seccomp_notif_resp>() == usize::from(sizes.seccomp_notif_resp);
    if known { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ENOSYS)) }
}
