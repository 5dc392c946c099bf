//! The runs of a sweep as jobs of a scheduler, submitted as arrays and followed by one thread.
//!
//! Each has its place in the store before it is submitted: a later identical call attaches to it.

use super::jobs::Job;
use super::pool::{Event, Replayed, Work, mark, null, replay};
use super::run;
use super::signals::Stop;
use crate::commands::exec::elsewhere::termination;
use crate::commands::exec::resident::{Resident, Settled, Three};
use crate::commands::jobs::{
    Settings, Standing, hidden, known_reads, recover, set, settings_of, ship, take, token, words_of_job,
};
use crate::commands::map_arguments::Options;
use crate::commands::options::Flag;
use crate::elsewhere::{Arrays, Call, Lock, Member, Place, State as Of, sweep};
use crate::encode::Encode;
use crate::error::{Error, Kind, Result};
use crate::memo::{Checked, Mode};
use crate::record::Termination;
use crate::ui::board::{Outcome, State, label};
use crate::ui::relay::Output;
use serde_json::Value;
use std::cell::RefCell;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So long after a job is over its result may still be on its way through a network file system.
const GRACE: Duration = Duration::from_secs(3);

/// So long jobs that were cancelled may take to end.
const CANCELLING: Duration = Duration::from_secs(20);

/// So often results are looked for.
const TICK: Duration = Duration::from_millis(50);

/// A sweep whose runs are jobs.
pub(super) struct Array<'a> {
    pub(super) options: &'a Options,
    pub(super) resident: &'a Resident,
    pub(super) settings: &'a Settings,
    pub(super) events: SyncSender<Event>,
    pub(super) stop: &'a Stop,
    /// Jobs whose end was told. A sweep that is interrupted has told nothing: the next call tells it all.
    pub(super) told: RefCell<Vec<Place>>,
    /// The tree that the next jobs run, with `--snapshot`.
    pub(super) tree: RefCell<Option<PathBuf>>,
}

/// A job that has not ended.
struct Open {
    work: Work,
    place: Place,
    id: String,
    attempts: u32,
    /// Where it is shown, once it runs.
    slot: Option<usize>,
    attempt: Option<(u32, String)>,
    output: Option<Arc<Output>>,
    is_queued: bool,
    over: Option<(Instant, String, bool)>,
    /// The executor that has it, where another call submitted it to another one.
    other: Option<Settings>,
}

/// How a run stands before it is submitted.
struct Stood {
    place: Place,
    call: Call,
    standing: Standing,
    reads: Vec<PathBuf>,
    other: Option<Settings>,
}

/// A job that has its place and is not submitted.
struct New {
    work: Work,
    place: Place,
    call: Call,
    attempts: u32,
    reads: Vec<PathBuf>,
    lock: Lock,
}

/// Has all runs done that come through `waiting`.
pub(super) fn run(array: &Array<'_>, waiting: &Mutex<Receiver<Work>>) {
    let (mut open, mut new): (Vec<Open>, Vec<New>) = (Vec::new(), Vec::new());
    let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(engine) = array.settings.engine.arrays() else { return };
    let largest = engine.largest_array();
    let (mut all_came, mut cancelled) = (false, None);
    let begun = Instant::now();
    let mut asked = Instant::now();
    loop {
        loop {
            match waiting.recv_timeout(if all_came { Duration::ZERO } else { TICK }) {
                Ok(work) if !array.stop.is() => array.admit(work, 1, &mut open, &mut new),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    all_came = true;
                    break;
                }
            }
            if new.len() >= largest {
                break;
            }
        }
        if array.stop.is() {
            for unsubmitted in new.drain(..) {
                let _ = unsubmitted.place.discard();
            }
        } else if new.len() >= largest || (all_came && !new.is_empty()) {
            array.submit(&mut new, &mut open, largest);
        }
        if all_came && open.is_empty() && new.is_empty() {
            break;
        }
        let interval = (begun.elapsed() / 20).clamp(Duration::from_millis(500), Duration::from_secs(5));
        if asked.elapsed() >= interval {
            array.ask(&mut open);
            asked = Instant::now();
        }
        array.look(&mut open, &mut new);
        if array.stop.is()
            && leaves(array.stop, &mut cancelled, || array.cancel(&open, array.stop.signal().is_none()))
        {
            break;
        }
        if all_came {
            std::thread::sleep(TICK);
        }
    }
    let is_cancelled = cancelled.is_some();
    if is_cancelled || !array.stop.is() {
        array.told.borrow().iter().for_each(Place::collect);
    }
    sweep(&array.settings.store);
}

