//! `exec --on NAME`: a hit is replayed here. A miss becomes a job on another machine, which this process follows.
//!
//! The job records the run in the shared store. The status of the command comes from there, never from the engine.

mod end;
pub(in crate::commands) mod execution;
mod follow;
mod interrupts;

use super::{Ground, Streams, exit_of, verbosity, write_report};
use crate::commands::jobs::{
    Settings, Standing, hidden, known_reads, needs_store, settings, ship, stand, token, words_of_job,
};
use crate::commands::options::{Flag, Scanned};
use crate::digest::Key;
use crate::elsewhere::{Call, Job, Lock, Place, sweep};
use crate::encode::Encode;
use crate::error::{Error, Kind, Result};
use crate::exec::nested::{Depends, tell};
use crate::exec::{Unix, umask};
use crate::hash::manifest::Manifest;
use crate::hash::user_digests;
use crate::memo::{self, Answer, Checked, Context, Mode, Outcome, Policy};
use crate::ui::miss;
use crate::ui::status::Status;
use end::End;
use follow::{Ended, Followed};
use interrupts::Interrupts;
use std::cell::Cell;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::commands::exec::plan::{Plan, StdinSource};
use crate::commands::exit::{DONE, Exit};

/// Runs a call of `exec` that has `--on`.
pub(super) fn answer(scanned: &Scanned) -> Result<Exit> {
    let mut ground = Ground::new(scanned, true)?;
    let settings = settings(scanned, &ground.project)?;
    refuse(&ground, &ground.plan)?;
    refuse_stdin(&ground.plan.stdin)?;
    let given = ground.settle()?;
    let null = Path::new("/dev/null");
    let null = File::open(null).map_err(|error| Error::io("open", null, error))?;
    let streams = Streams::new(ground.plan.showing.id)?;
    let status = Status::new(verbosity(&ground.plan.showing));
    status.look_around(ground.store());
    let executor = Unix;
    // The standard input of a job is empty.
    let context = Context { stdin: null.as_fd(), ..ground.context(&executor, &status, &streams) };
    let elsewhere = Elsewhere {
        scanned,
        ground: &ground,
        context: &context,
        status: &status,
        settings: &settings,
        has_reported: Cell::new(false),
    };
    match elsewhere.answer(given) {
        Err(error) => elsewhere.reported(error),
        answered => answered,
    }
}

/// Refuses a call that cannot run on another machine.
///
/// # Errors
/// The store is not used, or cannot be; words are hidden; standard input counts.
pub(super) fn refuse(ground: &Ground, plan: &Plan) -> Result<()> {
    if matches!(plan.policy.mode, Mode::Off | Mode::Read) {
        return Err(needs_store());
    }
    if let Some(why) = &ground.no_store {
        return Err(Error::new(Kind::Other, format!("--on needs a store that both machines have: {why}")));
    }
    if plan.request.shown_words() != plan.request.words {
        return Err(hidden());
    }
    if plan.stdin == StdinSource::Spool {
        return Err(Error::usage("standard input cannot be sent to another machine").with_hint(
            "-n gives the command none; exec has --stdin=FILE for a file that the other machine has, too",
        ));
    }
    Ok(())
}

/// Refuses content of our own standard input, which does not reach another machine.
fn refuse_stdin(source: &StdinSource) -> Result<()> {
    let hint = "-n gives the command none, --stdin=FILE names a file that is there, too";
    match source {
        StdinSource::Null | StdinSource::Named(_) | StdinSource::Spool => Ok(()),
        StdinSource::Inherit => {
            let found = std::io::stdin().as_fd().try_clone_to_owned().map(File::from);
            let kind = found.and_then(|file| file.metadata()).map(|found| found.file_type());
            match kind {
                Ok(kind) if kind.is_file() || kind.is_fifo() || kind.is_socket() => Err(Error::usage(
                    "standard input is a file or a pipe, and does not go to another machine",
                )
                .with_hint(hint)),
                _ => Ok(()),
            }
        }
    }
}

/// A call whose misses run on another machine.
struct Elsewhere<'a> {
    scanned: &'a Scanned,
    ground: &'a Ground,
    context: &'a Context<'a>,
    status: &'a Status,
    settings: &'a Settings,
    /// Whether the report (`--report`) was written.
    has_reported: Cell<bool>,
}

/// The result of the look-up before a run.
enum Before {
    /// The manifest, and the files of the project that the run is known to read.
    Known(Manifest, Vec<PathBuf>),
    /// The call is never recorded.
    NeverRecorded,
    /// Another process has recorded it since.
    Recorded,
}

/// The outcome of a submission.
enum Submitted {
    Job(Job),
    /// A signal came first.
    Interrupted(i32),
}

