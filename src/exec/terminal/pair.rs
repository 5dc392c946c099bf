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
    /// Where we read what the command writes, and write what is typed. Never blocks.
    pub(super) master: OwnedFd,
    /// What the command gets.
    pub(super) slave: OwnedFd,
}

impl Pair {
    /// Makes one with these modes and this size, as far as they are known.
    ///
    /// # Errors
    /// The system's: there is no room, or no `/dev/pts`.
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

/// The other end of a pseudo-terminal.
#[expect(unsafe_code, reason = "it is opened by a number that the kernel hands over")]
fn other_end(master: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the call takes flags; a non-negative answer is a new descriptor that nothing else owns.
    unsafe {
        let number = libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags);
        Ok(OwnedFd::from_raw_fd(Errno::result(number)?))
    }
}

/// The modes of a pseudo-terminal whose output goes on to a terminal with `modes`. Of what a terminal does with output,
/// the ends of lines alone are done twice, since that can be undone exactly.
fn ours(modes: &Modes) -> Modes {
    let mut ours = *modes;
    let ends_lines = libc::OPOST | libc::ONLCR;
    ours.c_oflag = if modes.c_oflag & ends_lines == ends_lines { ends_lines } else { 0 };
    ours
}

/// Waits until what was written to `master` can be read from its other end.
pub(super) fn arrives(master: BorrowedFd<'_>) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    if let Ok(slave) = other_end(master) {
        // What is on its way is delivered when it is asked for.
        let _ = poll(&mut [PollFd::new(slave.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO);
    }
}
