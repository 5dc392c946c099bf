//! `exec --on NAME`: what is recorded is replayed here; what must run becomes a job of another machine, which is followed.
//!
//! The job records the run in the shared store. How the command ended is read from there, never from the engine.

mod end;
pub(in crate::commands) mod execution;
mod follow;
mod interrupts;

pub(in crate::commands) use end::termination;

use super::{Ground, Streams, exit_of, verbosity, write_report};
use crate::commands::jobs::{
    Settings, Standing, hidden, known_reads, needs_store, recover, settings, settings_of, ship, take, token,
    words_of_job,
};
use crate::commands::options::{Flag, Scanned};
use crate::digest::Key;
use crate::elsewhere::{Call, Job, Lock, Place, sweep};
use crate::encode::Encode;
use crate::error::{Error, Kind, Result};
use crate::exec::Unix;
use crate::exec::nested::{Depends, tell};
use crate::hash::manifest::Manifest;
use crate::hash::user_digests;
use crate::memo::{self, Answer, Checked, Context, Mode, Outcome, Policy};
use crate::ui::miss;
use crate::ui::status::Status;
use end::End;
use follow::Followed;
use interrupts::Interrupts;
use std::cell::Cell;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::commands::exec::plan::StdinSource;
use crate::commands::exit::{DONE, Exit};

/// Runs a call of `exec` that has `--on`.
pub(super) fn answer(scanned: &Scanned) -> Result<Exit> {
    let mut ground = Ground::new(scanned, true)?;
    let settings = settings(scanned, &ground.project)?;
    if matches!(ground.plan.policy.mode, Mode::Off | Mode::Read) {
        return Err(needs_store());
    }
    if let Some(why) = &ground.no_store {
        return Err(Error::new(Kind::Other, format!("--on needs a store that both machines have: {why}")));
    }
    if ground.plan.request.shown_words() != ground.plan.request.words {
        return Err(hidden());
    }
    refuse_stdin(&ground.plan.stdin)?;
    let given = ground.settle()?;
    let null = Path::new("/dev/null");
    let null = File::open(null).map_err(|error| Error::io("open", null, error))?;
    let streams = Streams::new(ground.plan.showing.id)?;
    let status = Status::new(verbosity(&ground.plan.showing));
    status.look_around(ground.store());
    let executor = Unix;
    // There it is empty; so it is here.
    let context = Context { stdin: null.as_fd(), ..ground.context(&executor, &status, &streams) };
    let elsewhere = Elsewhere {
        scanned,
        ground: &ground,
        context: &context,
        status: &status,
        settings: &settings,
        has_reported: Cell::new(false),
    };
    elsewhere.answer(given).map_err(|error| elsewhere.reported(error))
}

