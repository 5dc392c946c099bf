//! To which calls a stream that was recorded at a terminal can be replayed.

use super::Context;
use super::policy::Policy;
use super::tee::Streams;
use crate::exec::{Finished, Size, Tty, size_of};
use crate::record::{Commit, OnTerminal};
use crate::store::{Candidate, Depends};
use std::cell::OnceCell;
use std::os::fd::BorrowedFd;

/// The targets of the two streams of a call.
pub(super) struct Terminals<'a> {
    to: [BorrowedFd<'a>; 2],
    tty: Tty,
    sizes: OnceCell<[Option<Size>; 2]>,
}

impl<'a> Terminals<'a> {
    /// Of a call.
    pub(super) fn new(context: &Context<'a>, policy: &Policy) -> Self {
        Self { to: [context.stdout, context.stderr], tty: policy.tty, sizes: OnceCell::new() }
    }

    /// The size of each that is a terminal; read only if the record was made at a terminal.
    fn sizes(&self) -> [Option<Size>; 2] {
        *self.sizes.get_or_init(|| match self.tty {
            Tty::Never => [None; 2],
            Tty::Auto => self.to.map(size_of),
            Tty::These(these, _) => {
                let mut sizes = [None; 2];
                for ((size, is_one), to) in sizes.iter_mut().zip(these).zip(self.to) {
                    *size = is_one.then(|| size_of(to).unwrap_or_else(crate::exec::usual_size));
                }
                sizes
            }
        })
    }

    /// Whether both streams of `commit` are what the command would write here.
    pub(super) fn answered_by(&self, commit: &Commit) -> bool {
        if commit.terminals == [None; 2] {
            return true;
        }
        let pair = |size: Size| (size.columns, size.rows);
        let mut both = commit.terminals.iter().zip(self.sizes());
        both.all(|(made, size)| made.is_none_or(|made| made.answers(size.map(pair))))
    }

    /// Sorts candidates recorded at a terminal first, if a stream of this call is one; otherwise the order is unchanged. Also
    /// sorts their dependencies.
    pub(super) fn prefer(&self, candidates: &mut Vec<Candidate>, depends: &mut Vec<Depends>) {
        let made = |candidate: &Candidate| candidate.commit.terminals != [None; 2];
        if candidates.len() > 1 && candidates.iter().any(made) && self.sizes() != [None; 2] {
            let mut both: Vec<_> = candidates.drain(..).zip(depends.drain(..)).collect();
            both.sort_by_key(|(candidate, _)| !made(candidate));
            (*candidates, *depends) = both.into_iter().unzip();
        }
    }
}

/// How the streams of a run were recorded; `code_asks` says whether code of the project asks if they are terminals.
pub(super) fn made(finished: &Finished, streams: &Streams, code_asks: bool) -> [Option<OnTerminal>; 2] {
    let mut all = [None; 2];
    let is_asked = finished.made.iter().flatten().any(|made| made.is_asked_by_program);
    for ((on, made), plain) in all.iter_mut().zip(finished.made).zip(streams.plain) {
        *on = made.map(|made| OnTerminal {
            columns: made.size.columns,
            rows: made.size.rows,
            size_counts: made.is_size_asked,
            is_plain: plain && !made.is_size_asked && !is_asked && !code_asks,
        });
    }
    all
}
