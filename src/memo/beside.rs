//! Work that need not wait for a command's end, done while it runs.
//!
//! Knows nothing of what either does.

use super::reason::MissReason;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Runs `command` and, on a thread beside it, what need not wait for its end: for most of that time we are idle.
pub(super) fn beside<T>(
    meanwhile: impl FnOnce() -> MissReason + Send,
    command: impl FnOnce() -> T,
) -> (T, MissReason) {
    let meanwhile = Mutex::new(Some(meanwhile));
    let work = || meanwhile.lock().unwrap_or_else(PoisonError::into_inner).take().map(|work| work());
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, work);
        let done = command();
        let why = match thread {
            // What a thread that died would have told is not known.
            Ok(thread) => thread.join().unwrap_or_default(),
            Err(_) => work(),
        };
        (done, why.unwrap_or(MissReason::First))
    })
}
