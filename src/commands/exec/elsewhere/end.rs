//! The outcome of a job: the recorded streams and status of the command, or why there are none.

use super::follow::Ended;
use super::{Elsewhere, write_report};
use crate::commands::exit::Exit;
use crate::commands::jobs::termination;
use crate::digest::{CommitId, Digest};
use crate::elsewhere::{Place, Tail};
use crate::error::{EXIT_FAILED, EXIT_MISS, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, Error, Kind, Result};
use crate::memo;
use crate::record::Termination;
use crate::store::{LocalStore, Row};
use crate::ui::human;
use serde_json::Value;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

/// The end of a job.
pub(super) struct End<'a> {
    pub(super) elsewhere: &'a Elsewhere<'a>,
    pub(super) place: &'a Place,
}

impl End<'_> {
    /// Reports the end, and returns how this program ends.
    pub(super) fn of(&self, ended: Ended) -> Result<Exit> {
        match ended {
            Ended::Result { bytes, tail, attempt, name } => self.result(&bytes, &tail, attempt, &name),
            Ended::Lost { how, name } => self.lost(&how, &name),
            Ended::Cancelled { signal, name } => {
                self.place.collect();
                self.elsewhere.status.progress(&format!("cancelled {name}"));
                Ok(Exit::Signal(signal))
            }
            Ended::Left { signal, name } => {
                let text = format!("{name} continues; the same call attaches to it");
                self.elsewhere.status.progress(&text);
                Ok(Exit::Signal(signal))
            }
        }
    }

    /// The job left no result: the status of the command is unknown, unless the run was recorded.
    fn lost(&self, how: &str, name: &str) -> Result<Exit> {
        self.place.collect();
        if let Some(exit) = self.elsewhere.replay(None)? {
            return Ok(exit);
        }
        Err(Error::new(Kind::Other, format!("{name} ended without a result: {how}"))
            .with_hint(format!("its messages are in {}", self.place.log().display())))
    }

    fn result(&self, bytes: &[u8], tail: &Tail, attempt: Option<(u32, String)>, name: &str) -> Result<Exit> {
        let Elsewhere { ground, context, status, settings, .. } = self.elsewhere;
        let report: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let text = |field: &str| report.get(field).and_then(Value::as_str);
        self.place.collect();
        let (number, machine) = attempt.unwrap_or_default();
        // A job of a server runs on a worker, not on this machine.
        let machine = text("worker").map_or(machine, str::to_owned);
        let log = self.place.log();
        if let Some(path) = &ground.plan.showing.report {
            let mut whole = report.clone();
            if let Value::Object(fields) = &mut whole {
                fields.insert("executor".to_owned(), settings.name.as_str().into());
                fields.insert("job".to_owned(), self.place.id().map_or(Value::Null, Value::from));
                fields.insert("machine".to_owned(), machine.as_str().into());
            }
            write_report(&format!("{whole}\n"), Path::new(path), status);
            self.elsewhere.has_reported.set(true);
        }
        if text("outcome") == Some("error") {
            return Err(refused(&report, name));
        }
        for warning in report.get("warnings").and_then(Value::as_array).into_iter().flatten() {
            status.trouble(warning.as_str().unwrap_or_default());
        }
        let commit = text("commit").and_then(Digest::from_hex).map(CommitId);
        let row = self.row(commit)?;
        if row.is_none() && is_replayable(&report) && settings.has_other_store() {
            status.trouble(&format!(
                "the result is in the store of {} alone: its machine did not write it to the shared cache",
                settings.name
            ));
        }
        let termination = if let Some((store, row)) = row {
            memo::hand_over(store, &row.commit, [context.stdout, context.stderr], tail.shown)?
        } else {
            let termination = termination(&report).ok_or_else(|| {
                Error::new(Kind::Other, format!("{name} left a result that cannot be read"))
                    .with_hint(format!("its messages are in {}", log.display()))
            })?;
            self.pass_on(number, tail)?;
            termination
        };
        status.progress(&format!("{} · {name}", told(&report, commit, &machine)));
        self.exit(termination, &report, commit)
    }

    /// The run in the store of this call. If another store has it, it is copied through the shared cache.
    fn row(&self, commit: Option<CommitId>) -> Result<Option<(&LocalStore, Row)>> {
        let Elsewhere { ground, context, settings, .. } = self.elsewhere;
        let (Some(id), Some(store)) = (commit, ground.store()) else { return Ok(None) };
        let mut row = store.row(&id)?;
        if row.is_none() && settings.has_other_store() {
            memo::check(context, &ground.plan.request, &ground.plan.policy)?;
            row = store.row(&id)?;
        }
        Ok(row.map(|row| (store, row)))
    }

    /// Writes the streams of a run that was not recorded, from the files of the job.
    fn pass_on(&self, number: u32, tail: &Tail) -> Result<()> {
        let context = self.elsewhere.context;
        let to = [context.stdout, context.stderr];
        for ((path, shown), to) in self.place.streams(number).iter().zip(tail.shown).zip(to) {
            let failed = |error| Error::io("pass on", path, error);
            let mut file = File::open(path).map_err(failed)?;
            file.seek(SeekFrom::Start(shown)).map_err(failed)?;
            let mut to = File::from(to.try_clone_to_owned().map_err(failed)?);
            std::io::copy(&mut file, &mut to).map_err(failed)?;
        }
        Ok(())
    }

    /// Ends like the command; with `--id`, prints the hash of the run first.
    fn exit(&self, termination: Termination, report: &Value, commit: Option<CommitId>) -> Result<Exit> {
        let own = match termination {
            Termination::Exited(status) => Exit::Status(status),
            Termination::Signaled(signal) => Exit::Signal(signal),
        };
        if !self.elsewhere.ground.plan.showing.id {
            return Ok(own);
        }
        match commit.filter(|_| is_replayable(report)) {
            Some(commit) => {
                let mut stdout = std::io::stdout().lock();
                let written = writeln!(stdout, "{commit}").and_then(|()| stdout.flush());
                written.map_err(|error| Error::io("write to", Path::new("standard output"), error))?;
                Ok(own)
            }
            None if own == Exit::Status(0) => Ok(Exit::Status(EXIT_FAILED)),
            None => Ok(own),
        }
    }
}

