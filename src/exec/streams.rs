//! Passing the child's stdout and stderr on as they come: read, write to the user, tell the recorder.
//!
//! Knows nothing of how the child was started or is watched, only when it has ended.

use super::process::Process;
use super::signals::Caught;
use super::spawn::Given;
use super::startup::initial;
use super::{Recorder, StreamEnd};
use crate::record::Stream;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{FileStat, SFlag, fstat};
use nix::unistd::{read, write};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// What is read at once, at first.
const FIRST_BUFFER: usize = 16 * 1024;
/// Much has come from here on.
const MUCH: usize = 64 * 1024;
/// What is read at once when much comes.
const LARGE_BUFFER: usize = 256 * 1024;
/// What a pipe holds when much comes.
#[cfg(target_os = "linux")]
const LARGE_PIPE: i32 = 1024 * 1024;
/// What any pipe takes at once when it says that it takes something.
const PIECE: usize = 4096;
/// After the command has ended: how long nothing comes until a pipe that somebody holds is given up.
const IDLE: Duration = Duration::from_millis(150);
/// After the command has ended: how long it is read from a pipe that somebody holds.
const DRAIN: Duration = Duration::from_secs(1);
/// How often is asked what cannot be waited for.
const ASK: Duration = Duration::from_millis(20);

/// One stream on its way from the child to the user.
#[derive(Debug)]
pub(super) struct Passing<'a> {
    stream: Stream,
    /// Our end of the pipe; taken when it is over.
    from: Option<OwnedFd>,
    to: BorrowedFd<'a>,
    /// Whether `to` is such that a reader who went away never comes back.
    watch_reader: bool,
    /// Whether `to` may be given the pages of our pipe, not only their bytes.
    shares_pages: bool,
    end: StreamEnd,
    length: usize,
}

impl<'a> Passing<'a> {
    /// A pipe whose bytes shall go to `to`, and what the child gets for it. If `to` was closed when we were
    /// started, the child gets it closed.
    ///
    /// # Errors
    /// When no pipe can be made.
    pub(super) fn new(stream: Stream, to: BorrowedFd<'a>) -> io::Result<(Self, Given)> {
        let mut passing = Self {
            stream,
            from: None,
            to,
            watch_reader: false,
            shares_pages: is_pipe(to),
            end: StreamEnd::Complete,
            length: 0,
        };
        if initial().was_closed(to.as_raw_fd()) {
            passing.end = StreamEnd::WriteFailed(Errno::EBADF as i32);
            return Ok((passing, Given::Closed));
        }
        let (ours, childs) = io::pipe()?;
        let ours = above_standard(ours.into())?;
        passing.watch_reader = reader_stays_away(to, fstat(&ours)?);
        passing.from = Some(ours);
        Ok((passing, Given::Other(above_standard(childs.into())?)))
    }

    /// How it ended.
    pub(super) fn end(&self) -> StreamEnd {
        self.end
    }

    /// What is left of it when a process still holds the pipe: from where to where.
    pub(super) fn held(&self) -> Option<(BorrowedFd<'_>, BorrowedFd<'a>)> {
        let from = self.from.as_ref().filter(|_| self.end == StreamEnd::StillHeld)?;
        Some((from.as_fd(), self.to))
    }

