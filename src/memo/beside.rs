//! Work that need not wait for a command's end, done while it runs.
//!
//! Knows nothing of what either does.

use super::reason::MissReason;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The end of the command, for the work beside it.
pub(super) struct End(Receiver<()>);

impl End {
    /// Waits for this time, and returns whether the command has ended by then.
    pub(super) fn comes_within(&self, time: Duration) -> bool {
        self.0.recv_timeout(time) != Err(RecvTimeoutError::Timeout)
    }
}

/// Runs `command` and, on a thread beside it, what need not wait for its end: for most of that time we are idle.
pub(super) fn beside<T>(
    meanwhile: impl FnOnce(&End) -> MissReason + Send,
    command: impl FnOnce() -> T,
) -> (T, MissReason) {
    let (running, end) = mpsc::channel();
    let meanwhile = Mutex::new(Some((meanwhile, End(end))));
    let work = || {
        let taken = meanwhile.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.map(|(work, end)| work(&end))
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, work);
        let done = command();
        drop(running);
        let why = match thread {
            // The result of a thread that died is unknown.
            Ok(thread) => thread.join().unwrap_or_default(),
            Err(_) => work(),
        };
        (done, why.unwrap_or(MissReason::First))
    })
}
