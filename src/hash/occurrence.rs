//! Finds names of variables in files. A program can only ask for a name that it knows, so a name that occurs in nothing that a
//! run read or executed did not matter to it.
//!
//! Names that are short, or that tell of the session or of a job of a CI service, need stronger evidence.
//!
//! In text a name counts as a whole word. In executables and other data it counts as a byte sequence, since Go and Rust pack
//! their literals together. In archives of code it is searched in the members. Its prefix up to an underscore (`PIP_`)
//! counts as a word anywhere. A file that cannot be read counts as containing every name.

mod archives;
mod colors;
mod little;
mod many;
mod rules;
mod searched;

use super::both::both;
use super::environment::{Weight, weight};
use super::files::{WORTH_ALL_CORES, trusted};
use crate::profiles::introductions::Colors;
use crate::record::{Evidence, Recall, Timestamp};
use archives::is_archive;
pub(crate) use colors::{Printed, colors_of};
use many::Finder;
use rules::{BESIDE, Occurrence, Rules, is_system_library};
use rustc_hash::FxHashSet;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Read buffer size, in bytes.
const PIECE: usize = 1 << 20;

/// Up to this many bytes are searched without a prepared finder, since preparing one takes as long.
const LITTLE: usize = 4 << 10;

/// Size of the beginning of a file that decides between text and data, in bytes.
const HEAD: usize = 8 << 10;

/// Maximum number of files in the remembered table.
const MOST: usize = 4096;

/// Meaning of a match of a pattern.
#[derive(Clone, Copy, Debug)]
struct Meaning {
    /// Index of the name.
    name: usize,
    /// Whether the pattern is only the prefix of the name.
    leading: bool,
}

/// Searches for many names at once.
#[derive(Debug)]
pub struct NameSearch {
    names: Vec<Vec<u8>>,
    /// The evidence needed for each name.
    weights: Vec<Weight>,
    /// The root of the project. Without it every file counts as part of the project.
    root: Option<PathBuf>,
    colors: Colors,
    patterns: Vec<Vec<u8>>,
    meanings: Vec<Vec<Meaning>>,
    longest: usize,
    finder: OnceLock<Finder>,
    /// Bytes searched so far without the finder.
    without: AtomicUsize,
}

/// Reads a file at its own offset, independent of the file's.
struct From<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for From<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// For each name, whether it was found.
type Found = Vec<bool>;

