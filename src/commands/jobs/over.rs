//! The end of a job: when it is known, and whether the end that a result names is the command's own.

use crate::elsewhere::Place;
use crate::record::Termination;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Time after the end of a job in which its result may still be on its way through a network file system.
pub(in crate::commands) const GRACE: Duration = Duration::from_secs(3);

/// Time that cancelled jobs have to end before they are left.
pub(in crate::commands) const CANCELLING: Duration = Duration::from_secs(20);

/// A job is over, according to its engine or because nobody runs it any more.
#[derive(Clone, Debug)]
pub(in crate::commands) struct Over {
    since: Instant,
    how: String,
    by_engine: bool,
}

impl Over {
    /// What is known after another answer. The time of the first answer counts.
    pub(in crate::commands) fn again(before: Option<&Self>, how: String, by_engine: bool) -> Self {
        let since = before.map_or_else(Instant::now, |before| before.since);
        Self { since, how, by_engine }
    }

    /// The engine's words.
    pub(in crate::commands) fn how(&self) -> &str {
        &self.how
    }

    /// Whether the job was cancelled.
    pub(in crate::commands) fn is_cancelled(&self) -> bool {
        self.by_engine && self.how.starts_with("CANCELLED")
    }

    /// Whether no result will come. A job that the user had cancelled needs no time for its result once the engine has ended it.
    pub(in crate::commands) fn is_lost(&self, place: &Place, by_user: bool) -> bool {
        let is_awaited = self.since.elapsed() < GRACE && !(self.by_engine && by_user);
        !is_awaited && !place.is_running()
    }
}

/// Whether the end in a report is the command's own. A signal may have been the engine's; where memory ran out, the engine may
/// have killed any process of the command. Only the engine knows, once the job is over. An engine that gives jobs no id ends none
/// of their processes.
pub(in crate::commands) fn is_own(report: &Value, has_id: bool, over: Option<&Over>) -> bool {
    let is_doubtful = match termination(report) {
        Some(Termination::Signaled(_)) => true,
        Some(Termination::Exited(status)) => status != 0 && has_id,
        None => false,
    };
    !is_doubtful || over.is_some_and(|over| !over.by_engine)
}

/// How the command ended, according to a report.
pub(in crate::commands) fn termination(report: &Value) -> Option<Termination> {
    let exit = report.get("exit")?;
    let number = |name: &str| exit.get(name).and_then(Value::as_i64);
    match (number("exit"), number("signal")) {
        (Some(status), _) => u8::try_from(status).ok().map(Termination::Exited),
        (None, Some(signal)) => i32::try_from(signal).ok().map(Termination::Signaled),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::json;

    fn report(ended: Termination) -> Value {
        serde_json::json!({ "exit": json::termination(ended) })
    }

    fn over(how: &str, by_engine: bool) -> Over {
        Over::again(None, how.to_owned(), by_engine)
    }

    #[test]
    fn ends_are_read_back_as_they_are_reported() {
        for ended in [Termination::Exited(0), Termination::Exited(255), Termination::Signaled(9)] {
            assert_eq!(termination(&report(ended)), Some(ended));
        }
        for report in ["{}", r#"{"exit": {}}"#, r#"{"exit": {"exit": 256}}"#, "[]"] {
            assert_eq!(termination(&serde_json::from_str(report).unwrap()), None, "{report}");
        }
    }

    #[test]
    fn a_failure_is_the_commands_own_only_if_the_engine_did_not_end_the_job() {
        let (own, by_engine) = (over("FAILED", false), over("OUT_OF_MEMORY", true));
        for (ended, has_id, known) in [
            (Termination::Exited(0), true, [true, true, true]),
            (Termination::Exited(3), true, [false, true, false]),
            (Termination::Exited(3), false, [true, true, true]),
            (Termination::Signaled(9), true, [false, true, false]),
            (Termination::Signaled(9), false, [false, true, false]),
        ] {
            let is = [None, Some(&own), Some(&by_engine)].map(|over| is_own(&report(ended), has_id, over));
            assert_eq!(is, known, "{ended:?} {has_id}");
        }
    }

    #[test]
    fn only_what_was_cancelled_counts_as_cancelled() {
        for (how, by_engine, is) in [
            ("CANCELLED", true, true),
            ("CANCELLED (Dependency)", true, true),
            ("NODE_FAIL", true, false),
            ("FAILED", false, false),
            ("Slurm does not know the job any more", false, false),
        ] {
            assert_eq!(over(how, by_engine).is_cancelled(), is, "{how}");
        }
    }
}
