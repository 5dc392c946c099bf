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
    Settings, Standing, hidden, known_reads, recover, ship, take, token, words_of_job,
};
use crate::commands::map_arguments::Options;
use crate::commands::options::Flag;
use crate::elsewhere::{Arrays, Call, Lock, Place, State as Of, sweep};
use crate::encode::Encode;
use crate::error::{Error, Result};
use crate::memo::Checked;
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
}

/// A job that has its place and is not submitted.
struct New {
    work: Work,
    place: Place,
    call: Call,
    attempts: u32,
    reads: Vec<PathBuf>,
    _lock: Lock,
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
        if array.stop.is() && leaves(array.stop, &mut cancelled, || array.cancel(&open)) {
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
fn leaves(stop: &Stop, cancelled: &mut Option<Instant>, cancel: impl FnOnce()) -> bool {
    if matches!(stop.signal(), Some(libc::SIGTERM | libc::SIGHUP)) {
        return true;
    }
    if let Some(since) = cancelled {
        return since.elapsed() > CANCELLING;
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
        if self.is_shared(&work) {
            return;
        }
        let mut reads = Vec::new();
        match self.standing(&work.job, &work.tags, &mut reads) {
            Ok((place, call, Standing::New(lock))) => {
                new.push(New { work, place, call, attempts, reads, _lock: lock });
            }
            Ok((place, _, _)) => {
                let id = place.id().unwrap_or_default();
                open.push(Open::new(work, place, id, attempts));
            }
            Err(error) => self.failed(work, error.to_string()),
        }
    }

    /// Answers a run from a shared cache, if one has it.
    fn is_shared(&self, work: &Work) -> bool {
        let Ok(Some((mut outcome, id, output))) = self.shared(&work.job) else { return false };
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

    /// Takes a result in that a shared cache has; whether it answers now.
    fn import(&self, call: &Settled) -> Result<bool> {
        let null = null()?;
        let three = Three { stdin: null.as_fd(), stdout: null.as_fd(), stderr: null.as_fd() };
        Ok(matches!(self.resident.check(call, three, Some(&()))?, Some(Checked::Hit { .. })))
    }

    fn standing(
        &self,
        job: &Job,
        tags: &[(String, String)],
        reads: &mut Vec<PathBuf>,
    ) -> Result<(Place, Call, Standing)> {
        let token = token();
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
        let manifest = match self.resident.check(&settled, three, None)? {
            Some(Checked::Miss { manifest, why }) => {
                if let Some(manifest) = manifest.as_ref().filter(|_| job.call.has(Flag::Snapshot)) {
                    *reads = known_reads(manifest, &why, self.resident.store());
                }
                manifest
            }
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
        loop {
            match take(&place, &call, false)? {
                Standing::Again => {}
                Standing::Old(earlier) => {
                    return Ok(match recover(&place, self.settings.engine.as_ref())? {
                        Some(lock) => (place, *earlier, Standing::New(lock)),
                        None => (place, call, Standing::Old(earlier)),
                    });
                }
                standing @ Standing::New(_) => return Ok((place, call, standing)),
            }
        }
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
        let places: Vec<Place> = part.iter().map(|job| job.place.clone()).collect();
        let array = token();
        // One that dies before the ids are noted leaves this: the array, and the number in it.
        for (number, place) in places.iter().enumerate() {
            place.set_token(&format!("{array}_{number}"))?;
        }
        let directory = Place::shared(&self.settings.store, &format!(".array-{array}"))?;
        let first = part.first().ok_or_else(|| Error::usage("an array of no jobs"))?;
        engine.submit_array(&places, &first.call.directory, &array, &directory, at_most)
    }

    /// Asks how far the jobs are.
    fn ask(&self, open: &mut [Open]) {
        for job in open.iter_mut().filter(|job| job.id.is_empty()) {
            job.id = job.place.id().unwrap_or_default();
        }
        let ids: Vec<&str> = open.iter().map(|job| job.id.as_str()).filter(|id| !id.is_empty()).collect();
        if ids.is_empty() {
            return;
        }
        let mut states = self.settings.engine.states(&ids).into_iter();
        for job in open.iter_mut().filter(|job| !job.id.is_empty()) {
            let Some(state) = states.next() else { break };
            job.is_queued = matches!(state, Of::Queued(_));
            job.over = match (state, job.over.take()) {
                (Of::Over { how, ended_by_engine }, over) => {
                    let since = over.map_or_else(Instant::now, |(since, ..)| since);
                    Some((since, how, ended_by_engine))
                }
                (Of::Unknown(_), over) => over,
                _ => None,
            };
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

    fn cancel(&self, open: &[Open]) {
        let ids: Vec<&str> = open.iter().map(|job| job.id.as_str()).filter(|id| !id.is_empty()).collect();
        if !ids.is_empty()
            && let Err(error) = self.settings.engine.cancel(&ids, None)
        {
            let _ = self.events.send(Event::Broken(error));
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
        }
    }
}
