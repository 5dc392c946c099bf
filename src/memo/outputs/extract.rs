//! Writes the outputs of a run into any directory, which may contain other files: for `cashet get`.
//!
//! All bytes are verified before the first file becomes visible. A file that differs is kept, unless the user says otherwise; a
//! directory always is. No link is followed.

use super::apply::Apply;
use super::beneath::Beneath;
use super::failure::blocked;
use super::plan::{Step, holds_bytes};
use super::stage::{Stage, not_a_file, write_bytes};
use super::whole;
use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::record::{MODE_BITS, OutputEntry, OutputKind, OutputTime, OutputTree};
use crate::store::BlobStore;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Number of files and links that were written, and that were there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extracted {
    /// Files and links written.
    pub(crate) written: u64,
    /// Files and links with the recorded content.
    pub(crate) same: u64,
}

/// Writes the files, links and directories of `tree` below `directory`, which is created if it does not exist. Replaces files that
/// differ if `force` is set. Calls `advance` with the number of bytes written so far.
///
/// # Errors
/// A file differs and `force` is not set; a directory or a link is in the way; a blob is damaged; the system refuses. Only in the
/// last case may something have been written.
pub(crate) fn extract(
    blobs: &dyn BlobStore,
    tree: &OutputTree,
    directory: &Path,
    force: bool,
    advance: &mut dyn FnMut(u64),
) -> Result<Extracted> {
    fs::create_dir_all(directory).map_err(|source| Error::io("create", directory, source))?;
    let mut extracted = Extracted::default();
    let mut steps = Vec::with_capacity(tree.entries().len());
    for entry in tree.entries() {
        let path = directory.join(OsStr::from_bytes(&entry.path));
        check_parents(directory, &path)?;
        let step = plan(entry, &path, force)?;
        let counts = !matches!(entry.kind, OutputKind::Directory { .. } | OutputKind::Removed);
        match step {
            Step::Write { .. } => extracted.written += u64::from(counts),
            _ => extracted.same += u64::from(counts),
        }
        steps.push(step);
    }
    let mut beneath = Beneath::open(directory).map_err(|errno| blocked("open", directory, errno))?;
    let apply = Apply { tree, blobs, base: directory, replaces: force, put_aside: &|_, _| Ok(()) };
    apply.run(&mut beneath, &mut Stage::inside(directory), &steps, advance)?;
    Ok(extracted)
}

/// Opens all bytes of a recorded file.
///
/// # Errors
/// When they are damaged or it is not a file.
pub(crate) fn open(blobs: &dyn BlobStore, file: &OutputKind) -> Result<Box<dyn Read + Send>> {
    let stored = file.stored().ok_or_else(not_a_file)?;
    Ok(whole(file, blobs.read(&stored.blob)?))
}

/// Creates a file with the bytes and the holes of a recorded one. Calls `advance` with the number of bytes written so far.
///
/// # Errors
/// When they are damaged, it is not a file, or the system refuses.
pub(crate) fn create_file(
    blobs: &dyn BlobStore,
    path: &Path,
    file: &OutputKind,
    advance: &mut dyn FnMut(u64),
) -> Result<File> {
    let mut to = File::create_new(path).map_err(|source| Error::io("write", path, source))?;
    write_bytes(blobs, file, &mut to, &mut Buffer::empty(), advance)?;
    Ok(to)
}

/// The action for one entry, whose path outside of the root is `path`.
fn plan(entry: &OutputEntry, path: &Path, force: bool) -> Result<Step> {
    let time = match &entry.time {
        OutputTime::Given { time, .. } => Some(*time),
        OutputTime::Written { .. } => None,
    };
    let write = Step::Write { aside: false, time, kept: None };
    if entry.kind == OutputKind::Removed {
        // Nothing is removed outside of the root.
        return Ok(Step::Nothing);
    }
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(write),
        Err(error) => return Err(Error::io("inspect", path, error)),
    };
    let is_same = match &entry.kind {
        OutputKind::Directory { .. } => found.is_dir(),
        OutputKind::Symlink { text } => {
            found.is_symlink() && fs::read_link(path).is_ok_and(|link| link.as_os_str().as_bytes() == text)
        }
        kind => found.is_file() && holds_bytes(kind, path, found.len())?,
    };
    if is_same {
        let mode = match &entry.kind {
            OutputKind::File { mode, .. } | OutputKind::Sparse { mode, .. } => Some(*mode),
            _ => None,
        };
        let mode = mode.filter(|mode| found.permissions().mode() & MODE_BITS != *mode);
        return Ok(if mode.is_some() { Step::Touch { mode, time: None } } else { Step::Nothing });
    }
    if found.is_dir() || matches!(entry.kind, OutputKind::Directory { .. }) {
        return Err(Error::usage(format!("{} is in the way", path.display()))
            .with_hint("move it away, or name another directory"));
    }
    if force {
        return Ok(write);
    }
    Err(Error::usage(format!("{} exists and differs", path.display()))
        .with_hint("--force replaces it; nothing was written"))
}

