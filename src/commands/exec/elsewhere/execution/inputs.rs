//! What is shipped to a worker: files, links and directories of the project, each at the place that it has here.

use crate::digest::Digest;
use crate::elsewhere::Attributes;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::hash::memory::FileMemory;
use crate::record::{Observation, Places, Recall, Timestamp};
use crate::remote::carrier::Blob;
use crate::remote::execution::{Input, Kind};
use crate::remote::portable;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

/// Places that a worker's own system has: a project there is put below [`ASIDE`].
const OF_SYSTEM: &[&str] =
    &["/tmp", "/dev", "/proc", "/sys", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/run"];

/// Where such a project is put.
const ASIDE: &str = ".cashet-project";

/// Maximum number of links that are followed in a row.
const MOST_LINKS: u32 = 40;

/// A directory with more entries, or with more bytes in its files, is not shipped whole.
const MOST_ENTRIES: usize = 2000;
const MOST_BYTES: u64 = 64 << 20;

/// The most of what git tracks that is shipped, in bytes.
const MOST_TRACKED: u64 = 64 << 20;

/// Something that is shipped.
struct Item {
    kind: Kind,
    attributes: Option<(u32, Timestamp)>,
}

/// What is shipped.
pub(super) struct Inputs<'a> {
    places: &'a Places,
    store: PathBuf,
    items: BTreeMap<PathBuf, Item>,
    /// What is known of their content.
    pub(super) memory: FileMemory<'a>,
}

impl<'a> Inputs<'a> {
    /// Nothing yet. `store` is never shipped; `recall` knows the content of files that did not change.
    pub(super) fn new(places: &'a Places, store: &Path, recall: &'a dyn Recall) -> Self {
        let memory = FileMemory::new(recall);
        Self { places, store: store.to_path_buf(), items: BTreeMap::new(), memory }
    }

    /// Remembers the digests of large files for the next call.
    pub(super) fn remember(&self) {
        self.memory.keep();
    }

    /// The path of a file of this machine among the shipped files; `None` if it is not UTF-8.
    pub(super) fn place(&self, path: &Path) -> Option<String> {
        let is_of_system = OF_SYSTEM.iter().any(|place| self.places.root.starts_with(place));
        let path = path.strip_prefix("/").ok()?.to_str()?;
        Some(if is_of_system { format!("{ASIDE}/{path}") } else { path.to_owned() })
    }

    /// How many files there are, and of how many bytes.
    pub(super) fn size(&self) -> (usize, u64) {
        let sizes = self.items.values().filter_map(|item| match item.kind {
            Kind::File { blob, .. } => Some(blob.size),
            _ => None,
        });
        sizes.fold((0, 0), |(count, sum), size| (count + 1, sum.saturating_add(size)))
    }

    /// Adds what is at a path, links on the way to it included. Tells whether anything was added.
    pub(super) fn add(&mut self, path: &Path) -> bool {
        let before = self.items.len();
        self.follow(&plain(path), MOST_LINKS);
        self.items.len() > before
    }

    fn follow(&mut self, path: &Path, links: u32) {
        let Ok(below) = path.strip_prefix(&self.places.root) else { return };
        if path.starts_with(&self.store) || links == 0 || self.is_private(path) {
            return;
        }
        let mut at = self.places.root.clone();
        let mut rest = below.components();
        loop {
            let Ok(found) = fs::symlink_metadata(&at) else { return };
            if found.is_symlink() {
                let Ok(target) = fs::read_link(&at) else { return };
                let Some(text) = target.to_str() else { return };
                self.put(&at, Kind::Link(text.to_owned()), None);
                let parent = at.parent().unwrap_or(&at).to_path_buf();
                let onward = plain(&parent.join(target).join(rest.as_path()));
                return self.follow(&onward, links - 1);
            }
            if found.is_dir() {
                self.put(&at, Kind::Directory, Some(&found));
            } else if found.is_file() {
                if !self.items.contains_key(&at)
                    && let Ok((digest, _)) = self.memory.digest(&at)
                {
                    self.put(&at, file(digest, &found), Some(&found));
                }
                return;
            }
            match rest.next() {
                Some(part) => at.push(part),
                None => return,
            }
        }
    }

    /// Keys and the like do not leave the machine.
    fn is_private(&self, path: &Path) -> bool {
        let question = Observation::Exists { path: self.places.store(path) };
        portable::private(std::slice::from_ref(&question), Some(self.places), &|_| false, None).is_some()
    }

    fn put(&mut self, path: &Path, kind: Kind, found: Option<&Metadata>) {
        let attributes = found
            .map(|found| (found.mode() & 0o7777, Timestamp::from_parts(found.mtime(), found.mtime_nsec())));
        self.items.entry(path.to_path_buf()).or_insert(Item { kind, attributes });
    }

    /// Adds a directory with its entries; those of its directories are not added. One that is too large is added alone.
    pub(super) fn add_listed(&mut self, directory: &Path) -> bool {
        let added = self.add(directory);
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let entries: Vec<_> = entries.take(MOST_ENTRIES + 1).collect();
        let size = |entry: &fs::DirEntry| entry.metadata().map_or(0, |found| found.len());
        let is_large = entries.len() > MOST_ENTRIES || entries.iter().map(size).sum::<u64>() > MOST_BYTES;
        if is_large {
            return added;
        }
        entries.iter().fold(added, |added, entry| self.add(&entry.path()) || added)
    }

