//! Calls that wait until both streams have been read so far: writes to stderr, and calls that move stderr to another number.
//!
//! The filter knows numbers, not files. It stops calls on descriptor 2 and on the numbers to which shells save it. A process may
//! have stderr at another number (`>&2` makes it descriptor 1). Then both streams are read when it gets stderr there, when it
//! gives it up, and when it ends. Most such processes have no stdout meanwhile, or wait for the process that has.

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

/// Maximum number of pieces that the kernel takes in one call.
const MOST_PIECES: u64 = 1024;
const STDOUT: i32 = 1;

/// What is known of the streams of a run.
#[derive(Debug, Default)]
pub(super) struct Ordering {
    order: Option<Arc<Order>>,
    /// The stream that goes to the file which is the command's standard input.
    stdin: Option<Stream>,
    /// stderr is at a number whose calls are not stopped, other than descriptor 1.
    is_elsewhere: bool,
    /// stderr was at such a number, or at descriptor 1.
    was_hidden: bool,
    /// What the call that is stopped waits for.
    then: Option<Then>,
    /// The answer to the stopped call, instead of the kernel's.
    disguise: Option<Disguise>,
}

impl Ordering {
    /// For a run whose streams are ordered by `order`. With `inherits_stdin`, it has our standard input.
    pub(super) fn new(order: Option<Arc<Order>>, inherits_stdin: bool) -> Self {
        let stdin = order
            .as_ref()
            .filter(|_| inherits_stdin)
            .and_then(|order| order.target_of(identity(std::io::stdin().as_fd())?));
        Self { order, stdin, ..Self::default() }
    }

    /// The order of the streams, if it is recorded.
    pub(super) fn order(&self) -> Option<&Arc<Order>> {
        self.order.as_ref()
    }

    /// Whether standard input is a file that the run writes to.
    pub(super) fn reads_own_output(&self) -> bool {
        self.stdin.is_some()
    }

    /// What the last call waits for.
    pub(super) fn take(&mut self) -> Option<Then> {
        self.then.take()
    }

    /// The answer to the last call, where the kernel's own must be replaced.
    pub(super) fn take_disguise(&mut self) -> Option<Disguise> {
        self.disguise.take()
    }

    /// From now on no call is observed.
    pub(super) fn lost(&self) {
        if let Some(order) = &self.order {
            order.lost();
        }
    }

    /// `file` is opened for reading. True if a stream goes to it: then nothing more is written to it.
    pub(super) fn opened(&mut self, file: &Metadata) -> bool {
        let Some(stream) = self.order.as_ref().and_then(|order| order.target_of((file.dev(), file.ino())))
        else {
            return false;
        };
        self.then = Some(Then::HoldBack(stream));
        true
    }

    /// Handles a call. True if it is on a stream, so that nothing else has to be observed.
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

    /// A descriptor of stderr is opened again by its link in `/proc`, or is sent to another process.
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

/// Whether a process is the command or was started by it. The process that becomes the command moves its descriptors into
/// place before, when the streams are not read yet.
fn is_command(tid: libc::pid_t) -> bool {
    let ours = std::fs::read_link("/proc/self/exe").ok().map(std::ffi::OsString::from);
    link(tid, "exe").ok().map(std::os::unix::ffi::OsStringExt::from_vec) != ours
}

/// Maximum number of bytes that a call writes to a pipe; `None` where that cannot be read.
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
        // Calls with an offset fail on a pipe.
        _ => Some(0),
    }
}
