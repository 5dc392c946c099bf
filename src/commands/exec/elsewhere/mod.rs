//! `exec --on NAME`: what is recorded is replayed here; what must run becomes a job of another machine, which is followed.
//!
//! The job records the run in the shared store. How the command ended is read from there, never from the engine.

mod end;
pub(in crate::commands) mod execution;
mod follow;

pub(in crate::commands) use end::termination;

use super::{Ground, Streams, exit_of, verbosity, write_report};
use crate::commands::jobs::{
    Settings, Standing, hidden, known_reads, recover, settings, settings_of, ship, take, token, words_of_job,
};
use crate::commands::options::{Flag, Scanned};
use crate::digest::Key;
use crate::elsewhere::{Call, Job, Place, sweep};
use crate::encode::Encode;
use crate::error::{Error, Kind, Result};
use crate::exec::Unix;
use crate::hash::manifest::Manifest;
use crate::memo::{self, Answer, Checked, Context, Mode, Policy};
use crate::ui::miss;
use crate::ui::status::Status;
use end::End;
use follow::Followed;
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
    let mode = ground.plan.policy.mode;
    if matches!(mode, Mode::Off | Mode::Read) {
        return Err(Error::usage("--on needs the store, where the other machine records the run")
            .with_hint("leave --mode out, or --on"));
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
    let elsewhere =
        Elsewhere { scanned, ground: &ground, context: &context, status: &status, settings: &settings };
    let mut given = given;
    loop {
        if mode != Mode::Refresh
            && let Some(exit) = elsewhere.replay(given.take())?
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
        let done = match elsewhere.before()? {
            Before::Recorded => None,
            Before::Known(manifest, reads) => elsewhere.run(Some(&manifest), &reads)?,
            Before::NeverRecorded => elsewhere.run(None, &[])?,
        };
        if let Some(exit) = done {
            return Ok(exit);
        }
    }
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

/// What became of the attempt to have a job.
enum Have {
    /// It is there, submitted by this call or an earlier one.
    Job(Box<Followed>),
    /// What was there answers no call any more.
    Again,
}

impl Elsewhere<'_> {
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
        }
        let answer = answered?;
        self.status.answered(&call, &answer);
        Ok(exit_of(self.ground, &answer))
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
        let followed = match self.have(&place, &call, reads)? {
            Have::Again => return Ok(None),
            Have::Job(followed) => followed,
        };
        if self.scanned.has(Flag::Detach) {
            self.status.progress(&format!("{} continues; the same call attaches to it", followed.name()));
            return Ok(Some(DONE));
        }
        let ended = followed.follow(self)?;
        let exit = End { elsewhere: self, place: &place }.of(ended);
        sweep(store);
        exit.map(Some)
    }

    /// The job of a call: it is submitted, unless it was.
    fn have(&self, place: &Place, call: &Call, reads: &[PathBuf]) -> Result<Have> {
        let is_refresh = self.ground.plan.policy.mode == Mode::Refresh;
        let earlier = match take(place, call, is_refresh)? {
            Standing::Again => return Ok(Have::Again),
            Standing::New(lock) => {
                let job = self.submit(place, call, reads).inspect_err(|_| {
                    let _ = place.discard();
                })?;
                return self.submitted(place, job, lock).map(Have::Job);
            }
            Standing::Old(earlier) => earlier,
        };
        // The executor that has it may be another one.
        let other = (earlier.executor != self.settings.name)
            .then(|| settings_of(&earlier.executor, self.scanned, &self.ground.project))
            .transpose()?;
        let engine = other.as_ref().map_or(&self.settings.engine, |other| &other.engine);
        if let Some(lock) = recover(place, engine.as_ref())? {
            let job = self.submit(place, &earlier, reads)?;
            return self.submitted(place, job, lock).map(Have::Job);
        }
        let followed = Followed::attach(place.clone(), earlier.executor, other.map(|other| other.engine));
        self.status.progress(&format!("attached to {}", followed.name()));
        Ok(Have::Job(Box::new(followed)))
    }

    fn submit(&self, place: &Place, call: &Call, reads: &[PathBuf]) -> Result<Job> {
        ship(call, &self.ground.project, &self.settings.store, reads)?;
        self.settings.engine.submit(place, call)
    }

    fn submitted(&self, place: &Place, job: Job, lock: crate::elsewhere::Lock) -> Result<Box<Followed>> {
        if !job.id.is_empty() {
            place.set_id(&job.id)?;
        }
        let followed = Followed::submitted(place.clone(), self.settings.name.clone(), job, lock);
        self.status.progress(&format!("submitted {}", followed.name()));
        Ok(Box::new(followed))
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
    let streams = Streams::new(false)?;
    let executor = Unix;
    let context = ground.context(&executor, &(), &streams);
    let checked = memo::check(&context, ground.request(), ground.policy())?;
    let Checked::Miss { manifest: Some(manifest), .. } = checked else { return Ok(Changed::default()) };
    let changes = manifest.diff(before);
    let is_environment = !changes.is_empty()
        && changes.iter().all(|change| matches!(change.part, crate::hash::manifest::Part::Variable(_)));
    let changes: Vec<memo::Difference> = changes.into_iter().map(memo::Difference::Known).collect();
    let words = ground.request().shown_words();
    let call = miss::Call { words: &words, places: &ground.request().places, store: ground.store() };
    let since = crate::digest::CommitId(before.key().0);
    Ok(Changed { phrases: miss::differences(&call, &changes, &since, None), is_environment })
}