    /// Adds what is at a path that was missed; of a file its neighbours, too, which are likely to be missed next.
    pub(super) fn add_missed(&mut self, path: &Path) -> bool {
        let added = self.add(path);
        if added && path.is_file() && path.parent().is_some_and(|parent| parent != self.places.root) {
            self.add_listed(path.parent().unwrap_or(path));
        }
        added
    }

    /// Adds what git tracks, and what it would track.
    ///
    /// # Errors
    /// When git does not say, or it is more than may be shipped.
    pub(super) fn add_tracked(&mut self) -> Result<()> {
        let failed = |why: &str| {
            Error::new(ErrorKind::Other, format!("--ship git: {why}"))
                .with_hint("without --ship git, what earlier runs looked at is shipped")
        };
        let mut git = Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        git.current_dir(&self.places.root).stdin(Stdio::null());
        let output = git.output().map_err(|error| failed(&format!("git cannot be run: {error}")))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim()));
        }
        let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        let paths: Vec<PathBuf> = names.map(|name| self.places.root.join(OsStr::from_bytes(name))).collect();
        let size = |path: &PathBuf| fs::symlink_metadata(path).map_or(0, |found| found.len());
        let total: u64 = paths.iter().map(size).sum();
        if total > MOST_TRACKED {
            let (is, may) = (total >> 20, MOST_TRACKED >> 20);
            return Err(failed(&format!("git tracks {is} MiB here, and at most {may} MiB are shipped")));
        }
        for path in &paths {
            self.add(path);
        }
        Ok(())
    }

    /// All that is shipped, with modes and times; files with the path that they are read from.
    pub(super) fn shipped(&self) -> Shipped {
        let mut shipped = Shipped::default();
        for (path, item) in &self.items {
            let Some(place) = self.place(path) else { continue };
            if let Kind::File { blob, .. } = item.kind {
                shipped.blobs.push((blob, path.clone()));
            }
            if let Some((mode, modified)) = item.attributes {
                shipped.attributes.push(Attributes { path: PathBuf::from(&place), mode, modified });
            }
            shipped.inputs.push(Input { path: place, kind: item.kind.clone() });
        }
        // Directories after what is in them, which changes their times.
        shipped.attributes.reverse();
        shipped
    }
}

/// All that is shipped.
#[derive(Default)]
pub(super) struct Shipped {
    pub(super) inputs: Vec<Input>,
    pub(super) attributes: Vec<Attributes>,
    pub(super) blobs: Vec<(Blob, PathBuf)>,
}

/// Mode and time of a directory that is at the same path there.
pub(super) fn attributes_of(path: &Path) -> Option<Attributes> {
    let found = fs::metadata(path).ok().filter(Metadata::is_dir)?;
    let place = path.strip_prefix("/").ok()?.to_path_buf();
    let modified = Timestamp::from_parts(found.mtime(), found.mtime_nsec());
    Some(Attributes { path: place, mode: found.mode() & 0o7777, modified })
}

/// A file of this content.
fn file(digest: Digest, found: &Metadata) -> Kind {
    let blob = Blob { digest: *digest.as_bytes(), size: found.len() };
    Kind::File { blob, executable: found.mode() & 0o100 != 0 }
}

/// A path without `.` and `..`. Links are not followed.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn shipped(inputs: &Inputs<'_>) -> Vec<String> {
        let root = inputs.place(&inputs.places.root).unwrap();
        let below = |input: &Input| input.path.strip_prefix(&root).map(str::to_owned);
        inputs.shipped().inputs.iter().filter_map(below).filter(|path| !path.is_empty()).collect()
    }

    #[test]
    fn links_are_shipped_with_what_they_lead_to() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("real/deep")).unwrap();
        fs::write(root.join("real/deep/file"), "x").unwrap();
        symlink("real", root.join("link")).unwrap();
        symlink("/etc/hostname", root.join("out")).unwrap();
        symlink("round", root.join("round")).unwrap();
        let places = Places { root: root.clone(), home: None };
        let mut inputs = Inputs::new(&places, &root.join(".cashet"), &());
        assert!(inputs.add(&root.join("link/deep/file")));
        assert!(!inputs.add(&root.join("real/../real/deep/file")), "it is there");
        assert_eq!(shipped(&inputs), ["/link", "/real", "/real/deep", "/real/deep/file"]);
        for path in ["out", "round/x"] {
            assert!(inputs.add(&root.join(path)), "{path}: the link itself");
        }
        for path in ["nothing", "../other", ".cashet/meta.db"] {
            assert!(!inputs.add(&root.join(path)), "{path}");
        }
        assert_eq!(inputs.size(), (1, 1));
    }

    #[test]
    fn keys_are_not_shipped_and_neighbours_are() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        for path in ["include/a.h", "include/b.h", ".ssh/id", ".npmrc"] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), path).unwrap();
        }
        let places = Places { root: root.clone(), home: None };
        let mut inputs = Inputs::new(&places, &root.join(".cashet"), &());
        assert!(inputs.add_missed(&root.join("include/a.h")));
        inputs.add(&root.join(".ssh/id"));
        assert_eq!(shipped(&inputs), ["/include", "/include/a.h", "/include/b.h"]);
    }
}
