//! Which file a word starts: found on PATH as `execvp` finds it, and what its first line asks for.
//!
//! Every directory looked at before the hit is a fact. Knows nothing of what the program does.

use super::environment::{Environment, lookup};
use super::recording_fs::RecordingFs;
use super::world::{Kind, World};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Where programs are looked for when PATH is not set.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// As much of a script's first line as the kernel reads.
const FIRST_LINE: u64 = 256;

/// What a word leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A program, absolute.
    Program(PathBuf),
    /// Nothing.
    Nothing,
    /// Something that we may not execute.
    NotExecutable(PathBuf),
}

impl Found {
    /// The program, if it is one.
    #[must_use]
    pub fn program(self) -> Option<PathBuf> {
        match self {
            Self::Program(path) => Some(path),
            Self::Nothing | Self::NotExecutable(_) => None,
        }
    }
}

/// As much of the world as finding a program asks for.
pub trait Finder {
    /// What `path` leads to.
    fn found(&mut self, path: &Path) -> Kind;
    /// The PATH of the child.
    fn path(&mut self) -> Option<OsString>;
}

impl Finder for RecordingFs<'_> {
    fn found(&mut self, path: &Path) -> Kind {
        self.kind(path)
    }

    fn path(&mut self) -> Option<OsString> {
        self.variable(OsStr::new("PATH"))
    }
}

/// Looks without keeping a record, for a call that is not looked up.
pub(super) struct Unrecorded<'a>(pub(super) &'a Environment);

impl Finder for Unrecorded<'_> {
    fn found(&mut self, path: &Path) -> Kind {
        match path.metadata() {
            Ok(found) if found.is_file() => Kind::File,
            Ok(found) if found.is_dir() => Kind::Directory,
            Ok(_) => Kind::Other,
            Err(_) => Kind::Absent,
        }
    }

    fn path(&mut self) -> Option<OsString> {
        lookup(self.0, OsStr::new("PATH")).map(std::borrow::Cow::into_owned)
    }
}

/// Finds `word` as `execvp` does: on the PATH of the child, or relative to `directory` where it holds a slash.
pub(super) fn find(word: &OsStr, directory: &Path, finder: &mut dyn Finder) -> Found {
    let path = finder.path();
    find_on(word, path.as_deref().unwrap_or(OsStr::new(DEFAULT_PATH)), directory, finder)
}

/// [`find`] on the list of directories `path`.
pub(super) fn find_on(word: &OsStr, path: &OsStr, directory: &Path, finder: &mut dyn Finder) -> Found {
    if word.is_empty() {
        return Found::Nothing;
    }
    if word.as_bytes().contains(&b'/') {
        return candidate(directory.join(word), finder);
    }
    let mut refused = None;
    for place in path.as_bytes().split(|byte| *byte == b':') {
        // An empty place is the working directory.
        match candidate(directory.join(OsStr::from_bytes(place)).join(word), finder) {
            Found::Program(found) => return Found::Program(found),
            Found::NotExecutable(found) => {
                refused.get_or_insert(found);
            }
            Found::Nothing => {}
        }
    }
    refused.map_or(Found::Nothing, Found::NotExecutable)
}

fn candidate(path: PathBuf, finder: &mut dyn Finder) -> Found {
    match finder.found(&path) {
        Kind::Absent => Found::Nothing,
        Kind::File if rustix::fs::access(&path, rustix::fs::Access::EXEC_OK).is_ok() => Found::Program(path),
        Kind::File | Kind::Directory | Kind::Other => Found::NotExecutable(path),
    }
}

/// What the first line of a script asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstLine {
    /// The interpreter, as written.
    pub interpreter: PathBuf,
    /// What the kernel hands it as one word.
    pub argument: Option<OsString>,
}

/// What kind of program a file is, by its first bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// A script with a first line that names its interpreter.
    Script(FirstLine),
    /// Text without such a line: shells run it themselves.
    Text,
    /// Machine code, or anything else.
    Binary,
}

/// What kind of program `path` is.
pub(super) fn format(path: &Path, world: &mut RecordingFs<'_>) -> Format {
    let head = world.head(path, FIRST_LINE);
    match first_line(&head) {
        Some(line) => Format::Script(line),
        None if head.is_empty() || head.contains(&0) || head.starts_with(b"\x7fELF") => Format::Binary,
        None => Format::Text,
    }
}

fn first_line(head: &[u8]) -> Option<FirstLine> {
    let rest = head.strip_prefix(b"#!")?;
    let line = rest.split(|byte| *byte == b'\n').next()?;
    let line = line.trim_ascii();
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let (interpreter, argument) = line.split_at_checked(end)?;
    if interpreter.is_empty() {
        return None;
    }
    let argument = argument.trim_ascii();
    Some(FirstLine {
        interpreter: PathBuf::from(OsStr::from_bytes(interpreter)),
        argument: (!argument.is_empty()).then(|| OsString::from_vec(argument.to_vec())),
    })
}

/// The last component of a path as a program's name.
pub(super) fn base_name(path: &OsStr) -> &OsStr {
    OsStr::from_bytes(path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_are_read_as_the_kernel_reads_them() {
        let of = |text: &str| {
            first_line(text.as_bytes()).map(|line| {
                (line.interpreter.display().to_string(), line.argument.map(|a| a.into_string().unwrap()))
            })
        };
        assert_eq!(of("#!/bin/sh\nx"), Some(("/bin/sh".into(), None)));
        assert_eq!(of("#! /bin/sh \n"), Some(("/bin/sh".into(), None)));
        assert_eq!(
            of("#!/usr/bin/env -S python -u\n"),
            Some(("/usr/bin/env".into(), Some("-S python -u".into())))
        );
        assert_eq!(of("#!/bin/sh -e"), Some(("/bin/sh".into(), Some("-e".into()))));
        assert_eq!(of("#!\n"), None);
        assert_eq!(of("#comment"), None);
    }
}