    /// Still to be read from.
    fn open(&self) -> Option<BorrowedFd<'_>> {
        self.from.as_ref().filter(|_| self.end == StreamEnd::Complete).map(AsFd::as_fd)
    }

    /// No more of it: the child learns that from its own next write.
    fn close(&mut self, end: StreamEnd) {
        self.end = end;
        self.from = None;
    }

    /// Passes on what is there, at most one buffer.
    fn pass_on(
        &mut self,
        buffer: &mut Vec<u8>,
        process: &Process,
        caught: &Caught,
        recorder: &mut dyn Recorder,
    ) {
        let shared = if self.shares_pages && self.length >= MUCH && caught.seen().is_none() {
            match self.share(buffer.len(), process, caught) {
                Ok(shared) => shared,
                Err(errno) => return self.close(end_of(errno)),
            }
        } else {
            0
        };
        if shared > 0 {
            return self.take_shared(shared, buffer, recorder);
        }
        let Some(from) = &self.from else { return };
        let got = match read(from, buffer) {
            Ok(0) => return self.close(StreamEnd::Complete),
            Ok(got) => got,
            Err(Errno::EINTR | Errno::EAGAIN) => return,
            Err(errno) => return self.close(StreamEnd::WriteFailed(errno as i32)),
        };
        let bytes = buffer.get(..got).unwrap_or_default();
        match write_all(self.to, bytes, process, caught) {
            Ok(()) => recorder.buffer(self.stream, buffer, got),
            Err(errno) => return self.close(end_of(errno)),
        }
        let before = self.length;
        self.length = before.saturating_add(got);
        if before < MUCH && self.length >= MUCH {
            enlarge(from);
            buffer.resize(LARGE_BUFFER, 0);
        }
    }

    /// Lets the user's pipe share what is in ours, which saves a copy; how many bytes it took. None where bytes must be
    /// written after all: it is full, or one of the two pipes cannot.
    #[cfg(target_os = "linux")]
    fn share(&mut self, most: usize, process: &Process, caught: &Caught) -> nix::Result<usize> {
        use nix::fcntl::{SpliceFFlags, tee};
        let Some(from) = &self.from else { return Ok(0) };
        let share = || tee(from, self.to, most, SpliceFFlags::SPLICE_F_NONBLOCK);
        let mut shared = share();
        if shared == Err(Errno::EAGAIN) {
            wait_for_room(self.to, process, caught)?;
            shared = share();
        }
        match shared {
            Ok(shared) => Ok(shared),
            Err(Errno::EINTR | Errno::EAGAIN) => Ok(0),
            Err(Errno::EPIPE) => Err(Errno::EPIPE),
            Err(_) => {
                self.shares_pages = false;
                Ok(0)
            }
        }
    }

    /// Nothing is shared.
    #[cfg(not(target_os = "linux"))]
    fn share(&mut self, _most: usize, _process: &Process, _caught: &Caught) -> nix::Result<usize> {
        Ok(0)
    }

    /// Reads and tells what the user has got already.
    fn take_shared(&mut self, mut shared: usize, buffer: &mut Vec<u8>, recorder: &mut dyn Recorder) {
        while shared > 0 {
            let Some(from) = &self.from else { return };
            let room = shared.min(buffer.len());
            match read(from, buffer.get_mut(..room).unwrap_or_default()) {
                // Cannot be: nobody else reads from our end.
                Ok(0) => return self.close(StreamEnd::WriteFailed(Errno::EIO as i32)),
                Ok(got) => {
                    recorder.buffer(self.stream, buffer, got);
                    self.length = self.length.saturating_add(got);
                    shared = shared.saturating_sub(got);
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return self.close(StreamEnd::WriteFailed(errno as i32)),
            }
        }
    }
}

/// How a stream ends whose user's side answered so.
fn end_of(errno: Errno) -> StreamEnd {
    match errno {
        Errno::EPIPE | Errno::ECONNRESET => StreamEnd::ReaderGone,
        errno => StreamEnd::WriteFailed(errno as i32),
    }
}

/// What happened at the two ends of one stream.
#[derive(Clone, Copy, Debug)]
struct Ready {
    /// There is something to read, or its end.
    readable: bool,
    /// No process holds the other end of the pipe.
    released: bool,
    /// The user's reader is gone.
    reader_gone: bool,
}

