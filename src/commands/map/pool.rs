//! The runs of a sweep: one thread replays hits and queues misses, several threads run these, and the main thread reports the
//! progress.

use super::array::{self, Array};
use super::jobs::{self, Job, Jobs};
use super::run;
use super::signals::{self, Stop};
use super::teller::Teller;
use crate::commands::exec::resident::{Resident, Settled, Three};
use crate::commands::exit::Exit;
use crate::commands::jobs::{self as executors, Settings};
use crate::commands::map_arguments::{Options, Print};
use crate::commands::options::Flag;
use crate::digest::{CommitId, Digest};
use crate::error::{Error, Result};
use crate::exec::Group;
use crate::memo::{Answer, Event as Told, Observer};
use crate::record::Termination;
use crate::store::Filter;
use crate::ui::board::{Outcome, State};
use crate::ui::json::{self, Object};
use crate::ui::relay::Output;
use crate::ui::{board, status};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Maximum number of queued runs, since a list may be larger than memory.
const WAITING: usize = 1024;

/// Maximum number of queued events.
const UNTOLD: usize = 256;

/// An event of the sweep.
pub(super) enum Event {
    Started {
        slot: usize,
        label: String,
        output: Arc<Output>,
    },
    Ended {
        slot: Option<usize>,
        job: Box<Job>,
        outcome: Box<Outcome>,
        output: Option<Arc<Output>>,
    },
    /// The run of this line is repeated later.
    Freed {
        slot: usize,
    },
    /// Number of jobs that wait on another machine.
    Queued(u64),
    /// A run was omitted because it did not fail before.
    Skipped,
    /// All runs have been read; with the number of repeated ones.
    Read {
        duplicates: u64,
    },
    /// Something failed that does not stop the sweep.
    Warning(Error),
    /// The list cannot be read any further.
    Broken(Error),
}

/// A run for a worker.
pub(super) struct Work {
    pub(super) job: Box<Job>,
    pub(super) tags: Vec<(String, String)>,
}

