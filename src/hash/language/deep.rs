//! Threads with a deep stack, for parsers that recurse: one is kept for all small sources, since starting a thread takes
//! longer than reading one.

use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

/// The stack of the thread that is kept, in bytes; it is reserved, and used only as far as a tree needs. What needs more
/// is long enough for a thread of its own.
const KEPT_STACK: usize = 64 << 20;

type Job = Box<dyn FnOnce() + Send>;

/// The way to the thread that is kept; `None` where it cannot be started.
static KEPT: OnceLock<Option<Mutex<Sender<Job>>>> = OnceLock::new();

/// What `work` gives on a thread with at least `stack` bytes; `None` where there can be no such thread, or it panicked.
pub(super) fn with_stack<T: Send + 'static>(
    stack: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    if stack > KEPT_STACK {
        return thread::Builder::new().stack_size(stack).spawn(work).ok()?.join().ok();
    }
    let (answer, answered) = mpsc::channel();
    let job: Job = Box::new(move || {
        // Whoever asked waits for it.
        let _ = answer.send(work());
    });
    let kept = KEPT.get_or_init(start).as_ref()?;
    kept.lock().unwrap_or_else(PoisonError::into_inner).send(job).ok()?;
    answered.recv().ok()
}

/// The thread ends with the process.
fn start() -> Option<Mutex<Sender<Job>>> {
    let (jobs, queue) = mpsc::channel::<Job>();
    let run = move || {
        for job in queue {
            // One that panics has no answer; the others have.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
        }
    };
    thread::Builder::new().stack_size(KEPT_STACK).spawn(run).ok()?;
    Some(Mutex::new(jobs))
}

#[cfg(test)]
mod tests {
    use super::{KEPT_STACK, with_stack};
    use std::thread;

    #[test]
    fn small_works_share_a_thread_and_large_ones_have_their_own() {
        let kept = with_stack(1, || thread::current().id());
        assert!(kept.is_some() && kept != Some(thread::current().id()));
        assert_eq!(with_stack(KEPT_STACK, || thread::current().id()), kept);
        assert_ne!(with_stack(KEPT_STACK + 1, || thread::current().id()), kept);
    }

    #[test]
    fn many_callers_each_get_their_own_answer() {
        let callers: Vec<_> = (0..8).map(|n| thread::spawn(move || with_stack(1, move || n * 2))).collect();
        for (n, caller) in callers.into_iter().enumerate() {
            assert_eq!(caller.join().unwrap(), Some(n * 2));
        }
    }
}
