//! A pseudo-terminal.

use crate::exec::startup::above_standard;
use crate::exec::tty::{Modes, set_modes, set_size};
use nix::errno::Errno;
use nix::pty::{grantpt, posix_openpt, unlockpt};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Both ends of a pseudo-terminal.
#[derive(Debug)]
pub(super) struct Pair {
    /// cashet reads the command's output here, and writes keyboard input. It never blocks.
    pub(super) master: OwnedFd,
    /// The command's descriptor.
    pub(super) slave: OwnedFd,
}

impl Pair {
    /// Creates a pseudo-terminal with the given size, and modes derived from `modes` if these are known.
    ///
    /// # Errors
    /// The error of the system: too many pseudo-terminals, or no `/dev/pts`.
    pub(super) fn open(modes: Option<&Modes>, size: libc::winsize) -> io::Result<Self> {
        use nix::fcntl::OFlag;
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags | OFlag::O_NONBLOCK)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let slave = other_end(master.as_fd())?;
        let pair = Self { master: above_standard(OwnedFd::from(master))?, slave: above_standard(slave)? };
        if let Some(modes) = modes {
            set_modes(pair.slave.as_fd(), &ours(modes));
        }
        set_size(pair.master.as_fd(), size);
        Ok(pair)
    }
}

/// The slave of a pseudo-terminal.
#[expect(unsafe_code, reason = "it is opened by a number that the kernel hands over")]
fn other_end(master: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the argument is a set of flags; a non-negative result is a new descriptor without another owner.
    unsafe {
        let number = libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags);
        Ok(OwnedFd::from_raw_fd(Errno::result(number)?))
    }
}

/// The modes of a pseudo-terminal whose output goes to a terminal with `modes`. Of all conversions of output, both terminals do
/// only that of line ends, since it alone can be undone exactly.
fn ours(modes: &Modes) -> Modes {
    let mut ours = *modes;
    let ends_lines = libc::OPOST | libc::ONLCR;
    ours.c_oflag = if modes.c_oflag & ends_lines == ends_lines { ends_lines } else { 0 };
    ours
}

/// Waits until the bytes written to `master` can be read from the slave.
pub(super) fn arrives(master: BorrowedFd<'_>) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    if let Ok(slave) = other_end(master) {
        // This call makes the kernel deliver what is pending.
        let _ = poll(&mut [PollFd::new(slave.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO);
    }
}
