//! The interface of an engine: submit a job, ask for its state, cancel it.

use super::call::Call;
use super::lock::Lock;
use super::place::Place;
use crate::error::Result;
use std::ffi::OsString;
use std::path::Path;
use std::process::Child;

/// The state of a job according to the engine. That a job is over says nothing about how its command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits, and why; the reason may be empty.
    Queued(String),
    /// It runs, on this machine; the name may be empty.
    Running(String),
    /// It is over, and how.
    Over {
        /// How it ended, in the words of the engine.
        how: String,
        /// Whether the engine ended it: the status of the command is then not its own.
        ended_by_engine: bool,
    },
    /// The engine does not say, and why: it is asked again.
    Unknown(String),
}

/// A job that was submitted.
#[derive(Debug)]
pub struct Job {
    /// What the engine calls it; empty for a launcher that waits for the command.
    pub id: String,
    /// The launcher that waits for the command.
    pub launcher: Option<Child>,
}

/// Something that runs jobs.
pub trait Engine: Send + Sync {
    /// Submits the job at `place`. The caller holds `lock` until this returns, so that no other process submits the job. An engine
    /// whose program may outlive this process lets that program inherit the lock.
    ///
    /// # Errors
    /// When the engine refuses it, in its own words.
    fn submit(&self, place: &Place, call: &Call, lock: &Lock) -> Result<Job>;

    /// The states of these jobs.
    fn states(&self, ids: &[&str]) -> Vec<State>;

    /// Cancels a job, whose newest attempt is the process `process` on `machine`.
    ///
    /// # Errors
    /// When the engine refuses it.
    fn cancel(&self, ids: &[&str], at: Option<(&str, u32)>) -> Result<()>;

    /// The id of the job with this token, where the process that submitted it died before it noted the id. `None` where there
    /// is none.
    ///
    /// # Errors
    /// When the engine does not say.
    fn find(&self, token: &str) -> Result<Option<String>>;

    /// Whether a job continues without this process once it is submitted.
    fn is_detached(&self) -> bool;

    /// The engine, if it takes many jobs at a time as one array.
    fn arrays(&self) -> Option<&dyn Arrays> {
        None
    }

    /// What the engine is, in words: its version.
    ///
    /// # Errors
    /// When it cannot be reached.
    fn version(&self) -> Result<String>;
}

/// A job of an array.
#[derive(Debug)]
pub struct Member<'a> {
    /// Its directory.
    pub place: Place,
    /// As for [`Engine::submit`].
    pub lock: &'a Lock,
    /// The variables that this call alone sets, or sets to other values than the other calls.
    pub variables: Vec<(OsString, OsString)>,
}

/// An engine that takes many jobs at a time.
pub trait Arrays {
    /// Submits one array for all members, of which `at_most` run at a time, in the directory `project`. Its name is `token`;
    /// `directory` holds what its jobs share. Returns the ids of the jobs, in their order.
    ///
    /// # Errors
    /// When the engine refuses it, in its own words.
    fn submit_array(
        &self,
        members: &[Member<'_>],
        project: &Path,
        token: &str,
        directory: &Path,
        at_most: Option<u32>,
    ) -> Result<Vec<String>>;

    /// Cancels those of the jobs that have not begun.
    ///
    /// # Errors
    /// When the engine refuses it.
    fn cancel_queued(&self, ids: &[&str]) -> Result<()>;

    /// The maximum number of jobs in one array.
    fn largest_array(&self) -> usize;
}
