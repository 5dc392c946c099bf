//! Running a command as it would run without cashet: its streams are passed on and reported to a recorder, and the run is watched
//! where that is possible.
//!
//! Knows nothing about digests, blobs, manifests or caching.

mod activity;
mod beside;
#[cfg(target_os = "linux")]
mod bystander;
#[cfg(not(target_os = "linux"))]
#[path = "no_bystander.rs"]
mod bystander;
mod child;
mod detach;
mod monotonic;
pub mod nested;
mod order;
mod passing;
mod pidfd;
mod process;
#[cfg(target_os = "linux")]
mod process_title;
mod pump;
mod replace;
mod signals;
mod sink;
mod spawn;
mod spool;
mod startup;
mod streams;
#[cfg(target_os = "linux")]
mod takeover;
#[cfg(target_os = "linux")]
mod terminal;
#[cfg(not(target_os = "linux"))]
#[path = "terminal/unsupported.rs"]
mod terminal;
#[cfg(test)]
mod tests;
mod trace;
mod tty;
mod umask;
mod unix;
mod watch;
mod withheld;

pub use activity::{Activity, activity};
pub use beside::{Beside, Group};
pub use detach::{has_siblings, is_nested, start_detached, start_helper, start_helper_of_job};
pub use replace::{replace, shortage};
pub use signals::raise_again;
pub use startup::{begin, is_signal_ignored, remember_start, stdin_was_closed, was_closed};
pub use streams::one_target;
pub use terminal::{from_environment as usual_size, size_of};
pub use trace::{
    Access, Askers, DescriptorUse, Enters, Executed, Fate, FirstChange, Hazard, Image, Listers, LooksUp,
    ModeGiven, Nature, Prior, Seen, Shows, Takes, Touch, Touched, Trace, Upward,
};
pub use umask::umask;
pub use unix::Unix;

use crate::buffer::Buffer;
use crate::error::Result;
use crate::record::{Circumstances, Interleaving, Resources, Stream, Termination};
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// What the child gets as standard input.
#[derive(Debug)]
pub enum Stdin {
    /// Our standard input.
    Inherit,
    /// `/dev/null`.
    Null,
    /// This file, from its present offset on.
    File(File),
}

/// How the child's stdout and stderr reach the user.
#[derive(Clone, Copy, Debug)]
pub enum Output<'a> {
    /// The child gets the user's own descriptors. The recorder gets nothing.
    Direct,
    /// Each goes through a pipe and to the recorder.
    Recorded {
        /// A directory for temporary files that hold the bytes which a slow reader has not taken. Without one, the bytes stay
        /// in memory, and the child waits when there are many.
        spool: Option<&'a Path>,
    },
    /// Both go through one pipe, as stdout. In an unwatched run, only this keeps their order.
    Merged {
        /// As above.
        spool: Option<&'a Path>,
    },
}

/// Whether the command's stdout and stderr are terminals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tty {
    /// Neither is.
    Never,
    /// Each is one if ours is, and we are in its foreground.
    #[default]
    Auto,
    /// These are: stdout, stderr. They have the size of ours, or else this size, or else the size in the environment.
    These([bool; 2], Option<Size>),
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Number of characters in a line.
    pub columns: u16,
    /// Number of lines.
    pub rows: u16,
}

/// How the command produced a stream that it wrote to a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// The size of the terminal at the end.
    pub size: Size,
    /// Whether the run asked for it, or that could not be observed.
    pub is_size_asked: bool,
    /// Whether a program other than an interpreter asked whether a stream is a terminal, or for its size; also true where that
    /// could not be observed. Such a program may write something else to a pipe.
    pub is_asked_by_program: bool,
    /// Whether the size changed meanwhile.
    pub is_resized: bool,
}

/// Whether the run is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchMode {
    /// Not at all.
    Off,
    /// If possible. Otherwise the run continues unwatched, and the result contains the reason.
    Auto,
    /// It must be. Otherwise nothing runs.
    Require,
}

/// A command to run.
#[derive(Debug)]
pub struct Spec<'a> {
    /// The resolved path of the program.
    pub program: &'a Path,
    /// All words, the first as typed.
    pub words: &'a [OsString],
    /// The whole environment of the child.
    pub environment: &'a [(OsString, OsString)],
    /// The working directory of the command.
    pub directory: &'a Path,
    /// Standard input.
    pub stdin: Stdin,
    /// Where the child's stdout is passed on to.
    pub stdout: BorrowedFd<'a>,
    /// Where the child's stderr is passed on to.
    pub stderr: BorrowedFd<'a>,
    /// How they get there.
    pub output: Output<'a>,
    /// Whether they are terminals.
    pub tty: Tty,
    /// Whether the run is watched.
    pub watch: WatchMode,
    /// Directories below which nothing is an input or output: the store.
    pub unobserved: &'a [PathBuf],
    /// The program that a version manager's shim starts in the end. What was read before that does not count.
    pub behind_shim: Option<&'a Path>,
    /// Paths for which every single look and opening is reported.
    pub followed: &'a [PathBuf],
}

/// Receives the output of a run while it is in progress.
pub trait Recorder: Send {
    /// These bytes came on `stream`. They have been passed on to the user already, or wait for a slow reader.
    fn chunk(&mut self, stream: Stream, bytes: &[u8]);

