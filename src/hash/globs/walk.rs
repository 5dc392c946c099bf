//! Expanding a pattern: walking the directories that it may match in.

use super::Part;
use crate::error::{Error, Result, means_absent};
use crate::hash::exclude::{Excluded, excluded};
use crate::hash::files::{EntryKind, entries};
use ignore::{DirEntry, WalkBuilder};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

pub(super) struct Walk<'a> {
    pub(super) lister: &'a mut dyn Lister,
    pub(super) listed: HashMap<PathBuf, Vec<(OsString, EntryKind)>>,
    pub(super) found: BTreeSet<PathBuf>,
}

impl Walk<'_> {
    /// Adds everything below `directory` that matches `parts`.
    pub(super) fn expand(&mut self, directory: &Path, parts: &[Part]) -> Result<()> {
        let Some((part, rest)) = parts.split_first() else {
            if self.lister.exists(directory).map_err(|error| Error::io("inspect", directory, error))? {
                self.found.insert(directory.to_path_buf());
            }
            return Ok(());
        };
        match part {
            Part::Name(name) => self.expand(&directory.join(name), rest)?,
            Part::Like(glob) => {
                for (name, kind) in self.list(directory)? {
                    let deeper =
                        rest.is_empty() || kind == EntryKind::Directory || kind == EntryKind::Symlink;
                    if deeper && glob.is_match(&name) {
                        self.expand(&directory.join(name), rest)?;
                    }
                }
            }
            Part::Any => {
                self.expand(directory, rest)?;
                if rest.is_empty() {
                    return Ok(());
                }
                for (name, kind) in self.list(directory)? {
                    if kind == EntryKind::Directory {
                        self.expand(&directory.join(name), parts)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn list(&mut self, directory: &Path) -> Result<Vec<(OsString, EntryKind)>> {
        if let Some(known) = self.listed.get(directory) {
            return Ok(known.clone());
        }
        let found = match self.lister.list(directory) {
            Err(error) if means_absent(&error) => Vec::new(),
            other => other.map_err(|error| Error::io("list", directory, error))?,
        };
        self.listed.insert(directory.to_path_buf(), found.clone());
        Ok(found)
    }
}

/// Looks without keeping a record.
pub(super) struct Plain;

impl Lister for Plain {
    fn list(&mut self, directory: &Path) -> io::Result<Vec<(OsString, EntryKind)>> {
        let mut found = entries(directory, false)?;
        found.retain(|(name, _)| excluded(name) != Some(Excluded::VersionControl));
        Ok(found)
    }

    fn exists(&mut self, path: &Path) -> io::Result<bool> {
        match path.symlink_metadata() {
            Ok(_) => Ok(true),
            Err(error) if means_absent(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What expanding a pattern asks of the world.
pub(in crate::hash) trait Lister {
    /// The entries of a directory that count in trees.
    fn list(&mut self, directory: &Path) -> io::Result<Vec<(OsString, EntryKind)>>;
    /// Whether anything, a dangling link too, is at `path`.
    fn exists(&mut self, path: &Path) -> io::Result<bool>;
}

/// Adds `path` and all below it that counts in trees. What disappears meanwhile does not count.
pub(super) fn with_below(path: &Path, found: &mut BTreeSet<PathBuf>) -> Result<()> {
    if found.contains(path) {
        return Ok(());
    }
    let counts = |entry: &DirEntry| entry.depth() == 0 || excluded(entry.file_name()).is_none();
    for entry in WalkBuilder::new(path).standard_filters(false).filter_entry(counts).build() {
        match entry {
            Ok(entry) => drop(found.insert(entry.into_path())),
            Err(error) if error.io_error().is_some_and(means_absent) => {}
            Err(error) => {
                let error = error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into());
                return Err(Error::io("list", path, error));
            }
        }
    }
    Ok(())
}
