//! Observations: what a watched run depended on.
//!
//! This module does not know how a run is watched or how an observation is checked.

mod encoding;

use super::evidence::Timestamp;
use super::found::{BothEnds, FoundProgram};
use super::names::Names;
use super::path::{Base, StoredPath};
use super::state::FileState;
use super::stdin::{StdinKind, StdinUse};
use crate::digest::Digest;

/// A fact on which a result depends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// The content of the regular file that a path leads to.
    Content {
        /// As the run named it; cashet does not resolve links in it.
        path: StoredPath,
        /// The digest of its content.
        digest: Digest,
    },
    /// The state of a path.
    State {
        /// As it was asked for.
        path: StoredPath,
        /// Whether the last link is followed.
        follow: bool,
        /// The state.
        state: FileState,
    },
    /// The names and kinds of a directory's entries.
    Listing {
        /// The directory.
        path: StoredPath,
        /// Whether excluded names are included, since the command names them.
        everything: bool,
        /// Of the sorted names and kinds.
        digest: Digest,
    },
    /// The entries of a directory that an import of some modules would find: files and directories whose name up to the first dot
    /// is one of the modules.
    Importable {
        /// The directory.
        path: StoredPath,
        /// Names of the modules, sorted.
        names: Names,
        /// Of the sorted names and kinds of those entries.
        digest: Digest,
    },
    /// The names and kinds of a directory's entries as a program lists them, without the store and without private state of the
    /// run's tools.
    Entries {
        /// The directory.
        path: StoredPath,
        /// Names that are left out, sorted.
        aside: Names,
        /// Of the sorted names and kinds.
        digest: Digest,
    },
    /// The path exists, with any content: private state of a tool, which only saves it time.
    Exists {
        /// The path.
        path: StoredPath,
    },
    /// The content part of git's index, without times, sizes and inodes.
    Index {
        /// The index.
        path: StoredPath,
        /// Of that content.
        digest: Digest,
    },
    /// Results of earlier runs that the run reads and writes: all of them are as it found them, or all as it left them.
    Settled {
        /// Each, sorted by path.
        states: Vec<BothEnds>,
    },
    /// Programs that were looked for on PATH.
    Search {
        /// Of PATH.
        path: Digest,
        /// The names that were looked for and where they led, sorted by name.
        programs: Vec<FoundProgram>,
        /// Whether a process changed its working directory, so that a relative directory in another PATH could mean another one.
        moved: bool,
    },
    /// The run used the network, and the call allows it.
    Network,
    /// The order of modification times of some files: paths from the oldest on, equal ones together.
    TimeOrder {
        /// Groups of files with one time, oldest group first, each sorted.
        groups: Vec<Vec<StoredPath>>,
    },
    /// The order of modification times between some files and files that were looked at and then written.
    Around {
        /// The files that were written, sorted.
        written: Vec<StoredPath>,
        /// Files older than each of them, sorted.
        older: Vec<StoredPath>,
        /// Files of the same time as all of them, sorted.
        same: Vec<StoredPath>,
        /// Files newer than each of them, sorted.
        newer: Vec<StoredPath>,
    },
    /// The exact times of a path, for programs that show them. The inode's change time represents the other attributes that they
    /// show: owner, link count, attributes.
    Modified {
        /// The path.
        path: StoredPath,
        /// Whether the last link is followed.
        follow: bool,
        /// Time of the last change of content.
        time: Timestamp,
        /// Time of the last change of content or inode.
        changed: Timestamp,
    },
    /// Standard input.
    Stdin(StdinUse),
    /// What standard input is.
    StdinKind(StdinKind),
    /// Whether standard input is a terminal.
    StdinTerminal(bool),
    /// The real name of standard input, as the kernel reports it.
    StdinName(Vec<u8>),
    /// Another inherited descriptor that was read.
    Descriptor {
        /// Its number.
        number: u32,
        /// Offset when the run began.
        offset: u64,
        /// Digest of everything from there on.
        digest: Digest,
    },
    /// A variable of the environment.
    Variable {
        /// Its name.
        name: Vec<u8>,
        /// Digest of its value; `None` when it is not set.
        value: Option<Digest>,
    },
    /// The whole environment.
    Environment {
        /// Of all names and values.
        digest: Digest,
    },
    /// The umask.
    Umask(u32),
    /// The umask removes at least these bits.
    UmaskAtLeast(u32),
    /// Whether the user is root.
    Superuser(bool),
    /// The user and the groups as which the command ran.
    User {
        /// See [`user_digest`](super::circumstances::user_digest).
        digest: Digest,
    },
    /// The absolute path of the root, which the result contains.
    Root(Vec<u8>),
    /// The last name of the root's path, which the result contains.
    RootName(Vec<u8>),
    /// Variables that are not set and are named in code that the run created. A name that ends in an underscore includes all
    /// variables that begin with it.
    Unset {
        /// Sorted.
        names: Names,
    },
    /// The entries of a directory that an import of any module would find.
    Modules {
        /// The directory.
        path: StoredPath,
        /// Of the sorted names and kinds of those entries.
        digest: Digest,
    },
    /// The entries of a directory by which Python knows what is installed (`*.dist-info`, `*.egg-info`, `*.pth`).
    Distributions {
        /// The directory.
        path: StoredPath,
        /// Of the sorted names and kinds of those entries.
        digest: Digest,
    },
    /// The entries of the loader's cache for some libraries: all entries of each name, in order.
    Loader {
        /// The cache.
        path: StoredPath,
        /// Base names of the libraries, sorted.
        names: Names,
        /// Of the entries.
        digest: Digest,
    },
    /// The lines of some users or groups in `/etc/passwd` or `/etc/group`.
    Accounts {
        /// `/etc/passwd` or `/etc/group`.
        path: StoredPath,
        /// Numbers of the users or groups, sorted.
        ids: Vec<u32>,
        /// Of their lines.
        digest: Digest,
    },
    /// Nothing has this name in the home directory that `/etc/passwd` contains for the user. (That of HOME may be another.)
    NotInHome {
        /// A name without a slash.
        name: Vec<u8>,
    },
    /// The nearest directory above the root that has a name.
    Upward {
        /// The name, or a path below such a directory.
        name: Vec<u8>,
        /// The path; `None` if no directory up to `/` has the name.
        found: Option<StoredPath>,
    },
    /// The toolchain: a name, set by the user, that is compared instead of system files.
    Toolchain {
        /// The name, or a digest of the list of installed packages.
        token: Vec<u8>,
    },
}

