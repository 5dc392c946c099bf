//! The exact order of stdout and stderr: requests from the thread that watches a run to the thread that passes its streams on.
//!
//! Two pipes do not show which was written first. So the watching thread holds a write to stderr until everything that was
//! written to stdout before has been read, and what it writes is read before anything later. Writes to stdout are not observed,
//! which keeps them fast.

use crate::record::Stream;
use nix::sys::stat::fstat;
use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Device and inode of a file.
pub(super) type Identity = (u64, u64);

/// A call that waits until the streams have been read so far.
pub(super) struct Request {
    /// The thread that waits.
    pub(super) by: libc::pid_t,
    pub(super) then: Then,
    /// Continues the caller.
    pub(super) release: Box<dyn FnOnce() + Send>,
}

impl fmt::Debug for Request {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Request").field("then", &self.then).finish_non_exhaustive()
    }
}

/// What happens when both streams have been read so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing else.
    Nothing,
    /// The caller writes. Its bytes are read before anything else.
    Write(Writing),
    /// The caller reads the file that this stream goes to. Nothing more is written to it before the command has ended.
    HoldBack(Stream),
}

/// A write that is about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writing {
    pub(super) stream: Stream,
    /// Maximum number of bytes that it writes.
    pub(super) most: u64,
    pub(super) tid: libc::pid_t,
    /// The number of the system call.
    pub(super) call: u32,
    /// Whether all of its bytes are available. Otherwise it may wait for more.
    pub(super) is_there: bool,
}

/// What the watching thread knows of the streams, and its requests.
#[derive(Debug)]
pub(super) struct Order {
    /// The pipes or terminals that the command has as stdout and stderr.
    pipes: [Option<Identity>; 2],
    /// The regular files that they go to.
    targets: [Option<(Identity, OwnedFd)>; 2],
    /// `None` once the streams are not read any more.
    requests: Mutex<Option<Vec<Request>>>,
    wake: PipeWriter,
    woken: PipeReader,
    /// The command has been started, and its streams are read.
    begun: AtomicBool,
    inexact: AtomicBool,
}

impl Order {
    /// Between what the command has as stdout and stderr, whose bytes go to `targets`.
    ///
    /// # Errors
    /// When no pipe can be made.
    pub(super) fn new(pipes: [Option<Identity>; 2], targets: [Option<OwnedFd>; 2]) -> io::Result<Self> {
        let (woken, wake) = io::pipe()?;
        Ok(Self {
            pipes,
            targets: targets.map(|target| target.and_then(|file| Some((identity(file.as_fd())?, file)))),
            requests: Mutex::new(Some(Vec::new())),
            wake,
            woken,
            begun: AtomicBool::new(false),
            inexact: AtomicBool::new(false),
        })
    }

    /// Which stream the pipe `file` is.
    pub(super) fn stream_of(&self, file: Identity) -> Option<Stream> {
        find(self.pipes, file)
    }

    /// Which stream goes to `file`.
    pub(super) fn target_of(&self, file: Identity) -> Option<Stream> {
        find(self.targets.each_ref().map(|target| target.as_ref().map(|(known, _)| *known)), file)
    }

    /// The file that `stream` goes to.
    pub(super) fn target(&self, stream: Stream) -> Option<BorrowedFd<'_>> {
        self.targets.get(index(stream))?.as_ref().map(|(_, file)| file.as_fd())
    }

    /// The command has been started: from now on it is read from both.
    pub(super) fn begin(&self) {
        self.begun.store(true, Relaxed);
    }

    /// Whether somebody reads.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Relaxed)
    }

    /// Requests `then`, and to be continued afterwards. At once if the streams are not read any more.
    pub(super) fn ask(&self, request: Request) {
        match self.requests().as_mut() {
            Some(waiting) => {
                waiting.push(request);
                if waiting.len() == 1 {
                    // A pipe that is full of such bytes wakes as well.
                    let _ = (&self.wake).write(b"!");
                }
            }
            None => (request.release)(),
        }
    }

    /// Readable while somebody asks.
    pub(super) fn woken(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }

    /// What was asked; only when [`Order::woken`] is readable.
    pub(super) fn take(&self) -> Vec<Request> {
        let mut requests = self.requests();
        let taken = requests.as_mut().map(std::mem::take).unwrap_or_default();
        if !taken.is_empty() {
            let _ = (&self.woken).read(&mut [0; 64]);
        }
        taken
    }

    /// The streams are not read any more. Later requests are answered at once.
    pub(super) fn close(&self) {
        let waiting = self.requests().take();
        for request in waiting.into_iter().flatten() {
            (request.release)();
        }
    }

    /// Something was written that was not seen in time.
    pub(super) fn lost(&self) {
        self.inexact.store(true, Relaxed);
    }

    /// Whether the order of all that was read is the order in which it was written.
    pub(super) fn is_exact(&self) -> bool {
        !self.inexact.load(Relaxed)
    }

    fn requests(&self) -> MutexGuard<'_, Option<Vec<Request>>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(files: [Option<Identity>; 2], file: Identity) -> Option<Stream> {
    let mut streams = [Stream::Stdout, Stream::Stderr].into_iter().zip(files);
    streams.find(|(_, known)| *known == Some(file)).map(|(stream, _)| stream)
}

/// The place of a stream in a pair.
pub(super) const fn index(stream: Stream) -> usize {
    match stream {
        Stream::Stdout => 0,
        Stream::Stderr => 1,
    }
}

/// Device and number of an open file.
pub(super) fn identity(file: BorrowedFd<'_>) -> Option<Identity> {
    #[expect(clippy::useless_conversion, reason = "the types are not the same on every system")]
    fstat(file).ok().map(|there| (there.st_dev.into(), there.st_ino.into()))
}

/// Whether descriptor `theirs` of thread `tid` is the same open file as our `ours`. `None` if it cannot be known.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "kcmp is not wrapped")]
pub(super) fn is_same_open_file(tid: libc::pid_t, theirs: RawFd, ours: RawFd) -> Option<bool> {
    const KCMP_FILE: libc::c_int = 0;
    let own = std::process::id();
    // SAFETY: kcmp takes numbers only.
    let answer = unsafe { libc::syscall(libc::SYS_kcmp, own, tid, KCMP_FILE, ours, theirs) };
    match answer {
        0 => Some(true),
        1.. => Some(false),
        _ if io::Error::last_os_error().raw_os_error() == Some(libc::EBADF) => Some(false),
        _ => None,
    }
}

/// Other systems do not say.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_same_open_file(_: libc::pid_t, _: RawFd, _: RawFd) -> Option<bool> {
    None
}

/// Whether a write that was continued has finished, or does not happen.
pub(super) fn is_over(writing: &Writing, state: &mut Option<u64>) -> bool {
    /// A thread that has run for as long since, in nanoseconds, is not on its way into the call any more.
    const RUN: u64 = 5_000_000;
    let Ok(call) = std::fs::read_to_string(format!("/proc/{}/syscall", writing.tid)) else { return true };
    let first = call.split_whitespace().next().unwrap_or_default();
    if first != "running" {
        return first.parse() != Ok(writing.call) || !writing.is_there;
    }
    let statistics = std::fs::read_to_string(format!("/proc/{}/schedstat", writing.tid)).unwrap_or_default();
    let run = statistics.split_whitespace().next().and_then(|run| run.parse::<u64>().ok());
    match (run, &state) {
        (Some(run), Some(before)) => run.saturating_sub(*before) > RUN,
        (Some(run), None) => {
            *state = Some(run);
            false
        }
        (None, _) => true,
    }
}
