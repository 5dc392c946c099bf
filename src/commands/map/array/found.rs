//! What is there for a run before it is submitted: a result, an earlier job, or a new place.

use super::open::{Earlier, Open};
use super::{Array, New};
use crate::commands::exec::resident::{Settled, Three};
use crate::commands::jobs::{Standing, known_reads, stand, token, words_of_job};
use crate::commands::map::jobs::Job;
use crate::commands::map::pool::{Event, Replayed, Work, mark, null, replay};
use crate::commands::options::{Flag, Scanned};
use crate::elsewhere::{Call, Place};
use crate::encode::Encode;
use crate::error::Result;
use crate::exec::umask;
use crate::memo::{Checked, Mode, nothing_to_replay};
use std::os::fd::AsFd;
use std::path::PathBuf;

/// The job of a run.
struct Stood {
    place: Place,
    standing: Standing,
    /// Files that its copied tree needs.
    reads: Vec<PathBuf>,
}

impl Array<'_> {
    /// Answers a run, attaches to its job, or takes a place for a new one.
    pub(super) fn admit(&self, work: Work, attempts: u32, open: &mut Vec<Open>, new: &mut Vec<New>) {
        if self.is_answered(&work, self.shared(&work.job)) {
            return;
        }
        // A job may end after its run was looked up.
        let mut has_looked = false;
        loop {
            let Stood { place, standing, reads } = match self.standing(&work, has_looked) {
                Ok(stood) => stood,
                Err(error) => return self.failed(work, error.to_string()),
            };
            match standing {
                Standing::Again if self.is_answered(&work, self.recorded(&work)) => return,
                Standing::Again => has_looked = true,
                Standing::New(lock, call) => {
                    new.push(New { work, place, call, attempts, reads, lock });
                    return;
                }
                Standing::Old(owner, executor) => {
                    let id = place.id().unwrap_or_default();
                    open.push(Open::new(work, place, id, attempts, Some(Earlier { owner, executor })));
                    return;
                }
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

    /// Answers a run from a shared cache.
    fn shared(&self, job: &Job) -> Result<Option<Replayed>> {
        if !self.resident.has_shared() {
            return Ok(None);
        }
        let settled = self.resident.settle(&job.call)?;
        let replay =
            || replay(self.options, |three, observer| Ok(self.resident.replay(&settled, three, observer)));
        if self.import(&settled)? { replay() } else { Ok(None) }
    }

    /// Answers a run from the store. The sweep does not wait for a job that refreshes the result.
    fn recorded(&self, work: &Work) -> Result<Option<Replayed>> {
        let settled = self.resident.settle(&work.job.call)?;
        let mut refreshes = tagged(work);
        refreshes.give(Flag::Detach, None);
        replay(self.options, |three, observer| {
            self.resident.replay_known((&settled, &refreshes), three, observer)
        })
    }

    /// Copies the result of a shared cache into the store; whether it answers now.
    pub(super) fn import(&self, call: &Settled) -> Result<bool> {
        let null = null()?;
        let three = Three { stdin: null.as_fd(), stdout: null.as_fd(), stderr: null.as_fd() };
        Ok(matches!(self.resident.check(call, three, Some(&()))?, Some(Checked::Hit { .. })))
    }

    /// The job of a run. A recorded result is to be looked up again, unless that was done without success (`has_looked`).
    fn standing(&self, work: &Work, has_looked: bool) -> Result<Stood> {
        let (token, mut reads) = (token(), Vec::new());
        let job = &work.job;
        let null = null()?;
        let three = Three { stdin: null.as_fd(), stdout: null.as_fd(), stderr: null.as_fd() };
        let settled = self.resident.settle(&job.call)?;
        self.resident.refuse_elsewhere(&settled)?;
        let (manifest, is_hit) = match self.resident.known(&settled, three)? {
            Some(Checked::Miss { manifest, why }) => {
                if let Some(manifest) = manifest.as_ref().filter(|_| job.call.has(Flag::Snapshot)) {
                    reads = known_reads(manifest, &why, self.resident.store());
                }
                (manifest, false)
            }
            known => (None, matches!(known, Some(Checked::Hit { .. }))),
        };
        let is_new = !is_hit || has_looked;
        if is_new && settled.mode() == Mode::Replay {
            return Err(nothing_to_replay());
        }
        let name = manifest.as_ref().map_or_else(|| token.clone(), |manifest| manifest.key().0.to_hex());
        let place = Place::new(&self.settings.store, &name);
        if !is_new {
            return Ok(Stood { place, standing: Standing::Again, reads });
        }
        let call = Call {
            token,
            executor: self.settings.name.clone(),
            directory: self.resident.project().directory.clone(),
            words: words_of_job(&tagged(work), self.settings.store_there()),
            manifest: manifest.as_ref().map(Encode::to_bytes),
            latest: job.call.has(Flag::Latest),
            snapshot: self.tree(job),
            umask: umask(),
        };
        let on = (self.settings, self.resident.project());
        let is_refresh = settled.mode() == Mode::Refresh;
        let standing = stand(&place, call, on, is_refresh, &mut || self.stop.is())?;
        Ok(Stood { place, standing, reads })
    }

    /// The tree that a job runs; jobs that are submitted together share it.
    fn tree(&self, job: &Job) -> Option<PathBuf> {
        let make = || Place::tree(&self.settings.store, &token());
        job.call.has(Flag::Snapshot).then(|| self.tree.borrow_mut().get_or_insert_with(make).clone())
    }
}

/// The call of a run with the tags of the sweep.
fn tagged(work: &Work) -> Scanned {
    let mut scanned = work.job.call.clone();
    for (name, value) in &work.tags {
        scanned.give(Flag::Tag, Some(format!("{name}={value}").into()));
    }
    scanned
}