    /// The first `length` bytes of `buffer` came on `stream`. The recorder may keep the buffer if it leaves another one of the same
    /// length in its place. This saves a copy of large output.
    fn buffer(&mut self, stream: Stream, buffer: &mut Buffer, length: usize) {
        self.chunk(stream, buffer.get(..length).unwrap_or_default());
    }
}

/// Is called before a process does something to an absolute path, while that process is held, so that it can look at the former
/// state of the path. Each method is called once for a path, unless it says otherwise. It also decides what programs are.
pub trait Witness: Send {
    /// `path` is about to be looked at or opened for the first time. It leads to `seen` now.
    fn about_to_look(&mut self, path: &Path, seen: Seen<'_>);

    /// The entries of the directory `path` are about to be read for the first time.
    fn about_to_list(&mut self, path: &Path);

    /// `path` is about to change for the first time: to be created, written, truncated, renamed, linked, removed, or given other
    /// attributes. A last link is not followed. `fate` says what happens to the bytes of a file.
    fn about_to_change(&mut self, path: &Path, fate: Fate);

    /// A file that the run made or changed is about to be executed, or read by a program that may run what it reads. Called each
    /// time.
    fn about_to_read_own(&mut self, _path: &Path, _executed: bool) {}

    /// A program is about to be executed. Called each time.
    fn about_to_execute(&mut self, _executed: &Executed<'_>) {}

    /// Whether to end the command because it changes something that cannot be restored. Called after each observed system call.
    fn must_end(&self) -> bool {
        false
    }

    /// What is known of a process that runs this program.
    fn nature(&mut self, _image: &Image<'_>) -> Nature {
        Nature { keeps: u64::MAX, ..Nature::default() }
    }
}

/// How passing on a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// All writers closed it and all of it was passed on.
    Complete,
    /// Our reader went away, and the pipe of the child was closed.
    ReaderGone,
    /// Our own descriptor did not take the bytes, with the system's error number: a full device, a terminal that
    /// hung up, `EBADF` if it was closed when we were started (then the child had it closed too), `EINTR` if a
    /// signal came while the reader did not read and the command had ended. Without cashet, the command's own write would have
    /// failed. Here its next write fails with SIGPIPE. If it had already written everything and ended well, the caller has to report
    /// that bytes were lost.
    WriteFailed(i32),
    /// Our own descriptor takes nothing, with the system's error number. The child got the descriptor itself, and the error as it
    /// would without cashet.
    HandedOver(i32),
    /// A process still holds the pipe after the command ended; a pump passes on what it writes.
    StillHeld,
}

/// What is known once the command has ended.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub termination: Termination,
    /// The resources that it used.
    pub resources: Resources,
    /// The first signal that reached us meanwhile (SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2), if one
    /// did, even if it was ignored when we were started. The child has got it too.
    pub signal: Option<i32>,
    /// How stdout ended.
    pub stdout: StreamEnd,
    /// How stderr ended.
    pub stderr: StreamEnd,
    /// How stdout and stderr were produced, where the command had a terminal.
    pub made: [Option<Made>; 2],
    /// How far the order in which the recorder received the streams is the order in which they were written.
    pub interleaving: Interleaving,
    /// Output that slow readers have not taken yet, to be delivered after the result was recorded.
    pub backlog: Backlog,
    /// What was observed, or why nothing could be.
    pub trace: Result<Trace, Unwatched>,
}

/// Output of a command that has ended, which slow readers have not taken yet.
#[derive(Debug, Default)]
pub struct Backlog {
    rests: Vec<sink::Rest>,
    /// A signal came that would have ended the command while it wrote.
    is_interrupted: bool,
}

impl Backlog {
    /// Writes it, however long the readers take. After a signal, only to readers that take something at once. Returns the system's
    /// error number where a descriptor did not take it. A reader that went away is not an error.
    pub fn deliver(self) -> Option<i32> {
        const AT_ONCE: std::time::Duration = std::time::Duration::from_millis(150);
        let failed = sink::deliver(self.rests, self.is_interrupted.then_some(AT_ONCE))?;
        (!matches!(failed, nix::errno::Errno::EPIPE | nix::errno::Errno::ECONNRESET)).then_some(failed as i32)
    }
}

/// Why a run was not watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwatched {
    /// It was asked for.
    Off,
    /// Watching is impossible here, with the reason.
    Unavailable(String),
}

/// Runs commands. Several threads may run one each at the same time.
pub trait Executor: Sync {
    /// Runs `spec` to its end. Returns when the command itself has ended and its streams have too, or a second
    /// after the command if processes left behind still hold them.
    ///
    /// # Errors
    /// When the command could not be started: [`crate::error::Kind::CommandNotFound`],
    /// [`crate::error::Kind::NotExecutable`], or the system's reason.
    fn run(&self, spec: Spec<'_>, recorder: &mut dyn Recorder, witness: &mut dyn Witness)
    -> Result<Finished>;

    /// What commands find where they run: as in this process, unless the executor says otherwise.
    fn circumstances(&self) -> &dyn Circumstances {
        &Unix
    }
}