/// Whether the jobs that are still there are left: at once where the terminal was closed; cancelled ones when they do not end.
/// After a failure, those that run are waited for.
fn leaves(stop: &Stop, cancelled: &mut Option<Instant>, cancel: impl FnOnce()) -> bool {
    if matches!(stop.signal(), Some(libc::SIGTERM | libc::SIGHUP)) {
        return true;
    }
    if let Some(since) = cancelled {
        return stop.signal().is_some() && since.elapsed() > CANCELLING;
    }
    cancel();
    *cancelled = Some(Instant::now());
    false
}

/// The outcome of a job, once that is known.
fn outcome(job: &Open) -> Option<Outcome> {
    if job.is_queued {
        return None;
    }
    if let Some(result) = job.place.result() {
        let report: Value = serde_json::from_slice(&result).unwrap_or_default();
        if let Some(error) = report.get("error").and_then(Value::as_str) {
            return Some(Outcome::failed(error.to_owned(), Duration::ZERO));
        }
        let ended = termination(&report);
        if let Some(ended) = ended
            && (ended == Termination::Exited(0) || job.id.is_empty())
        {
            return Some(run::read(ended, &report));
        }
        // A signal, and a lack of memory, may have been the scheduler's.
        let (_, _, by_engine) = job.over.as_ref()?;
        if let (Some(ended), false) = (ended, by_engine) {
            return Some(run::read(ended, &report));
        }
    }
    let (since, how, _) = job.over.as_ref()?;
    if since.elapsed() < GRACE || job.place.is_running() {
        return None;
    }
    let log = job.place.log();
    let why = format!("job {} ended without a result: {how}; see {}", job.id, log.display());
    Some(Outcome::failed(why, Duration::ZERO))
}

