//! Signals while a command runs: those sent to us are remembered and passed on to the child, those of the
//! terminal reach it by themselves. And dying of the signal that the child died of.
//!
//! Knows nothing of pipes or of how a child is started.
//!
//! All that a handler touches is atomic. Several runs may go on in one process: each has a slot in a list that
//! only grows.

use super::startup::is_ignored;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering::SeqCst};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What would end us and leave the child behind: it is passed on instead.
const PASSED_ON: [i32; 6] =
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];

/// The child of a [`Slot`]: nobody uses the slot.
const FREE: i32 = 0;
/// The child of a [`Slot`]: it is not started yet.
const STARTING: i32 = -1;
/// The child of a [`Slot`]: it has ended.
const ENDED: i32 = -2;

/// What a handler must know of one run.
#[derive(Debug)]
struct Slot {
    /// The process, or one of the three constants.
    child: AtomicI32,
    /// The first signal that came, or 0.
    seen: AtomicI32,
    /// A signal that came before the child was known, with its sender; or 0.
    pending: AtomicI64,
    next: OnceLock<Box<Slot>>,
}

impl Slot {
    const fn new(child: i32) -> Self {
        Self {
            child: AtomicI32::new(child),
            seen: AtomicI32::new(0),
            pending: AtomicI64::new(0),
            next: OnceLock::new(),
        }
    }

    /// `signal` came; from the process `sender`, or from the kernel for the terminal's whole foreground group.
    fn arrived(&self, signal: i32, sender: Option<i32>) {
        let child = self.child.load(SeqCst);
        if child == FREE {
            return;
        }
        let _ = self.seen.compare_exchange(0, signal, SeqCst, SeqCst);
        match child {
            // The child may or may not be there to get the terminal's signal; if it is, then so early that a
            // second one makes no difference.
            STARTING => {
                self.pending.store(pack(signal, sender.unwrap_or(0)), SeqCst);
                self.deliver_pending();
            }
            ENDED => {}
            // The terminal's reach the child by themselves.
            child => {
                if let Some(sender) = sender {
                    pass_on(child, signal, sender);
                }
            }
        }
    }

    /// Sends what came before the child was known, once.
    fn deliver_pending(&self) {
        let child = self.child.load(SeqCst);
        if child > 0 {
            let (signal, sender) = unpack(self.pending.swap(0, SeqCst));
            if signal != 0 {
                pass_on(child, signal, sender);
            }
        }
    }
}

static FIRST: Slot = Slot::new(FREE);

/// Dispositions as they were before the first of the present runs, and how many runs there are.
struct Installed {
    runs: usize,
    before: Vec<(i32, libc::sigaction)>,
}

static INSTALLED: Mutex<Installed> = Mutex::new(Installed { runs: 0, before: Vec::new() });

/// As long as it lives, signals are caught for one run. Not passed on and not caught is what was ignored: the
/// child ignores it too.
#[derive(Debug)]
pub(super) struct Caught {
    slot: &'static Slot,
}

impl Caught {
    /// Begins to catch, before the child is started.
    pub(super) fn begin() -> Self {
        let slot = claim();
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if installed.runs == 0 {
            installed.before = install();
        }
        installed.runs += 1;
        Self { slot }
    }

    /// The child is there: what came before is passed on now.
    pub(super) fn started(&self, child: libc::pid_t) {
        self.slot.child.store(child, SeqCst);
        self.slot.deliver_pending();
    }

    /// The child has ended and its number may soon be somebody else's.
    pub(super) fn ended(&self) {
        self.slot.child.store(ENDED, SeqCst);
    }

    /// The first signal that came.
    pub(super) fn seen(&self) -> Option<i32> {
        Some(self.slot.seen.load(SeqCst)).filter(|signal| *signal != 0)
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        installed.runs = installed.runs.saturating_sub(1);
        if installed.runs == 0 {
            for (signal, action) in installed.before.drain(..) {
                set(signal, &action);
            }
        }
        self.slot.seen.store(0, SeqCst);
        self.slot.pending.store(0, SeqCst);
        self.slot.child.store(FREE, SeqCst);
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

/// A slot for one more run.
fn claim() -> &'static Slot {
    let mut slot = &FIRST;
    loop {
        if slot.child.compare_exchange(FREE, STARTING, SeqCst, SeqCst).is_ok() {
            return slot;
        }
        slot = slot.next.get_or_init(|| Box::new(Slot::new(FREE)));
    }
}

/// Catches what is passed on, and makes sure that a reader that went away is an error instead of our end, and
/// that the end of a child can be waited for. Returns what was before.
#[expect(unsafe_code, reason = "an action is a structure of the system")]
fn install() -> Vec<(i32, libc::sigaction)> {
    // SAFETY: all-zero is a valid action: the default, no flags, nothing blocked.
    let zero: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    let catch = libc::sigaction {
        sa_sigaction: on_signal as *const () as libc::sighandler_t,
        // Without SA_RESTART: a write to a reader that does not read must be interrupted.
        sa_flags: libc::SA_SIGINFO,
        ..zero
    };
    let ignore = libc::sigaction { sa_sigaction: libc::SIG_IGN, ..zero };
    let mut before = Vec::with_capacity(PASSED_ON.len() + 2);
    let mut replace = |signal, action| before.extend(set(signal, action).map(|old| (signal, old)));
    for signal in PASSED_ON.into_iter().filter(|signal| !is_ignored(*signal)) {
        replace(signal, &catch);
    }
    replace(libc::SIGPIPE, &ignore);
    if is_ignored(libc::SIGCHLD) {
        // Else the system would throw the exit status away.
        replace(libc::SIGCHLD, &zero);
    }
    before
}

#[expect(unsafe_code, reason = "the safe wrappers do not hand back every action whole")]
fn set(signal: i32, action: &libc::sigaction) -> Option<libc::sigaction> {
    let mut before = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: `action` is one of the system's, or names `on_signal`, which is safe at any moment; `before` has
    // room for one, and all-zero is one.
    unsafe { (libc::sigaction(signal, action, before.as_mut_ptr()) == 0).then(|| before.assume_init()) }
}

/// The handler. It calls only what may be called at any moment: atomics and `kill`.
#[expect(unsafe_code, reason = "the system hands over a pointer")]
extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    let errno = Errno::last_raw();
    // SAFETY: the handler is installed with SA_SIGINFO, so `info` is valid while it runs. A code that is not
    // positive says that a process sent the signal, and then its number is there.
    let sender = unsafe { ((*info).si_code <= 0).then(|| (*info).si_pid()) };
    let mut slot = Some(&FIRST);
    while let Some(one) = slot {
        one.arrived(signal, sender);
        slot = one.next.get().map(Box::as_ref);
    }
    Errno::set_raw(errno);
}

/// Two numbers that are not negative in one that can be exchanged at once.
fn pack(signal: i32, sender: i32) -> i64 {
    (i64::from(sender) << 32) | i64::from(signal)
}

fn unpack(packed: i64) -> (i32, i32) {
    (i32::try_from(packed & 0xffff_ffff).unwrap_or(0), i32::try_from(packed >> 32).unwrap_or(0))
}

/// Sends `signal` to `child`, unless that is the sender: whoever signals its whole group has reached itself.
#[expect(unsafe_code, reason = "called inside a signal handler, with the plain number")]
fn pass_on(child: libc::pid_t, signal: i32, sender: i32) {
    if sender == child {
        return;
    }
    // SAFETY: `kill` takes numbers only. A child that has ended meanwhile is not collected yet, so that the
    // number is still its own.
    unsafe { libc::kill(child, signal) };
}
