//! The circumstances in which this process was started: closed standard descriptors, ignored and blocked signals, the
//! umask. The command gets the same.
//!
//! Rust's start-up code ignores SIGPIPE and opens closed descriptors, so a program that passes its own circumstances on to
//! commands must call [`remember_start`] before that code runs. `cashet` does. In any other program that uses the library
//! they are read when they are first needed, and SIGPIPE counts as not ignored, as for [`std::process::Command`].

use crate::record::Stream;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::signal::SigSet;
use nix::sys::stat::{self, Mode};
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

/// Signals that the C library reserves: its wrappers neither read nor set their dispositions.
pub(super) const LIBRARY_SIGNALS: [i32; 2] = [32, 33];

/// The state of this process when it was started.
#[derive(Debug)]
pub(super) struct Initial {
    /// Whether descriptors 0, 1 and 2 were closed.
    closed: [bool; 3],
    /// Whether SIGPIPE was ignored.
    pub(super) pipe_signal_ignored: bool,
    /// Whether SIGXFSZ was ignored.
    pub(super) file_size_signal_ignored: bool,
    /// Which of the two signals that the C library keeps for itself were ignored, one bit each.
    pub(super) library_signals_ignored: u64,
    /// The blocked signals of the first thread.
    pub(super) mask: SigSet,
    /// The mode bits that new files do not get.
    pub(super) umask: u32,
}

impl Initial {
    /// Whether the standard descriptor `number` was closed.
    pub(super) fn was_closed(&self, number: RawFd) -> bool {
        usize::try_from(number).ok().and_then(|number| self.closed.get(number)).copied().unwrap_or(false)
    }
}

static INITIAL: OnceLock<Initial> = OnceLock::new();

/// The state of this process when it was started.
pub(super) fn initial() -> &'static Initial {
    INITIAL.get_or_init(|| Initial { pipe_signal_ignored: false, ..read() })
}

/// Reads the circumstances in which this process was started, once. Call it before Rust's start-up code runs, or at the
/// beginning of a `main` that does without that code.
pub fn remember_start() {
    INITIAL.get_or_init(read);
}

/// Whether a signal is ignored, as `nohup` has it: then it stays so.
#[must_use]
pub fn is_signal_ignored(signal: i32) -> bool {
    is_ignored(signal)
}

/// Whether standard input was closed when this program was started. A command gets it closed, too.
#[must_use]
pub fn stdin_was_closed() -> bool {
    initial().was_closed(0)
}

/// Whether standard output (`Stream::Stdout`) or standard error was closed when this program was started: what a command writes
/// there fails.
#[must_use]
pub fn was_closed(stream: Stream) -> bool {
    initial().was_closed(match stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
    })
}

/// Prepares this process for running commands, before anything is opened: a reader that goes away and a file that may
/// not grow (`ulimit -f`) cause errors instead of a deadly signal, and no file that we open can land on descriptors 0 to 2.
pub fn begin() {
    let initial = initial();
    ignore_signals_of_writing();
    if initial.closed.contains(&true) {
        secure_standard_descriptors();
    }
}

