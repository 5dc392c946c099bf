//! What a watched run did, path by path.
//!
//! Paths are absolute, as the processes asked for them (joined to their directory, links not resolved).

mod access;
mod program;

pub use access::{Access, FirstChange, Listers, Prior};
pub use program::{Enters, Executed, Image, LooksUp, Nature, Shows, Takes};

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::path::PathBuf;

/// Everything that was seen of a run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// By path.
    pub accesses: BTreeMap<PathBuf, Access>,
    /// Of the paths that the call asked for: each look and opening for reading, in order.
    pub touches: BTreeMap<PathBuf, Vec<Touch>>,
    /// The programs of the processes that touched them.
    pub images: Vec<PathBuf>,
    /// Hazards; of each kind at most a few.
    pub hazards: Vec<Hazard>,
    /// A file that was read while the run's own stdout or stderr went there.
    pub own_output: Option<PathBuf>,
    /// Use of standard input as we inherited it.
    pub stdin: DescriptorUse,
    /// The environment that a process was started with was read as a whole (`/proc/PID/environ`).
    pub environment_read: bool,
    /// Variables on which results depend that other calls of cashet replayed or made within the run.
    pub nested_variables: BTreeSet<Vec<u8>>,
    /// Use of other descriptors that we inherited, by number; those above 2 only.
    pub descriptors: BTreeMap<u32, DescriptorUse>,
    /// Programs that were started, in order of their first start: the resolved path and the first word.
    pub programs: Vec<PathBuf>,
    /// Whether a process changed its working directory.
    pub moved: bool,
    /// Paths that were asked for by `..`, or from a directory that a process went to from elsewhere.
    pub upward: BTreeMap<PathBuf, Upward>,
    /// The run asked for another owner of something, or for the same.
    pub owners_set: bool,
    /// How what the run created, moved or changed the mode of got its permission bits.
    pub modes: BTreeMap<PathBuf, ModeGiven>,
    /// A program asked for the umask, and its result may depend on it.
    pub umask_used: bool,
    /// The same of a Python.
    pub umask_used_by_python: bool,
    /// A program that shows modes, owners or times looked at a file that the run created.
    pub own_shown: bool,
}

/// How a path was reached from another directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upward {
    /// That directory.
    pub from: PathBuf,
    /// Whether by `..`; otherwise by an absolute path, as shells do for `cd ..`.
    pub by_dots: bool,
}

/// How something got its permission bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeGiven {
    /// They were asked for when it was created: it has them without those that the umask takes.
    Asked(u32),
    /// The same from a program that always asks for these.
    Literal(u32),
    /// It was created by a process that had set a umask of its own.
    Fixed,
    /// They were set afterwards.
    Set {
        /// The bits.
        mode: u32,
        /// Whether they are not in the program's arguments.
        is_computed: bool,
    },
    /// They are what the umask leaves of 0666 or 0777, requested at creation. The program may always request them, or have
    /// taken them from another file.
    Fresh(u32),
    /// It was there and was written in place, so it keeps its bits. Where it is gone, these are asked for.
    Kept {
        /// Those bits.
        asked: u32,
        /// Whether they are what the umask leaves of 0666 or 0777, as in [`ModeGiven::Fresh`].
        is_fresh: bool,
        /// Whether the program always asks for them, as in [`ModeGiven::Literal`].
        is_literal: bool,
    },
    /// They are those of the source file: the program copies them.
    Copied,
    /// It was moved or linked there, with the bits that it had.
    Moved,
}

/// One look at a path, or opening of it for reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Which process did it: an index of [`Trace::images`]. A process that executes another program is another one.
    pub image: usize,
    /// What it did.
    pub how: Touched,
}

/// How a path was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// Looked at, following links.
    Looked,
    /// Looked at without following the last link.
    LookedAtLink,
    /// Opened for reading.
    Opened,
}

/// What happens to the content of a file that is about to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They may be overwritten or cut off.
    Lost,
    /// They stay for processes that have the file open: it is moved, removed, replaced, or given other attributes.
    Kept,
}

/// What a path leads to, links followed.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// Nothing exists, not even a link.
    Nothing,
    /// This.
    There(&'a Metadata),
    /// It was not looked at.
    Unknown,
}

/// Which programs asked something. Interpreters ask what standard input is at each start, whatever they run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Askers {
    /// An interpreter.
    pub interpreters: bool,
    /// Another program; or an interpreter whose code asks.
    pub others: bool,
}

impl Askers {
    /// A program that asked itself.
    pub const OTHERS: Self = Self { interpreters: false, others: true };

    /// Merges with `other`.
    pub fn merge(&mut self, more: Self) {
        self.interpreters |= more.interpreters;
        self.others |= more.others;
    }
}

/// What was done with an inherited descriptor, by any number it was later known under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DescriptorUse {
    /// Its kind and size were asked for (`fstat`, or `stat` of a name such as `/dev/stdin`).
    pub asked: Askers,
    /// Its offset was asked for.
    pub placed: Askers,
    /// Whether it is a terminal was asked for.
    pub terminal: Askers,
    /// Whether something can be read from it was asked for (`select`, `poll`).
    pub polled: bool,
    /// Its real name was asked for.
    pub named: Askers,
    /// It was read, mapped, or opened again.
    pub read: bool,
    /// It was written.
    pub written: bool,
}

/// Something that watching cannot follow, or that reached outside: the observations may be incomplete.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Hazard {
    /// A connection to, or a port on, the network; with the address.
    Network(String),
    /// A Unix socket that is not the run's own, with its path.
    Socket(PathBuf),
    /// A program of another architecture or word size.
    ForeignProgram(PathBuf),
    /// A program that gains privileges when it starts.
    Privileged(PathBuf),
    /// Namespaces, chroot or mounts, with the name of the call.
    Namespace(&'static str),
    /// System V or POSIX message queues, shared memory, semaphores, kernel keys; with the name of the call.
    SharedObject(&'static str),
    /// A descriptor that came from another process.
    PassedDescriptor,
    /// The size of a terminal was asked for that is not the run's own.
    TerminalSize,
    /// How a terminal treats what goes through it was changed.
    TerminalModes,
    /// A cashet command read the contents of its store; with the command.
    Store(String),
    /// A process that was left behind when the command ended.
    LeftBehind,
    /// Something could not be observed, with the reason.
    Incomplete(String),
}
