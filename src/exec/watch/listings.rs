//! Distinguishes listings by Python's importer from others. The importer looks at the time of a directory, and lists it at once
//! unless it knows its present state.

use super::process::as_path;
use super::touches::process_of;
use rustc_hash::{FxHashMap, FxHashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// A process and a directory.
type InProcess = (Vec<u8>, Vec<u8>);

/// What processes have listed.
#[derive(Debug, Default)]
pub(super) struct Listings {
    /// The names by which each directory was opened.
    names: FxHashMap<Vec<u8>, Vec<Vec<u8>>>,
    /// Those of them of which the links on the way were looked at.
    followed: FxHashSet<Vec<u8>>,
    /// The path that each thread looked at last, if it opened no directory since.
    looked: FxHashMap<libc::pid_t, Vec<u8>>,
    /// The times that directories had when a process listed them.
    listed: FxHashMap<InProcess, (i64, i64)>,
    /// Directories that were listed again in an unchanged state.
    again: FxHashSet<(InProcess, (i64, i64))>,
}

impl Listings {
    /// The directory with the real path `real` is opened by the name `path`.
    pub(super) fn opened(&mut self, real: Vec<u8>, path: &[u8]) {
        let names = self.names.entry(real).or_default();
        if !names.iter().any(|name| name == path) {
            names.push(path.to_vec());
        }
    }

    /// The names by which the directory with the real path `real` was opened.
    pub(super) fn names_of(&self, real: &[u8]) -> Vec<Vec<u8>> {
        self.names.get(real).cloned().unwrap_or_default()
    }

    /// The names other than `real` by which that directory was opened, each of them once.
    pub(super) fn not_followed(&mut self, real: &[u8]) -> Vec<Vec<u8>> {
        let Self { names, followed, .. } = self;
        let others = names.get(real).into_iter().flatten().filter(|name| *name != real);
        let new: Vec<Vec<u8>> = others.filter(|name| !followed.contains(*name)).cloned().collect();
        followed.extend(new.iter().cloned());
        new
    }

    /// Thread `tid` looks at `path`.
    pub(super) fn looked(&mut self, tid: libc::pid_t, path: &[u8]) {
        let last = self.looked.entry(tid).or_default();
        last.clear();
        last.extend_from_slice(path);
    }

    /// Which part of the process of `tid`, which may be an importer, opens the directory `path`.
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

/// The part of a process that lists a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lister {
    /// The importer: the thread has just looked at it, and the process has not listed its present state.
    Importer,
    /// Like the importer, although the process has listed its present state. Only the first time.
    Again,
    /// The code of the program.
    Code,
}
