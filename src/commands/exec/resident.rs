//! Many calls in one process: hits are replayed here, without a process for each call. Misses run in a `cashet exec` each.

use super::plan::{self, Plan, StdinSource};
use super::{Ground, elsewhere, products};
use crate::commands::collect;
use crate::commands::options::Scanned;
use crate::error::{Kind, Result};
use crate::exec::{Unix, one_target};
use crate::hash::request::Request;
use crate::memo::{self, Answer, Checked, Context, Mode, Observer, Outcome};
use crate::project::{Project, Settings};
use crate::record::Recall;
use crate::remote::Remote;
use crate::store::{LocalStore, Store};
use std::ffi::OsString;
use std::os::fd::BorrowedFd;

/// The shared parts of many calls from one directory.
pub(in crate::commands) struct Resident {
    ground: Ground,
    settings: Settings,
}

/// One call with all settings.
pub(in crate::commands) struct Settled(Plan);

/// Standard input, output and error of a call.
#[derive(Clone, Copy)]
pub(in crate::commands) struct Three<'a> {
    pub(in crate::commands) stdin: BorrowedFd<'a>,
    pub(in crate::commands) stdout: BorrowedFd<'a>,
    pub(in crate::commands) stderr: BorrowedFd<'a>,
}

impl Settled {
    /// The words as they are recorded, without values that are hidden.
    pub(in crate::commands) fn shown_words(&self) -> Vec<OsString> {
        self.0.request.shown_words()
    }

    /// When it is replayed and recorded.
    pub(in crate::commands) fn mode(&self) -> Mode {
        self.0.policy.mode
    }

    /// Whether a recorded result may answer it without reading standard input or resolving references.
    fn may_hit(&self) -> bool {
        let plan = &self.0;
        plan.policy.mode == Mode::Auto
            && !plan.policy.history_only
            && plan.policy.stale_after.is_none()
            && matches!(plan.stdin, StdinSource::Inherit | StdinSource::Null)
            && memo::first_reference(&plan.request).is_none()
    }
}

impl Resident {
    /// Finds the project and the store for calls like this one.
    pub(in crate::commands) fn new(scanned: &Scanned) -> Result<Self> {
        let ground = Ground::new(scanned, true)?;
        let settings = ground.project.settings()?;
        Ok(Self { ground, settings })
    }

    /// The directory of the calls.
    pub(in crate::commands) fn project(&self) -> &Project {
        &self.ground.project
    }

    /// The store, if one is used.
    pub(in crate::commands) fn store(&self) -> Option<&LocalStore> {
        self.ground.store.as_ref()
    }

    /// Determines the settings of a call.
    pub(in crate::commands) fn settle(&self, scanned: &Scanned) -> Result<Settled> {
        plan::plan(scanned, &self.ground.project, &self.settings).map(Settled)
    }

    /// Replays a call; `None` if it must run, or if only a separate process can decide.
    pub(in crate::commands) fn replay(
        &self,
        call: &Settled,
        three: Three<'_>,
        observer: &dyn Observer,
    ) -> Option<Answer> {
        // With both streams at the same place, the key would be different.
        if !call.may_hit() || one_target(three.stdout, three.stderr) {
            return None;
        }
        let policy = memo::Policy { mode: Mode::Replay, ..call.0.policy.clone() };
        let answer = memo::memoize(&self.context(three, observer), &call.0.request, None, &policy).ok()?;
        matches!(answer.outcome, Outcome::Hit { .. }).then_some(answer)
    }

    /// Replays a call as [`Resident::replay`] does, also one with references or `--stale`. If the result is to be refreshed, the
    /// refresh begins.
    pub(in crate::commands) fn replay_known(
        &self,
        (call, scanned): (&Settled, &Scanned),
        three: Three<'_>,
        observer: &dyn Observer,
    ) -> Result<Option<Answer>> {
        if call.may_hit() {
            return Ok(self.replay(call, three, observer));
        }
        let Some((request, _held)) = self.resolved(call)? else { return Ok(None) };
        let context = self.context(three, observer);
        // Some modes do not replay.
        let Checked::Hit { .. } = memo::check(&context, &request, &call.0.policy)? else { return Ok(None) };
        let policy = memo::Policy { mode: Mode::Replay, ..call.0.policy.clone() };
        let Ok(answer) = memo::memoize(&context, &request, None, &policy) else { return Ok(None) };
        let Outcome::Hit { stale, .. } = answer.outcome else { return Ok(None) };
        if stale {
            super::refresh(scanned, None);
        }
        Ok(Some(answer))
    }

    /// Refuses a call that cannot run on another machine; see [`elsewhere::refuse`].
    pub(in crate::commands) fn refuse_elsewhere(&self, call: &Settled) -> Result<()> {
        elsewhere::refuse(&self.ground, &call.0)
    }

    /// Whether there are shared caches.
    pub(in crate::commands) fn has_shared(&self) -> bool {
        !self.ground.remotes.is_empty()
    }

    /// Whether a call would be a hit; `None` if only a separate process can decide. With `asking`, which receives their errors,
    /// shared caches are asked, too.
    pub(in crate::commands) fn check(
        &self,
        call: &Settled,
        three: Three<'_>,
        asking: Option<&dyn Observer>,
    ) -> Result<Option<Checked>> {
        if !call.may_hit() {
            return Ok(None);
        }
        let remotes: &[Remote] = if asking.is_some() { &self.ground.remotes } else { &[] };
        let context = Context { remotes, ..self.context(three, asking.unwrap_or(&())) };
        match memo::check(&context, &call.0.request, &call.0.policy) {
            Err(error) if error.kind() == Kind::Usage => Err(error),
            checked => Ok(checked.ok()),
        }
    }

    /// The answer that a call would get without running, in any mode; `None` if only a separate process can determine it.
    pub(in crate::commands) fn known(&self, call: &Settled, three: Three<'_>) -> Result<Option<Checked>> {
        if call.may_hit() {
            return self.check(call, three, None);
        }
        let Some((request, _held)) = self.resolved(call)? else { return Ok(None) };
        memo::check(&self.context(three, &()), &request, &call.0.policy).map(Some)
    }

    /// The request with files in place of references; `None` if the store is not used, or standard input counts.
    fn resolved(&self, call: &Settled) -> Result<Option<(Request, memo::Held)>> {
        let (Some(store), StdinSource::Inherit | StdinSource::Null) = (self.store(), &call.0.stdin) else {
            return Ok(None);
        };
        let mut request = call.0.request.clone();
        let finder = products::Finder { project: &self.ground.project, quiet: true };
        let held = memo::resolve_references(&mut request, &finder, store)?;
        Ok(Some((request, held)))
    }

    /// The work that `exec` does at its end after a run.
    pub(in crate::commands) fn leave(&self) {
        if let Some(store) = self.store() {
            store.record_killed();
            store.settle();
            collect::start(store, &self.ground.project.store);
            store.leave();
        }
    }

    fn context<'a>(&'a self, three: Three<'a>, observer: &'a dyn Observer) -> Context<'a> {
        Context {
            store: self.store().map(|store| store as &dyn Store),
            no_store: self.ground.no_store.clone(),
            recall: self.store().map_or(&() as &(dyn Recall + Sync), |store| store),
            executor: &Unix,
            observer,
            remotes: &[],
            stdin: three.stdin,
            stdout: three.stdout,
            stderr: three.stderr,
        }
    }
}