/// Does all runs.
///
/// # Errors
/// The call is invalid; standard output cannot be written.
pub(super) fn run(options: &Options, jobs: Jobs, resident: &Resident) -> Result<Exit> {
    let program =
        std::env::current_exe().map_err(|error| Error::io("find", Path::new("the program itself"), error))?;
    let failed_before = options.only_failed.then(|| failed_before(resident, &options.name)).transpose()?;
    let (group, stop) = (Group::default(), Stop::default());
    let mut teller = Teller::new(options, resident);
    teller.board.total(jobs.total());
    // An engine that takes arrays gets all misses from one thread. For other engines, a `cashet exec` waits for each job.
    let elsewhere = elsewhere(options, resident)?;
    let (elsewhere, workers) = match elsewhere {
        Some(settings) if settings.engine.arrays().is_some() => (Some(settings), 0),
        Some(settings) => (None, options.at_most.or(settings.given.at_most).map_or(options.jobs, most)),
        None => (None, options.jobs),
    };
    let told = thread::scope(|scope| {
        let (events, happens) = mpsc::sync_channel(UNTOLD);
        let (queue, waiting) = mpsc::sync_channel(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        let caught = signals::catch();
        let handle = caught.map(|(signals, handle)| {
            let (stop, group) = (&stop, &group);
            scope.spawn(move || signals::watch(signals, stop, group));
            handle
        });
        let feeder = Feeder { options, resident, failed_before, events: events.clone(), stop: &stop };
        scope.spawn(move || feeder.feed(jobs, &queue));
        if let Some(settings) = &elsewhere {
            let (events, waiting, stop) = (events.clone(), Arc::clone(&waiting), &stop);
            scope.spawn(move || {
                let told = RefCell::default();
                array::run(
                    &Array { options, resident, settings, events, stop, told, tree: RefCell::default() },
                    &waiting,
                );
            });
        }
        for slot in 0..workers {
            let worker = Worker {
                slot,
                program: &program,
                group: &group,
                stop: &stop,
                retry: options.retry,
                fail_fast: options.fail_fast,
                events: events.clone(),
            };
            let waiting = Arc::clone(&waiting);
            scope.spawn(move || worker.work(&waiting));
        }
        drop(events);
        let told = teller.listen(&happens, &stop);
        if told.is_err() {
            // Standard output has no reader any more. Running commands continue to their end.
            stop.now();
            while happens.recv().is_ok() {}
        }
        if let Some(handle) = handle {
            handle.close();
        }
        told
    });
    let exit = teller.finish(&stop);
    told.and(exit)
}

/// Converts a maximum number of jobs.
fn most(jobs: u32) -> usize {
    usize::try_from(jobs).unwrap_or(usize::MAX)
}

/// The executor that the call names.
///
/// # Errors
/// There is none of this name, or the call cannot run there.
pub(super) fn elsewhere(options: &Options, resident: &Resident) -> Result<Option<Settings>> {
    if !options.call.has(Flag::On) {
        return Ok(None);
    }
    let settings = executors::settings(&options.call, resident.project())?;
    resident.refuse_elsewhere(&resident.settle(&options.call)?)?;
    Ok(Some(settings))
}

/// The null device, for reading and writing.
pub(super) fn null() -> Result<File> {
    let path = Path::new("/dev/null");
    OpenOptions::new().read(true).write(true).open(path).map_err(|error| Error::io("open", path, error))
}

/// The JSON object of a run.
pub(super) fn object(sweep: &str, job: &Job) -> Object {
    let parameters = job.filling.parameters.iter();
    let parameters =
        parameters.fold(Object::part(), |object, (name, value)| object.with(name, json::text(value)));
    let words: Vec<&[u8]> = job.call.words.iter().map(|word| word.as_bytes()).collect();
    Object::whole()
        .with("sweep", sweep)
        .with("number", job.filling.number)
        .with("id", job.filling.id.as_str())
        .with("parameters", parameters)
        .with("command", json::texts(&words))
}

fn digest(words: &[Vec<u8>]) -> Digest {
    Digest::of(&words.join(&0))
}

/// The command lines of the sweep, and whether the newest run of each failed.
fn failed_before(resident: &Resident, sweep: &str) -> Result<HashMap<Digest, bool>> {
    let mut known = HashMap::new();
    let filter = Filter { tags: vec![(jobs::SWEEP.to_owned(), Some(sweep.to_owned()))], ..Filter::default() };
    for row in resident.store().into_iter().flat_map(|store| store.log(filter.clone())) {
        let commit = row?.commit;
        known.entry(digest(&commit.words)).or_insert(commit.termination != Termination::Exited(0));
    }
    Ok(known)
}

/// Reads runs, replays hits, queues misses.
struct Feeder<'a> {
    options: &'a Options,
    resident: &'a Resident,
    failed_before: Option<HashMap<Digest, bool>>,
    events: SyncSender<Event>,
    stop: &'a Stop,
}

impl Feeder<'_> {
    fn feed(&self, mut jobs: Jobs, queue: &SyncSender<Work>) {
        while !self.stop.is() {
            match jobs.next() {
                Ok(Some(job)) => {
                    if let Err(error) = self.one(Box::new(job), queue) {
                        let _ = self.events.send(Event::Broken(error));
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    let _ = self.events.send(Event::Broken(error));
                    return;
                }
            }
        }
        let _ = self.events.send(Event::Read { duplicates: jobs.duplicates });
    }

    fn one(&self, job: Box<Job>, queue: &SyncSender<Work>) -> Result<()> {
        let call = self.resident.settle(&job.call)?;
        if let Some(known) = &self.failed_before {
            let words: Vec<Vec<u8>> =
                call.shown_words().iter().map(|word| word.as_bytes().to_vec()).collect();
            if known.get(&digest(&words)) != Some(&true) {
                let _ = self.events.send(Event::Skipped);
                return Ok(());
            }
        }
        let tags = tags(&self.options.name, &job, &call);
        let known =
            |three: Three<'_>, observer: &dyn Observer| Ok(self.resident.replay(&call, three, observer));
        match replay(self.options, known)? {
            Some((mut outcome, id, output)) => {
                outcome.warnings.extend(mark(self.resident, id, tags));
                let outcome = Box::new(outcome);
                let _ = self.events.send(Event::Ended { slot: None, job, outcome, output });
            }
            // The receiver has ended.
            None => drop(queue.send(Work { job, tags })),
        }
        Ok(())
    }
}