impl Array<'_> {
    fn failed(&self, work: Work, why: String) {
        let outcome = Box::new(Outcome::failed(why, Duration::ZERO));
        let _ = self.events.send(Event::Ended { slot: None, job: work.job, outcome, output: None });
    }

    /// Finds the job of a run, or a place for one.
    fn admit(&self, work: Work, attempts: u32, open: &mut Vec<Open>, new: &mut Vec<New>) {
        if self.is_answered(&work, self.shared(&work.job)) {
            return;
        }
        let mut has_looked = false;
        loop {
            match self.standing(&work.job, &work.tags, has_looked) {
                // Its job ended since it was looked up.
                Ok(None) if self.is_answered(&work, self.recorded(&work.job)) => return,
                Ok(None) => has_looked = true,
                Ok(Some(Stood { place, call, standing: Standing::New(lock), reads, .. })) => {
                    new.push(New { work, place, call, attempts, reads, lock });
                    return;
                }
                Ok(Some(Stood { place, other, .. })) => {
                    let id = place.id().unwrap_or_default();
                    open.push(Open { other, ..Open::new(work, place, id, attempts) });
                    return;
                }
                Err(error) => return self.failed(work, error.to_string()),
            }
        }
    }

    /// Shows the answer of a run, if there is one. Returns whether there was.
    fn is_answered(&self, work: &Work, replayed: Result<Option<Replayed>>) -> bool {
        let Ok(Some((mut outcome, id, output))) = replayed else { return false };
        outcome.warnings.extend(mark(self.resident, id, work.tags.clone()));
        let (outcome, job) = (Box::new(outcome), work.job.clone());
        let _ = self.events.send(Event::Ended { slot: None, job, outcome, output });
        true
    }

    fn shared(&self, job: &Job) -> Result<Option<Replayed>> {
        if !self.resident.has_shared() {
            return Ok(None);
        }
        let settled = self.resident.settle(&job.call)?;
        if self.import(&settled)? { replay(self.options, self.resident, &settled) } else { Ok(None) }
    }

    /// Answers a run from the store.
    fn recorded(&self, job: &Job) -> Result<Option<Replayed>> {
        let settled = self.resident.settle(&job.call)?;
        replay(self.options, self.resident, &settled)
    }

    /// Takes a result in that a shared cache has; whether it answers now.
    fn import(&self, call: &Settled) -> Result<bool> {
        let null = null()?;
        let three = Three { stdin: null.as_fd(), stdout: null.as_fd(), stderr: null.as_fd() };
        Ok(matches!(self.resident.check(call, three, Some(&()))?, Some(Checked::Hit { .. })))
    }

    /// How a run stands; `None` where it is to be looked up again, which does no good if that was done (`has_looked`).
    fn standing(&self, job: &Job, tags: &[(String, String)], has_looked: bool) -> Result<Option<Stood>> {
        let (token, mut reads) = (token(), Vec::new());
        let mut scanned = job.call.clone();
        for (name, value) in tags {
            scanned.give(Flag::Tag, Some(format!("{name}={value}").into()));
        }
        let null = null()?;
        let three = Three { stdin: null.as_fd(), stdout: null.as_fd(), stderr: null.as_fd() };
        let settled = self.resident.settle(&job.call)?;
        if settled.shown_words() != job.call.words {
            return Err(hidden());
        }
        if settled.mode() == Mode::Replay {
            return Err(Error::new(
                Kind::NothingToReplay,
                "nothing to replay, and --mode replay runs nothing",
            ));
        }
        let manifest = match self.resident.known(&settled, three)? {
            Some(Checked::Miss { manifest, why }) => {
                if let Some(manifest) = manifest.as_ref().filter(|_| job.call.has(Flag::Snapshot)) {
                    reads = known_reads(manifest, &why, self.resident.store());
                }
                manifest
            }
            Some(Checked::Hit { .. }) if !has_looked => return Ok(None),
            _ => None,
        };
        let name = manifest.as_ref().map_or_else(|| token.clone(), |manifest| manifest.key().0.to_hex());
        let place = Place::new(&self.settings.store, &name);
        let call = Call {
            token,
            executor: self.settings.name.clone(),
            directory: self.resident.project().directory.clone(),
            words: words_of_job(&scanned, self.settings.store_there()),
            manifest: manifest.as_ref().map(Encode::to_bytes),
            latest: job.call.has(Flag::Latest),
            snapshot: self.tree(job),
        };
        Ok(match take(&place, &call, settled.mode() == Mode::Refresh)? {
            Standing::Again => None,
            Standing::Old(earlier) => {
                let other = self.other(&place, &earlier)?;
                let engine = &other.as_ref().unwrap_or(self.settings).engine;
                Some(match recover(&place, engine.as_ref(), &mut || self.stop.is())? {
                    Some(lock) => {
                        Stood { place, call: *earlier, standing: Standing::New(lock), reads, other: None }
                    }
                    None => Stood { place, call, standing: Standing::Old(earlier), reads, other },
                })
            }
            standing @ Standing::New(_) => Some(Stood { place, call, standing, reads, other: None }),
        })
    }

    /// The executor of a job that another call submitted, where that is another one and still needed.
    fn other(&self, place: &Place, earlier: &Call) -> Result<Option<Settings>> {
        if earlier.executor == self.settings.name || place.result().is_some() {
            return Ok(None);
        }
        settings_of(&earlier.executor, &self.options.call, self.resident.project()).map(Some)
    }

    /// The tree that a job runs; jobs that are submitted together share it.
    fn tree(&self, job: &Job) -> Option<PathBuf> {
        let make = || Place::tree(&self.settings.store, &token());
        job.call.has(Flag::Snapshot).then(|| self.tree.borrow_mut().get_or_insert_with(make).clone())
    }

    /// Submits what has its place, as one array.
    fn submit(&self, new: &mut Vec<New>, open: &mut Vec<Open>, largest: usize) {
        let Some(engine) = self.settings.engine.arrays() else { return };
        self.tree.take();
        while !new.is_empty() {
            let part: Vec<New> = new.drain(..new.len().min(largest)).collect();
            let at_most = self.options.at_most.or(self.settings.given.at_most);
            match self.submit_part(engine, &part, at_most) {
                Ok(ids) => {
                    for (job, id) in part.into_iter().zip(ids) {
                        if let Err(error) = job.place.set_id(&id) {
                            // The job itself is found by its token.
                            let _ = self.events.send(Event::Broken(error));
                        }
                        open.push(Open::new(job.work, job.place, id, job.attempts));
                    }
                }
                Err(error) => {
                    for job in part {
                        let _ = job.place.discard();
                        self.failed(job.work, error.to_string());
                    }
                }
            }
        }
    }

    fn submit_part(&self, engine: &dyn Arrays, part: &[New], at_most: Option<u32>) -> Result<Vec<String>> {
        let reads: Vec<PathBuf> = part.iter().flat_map(|job| job.reads.iter().cloned()).collect();
        for job in part {
            ship(&job.call, self.resident.project(), &self.settings.store, &reads)?;
        }
        let of_all = set(&self.options.call);
        let members = part.iter().map(|job| {
            let mut variables = set(&job.work.job.call);
            variables.retain(|variable| !of_all.contains(variable));
            Member { place: job.place.clone(), lock: &job.lock, variables }
        });
        let members: Vec<Member<'_>> = members.collect();
        let array = token();
        // One that dies before the ids are noted leaves this: the array, and the number in it.
        for (number, member) in members.iter().enumerate() {
            member.place.set_token(&format!("{array}_{number}"))?;
        }
        let directory = Place::shared(&self.settings.store, &format!(".array-{array}"))?;
        let first = part.first().ok_or_else(|| Error::usage("an array of no jobs"))?;
        engine.submit_array(&members, &first.call.directory, &array, &directory, at_most)
    }

    /// Asks how far the jobs are.
    fn ask(&self, open: &mut [Open]) {
        for job in open.iter_mut().filter(|job| job.id.is_empty()) {
            job.id = job.place.id().unwrap_or_default();
        }
        let ids: Vec<&str> = open.iter().filter(|job| job.is_ours()).map(|job| job.id.as_str()).collect();
        let states = if ids.is_empty() { Vec::new() } else { self.settings.engine.states(&ids) };
        let mut states = states.into_iter();
        for job in open.iter_mut() {
            match if job.is_ours() { states.next() } else { job.state() } {
                Some(state) => job.stands(state),
                None => job.over = None,
            }
        }
        let queued = open.iter().filter(|job| job.slot.is_none() && job.over.is_none()).count();
        let _ = self.events.send(Event::Queued(u64::try_from(queued).unwrap_or(u64::MAX)));
    }

    /// Tells what began and what ended.
    fn look(&self, open: &mut Vec<Open>, new: &mut Vec<New>) {
        let mut going = Vec::new();
        let mut used: Vec<usize> = open.iter().filter_map(|job| job.slot).collect();
        for mut job in open.drain(..) {
            self.begun(&mut job, &mut used);
            match outcome(&job) {
                None => going.push(job),
                Some(_) if self.is_withdrawn(&job) => job.place.collect(),
                Some(outcome) => self.ended(job, outcome, &mut going, new),
            }
        }
        *open = going;
    }

    fn begun(&self, job: &mut Open, used: &mut Vec<usize>) {
        let from = job.attempt.as_ref().map_or(0, |(number, _)| *number);
        let Some((number, machine, _)) = job.place.newest_attempt(from) else { return };
        if job.attempt.as_ref().is_some_and(|(known, _)| *known == number) {
            return;
        }
        job.attempt = Some((number, machine.clone()));
        let [stdout, stderr] = job.place.streams(number);
        let opened = File::open(stdout).and_then(|stdout| Ok(Output { stdout, stderr: File::open(stderr)? }));
        let Ok(output) = opened.map(Arc::new) else { return };
        let slot =
            job.slot.or_else(|| (0..=used.len()).find(|slot| !used.contains(slot))).unwrap_or_default();
        used.push(slot);
        (job.slot, job.output) = (Some(slot), Some(Arc::clone(&output)));
        let label = format!("{} at {machine}", label(&job.work.job.filling.parameters));
        let _ = self.events.send(Event::Started { slot, label, output });
    }

    fn ended(&self, job: Open, mut outcome: Outcome, again: &mut Vec<Open>, new: &mut Vec<New>) {
        outcome.attempts = job.attempts;
        if outcome.state == State::Failed && job.attempts <= self.options.retry && !self.stop.is() {
            job.place.collect();
            if let Some(slot) = job.slot {
                let _ = self.events.send(Event::Freed { slot });
            }
            self.admit(job.work, job.attempts.saturating_add(1), again, new);
            return;
        }
        if outcome.state == State::Failed && self.options.fail_fast {
            self.stop.now();
        }
        if outcome.commit.is_some() && self.settings.has_other_store() {
            // It comes into the store of this call; what it printed and made is here.
            let _ = self.resident.settle(&job.work.job.call).and_then(|call| self.import(&call));
        }
        let Open { work, place, slot, output, .. } = job;
        self.told.borrow_mut().push(place);
        let outcome = Box::new(outcome);
        let _ = self.events.send(Event::Ended { slot, job: work.job, outcome, output });
    }

    /// Whether it was cancelled before it began, since no more runs are wanted.
    fn is_withdrawn(&self, job: &Open) -> bool {
        self.stop.is() && job.over.is_some() && job.attempt.is_none() && job.place.result().is_none()
    }

    /// Cancels what there is, or only what has not begun.
    fn cancel(&self, open: &[Open], queued_only: bool) {
        let ids: Vec<&str> = open.iter().filter(|job| job.is_ours()).map(|job| job.id.as_str()).collect();
        let cancelled = match self.settings.engine.arrays() {
            _ if ids.is_empty() => Ok(()),
            Some(engine) if queued_only => engine.cancel_queued(&ids),
            _ => self.settings.engine.cancel(&ids, None),
        };
        let others = open.iter().filter(|job| job.other.is_some() && !queued_only);
        for trouble in [cancelled].into_iter().chain(others.map(Open::cancel)).filter_map(Result::err) {
            let _ = self.events.send(Event::Broken(trouble));
        }
    }
}