impl NameSearch {
    /// Creates a search for `names`.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n [u8]>) -> Self {
        let names: BTreeSet<Vec<u8>> =
            names.into_iter().filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect();
        let names: Vec<Vec<u8>> = names.into_iter().collect();
        let mut patterns: BTreeMap<Vec<u8>, Vec<Meaning>> = BTreeMap::new();
        for (place, name) in names.iter().enumerate() {
            patterns.entry(name.clone()).or_default().push(Meaning { name: place, leading: false });
            for part in leading_parts(name) {
                patterns.entry(part.to_vec()).or_default().push(Meaning { name: place, leading: true });
            }
        }
        let longest = patterns.keys().map(Vec::len).max().unwrap_or(0);
        let (patterns, meanings) = patterns.into_iter().unzip();
        let weights = names.iter().map(|name| weight(name)).collect();
        let (finder, without) = (OnceLock::new(), AtomicUsize::new(0));
        Self {
            names,
            weights,
            root: None,
            colors: Colors::wanted(),
            patterns,
            meanings,
            longest,
            finder,
            without,
        }
    }

    /// The same, where files of the project are those below `root` that are not installed packages.
    #[must_use]
    pub fn within(self, root: &Path) -> Self {
        Self { root: Some(root.to_path_buf()), ..self }
    }

    /// The same, where packages choose colors like this.
    #[must_use]
    pub fn with_colors(self, colors: Colors) -> Self {
        Self { colors, ..self }
    }

    /// The names that occur in `bytes`, sorted. `system_library` marks machine code of a system library.
    #[must_use]
    pub fn search(&self, bytes: &[u8], system_library: bool) -> Vec<Vec<u8>> {
        self.named(&self.in_reader(Cursor::new(bytes), system_library, true))
    }

    /// The names that occur in an open file from `offset` on, sorted. The file's own offset does not move.
    #[must_use]
    pub fn search_open(&self, file: &File, offset: u64) -> Vec<Vec<u8>> {
        self.named(&self.in_reader(From { file, offset }, false, true))
    }

    /// The names that occur in any of `files`, sorted; uses all cores for large amounts.
    #[must_use]
    pub fn search_files(&self, files: &[PathBuf]) -> Vec<Vec<u8>> {
        let mut found = self.nothing();
        for (_, one) in self.each(files) {
            merge(&mut found, &one);
        }
        self.named(&found)
    }

    /// Like [`NameSearch::search_files`], but reads only files that were not searched for the same names before.
    #[must_use]
    pub fn search_files_remembered(&self, files: &[PathBuf], recall: &dyn Recall) -> Vec<Vec<u8>> {
        let files: Vec<(PathBuf, Option<Evidence>)> = files.iter().map(|path| (path.clone(), None)).collect();
        self.search_seen_files(&files, recall)
    }

    /// Like [`NameSearch::search_files_remembered`], with the known state of each file at the time its content was found to
    /// count.
    #[must_use]
    pub fn search_seen_files(
        &self,
        files: &[(PathBuf, Option<Evidence>)],
        recall: &dyn Recall,
    ) -> Vec<Vec<u8>> {
        let id = self.table();
        let mut table = recall
            .find(&id)
            .and_then(|bytes| searched::read(&bytes, self.names.len()).ok())
            .unwrap_or_default();
        let mut found = self.nothing();
        let mut unknown = Vec::new();
        let before = table.len();
        for (path, seen) in files {
            let known = table.get(path.as_os_str().as_bytes());
            let look = || fs::metadata(path).ok().map(|metadata| Evidence::of(&metadata));
            match known.filter(|(evidence, _)| Some(*evidence) == seen.or_else(look)) {
                Some((_, places)) => places.iter().for_each(|place| set(&mut found, *place)),
                None => unknown.push(path.clone()),
            }
        }
        for path in &unknown {
            // The remembered result is out of date.
            table.remove(path.as_os_str().as_bytes());
        }
        let mut changed = table.len() != before;
        if table.len() + unknown.len() > MOST {
            let asked: FxHashSet<&[u8]> = files.iter().map(|(path, _)| path.as_os_str().as_bytes()).collect();
            table.retain(|path, _| asked.contains(path.as_slice()));
        }
        for (path, (before, now, one)) in unknown.iter().zip(self.each_with_evidence(&unknown)) {
            merge(&mut found, &one);
            if let Some(evidence) = before.and_then(|evidence| trusted(path, evidence, now))
                && table.len() < MOST
            {
                let places = one.iter().enumerate().filter(|(_, is)| **is).map(|(place, _)| place).collect();
                table.insert(path.as_os_str().as_bytes().to_vec(), (evidence, places));
                changed = true;
            }
        }
        if changed {
            recall.remember(&id, &searched::write(&table));
        }
        self.named(&found)
    }

    fn nothing(&self) -> Found {
        vec![false; self.names.len()]
    }

    fn everything(&self) -> Found {
        vec![true; self.names.len()]
    }

    fn named(&self, found: &Found) -> Vec<Vec<u8>> {
        self.names.iter().zip(found).filter(|(_, is)| **is).map(|(name, _)| name.clone()).collect()
    }

    fn each<'f>(&self, files: &'f [PathBuf]) -> Vec<(&'f PathBuf, Found)> {
        let mut total = 0;
        let much = files.iter().any(|path| {
            total += fs::metadata(path).map_or(0, |metadata| metadata.len());
            total > WORTH_ALL_CORES
        });
        if much { self.halves(files) } else { files.iter().map(|path| (path, self.in_file(path))).collect() }
    }

    fn halves<'f>(&self, files: &'f [PathBuf]) -> Vec<(&'f PathBuf, Found)> {
        if files.len() < 2 {
            return files.iter().map(|path| (path, self.in_file(path))).collect();
        }
        let (left, right) = files.split_at(files.len() / 2);
        let (mut done, rest) = both(|| self.halves(left), || self.halves(right));
        done.extend(rest);
        done
    }

    /// For each file: the evidence, if `stat` agreed before and after the search; the time; and the names found.
    fn each_with_evidence(&self, files: &[PathBuf]) -> Vec<(Option<Evidence>, Timestamp, Found)> {
        let now = Timestamp::now();
        let stat = |path: &PathBuf| fs::metadata(path).ok().map(|metadata| Evidence::of(&metadata));
        let before: Vec<Option<Evidence>> = files.iter().map(stat).collect();
        let found = self.each(files).into_iter().zip(before);
        found.map(|((path, one), before)| (before.filter(|_| stat(path) == before), now, one)).collect()
    }

    fn in_file(&self, path: &Path) -> Found {
        // Opening a FIFO would block until a process writes to it.
        let regular = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
        let Some(file) = regular.then(|| File::open(path).ok()).flatten() else {
            return self.everything();
        };
        let mut found = self.nothing();
        let of_project = self.root.as_deref().is_none_or(|root| is_of_project(path, root));
        if !of_project && is_description(path) {
            return found;
        }
        if is_archive(path, &file) {
            merge(&mut found, &self.in_archive(&file, of_project, 0));
        }
        merge(&mut found, &self.in_reader(&file, is_system_library(path), of_project));
        if !of_project {
            for (name, is) in self.names.iter().zip(&mut found) {
                *is &= !self.colors.ignores(path, name);
            }
        }
        found
    }

    /// Reads in pieces; each piece begins with enough of the previous one that no match is cut.
    fn in_reader(&self, mut reader: impl Read, system_library: bool, of_project: bool) -> Found {
        let mut found = self.nothing();
        if self.patterns.is_empty() {
            return found;
        }
        let mut buffer = Vec::new();
        let mut rules = None;
        let mut at_start = true;
        loop {
            let before = buffer.len();
            let Ok(count) = reader.by_ref().take(PIECE as u64).read_to_end(&mut buffer) else {
                return self.everything();
            };
            let at_end = count == 0;
            let rules = *rules
                .get_or_insert_with(|| Rules::of(buffer.get(..HEAD).unwrap_or(&buffer), system_library));
            self.in_piece(&buffer, (at_start, at_end), (rules, of_project), &mut found);
            if at_end || found.iter().all(|is| *is) {
                return found;
            }
            let reach = self.longest + BESIDE;
            at_start &= before + count <= reach;
            let keep = buffer.len().saturating_sub(reach);
            buffer.drain(..keep);
        }
    }

    fn in_piece(
        &self,
        bytes: &[u8],
        (at_start, at_end): (bool, bool),
        (rules, of_project): (Rules, bool),
        found: &mut Found,
    ) {
        let see = |pattern: usize, start: usize, end: usize| {
            let meanings = self.meanings.get(pattern).map_or(&[][..], Vec::as_slice);
            if meanings.iter().all(|meaning| found.get(meaning.name) == Some(&true)) {
                return false;
            }
            // The neighbouring byte is in another piece, which contains this match too.
            if (start == 0 && !at_start) || (end == bytes.len() && !at_end) {
                return true;
            }
            for meaning in meanings {
                let weight = self.weights.get(meaning.name).copied().unwrap_or(Weight::Strong);
                if rules.count(Occurrence { bytes, start, end }, meaning.leading, weight, of_project) {
                    set(found, meaning.name);
                }
            }
            true
        };
        self.each_occurrence(bytes, see);
    }

    /// Calls `see` with the pattern, start and end of each occurrence, until it returns that others of the pattern do not matter.
    fn each_occurrence(&self, bytes: &[u8], see: impl FnMut(usize, usize, usize) -> bool) {
        let known = || self.without.fetch_add(bytes.len(), Ordering::Relaxed);
        if self.finder.get().is_none() && known().saturating_add(bytes.len()) <= LITTLE {
            return little::each_in(&self.patterns, bytes, see);
        }
        self.finder.get_or_init(|| Finder::new(&self.patterns)).each_in(&self.patterns, bytes, see);
    }
}

