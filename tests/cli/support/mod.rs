//! A separate project for each test, with its own HOME, a small environment, and a counter of executions outside the
//! root. Strict: a test must state everything that a run prints, returns or leaves behind.
//!
//! Modelled on test builders that fail on any unexpected byte.

mod background;
#[path = "../../support/files.rs"]
mod files;
mod judge;
mod run;
mod snapshot;

pub(crate) use background::Background;
pub(crate) use run::{Ran, Run};

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The program under test.
pub(crate) const CASHET: &str = env!("CARGO_BIN_EXE_cashet");

/// A project in a temporary directory, which is removed with this value.
///
/// `project/` is the root and the working directory, `home/` is HOME, `tmp/` is TMPDIR and holds the counter.
/// Executions are counted in a directory with the name of a store, which never counts as an input or output.
pub(crate) struct Sandbox {
    base: TempDir,
}

impl Sandbox {
    /// An empty project whose root is marked by an empty `.git`.
    pub(crate) fn new() -> Self {
        let base =
            tempfile::Builder::new().prefix("sandbox-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for directory in ["project/.git", "home", "tmp/.cashet"] {
            fs::create_dir_all(base.path().join(directory)).unwrap();
        }
        fs::write(base.path().join("tmp/.cashet/executions"), "").unwrap();
        Self { base }
    }

    /// The directory that holds project, HOME and TMPDIR.
    pub(crate) fn base(&self) -> &Path {
        self.base.path()
    }

    /// A path in the project; `""` is the root itself.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.base().join("project").join(relative)
    }

    /// A path in HOME.
    pub(crate) fn home(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.base().join("home").join(relative)
    }

    /// The file with one line per execution.
    pub(crate) fn counter(&self) -> PathBuf {
        self.base().join("tmp/.cashet/executions")
    }

    /// Number of executed scripts of this sandbox so far.
    pub(crate) fn executions(&self) -> usize {
        fs::read_to_string(self.counter()).unwrap().lines().count()
    }

    /// Writes a file in the project, with the directories above it.
    pub(crate) fn write(&self, relative: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> &Self {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        files::write(&path, bytes.as_ref()).unwrap();
        self
    }

    /// Reads a file of the project.
    pub(crate) fn read(&self, relative: impl AsRef<Path>) -> Vec<u8> {
        let path = self.path(relative);
        fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    /// Removes a file or a directory of the project.
    pub(crate) fn remove(&self, relative: impl AsRef<Path>) -> &Self {
        let path = self.path(relative);
        if path.symlink_metadata().unwrap().is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        self
    }

    /// Makes a directory in the project, with those above it.
    pub(crate) fn directory(&self, relative: impl AsRef<Path>) -> &Self {
        fs::create_dir_all(self.path(relative)).unwrap();
        self
    }

    /// Makes a symbolic link in the project.
    pub(crate) fn symlink(&self, target: impl AsRef<Path>, relative: impl AsRef<Path>) -> &Self {
        symlink(target, self.path(relative)).unwrap();
        self
    }

    /// Sets the mode bits of a file of the project.
    pub(crate) fn mode(&self, relative: impl AsRef<Path>, mode: u32) -> &Self {
        fs::set_permissions(self.path(relative), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    /// Writes an executable shell script that counts its execution and then runs `body`.
    pub(crate) fn script(&self, relative: impl AsRef<Path>, body: impl AsRef<[u8]>) -> &Self {
        let head = format!("#!/bin/sh\n{}\n", self.count_in_shell());
        self.write(&relative, [head.as_bytes(), body.as_ref(), b"\n"].concat()).mode(relative, 0o755)
    }

    /// Writes a Python script that counts its execution and then runs `body`.
    pub(crate) fn python(&self, relative: impl AsRef<Path>, body: &str) -> &Self {
        let counter = self.counter();
        let head =
            format!("with open('{}', 'a') as counter:\n    counter.write('x\\n')\n", counter.display());
        self.write(relative, format!("{head}{body}\n"))
    }

    /// The shell command that counts an execution.
    pub(crate) fn count_in_shell(&self) -> String {
        format!("echo x >> '{}'", self.counter().display())
    }

    /// `cashet WORDS`, ready to be run in the project.
    pub(crate) fn cashet<Word: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = Word>) -> Run<'_> {
        Run::new(self, words_of(CASHET, words))
    }

    /// `cashet exec WORDS`, ready to be run in the project.
    pub(crate) fn exec<Word: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = Word>) -> Run<'_> {
        let mut all = vec![OsString::from(CASHET), OsString::from("exec")];
        all.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        Run::new(self, all)
    }

    /// `cashet exec --trace off WORDS`: only declared dependencies count.
    pub(crate) fn unwatched<Word: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = Word>) -> Run<'_> {
        let mut all: Vec<OsString> = ["--trace", "off"].map(OsString::from).into();
        all.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self.exec(all)
    }

    /// A command without cashet, for comparison, or a shell that calls cashet.
    pub(crate) fn bare<Word: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = Word>) -> Run<'_> {
        Run::new(self, words.into_iter().map(|word| word.as_ref().to_owned()).collect())
    }

    /// A line of shell in which `cashet` is the program under test.
    pub(crate) fn shell(&self, line: impl AsRef<OsStr>) -> Run<'_> {
        self.bare([OsStr::new("/bin/sh"), OsStr::new("-c"), line.as_ref()])
    }
}

fn words_of<Word: AsRef<OsStr>>(first: &str, rest: impl IntoIterator<Item = Word>) -> Vec<OsString> {
    let mut words = vec![OsString::from(first)];
    words.extend(rest.into_iter().map(|word| word.as_ref().to_owned()));
    words
}
