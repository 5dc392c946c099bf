//! A process in our process group that does nothing. It distinguishes a signal to the whole group from a signal to us alone: a
//! signal to the group also reaches the bystander, where it stays pending.
//!
//! Of our descriptors it holds only one end of a pair of sockets. It ends when the other end closes, also if we are killed. In
//! that case it restores the terminal whose modes we had changed, and continues the calls of processes that we had watched. It
//! has neither our name nor our command line, so that programs that send signals by these do not reach it.

use super::monotonic::now;
use super::process_title;
use super::pump::close_range;
use super::takeover::{self, LastCall};
use super::tty::{self, Guarded};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering::SeqCst};

/// Its name in process lists.
const NAME: &std::ffi::CStr = c"signal-witness";

/// Pauses, in milliseconds, before each look at the pending signals: a signal may go to one process of the group after the
/// other, or first to us and then to the group (as `timeout` sends it).
const LOOKS: [u32; 4] = [0, 1, 3, 6];

/// A second signal within this time, in nanoseconds, is the same one sent twice.
const SAME: i64 = 50_000_000;

/// A bystander that is running.
#[derive(Debug)]
pub(super) struct Bystander {
    pid: libc::pid_t,
    /// Each byte is a signal that it takes from its pending ones. When this closes, it ends.
    orders: UnixStream,
    last: Option<Arc<LastCall>>,
}

/// A byte that comes with a listener, and is no signal.
const LISTENER: u8 = 0;

impl Bystander {
    /// Starts one in our process group. It restores this terminal if we are killed. `None` where no process can be created.
    #[expect(unsafe_code, reason = "there is no safe way to fork")]
    pub(super) fn start(terminal: Option<Guarded<'_>>) -> Option<Self> {
        let (from, orders) = UnixStream::pair().ok()?;
        let last = LastCall::new().map(Arc::new);
        let words = process_title::words();
        // All signals stay blocked in the child.
        let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK).ok()?;
        // SAFETY: the child, which has only this thread, makes nothing but plain system calls and never returns.
        let pid = match unsafe { libc::fork() } {
            0 => unsafe { stand_by(from.as_raw_fd(), words, terminal, last.as_deref()) },
            pid => pid,
        };
        let _ = mask.thread_set_mask();
        (pid > 0).then_some(Self { pid, orders, last })
    }

    /// Where the number of each call is noted that `listener` receives. If we are killed, the calls at `listener` are continued.
    /// `None` where that is impossible.
    pub(super) fn entrust(&self, listener: BorrowedFd<'_>) -> Option<Arc<LastCall>> {
        let last = self.last.as_ref()?;
        takeover::give(self.orders.as_fd(), LISTENER, listener).ok()?;
        Some(Arc::clone(last))
    }
}

impl Drop for Bystander {
    /// Ends it.
    #[expect(unsafe_code, reason = "the number is all that there is")]
    fn drop(&mut self) {
        // SAFETY: the number is its own until it is waited for.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        // SAFETY: a null pointer says that the status is of no interest.
        while unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) } < 0 && Errno::last() == Errno::EINTR
        {
        }
    }
}

/// The part of a bystander that a signal handler uses: numbers alone.
#[derive(Debug)]
pub(super) struct Reached {
    /// The process, or 0.
    pid: AtomicI32,
    orders: AtomicI32,
    /// The last signal that reached it, and when, in nanoseconds.
    last: AtomicI32,
    at: AtomicI64,
}

impl Reached {
    pub(super) const fn new() -> Self {
        Self {
            pid: AtomicI32::new(0),
            orders: AtomicI32::new(-1),
            last: AtomicI32::new(0),
            at: AtomicI64::new(0),
        }
    }

    /// Uses this bystander from now on.
    pub(super) fn set(&self, bystander: &Bystander) {
        self.last.store(0, SeqCst);
        self.orders.store(bystander.orders.as_raw_fd(), SeqCst);
        self.pid.store(bystander.pid, SeqCst);
    }

    /// Uses no bystander from now on.
    pub(super) fn clear(&self) {
        self.pid.store(0, SeqCst);
    }

    /// Whether there is a bystander.
    pub(super) fn is_known(&self) -> bool {
        self.pid.load(SeqCst) > 0
    }

