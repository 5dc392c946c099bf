//! The programs that a run executes, and what is known of them.

use rustc_hash::FxBuildHasher;
use std::ffi::{OsStr, OsString};
use std::hash::BuildHasher;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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

/// The directories that a program may find in the place of its destination.
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
    pub enters: Enters,
    /// It makes something of the umask that it asks for.
    pub uses_umask: bool,
    /// It gets the modes that it sets in its words.
    pub names_modes: bool,
    /// It asks for the same modes whatever it finds.
    pub asks_literally: bool,
    /// It sets the right to execute as far as the umask allows.
    pub is_linker: bool,
    /// It sets only modes that it takes from the files that it works on.
    pub copies_modes: bool,
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
