//! The modes and the size of a terminal, by plain system calls.

#![cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "commands get terminals of their own on Linux alone")
)]

#[cfg(target_os = "linux")]
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

/// How a terminal treats what goes through it.
pub(super) type Modes = libc::termios;

/// A terminal, its modes as they were, and as we set them.
pub(super) type Guarded<'a> = (BorrowedFd<'a>, Modes, Modes);

/// Whether a terminal puts a carriage return before each line feed, and does nothing else to output.
pub(super) fn ends_lines(modes: &Modes) -> bool {
    modes.c_oflag & (libc::OPOST | libc::ONLCR) == libc::OPOST | libc::ONLCR
}

/// Whether lines are edited by the terminal before they are read.
pub(super) fn edits_lines(modes: &Modes) -> bool {
    modes.c_lflag & libc::ICANON != 0
}

/// The modes in which a terminal passes on everything unchanged.
#[expect(unsafe_code, reason = "the C library knows which modes these are")]
pub(super) fn raw(modes: &Modes) -> Modes {
    let mut raw = *modes;
    // SAFETY: changes a structure of ours.
    unsafe { libc::cfmakeraw(&raw mut raw) };
    raw
}

/// Whether two modes are the same.
pub(super) fn is_same(one: &Modes, other: &Modes) -> bool {
    let flags = |modes: &Modes| [modes.c_iflag, modes.c_oflag, modes.c_cflag, modes.c_lflag];
    flags(one) == flags(other) && one.c_cc == other.c_cc
}

/// The modes of `terminal`, or of the terminal whose other end it is. `None` if it is none.
#[expect(unsafe_code, reason = "the safe wrappers hand out no value that may be shared")]
pub(super) fn modes(terminal: BorrowedFd<'_>) -> Option<Modes> {
    let mut modes = MaybeUninit::<Modes>::zeroed();
    // SAFETY: the pointer has room for what the call writes; all-zero is a valid value.
    unsafe { (libc::tcgetattr(terminal.as_raw_fd(), modes.as_mut_ptr()) == 0).then(|| modes.assume_init()) }
}

/// Sets the modes of `terminal`, at once. A process in its background may do so, too.
#[expect(unsafe_code, reason = "as for reading them")]
pub(super) fn set_modes(terminal: BorrowedFd<'_>, modes: &Modes) {
    let mut unheeded = SigSet::empty();
    unheeded.add(Signal::SIGTTOU);
    let before = unheeded.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    // SAFETY: reads a structure of ours.
    unsafe { libc::tcsetattr(terminal.as_raw_fd(), libc::TCSANOW, std::ptr::from_ref(modes)) };
    if let Ok(before) = before {
        let _ = before.thread_set_mask();
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

/// Sets the size. The processes in its foreground get SIGWINCH if it is another one.
#[expect(unsafe_code, reason = "the size of a terminal is not wrapped")]
pub(super) fn set_size(terminal: BorrowedFd<'_>, size: libc::winsize) {
    // SAFETY: reads a structure of ours.
    unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
}

/// Sends `signal` to the foreground of the pseudo-terminal whose other end is `master`, as the terminal itself would. Returns
/// whether that was possible. May be called in a signal handler.
#[expect(unsafe_code, reason = "the call is not wrapped")]
#[cfg(target_os = "linux")]
pub(super) fn send_to_foreground(master: i32, signal: i32) -> bool {
    // SAFETY: the call takes numbers; safe in a signal handler.
    Errno::result(unsafe { libc::ioctl(master, libc::TIOCSIG, signal) }).is_ok()
}

/// There is no terminal of ours whose foreground a process could be in.
#[cfg(not(target_os = "linux"))]
pub(super) fn send_to_foreground(_master: i32, _signal: i32) -> bool {
    false
}
