//! Takes down what a run left behind: bytes into blobs, names, modes, links and removals into a tree.

use super::beneath::{Beneath, Place};
use crate::hash::files;
use crate::memo::place_search::{PlaceSearch, SearchState};
use crate::memo::reason::NotKept;
use crate::record::{Evidence, MODE_BITS, OutputEntry, OutputKind, OutputTree, Timestamp};
use crate::store::Store;
use rustix::fs::{FileType, Mode, OFlags, Stat, openat, readlinkat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// In larger files, and in such that are no text, neither the root's name alone is looked for nor its path as it may be
/// escaped.
const LARGEST_TELLING: u64 = 1 << 16;

/// The outputs of a run.
pub(in crate::memo) struct Collected {
    pub(in crate::memo) tree: OutputTree,
    /// For each entry of the tree, the evidence that it is in place.
    pub(in crate::memo) evidence: Vec<Option<Evidence>>,
    pub(in crate::memo) contains_root: bool,
    pub(in crate::memo) contains_root_name: bool,
}

/// Takes down `paths`, relative to the root, into `store`. A path where nothing is was removed by the run.
///
/// # Errors
/// What keeps the result from being kept: special files, links on the way, a file that moves while it is read, a
/// store that does not take the bytes.
pub(in crate::memo) fn collect(
    beneath: &mut Beneath,
    paths: &BTreeSet<Vec<u8>>,
    store: &dyn Store,
    root: &Path,
) -> Result<Collected, NotKept> {
    let mut collector = Collector {
        store,
        root,
        search: PlaceSearch::root(root.as_os_str().as_bytes()),
        // `/` says nothing about a place.
        sought: Some(root.as_os_str().as_bytes()).filter(|root| root.len() > 1).unwrap_or_default(),
        contains_root: false,
        contains_root_name: false,
    };
    let mut found = Vec::with_capacity(paths.len());
    for path in paths {
        let shown = || PathBuf::from(OsStr::from_bytes(path));
        let place = match beneath.place(path, false) {
            Ok(place) => place,
            Err(Errno::NOENT | Errno::NOTDIR) => {
                found.push((OutputEntry { path: path.clone(), kind: OutputKind::Removed }, None));
                continue;
            }
            Err(Errno::LOOP | Errno::XDEV) => return Err(NotKept::WroteOutside(shown())),
            Err(errno) => {
                return Err(NotKept::Store(format!("cannot look at {}: {errno}", shown().display())));
            }
        };
        let (kind, evidence) = collector.entry(&place, shown)?;
        found.push((OutputEntry { path: path.clone(), kind }, evidence));
    }
    // The set is sorted by bytes, as the tree is: the two lists stay in step.
    let (entries, evidence): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let Collector { contains_root, contains_root_name, .. } = collector;
    Ok(Collected { tree: OutputTree::new(entries), evidence, contains_root, contains_root_name })
}

struct Collector<'a> {
    store: &'a dyn Store,
    root: &'a Path,
    search: PlaceSearch,
    sought: &'a [u8],
    contains_root: bool,
    contains_root_name: bool,
}

impl Collector<'_> {
    fn entry(
        &mut self,
        place: &Place<'_>,
        shown: impl Fn() -> PathBuf,
    ) -> Result<(OutputKind, Option<Evidence>), NotKept> {
        let trouble = |errno: Errno| NotKept::Store(format!("cannot read {}: {errno}", shown().display()));
        let Some(stat) = place.stat().map_err(trouble)? else {
            return Ok((OutputKind::Removed, None));
        };
        let mode = stat.st_mode & MODE_BITS;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => self.file(place, shown),
            FileType::Directory => Ok((OutputKind::Directory { mode }, None)),
            FileType::Symlink => {
                let text = readlinkat(place.directory(), place.name, Vec::new()).map_err(trouble)?;
                let text = text.into_bytes();
                let mut state = SearchState::default();
                self.search.look(&mut state, &text);
                self.contains_root |= state.path;
                Ok((OutputKind::Symlink { text }, None))
            }
            _ => Err(NotKept::OutputSpecial(shown())),
        }
    }

    fn file(
        &mut self,
        place: &Place<'_>,
        shown: impl Fn() -> PathBuf,
    ) -> Result<(OutputKind, Option<Evidence>), NotKept> {
        let trouble =
            |reason: String| NotKept::Store(format!("cannot record {}: {reason}", shown().display()));
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = openat(place.directory(), place.name, flags, Mode::empty());
        let file = File::from(opened.map_err(|errno| trouble(errno.to_string()))?);
        let before = file.metadata().map_err(|error| trouble(error.to_string()))?;
        let (content, found) =
            self.store.take_file(&file, self.sought).map_err(|error| trouble(error.to_string()))?;
        self.contains_root |= found;
        self.look_closer(&file, content.size);
        let now = Timestamp::now();
        let after = file.metadata().map_err(|error| trouble(error.to_string()))?;
        let (before, after) = (Evidence::of(&before), Evidence::of(&after));
        if before != after || content.size != after.size {
            return Err(NotKept::InputMoved(shown()));
        }
        let kind = OutputKind::File { content, mode: after.mode & MODE_BITS, sparse: is_sparse(place) };
        Ok((kind, files::trusted(&self.root.join(shown()), after, now)))
    }
}

impl Collector<'_> {
    /// Looks in a file that may be a setting or a listing for the root's name, and its escaped path (`npm init` writes it down).
    fn look_closer(&mut self, file: &File, size: u64) {
        if self.contains_root || size == 0 || size > LARGEST_TELLING {
            return;
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        if file.read_exact_at(&mut bytes, 0).is_ok() && std::str::from_utf8(&bytes).is_ok() {
            let mut state = SearchState::default();
            self.search.look(&mut state, &bytes);
            self.contains_root |= state.path;
            self.contains_root_name |= state.name;
        }
    }
}

/// Whether the file takes less room than its size.
fn is_sparse(place: &Place<'_>) -> bool {
    let room = |stat: Stat| stat.st_size > 0 && stat.st_blocks.saturating_mul(512) < stat.st_size;
    matches!(place.stat(), Ok(Some(stat)) if room(stat))
}
