//! Signals while a command runs: they are noted, and those that reached us alone are passed on to the child. And dying
//! of the signal that the child died of.
//!
//! A child must not get a signal twice. The terminal and `kill -- -GROUP` send theirs to our whole process group, the
//! child included, and nothing in what arrives here tells that from a signal sent to us alone. So a [`Bystander`] stands
//! in the group and does nothing: what has reached it has reached the child.
//!
//! A signal that was ignored when we were started is noted as well, since the child may have set a handler for it, and
//! passed on by the same rule; we ourselves do nothing about it.
//!
//! All that a handler touches is atomic. Several runs may go on in one process: each has a slot in a list that
//! only grows.

use super::bystander::{Bystander, Reached};
use super::startup::{LIBRARY_SIGNALS, disposition, initial, is_ignored};
use super::terminal::{Relay, send_to_foreground};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What would end us and leave the child behind: it is passed on instead.
const PASSED_ON: [i32; 6] =
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];

/// What our terminal tells its foreground, and we the command's.
const OF_TERMINALS: [i32; 2] = [libc::SIGTSTP, libc::SIGWINCH];

/// The highest number of a signal.
const LAST: i32 = if cfg!(target_os = "linux") { 64 } else { 31 };

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
    noted: AtomicI32,
    /// The first signal that came and was not ignored when we were started, or 0.
    seen: AtomicI32,
    /// A signal that came before the child was known, with its sender; or 0.
    pending: AtomicI64,
    /// When that came, and when the child began to be; by [`now`].
    pending_at: AtomicI64,
    began: AtomicI64,
    /// What of a bystander a handler uses.
    reached: Reached,
    /// The other end of the terminal of the child's session, and what wakes whoever passes its streams on; or -1.
    master: AtomicI32,
    bell: AtomicI32,
    /// The size of our terminal has changed.
    resized: AtomicBool,
    next: OnceLock<Box<Slot>>,
}

impl Slot {
    const fn new(child: i32) -> Self {
        Self {
            child: AtomicI32::new(child),
            noted: AtomicI32::new(0),
            seen: AtomicI32::new(0),
            pending: AtomicI64::new(0),
            pending_at: AtomicI64::new(0),
            began: AtomicI64::new(0),
            reached: Reached::new(),
            master: AtomicI32::new(-1),
            bell: AtomicI32::new(-1),
            resized: AtomicBool::new(false),
            next: OnceLock::new(),
        }
    }

    /// `signal` came; from the process `sender`, or from the kernel.
    fn arrived(&self, signal: i32, sender: Option<i32>) {
        let child = self.child.load(SeqCst);
        if child == FREE {
            return;
        }
        let _ = self.noted.compare_exchange(0, signal, SeqCst, SeqCst);
        if IGNORED.load(SeqCst) & bit(signal) == 0 {
            let _ = self.seen.compare_exchange(0, signal, SeqCst, SeqCst);
        }
        match child {
            STARTING => {
                self.pending_at.store(now(), SeqCst);
                self.pending.store(pack(signal, sender.unwrap_or(0)), SeqCst);
                self.deliver_pending();
            }
            ENDED => {}
            child => self.pass_on(child, signal, sender),
        }
    }

    /// Sends the child what it did not get.
    fn pass_on(&self, child: i32, signal: i32, sender: Option<i32>) {
        let master = self.master.load(SeqCst);
        if master < 0 {
            if self.is_for_us_alone(child, signal, sender) {
                send(child, signal);
            }
            return;
        }
        // In a session of its own it gets nothing that is sent to our group.
        match sender {
            Some(sender) if sender == child => {}
            Some(_) if self.reached.by(signal) => send(-child, signal),
            Some(_) => send(child, signal),
            None => {
                let is_key = matches!(signal, libc::SIGINT | libc::SIGQUIT | libc::SIGTSTP);
                if !(is_key && send_to_foreground(master, signal)) {
                    send(-child, signal);
                }
            }
        }
    }

    /// The size of our terminal has changed.
    fn is_resized(&self) {
        if self.child.load(SeqCst) != FREE {
            self.resized.store(true, SeqCst);
            ring(self.bell.load(SeqCst));
        }
    }

    /// We are to stop: the child is, and then we.
    fn is_to_stop(&self, sender: Option<i32>) {
        let child = self.child.load(SeqCst);
        if child > 0 && self.master.load(SeqCst) >= 0 {
            self.pass_on(child, libc::SIGTSTP, sender);
        }
    }

    /// Whether only we got a signal, and not our whole group.
    fn is_for_us_alone(&self, child: i32, signal: i32, sender: Option<i32>) -> bool {
        let may_be = match sender {
            // Whoever signals its whole group has reached itself.
            Some(sender) => sender != child,
            // The kernel sends to the group, but for the one of a terminal that hangs up: only the leader of the
            // session gets that.
            None => signal == libc::SIGHUP && self.reached.is_known(),
        };
        may_be && !self.reached.by(signal)
    }