/// The outcome of the attempt to find or submit a job.
enum Have {
    /// A job that this call or an earlier one submitted.
    Job(Box<Followed>),
    /// The earlier job was removed: look the call up again.
    Again,
    /// A signal came before it was submitted.
    Interrupted(i32),
}

impl Elsewhere<'_> {
    fn answer(&self, mut given: Option<memo::GivenStdin>) -> Result<Exit> {
        let mut interrupts = Interrupts::new();
        loop {
            if self.ground.plan.policy.mode != Mode::Refresh
                && let Some(exit) = self.replay(given.take())?
            {
                return Ok(exit);
            }
            // If another process has recorded it since, it is looked up again.
            let done = match self.before()? {
                Before::Recorded => None,
                Before::Known(manifest, reads) => self.run(Some(&manifest), &reads, &mut interrupts)?,
                Before::NeverRecorded => self.run(None, &[], &mut interrupts)?,
            };
            if let Some(exit) = done {
                return Ok(exit);
            }
        }
    }

    /// Writes an error into the report that the call asked for, and returns it.
    fn reported(&self, error: Error) -> Result<Exit> {
        let answered: Result<Answer> = Err(error);
        self.report(&answered);
        answered.map(|_| DONE)
    }

    /// Writes the report that the call asked for, once.
    fn report(&self, answered: &Result<Answer>) {
        let Some(report) = &self.ground.plan.showing.report else { return };
        if !self.has_reported.replace(true) {
            let words = self.ground.plan.request.shown_words();
            let call = miss::Call { words: &words, ..self.call() };
            write_report(&self.status.report(&call, answered), Path::new(report), self.status);
        }
    }

    fn call(&self) -> miss::Call<'_> {
        miss::Call {
            words: &self.ground.plan.request.words,
            places: &self.ground.plan.request.places,
            store: self.ground.store(),
        }
    }

    /// Answers from the store, if that is possible. With `--mode replay` a miss is an error.
    fn replay(&self, given: Option<memo::GivenStdin>) -> Result<Option<Exit>> {
        let policy = Policy { mode: Mode::Replay, ..self.ground.plan.policy.clone() };
        let answered = memo::memoize(self.context, &self.ground.plan.request, given, &policy);
        match answered {
            Err(error)
                if error.kind() == Kind::NothingToReplay && self.ground.plan.policy.mode != Mode::Replay =>
            {
                Ok(None)
            }
            answered => self.answered(answered).map(Some),
        }
    }

    fn answered(&self, answered: Result<Answer>) -> Result<Exit> {
        self.report(&answered);
        let answer = answered?;
        let words = self.ground.plan.request.shown_words();
        let call = miss::Call { words: &words, ..self.call() };
        self.status.answered(&call, &answer);
        if let Outcome::Hit { stale: true, .. } = answer.outcome {
            super::refresh(self.scanned, None);
        }
        let exit = exit_of(self.ground, &answer);
        user_digests::write_down();
        Ok(exit)
    }

    /// Looks the call up before its run.
    fn before(&self) -> Result<Before> {
        let policy = &self.ground.plan.policy;
        Ok(match memo::check(self.context, &self.ground.plan.request, policy)? {
            Checked::Miss { why, manifest: Some(manifest) } => {
                let wanted = self.scanned.has(Flag::Snapshot);
                let reads = wanted.then(|| known_reads(&manifest, &why, self.ground.store()));
                Before::Known(manifest, reads.unwrap_or_default())
            }
            Checked::Miss { manifest: None, .. } | Checked::Bypass(_) => Before::NeverRecorded,
            Checked::Hit { .. } => Before::Recorded,
        })
    }

    /// Has the job done that this call or an earlier one submits; `None` if the call must be looked up again.
    fn run(
        &self,
        manifest: Option<&Manifest>,
        reads: &[PathBuf],
        interrupts: &mut Interrupts,
    ) -> Result<Option<Exit>> {
        // An outer call that watches this process cannot see what the job reads.
        tell(Depends::Results("cashet exec --on"));
        let store = &self.settings.store;
        let token = token();
        let name = manifest.map_or_else(|| token.clone(), |manifest| manifest.key().0.to_hex());
        let place = Place::new(store, &name);
        let call = Call {
            snapshot: self.scanned.has(Flag::Snapshot).then(|| Place::tree(store, &token)),
            token,
            executor: self.settings.name.clone(),
            directory: self.ground.project.directory.clone(),
            words: words_of_job(self.scanned, self.settings.store_there()),
            manifest: manifest.map(Encode::to_bytes),
            latest: self.scanned.has(Flag::Latest),
            umask: umask(),
        };
        interrupts.hold();
        let followed = match self.have(&place, call, reads, interrupts)? {
            Have::Again => return Ok(interrupts.release().map(Exit::Signal)),
            Have::Interrupted(signal) => return Ok(Some(Exit::Signal(signal))),
            Have::Job(followed) => followed,
        };
        // Ctrl-C during the submission cancels the job, even with `--detach`.
        if self.scanned.has(Flag::Detach) && interrupts.came().is_none() {
            self.status.progress(&format!("{} continues; the same call attaches to it", followed.name()));
            return Ok(Some(DONE));
        }
        let ended = followed.follow(self, interrupts)?;
        if let (Ended::Result { .. } | Ended::Lost { .. }, Some(signal)) = (&ended, interrupts.release()) {
            // It came after the end of the job. The next call shows the result.
            return Ok(Some(Exit::Signal(signal)));
        }
        let exit = End { elsewhere: self, place: &place }.of(ended);
        sweep(store);
        exit.map(Some)
    }

    /// Finds the job of a call, or submits it.
    fn have(
        &self,
        place: &Place,
        call: Call,
        reads: &[PathBuf],
        interrupts: &mut Interrupts,
    ) -> Result<Have> {
        let is_refresh = self.ground.plan.policy.mode == Mode::Refresh;
        let on = (self.settings, &self.ground.project);
        let followed = match stand(place, call, on, is_refresh, &mut || interrupts.came().is_some())? {
            Standing::Again => return Ok(Have::Again),
            Standing::New(lock, call) => {
                let submitted = self.submit((place, &call, &lock), reads, interrupts);
                if !matches!(submitted, Ok(Submitted::Job(_))) {
                    let _ = place.discard();
                }
                return self.submitted(place, submitted?, lock);
            }
            Standing::Old(owner, executor) => Followed::attach(place.clone(), executor, owner),
        };
        self.status.progress(&format!("attached to {}", followed.name()));
        Ok(Have::Job(Box::new(followed)))
    }

    fn submit(
        &self,
        (place, call, lock): (&Place, &Call, &Lock),
        reads: &[PathBuf],
        interrupts: &mut Interrupts,
    ) -> Result<Submitted> {
        let is_quiet = self.ground.plan.showing.quiet;
        Interrupts::during(&self.settings.name, is_quiet, || {
            ship(call, &self.ground.project, &self.settings.store, reads)?;
            match interrupts.came() {
                Some(signal) => Ok(Submitted::Interrupted(signal)),
                None => self.settings.engine.submit(place, call, lock).map(Submitted::Job),
            }
        })
    }

    fn submitted(&self, place: &Place, submitted: Submitted, lock: Lock) -> Result<Have> {
        let job = match submitted {
            Submitted::Job(job) => job,
            Submitted::Interrupted(signal) => return Ok(Have::Interrupted(signal)),
        };
        if !job.id.is_empty() {
            place.set_id(&job.id)?;
        }
        let followed = Followed::submitted(place.clone(), self.settings.name.clone(), job, lock);
        self.status.progress(&format!("submitted {}", followed.name()));
        Ok(Have::Job(Box::new(followed)))
    }
}

