//! The outcome of a call, and the reasons for it, as types.
//!
//! `ui` formats them for people; commits and events store `code` and `detail`.

use crate::digest::{BlobId, CommitId};
use crate::exec::{Hazard, Unwatched};
use crate::hash::manifest::Change;
use crate::record::{Interleaving, Observation, StoredPath, Termination};
use std::path::{Path, PathBuf};

/// How a call was answered.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A commit was replayed.
    Hit {
        /// It is older than `--stale` allows, and is refreshed.
        stale: bool,
        /// The user has accepted it for this code and these inputs.
        accepted: bool,
        /// Its output existed already.
        own_output: bool,
        /// The shared cache from which it was fetched.
        from: Option<String>,
    },
    /// The command ran.
    Ran {
        /// Why nothing was replayed.
        why: MissReason,
        /// Whether the result was cached.
        kept: Kept,
    },
    /// The command ran without a look-up and was not recorded.
    Bypassed(Bypass),
}

/// Whether a result was cached.
#[derive(Clone, Debug)]
pub enum Kept {
    /// It was cached.
    Yes,
    /// It was not cached, with the reason.
    No(NotKept),
}

/// Why nothing was replayed.
#[derive(Clone, Debug)]
pub enum MissReason {
    /// There is no earlier run.
    First,
    /// Something differs from the nearest earlier commit.
    Changed {
        /// That commit.
        since: CommitId,
        /// The differences.
        changes: Vec<Difference>,
        /// Whether no other run of the same command line is newer.
        is_newest: bool,
    },
    /// The same command ran before and was not cached.
    NeverKept {
        /// That commit.
        since: CommitId,
        /// The reason: see [`NotKept::code`].
        reason: String,
        /// Details in words; may be empty.
        detail: String,
    },
    /// The result was evicted.
    Evicted,
    /// The recorded output was written to a terminal and would differ here.
    Terminal,
    /// Both streams of this call go to one place and the recorded order is not known; or they go to two places and were recorded
    /// as one stream.
    Order(Interleaving),
    /// The call asked for it (`--force`).
    Forced,
    /// The result is older than `--ttl` allows; its age in nanoseconds.
    Expired(u64),
    /// Stored bytes are damaged.
    Damaged(BlobId),
    /// The outputs could not be restored, with the reason.
    NotRestored(String),
    /// The call waited for an identical run that had begun before it, and this path changed meanwhile.
    Moved(StoredPath),
}

/// One difference from an earlier commit.
#[derive(Clone, Debug)]
pub enum Difference {
    /// In a fact of the manifest.
    Known(Change),
    /// In an observation.
    Seen {
        /// What was observed.
        then: Observation,
        /// The same observation, made now.
        now: Observation,
    },
}

/// Why a result cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// It failed: its exit status is not in `--cache-exit`.
    Failed(Termination),
    /// A signal arrived while it ran.
    Interrupted(i32),
    /// The reader of its output closed the pipe.
    ReaderGone,
    /// Its output could not be written, with the system's error number.
    WriteFailed(i32),
    /// A process still had its output open after it had ended.
    StillHeld,
    /// A dependency changed while it ran.
    InputMoved(PathBuf),
    /// A declared output does not exist after the run.
    OutputMissing(PathBuf),
    /// A declared output existed before and was not written.
    OutputUntouched(PathBuf),
    /// An output is a socket, FIFO or device.
    OutputSpecial(PathBuf),
    /// A directory with too many entries was moved or changed.
    TreeTooLarge(PathBuf, usize),
    /// An output has an extended attribute of this name, which is not restored.
    OutputAttribute(PathBuf, String),
    /// An output was given to another owner or group.
    OutputOwner(PathBuf),
    /// It wrote outside of the root, possibly through a link.
    WroteOutside(PathBuf),
    /// It wrote into a version control system's own directory.
    WroteRepository(PathBuf),
    /// It read a file and then wrote it in place.
    ReadThenWritten(PathBuf),
    /// It used standard input, which was not a regular file.
    UsedStdin,
    /// It used an inherited descriptor.
    UsedDescriptor(u32),
    /// It did something that watching cannot follow.
    Hazard(Hazard),
    /// `--no-cache`.
    HistoryOnly,
    /// `--mode read`.
    ReadOnly,
    /// An identical run at the same time was not cached, either.
    Alongside,
    /// An identical run is in progress and was not waited for, with the reason.
    NotAwaited(Unawaited),
    /// It read the file to which its own output goes.
    ReadOwnOutput(PathBuf),
    /// The store could not record it, with the reason.
    Store(String),
}

