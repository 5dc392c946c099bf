//! What a watched run was seen to do, path by path.
//!
//! Paths are absolute, as the processes asked for them (joined to their directory, links not resolved).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::path::{Path, PathBuf};

/// Everything that was seen of a run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// By path.
    pub accesses: BTreeMap<PathBuf, Access>,
    /// Of the paths that the call asked for: each look and opening for reading, in order.
    pub touches: BTreeMap<PathBuf, Vec<Touch>>,
    /// The programs of the processes that touched them.
    pub images: Vec<PathBuf>,
    /// What broke the view or reached outside; each kind at most a few times.
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
    /// A program asked for the umask and may make something of it.
    pub umask_used: bool,
    /// A program that shows modes, owners or times looked at something of the run's own making.
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
    /// It was created by a process that had set a umask of its own.
    Fixed,
    /// They were set afterwards.
    Set {
        /// The bits.
        mode: u32,
        /// Whether the program did not get them in its words.
        is_computed: bool,
    },
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

/// What becomes of the bytes of a file that is about to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They may be overwritten or cut off.
    Lost,
    /// They stay for whoever has the file open: it is moved, removed, replaced, or given other attributes.
    Kept,
}

/// What a path leads to, links followed.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// Nothing: there is not even a link.
    Nothing,
    /// This.
    There(&'a Metadata),
    /// It was not looked at.
    Unknown,
}

/// A program as a process runs it.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// The file that is executed.
    pub program: &'a Path,
    /// All its words.
    pub words: &'a [OsString],
    /// What the process calls itself at the moment; empty as long as nobody asked by [`Shows::AsNamed`].
    pub name: &'a OsStr,
}

/// What is known of a program and its words beforehand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nature {
    /// What it shows.
    pub shows: Shows,
    /// It is a Python that runs code of the project: what it lists, that code says, or its importer does.
    pub is_function: bool,
    /// Kinds of state, one bit each as the witness numbers them, that this program keeps for itself.
    pub keeps: u64,
    /// It may run what it reads: an interpreter, a shell.
    pub reads_code: bool,
    /// It looks up only its own user, and the owners of what it shows.
    pub knows_owners: bool,
    /// It runs code in files: what it asks by itself when it starts, that code has not said.
    pub is_interpreter: bool,
    /// It is a shell, which is an interpreter too.
    pub is_shell: bool,
    /// It may decide by the order of modification times of files that it looks at: those whose names end so, or all where
    /// none is given.
    pub compares_times: Option<&'static [&'static str]>,
    /// What it puts somewhere, it puts into what is there if that is a directory.
    pub enters_directories: bool,
    /// It makes something of the umask that it asks for.
    pub uses_umask: bool,
    /// It gets the modes that it sets in its words.
    pub names_modes: bool,
    /// It asks for the same modes whatever it finds.
    pub asks_literally: bool,
    /// It sets the right to execute as far as the umask allows.
    pub is_linker: bool,
}

impl Nature {
    /// Whether it may compare the time of `path` with those of others.
    #[must_use]
    pub fn compares(&self, path: &[u8]) -> bool {
        self.compares_times.is_some_and(|endings| {
            endings.is_empty() || endings.iter().any(|ending| path.ends_with(ending.as_bytes()))
        })
    }
}

/// A program that a process is about to execute.
#[derive(Clone, Copy)]
pub struct Executed<'a> {
    /// The file, as it was asked for.
    pub program: &'a Path,
    /// Its words; those that cannot be read are left out.
    pub words: &'a [OsString],
    /// Where the process works.
    pub directory: &'a Path,
    /// Whether a descriptor of it is a pipe that is not one of ours.
    pub is_pipe: &'a dyn Fn(i32) -> bool,
}

/// What a program shows of the files that it looks at or opens, beside their content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shows {
    /// Nothing.
    #[default]
    Nothing,
    /// The mode of files that it opened.
    Modes,
    /// Times, owners, attributes.
    Times,
    /// It is many programs in one: that depends on what the process calls itself at each moment.
    AsNamed,
}

/// Which programs asked something. Interpreters ask what standard input is each time that they start, whatever they run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Askers {
    /// An interpreter.
    pub interpreters: bool,
    /// Another program; or any, in words that none says by itself.
    pub others: bool,
}

impl Askers {
    /// Any program that asked in words of its own.
    pub const OTHERS: Self = Self { interpreters: false, others: true };

    /// Takes in who else asked.
    pub fn merge(&mut self, more: Self) {
        self.interpreters |= more.interpreters;
        self.others |= more.others;
    }

    /// Whether anybody asked.
    #[must_use]
    pub fn any(self) -> bool {
        self.interpreters || self.others
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
    /// The real name of what it stands for was asked for.
    pub named: Askers,
    /// It was read, mapped, or opened anew.
    pub read: bool,
    /// It was written.
    pub written: bool,
}

/// What a run did with a path before its own first change to it: whether what was there can have decided what it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prior {
    /// Nothing.
    #[default]
    Nothing,
    /// It asked whether and what something is there, and read none of it.
    Looked,
    /// It opened it for reading, asked whether it may, moved or linked it elsewhere: found or not.
    Consulted,
}

/// How a run changed a path first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstChange {
    /// It did not, or only removed what was not there.
    #[default]
    None,
    /// Opened and emptied in one call, or emptied before anything else.
    Emptied,
    /// Opened for writing with its content.
    InPlace,
    /// Opened for appending alone.
    Appended,
    /// Attributes, or another name for the same file.
    Altered,
    /// Something else was moved to its place.
    Put,
    /// Made by a call that fails where something is.
    Created,
    /// Removed or moved away, or to be removed where nothing was.
    Removed,
}

