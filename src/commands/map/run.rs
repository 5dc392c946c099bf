//! One run of a sweep in a separate process: `cashet exec` with a report, and its output in files without names.
//!
//! Files, not pipes, so that a run continues to its end and is recorded if this process is killed.

use super::jobs::Job;
use crate::exec::Group;
use crate::record::Termination;
use crate::ui::board::{Outcome, State};
use crate::ui::relay::Output;
use serde_json::Value;
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// Runs a job to its end.
pub(super) fn run(
    program: &Path,
    job: &Job,
    tags: &[(String, String)],
    output: &Output,
    group: &Group,
) -> Outcome {
    let begun = std::time::Instant::now();
    match attempt(program, job, tags, output, group) {
        Ok((status, report)) => read(ended(status), &report),
        Err(error) => Outcome::failed(format!("cannot start it: {error}"), begun.elapsed()),
    }
}

fn attempt(
    program: &Path,
    job: &Job,
    tags: &[(String, String)],
    output: &Output,
    group: &Group,
) -> io::Result<(ExitStatus, Value)> {
    let mut report = tempfile::tempfile()?;
    let mut command = Command::new(program);
    let place = format!("--report=/proc/{}/fd/{}", std::process::id(), report.as_raw_fd());
    command.args(["exec", "--quiet", &place]);
    command.args(tags.iter().map(|(name, value)| format!("--tag={name}={value}")));
    command.args(job.call.to_words(&[]));
    command.stdin(Stdio::null()).stdout(output.stdout.try_clone()?).stderr(output.stderr.try_clone()?);
    let status = group.start(&mut command)?.wait()?;
    let mut text = Vec::new();
    report.rewind()?;
    report.read_to_end(&mut text)?;
    Ok((status, serde_json::from_slice(&text).unwrap_or(Value::Null)))
}

fn ended(status: ExitStatus) -> Termination {
    match (status.code(), status.signal()) {
        (Some(code), _) => Termination::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, signal) => Termination::Signaled(signal.unwrap_or(libc::SIGKILL)),
    }
}

/// The outcome of a run that ended so, according to its report.
pub(super) fn read(termination: Termination, report: &Value) -> Outcome {
    let text = |field: &str| report.get(field).and_then(Value::as_str).map(str::to_owned);
    let not_kept = report.get("not_kept").map(|reason| {
        let part = |name: &str| reason.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        (part("reason"), part("detail"))
    });
    let kept = report.get("kept").and_then(Value::as_bool);
    let outcome = text("outcome");
    let is_hit = outcome.as_deref() == Some("hit");
    let state = if is_hit {
        State::Hit
    } else if termination == Termination::Exited(0) || kept == Some(true) {
        State::Ran
    } else {
        State::Failed
    };
    let bypassed = outcome.as_deref() == Some("bypass");
    // The status of cashet itself says nothing of the command.
    let is_own = outcome.as_deref() == Some("error");
    let first = || report.get("reasons")?.get(0)?.as_str().map(str::to_owned);
    let warnings = report.get("warnings").and_then(Value::as_array).into_iter().flatten();
    Outcome {
        state,
        commit: text("commit"),
        termination: (!is_own).then_some(termination),
        wall: report.get("wall_ns").and_then(Value::as_u64).unwrap_or(0),
        // A failed run is not cached anyway.
        not_kept: if bypassed { Some(("bypass".to_owned(), first().unwrap_or_default())) } else { not_kept },
        error: text("error"),
        // The reason for not caching is shown elsewhere.
        warnings: warnings
            .filter_map(Value::as_str)
            .filter(|warning| kept != Some(false) || !warning.starts_with("not cached: "))
            .map(str::to_owned)
            .collect(),
        attempts: 1,
    }
}
