//! The child's stdout and stderr: the pipe that it gets for each, the sink that the pipe goes to, and the bytes that are left at the
//! end.

use super::order::{Identity, Order, Request, Writing, identity, is_same_open_file};
use super::sink::{Kind, Rest, Sink};
use super::spawn::Given;
use super::startup::{above_standard, initial};
use super::terminal::{Ends, Relay, Terminals};
use super::{Output, StreamEnd};
use crate::buffer::Buffer;
use crate::record::{Interleaving, Stream};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;
use rustix::fs::OFlags;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, LazyLock};

/// What is read at once, at first.
const FIRST_BUFFER: usize = 16 * 1024;

/// One stream of the child.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) stream: Stream,
    /// Our end of the pipe or terminal; `None` when the stream has ended.
    pub(super) from: Option<OwnedFd>,
    /// The number of the sink that it goes to.
    pub(super) sink: usize,
    pub(super) end: StreamEnd,
    pub(super) length: usize,
    /// The file that the child has.
    identity: Option<Identity>,
    /// It is a terminal.
    pub(super) is_terminal: bool,
}

impl Source {
    /// One that is not read from.
    const fn none(stream: Stream, sink: usize, end: StreamEnd) -> Self {
        Self { stream, from: None, sink, end, length: 0, identity: None, is_terminal: false }
    }

    /// Still to be read from.
    pub(super) fn open(&self) -> Option<BorrowedFd<'_>> {
        self.from.as_ref().filter(|_| self.end == StreamEnd::Complete).map(AsFd::as_fd)
    }

    /// Ends the stream. The next write of the child fails.
    pub(super) fn close(&mut self, end: StreamEnd) {
        self.end = end;
        self.from = None;
    }

    /// Number of bytes that can be read. For a terminal it is only known whether there are any, since written bytes are delivered
    /// when it is polled.
    pub(super) fn there(&self) -> usize {
        /// Maximum number of bytes, since another process may go on writing.
        const MOST: usize = 1 << 20;
        if self.is_terminal {
            return if self.open().is_some_and(is_readable) { MOST } else { 0 };
        }
        let there = self.open().and_then(|from| rustix::io::ioctl_fionread(from).ok());
        there.and_then(|there| usize::try_from(there).ok()).unwrap_or(0)
    }
}

/// A write that was continued.
#[derive(Debug)]
pub(super) struct Awaited {
    pub(super) writing: Writing,
    /// Maximum number of its bytes that have not been read yet.
    pub(super) left: u64,
    /// How long its thread had run when that was first looked at, in nanoseconds.
    pub(super) run: Option<u64>,
}

/// Both streams on their way from the child to the user.
#[derive(Debug)]
pub(super) struct Streams<'a> {
    pub(super) sources: [Source; 2],
    /// Their destinations: one, if both go to the same.
    pub(super) sinks: Vec<Sink<'a>>,
    /// Both have one pipe.
    merged: bool,
    pub(super) order: Option<Arc<Order>>,
    pub(super) waiting: VecDeque<Request>,
    pub(super) awaited: Option<Awaited>,
    pub(super) buffer: Buffer,
    /// Typed input, and everything else about terminals.
    pub(super) relay: Option<Relay>,
}