/// What was done with one path. All `false` is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// A regular file was opened for reading, or executed, or loaded by the kernel for that, before the run
    /// itself had made or truncated it.
    pub read: bool,
    /// A file was executed, or loaded by the kernel for that (interpreter, loader).
    pub executed: bool,
    /// Looked at, following links (`stat`, `access`).
    pub looked: bool,
    /// Looked at without following the last link (`lstat`, `readlink`).
    pub looked_at_link: bool,
    /// A look-up found nothing, and neither did we at that moment.
    pub absent: bool,
    /// A directory was opened.
    pub opened: bool,
    /// The entries of a directory were read.
    pub listed: bool,
    /// The run created, wrote, truncated, renamed, linked, removed it, or changed its attributes.
    pub changed: bool,
    /// The first change was to open it with `O_TRUNC` or to create it where nothing was: reads after it are of
    /// the run's own making.
    pub made: bool,
    /// What was there when it was changed first decides the result. False only where the first change was to open it
    /// with `O_CREAT|O_TRUNC` and without `O_EXCL`, and it was absent or had the mode that it would have been made with.
    pub kept_on_change: bool,
    /// It was to be removed or moved away, or something else was to take its place: what is below it was its own from then
    /// on, even if the call failed.
    pub given_up: bool,
    /// It was read, and afterwards changed in place.
    pub read_then_changed: bool,
    /// A directory that was opened by another program than the one that runs the function.
    pub listed_by_another: bool,
    /// A directory that the program which runs the function opened in another way than Python's importer does.
    pub listed_by_code: bool,
    /// A directory that such a program opened as the importer does, though it knew it as it was: once, as the search for
    /// installed packages does.
    pub listed_again: bool,
    /// A table of the system that was opened otherwise than the system's library does to look something up in it.
    pub as_data: bool,
    /// Opened by a program that shows modes.
    pub mode_shown: bool,
    /// Looked at or opened by a program that shows times.
    pub times_shown: bool,
    /// Kinds of state (see [`Nature::keeps`]) that one of the processes which did any of this does not keep.
    pub strangers: u64,
    /// As that, of the processes which changed it.
    pub changed_by_strangers: u64,
    /// Looked at by name by a program that may compare modification times.
    pub times_compared: bool,
    /// What was done before the first change.
    pub prior: Prior,
    /// The first change.
    pub first_change: FirstChange,
    /// A directory was to be made there.
    pub asked_to_make: bool,
    /// Looked at by a program that would put what it makes into a directory there.
    pub may_be_entered: bool,
    /// Its mode, times or other attributes were set.
    pub altered: bool,
    /// A directory of the run's own making that was listed.
    pub listed_own: bool,
    /// It was changed in another way than at first.
    pub changed_otherwise: bool,
    /// It was read, executed or looked at after its first change was to append to it.
    pub used_after_appending: bool,
    /// It was opened for appending by a program that is no interpreter: it may have asked where it stands.
    pub appended_by_programs: bool,
    /// Who had listed the directory around it before the first change.
    pub listed_around: Listers,
}

/// Which programs listed a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listers {
    /// A shell.
    pub shells: bool,
    /// Another interpreter.
    pub interpreters: bool,
    /// Another program.
    pub others: bool,
}

impl Listers {
    /// Takes in who else did.
    pub fn merge(&mut self, more: Self) {
        self.shells |= more.shells;
        self.interpreters |= more.interpreters;
        self.others |= more.others;
    }
}

impl Access {
    /// Takes in what is known of the same path from elsewhere.
    pub fn merge(&mut self, other: Self) {
        self.read |= other.read;
        self.executed |= other.executed;
        self.looked |= other.looked;
        self.looked_at_link |= other.looked_at_link;
        self.absent |= other.absent;
        self.opened |= other.opened;
        self.listed |= other.listed;
        self.changed |= other.changed;
        self.made |= other.made;
        self.kept_on_change |= other.kept_on_change;
        self.given_up |= other.given_up;
        self.read_then_changed |= other.read_then_changed;
        self.listed_by_another |= other.listed_by_another;
        self.listed_by_code |= other.listed_by_code;
        self.listed_again |= other.listed_again;
        self.as_data |= other.as_data;
        self.mode_shown |= other.mode_shown;
        self.times_shown |= other.times_shown;
        self.strangers |= other.strangers;
        self.changed_by_strangers |= other.changed_by_strangers;
        self.times_compared |= other.times_compared;
        self.prior = self.prior.max(other.prior);
        if self.first_change == FirstChange::None {
            self.first_change = other.first_change;
        }
        self.asked_to_make |= other.asked_to_make;
        self.may_be_entered |= other.may_be_entered;
        self.altered |= other.altered;
        self.listed_own |= other.listed_own;
        self.changed_otherwise |= other.changed_otherwise;
        self.used_after_appending |= other.used_after_appending;
        self.appended_by_programs |= other.appended_by_programs;
        self.listed_around.merge(other.listed_around);
    }
}

/// Something that makes what was seen not all that decided the result, or that reached outside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Hazard {
    /// A connection to, or a port on, the network; with the address.
    Network(String),
    /// A Unix socket that is not the run's own, with its path.
    Socket(PathBuf),
    /// A program of another architecture or word size.
    ForeignProgram(PathBuf),
    /// A program that gains rights by being started.
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
    /// A cashet command asked what its store holds; with the command.
    Store(String),
    /// A process that was left behind when the command ended.
    LeftBehind,
    /// The view has a hole, with what failed.
    Incomplete(String),
}
