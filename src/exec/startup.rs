//! What the system handed us when we were started: which standard descriptors were closed, which signals were
//! ignored or blocked, the mask of permission bits. The command gets the same.
//!
//! It must be read before the language's own start-up code, where there is one, changes it (it ignores SIGPIPE and opens
//! closed descriptors), so a function does that which the system's loader runs before `main`.

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::signal::SigSet;
use nix::sys::stat::{self, Mode};
use std::os::fd::{IntoRawFd, RawFd};
use std::sync::OnceLock;

/// The state of this process when it was started.
#[derive(Debug)]
pub(super) struct Initial {
    /// Whether descriptors 0, 1 and 2 were closed.
    closed: [bool; 3],
    /// Whether SIGPIPE was ignored.
    pub(super) pipe_signal_ignored: bool,
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
    INITIAL.get_or_init(read)
}

/// What a program that runs commands does first, before anything is opened: a reader that goes away becomes an error
/// instead of our end, and no file that we open can land on descriptors 0 to 2.
pub fn begin() {
    let initial = initial();
    ignore_broken_pipes();
    if initial.closed.contains(&true) {
        secure_standard_descriptors();
    }
}

/// A command still gets the disposition that we were started with.
#[expect(unsafe_code, reason = "no safe wrapper sets a disposition")]
fn ignore_broken_pipes() {
    // SAFETY: ignoring a signal runs no code of ours.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
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
        mask: SigSet::thread_get_mask().unwrap_or_else(|_| SigSet::empty()),
        umask: exchanged_umask(),
    }
}

/// The file mode creation mask, as it is returned when another one is set, for there is no other way that does not cost
/// a file of `/proc`. Nothing else runs yet; whatever did would make files that are its own.
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
#[expect(unsafe_code, reason = "no safe wrapper reads a disposition without setting one")]
pub(super) fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the new action is null, so nothing changes; `action` has room for the old one.
    let answer = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: all-zero is a valid `sigaction`, and the call wrote nothing else than one.
    answer == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}

extern "C" fn before_main() {
    initial();
}

#[used]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array.00100"))]
#[expect(unsafe_code, reason = "naming the loader's table of functions to run before main")]
// SAFETY: the table holds pointers to functions of exactly this kind, and what it runs needs nothing that is
// set up later.
static BEFORE_MAIN: extern "C" fn() = before_main;