/// Runs the call of a job in this process, on the machine of the job. With `only`, nothing runs under another key.
///
/// # Errors
/// As a call of `exec`.
pub(in crate::commands) fn work(scanned: &Scanned, only: Option<Key>) -> Result<Exit> {
    super::answer_here(scanned, only)
}

/// The differences from a manifest.
#[derive(Default)]
pub(in crate::commands) struct Changed {
    /// Each difference in words.
    pub(in crate::commands) phrases: Vec<String>,
    /// Whether only variables differ: those of another machine, or of its engine.
    pub(in crate::commands) is_environment: bool,
}

/// Compares the present manifest of a call with `before`.
///
/// # Errors
/// When the call is invalid here.
pub(in crate::commands) fn changed_since(scanned: &Scanned, before: &Manifest) -> Result<Changed> {
    let mut ground = Ground::new(scanned, false)?;
    drop(ground.settle()?);
    let Checked::Miss { manifest: Some(manifest), .. } = ground.check(&())? else {
        return Ok(Changed::default());
    };
    let changes = manifest.diff(before);
    let is_environment = !changes.is_empty()
        && changes.iter().all(|change| matches!(change.part, crate::hash::manifest::Part::Variable(_)));
    let changes: Vec<memo::Difference> = changes.into_iter().map(memo::Difference::Known).collect();
    let words = ground.request().shown_words();
    let call = miss::Call { words: &words, places: &ground.request().places, store: ground.store() };
    let since = crate::digest::CommitId(before.key().0);
    Ok(Changed { phrases: miss::differences(&call, &changes, &since, None), is_environment })
}
