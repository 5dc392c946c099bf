//! Where a run's output goes: the user's descriptor, and what waits for a reader that is slow.
//!
//! A reader delays a command as little as possible: bytes that the reader does not take wait in a [`Spool`], so that the command
//! can end, and its result can be recorded, before everything was read.

use super::spool::Spool;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{FileStat, SFlag, fstat};
use nix::unistd::write;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// Number of bytes that any writable pipe takes at once.
const PIECE: usize = 4096;
/// How long a reader that takes nothing is waited for before bytes go to the spool.
const PATIENCE: Duration = Duration::from_millis(50);
/// A reader that takes fewer bytes than this in a microsecond is slow.
const SLOW: u64 = 1;
/// Number of bytes that are written from the spool in one turn.
const TURN: usize = 1 << 20;

/// The kind of the user's descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pipe,
    Socket,
    /// A regular file: writing to it never waits for a reader.
    File,
    Other,
}

/// Where output goes.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    pub(super) to: BorrowedFd<'a>,
    pub(super) kind: Kind,
    /// Whether a reader who went away never comes back.
    pub(super) watches_reader: bool,
    waiting: Spool,
    /// Nothing is written before the command has ended: it reads this file.
    held_back: bool,
    /// Since when the reader has been behind, and how much it has taken since.
    behind: Option<(Instant, u64)>,
}

impl<'a> Sink<'a> {
    /// Writes to `to`; what waits goes to a file in `directory`.
    pub(super) fn new(to: BorrowedFd<'a>, directory: Option<&Path>) -> Self {
        let there = fstat(to).ok();
        let kind = match there.as_ref().map(kind_of) {
            Some(SFlag::S_IFIFO) => Kind::Pipe,
            Some(SFlag::S_IFSOCK) => Kind::Socket,
            Some(SFlag::S_IFREG) => Kind::File,
            _ => Kind::Other,
        };
        Self {
            to,
            kind,
            watches_reader: there.is_some_and(|there| reader_stays_away(&there)),
            waiting: Spool::new(directory),
            held_back: false,
            behind: None,
        }
    }

    /// From now on nothing is written before [`Sink::release`].
    pub(super) fn hold_back(&mut self) {
        self.held_back = true;
    }

    /// The command has ended: what was held back may be written.
    pub(super) fn release(&mut self) {
        self.held_back = false;
    }

    /// Whether something waits and may be written.
    pub(super) fn has_waiting(&self) -> bool {
        !self.held_back && !self.waiting.is_empty()
    }

    /// Discards the waiting bytes: they have no reader.
    pub(super) fn forget(&mut self) {
        self.waiting = Spool::new(None);
    }

    /// Whether no bytes wait, so that bytes written now come after all others.
    pub(super) fn is_clear(&self) -> bool {
        !self.held_back && self.waiting.is_empty()
    }

    /// Whether the reader is so far behind that the stream must not be read further.
    pub(super) fn is_full(&self) -> bool {
        !self.held_back && self.waiting.is_full()
    }

