//! The signal handler, and what it knows of each run. All of it is atomic. Several runs may go on in one process: each has a
//! [`Slot`] in a list that only grows.

use crate::exec::bystander::Reached;
use crate::exec::monotonic::now;
use crate::exec::tty::send_to_foreground;
use nix::errno::Errno;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, Ordering::SeqCst};

/// The child of a [`Slot`] that no run uses.
const FREE: i32 = 0;
/// The child of a [`Slot`] whose command is not started yet.
const STARTING: i32 = -1;
/// The child of a [`Slot`] whose command has ended.
pub(super) const ENDED: i32 = -2;

/// What a handler must know of one run.
#[derive(Debug)]
pub(super) struct Slot {
    /// The process, or one of the three constants.
    pub(super) child: AtomicI32,
    /// The first signal that came, or 0.
    pub(super) noted: AtomicI32,
    /// The first signal that came and was not ignored when we were started, or 0.
    pub(super) seen: AtomicI32,
    /// A signal that came before the child was known, with its sender; or 0.
    pub(super) pending: AtomicI64,
    /// When that came, and when the child was created; by [`now`].
    pub(super) pending_at: AtomicI64,
    pub(super) began: AtomicI64,
    /// The bystander of this run.
    pub(super) reached: Reached,
    /// Descriptors: the other end of the terminal of the child's session, and the one that wakes the thread that passes on its
    /// streams; or -1.
    pub(super) master: AtomicI32,
    pub(super) bell: AtomicI32,
    /// The size of our terminal has changed.
    pub(super) resized: AtomicBool,
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

    /// The run uses the slot no more.
    pub(super) fn free(&self) {
        self.master.store(-1, SeqCst);
        self.bell.store(-1, SeqCst);
        self.resized.store(false, SeqCst);
        self.noted.store(0, SeqCst);
        self.seen.store(0, SeqCst);
        self.pending.store(0, SeqCst);
        self.child.store(FREE, SeqCst);
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

    /// Sends the child a signal that it did not get.
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

    /// We were asked to stop. The child is stopped first; we stop when it has.
    fn is_to_stop(&self, sender: Option<i32>) {
        let child = self.child.load(SeqCst);
        if child > 0 && self.master.load(SeqCst) >= 0 {
            self.pass_on(child, libc::SIGTSTP, sender);
        }
    }

    /// Whether only we got a signal, and not our whole group.
    fn is_for_us_alone(&self, child: i32, signal: i32, sender: Option<i32>) -> bool {
        let may_be = match sender {
            // A process that signals its whole group reaches itself, too.
            Some(sender) => sender != child,
            // The kernel sends to the group. The exception is a terminal that hangs up: only the leader of the session gets
            // that signal.
            None => signal == libc::SIGHUP && self.reached.is_known(),
        };
        may_be && !self.reached.by(signal)
    }

    /// Sends the signal that came before the child was known, once.
    pub(super) fn deliver_pending(&self) {
        let child = self.child.load(SeqCst);
        if child > 0 {
            let (signal, sender) = unpack(self.pending.swap(0, SeqCst));
            let sender = Some(sender).filter(|sender| *sender != 0);
            // A signal from before its creation did not reach it.
            let is_early = self.pending_at.load(SeqCst) < self.began.load(SeqCst);
            let is_led = self.master.load(SeqCst) >= 0;
            if signal != 0 && (is_early || is_led || self.is_for_us_alone(child, signal, sender)) {
                send(child, signal);
            }
        }
    }
}

static FIRST: Slot = Slot::new(FREE);

/// The signals that were ignored when the first of the present runs began, one bit each.
pub(super) static IGNORED: AtomicU64 = AtomicU64::new(0);

/// Takes a slot for one more run.
pub(super) fn claim() -> &'static Slot {
    let mut slot = &FIRST;
    loop {
        if slot.child.compare_exchange(FREE, STARTING, SeqCst, SeqCst).is_ok() {
            return slot;
        }
        slot = slot.next.get_or_init(|| Box::new(Slot::new(FREE)));
    }
}

/// The handler. It calls only what may be called at any moment: atomics and plain system calls.
#[expect(unsafe_code, reason = "the system hands over a pointer")]
pub(super) extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
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

/// Writes a byte into the pipe `bell`, which wakes the thread that waits for it.
#[expect(unsafe_code, reason = "called inside a signal handler")]
fn ring(bell: i32) {
    // SAFETY: one byte of a constant; a number that is not a descriptor is an error.
    unsafe { libc::write(bell, c"!".as_ptr().cast(), 1) };
}

/// Two numbers that are not negative in one that can be exchanged at once.
fn pack(signal: i32, sender: i32) -> i64 {
    (i64::from(sender) << 32) | i64::from(signal)
}

fn unpack(packed: i64) -> (i32, i32) {
    (i32::try_from(packed & 0xffff_ffff).unwrap_or(0), i32::try_from(packed >> 32).unwrap_or(0))
}

/// A signal as one bit of a set.
pub(super) const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

#[expect(unsafe_code, reason = "called inside a signal handler, with the plain number")]
pub(super) fn send(child: libc::pid_t, signal: i32) {
    // SAFETY: `kill` takes numbers only. A child that has ended meanwhile is not collected yet, so that the
    // number is still its own.
    unsafe { libc::kill(child, signal) };
}
