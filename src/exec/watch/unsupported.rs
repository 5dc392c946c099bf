//! Systems on which a run cannot be watched.

use super::StartError;
use crate::exec::spawn::Plan;
use crate::exec::{Trace, Witness};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::thread::Scope;
use std::time::Duration;

/// A watched run in progress.
#[derive(Debug)]
pub(in crate::exec) enum Session {}

/// Starts `plan` under watch.
pub(in crate::exec) fn start<'scope>(
    _scope: &'scope Scope<'scope, '_>,
    _plan: &'scope Plan,
    _witness: &'scope mut dyn Witness,
    _surroundings: super::Surroundings<'scope>,
) -> Result<Session, StartError> {
    Err(StartError::Unavailable("this system cannot watch processes".to_owned()))
}

impl Session {
    /// The process of the command.
    pub(in crate::exec) fn pid(&self) -> libc::pid_t {
        match *self {}
    }

    /// Whether it is traced.
    pub(in crate::exec) fn is_traced(&self) -> bool {
        match *self {}
    }

    /// Readable when the command itself has ended.
    pub(in crate::exec) fn ended(&self) -> BorrowedFd<'_> {
        match *self {}
    }

    /// Collects how the command ended and what it took.
    pub(in crate::exec) fn reap(&mut self) -> io::Result<(libc::c_int, libc::rusage)> {
        match *self {}
    }

    /// Waits for processes left behind, at most `grace`, then lets them go.
    pub(in crate::exec) fn finish(self, _grace: Duration) -> Trace {
        match self {}
    }
}
