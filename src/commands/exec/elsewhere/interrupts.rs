//! Signals from the submission of a job on. Ctrl-C during the submission does not stop it halfway: the job is submitted, and then
//! cancelled.

use crate::exec::is_signal_ignored;
use crate::ui::message;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::{SigId, flag, low_level};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

/// Time after Ctrl-C from which a message says that the submission is waited for.
const LONG: Duration = Duration::from_millis(500);

/// Signals of this call. Until they are held, and after they are released, a signal ends this process.
pub(super) struct Interrupts {
    signals: Option<Signals>,
    /// Whether a signal ends this process.
    is_fatal: Arc<AtomicBool>,
    /// Received signals that are not handled yet.
    came: Vec<i32>,
}

impl Interrupts {
    pub(super) fn new() -> Self {
        let wanted = || [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_signal_ignored(*signal));
        let is_fatal = Arc::new(AtomicBool::new(true));
        for signal in wanted() {
            // This is for the rest of the process: a handler that is removed leaves the signal ignored.
            let _ = flag::register_conditional_default(signal, Arc::clone(&is_fatal));
        }
        Self { signals: Signals::new(wanted()).ok(), is_fatal, came: Vec::new() }
    }

    /// From now on, signals are kept for [`Interrupts::next`].
    pub(super) fn hold(&self) {
        self.is_fatal.store(self.signals.is_none(), SeqCst);
    }

    /// From now on, a signal ends this process again. Returns one that came before and was not handled.
    pub(super) fn release(&mut self) -> Option<i32> {
        self.is_fatal.store(true, SeqCst);
        self.came()
    }

    /// Takes the next signal.
    pub(super) fn next(&mut self) -> Option<i32> {
        self.gather();
        if self.came.is_empty() { None } else { Some(self.came.remove(0)) }
    }

    /// The next signal, which stays.
    pub(super) fn came(&mut self) -> Option<i32> {
        self.gather();
        self.came.first().copied()
    }

    fn gather(&mut self) {
        self.came.extend(self.signals.iter_mut().flat_map(|signals| signals.pending().collect::<Vec<_>>()));
    }

    /// Submits a job. A second Ctrl-C during that ends this process at once.
    pub(super) fn during<T>(name: &str, is_quiet: bool, submit: impl FnOnce() -> T) -> T {
        let asked = Asked::register();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut since = None;
                while !done.load(SeqCst) {
                    if asked.0.load(SeqCst) {
                        since.get_or_insert_with(Instant::now);
                    }
                    if since.is_some_and(|since: Instant| since.elapsed() > LONG) && !is_quiet {
                        message::status(&format!(
                            "the job is cancelled as soon as {name} has taken it; a second Ctrl-C does not wait"
                        ));
                        return;
                    }
                    thread::park_timeout(Duration::from_millis(50));
                }
            });
            let submitted = submit();
            done.store(true, SeqCst);
            watcher.thread().unpark();
            submitted
        })
    }
}

/// Whether Ctrl-C was typed. While this value exists, a second Ctrl-C ends the process.
struct Asked(Arc<AtomicBool>, Vec<SigId>);

impl Asked {
    fn register() -> Self {
        let asked = Arc::new(AtomicBool::new(false));
        let mut registered = Vec::new();
        if !is_signal_ignored(SIGINT) {
            registered.extend(flag::register_conditional_default(SIGINT, Arc::clone(&asked)).ok());
            registered.extend(flag::register(SIGINT, Arc::clone(&asked)).ok());
        }
        Self(asked, registered)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        for id in self.1.drain(..) {
            low_level::unregister(id);
        }
    }
}