/// Refuses a path where anything between it and `directory` is not a directory: a link could lead elsewhere.
fn check_parents(directory: &Path, path: &Path) -> Result<()> {
    let parents = path.ancestors().skip(1).take_while(|parent| *parent != directory);
    for parent in parents {
        match fs::symlink_metadata(parent) {
            Ok(found) if !found.is_dir() => {
                return Err(Error::usage(format!("{} is not a directory", parent.display()))
                    .with_hint("move it away, or name another directory"));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{BlobId, Digest};
    use crate::record::{Content, Timestamp};
    use crate::store::{Arrival, LocalStore, StoreOptions};
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    fn file(path: &str, text: &str, mode: u32) -> OutputEntry {
        let content = Content { blob: BlobId(Digest::of(text.as_bytes())), size: text.len() as u64 };
        OutputEntry::new(path, OutputKind::File { content, mode, sparse: false })
    }

    fn tree() -> OutputTree {
        OutputTree::new(vec![
            file("a", "one", 0o600),
            file("d/b", "two", 0o755),
            OutputEntry::new(b"d", OutputKind::Directory { mode: 0o555 }),
            OutputEntry::new(b"l", OutputKind::Symlink { text: b"d/b".to_vec() }),
            OutputEntry::new(b"gone", OutputKind::Removed),
            OutputEntry::new(b"empty", OutputKind::Directory { mode: 0o700 }),
        ])
    }

    /// A store with these blobs. The directory is removed with the first value.
    fn store(blobs: &[&[u8]]) -> (tempfile::TempDir, LocalStore) {
        let directory = tempfile::tempdir().unwrap();
        let options = StoreOptions { create: true, ..StoreOptions::default() };
        let store = LocalStore::open(&directory.path().join("store"), &options).unwrap();
        for blob in blobs {
            store.put(blob).unwrap();
        }
        (directory, store)
    }

    fn get(directory: &Path, force: bool) -> Result<Extracted> {
        let (_directory, store) = store(&[b"one", b"two"]);
        extract(&store, &tree(), directory, force, &mut |_| {})
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn everything_is_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("new/place");
        assert_eq!(get(&target, false).unwrap(), Extracted { written: 3, same: 0 });
        assert_eq!(names(&target), ["a", "d", "empty", "l"]);
        assert_eq!(fs::read(target.join("l")).unwrap(), b"two");
        let mode = |path: &str| fs::metadata(target.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("a"), mode("d/b"), mode("d")), (0o600, 0o755, 0o555));
        assert_eq!(get(&target, false).unwrap(), Extracted { written: 0, same: 3 });
    }

    #[test]
    fn what_it_does_not_own_stays() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path();
        for (path, text) in [("other", "mine"), ("a", "mine too"), ("gone", "still here")] {
            fs::write(target.join(path), text).unwrap();
        }
        let error = get(target, false).unwrap_err().to_string();
        assert!(error.ends_with("/a exists and differs"), "{error}");
        assert_eq!(names(target), ["a", "gone", "other"]);
        assert_eq!(fs::read(target.join("a")).unwrap(), b"mine too");
        assert_eq!(get(target, true).unwrap().written, 3);
        assert_eq!(fs::read(target.join("a")).unwrap(), b"one");
        assert_eq!(fs::read(target.join("other")).unwrap(), b"mine");
        assert_eq!(fs::read(target.join("gone")).unwrap(), b"still here");
    }

    #[test]
    fn no_link_leads_out() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        let target = folder.path().join("target");
        fs::create_dir_all(&outside).unwrap();
        fs::create_dir_all(&target).unwrap();
        std::os::unix::fs::symlink(&outside, target.join("d")).unwrap();
        for force in [false, true] {
            get(&target, force).unwrap_err();
            assert!(names(&outside).is_empty());
        }
        fs::remove_file(target.join("d")).unwrap();
        std::os::unix::fs::symlink(outside.join("x"), target.join("a")).unwrap();
        get(&target, false).unwrap_err();
        get(&target, true).unwrap();
        assert!(names(&outside).is_empty());
    }

    #[test]
    fn a_directory_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        assert!(get(folder.path(), true).unwrap_err().to_string().ends_with("is in the way"));
    }

    #[test]
    fn damage_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let broken = OutputTree::new(vec![file("a", "one", 0o644), file("z", "unknown", 0o644)]);
        let (_directory, store) = store(&[b"one"]);
        let error = extract(&store, &broken, folder.path(), false, &mut |_| {}).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Damaged, "{error}");
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_received_file_is_restored_from_its_second_copy_once() {
        let (directory, store) = store(&[]);
        let folder = tempfile::tempdir_in(directory.path()).unwrap();
        let bytes = vec![7; 9 << 20];
        let receive = || {
            let mut bring = |mut file: &File| {
                file.write_all(&bytes).unwrap();
                Arrival::Once
            };
            store.receive(bytes.len() as u64, true, &mut bring).unwrap().unwrap()
        };
        let content = receive();
        if store.take_spare(&content.blob).is_none() {
            eprintln!("SKIPPED: this file system shares blocks, or has no files without names");
            return;
        }
        receive();
        // Nothing but the second copy is left.
        fs::remove_dir_all(directory.path().join("store/objects")).unwrap();
        let kind = OutputKind::File { content, mode: 0o640, sparse: false };
        let tree = OutputTree::new(vec![OutputEntry::new(b"a", kind)]);
        let target = folder.path().join("target");
        extract(&store, &tree, &target, false, &mut |_| {}).unwrap();
        assert!(fs::read(target.join("a")).unwrap() == bytes);
        let found = fs::metadata(target.join("a")).unwrap();
        assert_eq!((found.permissions().mode() & 0o7777, found.nlink()), (0o640, 1));
        extract(&store, &tree, &folder.path().join("other"), false, &mut |_| {}).unwrap_err();
    }

    #[test]
    fn holes_stay_holes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        let (_directory, store) = store(&[&vec![0; 1 << 20]]);
        let content = Content { blob: BlobId(Digest::of(&vec![0; 1 << 20])), size: 1 << 20 };
        let kind = OutputKind::File { content, mode: 0o644, sparse: true };
        create_file(&store, &path, &kind, &mut |_| {}).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), 1 << 20);
        assert!(metadata.blocks() < 100);
    }

    #[test]
    fn other_names_explicit_times_and_progress() {
        let folder = tempfile::tempdir().unwrap();
        let (_directory, store) = store(&[b"one"]);
        let time = Timestamp::from_parts(1_000_000, 7_000);
        let mut first = file("a", "one", 0o640);
        first.time = OutputTime::Given { time, like: Vec::new() };
        let second = OutputEntry { path: b"d/b".to_vec(), link_to: Some(b"a".to_vec()), ..first.clone() };
        let tree = OutputTree::new(vec![first, second]);
        let mut written = Vec::new();
        extract(&store, &tree, folder.path(), false, &mut |bytes| written.push(bytes)).unwrap();
        assert_eq!(written.last(), Some(&3));
        let (a, b) = (fs::metadata(folder.path().join("a")), fs::metadata(folder.path().join("d/b")));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!((a.ino(), a.mtime(), a.mtime_nsec()), (b.ino(), 1_000_000, 7_000));
        // A name that is missing becomes a link to the file in place.
        fs::remove_file(folder.path().join("d/b")).unwrap();
        extract(&store, &tree, folder.path(), false, &mut |_| {}).unwrap();
        assert_eq!(fs::metadata(folder.path().join("d/b")).unwrap().ino(), a.ino());
    }
}
