//! The terminals that a run needs, and those that it gets, on every system.

use crate::exec::order::Identity;
use crate::exec::{Output, Tty};
use std::os::fd::{BorrowedFd, OwnedFd};

/// The terminals that a run needs.
#[derive(Clone, Copy)]
pub(in crate::exec) struct Wanted<'a> {
    pub(in crate::exec) tty: Tty,
    pub(in crate::exec) output: Output<'a>,
    /// cashet's standard input, if the command gets it.
    pub(in crate::exec) stdin: Option<BorrowedFd<'a>>,
    /// Where stdout and stderr go.
    pub(in crate::exec) to: [BorrowedFd<'a>; 2],
    pub(in crate::exec) is_watched: bool,
}

/// The two ends of a terminal that is a stream of the command.
#[derive(Debug)]
pub(in crate::exec) struct Ends {
    pub(in crate::exec) ours: OwnedFd,
    pub(in crate::exec) childs: OwnedFd,
    pub(in crate::exec) identity: Option<Identity>,
}