impl<'a> Streams<'a> {
    /// Pipes, `terminals`, or what stands in their place, whose bytes shall go to `stdout` and `stderr`; and what the child gets
    /// as its descriptors 1 and 2. If one of ours was closed when we were started, the child gets it closed.
    ///
    /// # Errors
    /// When no pipe can be made.
    pub(super) fn new(
        output: Output<'a>,
        [stdout, stderr]: [BorrowedFd<'a>; 2],
        terminals: Option<&Terminals>,
    ) -> io::Result<(Self, [Given; 2])> {
        let ends = |stream| terminals.map_or(Ok(None), |terminals| terminals.ends(stream));
        let (spool, direct, merged) = match output {
            Output::Direct => (None, true, false),
            Output::Recorded { spool } => (spool, false, false),
            Output::Merged { spool } => (spool, false, true),
        };
        let mut sinks = vec![Sink::new(stdout, spool)];
        let is_one = one_target(stdout, stderr);
        if !is_one {
            sinks.push(Sink::new(stderr, spool));
        }
        let (first, given_stdout) = match ends(Stream::Stdout)? {
            Some(ends) => at_terminal(Stream::Stdout, 0, ends),
            None => source(Stream::Stdout, stdout, 0, direct)?,
        };
        let (second, given_stderr) = match &given_stdout {
            Given::Other(pipe) if merged && first.from.is_some() => {
                (Source::none(Stream::Stderr, 0, StreamEnd::Complete), Given::Other(pipe.try_clone()?))
            }
            _ => match ends(Stream::Stderr)? {
                Some(ends) => at_terminal(Stream::Stderr, usize::from(!is_one), ends),
                None => source(Stream::Stderr, stderr, usize::from(!is_one), direct)?,
            },
        };
        let streams = Self {
            merged: merged && first.from.is_some(),
            sources: [first, second],
            sinks,
            order: None,
            waiting: VecDeque::new(),
            awaited: None,
            buffer: Buffer::new(FIRST_BUFFER),
            relay: None,
        };
        Ok((streams, [given_stdout, given_stderr]))
    }

    /// The requests of the watching thread for the order of both; `None` where nothing is passed on.
    ///
    /// # Errors
    /// When no pipe can be made.
    pub(super) fn order(&mut self) -> io::Result<Option<Arc<Order>>> {
        if self.sources.iter().all(|source| source.from.is_none()) {
            return Ok(None);
        }
        let target = |source: &Source| -> io::Result<Option<OwnedFd>> {
            let sink = self.sinks.get(source.sink).filter(|sink| sink.kind == Kind::File);
            sink.filter(|_| source.from.is_some()).map(|sink| sink.to.try_clone_to_owned()).transpose()
        };
        let [stdout, stderr] = &self.sources;
        let order =
            Arc::new(Order::new([stdout.identity, stderr.identity], [target(stdout)?, target(stderr)?])?);
        self.order = Some(Arc::clone(&order));
        Ok(Some(order))
    }

    /// Nothing is written to the file that is also `stdin` before the command has ended.
    pub(super) fn hold_back_if_read(&mut self, stdin: BorrowedFd<'_>) {
        for sink in self.sinks.iter_mut().filter(|sink| sink.kind == Kind::File) {
            if one_file(sink.to, stdin) {
                sink.hold_back();
            }
        }
    }

    /// How they ended.
    pub(super) fn ends(&self) -> [StreamEnd; 2] {
        let [stdout, stderr] = self.sources.each_ref().map(|source| source.end);
        [stdout, if self.merged { stdout } else { stderr }]
    }

    /// How far the order in which the two were read is that in which they were written.
    pub(super) fn interleaving(&self, is_watched: bool) -> Interleaving {
        let is_silent = self.sources.iter().any(|source| source.length == 0);
        let is_exact = || is_watched && self.order.as_deref().is_some_and(Order::is_exact);
        if self.merged {
            Interleaving::Merged
        } else if is_silent || is_exact() {
            Interleaving::Exact
        } else {
            Interleaving::Inexact
        }
    }

    /// What is left of those whose pipe a process still holds: from where to where.
    pub(super) fn held(&self) -> [Option<(BorrowedFd<'_>, BorrowedFd<'a>)>; 2] {
        self.sources.each_ref().map(|source| {
            let from = source.from.as_ref().filter(|_| source.end == StreamEnd::StillHeld)?;
            Some((from.as_fd(), self.sinks.get(source.sink)?.to))
        })
    }

    /// Writes what waits for a reader, however long that takes.
    pub(super) fn write_waiting(&mut self) {
        for sink in &mut self.sinks {
            // A reader that is gone is not an error.
            let _ = sink.write_waiting();
        }
    }

    /// What the readers have not taken.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub(super) fn into_rests(mut self) -> io::Result<Vec<Rest>> {
        let rests = self.sinks.drain(..).map(Sink::into_rest);
        rests.filter_map(io::Result::transpose).collect()
    }
}

