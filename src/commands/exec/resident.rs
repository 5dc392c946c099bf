//! Many calls in one process: what is recorded is replayed here, without a process for each call. What must run is left
//! to `cashet exec`.

use super::Ground;
use super::plan::{self, Plan, StdinSource};
use crate::commands::collect;
use crate::commands::options::Scanned;
use crate::error::{Kind, Result};
use crate::exec::{Unix, one_target};
use crate::memo::{self, Answer, Checked, Context, Mode, Observer, Outcome};
use crate::project::{Project, Settings};
use crate::record::Recall;
use crate::remote::Remote;
use crate::store::{LocalStore, Store};
use std::ffi::OsString;
use std::os::fd::BorrowedFd;

/// What many calls from one directory share.
pub(in crate::commands) struct Resident {
    ground: Ground,
    settings: Settings,
}

/// One call, settled.
pub(in crate::commands) struct Settled(Plan);

/// Standard input, output and error of a call.
#[derive(Clone, Copy)]
pub(in crate::commands) struct Three<'a> {
    pub(in crate::commands) stdin: BorrowedFd<'a>,
    pub(in crate::commands) stdout: BorrowedFd<'a>,
    pub(in crate::commands) stderr: BorrowedFd<'a>,
}

impl Settled {
    /// The words as they are recorded: what is to be hidden is not in them.
    pub(in crate::commands) fn shown_words(&self) -> Vec<OsString> {
        self.0.request.shown_words()
    }

    /// Whether a record may answer it, and nothing but the world has to be looked at for that.
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
    /// Finds project and store for calls like this one.
    pub(in crate::commands) fn new(scanned: &Scanned) -> Result<Self> {
        let ground = Ground::new(scanned, true)?;
        let settings = ground.project.settings()?;
        Ok(Self { ground, settings })
    }

    /// Where the calls are made.
    pub(in crate::commands) fn project(&self) -> &Project {
        &self.ground.project
    }

    /// The store, if there is one to be used.
    pub(in crate::commands) fn store(&self) -> Option<&LocalStore> {
        self.ground.store.as_ref()
    }

    /// Settles a call.
    pub(in crate::commands) fn settle(&self, scanned: &Scanned) -> Result<Settled> {
        plan::plan(scanned, &self.ground.project, &self.settings).map(Settled)
    }

    /// Replays a call; `None` where it must run, or a process of its own must find out.
    pub(in crate::commands) fn replay(
        &self,
        call: &Settled,
        three: Three<'_>,
        observer: &dyn Observer,
    ) -> Option<Answer> {
        // Both streams at one place would make another question of it.
        if !call.may_hit() || one_target(three.stdout, three.stderr) {
            return None;
        }
        let policy = memo::Policy { mode: Mode::Replay, ..call.0.policy.clone() };
        let answer = memo::memoize(&self.context(three, observer), &call.0.request, None, &policy).ok()?;
        matches!(answer.outcome, Outcome::Hit { .. }).then_some(answer)
    }

    /// Whether there are shared caches.
    pub(in crate::commands) fn has_shared(&self) -> bool {
        !self.ground.remotes.is_empty()
    }

    /// Whether a call would be replayed. With `asking`, which is told of their troubles, shared caches are asked too; `None` where only a process of its own can tell.
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

    /// What `exec` does when it ends after a run.
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