fn is_replayable(report: &Value) -> bool {
    report.get("kept").and_then(Value::as_bool) == Some(true)
        || report.get("outcome").and_then(Value::as_str) == Some("hit")
}

/// The error of a command that was not run there, with the kind that gives the status of `exec`.
fn refused(report: &Value, name: &str) -> Error {
    let text = |field: &str| report.get(field).and_then(Value::as_str);
    let status = report.get("status").and_then(Value::as_u64).and_then(|status| u8::try_from(status).ok());
    let kind = match status {
        Some(EXIT_NOT_FOUND) => Kind::CommandNotFound,
        Some(EXIT_NOT_EXECUTABLE) => Kind::NotExecutable,
        Some(EXIT_MISS) => Kind::NothingToReplay,
        _ => Kind::Other,
    };
    let error = Error::new(kind, format!("{name}: {}", text("error").unwrap_or("it was refused")));
    match text("hint") {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// The status line of a run.
fn told(report: &Value, commit: Option<CommitId>, machine: &str) -> String {
    let at = if machine.is_empty() { String::new() } else { format!(" at {machine}") };
    let commit = commit.map(|commit| commit.short()).unwrap_or_default();
    let wall = human::duration(report.get("wall_ns").and_then(Value::as_u64).unwrap_or(0));
    let not_kept = report.get("not_kept").and_then(|why| why.get("detail")).and_then(Value::as_str);
    match report.get("outcome").and_then(Value::as_str) {
        Some("hit") => format!("hit {commit} · saved {wall}"),
        Some("bypass") => format!("ran uncached{at}"),
        _ if is_replayable(report) => format!("ran {wall}{at} · cached {commit}"),
        _ => format!("ran {wall}{at} · not cached: {}", not_kept.unwrap_or_default()),
    }
}
