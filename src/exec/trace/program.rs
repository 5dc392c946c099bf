//! The programs that a run executes, and their properties.

use rustc_hash::FxBuildHasher;
use std::ffi::{OsStr, OsString};
use std::hash::BuildHasher;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A program as a process runs it.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// The file that is executed.
    pub program: &'a Path,
    /// All its words.
    pub words: &'a [OsString],
    /// Where the process is; empty where that is not known.
    pub directory: &'a Path,
    /// The present name of the process; empty unless it is needed ([`Shows::AsNamed`]).
    pub name: &'a OsStr,
}

/// The existing directories that a program may find at its destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enters {
    /// None.
    #[default]
    None,
    /// Those whose name has this hash.
    Named(u64),
    /// Any.
    Any,
}

impl Enters {
    /// Directories of this name.
    #[must_use]
    pub fn named(name: &OsStr) -> Self {
        Self::Named(FxBuildHasher.hash_one(name.as_bytes()))
    }

    /// Whether the directory `path` may be one of them.
    #[must_use]
    pub fn may_be(self, path: &[u8]) -> bool {
        match self {
            Self::None => false,
            Self::Any => true,
            Self::Named(hash) => {
                let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
                FxBuildHasher.hash_one(name) == hash
            }
        }
    }
}

/// The files that a program copies, moves or packs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Takes {
    /// It is not known for that.
    #[default]
    Nothing,
    /// Those whose path has one of these hashes.
    Named([Option<u64>; 4]),
    /// Any.
    Anything,
}

impl Takes {
    /// These files, by their absolute paths.
    #[must_use]
    pub fn named(paths: impl Iterator<Item = PathBuf>) -> Self {
        let mut hashes = [None; 4];
        let mut free = hashes.iter_mut();
        for path in paths {
            let Some(place) = free.next() else { return Self::Anything };
            *place = Some(FxBuildHasher.hash_one(path.as_os_str().as_bytes()));
        }
        Self::Named(hashes)
    }

    /// Whether the file `path` may be one of them.
    #[must_use]
    pub fn may_be(self, path: &[u8]) -> bool {
        match self {
            Self::Nothing => false,
            Self::Anything => true,
            Self::Named(hashes) => hashes.contains(&Some(FxBuildHasher.hash_one(path))),
        }
    }
}

/// The users and groups that a program looks up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LooksUp {
    /// Any of them.
    #[default]
    Anybody,
    /// Those that its arguments or its input name, not those of its own process.
    Named,
    /// Those of its own process, and the owners of files that it shows.
    Own,
    /// Only the owners of files that it shows. It also looks up the user of its own process at each start, but shows it only to
    /// code that asks for it.
    Owners,
}

/// Properties of a program with its arguments, known before it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nature {
    /// What it shows.
    pub shows: Shows,
    /// Python that runs code of the project: that code, or its importer, lists directories.
    pub is_function: bool,
    /// The kinds of private state that this program keeps, one bit each, as the witness numbers them.
    pub keeps: u64,
    /// The tool that it belongs to, as the witness numbers them (below 64), if that tool never takes for input what it made.
    pub builder: Option<u8>,
    /// It may run what it reads: an interpreter, a shell.
    pub reads_code: bool,
    /// Which users and groups it looks up.
    pub looks_up: LooksUp,
    /// An interpreter of files: what it asks at its start does not come from the code.
    pub is_interpreter: bool,
    /// It is a shell, which is an interpreter too.
    pub is_shell: bool,
    /// It is make, which lists directories to know which of the names in its rules exist.
    pub is_make: bool,
    /// It may compare modification times of the files that it looks at: those with one of these suffixes, or all if there is
    /// none.
    pub compares_times: Option<&'static [&'static str]>,
    /// It puts its output into an existing directory at the destination.
    pub enters: Enters,
    /// What it copies, moves or packs.
    pub takes: Takes,
    /// Its result depends on the umask that it asks for.
    pub uses_umask: bool,
    /// It is a Python, whose modules may ask for the umask to set the mode that it leaves.
    pub is_python: bool,
    /// Its arguments contain the modes that it sets.
    pub names_modes: bool,
    /// It lists directories above its input only to find settings and packages with known names.
    pub seeks_settings: bool,
    /// It accepts directories that it finds instead of creating them.
    pub accepts_directories: bool,
    /// It sets the size of a file relative to its present size.
    pub cuts_by_size: bool,
    /// It removes whatever there is: a file, or a directory with all that is in it.
    pub removes_trees: bool,
    /// It always sets the same modes.
    pub asks_literally: bool,
    /// It makes its output executable as the umask allows.
    pub is_linker: bool,
    /// It opens a file that it is about to remove, and does not read it.
    pub opens_what_it_removes: bool,
    /// It sets only modes that it takes from the files that it works on.
    pub copies_modes: bool,
    /// It may leave what it finds at the place of its output as it is: its options say so, or nothing is known of its code.
    pub may_leave_files: bool,
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

/// Which attributes of files a program shows, besides content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shows {
    /// Nothing.
    #[default]
    Nothing,
    /// The mode of files that it opened.
    Modes,
    /// Times, owners, attributes.
    Times,
    /// Many programs in one: it depends on the present name of the process.
    AsNamed,
}