    /// Whether `signal`, which has just arrived, reached the bystander, too; `false` without one. May be called in a signal
    /// handler. Takes some milliseconds if it did not.
    pub(super) fn by(&self, signal: i32) -> bool {
        let pid = self.pid.load(SeqCst);
        if pid <= 0 {
            return false;
        }
        for pause in LOOKS {
            sleep(pause);
            if is_pending(pid, signal) {
                // A pending signal of this number is a new one from now on.
                self.take(signal);
                self.at.store(now(), SeqCst);
                self.last.store(signal, SeqCst);
                return true;
            }
            if self.last.load(SeqCst) == signal && now().saturating_sub(self.at.load(SeqCst)) < SAME {
                return true;
            }
        }
        false
    }

    #[expect(unsafe_code, reason = "called inside a signal handler")]
    fn take(&self, signal: i32) {
        let order = u8::try_from(signal).unwrap_or(0);
        // SAFETY: one byte is read from a local variable; a number that is not a descriptor is an error.
        unsafe { libc::write(self.orders.load(SeqCst), (&raw const order).cast(), 1) };
    }
}

/// Whether `signal` is pending for the whole process `pid`.
#[expect(unsafe_code, reason = "called inside a signal handler: nothing may be allocated")]
fn is_pending(pid: libc::pid_t, signal: i32) -> bool {
    let mut path = *b"/proc/\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let mut digits = [0_u8; 10];
    let (mut rest, mut count) = (pid, 0);
    for digit in &mut digits {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        count += 1;
        if rest == 0 {
            break;
        }
    }
    let number = digits.iter().take(count).rev();
    for (place, byte) in path.iter_mut().skip(6).zip(number.chain(b"/status")) {
        *place = *byte;
    }
    let mut text = [0_u8; 4096];
    // SAFETY: the path ends with a zero byte; the buffer is ours, with its own length.
    let got = unsafe {
        let file = libc::open(path.as_ptr().cast(), libc::O_RDONLY | libc::O_CLOEXEC);
        let got = libc::read(file, text.as_mut_ptr().cast(), text.len());
        libc::close(file);
        got
    };
    let text = text.get(..usize::try_from(got).unwrap_or(0)).unwrap_or_default();
    let line = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"ShdPnd:"));
    let set = line.unwrap_or_default().iter().filter_map(|byte| char::from(*byte).to_digit(16));
    let set = set.fold(0_u64, |set, digit| (set << 4) | u64::from(digit));
    set >> (signal - 1) & 1 == 1
}

#[expect(unsafe_code, reason = "called inside a signal handler")]
fn sleep(milliseconds: u32) {
    let pause = libc::timespec { tv_sec: 0, tv_nsec: i64::from(milliseconds) * 1_000_000 };
    if milliseconds > 0 {
        // SAFETY: the structure is ours; a null pointer says that the rest is of no interest.
        unsafe { libc::nanosleep(&raw const pause, std::ptr::null_mut()) };
    }
}

/// # Safety
/// Only in a process that was forked for it, with all signals blocked.
#[expect(unsafe_code, reason = "after fork, only plain system calls")]
unsafe fn stand_by(
    orders: RawFd,
    words: (usize, usize),
    guarded: Option<Guarded<'_>>,
    last: Option<&LastCall>,
) -> ! {
    // SAFETY: plain system calls, on our own stack, in a process whose memory and descriptors nothing else uses.
    unsafe {
        let terminal = guarded.as_ref().map_or(orders, |(terminal, ..)| terminal.as_raw_fd());
        let mut first = 0;
        for kept in [orders.min(terminal), orders.max(terminal)] {
            close_range(first, kept - 1, |_| false);
            first = kept.saturating_add(1);
        }
        close_range(first, RawFd::MAX, |_| false);
        libc::chdir(c"/".as_ptr());
        process_title::set(NAME, words);
        let mut wanted = std::mem::zeroed::<libc::sigset_t>();
        let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let mut listener = None;
        while let Some((signal, descriptor)) = takeover::receive(orders) {
            if signal == LISTENER {
                listener = descriptor;
                continue;
            }
            libc::sigemptyset(&raw mut wanted);
            libc::sigaddset(&raw mut wanted, libc::c_int::from(signal));
            libc::sigtimedwait(&raw const wanted, std::ptr::null_mut(), &raw const at_once);
        }
        // We were killed, and did not end it ourselves.
        if let Some((terminal, saved, set)) = guarded
            && tty::modes(terminal).is_some_and(|now| tty::is_same(&now, &set))
        {
            tty::set_modes(terminal, &saved);
        }
        if let (Some(listener), Some(last)) = (listener, last) {
            takeover::resume_received(listener, last.get());
            takeover::resume_all(listener);
        }
        libc::_exit(0)
    }
}