    /// Sends what came before the child was known, once.
    fn deliver_pending(&self) {
        let child = self.child.load(SeqCst);
        if child > 0 {
            let (signal, sender) = unpack(self.pending.swap(0, SeqCst));
            let sender = Some(sender).filter(|sender| *sender != 0);
            // Before the child was there, nothing reached it.
            let is_early = self.pending_at.load(SeqCst) < self.began.load(SeqCst);
            let is_led = self.master.load(SeqCst) >= 0;
            if signal != 0 && (is_early || is_led || self.is_for_us_alone(child, signal, sender)) {
                send(child, signal);
            }
        }
    }
}

static FIRST: Slot = Slot::new(FREE);

/// Signals that were ignored when the first of the present runs began, one bit each.
static IGNORED: AtomicU64 = AtomicU64::new(0);

/// Dispositions as they were before the first of the present runs, and how many runs there are.
struct Installed {
    runs: usize,
    before: Vec<(i32, libc::sigaction)>,
}

static INSTALLED: Mutex<Installed> = Mutex::new(Installed { runs: 0, before: Vec::new() });

/// As long as it lives, signals are caught for one run.
#[derive(Debug)]
pub(super) struct Caught {
    slot: &'static Slot,
    bystander: Option<Bystander>,
}

impl Caught {
    /// Begins to catch, before the child is started; with the terminals that it is to have, also what concerns these.
    pub(super) fn begin(relay: Option<&Relay>) -> Self {
        let slot = claim();
        if let Some(relay) = relay {
            let (master, bell) = relay.numbers();
            slot.bell.store(bell, SeqCst);
            slot.master.store(master, SeqCst);
        }
        let bystander = Bystander::start(relay.map(|relay| relay.control.as_ref()));
        if let Some(bystander) = &bystander {
            slot.reached.set(bystander);
        }
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if installed.runs == 0 {
            installed.before = install();
        }
        if relay.is_some() {
            install_for_terminals(&mut installed.before);
        }
        installed.runs += 1;
        Self { slot, bystander }
    }

    /// The child is there, and has been since `began` by [`now`]: what it did not get is passed on now.
    pub(super) fn started(&self, child: libc::pid_t, began: i64) {
        self.slot.began.store(began, SeqCst);
        self.slot.child.store(child, SeqCst);
        self.slot.deliver_pending();
    }

    /// The child has ended and its number may soon be somebody else's.
    pub(super) fn ended(&self) {
        self.slot.child.store(ENDED, SeqCst);
        self.slot.reached.clear();
        if let Some(bystander) = &self.bystander {
            bystander.dismiss();
        }
    }

    /// The child got `signal` from a key, and we did not.
    pub(super) fn note(&self, signal: i32) {
        let _ = self.slot.noted.compare_exchange(0, signal, SeqCst, SeqCst);
    }

    /// Whether the size of our terminal has changed since this was asked last.
    pub(super) fn take_resized(&self) -> bool {
        self.slot.resized.swap(false, SeqCst)
    }

    /// The first signal that came and that we do something about: it was not ignored when we were started.
    pub(super) fn seen(&self) -> Option<i32> {
        Some(self.slot.seen.load(SeqCst)).filter(|signal| *signal != 0)
    }

    /// The first signal that came: it may have reached the child as well.
    pub(super) fn noted(&self) -> Option<i32> {
        Some(self.slot.noted.load(SeqCst)).filter(|signal| *signal != 0)
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        self.ended();
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        installed.runs = installed.runs.saturating_sub(1);
        if installed.runs == 0 {
            for (signal, action) in installed.before.drain(..) {
                set(signal, &action);
            }
        }
        self.slot.master.store(-1, SeqCst);
        self.slot.bell.store(-1, SeqCst);
        self.slot.resized.store(false, SeqCst);
        self.slot.noted.store(0, SeqCst);
        self.slot.seen.store(0, SeqCst);
        self.slot.pending.store(0, SeqCst);
        self.slot.child.store(FREE, SeqCst);
    }
}

