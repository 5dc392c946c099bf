//! Collects the outputs of a run: bytes go into blobs; names, modes, times, attributes, links and removals into a tree.

use super::beneath::{Beneath, Place};
use super::holes;
use super::times::{self, Left};
use crate::hash::files;
use crate::memo::attributes::{self, Unkept};
use crate::memo::clones;
use crate::memo::place_search::{PlaceSearch, SearchState};
use crate::memo::reason::NotKept;
use crate::record::{Attribute, Evidence, MODE_BITS, OutputEntry, OutputKind, OutputTree, Timestamp};
use crate::store::BlobStore;
use rustix::fs::{FileType, Mode, OFlags, Stat, openat, readlinkat};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Largest file, in bytes, that is also searched for the root's bare name and its escaped path, if it is text.
const LARGEST_TELLING: u64 = 1 << 16;

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

/// The outputs of a run.
pub(in crate::memo) struct Collected {
    pub(in crate::memo) tree: OutputTree,
    /// For each entry of the tree: evidence that it is in place.
    pub(in crate::memo) evidence: Vec<Option<Evidence>>,
    pub(in crate::memo) contains_root: bool,
    pub(in crate::memo) contains_root_name: bool,
}

/// User and group.
pub(in crate::memo) type Owner = (u32, u32);

/// Returns the former owner of a path.
pub(in crate::memo) type OwnerOf<'a> = &'a dyn Fn(&[u8]) -> Option<Owner>;

/// Paths by their modification time.
pub(in crate::memo) type ByTime = BTreeMap<Timestamp, BTreeSet<PathBuf>>;

/// The run whose outputs are collected.
pub(in crate::memo) struct Origin<'a> {
    /// Start time, by the clock of file timestamps.
    pub(in crate::memo) started: Timestamp,
    /// Returns the files, among those that the run looked at or changed, that have one of these times, by time. For changed files
    /// the state before the change is used.
    pub(in crate::memo) with_times: &'a dyn Fn(&BTreeSet<Timestamp>) -> ByTime,
    /// The former owner of a path relative to the root, if something existed there. `None` where the run changed no owner.
    pub(in crate::memo) owners: Option<OwnerOf<'a>>,
    pub(in crate::memo) places: &'a crate::record::Places,
    /// The former lengths, in bytes, of files that were only appended to. What was added is recorded.
    pub(in crate::memo) appended: &'a BTreeMap<Vec<u8>, u64>,
}

/// Collects `paths`, relative to the root, into `blobs`. A path that does not exist was removed by the run.
///
/// # Errors
/// The reason why the result is not cached: special files, links on the path, a file that changes while it is read,
/// attributes and owners that cannot be restored, a failure in writing to the store.
pub(in crate::memo) fn collect(
    beneath: &mut Beneath,
    paths: &BTreeSet<Vec<u8>>,
    blobs: &dyn BlobStore,
    origin: &Origin<'_>,
) -> Result<Collected, NotKept> {
    let root = origin.places.root.as_path();
    let mut collector = Collector {
        blobs,
        root,
        search: PlaceSearch::root(origin.places),
        appended: origin.appended,
        // The root `/` occurs everywhere.
        sought: Some(clones::place(origin.places).as_os_str().as_bytes())
            .filter(|place| place.len() > 1)
            .unwrap_or_default(),
        contains_root: false,
        contains_root_name: false,
        names: HashMap::new(),
    };
    let mut found: Vec<Left> = Vec::with_capacity(paths.len());
    for path in paths {
        let shown = || PathBuf::from(OsStr::from_bytes(path));
        let place = match beneath.place(path, false) {
            Ok(place) => place,
            Err(Errno::NOENT | Errno::NOTDIR) => {
                found.push(Left::removed(path));
                continue;
            }
            Err(Errno::LOOP | Errno::XDEV) => return Err(NotKept::WroteOutside(shown())),
            Err(errno) => {
                return Err(NotKept::Store(format!("cannot inspect {}: {errno}", shown().display())));
            }
        };
        let trouble = |errno: Errno| NotKept::Store(format!("cannot read {}: {errno}", shown().display()));
        let Some(stat) = place.stat().map_err(trouble)? else {
            found.push(Left::removed(path));
            continue;
        };
        if let Some(owners) = origin.owners
            && is_given_away(&place, &stat, owners(path)).map_err(trouble)?
        {
            return Err(NotKept::OutputOwner(shown()));
        }
        let first = collector.names.get(&(stat.st_dev, stat.st_ino)).and_then(|first| found.get(*first));
        let left = if let Some(first) = first {
            first.under_another_name(path)
        } else {
            let left = collector.entry(path, &place, &stat)?;
            if stat.st_nlink > 1 && left.entry.kind.stored().is_some() {
                collector.names.insert((stat.st_dev, stat.st_ino), found.len());
            }
            left
        };
        found.push(left);
    }
    times::tell(&mut found, origin);
    // Both lists are sorted by bytes, so their indices match.
    let Collector { contains_root, contains_root_name, .. } = collector;
    let (entries, evidence): (Vec<_>, Vec<_>) =
        found.into_iter().map(|left| (left.entry, left.evidence)).unzip();
    Ok(Collected { tree: OutputTree::new(entries), evidence, contains_root, contains_root_name })
}

/// Whether an entry has a different owner from its former one, or from one that cashet would create.
fn is_given_away(place: &Place<'_>, stat: &Stat, before: Option<Owner>) -> Result<bool, Errno> {
    let owner = (stat.st_uid, stat.st_gid);
    if before == Some(owner) {
        return Ok(false);
    }
    let user = rustix::process::geteuid().as_raw();
    // A new file may inherit the group of its directory.
    let is_our_group = owner.1 == rustix::process::getegid().as_raw()
        || owner.1 == rustix::fs::fstat(place.directory())?.st_gid;
    Ok(owner.0 != user || !is_our_group)
}