/// Shows the answer of a call, if `known` has one.
pub(super) fn replay(
    options: &Options,
    known: impl FnOnce(Three<'_>, &dyn Observer) -> Result<Option<Answer>>,
) -> Result<Option<Replayed>> {
    let null = null()?;
    let shown = options.print != Print::No;
    let output = if shown { Output::new().ok().map(Arc::new) } else { None };
    if shown && output.is_none() {
        return Ok(None);
    }
    let three = Three {
        stdin: null.as_fd(),
        stdout: output.as_ref().map_or(null.as_fd(), |output| output.stdout.as_fd()),
        stderr: output.as_ref().map_or(null.as_fd(), |output| output.stderr.as_fd()),
    };
    let warnings = Warnings::default();
    let answer = known(three, &warnings)?;
    let Some((answer, id)) = answer.and_then(|answer| answer.commit.map(|id| (answer, id))) else {
        return Ok(None);
    };
    let outcome = Outcome {
        state: State::Hit,
        commit: Some(id.0.to_hex()),
        termination: Some(answer.termination),
        wall: answer.resources.wall,
        not_kept: None,
        error: None,
        warnings: warnings.0.into_inner(),
        attempts: 0,
    };
    Ok(Some((outcome, id, output)))
}

/// The outcome of a replayed run, and its output, if that is shown.
pub(super) type Replayed = (Outcome, CommitId, Option<Arc<Output>>);

/// Collects the notices of a replay.
#[derive(Default)]
struct Warnings(RefCell<Vec<String>>);

impl Observer for Warnings {
    fn on(&self, event: &Told) {
        let text = match event {
            Told::Replaced { path, copy } => {
                format!("{} was not written by cashet: saved as {}", path.display(), copy.display())
            }
            Told::PutBack { .. } | Told::LeftAside { .. } => status::put_right(event),
            _ => return,
        };
        self.0.borrow_mut().push(text);
    }
}

/// The tags of a run, without values that are hidden in its words.
pub(super) fn tags(sweep: &str, job: &Job, call: &Settled) -> Vec<(String, String)> {
    let contains = |words: &[OsString], value: &[u8]| {
        !value.is_empty()
            && words.iter().any(|word| word.as_bytes().windows(value.len()).any(|part| part == value))
    };
    let shown = call.shown_words();
    let hides = shown != job.call.words;
    jobs::tags(sweep, job, &|value| hides && contains(&job.call.words, value) && !contains(&shown, value))
}

/// Adds the tags of the sweep to the record of a hit; returns a message if that failed.
pub(super) fn mark(resident: &Resident, id: CommitId, tags: Vec<(String, String)>) -> Option<String> {
    let store = resident.store()?;
    let marked = store.tags(&id).and_then(|has| {
        let missing = jobs::missing(&has, tags);
        if missing.is_empty() { Ok(true) } else { store.tag_all(&id, &missing) }
    });
    marked.err().map(|error| format!("the tags of the sweep were not saved: {error}"))
}

/// Runs queued calls.
struct Worker<'a> {
    slot: usize,
    program: &'a Path,
    group: &'a Group,
    stop: &'a Stop,
    retry: u32,
    fail_fast: bool,
    events: SyncSender<Event>,
}

impl Worker<'_> {
    fn work(&self, waiting: &Mutex<Receiver<Work>>) {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(Work { job, tags }) = next else { return };
            if self.stop.is() {
                continue;
            }
            let mut attempts = 0;
            let (outcome, output) = loop {
                attempts += 1;
                let (mut outcome, output) = self.attempt(&job, &tags);
                outcome.attempts = attempts;
                if outcome.state != State::Failed || attempts > self.retry || self.stop.is() {
                    break (outcome, output);
                }
            };
            // Checked before a worker takes the next run.
            if self.fail_fast && outcome.state == State::Failed {
                self.stop.now();
            }
            let outcome = Box::new(outcome);
            let _ = self.events.send(Event::Ended { slot: Some(self.slot), job, outcome, output });
        }
    }

    fn attempt(&self, job: &Job, tags: &[(String, String)]) -> (Outcome, Option<Arc<Output>>) {
        let output = match Output::new() {
            Ok(output) => Arc::new(output),
            Err(error) => {
                let why = format!("cannot create a file for its output: {error}");
                return (Outcome::failed(why, Duration::ZERO), None);
            }
        };
        let label = board::label(&job.filling.parameters);
        let started = Event::Started { slot: self.slot, label, output: Arc::clone(&output) };
        let _ = self.events.send(started);
        let mut outcome = run::run(self.program, job, tags, &output, self.group);
        if outcome.state == State::Failed && outcome.error.is_none() {
            // It may have failed because there was no space for its output.
            let full = output.shortage().map(|why| format!("no space for its output in TMPDIR: {why}"));
            outcome.error = full;
        }
        (outcome, Some(output))
    }
}
