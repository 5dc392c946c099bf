//! Signals while a command runs. Signals that reached us alone are passed on to the child. When the child has died of a signal,
//! so do we.
//!
//! A child must not get a signal twice. The terminal and `kill -- -GROUP` send theirs to our whole process group, which
//! includes the child, and nothing in the signal that arrives here tells that from a signal sent to us alone. So a
//! [`Bystander`] stands in the group and does nothing. A signal that reached it has reached the child, too.
//!
//! A signal that was ignored when we were started is noted and passed on by the same rule, since the child may have set a
//! handler for it. We ourselves do nothing about it.

mod dispositions;
mod handler;

pub(super) use dispositions::for_a_child;

use super::bystander::Bystander;
use super::tty::Guarded;
use dispositions::set;
use handler::{ENDED, Slot, claim, send};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering::SeqCst;

/// What signal handling uses of the terminal of the child's session.
pub(super) struct SessionTerminal<'a> {
    /// The number of the other end of that terminal, or -1.
    pub(super) master: i32,
    /// The number of the descriptor that wakes the thread that passes on the streams.
    pub(super) bell: i32,
    /// The user's terminal, which the bystander restores if we are killed.
    pub(super) guarded: Option<Guarded<'a>>,
}

/// As long as it lives, signals are caught for one run.
#[derive(Debug)]
pub(super) struct Caught {
    slot: &'static Slot,
    bystander: Option<Bystander>,
}

impl Caught {
    /// Begins to catch, before the child is started. With a terminal for the child's session, also the signals of terminals.
    pub(super) fn begin(terminal: Option<SessionTerminal<'_>>) -> Self {
        let slot = claim();
        let has_terminal = terminal.is_some();
        if let Some(terminal) = &terminal {
            slot.bell.store(terminal.bell, SeqCst);
            slot.master.store(terminal.master, SeqCst);
        }
        let bystander = Bystander::start(terminal.and_then(|terminal| terminal.guarded));
        if let Some(bystander) = &bystander {
            slot.reached.set(bystander);
        }
        dispositions::enter(has_terminal);
        Self { slot, bystander }
    }

    /// The process that stands in our group.
    pub(super) fn bystander(&self) -> Option<&Bystander> {
        self.bystander.as_ref()
    }

    /// The child exists since `began`, by [`super::monotonic::now`]. A signal that it did not get is passed on now.
    pub(super) fn started(&self, child: libc::pid_t, began: i64) {
        self.slot.began.store(began, SeqCst);
        self.slot.child.store(child, SeqCst);
        self.slot.deliver_pending();
    }

    /// The child has ended and its number may soon be somebody else's.
    pub(super) fn ended(&self) {
        self.slot.child.store(ENDED, SeqCst);
        self.slot.reached.clear();
    }

    /// The child got `signal` from a key, and we did not.
    pub(super) fn note(&self, signal: i32) {
        let _ = self.slot.noted.compare_exchange(0, signal, SeqCst, SeqCst);
    }

    /// Whether the size of our terminal has changed since this was asked last.
    pub(super) fn take_resized(&self) -> bool {
        self.slot.resized.swap(false, SeqCst)
    }

    /// The first signal that came and was not ignored when we were started.
    pub(super) fn seen(&self) -> Option<i32> {
        Some(self.slot.seen.load(SeqCst)).filter(|signal| *signal != 0)
    }

    /// The first signal that came. It may have reached the child as well.
    pub(super) fn noted(&self) -> Option<i32> {
        Some(self.slot.noted.load(SeqCst)).filter(|signal| *signal != 0)
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        self.ended();
        dispositions::leave();
        self.slot.free();
    }
}

/// Dies of `signal`, as the command did, without a core of our own. Buffered output must have been flushed.
#[expect(unsafe_code, reason = "the safe wrappers do not know real-time signals")]
pub fn raise_again(signal: i32) -> ! {
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_dumpable(false);
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_CORE) {
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, hard);
    }
    let mut mask = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: `mask` has room for a set and is made one before it is used; the default action runs no code of
    // ours. Where a call refuses (SIGKILL), the next one does what is wanted anyway.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::sigemptyset(mask.as_mut_ptr());
        libc::sigaddset(mask.as_mut_ptr(), signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, mask.as_ptr(), std::ptr::null_mut());
        libc::raise(signal);
    }
    // The first process of a container is not killed by what it sends itself.
    std::process::exit(128_i32.saturating_add(signal))
}

/// Stops this process by `signal`, or with `group` all of its group, as if nobody caught it. Returns when it is continued.
#[expect(unsafe_code, reason = "an action is a structure of the system")]
pub(in crate::exec) fn stop(signal: i32, group: bool) {
    // SAFETY: all-zero is a valid action: the default.
    let default: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    let ignore = libc::sigaction { sa_sigaction: libc::SIG_IGN, ..default };
    let before = set(signal, &ignore);
    if group {
        // SAFETY: takes numbers only.
        unsafe { libc::kill(0, signal) };
    }
    set(signal, &default);
    // SAFETY: takes a number. This thread is stopped before the call returns.
    unsafe { libc::raise(signal) };
    if let Some(before) = before {
        set(signal, &before);
    }
}

/// Continues the process group of `command`.
pub(super) fn go_on(command: libc::pid_t) {
    if command > 0 {
        send(-command, libc::SIGCONT);
    }
}