/// Directories of packages, which ask for variables for reasons of their own.
const PACKAGES: &[&str] = &["node_modules", "site-packages", "dist-packages"];

/// Whether a file is the project's own.
pub(crate) fn is_of_project(path: &Path, root: &Path) -> bool {
    path.starts_with(root) && !path.iter().any(|part| PACKAGES.iter().any(|name| part == *name))
}

/// Whether a file describes an installed package, in the words of its readme. It is no code.
fn is_description(path: &Path) -> bool {
    let above = path.parent().and_then(Path::extension).map(OsStrExt::as_bytes);
    let described: &[(&[u8], &str)] = &[(b"dist-info", "METADATA"), (b"egg-info", "PKG-INFO")];
    described.iter().any(|(ending, name)| above == Some(*ending) && path.ends_with(name))
}

fn set(found: &mut Found, place: usize) {
    if let Some(slot) = found.get_mut(place) {
        *slot = true;
    }
}

fn merge(found: &mut Found, other: &Found) {
    for (slot, is) in found.iter_mut().zip(other) {
        *slot |= is;
    }
}

/// The prefixes of a name up to an underscore, inclusive: `TF_` and `TF_VAR_` of `TF_VAR_region`.
pub(super) fn leading_parts(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = (1..name.len()).filter(|end| name.get(end - 1) == Some(&b'_') && *end > 1);
    ends.filter_map(|end| name.get(..end))
}

#[cfg(test)]
mod tests;