impl Open {
    fn new(work: Work, place: Place, id: String, attempts: u32) -> Self {
        Self {
            work,
            place,
            id,
            attempts,
            slot: None,
            attempt: None,
            output: None,
            is_queued: false,
            over: None,
            other: None,
        }
    }

    /// Whether the executor of this sweep knows it.
    fn is_ours(&self) -> bool {
        self.other.is_none() && !self.id.is_empty()
    }

    /// How far it is, where another process or another executor has it; `None` while it goes on.
    fn state(&self) -> Option<Of> {
        match &self.other {
            Some(other) if !self.id.is_empty() => other.engine.states(&[&self.id]).pop(),
            // A process waits for it, if it has not died.
            _ if self.place.is_submitting() || self.place.is_running() => None,
            _ => {
                let how = "the process that submitted it has ended".to_owned();
                Some(Of::Over { how, ended_by_engine: false })
            }
        }
    }

    fn stands(&mut self, state: Of) {
        self.is_queued = matches!(state, Of::Queued(_));
        self.over = match (state, self.over.take()) {
            (Of::Over { how, ended_by_engine }, over) => {
                let since = over.map_or_else(Instant::now, |(since, ..)| since);
                Some((since, how, ended_by_engine))
            }
            (Of::Unknown(_), over) => over,
            _ => None,
        };
    }

    /// Cancels a job of another executor.
    fn cancel(&self) -> Result<()> {
        let Some(other) = &self.other else { return Ok(()) };
        let at = self.place.newest_attempt(0).map(|(_, machine, process)| (machine, process));
        other.engine.cancel(&[&self.id], at.as_ref().map(|(machine, process)| (machine.as_str(), *process)))
    }
}