/// The sort key: whether the observation has no path; base, directory and rest of the path.
pub(crate) type Place<'a> = (bool, Option<(Base, &'a [u8], &'a [u8])>);

/// The path of a borrowed observation, shared or not.
macro_rules! the_path {
    ($observation:expr) => {
        match $observation {
            Self::Content { path, .. }
            | Self::State { path, .. }
            | Self::Listing { path, .. }
            | Self::Importable { path, .. }
            | Self::Modules { path, .. }
            | Self::Distributions { path, .. }
            | Self::Loader { path, .. }
            | Self::Accounts { path, .. }
            | Self::Entries { path, .. }
            | Self::Exists { path }
            | Self::Index { path, .. }
            | Self::Modified { path, .. } => Some(path),
            _ => None,
        }
    };
}

impl Observation {
    /// The path of the observation, if it has exactly one.
    #[must_use]
    pub fn path(&self) -> Option<&StoredPath> {
        the_path!(self)
    }

    /// The same observation of another path. `None` if it has not exactly one.
    #[must_use]
    pub fn at(&self, path: StoredPath) -> Option<Self> {
        let mut other = self.clone();
        let place: Option<&mut StoredPath> = the_path!(&mut other);
        *place? = path;
        Some(other)
    }

    /// The sort key of observations: those of one directory are together, those without a path come last.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        let place = self.path().map(|path| {
            let (base, directory) = path.place();
            (base, directory, path.rest())
        });
        (place.is_none(), place)
    }
}