/// Passes on until the command and its streams have ended, or only processes left behind hold them. Returns the
/// moment when the command itself had ended.
///
/// # Errors
/// When the system cannot wait for descriptors.
pub(super) fn pass_on(
    streams: &mut [Passing<'_>; 2],
    process: &Process,
    caught: &Caught,
    recorder: &mut dyn Recorder,
) -> io::Result<Instant> {
    let mut buffer = vec![0; FIRST_BUFFER];
    let mut ended: Option<Instant> = None;
    while streams.iter().any(|passing| passing.open().is_some()) {
        let limit = match ended {
            Some(ended) => Some(IDLE.min(DRAIN.saturating_sub(ended.elapsed()))),
            None => process.ended().is_none().then_some(ASK),
        };
        let (ready, has_ended) = match wait(streams, process, ended.is_some(), limit) {
            Ok(answer) => answer,
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        let nothing = !has_ended && ready.iter().all(|one| !one.readable && !one.reader_gone);
        for (passing, ready) in streams.iter_mut().zip(ready) {
            if passing.open().is_none() {
                continue;
            }
            let over = ended.is_some_and(|ended| nothing || ended.elapsed() >= DRAIN);
            if ready.reader_gone {
                passing.close(StreamEnd::ReaderGone);
            } else if over && !ready.released {
                passing.end = StreamEnd::StillHeld;
            } else if ready.readable {
                passing.pass_on(&mut buffer, process, caught, recorder);
            }
        }
        if ended.is_none() && (has_ended || (nothing && process.has_ended())) {
            ended = Some(Instant::now());
        }
    }
    process.wait();
    Ok(ended.unwrap_or_else(Instant::now))
}

/// Waits, at most `limit`, until something can be done. Also whether the command itself has ended now, if that
/// is not known already.
fn wait(
    streams: &[Passing<'_>; 2],
    process: &Process,
    known_ended: bool,
    limit: Option<Duration>,
) -> nix::Result<([Ready; 2], bool)> {
    let mut asked = Vec::with_capacity(5);
    for passing in streams {
        if let Some(from) = passing.open() {
            asked.push(PollFd::new(from, PollFlags::POLLIN));
            if passing.watch_reader {
                asked.push(PollFd::new(passing.to, PollFlags::empty()));
            }
        }
    }
    let ended = process.ended().filter(|_| !known_ended);
    asked.extend(ended.map(|ended| PollFd::new(ended, PollFlags::POLLIN)));
    poll(&mut asked, limit.map_or(PollTimeout::NONE, timeout))?;
    let mut answers = asked.iter().map(|one| one.revents().unwrap_or(PollFlags::empty()));
    let ready = streams.each_ref().map(|passing| {
        let from = passing.open().and_then(|_| answers.next()).unwrap_or(PollFlags::empty());
        let watched = passing.open().is_some() && passing.watch_reader;
        let to = watched.then(|| answers.next()).flatten().unwrap_or(PollFlags::empty());
        Ready {
            readable: !from.is_empty(),
            released: from.contains(PollFlags::POLLHUP),
            reader_gone: to.intersects(PollFlags::POLLERR | PollFlags::POLLHUP),
        }
    });
    Ok((ready, answers.next().is_some_and(|answer| !answer.is_empty())))
}

/// Rounded up, so that a short rest is not asked for again and again.
fn timeout(limit: Duration) -> PollTimeout {
    let milliseconds = u16::try_from(limit.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
    PollTimeout::from(milliseconds)
}

/// Writes all of `bytes`. A user's descriptor that does not block is waited for. If a signal has come and the
/// command is gone, a reader that does not read is not waited for any longer: the command itself, writing to
/// it, would have died of the signal.
fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8], process: &Process, caught: &Caught) -> nix::Result<()> {
    while !bytes.is_empty() {
        let careful = caught.seen().is_some();
        if careful {
            wait_for_room(to, process, caught)?;
        }
        let piece = if careful { bytes.get(..PIECE).unwrap_or(bytes) } else { bytes };
        match write(to, piece) {
            Ok(0) => return Err(Errno::EIO),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::EAGAIN) => wait_for_room(to, process, caught)?,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Waits until `to` takes at least a little.
fn wait_for_room(to: BorrowedFd<'_>, process: &Process, caught: &Caught) -> nix::Result<()> {
    loop {
        let limit = if caught.seen().is_some() { timeout(IDLE) } else { PollTimeout::NONE };
        match poll(&mut [PollFd::new(to, PollFlags::POLLOUT)], limit) {
            Ok(0) if process.has_ended() => return Err(Errno::EINTR),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno),
        }
    }
}

/// Whether `to` is a pipe on a system that can share pages between pipes.
fn is_pipe(to: BorrowedFd<'_>) -> bool {
    cfg!(target_os = "linux")
        && fstat(to).is_ok_and(|to| SFlag::from_bits_truncate(to.st_mode) & SFlag::S_IFMT == SFlag::S_IFIFO)
}

/// Whether a reader of `to` that is gone stays away: so it is with a pipe without a name and with a socket, but
/// a named pipe may be opened again. All pipes without a name are on the device of `pipe`.
fn reader_stays_away(to: BorrowedFd<'_>, pipe: FileStat) -> bool {
    fstat(to).is_ok_and(|to| match SFlag::from_bits_truncate(to.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFIFO => to.st_dev == pipe.st_dev,
        kind => kind == SFlag::S_IFSOCK,
    })
}

/// Where the system allows it, a larger pipe means fewer switches between us and the child.
#[cfg(target_os = "linux")]
fn enlarge(pipe: &OwnedFd) {
    use nix::fcntl::{FcntlArg, fcntl};
    let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(LARGE_PIPE));
}

/// The size of a pipe is the system's affair.
#[cfg(not(target_os = "linux"))]
fn enlarge(_pipe: &OwnedFd) {}

/// The same file on a descriptor that cannot be mistaken for a standard one.
pub(super) fn above_standard(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() > 2 {
        return Ok(descriptor);
    }
    rustix::io::fcntl_dupfd_cloexec(&descriptor, 3).map_err(io::Error::from)
}