/// A stream and what the child gets for it.
fn source(stream: Stream, to: BorrowedFd<'_>, sink: usize, direct: bool) -> io::Result<(Source, Given)> {
    if initial().was_closed(to.as_raw_fd()) {
        let end = StreamEnd::WriteFailed(Errno::EBADF as i32);
        return Ok((Source::none(stream, sink, end), Given::Closed));
    }
    let broken = broken(to);
    if direct || broken.is_some() {
        let end = broken.map_or(StreamEnd::Complete, |errno| StreamEnd::HandedOver(errno as i32));
        let given = Given::Other(above_standard(to.try_clone_to_owned()?)?);
        return Ok((Source::none(stream, sink, end), given));
    }
    let (ours, childs) = io::pipe()?;
    let ours = above_standard(ours.into())?;
    let identity = identity(ours.as_fd());
    let source = Source { from: Some(ours), identity, ..Source::none(stream, sink, StreamEnd::Complete) };
    Ok((source, Given::Other(above_standard(childs.into())?)))
}

/// A stream that is a terminal, and what the child gets for it.
fn at_terminal(stream: Stream, sink: usize, ends: Ends) -> (Source, Given) {
    let Ends { ours, childs, identity } = ends;
    let none = Source::none(stream, sink, StreamEnd::Complete);
    (Source { from: Some(ours), identity, is_terminal: true, ..none }, Given::Other(childs))
}

/// Whether there is something to read.
fn is_readable(from: BorrowedFd<'_>) -> bool {
    let mut asked = [PollFd::new(from, PollFlags::POLLIN)];
    poll(&mut asked, PollTimeout::ZERO) == Ok(1)
        && asked.first().and_then(PollFd::revents).is_some_and(|answer| answer.contains(PollFlags::POLLIN))
}

/// What stands against writing to `to`, whatever is written: a command that gets it in place of a pipe learns that itself,
/// from its first write.
fn broken(to: BorrowedFd<'_>) -> Option<Errno> {
    match Sink::new(to, None).kind {
        Kind::File => None,
        Kind::Other => nix::unistd::write(to, b"").err().filter(|errno| *errno != Errno::EAGAIN),
        Kind::Pipe | Kind::Socket => {
            let mut asked = [PollFd::new(to, PollFlags::empty())];
            poll(&mut asked, PollTimeout::ZERO).ok()?;
            let answer = asked.first().and_then(PollFd::revents)?;
            answer.contains(PollFlags::POLLERR).then_some(Errno::EPIPE)
        }
    }
}

/// Whether both are one file, pipe or device that shows in which order something was written to it. Two descriptors of one file
/// are not, if each has its own place there (`> o 2> o`).
pub fn one_target(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    one_file(one, other) && !has_own_place(one, other)
}

/// Whether both are one file, pipe or device other than `/dev/null`.
fn one_file(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    static NULL: LazyLock<Option<Identity>> =
        LazyLock::new(|| std::fs::metadata("/dev/null").ok().map(|null| (null.dev(), null.ino())));
    let one = identity(one);
    one.is_some() && one == identity(other) && one != *NULL
}

/// Whether a regular file was opened twice, at least once not for appending.
fn has_own_place(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    let is_file = fstat(one).is_ok_and(|there| there.st_mode & libc::S_IFMT == libc::S_IFREG);
    let appends = |file| rustix::fs::fcntl_getfl(file).is_ok_and(|flags| flags.contains(OFlags::APPEND));
    let own = std::process::id().cast_signed();
    is_file
        && !(appends(one) && appends(other))
        && is_same_open_file(own, one.as_raw_fd(), other.as_raw_fd()) == Some(false)
}

/// How a stream ends whose user's side answered so.
pub(super) fn end_of(errno: Errno) -> StreamEnd {
    match errno {
        Errno::EPIPE | Errno::ECONNRESET => StreamEnd::ReaderGone,
        errno => StreamEnd::WriteFailed(errno as i32),
    }
}
