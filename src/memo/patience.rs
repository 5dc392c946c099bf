//! How long an identical call is waited for.

use super::reason::Unawaited;
use crate::exec::{Activity, activity};
use std::cell::OnceCell;
use std::time::{Duration, Instant};

/// Minimum wait for a call that makes no progress.
const LEAST: Duration = Duration::from_secs(5);
/// Or this many times its usual time.
const TIMES: u32 = 10;
/// Interval of looks at its progress.
const LOOK: Duration = Duration::from_secs(1);
/// How long a stopped run is waited for: a tracing process stops it for moments.
const STOPPED: Duration = Duration::from_millis(250);
/// A process that uses less than this part of a processor waits for something.
const IDLE_PART: u64 = 10;

/// Waits for the holder of a key.
pub(super) struct Patience<'a> {
    never: bool,
    /// Returns how long the command took when it was last recorded.
    ask_usual: &'a dyn Fn() -> Option<Duration>,
    usual: OnceCell<Option<Duration>>,
    /// When it was last seen to make progress.
    progress: Instant,
    looked: Instant,
    seen: Option<(u32, Activity)>,
    stopped: Option<Instant>,
}

impl<'a> Patience<'a> {
    /// Begins to wait; with `never`, not at all.
    pub(super) fn new(never: bool, ask_usual: &'a dyn Fn() -> Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            never,
            ask_usual,
            usual: OnceCell::new(),
            progress: now,
            looked: now,
            seen: None,
            stopped: None,
        }
    }

    /// Whether `holder`, where it is known, is still to be waited for; asked about every tenth of a second.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn lasts(&mut self, holder: Option<u32>) -> Result<(), Unawaited> {
        if self.never {
            return Err(Unawaited::NotWanted);
        }
        let now = holder.and_then(|process| Some((process, activity(process)?)));
        if now.is_some_and(|(_, activity)| activity.is_stopped) {
            let since = *self.stopped.get_or_insert_with(Instant::now);
            if since.elapsed() >= STOPPED {
                return Err(Unawaited::Stopped);
            }
        } else {
            self.stopped = None;
        }
        let elapsed = self.looked.elapsed();
        if elapsed >= LOOK || self.seen.is_none() {
            if is_progress(self.seen, now, elapsed) {
                self.progress = Instant::now();
            }
            self.looked = Instant::now();
            self.seen = now;
        }
        let idle = self.progress.elapsed();
        if idle < LEAST {
            return Ok(());
        }
        let usual = *self.usual.get_or_init(self.ask_usual);
        let most = usual.map_or(LEAST, |usual| usual.saturating_mul(TIMES).max(LEAST));
        if idle < most { Ok(()) } else { Err(Unawaited::NoProgress) }
    }
}

/// Whether something happened between two looks: another holder, output, or work.
fn is_progress(then: Option<(u32, Activity)>, now: Option<(u32, Activity)>, elapsed: Duration) -> bool {
    match (then, now) {
        (Some((before, then)), Some((process, now))) if before == process => {
            let worked = now.processor.saturating_sub(then.processor).saturating_mul(IDLE_PART);
            now.written > then.written || u128::from(worked) >= elapsed.as_millis()
        }
        (_, Some(_)) => true,
        // Its progress is unknown.
        (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_and_output_are_progress_and_waiting_is_none() {
        let at = |processor, written| Some((7, Activity { is_stopped: false, processor, written }));
        let second = Duration::from_secs(1);
        assert!(is_progress(None, at(0, 0), second));
        assert!(is_progress(at(0, 0), at(100, 0), second));
        assert!(is_progress(at(0, 0), at(0, 1), second));
        assert!(!is_progress(at(0, 0), at(90, 0), second));
        assert!(!is_progress(at(9, 9), at(9, 9), second));
        assert!(!is_progress(None, None, second));
        let other = Some((8, Activity { is_stopped: false, processor: 0, written: 0 }));
        assert!(is_progress(at(9, 9), other, second));
    }

    #[test]
    fn who_does_not_want_to_wait_does_not() {
        assert_eq!(Patience::new(true, &|| None).lasts(None), Err(Unawaited::NotWanted));
        assert_eq!(Patience::new(false, &|| None).lasts(None), Ok(()));
    }
}
