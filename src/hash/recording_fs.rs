//! The real file system and environment, with a record: each look becomes a fact with its evidence.
//!
//! As long as all facts hold, a capture made from these looks gives the same result. This module does not know what the looks are
//! for.

use super::entry::Entry;
use super::environment::lookup;
use super::exclude::{Excluded, excluded};
use super::files::{EntryKind, entries, listing_digest, read_file, trusted};
use super::look::state;
use super::memory::FileMemory;
use super::request::Request;
use super::world::{Kind, World};
use crate::digest::Digest;
use crate::error::Result;
use crate::record::{Evidence, FileState, Observation, StoredPath, Timestamp};
use rustc_hash::FxBuildHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What a fact is about, besides its path. One fact of each kind is enough for a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Aspect {
    Target,
    Link,
    Listing,
    EveryEntry,
}

/// A fact with its evidence.
pub type Fact = (Observation, Option<Evidence>);

/// A file system view that records every look.
pub struct RecordingFs<'a> {
    request: &'a Request,
    memory: FileMemory<'a>,
    facts: BTreeMap<(StoredPath, Aspect), Fact>,
    /// Digests by device and inode: a file with several names, or links to it, is read once.
    digested: HashMap<(u64, u64), (Evidence, Digest), FxBuildHasher>,
    variables: BTreeSet<OsString>,
    overlay: Vec<(OsString, Option<OsString>)>,
    clears_environment: bool,
}

impl<'a> RecordingFs<'a> {
    /// A view without looks.
    #[must_use]
    pub fn new(request: &'a Request, memory: FileMemory<'a>) -> Self {
        Self {
            request,
            memory,
            facts: BTreeMap::new(),
            digested: HashMap::default(),
            variables: BTreeSet::new(),
            overlay: Vec::new(),
            clears_environment: false,
        }
    }

    /// Uses the environment that the launchers of `entry` make.
    pub(super) fn enter(&mut self, entry: &Entry) {
        self.overlay.clone_from(&entry.overlay);
        self.clears_environment = entry.clears_environment;
    }

    /// The record: facts, names of variables that were read, and the memory of digests.
    pub(super) fn finish(self) -> (Vec<Fact>, BTreeSet<OsString>, FileMemory<'a>) {
        (self.facts.into_values().collect(), self.variables, self.memory)
    }

    /// The stored form of `path`.
    pub(super) fn stored(&self, path: &Path) -> StoredPath {
        self.request.places.store(path)
    }

    /// Digests of files that were read before.
    pub(super) fn memory(&mut self) -> &mut FileMemory<'a> {
        &mut self.memory
    }

    /// The state of `path`; a regular file is digested whatever its size.
    pub(super) fn state(&mut self, path: &Path, follow: bool) -> FileState {
        let aspect = if follow { Aspect::Target } else { Aspect::Link };
        let stored = self.stored(path);
        if let Some((Observation::State { state, .. }, _)) = self.facts.get(&(stored.clone(), aspect)) {
            return state.clone();
        }
        let (state, evidence) = self.look(path, follow);
        let fact = Observation::State { path: stored.clone(), follow, state: state.clone() };
        self.record((stored, aspect), (fact, evidence));
        state
    }

    fn look(&mut self, path: &Path, follow: bool) -> (FileState, Option<Evidence>) {
        let metadata = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
        if let Ok(metadata) = metadata
            && metadata.is_file()
            && let Ok((digest, evidence)) = self.digest_of(path, Evidence::of(&metadata))
        {
            let mode = evidence.map_or(metadata.mode(), |evidence| evidence.mode) & 0o7777;
            return (FileState::File { mode, digest }, evidence);
        }
        state(path, follow)
    }

    /// The digest of the regular file that `path` leads to and that looks like `now`, and evidence if any can be trusted.
    fn digest_of(&mut self, path: &Path, now: Evidence) -> Result<(Digest, Option<Evidence>)> {
        let file = (now.device, now.inode);
        if let Some((evidence, digest)) = self.digested.get(&file)
            && *evidence == now
        {
            return Ok((*digest, Some(now)));
        }
        let (digest, evidence) = self.memory.digest(path)?;
        if let Some(evidence) = evidence.filter(|evidence| (evidence.device, evidence.inode) == file) {
            self.digested.insert(file, (evidence, digest));
        }
        Ok((digest, evidence))
    }

    /// The digest of the regular file that `path` leads to; `None` where it cannot be read.
    pub(super) fn digest(&mut self, path: &Path) -> Option<Digest> {
        match self.state(path, true) {
            FileState::File { digest, .. } => Some(digest),
            _ => None,
        }
    }

    /// The names and kinds of the entries of a directory, without the fixed exclusions. `None` if it cannot be listed.
    pub(super) fn list(&mut self, directory: &Path, everything: bool) -> Option<Vec<(OsString, EntryKind)>> {
        let now = Timestamp::now();
        let before = fs::metadata(directory).ok().map(|metadata| Evidence::of(&metadata));
        let Ok(found) = entries(directory, everything) else {
            self.state(directory, true);
            return None;
        };
        let after = fs::metadata(directory).ok().map(|metadata| Evidence::of(&metadata));
        let steady = before.filter(|_| before == after);
        let evidence = steady.and_then(|evidence| trusted(directory, evidence, now));
        let path = self.stored(directory);
        let aspect = if everything { Aspect::EveryEntry } else { Aspect::Listing };
        let fact = Observation::Listing { path: path.clone(), everything, digest: listing_digest(&found) };
        self.record((path, aspect), (fact, evidence));
        Some(found)
    }

    /// The entries of a directory that count in trees: without the fixed exclusions and version control.
    pub(super) fn tree_entries(&mut self, directory: &Path) -> Option<Vec<(OsString, EntryKind)>> {
        let mut found = self.list(directory, false)?;
        found.retain(|(name, _)| excluded(name) != Some(Excluded::VersionControl));
        Some(found)
    }

    /// The first bytes of a file whose content is a fact already.
    pub(super) fn head(&mut self, path: &Path, length: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.digest(path).is_some()
            && let Ok(file) = File::open(path)
        {
            // A file that cannot be read to there has a shorter head.
            let _ = file.take(length).read_to_end(&mut bytes);
        }
        bytes
    }

    /// Records the first look only. If a second one differs, the fact will not hold.
    fn record(&mut self, about: (StoredPath, Aspect), fact: Fact) {
        match self.facts.get(&about) {
            Some((Observation::Content { digest: old, .. }, _)) => {
                let same = matches!(&fact.0,
                    Observation::State { state: FileState::File { digest, .. }, .. } if digest == old);
                if same {
                    self.facts.insert(about, fact);
                }
            }
            Some(_) => {}
            None => {
                self.facts.insert(about, fact);
            }
        }
    }
}

