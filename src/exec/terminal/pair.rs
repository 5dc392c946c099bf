//! A pseudo-terminal, its modes and its size.

use crate::exec::startup::above_standard;
use nix::errno::Errno;
use nix::pty::{grantpt, posix_openpt, unlockpt};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// How a terminal treats what goes through it.
pub(in crate::exec) type Modes = libc::termios;

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
    // SAFETY: the call takes flags; a non-negative answer is a new descriptor that is nobody else's.
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

/// Whether a terminal puts a carriage return before each line feed, and does nothing else to output.
pub(super) fn ends_lines(modes: &Modes) -> bool {
    modes.c_oflag & (libc::OPOST | libc::ONLCR) == libc::OPOST | libc::ONLCR
}

/// Whether lines are edited by the terminal before they are read.
pub(super) fn edits_lines(modes: &Modes) -> bool {
    modes.c_lflag & libc::ICANON != 0
}

/// The modes in which a terminal hands on everything as it is.
#[expect(unsafe_code, reason = "the C library knows which modes these are")]
pub(super) fn raw(modes: &Modes) -> Modes {
    let mut raw = *modes;
    // SAFETY: changes a structure of ours.
    unsafe { libc::cfmakeraw(&raw mut raw) };
    raw
}

/// Whether two are the same.
pub(in crate::exec) fn is_same(one: &Modes, other: &Modes) -> bool {
    let flags = |modes: &Modes| [modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag];
    flags(one) == flags(other) && one.c_cc == other.c_cc
}

/// The modes of `terminal`, or of the terminal whose other end it is. `None` if it is none.
#[expect(unsafe_code, reason = "the safe wrappers hand out no value that may be shared")]
pub(in crate::exec) fn modes(terminal: BorrowedFd<'_>) -> Option<Modes> {
    let mut modes = MaybeUninit::<Modes>::zeroed();
    // SAFETY: the pointer has room for what the call writes; all-zero is a valid value.
    unsafe { (libc::tcgetattr(terminal.as_raw_fd(), modes.as_mut_ptr()) == 0).then(|| modes.assume_init()) }
}

/// Sets the modes of `terminal`, at once. Whoever is in its background may do so.
#[expect(unsafe_code, reason = "as for reading them")]
pub(in crate::exec) fn set_modes(terminal: BorrowedFd<'_>, modes: &Modes) {
    let mut unheeded = SigSet::empty();
    unheeded.add(Signal::SIGTTOU);
    let before = unheeded.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    // SAFETY: reads a structure of ours.
    unsafe { libc::tcsetattr(terminal.as_raw_fd(), libc::TCSANOW, std::ptr::from_ref(modes)) };
    if let Ok(before) = before {
        let _ = before.thread_set_mask();
    }
}

/// Waits until what was written to `master` has reached whoever reads from its other end.
pub(super) fn arrives(master: BorrowedFd<'_>) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    if let Ok(slave) = other_end(master) {
        // What is on its way is delivered when it is asked for.
        let _ = poll(&mut [PollFd::new(slave.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO);
    }
}

/// The size of `terminal`; `None` if it is none.
#[expect(unsafe_code, reason = "the size of a terminal is not wrapped")]
pub(super) fn size(terminal: BorrowedFd<'_>) -> Option<libc::winsize> {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: the pointer has room for what the call writes; all-zero is a valid value.
    unsafe {
        (libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, size.as_mut_ptr()) == 0)
            .then(|| size.assume_init())
    }
}

/// Sets the size; the processes in its foreground are told if it is another one.
#[expect(unsafe_code, reason = "the size of a terminal is not wrapped")]
pub(super) fn set_size(terminal: BorrowedFd<'_>, size: libc::winsize) {
    // SAFETY: reads a structure of ours.
    unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
}
