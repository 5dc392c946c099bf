//! Declared inputs: files, directories and patterns become facts of the manifest.
//!
//! Directories count with everything below them, symbolic links by their text and their target. This module does not know what
//! the inputs are for.

use super::files::EntryKind;
use super::globs::{Lister, Pattern, Patterns, clean, owned};
use super::manifest::Value;
use super::recording_fs::RecordingFs;
use super::request::Request;
use super::world::{Kind, World};
use crate::error::{Error, Result};
use crate::record::{FileState, StoredPath};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The inputs that the call declares, by path.
///
/// # Errors
/// A usage error for one that does not exist, a pattern without a match, and what is neither file nor directory; a
/// system error for what cannot be read.
pub(super) fn declared(
    request: &Request,
    outputs: &Patterns,
    world: &mut RecordingFs<'_>,
) -> Result<BTreeMap<StoredPath, Value>> {
    let mut inputs = Inputs { world, outputs, found: Vec::new(), seen: BTreeSet::new() };
    for word in &request.inputs {
        let pattern = Pattern::new(word, &request.directory)?;
        let is_there = inputs.exists(&pattern.literal);
        let paths = if is_there.map_err(|error| Error::io("inspect", &pattern.literal, error))? {
            BTreeSet::from([pattern.literal.clone()])
        } else {
            pattern.expand(&mut inputs)?
        };
        if paths.is_empty() {
            return Err(missing(&pattern));
        }
        for path in paths {
            inputs.add(&path, path == pattern.literal)?;
        }
    }
    inputs.values()
}

fn missing(pattern: &Pattern) -> Error {
    let shown = pattern.written.display();
    if pattern.special {
        return Error::usage(format!("--input {shown} matches nothing"))
            .with_hint("quote patterns, so that the shell leaves them alone");
    }
    Error::usage(format!("--input {shown}: no such file or directory"))
        .with_hint("inputs are relative to the working directory")
}

/// The inputs that arguments name: every argument, or value in one, that names an existing regular file.
///
/// # Errors
/// A system error for a file that cannot be read.
pub(super) fn named(
    request: &Request,
    skip: &[usize],
    outputs: &Patterns,
    world: &mut RecordingFs<'_>,
) -> Result<BTreeMap<StoredPath, Value>> {
    let mut paths = BTreeSet::new();
    let counts = request.ignored.words(&request.words);
    for (place, word) in request.words.iter().enumerate() {
        // The target of a reference is in the key by its digest.
        if !counts.get(place).copied().unwrap_or(true)
            || skip.contains(&place)
            || request.references.iter().any(|reference| reference.word == place)
        {
            continue;
        }
        for part in parts_of(word) {
            let path = clean(&request.directory.join(part));
            // A declared output is not an input: it is not even read.
            if !part.is_empty() && !outputs.matches(&path) && world.kind(&path) == Kind::File {
                paths.insert(path);
            }
        }
    }
    let mut inputs = Inputs { world, outputs, found: Vec::new(), seen: BTreeSet::new() };
    for path in paths {
        inputs.add(&path, false)?;
    }
    inputs.values()
}

/// A word, and what in it may be a value: after `=`, after `@`.
fn parts_of(word: &OsStr) -> Vec<&OsStr> {
    let bytes = word.as_bytes();
    let mut parts = vec![bytes];
    if let Some(place) = bytes.iter().position(|byte| *byte == b'=') {
        parts.extend(bytes.get(place + 1..));
    }
    let files: Vec<&[u8]> = parts.iter().filter_map(|part| part.strip_prefix(b"@")).collect();
    parts.extend(files);
    parts.into_iter().map(OsStr::from_bytes).collect()
}

struct Inputs<'a, 'b> {
    world: &'a mut RecordingFs<'b>,
    outputs: &'a Patterns,
    found: Vec<PathBuf>,
    seen: BTreeSet<PathBuf>,
}

impl Lister for Inputs<'_, '_> {
    fn list(&mut self, directory: &Path) -> io::Result<Vec<(OsString, EntryKind)>> {
        self.world.tree_entries(directory).ok_or_else(|| unlisted(directory))
    }

    fn exists(&mut self, path: &Path) -> io::Result<bool> {
        Ok(fs::symlink_metadata(path).is_ok() || {
            // Its absence is a fact; an existing file becomes one when it is added.
            self.world.state(path, false) != FileState::Absent
        })
    }
}

impl Inputs<'_, '_> {
    /// Adds `path` and everything below it. A declared output is not an input, unless it is `named` as one.
    fn add(&mut self, path: &Path, named: bool) -> Result<()> {
        let output = self.outputs.matches(path) && !(named && self.outputs.names(path));
        if output || !self.seen.insert(path.to_path_buf()) {
            return Ok(());
        }
        let metadata = fs::symlink_metadata(path).map_err(|error| Error::io("inspect", path, error))?;
        let kind = EntryKind::of(metadata.file_type());
        self.found.push(path.to_path_buf());
        match kind {
            EntryKind::Directory => self.below(path),
            EntryKind::Symlink => self.target(path),
            EntryKind::Pipe | EntryKind::Socket | EntryKind::Device if named => {
                Err(Error::usage(format!("--input {} is neither file nor directory", path.display())))
            }
            EntryKind::File | EntryKind::Pipe | EntryKind::Socket | EntryKind::Device => Ok(()),
        }
    }

    fn below(&mut self, directory: &Path) -> Result<()> {
        let Some(entries) = self.world.tree_entries(directory) else {
            return Err(Error::io("list", directory, unlisted(directory)));
        };
        for (name, _) in entries {
            self.add(&directory.join(name), false)?;
        }
        Ok(())
    }

    /// The target of a link counts, too: its text alone would not show that the content changed.
    fn target(&mut self, link: &Path) -> Result<()> {
        let Some(text) = self.world.link(link) else {
            return Ok(());
        };
        let target = tidy(&link.parent().unwrap_or(link).join(text));
        // The chain of links may end in nothing.
        if self.world.kind(link) == Kind::Absent { Ok(()) } else { self.add(&target, false) }
    }

    fn values(self) -> Result<BTreeMap<StoredPath, Value>> {
        let files =
            self.found.iter().filter(|path| path.symlink_metadata().is_ok_and(|found| found.is_file()));
        self.world.memory().prepare(files.cloned());
        let mut values = BTreeMap::new();
        for path in &self.found {
            let value = match self.world.state(path, false) {
                FileState::File { mode, digest } => Value::File { executable: mode & 0o100 != 0, digest },
                FileState::Directory { .. } => Value::Directory,
                FileState::Symlink { text } => Value::Symlink(text),
                FileState::Special { .. } => Value::Present,
                FileState::Absent | FileState::LargeFile { .. } | FileState::Unreadable { .. } => {
                    let error = fs::File::open(path).err();
                    let error = error.unwrap_or_else(|| io::Error::from_raw_os_error(libc::EBUSY));
                    return Err(Error::io("read", path, error));
                }
            };
            values.insert(self.world.stored(path), value);
        }
        Ok(values)
    }
}

/// Why a directory could not be listed a moment ago.
fn unlisted(directory: &Path) -> io::Error {
    fs::read_dir(directory).err().unwrap_or_else(|| io::Error::from_raw_os_error(libc::EIO))
}

/// `path` without `..`, where that leads to the same place.
fn tidy(path: &Path) -> PathBuf {
    let cleaned = clean(path);
    let place = |path: &Path| fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()));
    if place(&cleaned) == place(path) { cleaned } else { owned(path.as_os_str().as_bytes()).into() }
}
