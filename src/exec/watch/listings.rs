//! Which openings of directories are those of Python's importer: it asks for a directory's time, and at once lists it if
//! it does not know it as it is.

use super::process::as_path;
use super::touches::process_of;
use rustc_hash::{FxHashMap, FxHashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// A process and a directory.
type InProcess = (Vec<u8>, Vec<u8>);

/// What processes listed until now.
#[derive(Debug, Default)]
pub(super) struct Listings {
    /// By which names each directory was opened.
    names: FxHashMap<Vec<u8>, Vec<Vec<u8>>>,
    /// What each thread looked at last, if it opened no directory since.
    looked: FxHashMap<libc::pid_t, Vec<u8>>,
    /// The times that directories had when a process listed them.
    listed: FxHashMap<InProcess, (i64, i64)>,
    /// Which were listed once more as they were.
    again: FxHashSet<(InProcess, (i64, i64))>,
}

impl Listings {
    /// The directory that is really at `real` is opened under the name `path`.
    pub(super) fn opened(&mut self, real: Vec<u8>, path: &[u8]) {
        let names = self.names.entry(real).or_default();
        if !names.iter().any(|name| name == path) {
            names.push(path.to_vec());
        }
    }

    /// The names under which the directory that is really at `real` was opened.
    pub(super) fn names_of(&self, real: &[u8]) -> Vec<Vec<u8>> {
        self.names.get(real).cloned().unwrap_or_default()
    }

    /// Thread `tid` looks at `path`.
    pub(super) fn looked(&mut self, tid: libc::pid_t, path: &[u8]) {
        let last = self.looked.entry(tid).or_default();
        last.clear();
        last.extend_from_slice(path);
    }

    /// How thread `tid`, whose process may be an importer, opens the directory `path`.
    pub(super) fn lister(&mut self, tid: libc::pid_t, path: &[u8]) -> Lister {
        let has_looked = self.looked.remove(&tid).is_some_and(|last| last == path);
        let Ok(found) = fs::metadata(as_path(path)) else { return Lister::Code };
        let time = (found.mtime(), found.mtime_nsec());
        let directory = (process_of(tid), path.to_vec());
        let before = self.listed.insert(directory.clone(), time);
        match has_looked {
            true if before != Some(time) => Lister::Importer,
            true if self.again.insert((directory, time)) => Lister::Again,
            _ => Lister::Code,
        }
    }
}

/// Who lists a directory in a process that imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lister {
    /// The importer: it has just looked at it, and its process did not list it as it is now.
    Importer,
    /// As the importer would, though its process has listed it as it is now: the first time.
    Again,
    /// The program.
    Code,
}
