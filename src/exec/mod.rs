//! Running a command: as it would run bare, with its streams passed on, told to a recorder, and, where
//! that is possible, under watch.
//!
//! Knows nothing of digests, blobs, manifests or caching.

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
mod terminal;
#[cfg(not(target_os = "linux"))]
#[path = "no_terminal.rs"]
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
pub use detach::{has_siblings, is_nested, start_detached, start_helper};
pub use replace::{replace, shortage};
pub use signals::raise_again;
pub use startup::{begin, is_signal_ignored, remember_start, stdin_was_closed};
pub use streams::one_target;
pub use terminal::{from_environment as usual_size, size_of};
pub use trace::{
    Access, Askers, DescriptorUse, Executed, Fate, FirstChange, Hazard, Image, Listers, ModeGiven, Nature,
    Prior, Seen, Shows, Touch, Touched, Trace, Upward,
};
pub use umask::umask;
pub use unix::Unix;

use crate::error::Result;
use crate::record::{Interleaving, Resources, Stream, Termination};
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// What the child gets as standard input.
#[derive(Debug)]
pub enum Stdin {
    /// Ours, whatever it is.
    Inherit,
    /// `/dev/null`.
    Null,
    /// This file, from its present offset on.
    File(File),
}

/// How the child's stdout and stderr reach the user.
#[derive(Clone, Copy, Debug)]
pub enum Output<'a> {
    /// The child gets the user's own descriptors: nothing is told to the recorder.
    Direct,
    /// Each through a pipe, told to the recorder.
    Recorded {
        /// Where bytes wait that a slow reader has not taken: a directory for temporary files. Without one they wait in
        /// memory, and the child waits when there are many.
        spool: Option<&'a Path>,
    },
    /// Both through one pipe, as stdout: unwatched, this alone keeps their order.
    Merged {
        /// As above.
        spool: Option<&'a Path>,
    },
}

/// Whether the command's stdout and stderr are terminals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tty {
    /// Neither is, whatever ours are.
    Never,
    /// Each is one if ours is, and we are in its foreground.
    #[default]
    Auto,
    /// These are: stdout, stderr. Of the size of ours, else of this one, else as the environment says.
    These([bool; 2], Option<Size>),
}

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// How many characters are in a line.
    pub columns: u16,
    /// How many lines there are.
    pub rows: u16,
}

/// How a stream was made that the command wrote to a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// The size of the terminal, in the end.
    pub size: Size,
    /// Whether the run asked for it, or that could not be observed.
    pub is_size_asked: bool,
    /// Whether a program that is no interpreter asked whether one of the two streams is a terminal, or how large it is; or
    /// that could not be observed. Then it may write something else to a pipe.
    pub is_asked_by_program: bool,
    /// Whether the size changed meanwhile.
    pub is_resized: bool,
}

/// Whether the run is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchMode {
    /// Not at all.
    Off,
    /// If it can be; otherwise the run goes on unwatched and says so.
    Auto,
    /// It must be; otherwise nothing runs.
    Require,
}

/// A command to run. The working directory is ours.
#[derive(Debug)]
pub struct Spec<'a> {
    /// The resolved path of the program.
    pub program: &'a Path,
    /// All words, the first as typed.
    pub words: &'a [OsString],
    /// The whole environment of the child.
    pub environment: &'a [(OsString, OsString)],
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
    /// Directories that are nobody's input or output: the store.
    pub unobserved: &'a [PathBuf],
    /// The program that a version manager's shim starts in the end: what was read before that does not count.
    pub behind_shim: Option<&'a Path>,
    /// Paths of which every single look and opening is told.
    pub followed: &'a [PathBuf],
}

/// Is told what a run does while it does it.
pub trait Recorder: Send {
    /// These bytes came on `stream`. They have been passed on to the user already, or wait for a slow reader.
    fn chunk(&mut self, stream: Stream, bytes: &[u8]);