    /// Writes `bytes`, or puts them into the spool. The wait for the reader ends when `wake` is readable. With `hurry`, there is no
    /// wait.
    ///
    /// # Errors
    /// The system's, of the descriptor.
    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        wake: Option<BorrowedFd<'_>>,
        hurry: bool,
    ) -> nix::Result<()> {
        while self.is_clear() && !bytes.is_empty() {
            match self.write_now(bytes) {
                Ok(written) => {
                    self.took(written);
                    bytes = bytes.get(written..).unwrap_or_default();
                }
                Err(Errno::EAGAIN) if self.has_room(wake, hurry)? => {}
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        if !bytes.is_empty() {
            self.waiting.add(bytes);
        }
        Ok(())
    }

    /// Writes what waits, as much as the reader takes at once.
    ///
    /// # Errors
    /// The system's, of the descriptor.
    pub(super) fn flush_some(&mut self) -> nix::Result<()> {
        let mut done = 0;
        while self.has_waiting() && done < TURN {
            let next = self.waiting.next().map_err(|error| of_io(&error))?.to_vec();
            match self.write_now(&next) {
                Ok(written) => {
                    self.waiting.taken(written);
                    done += written;
                }
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        if self.waiting.is_empty() {
            self.behind = None;
        }
        Ok(())
    }

    /// Writes all that waits, however long the reader takes.
    ///
    /// # Errors
    /// The system's, of the descriptor.
    pub(super) fn write_waiting(&mut self) -> nix::Result<()> {
        self.held_back = false;
        while !self.waiting.is_empty() {
            let next = self.waiting.next().map_err(|error| of_io(&error))?.to_vec();
            write_all(self.to, &next)?;
            self.waiting.taken(next.len());
        }
        Ok(())
    }

    /// The bytes that are left to be written, with a descriptor of their own.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub(super) fn into_rest(self) -> io::Result<Option<Rest>> {
        if self.waiting.is_empty() {
            return Ok(None);
        }
        Ok(Some(Rest { to: self.to.try_clone_to_owned()?, waiting: self.waiting }))
    }

    /// Writes what can be written without waiting.
    fn write_now(&self, bytes: &[u8]) -> nix::Result<usize> {
        match self.kind {
            Kind::File => write(self.to, bytes),
            Kind::Pipe | Kind::Socket => match write_without_waiting(self.to, self.kind, bytes) {
                Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) => self.write_where_room(bytes),
                written => written,
            },
            Kind::Other => self.write_where_room(bytes),
        }
    }

    fn write_where_room(&self, bytes: &[u8]) -> nix::Result<usize> {
        let mut room = [PollFd::new(self.to, PollFlags::POLLOUT)];
        if poll(&mut room, PollTimeout::ZERO)? == 0 {
            return Err(Errno::EAGAIN);
        }
        write(self.to, bytes.get(..PIECE).unwrap_or(bytes))
    }

    /// The reader took some.
    pub(super) fn took(&mut self, length: usize) {
        if let Some((since, taken)) = &mut self.behind {
            *taken = taken.saturating_add(length as u64);
            // A reader that keeps up for long starts again.
            if since.elapsed() > PATIENCE * 20 {
                self.behind = None;
            }
        }
    }

    /// Waits until the reader takes a little more. `false` if it is too slow to be waited for.
    pub(super) fn has_room(&mut self, wake: Option<BorrowedFd<'_>>, hurry: bool) -> nix::Result<bool> {
        let (since, taken) = *self.behind.get_or_insert_with(|| (Instant::now(), 0));
        let earned = PATIENCE + Duration::from_micros(taken / SLOW);
        let left = earned.saturating_sub(since.elapsed());
        if hurry || left.is_zero() {
            return Ok(false);
        }
        let mut asked = vec![PollFd::new(self.to, PollFlags::POLLOUT)];
        asked.extend(wake.map(|wake| PollFd::new(wake, PollFlags::POLLIN)));
        match poll(&mut asked, timeout(left)) {
            Ok(_) => Ok(asked.first().and_then(PollFd::any).unwrap_or(false)),
            Err(Errno::EINTR) => Ok(true),
            Err(errno) => Err(errno),
        }
    }
}

/// What a reader has not taken when its command has ended.
#[derive(Debug)]
pub(super) struct Rest {
    to: OwnedFd,
    waiting: Spool,
}

/// Writes what is left, to each reader as it takes it; readers of which none takes anything for `limit` are given up.
/// Returns the last error of a descriptor.
pub(super) fn deliver(rests: Vec<Rest>, limit: Option<Duration>) -> Option<Errno> {
    let mut failed = None;
    let (ends, waiting): (Vec<OwnedFd>, Vec<Spool>) =
        rests.into_iter().map(|rest| (rest.to, rest.waiting)).unzip();
    let mut sinks: Vec<Sink<'_>> = Vec::with_capacity(ends.len());
    for (to, waiting) in ends.iter().zip(waiting) {
        sinks.push(Sink { waiting, ..Sink::new(to.as_fd(), None) });
    }
    loop {
        for sink in &mut sinks {
            if let Err(errno) = sink.flush_some() {
                failed = Some(errno);
                sink.forget();
            }
        }
        sinks.retain(Sink::has_waiting);
        let mut asked: Vec<PollFd<'_>> =
            sinks.iter().map(|sink| PollFd::new(sink.to, PollFlags::POLLOUT)).collect();
        if asked.is_empty() || poll(&mut asked, limit.map_or(PollTimeout::NONE, timeout)) == Ok(0) {
            return failed;
        }
    }
}

fn of_io(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// Writes all of `bytes`; a descriptor that does not block is waited for.
fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> nix::Result<()> {
    while !bytes.is_empty() {
        match write(to, bytes) {
            Ok(0) => return Err(Errno::EIO),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::EAGAIN) => {
                let _ = poll(&mut [PollFd::new(to, PollFlags::POLLOUT)], PollTimeout::NONE);
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Writes to a pipe or a socket what it takes at once, whether or not its descriptor blocks.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "neither flag is known to a safe wrapper here")]
fn write_without_waiting(to: BorrowedFd<'_>, kind: Kind, bytes: &[u8]) -> nix::Result<usize> {
    let number = to.as_raw_fd();
    // SAFETY: the bytes are ours and given with their length.
    let written = unsafe {
        if kind == Kind::Socket {
            let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
            libc::send(number, bytes.as_ptr().cast(), bytes.len(), flags)
        } else {
            let piece = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            libc::pwritev2(number, &raw const piece, 1, -1, libc::RWF_NOWAIT)
        }
    };
    Errno::result(written).map(|written| usize::try_from(written).unwrap_or(0))
}

#[cfg(not(target_os = "linux"))]
fn write_without_waiting(_to: BorrowedFd<'_>, _kind: Kind, _bytes: &[u8]) -> nix::Result<usize> {
    Err(Errno::EOPNOTSUPP)
}

/// A timeout for `poll`, rounded up, so that a short remainder does not cause many calls.
pub(super) fn timeout(limit: Duration) -> PollTimeout {
    let milliseconds = u16::try_from(limit.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
    PollTimeout::from(milliseconds)
}

fn kind_of(there: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(there.st_mode) & SFlag::S_IFMT
}

/// Whether a reader that is gone stays away: so it is with a pipe without a name and with a socket, but a named pipe may be
/// opened again. All pipes without a name are on one device.
fn reader_stays_away(there: &FileStat) -> bool {
    match kind_of(there) {
        SFlag::S_IFIFO => {
            let pipe = io::pipe().ok().and_then(|(ours, _)| fstat(&ours).ok());
            pipe.is_some_and(|pipe| pipe.st_dev == there.st_dev)
        }
        kind => kind == SFlag::S_IFSOCK,
    }
}