/// A command still gets the dispositions that we were started with.
#[expect(unsafe_code, reason = "no safe wrapper sets a disposition")]
fn ignore_signals_of_writing() {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        // SAFETY: ignoring a signal runs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Undoes what [`begin`] did about signals, between fork and exec of another program of ours.
#[expect(unsafe_code, reason = "no safe wrapper sets a disposition")]
pub(super) fn restore_signals_of_writing() {
    let initial = initial();
    for (signal, was_ignored) in
        [(libc::SIGPIPE, initial.pipe_signal_ignored), (libc::SIGXFSZ, initial.file_size_signal_ignored)]
    {
        // SAFETY: neither action runs code of ours.
        unsafe { libc::signal(signal, if was_ignored { libc::SIG_IGN } else { libc::SIG_DFL }) };
    }
}

/// The same file on a descriptor above the standard ones.
pub(super) fn above_standard(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() > 2 {
        return Ok(descriptor);
    }
    rustix::io::fcntl_dupfd_cloexec(&descriptor, 3).map_err(io::Error::from)
}

/// Descriptors 0 to 2 that were closed are opened on `/dev/null` for us; a command still gets them closed.
fn secure_standard_descriptors() {
    // A new descriptor is always the lowest free one, so the gaps are filled in order. Where there is no
    // `/dev/null`, a directory holds the place.
    for number in closed_now().into_iter().zip(0..).filter_map(|(closed, number)| closed.then_some(number)) {
        let null = open("/dev/null", OFlag::O_RDWR, Mode::empty());
        let opened = null.or_else(|_| open("/", OFlag::O_RDONLY, Mode::empty()));
        let landed: Option<RawFd> = opened.ok().map(IntoRawFd::into_raw_fd);
        debug_assert!(landed.is_none_or(|landed| landed == number), "descriptors are given out in order");
    }
}

fn read() -> Initial {
    Initial {
        closed: closed_now(),
        pipe_signal_ignored: is_ignored(libc::SIGPIPE),
        file_size_signal_ignored: is_ignored(libc::SIGXFSZ),
        library_signals_ignored: library_signals_ignored(),
        mask: SigSet::thread_get_mask().unwrap_or_else(|_| SigSet::empty()),
        umask: exchanged_umask(),
    }
}

/// The umask. The call returns it when another one is set; the only other way is to read a file of `/proc`. No other thread runs
/// yet, and for a moment the umask only allows access to the user.
fn exchanged_umask() -> u32 {
    let mask = stat::umask(Mode::S_IRWXG | Mode::S_IRWXO);
    stat::umask(mask);
    #[expect(clippy::useless_conversion, reason = "the type is not the same on every system")]
    u32::from(mask.bits())
}

/// Which of the descriptors 0, 1 and 2 are closed.
#[expect(unsafe_code, reason = "a closed descriptor cannot be asked about through a safe wrapper")]
fn closed_now() -> [bool; 3] {
    let mut asked = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    // SAFETY: `asked` is an array of three valid entries, and the call does not keep it.
    while unsafe { libc::poll(asked.as_mut_ptr(), 3, 0) } < 0 && Errno::last() == Errno::EINTR {}
    asked.map(|one| one.revents & libc::POLLNVAL != 0)
}

/// Whether `signal` is ignored by this process.
pub(super) fn is_ignored(signal: i32) -> bool {
    disposition(signal) == Some(libc::SIG_IGN)
}

/// What this process does about `signal`: one of the system's two constants, or a handler. `None` for a signal that the
/// C library keeps for itself.
#[expect(unsafe_code, reason = "no safe wrapper reads a disposition without setting one")]
pub(super) fn disposition(signal: i32) -> Option<libc::sighandler_t> {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the new action is null, so nothing changes; `action` has room for the old one.
    let answer = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all-zero is a valid `sigaction`, and the call wrote nothing else than one.
    (answer == 0).then(|| unsafe { action.assume_init() }.sa_sigaction)
}

/// The C library takes these signals with the first thread, and its wrappers refuse to read them.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the C library refuses to read them")]
fn library_signals_ignored() -> u64 {
    let is_ignored = |signal: &i32| {
        let mut action = [0_usize; 4];
        // SAFETY: nothing is set; the array has the size of the kernel's structure, whose last part is a set of 8 bytes.
        let answer = unsafe {
            libc::syscall(libc::SYS_rt_sigaction, *signal, std::ptr::null::<usize>(), action.as_mut_ptr(), 8)
        };
        answer == 0 && action.first() == Some(&libc::SIG_IGN)
    };
    LIBRARY_SIGNALS.iter().filter(|signal| is_ignored(signal)).map(|signal| 1 << (signal - 1)).sum()
}

/// There are none.
#[cfg(not(target_os = "linux"))]
fn library_signals_ignored() -> u64 {
    0
}