    /// The first `length` bytes of `buffer` came on `stream`. The buffer may be kept, if another as long is left in its
    /// place: much is not copied once more.
    fn buffer(&mut self, stream: Stream, buffer: &mut Vec<u8>, length: usize) {
        self.chunk(stream, buffer.get(..length).unwrap_or_default());
    }
}

/// Is told, while the caller is held, what a process is about to do to an absolute path, so that it can look at the
/// path as it was. Each is called once for a path. And is asked what programs are.
pub trait Witness: Send {
    /// `path` is about to be looked at or opened for the first time. What it leads to just now is `seen`.
    fn about_to_look(&mut self, path: &Path, seen: Seen<'_>);

    /// The entries of the directory `path` are about to be read for the first time.
    fn about_to_list(&mut self, path: &Path);

    /// What `path` names is about to change for the first time: to be created, written, truncated, renamed, linked,
    /// removed, or given other attributes; last link not followed.
    /// What becomes of its bytes, if it is a file, is `fate`.
    fn about_to_change(&mut self, path: &Path, fate: Fate);

    /// A file of the run's own making, or one that it changed, is about to be read by a program that may run what it reads;
    /// or to be executed. Called whenever that happens.
    fn about_to_read_own(&mut self, _path: &Path, _executed: bool) {}

    /// A program is about to be executed. Called whenever that happens.
    fn about_to_execute(&mut self, _executed: &Executed<'_>) {}

    /// Whether the command is to be ended: it changes what cannot be put back. Asked after each call that is seen.
    fn must_end(&self) -> bool {
        false
    }

    /// What a process is that runs this program.
    fn nature(&mut self, _image: &Image<'_>) -> Nature {
        Nature { keeps: u64::MAX, ..Nature::default() }
    }
}

/// How the passing-on of a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// All writers closed it and all of it was passed on.
    Complete,
    /// Our reader went away; the child was told so by a closed pipe.
    ReaderGone,
    /// Our own descriptor did not take the bytes, with the system's error number: a full device, a terminal that
    /// hung up, `EBADF` if it was closed when we were started (then the child had it closed too), `EINTR` if a
    /// signal came while the reader did not read and the command had ended. Bare, the command's own write would
    /// have failed. Its next write does, by SIGPIPE; but it may have written all before, and end well: then it
    /// is for the caller to say that bytes were lost.
    WriteFailed(i32),
    /// Our own descriptor takes nothing, with the system's error number: the child got it itself, and learned that as it
    /// would bare.
    HandedOver(i32),
    /// A process still holds the pipe after the command ended; a pump passes on what it writes.
    StillHeld,
}

/// What is known once the command has ended.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub termination: Termination,
    /// What it took.
    pub resources: Resources,
    /// The first signal that reached us meanwhile (SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2), if one
    /// did, even if it was ignored when we were started. The child has got it too.
    pub signal: Option<i32>,
    /// How stdout ended.
    pub stdout: StreamEnd,
    /// How stderr ended.
    pub stderr: StreamEnd,
    /// How stdout and stderr were made, where the command had a terminal.
    pub made: [Option<Made>; 2],
    /// How far the order in which the recorder was told of the two is that in which they were written.
    pub interleaving: Interleaving,
    /// What slow readers have not taken yet; to be delivered when the result was recorded.
    pub backlog: Backlog,
    /// What was seen; or why nothing could be.
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
    /// Writes it, however long the readers take; after a signal, only to readers that take something at once. Returns the
    /// system's error number where a descriptor did not take it. A reader that went away misses nothing.
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
    /// This system cannot, with the reason.
    Unavailable(String),
}

/// Runs commands.
pub trait Executor {
    /// Runs `spec` to its end. Returns when the command itself has ended and its streams have too, or a second
    /// after the command if processes left behind still hold them.
    ///
    /// # Errors
    /// When the command could not be started: [`crate::error::Kind::CommandNotFound`],
    /// [`crate::error::Kind::NotExecutable`], or the system's reason.
    fn run(&self, spec: Spec<'_>, recorder: &mut dyn Recorder, witness: &mut dyn Witness)
    -> Result<Finished>;
}
