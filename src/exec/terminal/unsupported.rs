//! For systems without support for pseudo-terminals: output of a command always goes through pipes.

mod wanted;

pub(super) use wanted::{Ends, Wanted};

use super::{Made, Size};
use crate::record::Stream;
use nix::poll::{PollFd, PollFlags};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// A type without values.
#[derive(Debug)]
enum Never {}

/// The terminals of a run that is about to start; there are none.
#[derive(Debug)]
pub(super) struct Terminals(Never);

impl Terminals {
    pub(super) fn make(_wanted: Wanted<'_>) -> io::Result<Option<Self>> {
        Ok(None)
    }

    pub(super) fn control(&self) -> &Arc<Control> {
        match self.0 {}
    }

    pub(super) fn ends(&self, _stream: Stream) -> io::Result<Option<Ends>> {
        match self.0 {}
    }

    pub(super) fn stdin(&self) -> io::Result<Option<OwnedFd>> {
        match self.0 {}
    }

    pub(super) fn controlling(&self) -> io::Result<OwnedFd> {
        match self.0 {}
    }

    pub(super) fn relay(self) -> Option<Relay> {
        match self.0 {}
    }
}

/// The terminals of a run.
#[derive(Debug)]
pub(super) struct Control(Never);

impl Control {
    pub(super) fn is_raw(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn output(&self) -> std::sync::MutexGuard<'_, ()> {
        match self.0 {}
    }

    pub(super) fn stopped(&self, _signal: i32) {
        match self.0 {}
    }
}

/// Stands between the user's terminal and those of a run.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) control: Arc<Control>,
    never: Never,
}

/// What a [`Relay`] asked about.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked;

impl Relay {
    pub(super) fn begun(&mut self, _command: libc::pid_t, _leader: Option<leader::Leader>) {
        match self.never {}
    }

    pub(super) fn ends_lines(&self, _stream: Stream) -> bool {
        match self.never {}
    }

    pub(super) fn made(&self) -> [Option<Made>; 2] {
        match self.never {}
    }

    pub(super) fn limit(&self) -> Option<Duration> {
        match self.never {}
    }

    pub(super) fn ask<'a>(&'a self, _asked: &mut Vec<PollFd<'a>>) -> Asked {
        match self.never {}
    }

    pub(super) fn answered(&mut self, _asked: Asked, _answers: &mut dyn Iterator<Item = PollFlags>) {
        match self.never {}
    }

    pub(super) fn attend(&mut self, _caught: &super::signals::Caught, _to: [Option<BorrowedFd<'_>>; 2]) {
        match self.never {}
    }

    pub(super) fn let_go(&mut self, _stream: Stream) {
        match self.never {}
    }

    pub(super) fn command_ended(&mut self) {
        match self.never {}
    }

    pub(super) fn end(&mut self, _by_itself: bool) {
        match self.never {}
    }

    pub(super) fn leave(&self) {
        match self.never {}
    }

    pub(super) fn session_terminal(&self) -> super::signals::SessionTerminal<'_> {
        match self.never {}
    }
}

/// The size of the terminal `to`, as a command that is run there finds it: it finds none.
#[must_use]
pub fn size_of(_to: BorrowedFd<'_>) -> Option<Size> {
    None
}

/// The size of a terminal that is not there.
#[must_use]
pub fn from_environment() -> Size {
    Size { columns: 80, rows: 24 }
}

pub(super) mod newlines {
    /// Nothing was put in.
    pub(in crate::exec) fn take_out(bytes: &mut [u8]) -> usize {
        bytes.len()
    }
}

pub(super) mod leader {
    use super::super::child::Prepared;
    use std::io;
    use std::os::fd::RawFd;

    /// The leader of a session.
    #[derive(Debug)]
    pub(in crate::exec) enum Leader {}

    /// Starts a command that has a session.
    pub(in crate::exec) fn create(
        _prepared: &Prepared<'_>,
        _terminal: RawFd,
    ) -> io::Result<(libc::pid_t, i32, Leader)> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
