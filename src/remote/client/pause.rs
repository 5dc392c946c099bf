//! A server that failed three times in a row is not asked for a minute. All processes of the user see it: a file beside the
//! socket holds the number of failures, and its time is that of the last one.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Number of failures in a row that begin a pause.
const FAILURES: u32 = 3;
/// How long a pause is.
const LENGTH: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Pause {
    file: PathBuf,
    failures: u32,
}

impl Pause {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file, failures: 0 }
    }

    /// Whether the server is not to be asked now. After a pause, one failure begins the next one.
    pub(super) fn is_on(&mut self) -> bool {
        let last = fs::metadata(&self.file).and_then(|metadata| metadata.modified());
        let Ok(last) = last else {
            self.failures = 0;
            return false;
        };
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        self.failures = text.trim().parse().unwrap_or(0);
        // A time in the future is a clock that was set back.
        let is_recent = SystemTime::now().duration_since(last).is_ok_and(|age| age < LENGTH);
        self.failures >= FAILURES && is_recent
    }

    /// Notes a failure; whether the first pause begins with it, which is then to be said.
    pub(super) fn failed(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        // Without the file, the server is asked more often.
        let _ = fs::write(&self.file, self.failures.to_string());
        self.failures == FAILURES
    }

    pub(super) fn succeeded(&mut self) {
        if self.failures > 0 {
            let _ = fs::remove_file(&self.file);
            self.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn three_failures_in_a_row_begin_a_pause_of_a_minute_that_others_see() {
        let directory = tempfile::tempdir().unwrap();
        let mut pause = Pause::new(directory.path().join("name.failed"));
        assert!(!pause.is_on());
        assert!(!pause.failed());
        assert!(!pause.failed());
        pause.succeeded();
        for number in 1..=3 {
            assert!(!pause.is_on());
            assert_eq!(pause.failed(), number == 3);
        }
        let mut other = Pause::new(directory.path().join("name.failed"));
        assert!(other.is_on());
        assert!(!Pause::new(directory.path().join("other.failed")).is_on());

        let file = File::options().write(true).open(directory.path().join("name.failed")).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(61)).unwrap();
        assert!(!other.is_on());
        assert!(!other.failed(), "said once");
        assert!(other.is_on());
        file.set_modified(SystemTime::now() - Duration::from_secs(61)).unwrap();
        assert!(!other.is_on());
        other.succeeded();
        assert!(!pause.is_on());
        assert!(!pause.failed());
        assert!(!pause.is_on());
    }
}