struct Collector<'a> {
    blobs: &'a dyn BlobStore,
    root: &'a Path,
    search: PlaceSearch,
    sought: &'a [u8],
    appended: &'a BTreeMap<Vec<u8>, u64>,
    contains_root: bool,
    contains_root_name: bool,
    /// Files with several names, by device and inode: the index of the first name.
    names: HashMap<(u64, u64), usize>,
}

/// The path of an output for messages.
fn shown(path: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(path))
}

fn trouble(path: &[u8], reason: impl std::fmt::Display) -> NotKept {
    NotKept::Store(format!("cannot record {}: {reason}", shown(path).display()))
}

fn attributes_of(path: &[u8], file: &File) -> Result<Vec<Attribute>, NotKept> {
    attributes::read(file).map_err(|error| match error {
        Unkept::Named(name) => {
            NotKept::OutputAttribute(shown(path), String::from_utf8_lossy(&name).into_owned())
        }
        Unkept::Unreadable(errno) => trouble(path, errno),
    })
}

impl Collector<'_> {
    fn entry(&mut self, path: &[u8], place: &Place<'_>, stat: &Stat) -> Result<Left, NotKept> {
        let mode = stat.st_mode & MODE_BITS;
        let left = |kind| Left::of(OutputEntry::new(path, kind), stat);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => self.file(path, place, stat),
            FileType::Directory => {
                let mut left = left(OutputKind::Directory { mode });
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                // If the owner may not read a file, its attributes cannot be read through a descriptor: it counts as having none.
                if let Ok(opened) = openat(place.directory(), place.name, flags, Mode::empty()) {
                    left.entry.attributes = attributes_of(path, &File::from(opened))?;
                }
                Ok(left)
            }
            FileType::Symlink => {
                let text = readlinkat(place.directory(), place.name, Vec::new());
                let text = text.map_err(|errno| trouble(path, errno))?.into_bytes();
                let mut state = SearchState::default();
                self.search.look(&mut state, &text);
                self.contains_root |= state.path;
                Ok(left(OutputKind::Symlink { text }))
            }
            _ => Err(NotKept::OutputSpecial(shown(path))),
        }
    }

    fn file(&mut self, path: &[u8], place: &Place<'_>, stat: &Stat) -> Result<Left, NotKept> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = openat(place.directory(), place.name, flags, Mode::empty());
        let file = File::from(opened.map_err(|errno| trouble(path, errno))?);
        let before = file.metadata().map_err(|error| trouble(path, error))?;
        if let Some(before) = self.appended.get(path) {
            return self.added(path, &file, *before, stat);
        }
        let extents = if is_sparse(stat) { holes::extents(&file, before.len()) } else { None };
        let mode = stat.st_mode & MODE_BITS;
        let kind = if let Some(extents) = extents {
            let (search, state) = (&self.search, &mut SearchState::default());
            let mut look = |piece: &[u8]| search.look(state, piece);
            let data = holes::store(&file, &extents, self.blobs, &mut look);
            let data = data.map_err(|reason| trouble(path, reason))?;
            self.contains_root |= state.path;
            OutputKind::Sparse { data, mode, size: before.len(), extents }
        } else {
            let taken = self.blobs.take_file(&file, self.sought);
            let (content, found) = taken.map_err(|error| trouble(path, error))?;
            self.contains_root |= found;
            self.look_closer(&file, content.size);
            OutputKind::File { content, mode, sparse: is_sparse(stat) }
        };
        let mut left = Left::of(OutputEntry::new(path, kind), stat);
        left.entry.attributes = attributes_of(path, &file)?;
        let now = Timestamp::now();
        let after = file.metadata().map_err(|error| trouble(path, error))?;
        let (before, after) = (Evidence::of(&before), Evidence::of(&after));
        if before != after || left.entry.kind.size() != Some(after.size) || mode != after.mode & MODE_BITS {
            return Err(NotKept::InputMoved(shown(path)));
        }
        left.evidence = files::trusted(&self.root.join(shown(path)), after, now);
        Ok(left)
    }
}

impl Collector<'_> {
    /// Records what was added to a file.
    fn added(&mut self, path: &[u8], file: &File, before: u64, stat: &Stat) -> Result<Left, NotKept> {
        let failed = |error: std::io::Error| trouble(path, error);
        let size = file.metadata().map_err(failed)?.len();
        let mut writer = self.blobs.write().map_err(|error| trouble(path, error))?;
        let (mut state, mut buffer) = (SearchState::default(), vec![0; PIECE]);
        let mut at = before;
        while at < size {
            let wanted = usize::try_from(size - at).unwrap_or(PIECE).min(PIECE);
            let piece = buffer.get_mut(..wanted).unwrap_or_default();
            file.read_exact_at(piece, at).map_err(failed)?;
            self.search.look(&mut state, piece);
            writer.write_all(piece).map_err(failed)?;
            at += wanted as u64;
        }
        self.contains_root |= state.path;
        let content = writer.finish().map_err(|error| trouble(path, error))?;
        if file.metadata().map_err(failed)?.len() != size {
            return Err(NotKept::InputMoved(shown(path)));
        }
        let kind = OutputKind::File { content, mode: stat.st_mode & MODE_BITS, sparse: false };
        // No evidence covers the whole file.
        Ok(Left::of(OutputEntry::new(path, kind), stat))
    }

    /// Searches a file that may be a setting or a listing for the root's name and its escaped path (`npm init` writes it).
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

/// Whether the file takes less disk space than its size.
fn is_sparse(stat: &Stat) -> bool {
    stat.st_size > 0 && stat.st_blocks.saturating_mul(512) < stat.st_size
}
