//! Which calls wait until the streams have been read so far: writes to stderr, and what moves stderr to another number.
//!
//! The filter knows numbers, not files. Descriptor 2 and those under which shells save it are seen; a process that has
//! stderr elsewhere (`>&2` makes it descriptor 1) is let go on with both streams read when it gets it there, when it gives
//! it up, and when it ends. Most such processes have no stdout meanwhile, or wait for the one that has.

use super::disguise::Disguise;
use super::process::{identity_behind, link};
use super::stopped::Stopped;
use super::table::{Argument, Call, Row};
use crate::exec::order::{Identity, Order, Then, Writing, identity};
use crate::record::Stream;
use std::fs::Metadata;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

/// More pieces than the kernel takes in one call.
const MOST_PIECES: u64 = 1024;
const STDOUT: i32 = 1;

/// What is known of the streams of a run.
#[derive(Debug, Default)]
pub(super) struct Ordering {
    order: Option<Arc<Order>>,
    /// The command's standard input is the file that this stream goes to.
    stdin: Option<Stream>,
    /// stderr is somewhere at a number whose calls are not seen, beside descriptor 1.
    is_elsewhere: bool,
    /// stderr was at such a number, descriptor 1 included.
    was_hidden: bool,
    /// What the call that is stopped waits for.
    then: Option<Then>,
    /// How the call that is stopped is answered in the kernel's place.
    disguise: Option<Disguise>,
}

impl Ordering {
    /// Of a run whose streams are ordered by `order`; with `inherits_stdin`, it has our standard input.
    pub(super) fn new(order: Option<Arc<Order>>, inherits_stdin: bool) -> Self {
        let stdin = order
            .as_ref()
            .filter(|_| inherits_stdin)
            .and_then(|order| order.target_of(identity(std::io::stdin().as_fd())?));
        Self { order, stdin, ..Self::default() }
    }

    /// Whether the streams are ordered at all.
    pub(super) fn order(&self) -> Option<&Arc<Order>> {
        self.order.as_ref()
    }

    /// Whether standard input is a file that the run writes to.
    pub(super) fn reads_own_output(&self) -> bool {
        self.stdin.is_some()
    }

    /// What the call waits for that was taken in last.
    pub(super) fn take(&mut self) -> Option<Then> {
        self.then.take()
    }

    /// How the call is answered that was taken in last, if the kernel's own answer would not do.
    pub(super) fn take_disguise(&mut self) -> Option<Disguise> {
        self.disguise.take()
    }

    /// From now on nothing is looked at.
    pub(super) fn lost(&self) {
        if let Some(order) = &self.order {
            order.lost();
        }
    }

    /// `file` is opened for reading. True if one of the streams goes to it: then nothing more is written to it.
    pub(super) fn opened(&mut self, file: &Metadata) -> bool {
        let Some(stream) = self.order.as_ref().and_then(|order| order.target_of((file.dev(), file.ino())))
        else {
            return false;
        };
        self.then = Some(Then::HoldBack(stream));
        true
    }

    /// Takes in a call; true if it is one to a stream, about which there is nothing else to say.
    pub(super) fn takes(&mut self, stopped: &Stopped<'_>, row: &Row) -> bool {
        let Some(order) = self.order.clone() else { return false };
        if !order.has_begun() && !is_command(stopped.tid) {
            return false;
        }
        let stream_at = |number: i32| order.stream_of(identity_behind(stopped.tid, number)?);
        let is_stderr = |number: i32| stream_at(number) == Some(Stream::Stderr);
        match row.call {
            Call::Write(fd) => {
                let Some(stream) = stream_at(stopped.flags(fd)) else { return false };
                if stream == Stream::Stderr || self.was_hidden {
                    let most = length(stopped, row).unwrap_or(0);
                    self.writes(stopped, stream, most, true);
                }
                true
            }
            Call::Transfer(_, to) => {
                if let Some(stream) = stream_at(stopped.flags(to))
                    && (stream == Stream::Stderr || self.was_hidden)
                {
                    self.writes(stopped, stream, length(stopped, row).unwrap_or(0), false);
                }
                false
            }
            Call::Duplicate | Call::DuplicateFrom => {
                if is_stderr(stopped.flags(Argument::A0)) {
                    let least = if row.call == Call::Duplicate { 0 } else { stopped.flags(Argument::A2) };
                    self.is_elsewhere |= least < 10;
                    self.was_hidden |= least < 10;
                    self.then = Some(Then::Nothing);
                }
                false
            }
            Call::DuplicateTo => {
                let (from, to) = (stopped.flags(Argument::A0), stopped.flags(Argument::A1));
                if from != to {
                    let moves = is_stderr(from);
                    self.was_hidden |= moves && to != 2;
                    self.is_elsewhere |= moves && to != 2 && to != STDOUT;
                    if moves || is_stderr(to) {
                        self.then = Some(Then::Nothing);
                    }
                }
                false
            }
            Call::End => {
                if self.is_elsewhere || self.was_hidden && is_stderr(STDOUT) {
                    self.then = Some(Then::Nothing);
                }
                true
            }
            Call::Ask(_) | Call::AskPlace(_) | Call::LookOrAsk(..) => {
                self.disguise = Disguise::of(stopped, row, &order);
                self.disguise.is_some()
            }
            _ => false,
        }
    }

    /// A descriptor of stderr is opened anew, by the name of its link in `/proc`, or is handed on.
    pub(super) fn opened_anew(&mut self, file: Option<Identity>) {
        let stream = self.order.as_ref().zip(file).and_then(|(order, file)| order.stream_of(file));
        if stream == Some(Stream::Stderr) {
            self.is_elsewhere = true;
            self.was_hidden = true;
            self.then = Some(Then::Nothing);
        }
    }

    fn writes(&mut self, stopped: &Stopped<'_>, stream: Stream, most: u64, is_there: bool) {
        let (tid, call) = (stopped.tid, stopped.number);
        self.then = Some(Then::Write(Writing { stream, most, tid, call, is_there }));
    }
}

/// Whether a process is the command already, or one that it started: not ours, which puts its descriptors in place before it
/// becomes the command. Nobody reads before it has.
fn is_command(tid: libc::pid_t) -> bool {
    let ours = std::fs::read_link("/proc/self/exe").ok().map(std::ffi::OsString::from);
    link(tid, "exe").ok().map(std::os::unix::ffi::OsStringExt::from_vec) != ours
}

/// How many bytes a call writes to a pipe, at most; `None` where that cannot be read.
fn length(stopped: &Stopped<'_>, row: &Row) -> Option<u64> {
    let argument = |number: usize| stopped.arguments.get(number).copied();
    match row.name {
        "write" | "tee" => argument(2),
        "writev" | "vmsplice" | "pwritev2" => {
            let (at, count) = (argument(1)?, argument(2)?);
            let mut total = 0_u64;
            for piece in 0..count.min(MOST_PIECES) {
                let length = stopped.word(at.wrapping_add(piece * 16 + 8)).ok()?;
                total = total.saturating_add(length);
            }
            Some(total)
        }
        "sendfile" => argument(3),
        "splice" => argument(4),
        // What names an offset is refused for a pipe.
        _ => Some(0),
    }
}
