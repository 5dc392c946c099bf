//! Defers signals that would end the process while files are moved aside: they take effect once everything is restored.
//!
//! While the command runs, `exec` catches signals and forwards them.

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::unregister;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Defers signals while it exists.
pub(super) struct Noted {
    seen: Arc<AtomicUsize>,
    registered: Vec<SigId>,
}

impl Noted {
    pub(super) fn begin() -> Self {
        let seen = Arc::new(AtomicUsize::new(0));
        let register = |signal: i32| {
            let number = usize::try_from(signal).unwrap_or(0);
            // A signal that cannot be caught ends the process as usual.
            flag::register_usize(signal, Arc::clone(&seen), number).ok()
        };
        let registered = [SIGINT, SIGTERM, SIGHUP, SIGQUIT].into_iter().filter(|signal| !is_ignored(*signal));
        let registered = registered.filter_map(register).collect();
        Self { seen, registered }
    }

    /// The last signal that arrived.
    pub(super) fn seen(&self) -> Option<i32> {
        i32::try_from(self.seen.load(Ordering::SeqCst)).ok().filter(|signal| *signal > 0)
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            unregister(id);
        }
    }
}

/// Whether a signal is ignored (`nohup`), and so stays ignored. Read from `/proc/self/status`; unknown means not ignored.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}