/// What a child must set so that its dispositions are those that we were started with: of each signal that we catch or
/// ignore for our own sake, whether it is ignored there.
pub(super) fn for_a_child() -> Vec<(libc::c_int, libc::sighandler_t)> {
    let installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    let before = |signal| installed.before.iter().find(|(other, _)| *other == signal);
    let chosen = |signal, now: libc::sighandler_t| {
        let was = match signal {
            libc::SIGPIPE if initial().pipe_signal_ignored => libc::SIG_IGN,
            libc::SIGXFSZ if initial().file_size_signal_ignored => libc::SIG_IGN,
            libc::SIGPIPE | libc::SIGXFSZ => libc::SIG_DFL,
            _ => before(signal).map_or(now, |(_, action)| action.sa_sigaction),
        };
        // A handler is none in another program.
        let wanted = if was == libc::SIG_IGN { libc::SIG_IGN } else { libc::SIG_DFL };
        (wanted != now).then_some((signal, wanted))
    };
    let library =
        LIBRARY_SIGNALS.into_iter().filter(|signal| initial().library_signals_ignored & bit(*signal) != 0);
    let all = (1..=LAST).filter_map(|signal| chosen(signal, disposition(signal)?));
    all.chain(library.map(|signal| (signal, libc::SIG_IGN))).collect()
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

/// Catches what is noted and passed on, and makes sure that a reader that went away is an error instead of our end, and
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
    // One that we do nothing about interrupts nothing.
    let note = libc::sigaction { sa_flags: libc::SA_SIGINFO | libc::SA_RESTART, ..catch };
    let ignore = libc::sigaction { sa_sigaction: libc::SIG_IGN, ..zero };
    let ignored = |signal: &i32| is_ignored(*signal);
    IGNORED.store(PASSED_ON.iter().filter(|signal| ignored(signal)).map(|signal| bit(*signal)).sum(), SeqCst);
    let mut before = Vec::with_capacity(PASSED_ON.len() + 2);
    let mut replace = |signal, action| before.extend(set(signal, action).map(|old| (signal, old)));
    for signal in PASSED_ON {
        replace(signal, if ignored(&signal) { &note } else { &catch });
    }
    replace(libc::SIGPIPE, &ignore);
    if is_ignored(libc::SIGCHLD) {
        // Else the system would throw the exit status away.
        replace(libc::SIGCHLD, &zero);
    }
    before
}

/// Catches what concerns terminals, unless it was ignored. Adds what was before.
#[expect(unsafe_code, reason = "an action is a structure of the system")]
fn install_for_terminals(before: &mut Vec<(i32, libc::sigaction)>) {
    // SAFETY: all-zero is a valid action.
    let zero: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    let catch = libc::sigaction {
        sa_sigaction: on_signal as *const () as libc::sighandler_t,
        sa_flags: libc::SA_SIGINFO | libc::SA_RESTART,
        ..zero
    };
    for signal in OF_TERMINALS {
        let is_known = before.iter().any(|(known, _)| *known == signal);
        if !is_known && !is_ignored(signal) {
            before.extend(set(signal, &catch).map(|old| (signal, old)));
        }
    }
}

/// Stops this process by `signal`, or with `group` all of its group, as if nobody caught it. Returns when it is continued.
#[expect(unsafe_code, reason = "an action is a structure of the system")]
pub(super) fn stop(signal: i32, group: bool) {
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

/// Lets the group of `command` go on.
pub(super) fn go_on(command: libc::pid_t) {
    if command > 0 {
        send(-command, libc::SIGCONT);
    }
}

/// Wakes whoever reads from the other end of a pipe.
#[expect(unsafe_code, reason = "called inside a signal handler")]
fn ring(bell: i32) {
    // SAFETY: one byte of a constant; a number that is no descriptor is an error.
    unsafe { libc::write(bell, c"!".as_ptr().cast(), 1) };
}

#[expect(unsafe_code, reason = "the safe wrappers do not hand back every action whole")]
fn set(signal: i32, action: &libc::sigaction) -> Option<libc::sigaction> {
    let mut before = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: `action` is one of the system's, or names `on_signal`, which is safe at any moment; `before` has
    // room for one, and all-zero is one.
    unsafe { (libc::sigaction(signal, action, before.as_mut_ptr()) == 0).then(|| before.assume_init()) }
}

/// The handler. It calls only what may be called at any moment: atomics and plain system calls.
#[expect(unsafe_code, reason = "the system hands over a pointer")]
extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    let errno = Errno::last_raw();
    // SAFETY: the handler is installed with SA_SIGINFO, so `info` is valid while it runs. A code that is not
    // positive says that a process sent the signal, and then its number is there.
    let sender = unsafe { ((*info).si_code <= 0).then(|| (*info).si_pid()) };
    let mut slot = Some(&FIRST);
    while let Some(one) = slot {
        match signal {
            libc::SIGWINCH => one.is_resized(),
            libc::SIGTSTP => one.is_to_stop(sender),
            _ => one.arrived(signal, sender),
        }
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

/// A signal as one bit of a set.
const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// A clock that only goes forward, in nanoseconds.
#[expect(unsafe_code, reason = "called inside a signal handler")]
pub(super) fn now() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills the structure.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}

#[expect(unsafe_code, reason = "called inside a signal handler, with the plain number")]
fn send(child: libc::pid_t, signal: i32) {
    // SAFETY: `kill` takes numbers only. A child that has ended meanwhile is not collected yet, so that the
    // number is still its own.
    unsafe { libc::kill(child, signal) };
}