/// Why an identical run is not waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unawaited {
    /// `--no-wait`.
    NotWanted,
    /// It is stopped by a signal.
    Stopped,
    /// It has neither worked nor written for ten times its usual time, at least five seconds.
    NoProgress,
}

impl NotKept {
    /// Stable machine-readable code; commits and events store it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Failed(Termination::Signaled(_)) => "killed",
            Self::Failed(_) => "failed",
            Self::Interrupted(_) => "interrupted",
            Self::ReaderGone => "reader-gone",
            Self::WriteFailed(_) => "write-failed",
            Self::StillHeld => "still-held",
            Self::InputMoved(_) => "input-moved",
            Self::OutputMissing(_) => "output-missing",
            Self::OutputUntouched(_) => "output-untouched",
            Self::OutputSpecial(_) => "output-special",
            Self::TreeTooLarge(..) => "tree-too-large",
            Self::OutputAttribute(..) => "output-attribute",
            Self::OutputOwner(_) => "output-owner",
            Self::WroteOutside(_) => "wrote-outside",
            Self::WroteRepository(_) => "wrote-repository",
            Self::ReadThenWritten(_) => "read-then-written",
            Self::UsedStdin => "used-stdin",
            Self::UsedDescriptor(_) => "used-descriptor",
            Self::Hazard(Hazard::Network(_)) => "network",
            Self::Hazard(Hazard::TerminalSize) => "terminal-size",
            Self::Hazard(Hazard::TerminalModes) => "terminal-modes",
            Self::Hazard(_) => "hazard",
            Self::HistoryOnly => "no-cache",
            Self::ReadOnly => "read-only",
            Self::Alongside => "alongside",
            Self::NotAwaited(_) => "not-awaited",
            Self::ReadOwnOutput(_) => "read-own-output",
            Self::Store(_) => "store",
        }
    }

    /// Details in words.
    #[must_use]
    pub fn detail(&self) -> String {
        let shown = |path: &Path| path.display().to_string();
        match self {
            Self::Failed(Termination::Exited(status)) => format!("exit status {status}"),
            Self::Failed(Termination::Signaled(signal)) => format!("killed by {}", signal_name(*signal)),
            Self::Interrupted(signal) => format!("interrupted by {}", signal_name(*signal)),
            Self::ReaderGone => "its output was cut short (by head, for example)".to_owned(),
            Self::WriteFailed(errno) => {
                format!("its output could not be written: {}", nix::errno::Errno::from_raw(*errno).desc())
            }
            Self::StillHeld => "a process still holds its output".to_owned(),
            Self::InputMoved(path) => format!("{} changed while it ran", shown(path)),
            Self::OutputMissing(path) => format!("it did not make {}", shown(path)),
            Self::OutputUntouched(path) => format!("{} existed before and was not written", shown(path)),
            Self::OutputSpecial(path) => format!("{} is a socket, FIFO or device", shown(path)),
            Self::TreeTooLarge(path, most) => {
                format!("it moved or changed {}, which has more than {most} entries", shown(path))
            }
            Self::OutputAttribute(path, name) => {
                format!("{} has the attribute {name}, which cannot be restored", shown(path))
            }
            Self::OutputOwner(path) => {
                format!("{} was given to another owner, which cannot be restored", shown(path))
            }
            Self::WroteOutside(path) => format!("it wrote {}, outside of the root", shown(path)),
            Self::WroteRepository(path) => format!("it wrote {}", shown(path)),
            Self::ReadThenWritten(path) => format!("it read {} and wrote it in place", shown(path)),
            Self::UsedStdin => "it used standard input".to_owned(),
            Self::UsedDescriptor(number) => format!("it used the inherited descriptor {number}"),
            Self::Hazard(hazard) => describe(hazard),
            Self::HistoryOnly => "--no-cache".to_owned(),
            Self::ReadOnly => "--mode read".to_owned(),
            Self::Alongside => "an identical run at the same time was not cached".to_owned(),
            Self::NotAwaited(Unawaited::NotWanted) => {
                "an identical run is in progress (--no-wait)".to_owned()
            }
            Self::NotAwaited(Unawaited::Stopped) => "an identical run is stopped".to_owned(),
            Self::NotAwaited(Unawaited::NoProgress) => "an identical run makes no progress".to_owned(),
            Self::ReadOwnOutput(path) => format!("it read {}, to which its own output goes", shown(path)),
            Self::Store(reason) => reason.clone(),
        }
    }

    /// What the user can do about it, if anything.
    #[must_use]
    pub fn cure(&self) -> Option<String> {
        cure(self.code(), &self.detail())
    }
}

