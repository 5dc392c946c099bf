//! Signals during a sweep: after the first one no further runs start, and it is passed on to the running ones. The second one ends the
//! sweep.

use crate::exec::{Group, is_signal_ignored};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::emulate_default_handler;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};

/// Whether and why no further runs start.
#[derive(Debug, Default)]
pub(super) struct Stop {
    stopped: AtomicBool,
    signal: AtomicI32,
}

impl Stop {
    pub(super) fn now(&self) {
        self.stopped.store(true, SeqCst);
    }

    pub(super) fn is(&self) -> bool {
        self.stopped.load(SeqCst)
    }

    /// The received signal.
    pub(super) fn signal(&self) -> Option<i32> {
        Some(self.signal.load(SeqCst)).filter(|signal| *signal != 0)
    }
}

/// Begins to catch signals; [`watch`] must run on a separate thread.
pub(super) fn catch() -> Option<(Signals, Handle)> {
    let caught = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP];
    let signals = Signals::new(caught.into_iter().filter(|signal| !is_signal_ignored(*signal))).ok()?;
    let handle = signals.handle();
    Some((signals, handle))
}

/// Reacts to signals, until the handle is closed.
pub(super) fn watch(mut signals: Signals, stop: &Stop, group: &Group) {
    for signal in signals.forever() {
        if signal == SIGTSTP {
            group.signal(SIGTSTP);
            // This process is stopped here until it is continued.
            let _ = emulate_default_handler(SIGTSTP);
            group.signal(libc::SIGCONT);
            continue;
        }
        let first = stop.signal.compare_exchange(0, signal, SeqCst, SeqCst).is_ok();
        stop.now();
        if first {
            group.signal(signal);
        } else {
            group.signal(SIGTERM);
            crate::exec::raise_again(signal);
        }
    }
}