/// Standard input that holds something does not reach another machine.
fn refuse_stdin(source: &StdinSource) -> Result<()> {
    let hint = "-n gives the command none, --stdin=FILE names a file that is there, too";
    match source {
        StdinSource::Spool => {
            Err(Error::usage("standard input cannot be sent to another machine").with_hint(hint))
        }
        StdinSource::Null | StdinSource::Named(_) => Ok(()),
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

/// A call that runs elsewhere.
struct Elsewhere<'a> {
    scanned: &'a Scanned,
    ground: &'a Ground,
    context: &'a Context<'a>,
    status: &'a Status,
    settings: &'a Settings,
    /// Whether the report that the call asked for was written.
    has_reported: Cell<bool>,
}

/// What is known of a call before it runs.
enum Before {
    /// What decides the result, and which files of the project are known to be read.
    Known(Manifest, Vec<PathBuf>),
    /// It runs without being recorded.
    NeverRecorded,
    /// It was recorded meanwhile.
    Recorded,
}

/// What became of the attempt to submit a job.
enum Submitted {
    Job(Job),
    /// A signal came before.
    Interrupted(i32),
}

/// What became of the attempt to have a job.
enum Have {
    /// It is there, submitted by this call or an earlier one.
    Job(Box<Followed>),
    /// What was there answers no call any more.
    Again,
    /// A signal came before it was submitted.
    Interrupted(i32),
}

impl Elsewhere<'_> {
    fn answer(&self, mut given: Option<memo::GivenStdin>) -> Result<Exit> {
        let mode = self.ground.plan.policy.mode;
        loop {
            if mode != Mode::Refresh
                && let Some(exit) = self.replay(given.take())?
            {
                return Ok(exit);
            }
            if mode == Mode::Replay {
                return Err(Error::new(
                    Kind::NothingToReplay,
                    "nothing to replay, and --mode replay runs nothing",
                ));
            }
            // Where another process has recorded it meanwhile, it is looked up again.
            let done = match self.before()? {
                Before::Recorded => None,
                Before::Known(manifest, reads) => self.run(Some(&manifest), &reads)?,
                Before::NeverRecorded => self.run(None, &[])?,
            };
            if let Some(exit) = done {
                return Ok(exit);
            }
        }
    }

    /// An error, once it is in the report that the call asked for.
    fn reported(&self, error: Error) -> Error {
        let Some(report) = self.ground.plan.showing.report.as_ref().filter(|_| !self.has_reported.get())
        else {
            return error;
        };
        let words = self.ground.plan.request.shown_words();
        let call = miss::Call { words: &words, ..self.call() };
        let answered = Err(error);
        write_report(&self.status.report(&call, &answered), Path::new(report), self.status);
        answered.err().unwrap_or_else(|| Error::new(Kind::Other, ""))
    }

    fn call(&self) -> miss::Call<'_> {
        miss::Call {
            words: &self.ground.plan.request.words,
            places: &self.ground.plan.request.places,
            store: self.ground.store(),
        }
    }

    /// Answers from the store, if that is possible.
    fn replay(&self, given: Option<memo::GivenStdin>) -> Result<Option<Exit>> {
        let policy = Policy { mode: Mode::Replay, ..self.ground.plan.policy.clone() };
        let answered = memo::memoize(self.context, &self.ground.plan.request, given, &policy);
        match answered {
            Err(error) if error.kind() == Kind::NothingToReplay => Ok(None),
            answered => self.answered(answered).map(Some),
        }
    }

    fn answered(&self, answered: Result<Answer>) -> Result<Exit> {
        let words = self.ground.plan.request.shown_words();
        let call = miss::Call { words: &words, ..self.call() };
        if let Some(report) = &self.ground.plan.showing.report {
            write_report(&self.status.report(&call, &answered), Path::new(report), self.status);
            self.has_reported.set(true);
        }
        let answer = answered?;
        self.status.answered(&call, &answer);
        if let Outcome::Hit { stale: true, .. } = answer.outcome {
            super::refresh(self.scanned, None);
        }
        let exit = exit_of(self.ground, &answer);
        user_digests::write_down();
        Ok(exit)
    }

    /// What is known before the run.
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

    /// Has the job done, by this call or by one that was made before; `None` where it must be looked up again.
    fn run(&self, manifest: Option<&Manifest>, reads: &[PathBuf]) -> Result<Option<Exit>> {
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
        };
        let mut interrupts = Interrupts::catch();
        let followed = match self.have(&place, &call, reads, &mut interrupts)? {
            Have::Again => return Ok(None),
            Have::Interrupted(signal) => return Ok(Some(Exit::Signal(signal))),
            Have::Job(followed) => followed,
        };
        // Ctrl-C during the submission cancels what was to be left.
        if self.scanned.has(Flag::Detach) && interrupts.came().is_none() {
            self.status.progress(&format!("{} continues; the same call attaches to it", followed.name()));
            return Ok(Some(DONE));
        }
        let ended = followed.follow(self, &mut interrupts)?;
        let exit = End { elsewhere: self, place: &place }.of(ended);
        sweep(store);
        exit.map(Some)
    }

    /// The job of a call: it is submitted, unless it was.
    fn have(
        &self,
        place: &Place,
        call: &Call,
        reads: &[PathBuf],
        interrupts: &mut Interrupts,
    ) -> Result<Have> {
        let is_refresh = self.ground.plan.policy.mode == Mode::Refresh;
        let earlier = match take(place, call, is_refresh)? {
            Standing::Again => return Ok(Have::Again),
            Standing::New(lock) => {
                let submitted = self.submit((place, call, &lock), reads, interrupts);
                if !matches!(submitted, Ok(Submitted::Job(_))) {
                    let _ = place.discard();
                }
                return self.submitted(place, submitted?, lock);
            }
            Standing::Old(earlier) => earlier,
        };
        // The executor that has it may be another one.
        let other = if earlier.executor == self.settings.name { None } else { self.other(place, &earlier)? };
        let engine = other.as_ref().map_or(&self.settings.engine, |other| &other.engine);
        if let Some(lock) = recover(place, engine.as_ref(), &mut || interrupts.came().is_some())? {
            let submitted = self.submit((place, &earlier, &lock), reads, interrupts)?;
            return self.submitted(place, submitted, lock);
        }
        let followed = Followed::attach(place.clone(), earlier.executor, other.map(|other| other.engine));
        self.status.progress(&format!("attached to {}", followed.name()));
        Ok(Have::Job(Box::new(followed)))
    }

    /// The executor that has a job which an earlier call submitted; `None` where it is not needed any more.
    fn other(&self, place: &Place, earlier: &Call) -> Result<Option<Settings>> {
        match settings_of(&earlier.executor, self.scanned, &self.ground.project) {
            Ok(other) => Ok(Some(other)),
            // How it ended is there.
            Err(_) if place.result().is_some() => Ok(None),
            Err(error) => {
                let wrong =
                    format!("an earlier call submitted this command to {}: {error}", earlier.executor);
                Err(Error::new(error.kind(), wrong).with_hint(format!(
                    "put [executors.{}] back to attach to the job, or remove {} to leave it alone",
                    earlier.executor,
                    place.path().display()
                )))
            }
        }
    }

    fn submit(
        &self,
        (place, call, lock): (&Place, &Call, &Lock),
        reads: &[PathBuf],
        interrupts: &mut Interrupts,
    ) -> Result<Submitted> {
        ship(call, &self.ground.project, &self.settings.store, reads)?;
        if let Some(signal) = interrupts.came() {
            return Ok(Submitted::Interrupted(signal));
        }
        let is_quiet = self.ground.plan.showing.quiet;
        let submit = || self.settings.engine.submit(place, call, lock);
        Interrupts::during(&self.settings.name, is_quiet, submit).map(Submitted::Job)
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

/// Runs a job's call in this process, which is on the machine that it was submitted to. With `only`, nothing runs under
/// another key.
///
/// # Errors
/// As a call of `exec`.
pub(in crate::commands) fn work(scanned: &Scanned, only: Option<Key>) -> Result<Exit> {
    super::answer_here(scanned, only)
}

/// What is different from a manifest now.
#[derive(Default)]
pub(in crate::commands) struct Changed {
    /// In words.
    pub(in crate::commands) phrases: Vec<String>,
    /// Whether it is variables alone: those of another machine, or of its engine.
    pub(in crate::commands) is_environment: bool,
}

/// What is different from `before` now.
///
/// # Errors
/// When the call makes no sense here.
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
