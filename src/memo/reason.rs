//! Why: every way in which a call was answered, as types.
//!
//! `ui` words them for people; `code` and `detail` are what a commit or an event keeps.

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
        /// It is older than `--stale` says: it wants a refresh.
        stale: bool,
        /// The user took it for the result of this code and these inputs.
        accepted: bool,
        /// Its output was there, as the command would have found it.
        own_output: bool,
        /// The shared cache that it came from just now.
        from: Option<String>,
    },
    /// The command ran.
    Ran {
        /// Why nothing was replayed.
        why: MissReason,
        /// Whether the result can be replayed from now on.
        kept: Kept,
    },
    /// The command ran bare, without being looked up or recorded.
    Bypassed(Bypass),
}

/// Whether a result can be replayed from now on.
#[derive(Clone, Debug)]
pub enum Kept {
    /// Yes.
    Yes,
    /// No, and why.
    No(NotKept),
}

/// Why nothing was replayed.
#[derive(Clone, Debug)]
pub enum MissReason {
    /// Nothing like it was ever recorded.
    First,
    /// Something is different from the nearest earlier commit.
    Changed {
        /// That commit.
        since: CommitId,
        /// What is different.
        changes: Vec<Difference>,
        /// Whether no other run of the same command line is newer.
        is_newest: bool,
    },
    /// The same ran before and was not kept.
    NeverKept {
        /// That commit.
        since: CommitId,
        /// Why it was not: see [`NotKept::code`].
        reason: String,
        /// What exactly, in words; may be empty.
        detail: String,
    },
    /// The result was dropped for room.
    Evicted,
    /// What is recorded was written to a terminal, and would not be the same here.
    Terminal,
    /// Both streams go to one place, and the order of the recorded ones is not known; or they go to two, and they were recorded
    /// as one.
    Order(Interleaving),
    /// It was asked for.
    Forced,
    /// The result is older than `--ttl` allows, by this many nanoseconds of age.
    Expired(u64),
    /// Stored bytes did not verify.
    Damaged(BlobId),
    /// The outputs could not be put in place, with the reason.
    NotRestored(String),
    /// An identical run that had begun before this call was waited for; this path changed meanwhile.
    Moved(StoredPath),
}

/// One difference from an earlier commit.
#[derive(Clone, Debug)]
pub enum Difference {
    /// In what is known before a run.
    Known(Change),
    /// In what was seen by watching.
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
    /// It ended in another way than `--cache-exit` says.
    Failed(Termination),
    /// A signal reached us while it ran.
    Interrupted(i32),
    /// The reader of its output went away.
    ReaderGone,
    /// Its output could not be passed on, with the system's error number.
    WriteFailed(i32),
    /// A process still held its output after it had ended.
    StillHeld,
    /// Something that decides the result moved while it ran.
    InputMoved(PathBuf),
    /// A declared output was not left behind.
    OutputMissing(PathBuf),
    /// A declared output existed before and was not written.
    OutputUntouched(PathBuf),
    /// An output is a socket, FIFO or device.
    OutputSpecial(PathBuf),
    /// A directory was moved, or given up, with more entries below it than are looked at.
    TreeTooLarge(PathBuf, usize),
    /// An output has an extended attribute of this name, which is not restored.
    OutputAttribute(PathBuf, String),
    /// An output was given to another owner or group.
    OutputOwner(PathBuf),
    /// It wrote outside of the root, or through a link that leads there.
    WroteOutside(PathBuf),
    /// It wrote into a version control system's own directory.
    WroteRepository(PathBuf),
    /// It read a file and then wrote it in place.
    ReadThenWritten(PathBuf),
    /// It used standard input, which was not a regular file.
    UsedStdin,
    /// It used an inherited descriptor.
    UsedDescriptor(u32),
    /// Its view was broken or it reached outside.
    Hazard(Hazard),
    /// `--no-cache`.
    HistoryOnly,
    /// `--mode read`.
    ReadOnly,
    /// An identical run at the same time was not kept either.
    Alongside,
    /// An identical run goes on and was not waited for, with the reason.
    NotAwaited(Unawaited),
    /// It read a file while its own output went there.
    ReadOwnOutput(PathBuf),
    /// The store did not take it, with the reason.
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
    /// A word for the kind of reason; stable, since commits and events keep it.
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

    /// What exactly, in words.
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

/// What the user can do about a result that was not kept, by the kind of reason and its detail.
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

/// Why a command ran bare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bypass {
    /// `--mode off`.
    Off,
    /// Its answer is the moment, or its point is the deed; with the program's name.
    Moment(String),
    /// A word names a descriptor of ours (`<(…)`).
    Descriptor(std::ffi::OsString),
    /// It cannot be watched and the call declares nothing.
    Unwatched(Unwatched),
    /// It cannot be watched, and its standard input is a pipe, a socket or the like.
    Stdin,
    /// The store cannot be used, with the reason.
    Store(String),
}

impl Bypass {
    /// A word for the kind of reason; stable.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Moment(_) => "moment",
            Self::Descriptor(_) => "descriptor",
            Self::Unwatched(_) => "unwatched",
            Self::Stdin => "stdin",
            Self::Store(_) => "store",
        }
    }

    /// What exactly, in words.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Off => "--mode off".to_owned(),
            Self::Moment(program) => {
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

/// The path that an observation is about, if it is about one.
#[must_use]
pub fn observed_path(observation: &Observation) -> Option<&StoredPath> {
    observation.path()
}
