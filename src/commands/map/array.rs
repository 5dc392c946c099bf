//! The runs of a sweep as jobs of a scheduler, submitted as arrays and followed by one thread.
//!
//! Each job has a directory in the store before it is submitted, so that a later identical call attaches to it.

mod found;
mod open;

use super::pool::{Event, Work};
use super::signals::Stop;
use crate::commands::exec::resident::Resident;
use crate::commands::jobs::{CANCELLING, Settings, set, ship, token};
use crate::commands::map_arguments::Options;
use crate::elsewhere::{Arrays, Call, Lock, Member, Place, sweep};
use crate::error::{Error, Result};
use crate::ui::board::{Outcome, State, label};
use crate::ui::relay::Output;
use open::Open;
use std::cell::RefCell;
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Interval between looks for results.
const TICK: Duration = Duration::from_millis(50);

/// A sweep whose runs are jobs.
pub(super) struct Array<'a> {
    pub(super) options: &'a Options,
    pub(super) resident: &'a Resident,
    pub(super) settings: &'a Settings,
    pub(super) events: SyncSender<Event>,
    pub(super) stop: &'a Stop,
    /// Jobs whose end was reported. An interrupted sweep marks none of them: the next call reports all of them again.
    pub(super) told: RefCell<Vec<Place>>,
    /// The copied tree that the next jobs run, with `--snapshot`.
    pub(super) tree: RefCell<Option<PathBuf>>,
}

/// A job that has a directory and is not submitted.
struct New {
    work: Work,
    place: Place,
    call: Call,
    attempts: u32,
    reads: Vec<PathBuf>,
    lock: Lock,
}

/// Does all runs that come through `waiting`.
pub(super) fn run(array: &Array<'_>, waiting: &Mutex<Receiver<Work>>) {
    let (mut open, mut new): (Vec<Open>, Vec<New>) = (Vec::new(), Vec::new());
    let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(engine) = array.settings.engine.arrays() else { return };
    let largest = engine.largest_array();
    let (mut all_came, mut cancelled) = (false, Cancelled::None);
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
        if array.stop.is() && array.leaves(&open, &mut cancelled) {
            break;
        }
        if all_came {
            std::thread::sleep(TICK);
        }
    }
    if !is_left(array.stop) {
        array.told.borrow().iter().for_each(Place::collect);
    }
    sweep(&array.settings.store);
}

/// The jobs that were cancelled.
#[derive(Clone, Copy)]
enum Cancelled {
    None,
    /// Those that waited, after a failure. Those in progress are waited for.
    Queued,
    /// All of them, at this time, after Ctrl-C.
    All(Instant),
}

/// Whether the jobs continue without this sweep: the terminal was closed, or the sweep was ended by another process.
fn is_left(stop: &Stop) -> bool {
    matches!(stop.signal(), Some(libc::SIGTERM | libc::SIGHUP))
}

impl Array<'_> {
    fn failed(&self, work: Work, why: String) {
        let outcome = Box::new(Outcome::failed(why, Duration::ZERO));
        let _ = self.events.send(Event::Ended { slot: None, job: work.job, outcome, output: None });
    }

    /// Whether the jobs that are still there are left: at once, or after they were cancelled and do not end.
    fn leaves(&self, open: &[Open], cancelled: &mut Cancelled) -> bool {
        if is_left(self.stop) {
            return true;
        }
        match (self.stop.signal(), *cancelled) {
            (Some(_), Cancelled::All(since)) => return since.elapsed() > CANCELLING,
            (Some(_), Cancelled::None | Cancelled::Queued) => {
                *cancelled = Cancelled::All(Instant::now());
                self.cancel_all(open);
            }
            (None, Cancelled::None) => {
                *cancelled = Cancelled::Queued;
                self.withdraw(open);
            }
            (None, Cancelled::Queued | Cancelled::All(_)) => {}
        }
        false
    }

    /// Submits new jobs, as arrays.
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
                            // Another call finds the job by its token.
                            let _ = self.events.send(Event::Warning(error));
                        }
                        open.push(Open::new(job.work, job.place, id, job.attempts, None));
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
        // If this process dies before the ids are noted, the jobs are found by this.
        for (number, member) in members.iter().enumerate() {
            member.place.set_token(&format!("{array}_{number}"))?;
        }
        let directory = Place::shared(&self.settings.store, &format!(".array-{array}"))?;
        let first = part.first().ok_or_else(|| Error::usage("an array of no jobs"))?;
        engine.submit_array(&members, &first.call.directory, &array, &directory, at_most)
    }

    /// Asks the engines for the states of the jobs.
    fn ask(&self, open: &mut [Open]) {
        for job in open.iter_mut().filter(|job| job.id.is_empty()) {
            job.id = job.place.id().unwrap_or_default();
        }
        let ids = ids(open.iter());
        let states = if ids.is_empty() { Vec::new() } else { self.settings.engine.states(&ids) };
        let mut states = states.into_iter();
        for job in open.iter_mut() {
            match if job.is_ours() { states.next() } else { job.state(self.settings) } {
                Some(state) => job.stands(state),
                None => job.over = None,
            }
        }
        let queued = open.iter().filter(|job| job.slot.is_none() && job.over.is_none()).count();
        let _ = self.events.send(Event::Queued(u64::try_from(queued).unwrap_or(u64::MAX)));
    }

    /// Reports jobs that have begun or ended.
    fn look(&self, open: &mut Vec<Open>, new: &mut Vec<New>) {
        let mut going = Vec::new();
        let mut used: Vec<usize> = open.iter().filter_map(|job| job.slot).collect();
        for mut job in open.drain(..) {
            self.begun(&mut job, &mut used);
            match job.outcome() {
                // It is left to the call that submitted it.
                None if self.fails() && job.waits_for_others() => {}
                None => going.push(job),
                Some(_) if self.stop.is() && job.is_withdrawn() => job.place.collect(),
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
            // This copies the run into the store of this call. Its output and products are here already.
            let _ = self.resident.settle(&job.work.job.call).and_then(|call| self.import(&call));
        }
        let Open { work, place, slot, output, .. } = job;
        self.told.borrow_mut().push(place);
        let outcome = Box::new(outcome);
        let _ = self.events.send(Event::Ended { slot, job: work.job, outcome, output });
    }

    /// Whether no more runs start because one failed.
    fn fails(&self) -> bool {
        self.stop.is() && self.stop.signal().is_none()
    }

    /// Cancels the jobs of this sweep that have not begun. Other calls may wait for those that they submitted.
    fn withdraw(&self, open: &[Open]) {
        let ids = ids(open.iter().filter(|job| job.earlier.is_none()));
        if let (Some(engine), false) = (self.settings.engine.arrays(), ids.is_empty()) {
            self.warn(engine.cancel_queued(&ids));
        }
    }

    /// Cancels all jobs.
    fn cancel_all(&self, open: &[Open]) {
        let ids = ids(open.iter());
        if !ids.is_empty() {
            self.warn(self.settings.engine.cancel(&ids, None));
        }
        for job in open {
            self.warn(job.cancel_there());
        }
    }

    fn warn(&self, done: Result<()>) {
        if let Err(error) = done {
            let _ = self.events.send(Event::Warning(error));
        }
    }
}

/// The ids of the jobs that the engine of this sweep knows.
fn ids<'a>(open: impl Iterator<Item = &'a Open>) -> Vec<&'a str> {
    open.filter(|job| job.is_ours()).map(|job| job.id.as_str()).collect()
}