impl World for RecordingFs<'_> {
    fn kind(&mut self, path: &Path) -> Kind {
        match self.state(path, true) {
            FileState::File { .. } | FileState::LargeFile { .. } => Kind::File,
            FileState::Directory { .. } => Kind::Directory,
            FileState::Absent | FileState::Unreadable { .. } => Kind::Absent,
            FileState::Symlink { .. } | FileState::Special { .. } => Kind::Other,
        }
    }

    fn read(&mut self, path: &Path) -> Option<Vec<u8>> {
        let now = Timestamp::now();
        let Ok((bytes, digest, evidence)) = read_file(path) else {
            self.state(path, true);
            return None;
        };
        let stored = self.stored(path);
        let fact = Observation::Content { path: stored.clone(), digest };
        self.record((stored, Aspect::Target), (fact, trusted(path, evidence, now)));
        Some(bytes)
    }

    fn entries(&mut self, directory: &Path) -> Option<Vec<(OsString, Kind)>> {
        let kind = |kind| match kind {
            EntryKind::File => Kind::File,
            EntryKind::Directory => Kind::Directory,
            _ => Kind::Other,
        };
        Some(self.list(directory, true)?.into_iter().map(|(name, entry)| (name, kind(entry))).collect())
    }

    fn link(&mut self, path: &Path) -> Option<OsString> {
        match self.state(path, false) {
            FileState::Symlink { text } => Some(OsString::from_vec(text)),
            _ => None,
        }
    }

    fn variable(&mut self, name: &OsStr) -> Option<OsString> {
        if let Some((_, value)) = self.overlay.iter().rev().find(|(other, _)| other == name) {
            return value.clone();
        }
        if self.clears_environment {
            return None;
        }
        self.variables.insert(name.to_owned());
        lookup(&self.request.environment, name).map(std::borrow::Cow::into_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::memory::tests::Memory;
    use crate::record::Places;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_has_one_digest_by_all_of_its_names_until_it_changes() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("file"), "x").unwrap();
        fs::hard_link(path("file"), path("other")).unwrap();
        symlink("file", path("link")).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(100));
        let places = Places { root: directory.path().to_path_buf(), home: None };
        let words = vec![OsString::from("true")];
        let request = Request::new(words, directory.path().to_path_buf(), places, Vec::new());
        let memory = Memory::default();
        let mut looker = RecordingFs::new(&request, FileMemory::new(&memory));
        for name in ["file", "link", "other"] {
            assert_eq!(looker.digest(&path(name)), Some(Digest::of(b"x")), "{name}");
        }
        // The same length and time of modification.
        let before = fs::metadata(path("file")).unwrap().modified().unwrap();
        fs::write(path("other"), "y").unwrap();
        File::options().write(true).open(path("other")).unwrap().set_modified(before).unwrap();
        fs::hard_link(path("file"), path("new")).unwrap();
        assert_eq!(looker.digest(&path("new")), Some(Digest::of(b"y")));
        // The first look at a name is kept.
        assert_eq!(looker.digest(&path("file")), Some(Digest::of(b"x")));
    }
}
