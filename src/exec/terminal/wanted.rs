//! What a run asks of its terminals and what it gets, on every system.

use crate::exec::order::Identity;
use crate::exec::{Output, Tty};
use std::os::fd::{BorrowedFd, OwnedFd};

/// What is asked of the terminals of a run.
#[derive(Clone, Copy)]
pub(in crate::exec) struct Wanted<'a> {
    pub(in crate::exec) tty: Tty,
    pub(in crate::exec) output: Output<'a>,
    /// Our standard input, if the command is to have it.
    pub(in crate::exec) stdin: Option<BorrowedFd<'a>>,
    /// Where stdout and stderr go.
    pub(in crate::exec) to: [BorrowedFd<'a>; 2],
    pub(in crate::exec) is_watched: bool,
}

/// The two ends of a stream of the command that is a terminal.
#[derive(Debug)]
pub(in crate::exec) struct Ends {
    pub(in crate::exec) ours: OwnedFd,
    pub(in crate::exec) childs: OwnedFd,
    pub(in crate::exec) identity: Option<Identity>,
}