/// What the user can do about a result that was not cached, by code and detail of the reason.
#[must_use]
pub fn cure(code: &str, detail: &str) -> Option<String> {
    let text = match code {
        "failed" => format!("--cache-exit {} caches it", detail.strip_prefix("exit status ")?),
        "output-missing" => "declare the outputs that it writes".to_owned(),
        "output-untouched" => "--clean-outputs moves old outputs aside first".to_owned(),
        "wrote-outside" => {
            match detail.strip_prefix("it wrote ").and_then(|rest| rest.strip_suffix(", outside of the root"))
            {
                Some(path) if !path.contains(|c: char| c.is_whitespace() || "'*?[{\\~$".contains(c)) => {
                    format!("let it write inside the root, or --ignore-write {path}")
                }
                _ => "let it write inside the root, or --ignore-write it".to_owned(),
            }
        }
        "read-then-written" => "declare the file with both --input and --output".to_owned(),
        "used-stdin" | "stdin" => "--stdin makes it an input, -n gives it /dev/null".to_owned(),
        "network" => "--ttl 1h caches it for an hour, --allow-net until an input changes".to_owned(),
        "moment" => "--ttl 1h caches it for an hour".to_owned(),
        "terminal-size" => "-n gives it no terminal, --pure ignores its size".to_owned(),
        "descriptor" => "use a file instead".to_owned(),
        "read-own-output" => "write its output to a file that it does not read".to_owned(),
        "unwatched" => "declare dependencies with --input, --output or --pure".to_owned(),
        _ => return None,
    };
    Some(text)
}

/// The name of a signal; its number where it has none.
fn signal_name(signal: i32) -> String {
    let known = nix::sys::signal::Signal::try_from(signal);
    known.map_or_else(|_| format!("signal {signal}"), |known| known.as_str().to_owned())
}

fn describe(hazard: &Hazard) -> String {
    match hazard {
        Hazard::Network(address) => format!("it used the network: {address}"),
        Hazard::Socket(path) => format!("it used the socket {}", path.display()),
        Hazard::ForeignProgram(path) => format!("{} is of another architecture", path.display()),
        Hazard::Privileged(path) => format!("{} runs with other privileges", path.display()),
        Hazard::Namespace(call) => format!("it changed the meaning of paths ({call})"),
        Hazard::SharedObject(call) => format!("it shared memory or messages with other processes ({call})"),
        Hazard::PassedDescriptor => "it got a descriptor from another process".to_owned(),
        Hazard::TerminalSize => {
            "it asked for the size of a terminal that is not its own or that changed".to_owned()
        }
        Hazard::TerminalModes => "it changed terminal modes".to_owned(),
        Hazard::Store(command) => format!("it read the contents of a store ({command})"),
        Hazard::LeftBehind => "it left a process behind".to_owned(),
        Hazard::Incomplete(reason) => format!("it could not be watched completely: {reason}"),
    }
}

/// Why a command ran without being cached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bypass {
    /// `--mode off`.
    Off,
    /// Its output depends on the time or the machine, or it is run for its effect; with the name of the program.
    Volatile(String),
    /// An argument names an inherited descriptor (`<(…)`).
    Descriptor(std::ffi::OsString),
    /// It cannot be watched and the call declares nothing.
    Unwatched(Unwatched),
    /// It cannot be watched, and its standard input is a pipe or socket.
    Stdin,
    /// The store cannot be used, with the reason.
    Store(String),
}

impl Bypass {
    /// Stable machine-readable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Volatile(_) => "moment",
            Self::Descriptor(_) => "descriptor",
            Self::Unwatched(_) => "unwatched",
            Self::Stdin => "stdin",
            Self::Store(_) => "store",
        }
    }

    /// Details in words.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Off => "--mode off".to_owned(),
            Self::Volatile(program) => {
                format!("{program} depends on the time or the machine, or is run for its effect")
            }
            Self::Descriptor(word) => format!("{} is another process's output", word.display()),
            Self::Unwatched(Unwatched::Off) => "not watched (--trace off) and nothing declared".to_owned(),
            Self::Unwatched(Unwatched::Unavailable(reason)) => {
                format!("cannot be watched here ({reason}) and nothing declared")
            }
            Self::Stdin => "not watched, and standard input is not a file".to_owned(),
            Self::Store(reason) => reason.clone(),
        }
    }

    /// What the user can do about it, if anything.
    #[must_use]
    pub fn cure(&self) -> Option<String> {
        cure(self.code(), &self.detail())
    }
}

/// The path of an observation, if it has one.
#[must_use]
pub fn observed_path(observation: &Observation) -> Option<&StoredPath> {
    observation.path()
}
