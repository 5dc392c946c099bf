//! Watching a run: not possible here yet, which is said as for any system that forbids it.

use super::spawn::Plan;
use super::{Trace, Witness};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::thread::Scope;
use std::time::Duration;

/// Why a watched run could not be started.
#[derive(Debug)]
pub(super) enum StartError {
    /// Watching is impossible, with the reason; nothing was started.
    Unavailable(String),
    /// The command could not be started.
    #[expect(dead_code, reason = "only a system that can be watched gets as far")]
    Spawn(io::Error),
}

/// A watched run that goes on.
#[derive(Debug)]
pub(super) enum Session {}

/// Starts `plan` under watch.
pub(super) fn start<'scope>(
    _scope: &'scope Scope<'scope, '_>,
    _plan: &'scope Plan,
    _witness: &'scope mut dyn Witness,
    _unobserved: &'scope [PathBuf],
) -> Result<Session, StartError> {
    Err(StartError::Unavailable("this build cannot watch".to_owned()))
}

impl Session {
    /// The process of the command.
    pub(super) fn pid(&self) -> libc::pid_t {
        match *self {}
    }

    /// Readable when the command itself has ended.
    pub(super) fn ended(&self) -> BorrowedFd<'_> {
        match *self {}
    }

    /// Collects how the command ended and what it took.
    pub(super) fn reap(&mut self) -> io::Result<(libc::c_int, libc::rusage)> {
        match *self {}
    }

    /// Waits for processes left behind, at most `grace`, then lets them go.
    pub(super) fn finish(self, _grace: Duration) -> Trace {
        match self {}
    }
}
