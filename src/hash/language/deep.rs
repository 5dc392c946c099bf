//! Threads with a deep stack, for parsers that recurse. One thread is kept for all small sources, since starting a thread
//! takes longer than parsing one.

use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

/// Stack size of the kept thread, in bytes. It is reserved, and used only as far as a tree needs it. A source that needs more
/// is long enough to justify its own thread.
const KEPT_STACK: usize = 64 << 20;

type Job = Box<dyn FnOnce() + Send>;

/// The channel to the kept thread; `None` where it cannot be started.
static KEPT: OnceLock<Option<Mutex<Sender<Job>>>> = OnceLock::new();

/// The result of `work` on a thread with at least `stack` bytes; `None` where no such thread can be started, or `work`
/// panicked.
pub(super) fn with_stack<T: Send + 'static>(
    stack: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    if stack > KEPT_STACK {
        return thread::Builder::new().stack_size(stack).spawn(work).ok()?.join().ok();
    }
    let (answer, answered) = mpsc::channel();
    let job: Job = Box::new(move || {
        // The caller waits for the result.
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
            // A job that panics returns no result; later jobs still run.
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
