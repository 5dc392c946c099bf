//! Which signals are caught while commands run, and what is done about a signal in this process and in a child.

use super::handler::{IGNORED, bit, on_signal};
use crate::exec::startup::{LIBRARY_SIGNALS, disposition, initial, is_ignored};
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Mutex, PoisonError};

/// The highest number of a signal.
const LAST: i32 = if cfg!(target_os = "linux") { 64 } else { 31 };

/// Signals that would end us and leave the child behind. They are passed on instead.
const PASSED_ON: [i32; 6] =
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];

/// Signals of our terminal to its foreground, which we send to the foreground of the command's terminal.
const OF_TERMINALS: [i32; 2] = [libc::SIGTSTP, libc::SIGWINCH];

/// The dispositions before the first of the present runs, and the number of present runs.
struct Installed {
    runs: usize,
    before: Vec<(i32, libc::sigaction)>,
}

static INSTALLED: Mutex<Installed> = Mutex::new(Installed { runs: 0, before: Vec::new() });

/// One more run begins: catches what is passed on, and with `has_terminal` also the signals of terminals.
pub(super) fn enter(has_terminal: bool) {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if installed.runs == 0 {
        installed.before = install();
    }
    if has_terminal {
        install_for_terminals(&mut installed.before);
    }
    installed.runs += 1;
}

/// A run has ended. After the last one, the dispositions are as before.
pub(super) fn leave() {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    installed.runs = installed.runs.saturating_sub(1);
    if installed.runs == 0 {
        for (signal, action) in installed.before.drain(..) {
            set(signal, &action);
        }
    }
}

/// The dispositions that a child must set so that it has those that we were started with: one of the system's two constants for
/// each signal that we catch or ignore for our own use.
pub(in crate::exec) fn for_a_child() -> Vec<(libc::c_int, libc::sighandler_t)> {
    let installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    let before = |signal| installed.before.iter().find(|(other, _)| *other == signal);
    let chosen = |signal, now: libc::sighandler_t| {
        let was = match signal {
            libc::SIGPIPE if initial().pipe_signal_ignored => libc::SIG_IGN,
            libc::SIGXFSZ if initial().file_size_signal_ignored => libc::SIG_IGN,
            libc::SIGPIPE | libc::SIGXFSZ => libc::SIG_DFL,
            _ => before(signal).map_or(now, |(_, action)| action.sa_sigaction),
        };
        // A handler means nothing in another program.
        let wanted = if was == libc::SIG_IGN { libc::SIG_IGN } else { libc::SIG_DFL };
        (wanted != now).then_some((signal, wanted))
    };
    let library =
        LIBRARY_SIGNALS.into_iter().filter(|signal| initial().library_signals_ignored & bit(*signal) != 0);
    let all = (1..=LAST).filter_map(|signal| chosen(signal, disposition(signal)?));
    all.chain(library.map(|signal| (signal, libc::SIG_IGN))).collect()
}

/// Catches the signals that are noted and passed on. Ignores SIGPIPE, so that a reader that went away is an error and does not
/// end us. Makes sure that the end of a child can be waited for. Returns the dispositions before.
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
    // A signal that we only note interrupts nothing.
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
        // If it stayed ignored, the system would discard the exit status.
        replace(libc::SIGCHLD, &zero);
    }
    before
}

/// Catches the signals of terminals, except those that were ignored. Adds the dispositions before.
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

/// Sets what is done about `signal`, and returns what was done before.
#[expect(unsafe_code, reason = "the safe wrappers do not hand back every action whole")]
pub(super) fn set(signal: i32, action: &libc::sigaction) -> Option<libc::sigaction> {
    let mut before = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: `action` is one of the system's, or names `on_signal`, which is safe at any moment; `before` has
    // room for one, and all-zero is one.
    unsafe { (libc::sigaction(signal, action, before.as_mut_ptr()) == 0).then(|| before.assume_init()) }
}
